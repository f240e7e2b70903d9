"""Programs that are missing, fail or hang are said so in one sentence."""

import math

import pytest

from ivr.domain.errors import Unusable
from ivr.recordings.sound import complaint, measure
from ivr.recordings.tools import run


def test_a_program_that_hangs_is_given_up() -> None:
    """A build ends."""
    with pytest.raises(Unusable, match=r"sleep did not finish within 0\.05 seconds"):
        run(["sleep", "60"], seconds=0.05)


def test_a_program_that_fails_is_quoted() -> None:
    """The last thing it said is why; a silent one leaves its exit status."""
    with pytest.raises(Unusable, match="sh failed: no such voice"):
        run(["sh", "-c", "echo first >&2; echo no such voice >&2; exit 1"])
    with pytest.raises(Unusable, match="sh failed: exit status 7"):
        run(["sh", "-c", "exit 7"])


def test_a_program_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package that has it."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Unusable, match="apt-get install sox"):
        run(["sox"])


def test_no_samples_at_all_are_silence() -> None:
    """An empty recording is a silent one."""
    nothing = measure(b"")
    assert (nothing.samples, nothing.peak_db) == (0, -math.inf)
    assert "silent" in str(complaint(nothing))
