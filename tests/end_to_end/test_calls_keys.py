"""Keys that come too late, too early, too few, too many, or not at all."""

import pytest

from ivr.lab.town import PAY_NUMBER
from ivr.sandbox.faults import FaultKind
from ivr.sandbox.settings import DEMO_CARDS
from tests.end_to_end.evening import Evening, Spent, stories, story
from tests.end_to_end.stage import MONEY_WORDS, Stage

PATIENT_SILENCE = 8.5
"""Seconds: the first-digit timeout of the shipped flows is 7."""
AMOUNT = ["pay/amount_payable", *MONEY_WORDS, "pay/is", "pay/press_keys"]
UNHEARD = ["common/heard_nothing"]
GOODBYE = ["common/call_again_later", "common/goodbye"]


@story
async def silent_at_the_invoice(stage: Stage) -> Spent:
    return Spent(await (await stage.call(PAY_NUMBER)).told())


def test_silence_at_the_invoice_number(evening: Evening) -> None:
    """Asked three times, each time after saying that nothing was heard; then a goodbye."""
    told = evening.told("silent_at_the_invoice")
    question = ["invoice/enter_number"]
    assert told.names == ["invoice/welcome", *question, *(UNHEARD + question) * 2, *GOODBYE]
    assert told.silence() < PATIENT_SILENCE


@story
async def silent_about_the_mobile(stage: Stage) -> Spent:
    return Spent(await (await stage.call(PAY_NUMBER, caller_number=None)).told())


def test_silence_at_the_mobile_number(evening: Evening) -> None:
    """The same for a caller with a withheld number."""
    question = ["caller/enter_mobile"]
    told = evening.told("silent_about_the_mobile")
    assert told.names == ["invoice/welcome", *question, *(UNHEARD + question) * 2, *GOODBYE]


@story
async def silent_at_the_amount(stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(PAY_NUMBER)
    await caller.barges("invoice/welcome", f"{code}#")
    return Spent(await caller.told(), code)


def test_silence_at_the_amount(evening: Evening) -> None:
    """The amount is read three times; silence never pays."""
    one = evening.of("silent_at_the_amount")
    assert one.told.names == ["invoice/welcome", *AMOUNT, *(UNHEARD + AMOUNT) * 2, *GOODBYE]
    assert evening.payments("merchant", one.code) == []


async def _silent_at_the_bank(stage: Stage, card: bool) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(PAY_NUMBER)
    await caller.agrees(code)
    if card:
        await caller.barges("bank/enter_card", DEMO_CARDS[0].pan.reveal())
    return Spent(await caller.told(), code)


SILENT_AT_THE_BANK = {"bank/enter_card": "silent_at_the_card", "bank/enter_pin": "silent_at_the_pin"}
stories(
    {
        "silent_at_the_card": lambda stage: _silent_at_the_bank(stage, card=False),
        "silent_at_the_pin": lambda stage: _silent_at_the_bank(stage, card=True),
    }
)


@pytest.mark.parametrize("question", SILENT_AT_THE_BANK)
def test_silence_at_the_bank(evening: Evening, question: str) -> None:
    """The bank gives up; we say that nothing is confirmed, and the payment is looked after."""
    one = evening.of(SILENT_AT_THE_BANK[question])
    end = [*([*UNHEARD, question]) * 2, "common/call_again_later", "pay/not_confirmed", "common/goodbye"]
    assert one.told.names[-len(end) :] == end
    assert [state for state, _ in evening.states("merchant", one.code)] == ["unknown"]


# -- wrong keys --------------------------------------------------------------------------------------------------------


@story
async def too_few_and_too_many(stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(PAY_NUMBER)
    await caller.barges("invoice/welcome", "123#")
    await caller.hears("common/too_few_digits")
    await caller.barges("invoice/enter_number", "1234567890123#")
    await caller.hears("common/too_many_digits")
    await caller.barges("invoice/enter_number", f"{code}#")
    await caller.barges("pay/amount_payable", "5")
    await caller.hears("common/wrong_key")
    await caller.barges("pay/amount_payable", "*")
    return Spent(await caller.told(), code)


def test_too_few_too_many_wrong_key(evening: Evening) -> None:
    """Each mistake is named and may be mended; `*` ends it."""
    assert evening.told("too_few_and_too_many").names == [
        *("invoice/welcome", "common/too_few_digits", "invoice/enter_number", "common/too_many_digits"),
        *("invoice/enter_number", "pay/amount_payable", "common/wrong_key", "pay/amount_payable"),
        *("pay/cancelled", "common/goodbye"),
    ]


@story
async def too_few_every_time(stage: Stage) -> Spent:
    caller = await stage.call(PAY_NUMBER)
    await caller.barges("invoice/welcome", "1#")
    for _ in range(2):
        await caller.barges("invoice/enter_number", "1#")
    return Spent(await caller.told())


@story
async def wrong_key_every_time(stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(PAY_NUMBER)
    await caller.barges("invoice/welcome", f"{code}#")
    for _ in range(3):
        await caller.barges("pay/amount_payable", "7")
    return Spent(await caller.told(), code)


@pytest.mark.parametrize("name", ["too_few_every_time", "wrong_key_every_time"])
def test_mistakes_are_bounded(evening: Evening, name: str) -> None:
    """The third mistake at one question ends the call, with a reason."""
    one = evening.of(name)
    assert one.told.names[-2:] == ["common/too_many_attempts", "common/goodbye"]
    assert evening.payments("merchant", one.code) == []


@story
async def cancels_at_the_invoice(stage: Stage) -> Spent:
    caller = await stage.call(PAY_NUMBER)
    await caller.barges("invoice/enter_number", "12*")
    return Spent(await caller.told())


@story
async def hears_again_and_cancels(stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(PAY_NUMBER)
    await caller.barges("invoice/welcome", f"{code}#")
    await caller.answers("pay/press_keys", "2")
    await caller.barges("pay/press_keys", "2")
    await caller.answers("pay/press_keys", "*")
    return Spent(await caller.told(), code)


@story
async def cancels_at_the_bank(stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(PAY_NUMBER)
    await caller.agrees(code)
    await caller.barges("bank/enter_card", "6037*")
    return Spent(await caller.told(), code)


def test_star_at_the_invoice_number(evening: Evening) -> None:
    """`*` takes back what was begun."""
    told = evening.told("cancels_at_the_invoice")
    assert told.names == ["invoice/welcome", "invoice/enter_number", "pay/cancelled", "common/goodbye"]


def test_amount_is_heard_again(evening: Evening) -> None:
    """2 reads the amount again, as often as the caller likes; `*` then pays nothing."""
    one = evening.of("hears_again_and_cancels")
    assert one.told.names == ["invoice/welcome", *AMOUNT * 3, "pay/cancelled", "common/goodbye"]
    assert evening.payments("merchant", one.code) == []


def test_star_at_the_bank(evening: Evening) -> None:
    """The bank ends it; we say that nothing is confirmed."""
    told = evening.told("cancels_at_the_bank")
    assert told.names[-4:] == ["bank/enter_card", "pay/cancelled", "pay/not_confirmed", "common/goodbye"]


# -- keyed ahead -------------------------------------------------------------------------------------------------------


@story
async def keys_one_ahead(stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    stage.fault("create_transaction", FaultKind.DELAY, code, seconds=1.0)
    caller = await stage.call(PAY_NUMBER)
    await caller.keys(f"{code}#1")
    await caller.hears("pay/press_keys")
    await caller.hears("common/heard_nothing")
    await caller.barges("pay/press_keys", "*")
    return Spent(await caller.told(), code)


def test_one_keyed_ahead_never_pays(evening: Evening) -> None:
    """Who keys the invoice number and 1 in one go still hears the amount, and has agreed to nothing."""
    one = evening.of("keys_one_ahead")
    names = one.told.names
    names = names[1:] if names[0] == "invoice/welcome" else names
    assert names == [*AMOUNT, "common/heard_nothing", *AMOUNT, "pay/cancelled", "common/goodbye"]
    assert evening.payments("merchant", one.code) == []
    assert evening.invites_for(one.code) == []


@story
async def keys_everything_ahead(stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    card = DEMO_CARDS[0]
    caller = await stage.call(PAY_NUMBER)
    await caller.keys(f"{code}#")
    await caller.barges("pay/amount_payable", "1")
    await caller.barges("bank/welcome", f"{card.pan.reveal()}#{card.pin.reveal()}#")
    return Spent(await caller.told(), code)


def test_everything_keyed_ahead_pays(evening: Evening) -> None:
    """A caller who knows the way needs no prompt: card and PIN into the bank's greeting, and it is paid."""
    one = evening.of("keys_everything_ahead")
    assert one.told.names[-1] == "common/goodbye"
    assert "pay/paid" in one.told.names
    assert "bank/enter_card" not in one.told.whole
    assert [state for state, _ in evening.states("merchant", one.code)] == ["approved"]
