"""A card is charged by telephone: what the books say before and after, and what no snapshot, book or log may hold."""

import json

import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import OutcomeUnknown, ProviderUnreachable
from ivr.domain.operations import Outcome
from ivr.flow.session import Session
from ivr.payments.invoice import Invoice
from ivr.payments.port import Reply
from ivr.payments.state import Payment, State
from tests.fakes import FakeVoice
from tests.runtime.conftest import CARD, INVOICE, House

PAN, OTP = "6037701689095443", "918273645"
APPROVED = Reply("approved", {"reference": "200100300"}, Outcome.APPROVED, reference="200100300")
WRONG_OTP = Reply("new_otp", {"reason": "decline/wrong_otp", "code": "55"}, Outcome.DECLINED, "55")


async def at_the_otp(house: House) -> FakeVoice:
    """A caller who has agreed, keyed the card and is asked for the one-time password."""
    await house.books.remember_invoice(Invoice("mellat", INVOICE, 160_000, "1"))
    house.mellat.answers["request_otp"].append(Reply("ok"))
    voice = house.rings(house.caller(CARD))
    await voice.hears("invoice/enter_number")
    voice.keys(f"{INVOICE}#")
    await voice.hears("pay/press_keys")
    voice.keys("1")
    await voice.hears("card/enter")
    voice.keys(PAN)
    await voice.hears("confirm/press_keys")
    voice.keys("1")
    await voice.hears("otp/enter")
    return voice


def asked(house: House, operation: str) -> int:
    """How often the gateway was asked so."""
    return [name for name, _ in house.mellat.asked].count(operation)


async def test_paid_and_written_down(house: House) -> None:
    """The caller hears the reference, the book says approved, and nothing but the gateway saw card and password."""
    with capture_logs() as lines:
        voice = await at_the_otp(house)
        house.mellat.answers["pay"].append(APPROVED)
        voice.keys(f"{OTP}#")
        await voice.hears("card/hear_again")
        voice.go()
        await house.over()
    assert house.books.states() == [State.APPROVED]
    [payment] = house.books.payments.values()
    assert (payment.provider, payment.invoice_id, payment.amount_rial) == ("mellat", INVOICE, 160_000)
    left = json.dumps([lines, house.store.written, [str(entry) for entry in house.books.entries]], default=repr)
    assert PAN not in left and OTP not in left
    assert house.store.written and "5443" in str(house.store.written)  # what may be kept is kept


async def test_nobody_knows(house: House) -> None:
    """The caller hears that the result will follow; who calls again is not charged again, and people are told."""
    voice = await at_the_otp(house)
    house.mellat.answers["pay"].append(OutcomeUnknown("read timeout"))
    voice.keys(f"{OTP}#")
    await voice.hears("card/result_will_follow")
    assert house.books.states() == [State.UNKNOWN] and asked(house, "pay") == 1
    again = house.rings(house.caller(CARD))
    again.keys(f"{INVOICE}#")
    await again.hears("invoice/unresolved")
    await house.over()
    assert [payment for payment, _ in house.nudged] == [*house.books.payments]
    assert asked(house, "pay") == asked(house, "request_otp") == 1


async def test_the_process_dies_while_the_card_is_charged(house: House) -> None:
    """The next one does not charge it again: the caller hears that nobody knows."""
    voice = await at_the_otp(house)
    house.mellat.door.clear()
    voice.keys(f"{OTP}#")
    await house.mellat.changes.until(lambda: asked(house, "pay"))
    [kept] = house.store.kept.values()
    assert Session.restore(kept).step == "ask_card/pay"
    taken_over = house.resumed(house.caller(CARD), kept)
    await taken_over.hears("card/result_will_follow")
    house.mellat.answers["pay"].append(APPROVED)
    house.mellat.door.set()
    await house.over()
    assert asked(house, "pay") == 1


@pytest.mark.parametrize("leaves", [False, True])
async def test_two_tries(house: House, leaves: bool) -> None:
    """A wrong password, then a right one: the first try is declined, and the second counts whoever waits for it."""
    voice = await at_the_otp(house)
    house.mellat.answers["request_otp"].append(Reply("ok"))
    house.mellat.answers["pay"] += [WRONG_OTP, APPROVED]
    voice.keys("12345#")
    await voice.hears("otp/enter", times=2)
    assert house.books.states() == [State.DECLINED]
    voice.keys(f"{OTP}#")
    if not leaves:
        await voice.hears("pay/paid")
    voice.go()
    await house.over()
    assert house.books.states()[0] is State.DECLINED
    assert house.books.states()[1:] in ([State.APPROVED], [] if leaves else [State.APPROVED])


async def test_nothing_left(house: House) -> None:
    """The gateway cannot be reached: nothing was charged, the caller tries again and pays."""
    voice = await at_the_otp(house)
    house.mellat.answers["pay"] += [ProviderUnreachable("refused"), APPROVED]
    voice.keys(f"{OTP}#")
    await voice.hears("card/unreachable_try_again")
    assert house.books.states() == [State.CREATED]
    voice.keys("1")
    await voice.hears("pay/paid")
    voice.go()
    await house.over()
    assert house.books.states() == [State.CREATED, State.APPROVED]


async def test_another_caller_was_quicker(house: House) -> None:
    """While one caller waited for the SMS another one has paid: no card is charged."""
    slow = await at_the_otp(house)
    quick = await at_the_otp(house)
    house.mellat.answers["pay"].append(APPROVED)
    quick.keys(f"{OTP}#")
    await quick.hears("pay/paid")
    slow.keys(f"{OTP}#")
    await slow.hears("invoice/already_paid")
    quick.go()
    await house.over()
    assert house.books.states() == [State.APPROVED] and asked(house, "pay") == 1


async def test_another_try_came_into_doubt_at_the_last_moment(house: House) -> None:
    """After the books were asked, and before the line is written: nobody could tell later which one was charged.

    Nothing was sent, and so it is told; who tries again hears from the books why.
    """
    voice = await at_the_otp(house)
    other = Payment("other.1", "other", "mellat", INVOICE, None, 160_000, State.UNKNOWN)
    create = house.books.create

    async def create_late(payment: Payment) -> bool:
        house.books.put(other, State.UNKNOWN)
        return await create(payment)

    house.books.create = create_late  # type: ignore[method-assign]
    voice.keys(f"{OTP}#")
    await voice.hears("card/unreachable_try_again")
    voice.keys("1")
    await voice.hears("invoice/unresolved")
    await house.over()
    assert asked(house, "pay") == 0
    assert house.books.states() == [State.UNKNOWN, State.CREATED]
