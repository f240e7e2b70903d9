"""Every fault is found before a caller finds it."""

from ivr.recordings.check import behind
from tests.recordings.conftest import Site, Tone


def test_what_was_just_built_has_no_faults(site: Site) -> None:
    """Silence means all is well."""
    assert site.check() == []


def test_missing_and_outdated_prompts_are_named_at_their_line(site: Site) -> None:
    """The admin sees that a build was forgotten."""
    site.alaw("talk/goodbye").unlink()
    site.file.write_text(site.file.read_text().replace("Hello and", "Hi and"))
    assert site.check() == [
        f"{site.file}:2:10: talk/hello: out of date; run `ivr prompts build`",
        f"{site.file}:3:12: talk/goodbye: not built yet; run `ivr prompts build`",
    ]


def test_a_new_recording_that_is_not_built_yet_is_out_of_date(site: Site, tone: Tone) -> None:
    """A good recording that nobody hears yet."""
    recording = site.recording("talk/hello")
    tone(recording)
    assert site.check() == [f"{recording}:1:1: out of date; run `ivr prompts build`"]


def test_what_callers_do_not_hear_as_written(site: Site, tone: Tone) -> None:
    """Enough to remind whoever changed a text; files that came from elsewhere are believed."""
    assert behind(site.catalogue, site.prompts, site.out) == []
    site.alaw("talk/goodbye").unlink()
    tone(site.recording("talk/hello"))
    assert behind(site.catalogue, site.prompts, site.out) == ["en/talk/hello", "en/talk/goodbye"]
    assert behind(site.catalogue, site.prompts, site.out, missing=False) == ["en/talk/hello"]
    (site.out / "manifest.json").unlink()
    assert behind(site.catalogue, site.prompts, site.out) == ["en/talk/goodbye"]


def test_files_that_nothing_plays_are_named(site: Site, tone: Tone) -> None:
    """A slip in a file's name does not go unnoticed."""
    slip = site.recording("talk/helo")
    tone(slip)
    song = site.recording("talk/hello").with_suffix(".mp3")
    song.write_bytes(b"x")
    orphan = site.alaw("talk/old")
    orphan.write_bytes(b"x")
    (site.recording("talk/hello").parent / ".hidden").write_bytes(b"x")
    assert site.check() == [
        f"{song}:1:1: is not used: a recording's name ends in .wav",
        f"{slip}:1:1: is not used: {site.file} has no such prompt",
        f"{orphan}:1:1: belongs to no prompt; delete it",
    ]


def test_what_only_screens_show_is_not_recorded(site: Site) -> None:
    """Nothing is built for it, nothing is missing, and what was built for it belongs to nobody."""
    site.file.write_text(site.file.read_text() + 'shown:\n  more: {screen: "More"}\n')
    assert site.build().faults == () and site.check() == [] and not site.alaw("shown/more").exists()
    assert behind(site.catalogue, site.prompts, site.out) == []


def test_faults_of_the_catalogue_come_first(site: Site) -> None:
    """A catalogue that cannot be read is the only thing worth saying."""
    site.file.write_text(site.file.read_text().replace('"Goodbye."', "42"))
    assert site.check() == [f'{site.file}:3:12: talk/goodbye must be quoted: "42"']
