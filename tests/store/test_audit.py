"""The audit finds what somebody has changed in the file behind the books' back, and nothing where nobody has."""

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.domain.errors import Illegal
from ivr.payments.state import EntryKind, State
from ivr.store.opening import JOURNAL_FILE, Store, open_store
from tests.clock import Clock
from tests.store.conftest import KINDS, Books, new_books, payment

SENT, APPROVED, UNANSWERED = EntryKind.SENT, EntryKind.APPROVED, EntryKind.UNANSWERED


def faults(books: Books) -> list[tuple[str, str]]:
    """Kind and sentence of each finding."""
    with books.reading() as book:
        return [(finding.kind, finding.text) for finding in book.audit().findings]


@pytest.fixture
async def day(store: Store, clock: Clock, books: Books) -> Books:
    """Three payments: entries 1 to 3 approve p1, 4 to 6 leave p2 unknown, 7 and 8 are of p3 that pays p1's invoice."""
    for name, kinds in (("p1", (SENT, APPROVED)), ("p2", (SENT, UNANSWERED))):
        await store.journal.create(payment(name))
        for kind in kinds:
            clock.now += 1
            await store.journal.append(name, kind)
    await store.journal.create(payment("p3"))
    await store.journal.append("p3", SENT)
    assert faults(books) == []
    return books


WRONGS = {
    "an entry in the middle is deleted": (
        "DELETE FROM entries WHERE number = 2",
        [
            ("entry_missing", "entry 2 is missing"),
            ("illegal_entry", "entry 3: payment p1 is created: it cannot become approved"),
            ("sums_differ", "the entries make 160000 rial created, the payments' states 0 rial"),
            ("sums_differ", "the entries make 0 rial approved, the payments' states 160000 rial"),
        ],
    ),
    "a payment's last entry is deleted": (
        "DELETE FROM entries WHERE number = 8",
        [
            ("payment_differs", "payment p3: its entries make its state created, it stands as sent"),
            ("sums_differ", "the entries make 160000 rial created, the payments' states 0 rial"),
            ("sums_differ", "the entries make 0 rial sent, the payments' states 160000 rial"),
        ],
    ),
    "an amount is changed": (
        "UPDATE payments SET amount_rial = 60000 WHERE id = 'p1'",
        [
            ("payment_changed", "payment p1 was created with amount_rial 160000, it stands with 60000"),
            ("sums_differ", "the entries make 160000 rial approved, the payments' states 60000 rial"),
        ],
    ),
    "a payment is moved to an invoice that is paid": (
        "UPDATE payments SET invoice_id = 'invoice-p1' WHERE id = 'p3'",
        [
            ("payment_changed", "payment p3 was created with invoice_id invoice-p3, it stands with invoice-p1"),
            ("sent_beside_another", "entry 8: payment p3 was sent beside p1"),
        ],
    ),
    "a second approval": (
        "INSERT INTO payments SELECT 4, 'p4', call_id, provider, invoice_id, transaction_id, amount_rial, state, "
        "reason, code, reference, created_at, changed_at, for_people, worker, payer, receipt "
        "FROM payments WHERE id = 'p1'; "
        "INSERT INTO entries SELECT 8 + number, 'p4', kind, at, details FROM entries WHERE payment_id = 'p1'",
        [
            ("sent_beside_another", "entry 10: payment p4 was sent beside p1"),
            ("two_approvals", "invoice invoice-p1 of paystar is approved by p1 and p4"),
        ],
    ),
    "an approval is taken back": (
        "INSERT INTO entries (payment_id, kind, at, details) VALUES ('p1', 'declined', 1e10, '{}'); "
        "UPDATE payments SET state = 'declined' WHERE id = 'p1'",
        [
            ("illegal_entry", "entry 9: payment p1 is approved: it cannot become declined"),
            ("sums_differ", "the entries make 160000 rial approved, the payments' states 0 rial"),
            ("sums_differ", "the entries make 0 rial declined, the payments' states 160000 rial"),
        ],
    ),
    "an unknown one is made approved without an entry": (
        "UPDATE payments SET state = 'approved' WHERE id = 'p2'",
        [
            ("payment_differs", "payment p2: its entries make its state unknown, it stands as approved"),
            ("sums_differ", "the entries make 160000 rial approved, the payments' states 320000 rial"),
            ("sums_differ", "the entries make 160000 rial unknown, the payments' states 0 rial"),
        ],
    ),
    "a decision that nobody signs": (
        "INSERT INTO entries (payment_id, kind, at, details) "
        """VALUES ('p2', 'approved', 1.8e9, '{"by": "person"}'); """
        "UPDATE payments SET state = 'approved', changed_at = 1.8e9 WHERE id = 'p2'",
        [("unsigned", "entry 9 of payment p2 is a decision without who or why")],
    ),
    "an entry is dated back": (
        "UPDATE entries SET at = 5 WHERE number = 2",
        [("time_goes_back", "entry 2 of payment p1 is older than the one before it")],
    ),
    "an entry's words are spoilt": (
        "UPDATE entries SET details = 'x' WHERE number = 8",
        [
            ("entry_unreadable", "entry 8 of payment p3 cannot be read"),
            ("sums_differ", "the entries make 160000 rial created, the payments' states 0 rial"),
            ("sums_differ", "the entries make 0 rial sent, the payments' states 160000 rial"),
        ],
    ),
    "a payment is deleted": (
        "DELETE FROM payments WHERE id = 'p2'",
        [
            ("payment_missing", "payment 2 is missing"),
            *(("entry_of_nothing", f"entry {number} is of payment p2, which is not there") for number in (4, 5, 6)),
        ],
    ),
    "a reference is changed": (
        "UPDATE payments SET reference = '999' WHERE id = 'p1'",
        [("payment_differs", "payment p1: its entries make its reference nothing, it stands as 999")],
    ),
}


OLD_DAY = """
INSERT INTO payments VALUES (1, 'p1', 'c', 'bank', 'i', NULL, 500, 'unknown', 'timeout', NULL, NULL, 1.0, 3.0);
INSERT INTO payments VALUES (2, 'p2', 'c', 'bank', 'j', NULL, NULL, 'created', NULL, NULL, NULL, 4.0, 4.0);
INSERT INTO entries (payment_id, kind, at, details) VALUES ('p1', 'created', 1.0, '{}'), ('p1', 'sent', 2.0, '{}'),
    ('p1', 'unanswered', 3.0, '{"reason": "timeout"}'), ('p2', 'created', 4.0, '{}');
PRAGMA user_version = 1;
"""
"""What a program of the version before has written."""


@pytest.mark.parametrize("wrong", WRONGS)
async def test_tampering_is_named(day: Books, wrong: str) -> None:
    """Each kind of it by its own words, all of them and no other."""
    script, expected = WRONGS[wrong]
    with day.unguarded():
        day.sql(script)
    found = faults(day)
    assert found == expected


async def test_a_guard_that_was_taken_away(day: Books) -> None:
    """Without it somebody could write over the journal without a trace."""
    day.sql("DROP TRIGGER entries_are_not_deleted" + (" ON entries" if day.shared else ""))
    assert faults(day) == [("unprotected", "the journal has lost its guard entries_are_not_deleted")]


async def test_a_clock_that_is_set_back(store: Store, clock: Clock, books: Books) -> None:
    """The lines of a payment stay in their order of time, and the audit finds nothing."""
    await store.journal.create(payment())
    clock.now -= 3600
    sent = await store.journal.append("p1", SENT)
    assert sent.changed_at == clock.now + 3600
    clock.now += 7200
    assert (await store.journal.append("p1", APPROVED)).changed_at == clock.now
    assert faults(books) == []


async def test_a_book_of_the_version_before(tmp_path: Path, clock: Clock) -> None:
    """It is brought up to date with every line, is as well guarded as a new one, and the audit finds nothing."""
    script = (resources.files("ivr.store") / "migrations" / "journal" / "0001_payments.sql").read_text("utf-8")
    old = sqlite3.connect(tmp_path / JOURNAL_FILE)
    old.executescript(script)
    old.executescript(OLD_DAY)
    old.close()
    async with open_store(tmp_path, clock) as store:
        handed_over = await store.journal.append("p1", EntryKind.HANDED_OVER)
        assert (handed_over.state, handed_over.for_people, handed_over.changed_at) == (State.UNKNOWN, True, 3.0)
    books = Books(tmp_path, None, None)
    assert faults(books) == []
    with books.reading() as book:
        assert [row["id"] for row in book.for_people()] == ["p1"]
        assert [entry["kind"] for entry in book.entries("p1")] == ["created", "sent", "unanswered", "handed_over"]


_STEPS = st.lists(
    st.tuples(st.sampled_from(["p1", "p2", "p3"]), st.sampled_from(EntryKind), st.integers(-5000, 5000)), max_size=40
)


@pytest.mark.parametrize("database", KINDS)
@settings(max_examples=25, deadline=None)
@given(steps=_STEPS)
def test_whatever_the_journal_takes_is_right(
    database: str, request: pytest.FixtureRequest, steps: Sequence[tuple[str, EntryKind, int]]
) -> None:
    """Three tries of one invoice, lines in any order, a clock that jumps: what the journal takes the audit believes."""

    async def write(books: Books) -> None:
        clock = Clock()
        async with open_store(books.directory, clock, books.shared) as store:
            for name in ("p1", "p2", "p3"):
                await store.journal.create(payment(name, "one invoice"))
            for name, kind, jump in steps:
                clock.now += jump
                with suppress(Illegal):
                    await store.journal.append(name, kind, {"reason": kind.value}, sole=True)

    with TemporaryDirectory() as directory:
        books = new_books(database, Path(directory), request)
        asyncio.run(write(books))
        assert faults(books) == []
