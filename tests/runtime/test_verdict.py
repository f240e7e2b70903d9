"""Several tries to pay one invoice: the books say paid once."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import Illegal
from ivr.domain.operations import Outcome
from ivr.payments.port import Reply
from ivr.payments.state import EntryKind, Payment, State
from ivr.runtime.verdict import PAID_BY_ANOTHER, Came, Late, write_verdict
from tests.fakes import FakeBooks

PAID = Reply("paid", outcome=Outcome.APPROVED, of_invoice=True)
FIRST = Payment("c1.7", "c1", "paystar", "65843148", "1", 160_000, State.CREATED)
SECOND = replace(FIRST, id="c2.7", call_id="c2")


async def two_tries() -> FakeBooks:
    """The first caller left the bank without paying, or so it seemed; the second one is there."""
    books = FakeBooks()
    for payment in (FIRST, SECOND):
        await books.create(payment)
        await books.append(payment.id, EntryKind.SENT)
        await books.append(payment.id, EntryKind.UNANSWERED)
    return books


async def test_an_answer_about_the_invoice_approves_one_try() -> None:
    """One settlement at the bank is one approval in the journal; the other try is closed with its reason."""
    books = await two_tries()
    await write_verdict(books, "c2.7", PAID)
    other = await write_verdict(books, "c1.7", PAID, {"by": "inquiry"})
    assert [books.payments[name].state for name in ("c2.7", "c1.7")] == [State.APPROVED, State.DECLINED]
    assert other.reason == PAID_BY_ANOTHER


async def test_an_answer_about_the_try_itself_stands_as_it_came() -> None:
    """Money that was really taken twice must be seen, so that it can be given back."""
    books = await two_tries()
    for name in ("c1.7", "c2.7"):
        await write_verdict(books, name, replace(PAID, of_invoice=False))
    assert [payment.state for payment in books.payments.values()] == [State.APPROVED, State.APPROVED]


async def test_what_is_decided_stays() -> None:
    """A second answer changes nothing, and does not pass for another try's."""
    books = await two_tries()
    await write_verdict(books, "c1.7", PAID)
    with pytest.raises(Illegal):
        await write_verdict(books, "c1.7", PAID)
    assert books.payments["c1.7"].state is State.APPROVED


async def test_a_late_answer_decides_what_was_left_to_people() -> None:
    """A callback comes the next day, when nobody asks any more: the payment is paid, and needs nobody."""
    books = FakeBooks()
    books.put(replace(FIRST, for_people=True), State.UNKNOWN)
    reply = replace(PAID, reference="77")
    assert await Late(books).take("paystar", "65843148", reply, transaction_id="1") is Came.DECIDES
    found = books.payments["c1.7"]
    assert (found.state, found.reference, found.for_people) == (State.APPROVED, "77", False)
    assert books.entries[-1][2]["by"] == "late answer"


async def test_a_late_answer_that_says_the_same() -> None:
    """A callback that comes twice writes nothing."""
    books = FakeBooks()
    books.put(FIRST, State.APPROVED)
    late = Late(books)
    assert [await late.take("paystar", "65843148", PAID) for _ in range(2)] == [Came.AGREES] * 2
    assert (books.entries, late.contradictions) == ([], 0)


@pytest.mark.parametrize(("state", "outcome"), [(State.APPROVED, Outcome.DECLINED), (State.DECLINED, Outcome.APPROVED)])
async def test_a_late_answer_never_changes_a_decision(state: State, outcome: Outcome) -> None:
    """It is written beside it, counted and logged, once for all the times that it comes."""
    books = FakeBooks()
    books.put(FIRST, state)
    late = Late(books)
    reply = Reply("said", outcome=outcome, code="5", reference="77")
    with capture_logs() as logs:
        assert [await late.take("paystar", "65843148", reply) for _ in range(3)] == [Came.CONTRADICTS] * 3
    assert books.states() == [state]
    said = {"says": outcome.value, "exit": "said", "code": "5", "reference": "77"}
    assert books.entries == [("c1.7", EntryKind.CONTRADICTED, said)]
    assert late.contradictions == 1
    assert [line["event"] for line in logs] == ["answer_contradicts"]


async def test_paid_by_another_try_is_no_contradiction() -> None:
    """The invoice is paid, says the provider of the try that was closed for it: so say we."""
    books = await two_tries()
    await write_verdict(books, "c2.7", PAID)
    await write_verdict(books, "c1.7", PAID)
    late = Late(books)
    assert await late.answered("c1.7", PAID) is Came.AGREES
    assert await late.answered("c1.7", replace(PAID, of_invoice=False)) is Came.CONTRADICTS


async def test_a_late_answer_of_which_nobody_knows_what_it_is_about() -> None:
    """No payment, one that was never sent, another transaction, one of two open tries: nothing is written."""
    books = await two_tries()
    books.put(replace(FIRST, id="p3", invoice_id="3"), State.CREATED)
    written = len(books.entries)
    late = Late(books)
    for invoice, transaction, reply in (
        ("none", None, PAID),
        ("3", None, PAID),
        ("65843148", "2", PAID),
        ("65843148", None, replace(PAID, of_invoice=False)),
        ("65843148", None, Reply("unknown", outcome=Outcome.UNKNOWN)),
    ):
        assert await late.take("paystar", invoice, reply, transaction_id=transaction) is Came.SAYS_NOTHING
    assert await late.too_late("none", PAID) is Came.SAYS_NOTHING
    assert (len(books.entries), late.contradictions) == (written, 0)
    assert await late.take("paystar", "65843148", PAID) is Came.DECIDES
    assert books.states()[:2] == [State.APPROVED, State.UNKNOWN]
