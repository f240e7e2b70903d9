"""What `ivr payments list` and `show` print."""

import asyncio
import json
import sqlite3

import pytest

from ivr.domain.errors import Unusable
from ivr.payments.state import EntryKind, State
from ivr.store.opening import Store
from tests.clock import Clock
from tests.store.conftest import KINDS, Books, payment


async def test_everything_of_a_payment(store: Store, clock: Clock, books: Books) -> None:
    """The merchant's program finds every field, in rial and UTC."""
    await store.journal.create(payment())
    clock.now += 1.5
    await store.journal.append("p1", EntryKind.SENT)
    await store.journal.append("p1", EntryKind.DECLINED, {"reason": "موجودی", "code": "51"})
    with books.reading() as reading:
        shown = reading.payment("p1")
        assert shown == json.loads(json.dumps(shown))
        assert reading.list_payments() == [shown]
        assert reading.payment("p2") is None
        assert reading.entries("p2") == []
    assert shown == {
        "id": "p1",
        "state": "declined",
        "amount_rial": 160000,
        "provider": "paystar",
        "invoice_id": "invoice-p1",
        "transaction_id": "77",
        "call_id": "call-p1",
        "reason": "موجودی",
        "code": "51",
        "reference": None,
        "receipt": None,
        "payer": None,
        "created_at": "2023-11-14T22:13:20.000Z",
        "changed_at": "2023-11-14T22:13:21.500Z",
        "for_people": False,
        "entries": [
            {
                "kind": "created",
                "at": "2023-11-14T22:13:20.000Z",
                "details": {"provider": "paystar", "invoice_id": "invoice-p1", "amount_rial": "160000"},
            },
            {"kind": "sent", "at": "2023-11-14T22:13:21.500Z", "details": {}},
            {"kind": "declined", "at": "2023-11-14T22:13:21.500Z", "details": {"reason": "موجودی", "code": "51"}},
        ],
    }


async def test_listing_by_state_time_and_number(store: Store, clock: Clock, books: Books) -> None:
    """Newest first, as many as asked for."""
    start = clock.now
    for number in range(5):
        clock.now = start + number
        await store.journal.create(payment(f"p{number}"))
    await store.journal.append("p1", EntryKind.SENT)
    await store.journal.append("p4", EntryKind.SENT)
    with books.reading() as reading:
        assert [p["id"] for p in reading.list_payments()] == ["p4", "p3", "p2", "p1", "p0"]
        assert [p["id"] for p in reading.list_payments(State.SENT)] == ["p4", "p1"]
        assert [p["id"] for p in reading.list_payments(since=start + 3)] == ["p4", "p3"]
        assert [p["id"] for p in reading.list_payments(State.SENT, start + 2, 1)] == ["p4"]
        assert [p["id"] for p in reading.list_payments(limit=2)] == ["p4", "p3"]
        assert reading.list_payments(limit=-1) == []


async def test_reading_while_others_write(store: Store, books: Books) -> None:
    """Every payment is shown as of one moment: its state is always what its last line says."""
    reached = {"created": "created", "sent": "sent", "approved": "approved"}

    def read_on(stop: asyncio.Event) -> int:
        looks = 0
        with books.reading() as reading:
            while not stop.is_set() or looks < 3:
                for shown in reading.list_payments(limit=50):
                    assert reached[shown["entries"][-1]["kind"]] == shown["state"]
                looks += 1
        return looks

    async def write(number: int) -> None:
        for turn in range(10):
            name = f"p{number}-{turn}"
            await store.journal.create(payment(name))
            await store.journal.append(name, EntryKind.SENT)
            await store.journal.append(name, EntryKind.APPROVED)

    stop = asyncio.Event()
    reader = asyncio.create_task(asyncio.to_thread(read_on, stop))
    await asyncio.gather(*(write(number) for number in range(20)))
    stop.set()
    assert await reader >= 3


async def test_a_reader_cannot_write(store: Store, books: Books) -> None:
    """A look at the books changes nothing."""
    with (
        books.reading() as reading,
        pytest.raises(Unusable, match=r"cannot be written|takes no writes"),
        reading._reader.snapshot() as connection,
    ):
        connection.execute("INSERT INTO invoices VALUES ('p', '1', 1, 'o', 0.0)")


ATTEMPTS = {
    "UPDATE entries SET kind = 'approved'": KINDS,
    "DELETE FROM entries": KINDS,
    "TRUNCATE entries": ("postgres",),
    "TRUNCATE payments CASCADE": ("postgres",),
    "REPLACE INTO entries (number, payment_id, kind, at, details) VALUES (1, 'p1', 'approved', 0.0, '{}')": ("sqlite",),
    "INSERT INTO entries VALUES (1, 'p1', 'approved', 0.0, '{}') ON CONFLICT (number) DO UPDATE SET at = 1": KINDS,
    "DELETE FROM payments": KINDS,
    "UPDATE payments SET amount_rial = 1": KINDS,
    "UPDATE payments SET invoice_id = '1'": KINDS,
    "REPLACE INTO payments SELECT * FROM payments": ("sqlite",),
    "INSERT INTO entries (payment_id, kind, at, details) VALUES ('p1', 'refunded', 0.0, '{}')": KINDS,
}


@pytest.mark.parametrize(
    ("statement", "books"),
    [(statement, kind) for statement, kinds in ATTEMPTS.items() for kind in kinds],
    indirect=["books"],
)
async def test_the_journal_is_append_only_for_everyone(store: Store, books: Books, statement: str) -> None:
    """Not even a person with sqlite3 or psql in hand rewrites what was written."""
    await store.journal.create(payment())
    with pytest.raises((sqlite3.IntegrityError, Unusable)):
        books.sql(statement)
    with books.reading() as reading:
        shown = reading.payment("p1")
    assert shown is not None
    assert (shown["amount_rial"], [e["kind"] for e in shown["entries"]]) == (160000, ["created"])
