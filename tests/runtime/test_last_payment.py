"""What a caller is told of what they paid last, and what is written when they ask; who is taken for the payer."""

import asyncio
from dataclasses import replace

import pytest

from ivr.domain.errors import OutcomeUnknown
from ivr.domain.operations import Outcome
from ivr.payments.port import Reply
from ivr.payments.state import EntryKind, Payment, State
from ivr.runtime.becoming import last_payment
from ivr.runtime.verdict import PAID_BY_ANOTHER
from tests.runtime import test_call_by_card as by_card
from tests.runtime import test_call_by_link as by_link
from tests.runtime.conftest import FOUND, INVOICE, PAY, House

MINE, OTHERS = "09121234567", "09351112233"
AMOUNT = {"amount": 160_000}
PAID = Reply("paid", {}, Outcome.APPROVED, "1", "200100300", receipt="ref-1")
NOT_PAID = Reply("not_paid", {}, Outcome.UNKNOWN, "201", not_paid=True)


def mine(name: str = "c.1", invoice: str = INVOICE, **other: object) -> Payment:
    """A payment of an earlier call."""
    made = Payment(name, "c", "web", invoice, "key", 160_000, State.CREATED, payer=MINE)
    return replace(made, **other)  # type: ignore[arg-type]


async def look(house: House) -> Reply:
    """Ask on behalf of a call."""
    return await last_payment(MINE, house.switchboard._services)


@pytest.mark.parametrize(
    ("payment", "state", "said"),
    [
        (None, None, Reply("none")),
        (mine(payer=OTHERS), State.APPROVED, Reply("none")),
        (mine(payer=None), State.APPROVED, Reply("none")),
        (mine(), State.CREATED, Reply("none")),
        (mine(), State.DECLINED, Reply("declined", AMOUNT)),
        (mine(amount_rial=None), State.DECLINED, Reply("declined")),
        (mine(reference="77"), State.APPROVED, Reply("paid", {"reference": "77", **AMOUNT})),
        (
            mine(reference="77", receipt="r"),
            State.APPROVED,
            Reply("paid", {"reference": "77", "receipt": "r", **AMOUNT}),
        ),
        (mine(reference="A7", receipt="r"), State.APPROVED, Reply("paid_unreadable", {"receipt": "r", **AMOUNT})),
        (mine(), State.APPROVED, Reply("paid_unreadable", AMOUNT)),
        (mine(reference="77", amount_rial=None), State.APPROVED, Reply("paid_unreadable")),
    ],
    ids=range(11),
)
async def test_what_the_books_know_by_themselves(
    house: House, payment: Payment | None, state: State | None, said: Reply
) -> None:
    """Nobody is asked, and nobody is told of somebody else's."""
    if payment is not None and state is not None:
        house.books.put(payment, state)
    assert await look(house) == said and house.web.asked == []


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN])
async def test_an_open_one_is_asked_about(house: House, state: State) -> None:
    """Once: the answer is written, with the receipt."""
    house.books.put(mine(), state)
    house.web.answers["inquire"].append(PAID)
    for _ in range(2):
        assert await look(house) == Reply("paid", {"reference": "200100300", "receipt": "ref-1", **AMOUNT})
    [payment] = house.books.payments.values()
    assert (payment.state, payment.receipt, len(house.web.asked)) == (State.APPROVED, "ref-1", 1)


@pytest.mark.parametrize(
    ("answer", "exit_name"),
    [(NOT_PAID, "not_paid"), (OutcomeUnknown("read timeout"), "unknown"), (Reply("x", {}, Outcome.UNKNOWN), "unknown")],
)
async def test_it_may_be_paid_yet(house: House, answer: Reply | Exception, exit_name: str) -> None:
    """The book is left as it stands."""
    house.books.put(mine(), State.SENT)
    house.web.answers["inquire"].append(answer)
    assert await look(house) == Reply(exit_name, AMOUNT) and house.books.states() == [State.SENT]


async def test_the_book_has_been_closed_meanwhile(house: House) -> None:
    """Somebody else wrote it first, while the provider was asked: the book's word counts."""
    house.books.put(mine(), State.UNKNOWN)
    house.web.answers["inquire"].append(PAID)
    house.web.door.clear()
    asked = asyncio.create_task(look(house))
    await house.web.changes.until(lambda: house.web.asked)
    house.books.put(mine(), State.DECLINED)
    house.web.door.set()
    assert await asked == Reply("declined", AMOUNT)
    assert [kind for _, kind, _ in house.books.entries] == [EntryKind.CONTRADICTED]


async def test_the_newest_counts(house: House) -> None:
    """Whatever became of those before it, and at whichever provider."""
    house.books.put(mine("c.1", "1", reference="1"), State.APPROVED)
    house.books.put(mine("c.2", "2", provider="pod"), State.UNKNOWN)
    house.pod.answers["inquire"].append(Reply("declined", {}, Outcome.DECLINED))
    assert await look(house) == Reply("declined", AMOUNT)
    assert house.books.states() == [State.APPROVED, State.DECLINED]


@pytest.mark.parametrize("other", [State.SENT, State.UNKNOWN, State.APPROVED])
async def test_somebody_else_pays_the_same_invoice(house: House, other: State) -> None:
    """An answer could be about either try: nobody is told that theirs was paid."""
    house.books.put(mine("d.1", payer=OTHERS), other)
    house.books.put(mine(), State.UNKNOWN)
    assert await look(house) == Reply("unknown", AMOUNT) and house.web.asked == []


async def test_a_try_that_was_not_needed(house: House) -> None:
    """Of two tries of the same payer the one that brought the money is told; somebody else's money is not theirs."""
    house.books.put(mine("c.1", reference="77"), State.APPROVED)
    house.books.put(mine("c.2", reason=PAID_BY_ANOTHER), State.DECLINED)
    assert await look(house) == Reply("paid", {"reference": "77", **AMOUNT})
    house.books.put(mine("c.1", reference="77", payer=OTHERS), State.APPROVED)
    assert await look(house) == Reply("declined", AMOUNT)


# -- who pays ----------------------------------------------------------------------------------------------------------


async def test_whoever_calls_is_the_payer(house: House) -> None:
    """Of a leg that is dialled, of a card, and of a link, wherever it was sent."""
    voice = await house.at_the_amount()
    voice.keys("1")
    await voice.dialled()
    voice = await by_card.at_the_otp(house)
    house.mellat.answers["pay"].append(by_card.APPROVED)
    voice.keys(f"{by_card.OTP}#")
    await voice.hears("card/hear_again")
    voice = await by_link.at_the_mobile(house)
    house.web.answers["inquire"].append(PAID)
    voice.keys("1")
    await voice.hears("card/hear_again")
    payers = {payment.provider: payment.payer for payment in house.books.payments.values()}
    assert payers == dict.fromkeys(("paystar", "mellat", "web"), MINE)


@pytest.mark.parametrize("number", [None, "02112345678"], ids=["withheld", "no mobile"])
async def test_a_payer_who_is_not_known(house: House, number: str | None) -> None:
    """The payment is made all the same; a number that is only keyed is nobody's word for who pays."""
    voice = house.rings(house.caller(PAY, caller_number=number))
    house.paystar.answers["create_transaction"].append(FOUND)
    if number is None:
        await voice.hears("caller/enter_mobile")
        voice.keys(f"{OTHERS}#")
    await voice.hears("invoice/enter_number")
    voice.keys(f"{INVOICE}#")
    await voice.hears("pay/press_keys")
    voice.keys("1")
    await voice.dialled()
    [payment] = house.books.payments.values()
    assert payment.payer is None
