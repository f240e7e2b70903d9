"""`ivr prompts check | build | say` as a person at a terminal meets them."""

import io
import wave
from pathlib import Path

import pytest
from rich.console import Console

from ivr.domain.errors import BadInput
from ivr.prompts.units import Currency
from ivr.recordings.commands import prompts_build, prompts_check, prompts_say
from ivr.recordings.files import seconds
from ivr.recordings.say import Said, play, say
from tests.recordings.conftest import Site


class Terminal:
    """A narrow one, so that a wrapped line would show."""

    def __init__(self) -> None:
        self.out, self.err = io.StringIO(), io.StringIO()
        self.stdout, self.stderr = Console(file=self.out, width=20), Console(file=self.err, width=20)


def test_check_is_quiet_about_a_good_site_and_fails_a_bad_one(site: Site) -> None:
    """The exit status is what a script looks at; each fault is one line."""
    good, bad = Terminal(), Terminal()
    assert prompts_check(site.prompts, site.out, stdout=good.stdout, stderr=good.stderr) == 0
    assert (good.out.getvalue(), good.err.getvalue()) == ("prompts: no faults\n", "")
    site.alaw("talk/hello").unlink()
    assert prompts_check(site.prompts, site.out, stdout=bad.stdout, stderr=bad.stderr) == 1
    assert bad.err.getvalue() == f"{site.file}:2:10: talk/hello: not built yet; run `ivr prompts build`\n"


def test_build_says_what_it_did_and_is_quiet_in_a_pipe(site: Site) -> None:
    """No bar is drawn into a log."""
    terminal = Terminal()
    site.alaw("talk/hello").unlink()
    assert prompts_build(site.prompts, site.out, stdout=terminal.stdout, stderr=terminal.stderr) == 0
    assert terminal.out.getvalue() == "prompts: 1 built, 62 up to date, 0 removed\n"
    assert terminal.err.getvalue() == ""


def test_build_of_a_faulty_catalogue_fails_with_the_faults(site: Site) -> None:
    """Nothing is built from half a catalogue."""
    terminal = Terminal()
    site.file.write_text("talk: 1\n")
    assert prompts_build(site.prompts, site.out, stdout=terminal.stdout, stderr=terminal.stderr) == 1
    assert f"{site.file}:1:7: group talk must be a mapping" in terminal.err.getvalue()


def test_say_writes_one_wav_of_all_the_pieces(site: Site) -> None:
    """The amount can be heard before any caller hears it, Persian digits and separators included."""
    terminal, file = Terminal(), site.out.parent / "amount.wav"
    assert prompts_say(site.prompts, site.out, "۱۶۰٬۰۰۰", "en", Currency.TOMAN, file, stdout=terminal.stdout) == 0
    names = ["number/16", "number/1000", "unit/toman"]
    assert terminal.out.getvalue().splitlines()[:2] == ["sixteen thousand tomans", " ".join(names)]
    with wave.open(str(file)) as wav:
        length = wav.getnframes() / wav.getframerate()
    assert length == pytest.approx(sum(seconds(site.out, "en", name) for name in names))


def test_say_builds_what_is_missing_and_finds_its_own_place(site: Site, tmp_path: Path) -> None:
    """It works on a fresh machine."""
    terminal = Terminal()
    site.alaw("number/60").unlink()
    assert prompts_say(site.prompts, site.out, "60", "en", stdout=terminal.stdout) == 0
    file = Path(terminal.out.getvalue().splitlines()[2].split(" (")[0])
    assert file.stat().st_size > 8000
    file.unlink()
    file.parent.rmdir()


@pytest.mark.parametrize(("amount", "language"), [("0", "en"), ("many", "en"), ("1", "fa")])
def test_say_refuses_what_is_no_amount_and_no_language(site: Site, amount: str, language: str) -> None:
    """A clear sentence instead of a wrong sound."""
    with pytest.raises(BadInput):
        prompts_say(site.prompts, site.out, amount, language)


def test_say_names_a_piece_that_is_not_built(site: Site, tmp_path: Path) -> None:
    """The function itself builds nothing."""
    with pytest.raises(BadInput, match="run `ivr prompts build`"):
        say(site.catalogue, tmp_path / "nothing", 1, "en", Currency.RIAL, tmp_path / "x.wav")
    with pytest.raises(BadInput, match="is no directory"):
        say(site.catalogue, site.out, 1, "en", Currency.RIAL, tmp_path / "no" / "x.wav")


@pytest.mark.parametrize(("status", "heard"), [(0, True), (1, False)])
def test_it_is_played_where_there_is_a_player_and_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: int, heard: bool
) -> None:
    """On a server without a loudspeaker nothing is tried."""
    player = tmp_path / "aplay"
    player.write_text(f'#!/bin/sh\necho "$2" > {tmp_path}/played\nexit {status}\n')
    player.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    said = Said(("unit/rial",), "rials", tmp_path / "x.wav", 1.0)
    assert not play(said, devices=tmp_path)
    (tmp_path / "pcmC0D0p").touch()
    assert play(said, devices=tmp_path) is heard
    assert (tmp_path / "played").read_text() == f"{said.file}\n"
