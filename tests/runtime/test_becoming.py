"""What a call is told of an invoice that may be paid elsewhere, and what is written when somebody asks."""

import pytest

from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable
from ivr.domain.operations import Outcome
from ivr.payments.port import Reply
from ivr.payments.state import Payment, State
from ivr.runtime.becoming import what_became
from tests.runtime.conftest import INVOICE, House

KEY = "Ab3kLm9xQ2"
NOT_PAID = Reply("not_paid", {}, Outcome.UNKNOWN, "201", not_paid=True)


def link(name: str = "c.1", transaction: str | None = KEY, amount: int | None = 160_000) -> Payment:
    """A payment by a link of an earlier call."""
    return Payment(name, "c", "web", INVOICE, transaction, amount, State.CREATED, reference=None)


async def look(house: House) -> Reply:
    """Ask on behalf of a call."""
    return await what_became("web", INVOICE, house.switchboard._services)


@pytest.mark.parametrize(
    ("state", "exit"), [(None, "none"), (State.CREATED, "none"), (State.DECLINED, "declined")], ids=repr
)
async def test_what_the_books_know_by_themselves(house: House, state: State | None, exit: str) -> None:
    """Nobody is asked."""
    if state is not None:
        house.books.put(link(), state)
    assert await look(house) == Reply(exit) and house.web.asked == []


@pytest.mark.parametrize("reference", ["200100300", "AB-1", None])
async def test_paid(house: House, reference: str | None) -> None:
    """With its reference where it can be read aloud; the gateway is not asked again."""
    house.books.put(link(), State.UNKNOWN)
    house.web.answers["inquire"].append(Reply("paid", {}, Outcome.APPROVED, "1", reference))
    for _ in range(2):
        said = await look(house)
        values = {"payment": "c.1"} | ({"reference": reference} if reference == "200100300" else {})
        assert said == Reply("paid" if "reference" in values else "paid_unreadable", values)
    assert len(house.web.asked) == 1 and house.books.states() == [State.APPROVED]


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN])
async def test_not_paid_yet(house: House, state: State) -> None:
    """What is needed to send the link again; the book is left as it stands."""
    house.books.put(link(), state)
    house.web.answers["inquire"].append(NOT_PAID)
    values: dict[str, str | int] = {"transaction": KEY, "amount": 160_000, "payment": "c.1"}
    assert await look(house) == Reply("not_paid", values)
    assert house.books.states() == [state]


@pytest.mark.parametrize(
    "answer",
    [
        OutcomeUnknown("read timeout"),
        ProviderUnreachable("refused"),
        BadInput("no key"),
        Reply("wrong_amount", {}, Outcome.UNKNOWN),
    ],
    ids=repr,
)
async def test_nobody_can_say(house: House, answer: Reply | Exception) -> None:
    """Nothing is written: who comes later asks again."""
    house.books.put(link(), State.SENT)
    house.web.answers["inquire"].append(answer)
    assert await look(house) == Reply("unknown") and house.books.states() == [State.SENT]


@pytest.mark.parametrize("payment", [link(transaction=None), link(amount=None)], ids=["no link", "no amount"])
async def test_a_try_that_is_no_link(house: House, payment: Payment) -> None:
    """It may be paid yet, but there is no link that could be sent again."""
    house.books.put(payment, State.UNKNOWN)
    house.web.answers["inquire"].append(NOT_PAID)
    assert await look(house) == Reply("unknown")


async def test_two_open_tries(house: House) -> None:
    """An answer could be about either: people look."""
    for name in ("c.1", "d.1"):
        house.books.put(link(name), State.UNKNOWN)
    assert await look(house) == Reply("unknown") and house.web.asked == []


async def test_a_provider_that_is_gone(house: House) -> None:
    """It was configured once."""
    house.books.put(Payment("c.1", "c", "gone", INVOICE, KEY, 1, State.CREATED), State.UNKNOWN)
    assert await what_became("gone", INVOICE, house.switchboard._services) == Reply("unknown")
