"""Calls that do not disturb each other are made at the same time, once; then each test judges its own.

What would disturb the others (an application killed, a port closed) is a scene: scenes are played one after the other
in a town of their own, meanwhile.

Law: a story is one caller's evening: it makes its call, and what it returns is judged by tests only. What went wrong in
it is raised in the test that asks for it, and nowhere else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from ivr.lab.sip_trace import SipMessage
from tests.end_to_end.stage import Stage, Told, all_quiet

AT_ONCE: Final = 40
"""Callers at the same time: the machine that runs the tests is also the town."""

Story = Callable[[Stage], Awaitable["Spent"]]
T = TypeVar("T")


@dataclass(frozen=True)
class Spent:
    """A call and the invoice that it was about."""

    told: Told
    code: str = ""


STORIES: Final[dict[str, Story]] = {}


def story(run: Story) -> Story:
    """Register a story under its name."""
    stories({run.__name__: run})
    return run


def stories(family: Mapping[str, Story]) -> Sequence[str]:
    """Register several; returns their names, for `parametrize`."""
    assert not STORIES.keys() & family.keys()
    STORIES.update(family)
    return tuple(family)


SCENES: Final[dict[str, Callable[[Stage], Awaitable[object]]]] = {}


def scene(run: Callable[[Stage], Awaitable[T]]) -> Callable[[Stage], Awaitable[T]]:
    """Register a scene under its name."""
    assert run.__name__ not in SCENES
    SCENES[run.__name__] = run
    return run


@dataclass(frozen=True)
class Evening:
    """All that is known afterwards."""

    spent: Mapping[str, Spent | BaseException]
    books: Mapping[str, Sequence[Mapping[str, Any]]]
    """Each party's journal."""
    invites: Sequence[SipMessage]
    """What the bank received."""
    left: Sequence[str]
    """Channels that were still up when all callers were gone."""
    transactions: Mapping[str, Sequence[str]]
    """By invoice, in order."""
    scenes: Mapping[str, asyncio.Task[object]]
    """They may still be going on."""

    async def scene(self, run: Callable[[Stage], Awaitable[T]]) -> T:
        """What a scene came to, once it is over. Raises what it raised."""
        return cast(T, await self.scenes[run.__name__])

    async def close(self) -> None:
        """End what nobody waited for."""
        for playing in self.scenes.values():
            playing.cancel()
        await asyncio.gather(*self.scenes.values(), return_exceptions=True)

    def of(self, name: str) -> Spent:
        """One story's end. Raises what it raised."""
        found = self.spent[name]
        if isinstance(found, BaseException):
            raise found
        return found

    def told(self, name: str) -> Told:
        """One story's call."""
        return self.of(name).told

    def payments(self, party: str, invoice: str) -> list[Mapping[str, Any]]:
        """A party's payments of one invoice (the bank's: of one transaction), oldest first."""
        found = [row for row in self.books[party] if row["invoice_id"] == invoice]
        return sorted(found, key=lambda row: str(row["created_at"]))

    def states(self, party: str, invoice: str) -> list[tuple[str, str | None]]:
        """State and reason of each."""
        return [(row["state"], row["reason"]) for row in self.payments(party, invoice)]

    def invites_for(self, invoice: str) -> list[SipMessage]:
        """The bank's INVITEs whose caller id names a transaction of this invoice."""
        ids = self.transactions.get(invoice, ())
        return [invite for invite in self.invites if invite.caller[1].rpartition("*")[2] in ids]


async def spend(stage: Stage, aside: Stage | None) -> Evening:
    """Tell every story, and begin to play the scenes aside."""
    places = asyncio.Semaphore(AT_ONCE)

    async def tell(one: Story) -> Spent:
        async with places:
            return await one(stage)

    scenes = _play(aside) if aside is not None else {}
    done = await asyncio.gather(*(tell(one) for one in STORIES.values()), return_exceptions=True)
    town = stage.town
    left = await all_quiet(town)
    merchant, switch, bank = await asyncio.gather(*(p.payments() for p in (town.merchant, town.switch, town.bank)))
    transactions: dict[str, list[str]] = {}
    for transaction in town.sandbox.books.transactions.values():
        transactions.setdefault(transaction.invoice.tracking_code, []).append(transaction.id)
    return Evening(
        spent=dict(zip(STORIES, done, strict=True)),
        books={"merchant": merchant, "switch": switch, "bank": bank},
        invites=await town.bank.invites(),
        left=left,
        transactions=transactions,
        scenes=scenes,
    )


def _play(stage: Stage) -> dict[str, asyncio.Task[object]]:
    """Begin with the first scene; each of the others begins when the one before is over."""
    turn = asyncio.Lock()

    async def play(run: Callable[[Stage], Awaitable[object]]) -> object:
        async with turn:
            return await run(stage)

    return {name: asyncio.create_task(play(run)) for name, run in SCENES.items()}
