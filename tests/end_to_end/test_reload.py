"""The merchant's dialplan changes while people call: nobody is lost, and each call ends on the version it began with.

Every version of the flow has a prompt of its own: as the question of a call, and once more at its end.
"""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest_asyncio

from ivr.domain.errors import Unusable
from ivr.lab.party import Party
from tests.end_to_end.changing import NUMBER, PROMPTS, broken, text
from tests.end_to_end.serve_log import ServeLog
from tests.end_to_end.stage import Stage, Told, all_quiet
from tests.end_to_end.test_operations import figures

CALLERS = 200
AT_ONCE = 30
CHANGES = 10
"""Every other one is refused."""
EVERY = CALLERS // (CHANGES + 1)
"""Calls begun between two changes."""


@dataclass
class Admin:
    """Edits the merchant's flow and reloads it, as a person does."""

    merchant: Party
    sure: int = 0
    """The newest version of which `ivr reload` has said that it is in use."""
    saved: int = 0
    """The newest version that may be in use."""
    refused: list[str] = field(default_factory=list)

    def saves(self, text: str) -> None:
        """Into the file that the process reads."""
        flow = self.merchant.home / "dialplan" / "flows" / "changing.yaml"
        flow.write_text(text, encoding="utf-8")

    async def changes(self) -> str:
        """The next version; returns what `ivr reload` says."""
        self.saved += 1
        self.saves(text(PROMPTS[self.saved]))
        said = await self.merchant.command("reload")
        self.sure = self.saved
        return said

    async def errs(self) -> None:
        """A version that cannot work."""
        self.saves(broken(PROMPTS[self.sure]))
        try:
            await self.merchant.command("reload")
        except Unusable as refusal:
            self.refused.append(str(refusal))


@dataclass(frozen=True)
class One:
    """A call, and the versions that it may have begun with."""

    told: Told
    least: int
    most: int

    @property
    def version(self) -> int | None:
        """The one that it heard from its beginning to its end; None when it heard anything else."""
        names = self.told.names
        return PROMPTS.index(names[0]) if len(names) == 2 and names[0] == names[1] else None


@dataclass(frozen=True)
class Day:
    """Two hundred calls, ten changes."""

    calls: list[One | BaseException]
    admin: Admin
    log: ServeLog
    before: dict[str, float]
    after: dict[str, float]
    left: list[str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def listening(stage: Stage) -> Stage:
    """Callers who know the prompts of the versions, which is quicker than knowing all."""
    return Stage(stage.town, {name: stage.sounds[name] for name in PROMPTS}, stage.notifier)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def day(listening: Stage) -> Day:
    """Changes come in the middle of calls: one whenever so many more have begun."""
    merchant = listening.town.merchant
    admin, log, before = Admin(merchant), ServeLog(merchant), await figures(merchant)
    places = asyncio.Semaphore(AT_ONCE)
    due = [asyncio.Event() for _ in range(CHANGES)]

    async def call(number: int) -> One:
        async with places:
            if number % EVERY == 0 and 0 < number // EVERY <= CHANGES:
                due[number // EVERY - 1].set()
            least = admin.sure
            caller = await listening.call(NUMBER)
            most = admin.saved
            return One(await caller.told(), least, most)

    async def work() -> None:
        for number, moment in enumerate(due):
            await moment.wait()
            await (admin.errs() if number % 2 else admin.changes())

    working = asyncio.create_task(work())
    calls = await asyncio.gather(*map(call, range(CALLERS)), return_exceptions=True)
    await working
    return Day(calls, admin, log, before, await figures(merchant), await all_quiet(listening.town))


def test_no_call_is_lost(day: Day) -> None:
    """All two hundred were answered, served to their end, and hung up by the flow."""
    assert [repr(one) for one in day.calls if isinstance(one, BaseException)] == []
    ended = [line for line in day.log.lines() if line["event"] == "call_ended" and line["flow"] == "changing"]
    assert len(ended) >= CALLERS and {line["how"] for line in ended[:CALLERS]} == {"hung_up"}
    assert day.after["ivr_calls_total"] - day.before.get("ivr_calls_total", 0) == CALLERS
    assert day.left == []


def test_each_ends_on_the_version_it_began_with(day: Day) -> None:
    """The prompt at the end is that of the beginning; it is the version that was in use when the call came in."""
    calls = [one for one in day.calls if isinstance(one, One)]
    wrong = [
        (one.least, one.version, one.most, one.told.names)
        for one in calls
        if one.version is None or not one.least <= one.version <= one.most
    ]
    assert wrong == []
    assert {one.version for one in calls} == set(range(len(PROMPTS)))


def test_changes_came_in_the_middle_of_calls(day: Day) -> None:
    """Else nothing was proven: at every change somebody was on the line, begun before it and ended after it."""
    lines = day.log.lines()
    changes = [_at(line) for line in lines if line["event"] == "dialplan_changed"][: CHANGES // 2]
    spans = [
        (_at(line) - timedelta(seconds=line["seconds"]), _at(line))
        for line in lines
        if line["event"] == "call_ended" and line["flow"] == "changing"
    ]
    assert len(changes) == CHANGES // 2
    assert [at for at in changes if not any(began < at < ended for began, ended in spans)] == []


def test_what_cannot_work_was_refused_each_time(day: Day) -> None:
    """With its place, as `ivr check` prints it; nobody heard anything of it."""
    assert len(day.admin.refused) == CHANGES // 2
    assert all("flows/changing.yaml:6:" in said and "no step 'nowhere'" in said for said in day.admin.refused)
    reloads = day.after["ivr_reloads_total"] - day.before.get("ivr_reloads_total", 0)
    assert reloads == CHANGES
    assert {"dialplan_refused", "dialplan_fault"} == set(day.log.errors())


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def restored(listening: Stage, day: Day) -> AsyncIterator[Admin]:
    """Afterwards the merchant has the dialplan that everybody knows."""
    yield day.admin
    day.admin.saves(text(PROMPTS[0]))
    await day.admin.merchant.command("reload")


async def test_a_crash_after_a_change_and_in_the_middle_of_the_next(listening: Stage, restored: Admin) -> None:
    """The caller's version is changed, somebody begins to edit the next one, and the process dies.

    The next process starts all the same; the caller hears the question again, of the version they began with, and
    ends on it; who calls now gets the version in use last.
    """
    merchant = listening.town.merchant
    old, new = PROMPTS[0], PROMPTS[1]
    restored.saves(text(old))
    await merchant.command("reload")
    early = await listening.call(NUMBER)
    await early.hears(old)
    restored.saves(text(new))
    await merchant.command("reload")
    restored.saves(broken(new))
    await merchant.kill_app()
    await merchant.start_app()
    late = await listening.call(NUMBER)
    told, told_late = await asyncio.gather(early.told(), late.told())
    assert told.whole == [old, old, old]
    assert told_late.whole == [new, new]


async def test_a_rollback_is_heard_by_the_next_caller(listening: Stage, restored: Admin) -> None:
    """One command, and new callers hear what they heard before."""
    merchant = listening.town.merchant
    for prompt in PROMPTS[2:4]:
        restored.saves(text(prompt))
        await merchant.command("reload")
    assert "is version" in await merchant.command("dialplan", "rollback", "previous")
    told = await (await listening.call(NUMBER)).told()
    assert told.whole == [PROMPTS[2]] * 2


async def test_a_watched_dialplan_needs_no_command(listening: Stage, restored: Admin) -> None:
    """With `watch_dialplan: true` saving is enough; what cannot work is said in the log, once."""
    merchant = listening.town.merchant
    usual = merchant.config.read_text(encoding="utf-8")
    try:
        merchant.config.write_text(f"{usual}watch_dialplan: true\n", encoding="utf-8")
        await merchant.stop_app()
        await merchant.start_app()
        log = ServeLog(merchant)
        restored.saves(broken(PROMPTS[4]))
        await log.shows("dialplan_refused")
        restored.saves(text(PROMPTS[5]))
        await log.shows("dialplan_changed")
        told = await (await listening.call(NUMBER)).told()
        assert told.whole == [PROMPTS[5]] * 2
        assert log.events().count("dialplan_refused") == 1
    finally:
        merchant.config.write_text(usual, encoding="utf-8")
        await merchant.stop_app()
        await merchant.start_app()


def _at(line: dict[str, str]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])
