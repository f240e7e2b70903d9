"""The dialplan changes while callers are on the line: who hears what, and what is told to whom."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs

from ivr.domain.errors import Unusable
from ivr.domain.reading import Faults
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Dialplan, Service
from ivr.flow.versions import Files, Loaded
from ivr.runtime.reloader import MOST_LOGGED, MOST_NAMED, Reloader, Result, find_kept
from ivr.store.database import Database
from ivr.store.dialplan_files import load_current, load_kept, look
from ivr.store.dialplans import SqliteDialplans
from ivr.store.sqlite import connect
from ivr.store.sqlite_backend import SqliteBackend
from tests.clock import Clock
from tests.fakes import Changes, FakeVoice
from tests.flow.world import world
from tests.greeting import NUMBER, NUMBERS, ONE, THREE, TWO, Greeting, flow
from tests.runtime.conftest import House

NEEDY = """  find:
    invoice: {provider: nowhere, id: call_id}
    next: end
    exits: {amount_mismatch: end, already_paid: end, being_paid: end, unresolved: end}
"""
"""A step that this deployment has no provider for."""


MENU = Service("menu", (("6655", "123"),), "talk", "fa", {})


class Office:
    """A house whose dialplan is a directory that people edit."""

    def __init__(self, house: House, greeting: Greeting, database: Database) -> None:
        self.house = house
        self.greeting = greeting
        self.database = database
        self.store = SqliteDialplans(database, Clock())
        self.notes: list[str] = []
        self.door = threading.Event()
        self.door.set()
        self.problem: Exception | None = None

    async def open(self) -> None:
        """Begin with what is on disk, as a process does."""
        loaded = self.load()
        await self.store.use(loaded.dialplan.version, loaded.files, "start", "")
        self.house.dialplan = loaded.dialplan
        self.house.switchboard = self.house.new_switchboard()
        self.reloader = self.new_reloader(loaded.files)

    def new_reloader(self, files: Files) -> Reloader:
        return Reloader(
            self.load, self.store, self.house.switchboard, self.house.observer, files, notes=lambda: self.notes
        )

    def load(self) -> Loaded:
        assert self.door.wait(5)
        if self.problem is not None:
            raise self.problem
        return load_current(self.greeting.directory, _load)

    @property
    def version(self) -> str:
        return self.house.switchboard.dialplan.version

    def calls(self, number: str = NUMBER) -> FakeVoice:
        """A caller who listens as slowly as the test says."""
        return self.house.rings(self.house.caller(number, listens=False))

    async def dies(self) -> dict[str, str]:
        """The process goes; what its callers were doing is left."""
        await self.house.switchboard.drain(0)
        await self.house.snapshots.stop()
        return dict(self.house.store.kept)

    async def begins_again(self, left: dict[str, str]) -> None:
        """The next process, with what is on disk now."""
        loaded = self.load()
        self.house.dialplan = loaded.dialplan
        self.house.switchboard = self.house.new_switchboard()

        async def find(version: str) -> Dialplan | None:
            kept = await find_kept(self.store, lambda files: load_kept(files, _load, self.greeting.directory), version)
            return kept.dialplan if kept else None

        await self.house.switchboard.expect(left, find)
        self.reloader = self.new_reloader(loaded.files)

    def comes_again(self, voice: FakeVoice) -> FakeVoice:
        """A living caller of the dead process."""
        switchboard = self.house.switchboard
        voice.emit = switchboard.resume(voice, switchboard.left.pop(voice.info.call_id, None), None)
        return voice


def _load(directory: Path) -> Dialplan:
    return load_dialplan(directory, world())


@pytest_asyncio.fixture
async def office(house: House, tmp_path: Path) -> AsyncIterator[Office]:
    path = tmp_path / "dialplan.sqlite"
    database = Database(SqliteBackend(path, connect(path, "dialplan", synchronous="FULL")))
    office = Office(house, Greeting(tmp_path / "dialplan"), database)
    await office.open()
    yield office
    await database.close()


async def test_a_call_ends_on_the_version_it_began_with(office: Office) -> None:
    """Who was greeted by the old one hears the old one to the end; who calls now hears the new one."""
    early = office.calls()
    await early.hears(ONE)
    office.greeting.says(TWO)
    done = await office.reloader.reload("reload")
    assert (done.result, done.changed, done.version) == (Result.ACTIVE, ["flows/greet.yaml"], office.version)
    late = office.calls()
    await late.hears(TWO)
    for voice in (early, late):
        voice.finish()
        voice.finish()
    await early.changes.until(lambda: early.cause)
    await late.changes.until(lambda: late.cause)
    assert early.heard == [ONE, ONE] and late.heard == [TWO, TWO]
    assert office.house.figure("ivr_reloads_total", result="active") == 1
    assert office.house.figure("ivr_dialplan_version", version=office.version) == 1


async def test_only_the_version_in_use_is_a_figure(office: Office) -> None:
    """Monitoring sees one series, not one per edit."""
    first = office.version
    office.greeting.says(TWO)
    await office.reloader.reload("reload")
    assert office.house.observer.registry.get_sample_value("ivr_dialplan_version", {"version": first}) is None


async def test_a_dialplan_with_faults_changes_nothing(office: Office) -> None:
    """It is refused whole, also its well half; each fault as the check prints it; the old one goes on."""
    before = office.version
    office.greeting.breaks()
    office.greeting.numbers.write_text(NUMBERS.replace(NUMBER, "2001"), encoding="utf-8")
    with pytest.raises(Faults) as checked:
        _load(office.greeting.directory)
    with capture_logs() as lines:
        done = await office.reloader.reload("reload")
    assert (done.result, done.version, office.version) == (Result.REFUSED, before, before)
    assert list(done.faults) == str(checked.value).splitlines()
    assert await office.store.in_use() == before
    assert [line["event"] for line in lines] == ["dialplan_refused"] + ["dialplan_fault"] * len(done.faults)
    assert office.house.figure("ivr_dialplan_faults") == len(done.faults)
    await office.calls().hears(ONE)
    office.greeting.numbers.write_text(NUMBERS, encoding="utf-8")
    office.greeting.says(ONE)
    assert (await office.reloader.reload("reload")).result is Result.UNCHANGED
    assert office.house.figure("ivr_dialplan_faults") == 0


async def test_a_thousand_faults_do_not_fill_the_log(office: Office) -> None:
    """The answer has them all."""
    office.greeting.flow.write_text(flow(ONE) + "".join(f"wrong{n}: 1\n" for n in range(100)), encoding="utf-8")
    with capture_logs() as lines:
        done = await office.reloader.reload("reload")
    assert len(done.faults) == 100 and len(lines) == 1 + MOST_LOGGED


async def test_two_at_once(office: Office) -> None:
    """One after the other: each answer is true, and the version is kept once."""
    before = office.version
    office.greeting.says(TWO)
    done = await asyncio.gather(*(office.reloader.reload("reload") for _ in range(3)))
    assert [one.result for one in done] == [Result.ACTIVE, Result.UNCHANGED, Result.UNCHANGED]
    assert {one.version for one in done} == {office.version} != {before}


async def test_calls_begin_and_go_on_while_it_is_read(office: Office) -> None:
    """A slow disk keeps nobody waiting; who calls meanwhile gets the old version whole."""
    office.door.clear()
    office.greeting.says(TWO)
    reloading = asyncio.create_task(office.reloader.reload("reload"))
    meanwhile = office.calls()
    await meanwhile.hears(ONE)
    assert not reloading.done()
    office.door.set()
    await reloading
    meanwhile.finish()
    await meanwhile.hears(ONE, times=2)
    await office.calls().hears(TWO)


async def test_never_in_use_without_being_kept(office: Office) -> None:
    """The disk is full: new calls go on with the old version. There is space again: it works, without a restart."""
    before = office.version
    await office.database.run(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone())
    office.greeting.flow.write_text(flow(TWO) + "# " + "x" * 100_000, encoding="utf-8")
    done = await office.reloader.reload("reload")
    assert (done.result, done.version, office.version) == (Result.FAILED, before, before)
    assert "the disk is full" in done.faults[0]
    await office.calls().hears(ONE)
    await office.database.run(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchone())
    assert (await office.reloader.reload("reload")).result is Result.ACTIVE
    await office.calls().hears(TWO)


@pytest.mark.parametrize("problem", [Unusable("2 recordings are missing"), RuntimeError("a bug")])
async def test_what_is_wrong_elsewhere(office: Office, problem: Exception) -> None:
    """Something outside is missing, or the loader itself breaks: said, and callers notice nothing."""
    office.problem = problem
    with capture_logs() as lines:
        done = await office.reloader.reload("reload")
    assert done.result is Result.FAILED and len(done.faults) == 1 and len(lines) == 1
    assert office.house.figure("ivr_reloads_total", result="failed") == 1
    await office.calls().hears(ONE)


async def test_numbers_that_come_and_go(office: Office) -> None:
    """Asterisk has to be told of a new number: said to who reloads; so is a number that is refused from now on."""
    many = "".join(f'  - number: "{3000 + n}"\n    flow: greet\n' for n in range(MOST_NAMED + 5))
    office.greeting.numbers.write_text(f"numbers:\n{many}", encoding="utf-8")
    office.notes = ["the configuration has changed"]
    done = await office.reloader.reload("reload")
    new, gone, config = done.notes
    assert "3000, 3001" in new and "and 5 more" in new and "ivr render" in new
    assert gone == f"gone: {NUMBER}; who dials it now is refused"
    assert config == "the configuration has changed"
    voice = office.calls()
    await voice.changes.until(lambda: voice.cause)
    await office.calls("3014").hears(ONE)


async def test_a_flow_that_is_set_aside(office: Office) -> None:
    """A new flow whose provider is not there is no fault while no number runs it: said once, to who brought it."""
    needy = flow(TWO).replace("flow: greet", "flow: needy").replace("steps:\n", f"steps:\n{NEEDY}")
    needy = needy.replace("first: hello", "first: find").replace("next: end\n    exits", "next: hello\n    exits")
    (office.greeting.directory / "flows" / "needy.yaml").write_text(needy, encoding="utf-8")
    [note] = (await office.reloader.reload("reload")).notes
    assert "set aside" in note and "needy (no provider nowhere)" in note
    office.greeting.says(THREE)
    done = await office.reloader.reload("reload")
    assert (done.result, done.notes) == (Result.ACTIVE, ())
    office.greeting.numbers.write_text(f'{NUMBERS}  - {{number: "77", flow: needy}}\n', encoding="utf-8")
    assert (await office.reloader.reload("reload")).result is Result.REFUSED


async def test_a_number_that_is_gone_keeps_its_callers(office: Office) -> None:
    """Who is on the line when the number and the flow are removed is served to the end."""
    voice = office.calls()
    await voice.hears(ONE)
    office.greeting.flow.unlink()
    (office.greeting.directory / "flows" / "other.yaml").write_text(
        flow(TWO).replace("flow: greet", "flow: other"), encoding="utf-8"
    )
    office.greeting.numbers.write_text(NUMBERS.replace("greet", "other"), encoding="utf-8")
    assert (await office.reloader.reload("reload")).result is Result.ACTIVE
    voice.finish()
    await voice.hears(ONE, times=2)


# -- after a crash -----------------------------------------------------------------------------------------------------


async def test_the_next_process_goes_on_with_the_old_version(office: Office) -> None:
    """The process dies after a reload: its callers still hear the version they began with, also after two deaths."""
    voice = office.calls()
    await voice.hears(ONE)
    office.greeting.says(TWO)
    await office.reloader.reload("reload")
    for times in (2, 3):
        left = await office.dies()
        office.house.snapshots.start()
        await office.begins_again(left)
        office.comes_again(voice)
        await voice.hears(ONE, times=times)
    voice.finish()
    await voice.hears(ONE, times=4)
    assert TWO not in voice.heard
    await office.calls().hears(TWO)


async def test_a_reload_before_the_callers_come_back(office: Office) -> None:
    """The next process changes its dialplan at once: who comes a moment later still gets the version of before."""
    voice = office.calls()
    await voice.hears(ONE)
    await office.begins_again(await office.dies())
    office.greeting.says(TWO)
    assert (await office.reloader.reload("reload")).result is Result.ACTIVE
    office.comes_again(voice)
    await voice.hears(ONE, times=2)


async def test_a_version_that_cannot_be_had_any_more(office: Office) -> None:
    """Its prompt is gone, or nobody kept it: the caller goes on with today's flow, and the log says why."""
    voice, other = office.calls(), office.calls()
    await asyncio.gather(voice.hears(ONE), other.hears(ONE))
    left = await office.dies()
    left[other.info.call_id] = left[other.info.call_id].replace(office.version, "never-kept")
    office.greeting.says(TWO)

    async def find(version: str) -> Dialplan | None:
        kept = await find_kept(office.store, _no_longer, version)
        return kept.dialplan if kept else None

    office.house.dialplan = office.load().dialplan
    office.house.switchboard = office.house.new_switchboard()
    with capture_logs() as lines:
        await office.house.switchboard.expect(left, find)
        for one in (voice, other):
            office.comes_again(one)
            await one.hears(TWO)
    events = [line["event"] for line in lines]
    assert events.count("version_unusable") == 2 and events.count("version_gone") == 2


@pytest.mark.parametrize("error", [Unusable("cannot be read"), ValueError("no idea")])
async def test_a_version_that_breaks_the_loader(office: Office, error: Exception) -> None:
    """The next process starts all the same."""

    def load(files: Files) -> Loaded:
        raise error

    with capture_logs() as lines:
        assert await find_kept(office.store, load, office.version) is None
    assert [line["event"] for line in lines] == ["version_unusable"]


async def test_earlier_versions_are_let_go_with_their_callers(office: Office) -> None:
    """A minute after the start nobody comes any more, and nothing of theirs is kept in memory."""
    voice = office.calls()
    await voice.hears(ONE)
    office.greeting.says(TWO)
    left = await office.dies()
    office.house.snapshots.start()
    await office.begins_again(left)
    office.house.switchboard.forget_others()
    with capture_logs() as lines:
        voice.emit = office.house.switchboard.resume(voice, left[voice.info.call_id], None)
        await voice.hears(TWO)
    assert "version_gone" in [line["event"] for line in lines]


def _no_longer(files: Files) -> Loaded:
    raise Faults([])


# -- watching ----------------------------------------------------------------------------------------------------------


class Watch:
    """Somebody who looks, and can be waited for."""

    def __init__(self, office: Office) -> None:
        self.looks = 0
        self._changes = Changes()
        self._loop = asyncio.get_running_loop()
        self._directory = office.greeting.directory
        self.task = asyncio.create_task(office.reloader.watch(self._look, every=0.005, retry=0.005))

    def _look(self) -> object:
        self._loop.call_soon_threadsafe(self._count)
        return look(self._directory)

    def _count(self) -> None:
        self.looks += 1
        self._changes.tell()

    async def more(self, looks: int = 6) -> None:
        """Return when it has looked so many more times."""
        until = self.looks + looks
        await self._changes.until(lambda: self.looks >= until)


@pytest_asyncio.fixture
async def watch(office: Office) -> AsyncIterator[Watch]:
    watch = Watch(office)
    await watch.more()
    yield watch
    watch.task.cancel()
    await asyncio.gather(watch.task, return_exceptions=True)


async def test_what_is_saved_is_loaded(office: Office, watch: Watch) -> None:
    """Nobody runs a command; a second save counts too."""
    for prompt in (TWO, THREE):
        office.greeting.says(prompt)
        await watch.more()
        await office.calls().hears(prompt)
    assert office.house.figure("ivr_reloads_total", result="active") == 2


async def test_what_cannot_work_is_said_once(office: Office, watch: Watch) -> None:
    """However often it is looked at; the next save is looked at anew."""
    before = office.version
    with capture_logs() as lines:
        office.greeting.breaks()
        await watch.more(20)
    assert [line["event"] for line in lines].count("dialplan_refused") == 1 and office.version == before
    office.greeting.says(TWO)
    await watch.more()
    await office.calls().hears(TWO)


async def test_what_could_not_be_kept_is_tried_again(office: Office, watch: Watch) -> None:
    """The disk was full; when there is space, nobody has to save once more."""
    office.problem = Unusable("the disk is full")
    office.greeting.says(TWO)
    await watch.more()
    assert office.house.figure("ivr_reloads_total", result="failed") >= 1
    office.problem = None
    await watch.more(12)
    await office.calls().hears(TWO)


async def test_who_is_still_saving_is_waited_for(office: Office) -> None:
    """A file that is another at every look is not loaded before it stands still."""
    seen = [1, 2, 3, 4, 5, 5, 5]
    reloaded = asyncio.Event()
    loop = asyncio.get_running_loop()

    def look() -> object:
        if seen == [5]:  # the third look at what stands still comes after the reload
            loop.call_soon_threadsafe(reloaded.set)
            return 5
        assert office.house.figure("ivr_reloads_total", result="active") == 0
        return seen.pop(0)

    office.greeting.says(TWO)
    watching = asyncio.create_task(office.reloader.watch(look, every=0.005))
    await reloaded.wait()
    assert office.house.figure("ivr_reloads_total", result="active") == 1
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def test_words_of_screens_need_no_new_version(office: Office) -> None:
    """A text of the catalogue was changed and nothing else: screens show it after a reload, and the admin reads so."""
    before = office.load()
    dialplan = replace(before.dialplan, screens={"fa": {"shop/name": "فروشگاه"}}, services=[MENU])
    house = office.house
    now = Reloader(
        lambda: before._replace(dialplan=dialplan), office.store, house.switchboard, house.observer, before.files
    )
    done = await now.reload("command")
    assert (done.result, len(done.notes)) == (Result.UNCHANGED, 1)
    assert office.house.switchboard.dialplan.screens == dialplan.screens
    assert (await now.reload("command")).notes == ()
