"""Whose an invoice is, and requests that are carried out once, in each kind of database."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ivr.domain.errors import Illegal, Unusable
from ivr.payments.invoice import Invoice
from ivr.payments.merchant_port import Begun, Different, Ended, Held, Link, MerchantInvoice, Ticket
from ivr.payments.state import EntryKind
from ivr.store import merchants
from ivr.store.backend import Connection
from ivr.store.database import Database
from ivr.store.merchants import LEASE, StoredMerchants
from ivr.store.opening import Store, open_merchants
from tests.clock import Clock
from tests.store.conftest import Books, payment

TICKET = Ticket("shop", "invoices", "key", "digest", "inv_1")


def made(name: str = "inv_1", number: str = "65843148", merchant: str = "shop") -> MerchantInvoice:
    return MerchantInvoice(name, merchant, Invoice("paystar", number, 160_000, "A-1", 1_700_000_000.0))


async def test_a_request_is_carried_out_once(store: Store) -> None:
    """Whoever comes second with the key waits, or hears what came of it; another body is another request."""
    books = store.merchants
    assert await books.begin(TICKET) == Begun("inv_1", again=False)
    assert await books.begin(replace(TICKET, subject="inv_2")) == Held()
    assert await books.begin(replace(TICKET, digest="other")) == Different()
    assert await books.begin(replace(TICKET, merchant="other", subject="inv_3")) == Begun("inv_3", again=False)
    await books.keep_invoice(TICKET, made())
    assert await books.begin(replace(TICKET, subject="inv_2")) == Ended("inv_1")
    assert await books.invoice_of("shop", "inv_1") == made()
    assert await books.invoice_of("other", "inv_1") is None
    assert await store.invoices.invoice("paystar", "65843148") == made().invoice


async def test_of_many_at_once_one_is_let_through(store: Store) -> None:
    """However many ask in the same moment."""
    answers = await asyncio.gather(*(store.merchants.begin(TICKET) for _ in range(20)))
    assert [type(answer) for answer in answers].count(Begun) == 1
    assert answers.count(Held()) == 19


async def test_what_was_begun_and_not_ended(store: Store, clock: Clock) -> None:
    """A release frees it, and so does time; a process that owns its books need not wait for a dead one."""
    books, others = store.merchants, StoredMerchants(store.deliveries.database, clock, alone=False)
    await books.begin(TICKET)
    await books.release(TICKET)
    assert await books.begin(replace(TICKET, subject="inv_2")) == Begun("inv_1", again=True)
    assert await others.begin(TICKET) == Held()
    await others.release(TICKET)  # it is not theirs to release
    assert await others.begin(TICKET) == Held()
    clock.now += LEASE
    assert await others.begin(TICKET) == Begun("inv_1", again=True)
    alone = StoredMerchants(store.deliveries.database, clock)
    assert await alone.begin(TICKET) == Begun("inv_1", again=True)


class Outage:
    """A database that takes nothing for a while."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.over = False

    async def run(self, job: Callable[[Connection], Any]) -> Any:
        if not self.over:
            raise Unusable("the disk is full")
        return await self._database.run(job)


@pytest.mark.parametrize("how", ["release", "end"])
async def test_after_an_outage_of_the_books(store: Store, how: str) -> None:
    """The work was over and that could not be written: the same key goes on as soon as the books are back, not after
    the lease. Whoever comes while it is carried out again waits.
    """
    books = store.merchants
    assert await books.begin(TICKET) == Begun("inv_1", again=False)
    outage = Outage(store.deliveries.database)
    books._database = outage  # type: ignore[assignment]
    with pytest.raises(Unusable):
        await getattr(books, how)(TICKET)
    with pytest.raises(Unusable):
        await books.begin(TICKET)
    outage.over = True
    assert await books.begin(TICKET) == Begun("inv_1", again=True)
    assert await books.begin(TICKET) == Held()
    await books.end(TICKET)
    assert await books.begin(TICKET) == Ended("inv_1")


async def test_a_worker_that_begins_anew(store: Store, clock: Clock) -> None:
    """What it held when it died is free for it at once; what other workers hold is not, whatever their names begin
    with.
    """
    database = store.deliveries.database
    names = ("a", "a", "ab", "a.b")
    before, again, *others = (StoredMerchants(database, clock, alone=False, worker=name) for name in names)
    await before.begin(TICKET)
    for other in others:
        assert await other.begin(TICKET) == Held()
    assert await again.begin(TICKET) == Begun("inv_1", again=True)
    assert await again.begin(TICKET) == Held()
    for other in others:
        await other.begin(replace(TICKET, key="theirs"))
    assert await again.begin(replace(TICKET, key="theirs")) == Held()


async def test_a_number_stands_for_one_invoice(store: Store) -> None:
    """One that is taken is refused, and nothing of it is kept: the request stays open."""
    await store.invoices.remember_invoice(Invoice("paystar", "1", 5, "ours"))
    await store.merchants.begin(TICKET)
    with pytest.raises(Illegal):
        await store.merchants.keep_invoice(TICKET, made(number="1"))
    assert await store.merchants.invoice_of("shop", "inv_1") is None
    await store.merchants.release(TICKET)
    assert await store.merchants.begin(TICKET) == Begun("inv_1", again=True)
    await store.merchants.keep_invoice(TICKET, made())
    with pytest.raises(Illegal):
        await store.merchants.keep_invoice(TICKET, made("inv_1", "2"))


async def test_the_newest_link(store: Store) -> None:
    """It stands in place of the one before."""
    await store.merchants.begin(TICKET)
    await store.merchants.keep_invoice(TICKET, made())
    assert await store.merchants.link("inv_1") is None
    for number in ("1", "2"):
        link = Link("inv_1", f"link-{number}", f"key-{number}", f"https://pay.example/{number}")
        await store.merchants.keep_link(link)
        assert await store.merchants.link("inv_1") == link


async def test_events_of_a_long_journal(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Found one window after the other, in their order, a bounded number at a time; and delivered as well."""
    monkeypatch.setattr(merchants, "WINDOW", 2)
    monkeypatch.setattr("ivr.store.deliveries.WINDOW", 2)
    await store.merchants.begin(TICKET)
    await store.merchants.keep_invoice(TICKET, made(number="invoice-p5"))
    for number in range(10):
        one = payment(f"p{number}")
        await store.journal.create(one)
        for kind in (EntryKind.SENT, EntryKind.UNANSWERED, EntryKind.APPROVED):
            await store.journal.append(one.id, kind)
    found = await store.merchants.events("shop", 0, 100)
    assert [(event.id, event.kind) for event in found] == [(23, EntryKind.UNANSWERED), (24, EntryKind.APPROVED)]
    assert await store.merchants.events("shop", 0, 1) == found[:1]
    assert await store.merchants.events("shop", 23, 100) == found[1:]
    assert await store.merchants.events("other", 0, 100) == []
    await store.deliveries.enrol()
    assert [one.event for one in await store.deliveries.claim({"shop": 9}, 2e9)] == found[:1]


async def test_beside_the_process_that_owns_the_books(books: Books, store: Store, clock: Clock) -> None:
    """An operator reads and replays while calls go on."""
    await store.merchants.begin(TICKET)
    await store.merchants.keep_invoice(TICKET, made(number="invoice-p1"))
    await store.journal.create(payment())
    for kind in (EntryKind.SENT, EntryKind.APPROVED):
        await store.journal.append("p1", kind)
    await store.deliveries.enrol()
    await store.deliveries.delivered(3)
    async with open_merchants(books.directory, clock, books.shared) as (read, deliveries, _):
        assert [event.id for event in await read.events("shop", 0, 10)] == [3]
        assert await deliveries.replay("shop", 0) == 1
    assert (await store.deliveries.waiting(["shop"])).events == 1
