"""The script that installs Asterisk: safe to run again, and plain about what is wrong."""

import subprocess
import time
from pathlib import Path

import pytest

from ivr.domain.errors import Unusable
from ivr.lab.asterisk import Installation, ensure_asterisk
from ivr.lab.installation import SCRIPT, default_directory

SECOND_RUN_SECONDS = 1.0


def test_a_second_run_is_quick_and_says_so(asterisk: Installation) -> None:
    """`make demo` does not wait for what is there."""
    said: list[str] = []
    begun = time.monotonic()
    again = ensure_asterisk(said.append)
    assert time.monotonic() - begun < SECOND_RUN_SECONDS
    assert again == asterisk
    assert said == [f"Asterisk {asterisk.version} is ready in {default_directory()}"]
    assert (asterisk.modules / "chan_pjsip.so").is_file() and (asterisk.data / "rest-api").is_dir()


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    """A mistyped path costs nothing."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(Unusable, match="was not made by this script"):
        ensure_asterisk(directory=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_an_asterisk_of_the_machine_is_used(tmp_path: Path) -> None:
    """Nothing is downloaded where a suitable one is on the PATH; one that is too old is not suitable."""
    place = tmp_path / "cache" / "asterisk"
    for version, status in (("22.10.0", 1), ("22.10.1", 0)):
        program = tmp_path / "bin" / "asterisk"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\necho 'Asterisk {version}~dfsg'\n")
        program.chmod(0o755)
        sourced = _functions(f"PATH={program.parent}:$PATH; has_modules() {{ :; }}; suitable_system_asterisk")
        assert (sourced.returncode, sourced.stdout.strip()) == (status, "" if status else str(program))
    assert not place.exists()


@pytest.mark.parametrize(
    ("version", "enough"),
    [("22.10.1", True), ("22.11.0", True), ("23.0.0", True), ("22.9.9", False), ("22.10.0", False), ("", False)],
)
def test_versions_are_compared_as_versions(version: str, enough: bool) -> None:
    """22.9 is older than 22.10."""
    assert (_functions(f"is_enough '{version}'").returncode == 0) is enough


def _functions(command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with the script's functions but without its last line, which starts it."""
    functions = SCRIPT.read_text().removesuffix("main\n")
    return subprocess.run(
        ["sh", "-c", f"{functions}\n{command}"], capture_output=True, text=True, timeout=20, check=False
    )
