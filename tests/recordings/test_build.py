"""Prompts become what Asterisk plays; only what changed is made again."""

import subprocess
from pathlib import Path

import pytest

from ivr.domain.errors import Unusable
from ivr.recordings.build import build
from ivr.recordings.files import MOST_RECORDING_BYTES, seconds
from ivr.recordings.sound import (
    LEAST_SECONDS,
    MOST_SECONDS,
    PAD_SECONDS,
    PEAK_DB,
    PIECE_PAD_SECONDS,
    SPEECH_LEVEL_DB,
    Sound,
    measure,
)
from tests.recordings.conftest import Site, Tone

HALF_A_STEP_DB = 0.3
"""A-law's steps are coarse near full scale."""


def heard(alaw: Path) -> Sound:
    command = ["sox", "-t", "al", "-r", "8000", "-c", "1", str(alaw), "-t", "raw", "-e", "signed", "-b", "16", "-"]
    return measure(subprocess.run(command, check=True, capture_output=True).stdout)


def test_every_prompt_is_made_in_both_encodings_and_as_loud_as_the_others(built_once: Site) -> None:
    """No caller reaches for the volume, and nothing is clipped."""
    files = sorted(built_once.out.rglob("*.alaw"))
    assert len(files) == len(built_once.catalogue.names("en"))
    for file in files:
        sound = heard(file)
        assert file.with_suffix(".ulaw").stat().st_size == file.stat().st_size == sound.samples
        assert LEAST_SECONDS < sound.samples / 8000 < MOST_SECONDS
        assert sound.peak_db <= PEAK_DB + HALF_A_STEP_DB, file
        assert sound.level_db == pytest.approx(SPEECH_LEVEL_DB, abs=4), file


def test_a_second_build_has_nothing_to_do(site: Site) -> None:
    """Building at every start costs nothing."""
    done = site.build()
    assert (done.made, done.removed, done.faults) == ((), (), ())
    assert done.kept == len(site.catalogue.names("en"))


def test_what_only_screens_show_is_not_recorded(site: Site) -> None:
    """Nothing is made of it, nothing is missing, and a recording of it would be nobody's."""
    site.file.write_text(site.file.read_text().replace("talk:", 'talk:\n  more: {screen: "More"}', 1))
    done = site.build()
    assert (done.made, done.removed, site.check()) == ((), (), [])
    site.recording("talk/more").write_bytes(b"")
    [complaint] = site.check()
    assert "has no such prompt" in complaint


def test_only_the_changed_text_is_made_again(site: Site) -> None:
    """An admin who changes one text does not wait for two hundred."""
    before = site.alaw("talk/hello").read_bytes()
    site.file.write_text(site.file.read_text().replace("Hello and welcome.", "Hello and welcome, dear caller."))
    steps: list[tuple[int, int, str]] = []
    done = build(site.catalogue, site.prompts, site.out, lambda *step: steps.append(step))
    assert done.made == ("en/talk/hello",)
    assert steps == [(1, 1, "en/talk/hello")]
    assert site.alaw("talk/hello").stat().st_size > len(before)


def test_spoken_is_what_is_heard_instead_of_the_text(site: Site) -> None:
    """A respelling changes the sound and not the screen."""
    respelled = '{text: "Goodbye.", spoken: "Good morning to everybody."}'
    site.file.write_text(site.file.read_text().replace('"Goodbye."', respelled))
    before = site.alaw("talk/goodbye").stat().st_size
    assert site.build().made == ("en/talk/goodbye",)
    assert site.alaw("talk/goodbye").stat().st_size > before
    assert site.catalogue.text("en", "talk/goodbye") == "Goodbye."


def test_a_dropped_in_recording_replaces_the_synthesiser_until_it_is_taken_away(site: Site, tone: Tone) -> None:
    """Recordings come one by one; their silence is cut to the pad."""
    synthesised = site.alaw("talk/hello").read_bytes()
    recording = site.recording("talk/hello")
    tone(recording, seconds=2.0)
    assert site.build().made == ("en/talk/hello",)
    assert seconds(site.out, "en", "talk/hello") == pytest.approx(2 + 2 * PAD_SECONDS, abs=0.05)
    assert heard(site.alaw("talk/hello")).level_db == pytest.approx(SPEECH_LEVEL_DB, abs=1)
    recording.unlink()
    assert site.build().made == ("en/talk/hello",)
    assert site.alaw("talk/hello").read_bytes() == synthesised


def test_pieces_of_numbers_have_less_silence_around_them(site: Site, tone: Tone) -> None:
    """An amount sounds like one phrase."""
    tone(site.recording("number/60"), seconds=0.5)
    site.build()
    assert seconds(site.out, "en", "number/60") == pytest.approx(0.5 + 2 * PIECE_PAD_SECONDS, abs=0.02)


@pytest.mark.parametrize(
    ("loudness", "length", "reason"),
    [
        (0.001, 1.0, "the recording is silent"),
        (3.0, 1.0, "the recording is clipped"),
        (0.3, MOST_SECONDS + 0.5, "seconds long; at most 15 are allowed"),
        (0.3, LEAST_SECONDS / 2, "no word is shorter"),
    ],
)
def test_a_bad_recording_is_a_fault_and_the_old_sound_stays(
    site: Site, tone: Tone, loudness: float, length: float, reason: str
) -> None:
    """A slip in the studio never reaches a caller; build and check say the same."""
    before = site.alaw("talk/hello").read_bytes()
    recording = site.recording("talk/hello")
    tone(recording, seconds=length, loudness=loudness)
    (fault,) = site.build().faults
    assert str(fault).startswith(f"{recording}:1:1: ")
    assert reason in fault.message
    assert site.alaw("talk/hello").read_bytes() == before
    assert site.check() == [str(fault)]


def test_a_recording_of_the_longest_length_is_fine(site: Site, tone: Tone) -> None:
    """The limit itself is allowed."""
    tone(site.recording("talk/hello"), seconds=MOST_SECONDS - 0.05)
    assert site.build().faults == ()


def test_what_is_no_wav_and_what_is_too_large_is_a_fault(site: Site) -> None:
    """A song or a document dropped in by mistake is named."""
    site.recording("talk/hello").write_text("not a sound")
    with site.recording("talk/goodbye").open("wb") as file:
        file.truncate(MOST_RECORDING_BYTES + 1)
    goodbye, hello = site.build().faults
    assert "cannot be read as a WAV file" in hello.message
    assert f"at most {MOST_RECORDING_BYTES} are allowed" in goodbye.message


def test_a_text_that_takes_too_long_to_say_is_a_fault_at_its_line(site: Site) -> None:
    """The admin is led to the text."""
    site.file.write_text(site.file.read_text().replace("Goodbye.", "Goodbye to all of you. " * 12 + "Yes."))
    (fault,) = site.build().faults
    assert str(fault).startswith(f"{site.file}:3:12: talk/goodbye: it is ")


def test_a_damaged_file_is_made_again(site: Site) -> None:
    """What a full disk or a power failure left behind is mended by the next build."""
    whole = site.alaw("talk/hello").read_bytes()
    site.alaw("talk/hello").write_bytes(bytes(len(whole)))
    site.alaw("talk/goodbye").unlink()
    assert site.build().made == ("en/talk/goodbye", "en/talk/hello")
    assert site.alaw("talk/hello").read_bytes() == whole


def test_a_lost_or_broken_manifest_only_costs_time(site: Site) -> None:
    """Everything is built again, and nothing fails."""
    (site.out / "manifest.json").write_text('{"en": 3')
    assert len(site.build().made) == len(site.catalogue.names("en"))


def test_files_of_a_deleted_prompt_go_and_foreign_files_stay(site: Site) -> None:
    """Nothing that we did not make is deleted."""
    foreign = site.out / "en" / "talk" / "mine.alaw"
    foreign.write_bytes(b"\xd5" * 8000)
    site.file.write_text(site.file.read_text().replace('  goodbye: "Goodbye."\n', ""))
    assert site.build().removed == ("en/talk/goodbye",)
    assert not site.alaw("talk/goodbye").exists()
    assert foreign.exists()


def test_a_progress_that_fails_loses_no_finished_work(site: Site) -> None:
    """A build that is broken off goes on from where it was."""

    def break_off(count: int, total: int, name: str) -> None:
        raise KeyboardInterrupt

    (site.out / "manifest.json").unlink()
    with pytest.raises(KeyboardInterrupt):
        build(site.catalogue, site.prompts, site.out, break_off)
    assert site.build().kept >= 1


@pytest.mark.parametrize(("present", "missing"), [((), ("espeak-ng", "sox")), (("sox",), ("espeak-ng",))])
def test_a_missing_program_is_named_with_its_package(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, present: tuple[str, ...], missing: tuple[str, ...]
) -> None:
    """The admin knows what to install; what is built already keeps working."""
    for program in present:
        tool = tmp_path / program
        tool.write_text("#!/bin/sh\n")
        tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert site.build().made == ()
    site.alaw("talk/hello").unlink()
    with pytest.raises(Unusable, match=f"apt-get install .*{missing[0]}"):
        site.build()


def test_a_directory_that_cannot_be_written_is_named(site: Site) -> None:
    """One clear sentence instead of a traceback."""
    with pytest.raises(Unusable, match="cannot be written"):
        build(site.catalogue, site.prompts, site.file / "sounds")
