"""Calls that do not disturb each other are made at the same time, once; then each test judges its own.

Law: a story is one caller's evening: it makes its call, and what it returns is judged by tests only. What went wrong in
it is raised in the test that asks for it, and nowhere else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ivr.lab.sip_trace import SipMessage
from tests.end_to_end.stage import Stage, Told, all_quiet

AT_ONCE: Final = 32
"""Callers at the same time: the machine that runs the tests is also the town."""

Story = Callable[[Stage], Awaitable["Spent"]]


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


async def spend(stage: Stage) -> Evening:
    """Run every story."""
    places = asyncio.Semaphore(AT_ONCE)

    async def run(one: Story) -> Spent:
        async with places:
            return await one(stage)

    done = await asyncio.gather(*(run(one) for one in STORIES.values()), return_exceptions=True)
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
    )
