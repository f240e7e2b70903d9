"""Several tries to pay one invoice: the books say paid once."""

from dataclasses import replace

import pytest

from ivr.domain.errors import Illegal
from ivr.domain.operations import Outcome
from ivr.payments.port import Reply
from ivr.payments.state import EntryKind, Payment, State
from ivr.runtime.verdict import PAID_BY_ANOTHER, write_verdict
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
