"""PayStar says no, or the bank does: each in its own words, and each with a way on."""

import pytest

from ivr.lab.town import CHAIN_NUMBER, PAY_NUMBER
from ivr.sandbox.books import InvoiceState
from ivr.sandbox.settings import DEMO_CARDS
from tests.end_to_end.evening import Evening, Spent, stories, story
from tests.end_to_end.odd_numbers import STRANGE_GATEWAY
from tests.end_to_end.stage import MOST_SILENCE, Stage, money

WRONG = "12345"
"""No invoice of the sandbox has so few digits."""


async def _refused(stage: Stage, state: InvoiceState, number: str = PAY_NUMBER) -> Spent:
    code = stage.invoice(state=state).tracking_code
    caller = await stage.call(number)
    await caller.barges("invoice/welcome", f"{code}#")
    return Spent(await caller.told(), code)


REFUSED = {
    "already_paid": (lambda stage: _refused(stage, InvoiceState.PAID), "invoice/already_paid"),
    "expired": (lambda stage: _refused(stage, InvoiceState.EXPIRED), "invoice/expired"),
    "blocked": (lambda stage: _refused(stage, InvoiceState.BLOCKED), "invoice/blocked"),
    "gateway_invalid": (lambda stage: _refused(stage, InvoiceState.OPEN, STRANGE_GATEWAY), "invoice/gateway_invalid"),
}
stories({name: run for name, (run, _) in REFUSED.items()})


@pytest.mark.parametrize("name", REFUSED)
def test_refused_invoice(evening: Evening, name: str) -> None:
    """Each of PayStar's errors has its own words; nothing is written down and the bank is not called."""
    one = evening.of(name)
    assert one.told.names == ["invoice/welcome", REFUSED[name][1], "common/goodbye"]
    assert one.told.whole == one.told.names[1:]
    assert one.told.silence() < MOST_SILENCE
    assert evening.payments("merchant", one.code) == []
    assert evening.invites_for(one.code) == []


stories({"expired_in_the_chain": lambda stage: _refused(stage, InvoiceState.EXPIRED, CHAIN_NUMBER)})


def test_refused_in_the_chain(evening: Evening) -> None:
    """The payment service says why, and the merchant that nothing is registered."""
    one = evening.of("expired_in_the_chain")
    assert one.told.names == [
        *("invoice/welcome", "merchant/connecting", "invoice/expired", "common/goodbye"),
        *("merchant/not_registered", "common/goodbye"),
    ]
    assert evening.payments("switch", one.code) == []


@story
async def wrong_then_right(stage: Stage) -> Spent:
    amount = 2_345_000
    code = stage.invoice(amount).tracking_code
    caller = await stage.call(PAY_NUMBER)
    await caller.barges("invoice/welcome", f"{WRONG}#")
    await caller.hears("invoice/wrong_number")
    await caller.answers("invoice/enter_number", f"{code}#")
    await caller.barges("pay/is", "*")
    return Spent(await caller.told(), code)


def test_wrong_number_is_asked_again(evening: Evening) -> None:
    """A wrong invoice number is told, and the caller may key the right one."""
    assert evening.told("wrong_then_right").names == [
        *("invoice/welcome", "invoice/wrong_number", "invoice/enter_number"),
        *("pay/amount_payable", *money(2_345_000), "pay/is", "pay/cancelled", "common/goodbye"),
    ]


@story
async def wrong_every_time(stage: Stage) -> Spent:
    caller = await stage.call(PAY_NUMBER)
    await caller.barges("invoice/welcome", f"{WRONG}#")
    for _ in range(2):
        await caller.hears("invoice/wrong_number")
        await caller.barges("invoice/enter_number", f"{WRONG}#")
    return Spent(await caller.told())


def test_wrong_number_is_not_asked_for_ever(evening: Evening) -> None:
    """The third wrong invoice number ends the call, with a reason."""
    assert evening.told("wrong_every_time").names == [
        "invoice/welcome",
        *("invoice/wrong_number", "invoice/enter_number") * 2,
        *("invoice/too_many_wrong", "common/goodbye"),
    ]


@story
async def declined_by_the_bank(stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(PAY_NUMBER)
    await caller.agrees(code)
    await caller.pays(DEMO_CARDS[2])
    return Spent(await caller.told(), code)


def test_card_without_enough_money(evening: Evening) -> None:
    """The bank says no; we cannot know that, say that nothing is confirmed, and keep the payment open."""
    one = evening.of("declined_by_the_bank")
    assert one.told.names[-3:] == ["bank/declined", "pay/not_confirmed", "common/goodbye"]
    assert [state for state, _ in evening.states("merchant", one.code)] == ["unknown"]
    [transaction] = evening.transactions[one.code]
    assert [state for state, _ in evening.states("bank", transaction)] == ["declined"]


@story
async def wrong_pin_then_right(stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(PAY_NUMBER)
    await caller.agrees(code)
    card = DEMO_CARDS[1]
    await caller.barges("bank/enter_card", card.pan.reveal())
    await caller.barges("bank/enter_pin", "99999#")
    await caller.hears("bank/wrong_pin")
    await caller.barges("bank/enter_pin", f"{card.pin.reveal()}#")
    return Spent(await caller.told(), code)


def test_wrong_pin_is_asked_again(evening: Evening) -> None:
    """One slip at the bank costs nothing but a second try."""
    one = evening.of("wrong_pin_then_right")
    assert "pay/paid" in one.told.names
    assert [state for state, _ in evening.states("merchant", one.code)] == ["approved"]
