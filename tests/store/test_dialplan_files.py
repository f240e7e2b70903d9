"""The dialplan's directory while people work in it."""

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ivr.domain.errors import Unusable
from ivr.domain.reading import Faults
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Dialplan
from ivr.flow.versions import version_of
from ivr.store import dialplan_files
from ivr.store.dialplan_files import MOST_TRIES, load_current, load_kept, look, read_files, write_back
from tests.flow.world import world
from tests.greeting import NUMBERS, ONE, TWO, Greeting, flow


@pytest.fixture
def greeting(tmp_path: Path) -> Greeting:
    return Greeting(tmp_path / "dialplan")


def load(directory: Path) -> Dialplan:
    return load_dialplan(directory, world())


def after(saves: Callable[[int], None]) -> Callable[[Path], Dialplan]:
    """Loads, but somebody saves before; is told how often it has been called."""
    times = 0

    def loads(directory: Path) -> Dialplan:
        nonlocal times
        times += 1
        saves(times)
        return load(directory)

    return loads


def test_what_is_loaded_is_what_was_read(greeting: Greeting) -> None:
    """The texts come with it, and their version."""
    loaded = load_current(greeting.directory, load)
    assert loaded.files == {"numbers.yaml": NUMBERS, "flows/greet.yaml": flow(ONE)}
    assert loaded.dialplan.version == version_of(loaded.files)


def test_an_editor_has_the_file_open(greeting: Greeting) -> None:
    """What it keeps beside the file (Emacs: a link to nowhere) is no flow; the saved text is what counts."""
    (greeting.directory / "flows" / ".#greet.yaml").symlink_to("maryam@desk.1234")
    assert load_current(greeting.directory, load).files.keys() == {"numbers.yaml", "flows/greet.yaml"}


def test_somebody_saves_while_it_is_read(greeting: Greeting) -> None:
    """It is read again: never half of one version and half of the next."""
    loaded = load_current(greeting.directory, after(lambda n: greeting.says(TWO) if n == 1 else None))
    assert loaded.files["flows/greet.yaml"] == flow(TWO)


def test_a_file_that_is_just_being_saved_has_no_faults(greeting: Greeting) -> None:
    """An editor empties the file, then writes it: what was seen in between is not told to anybody."""
    greeting.breaks()

    def saves(times: int) -> None:
        if times == 2:
            greeting.says(TWO)
        else:
            greeting.flow.write_text("" if times == 1 else flow(TWO), encoding="utf-8")

    assert load_current(greeting.directory, after(saves)).files["flows/greet.yaml"] == flow(TWO)


def test_files_that_never_stand_still(greeting: Greeting) -> None:
    """Said after a few tries; nothing is loaded."""
    tries: list[int] = []

    def saves(times: int) -> None:
        tries.append(times)
        greeting.flow.write_text(flow(ONE) + "#" * times, encoding="utf-8")

    with pytest.raises(Unusable, match="change while they are being read"):
        load_current(greeting.directory, after(saves))
    assert len(tries) == MOST_TRIES


def test_faults_are_those_of_the_check(greeting: Greeting) -> None:
    """The same file names, lines and sentences; also for a dialplan that is kept elsewhere."""
    greeting.breaks()
    greeting.numbers.write_text('numbers:\n  - number: "1"\n    flow: other\n', encoding="utf-8")
    with pytest.raises(Faults) as checked:
        load(greeting.directory)
    with pytest.raises(Faults) as current:
        load_current(greeting.directory, load)
    with pytest.raises(Faults) as kept:
        load_kept(read_files(greeting.directory), load, greeting.directory)
    assert str(checked.value) == str(current.value) == str(kept.value)


@pytest.mark.parametrize("directory", ["nothing", "dialplan/flows"])
def test_no_dialplan(greeting: Greeting, tmp_path: Path, directory: str) -> None:
    """A directory that is not there, or is another one: faults, no traceback; also when kept."""
    with pytest.raises(Faults, match=r"numbers\.yaml:1:1: there is no such file"):
        load_current(tmp_path / directory, load)
    with pytest.raises(Faults) as kept:
        load_kept({}, load, tmp_path / directory)
    assert str(tmp_path / directory) in str(kept.value) and "ivr-dialplan-" not in str(kept.value)


def test_what_is_no_text(greeting: Greeting) -> None:
    """A picture that was saved under the wrong name is a fault with its place."""
    (greeting.directory / "flows" / "photo.yaml").write_bytes(b"\xff\xd8\xff\xe0")
    with pytest.raises(Faults, match=r"photo\.yaml:1:1: not UTF-8"):
        load_current(greeting.directory, load)
    with pytest.raises(Faults, match=r"photo\.yaml:1:1: not UTF-8"):
        read_files(greeting.directory)


def test_a_kept_version_is_the_same_version(greeting: Greeting) -> None:
    """Its texts alone are enough to run it."""
    current = load_current(greeting.directory, load)
    kept = load_kept(current.files, load, greeting.directory)
    assert kept.dialplan.version == current.dialplan.version
    assert kept.dialplan.flows.keys() == current.dialplan.flows.keys()


def test_written_back(greeting: Greeting) -> None:
    """Every file as it was, those that were added since gone, and nothing else touched: rights, a README, a lock."""
    before = read_files(greeting.directory)
    greeting.flow.chmod(0o600)
    greeting.says(TWO)
    (greeting.directory / "flows" / "more.yaml").write_text("flow: more\n", encoding="utf-8")
    (greeting.directory / "README.md").write_text("read me", encoding="utf-8")
    (greeting.directory / "flows" / ".#greet.yaml").symlink_to("somebody@host.123")
    write_back(greeting.directory, before, read_files(greeting.directory))
    assert read_files(greeting.directory) == before
    assert greeting.flow.stat().st_mode & 0o777 == 0o600
    names = {path.name for path in greeting.directory.rglob("*")}
    assert names == {"numbers.yaml", "flows", "greet.yaml", "README.md", ".#greet.yaml"}


def test_into_an_empty_directory(tmp_path: Path) -> None:
    """The folder of the flows is made."""
    write_back(tmp_path, {"numbers.yaml": NUMBERS, "flows/greet.yaml": flow(ONE)}, {})
    assert load_current(tmp_path, load).dialplan.numbers


def test_what_nobody_has_a_copy_of(greeting: Greeting) -> None:
    """It is put beside, under a name that is no part of the dialplan."""
    before = read_files(greeting.directory)
    greeting.says(TWO)
    write_back(greeting.directory, before, read_files(greeting.directory), ["flows/greet.yaml"])
    assert greeting.flow.with_name("greet.yaml.lost").read_text(encoding="utf-8") == flow(TWO)
    assert read_files(greeting.directory) == before


def test_somebody_else_has_just_saved(greeting: Greeting) -> None:
    """Then nothing is written over."""
    before = read_files(greeting.directory)
    greeting.says(TWO)
    with pytest.raises(Unusable, match="changed by somebody else"):
        write_back(greeting.directory, before, before)
    assert greeting.flow.read_text(encoding="utf-8") == flow(TWO)


def test_where_nothing_can_be_written(greeting: Greeting) -> None:
    """One sentence; no half file is left."""
    before = read_files(greeting.directory)
    (greeting.directory / "flows" / "greet.yaml").unlink()
    (greeting.directory / "flows").rmdir()
    (greeting.directory / "flows").write_text("in the way", encoding="utf-8")
    with pytest.raises(Unusable, match="cannot write"):
        write_back(greeting.directory, before, read_files(greeting.directory))


def test_nobody_reads_half_of_what_is_written_back(greeting: Greeting, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who loads waits until all files are there."""
    before = read_files(greeting.directory)
    writing, go_on = threading.Event(), threading.Event()
    replace = dialplan_files._replace

    def slowly(path: Path, content: bytes) -> None:
        writing.set()
        assert go_on.wait(5)
        replace(path, content)

    monkeypatch.setattr(dialplan_files, "_replace", slowly)
    other = {"numbers.yaml": NUMBERS + "# two\n", "flows/greet.yaml": flow(TWO)}
    writer = threading.Thread(target=write_back, args=(greeting.directory, other, before))
    writer.start()
    assert writing.wait(5)
    read: list[object] = []
    reader = threading.Thread(target=lambda: read.append(read_files(greeting.directory)))
    reader.start()
    reader.join(0.1)
    assert read == []
    go_on.set()
    reader.join(5)
    writer.join(5)
    assert read == [other]


def test_every_change_is_seen(greeting: Greeting) -> None:
    """Saved, added, removed; and what is no file of ours does not count."""
    seen = [look(greeting.directory)]
    greeting.says(TWO)
    seen.append(look(greeting.directory))
    more = greeting.directory / "flows" / "more.yaml"
    more.write_text("flow: more\n", encoding="utf-8")
    seen.append(look(greeting.directory))
    more.unlink()
    (greeting.directory / "notes.txt").write_text("x", encoding="utf-8")
    assert len(set(seen)) == 3 and look(greeting.directory) == seen[1]
    assert look(greeting.directory / "nothing") == frozenset()
