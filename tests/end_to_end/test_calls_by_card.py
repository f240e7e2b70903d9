"""A card is charged by telephone, judged by what the phone heard, what the bank took, and what the journal says."""

import httpx

from ivr.sandbox.faults import FaultKind
from ivr.sandbox.settings import DEMO_CARDS
from tests.end_to_end.evening import Evening, Spent, story
from tests.end_to_end.odd_numbers import BY_CARD, ORDERS
from tests.end_to_end.payer import at_the_otp, keys_otp, otp, own_invoice, takes_card
from tests.end_to_end.stage import MONEY, Stage, digits

GOOD, OTHER, EMPTY = DEMO_CARDS
TOO_LATE = 8.0
"""Seconds: longer than the merchant waits for the gateway."""


async def taken(stage: Stage, code: str) -> list[tuple[int, str]]:
    """What the bank's settlement list has of this invoice: amount and reference."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{stage.town.sandbox.admin_url}/_sandbox/mellat/payments")
    found = [one for one in answer.json()["payments"] if one["order_id"] == code]
    return [(one["amount"], one["reference"]) for one in found]


# -- paid --------------------------------------------------------------------------------------------------------------


@story
async def pays_by_card(stage: Stage) -> Spent:
    code = await own_invoice(stage)
    caller = await stage.call(BY_CARD)
    await caller.barges("invoice/welcome", f"{code}#")
    await caller.barges("pay/press_keys", "1")
    await caller.answers("card/enter", GOOD.pan.reveal(), secret=True)
    await caller.answers("confirm/press_keys", "1")
    await caller.hears("otp/enter")
    await keys_otp(caller, stage, code)
    await caller.answers("card/hear_again", "1")
    await caller.hears("card/reference_is")
    return Spent(await caller.hangs_up(), code)


async def test_card_is_charged_and_everything_is_said(evening: Evening, stage: Stage) -> None:
    """Every word from the card on, the bank's name and the reference, twice; one payment, in both books."""
    one = evening.of("pays_by_card")
    [(amount, reference)] = await taken(stage, one.code)
    said = [
        *("card/enter", "issuer/melli", "card/ends_in", *digits("0006"), "confirm/press_keys"),
        *("otp/sent", "otp/enter", "pay/paid", "card/reference_is", *digits(reference), "card/hear_again"),
        "card/reference_is",
    ]
    assert one.told.after("pay/press_keys")[: len(said)] == said
    assert set(said) <= set(one.told.whole)
    [payment] = evening.payments("merchant", one.code)
    assert (payment["state"], payment["provider"], payment["reference"]) == ("approved", "mellat", reference)
    assert payment["amount_rial"] == amount == MONEY
    assert await stage.lines("merchant", payment["id"]) == ["created", "sent", "approved"]
    assert evening.invites_for(one.code) == []  # no leg is dialled: the gateway does it


# -- no, and another way -----------------------------------------------------------------------------------------------


@story
async def wrong_then_right_otp(stage: Stage) -> Spent:
    code = await own_invoice(stage)
    caller = await at_the_otp(stage, code)
    first = await otp(stage, code)
    await caller.keys(f"{(int(first) + 1) % 10**12:012}#", secret=True)
    await caller.hears("decline/wrong_otp")
    await caller.hears("otp/sent", share=0.2)
    await keys_otp(caller, stage, code)
    await caller.hears("card/reference_is")
    return Spent(await caller.hangs_up(), code)


async def test_wrong_password_and_a_new_one(evening: Evening, stage: Stage) -> None:
    """The caller hears that it was wrong, gets another SMS, and pays; the first try stands in the book as declined."""
    one = evening.of("wrong_then_right_otp")
    wrong = one.told.after("decline/wrong_otp")
    assert wrong[:2] == ["otp/again", "otp/sent"] and "pay/paid" in wrong
    assert len(await taken(stage, one.code)) == 1
    assert [row["state"] for row in evening.payments("merchant", one.code)] == ["declined", "approved"]
    assert len(stage.asked("bpm_otp", one.code)) == len(stage.asked("bpm_pay", one.code)) == 2


@story
async def another_card(stage: Stage) -> Spent:
    code = await own_invoice(stage)
    caller = await at_the_otp(stage, code, EMPTY)
    await keys_otp(caller, stage, code)
    await caller.hears("decline/insufficient_funds")
    await takes_card(caller, OTHER)
    await keys_otp(caller, stage, code)
    await caller.hears("card/reference_is")
    return Spent(await caller.hangs_up(), code)


async def test_declined_and_another_card(evening: Evening, stage: Stage) -> None:
    """The caller hears why the first card will not do, and pays with a second one."""
    one = evening.of("another_card")
    declined = one.told.after("decline/insufficient_funds")
    assert declined[:2] == ["card/another", "card/enter"] and "issuer/tejarat" in declined and "pay/paid" in declined
    assert "issuer/pasargad" in one.told.names
    assert len(await taken(stage, one.code)) == 1
    rows = evening.payments("merchant", one.code)
    assert [(row["state"], row["code"]) for row in rows[:1]] == [("declined", "51")]
    assert [row["state"] for row in rows] == ["declined", "approved"]


# -- nobody knows ------------------------------------------------------------------------------------------------------


@story
async def no_answer_to_the_charge(stage: Stage) -> Spent:
    code = await own_invoice(stage)
    stage.fault("bpm_pay", FaultKind.DELAY, code, seconds=TOO_LATE, commit=True)
    first = await at_the_otp(stage, code)
    await keys_otp(first, stage, code)
    told = await first.told()
    second = await stage.call(BY_CARD)
    await second.barges("invoice/welcome", f"{code}#")
    AGAIN.append((await second.told()).names)
    return Spent(told, code)


AGAIN: list[list[str]] = []
"""What the same caller heard in the call afterwards."""


async def test_unknown_is_said_and_never_sent_again(evening: Evening, stage: Stage) -> None:
    """The bank took the money and its answer never came: the result will follow, and the card is charged once."""
    one = evening.of("no_answer_to_the_charge")
    assert one.told.names[-2:] == ["card/result_will_follow", "common/goodbye"]
    assert one.told.waits
    assert AGAIN == [["invoice/welcome", "invoice/unresolved", "common/goodbye"]]
    assert len(await taken(stage, one.code)) == 1
    assert [row["state"] for row in evening.payments("merchant", one.code)] == ["unknown"]
    assert len(stage.asked("bpm_pay", one.code)) == 1


# -- gone --------------------------------------------------------------------------------------------------------------


@story
async def hangs_up_after_the_otp(stage: Stage) -> Spent:
    code = await own_invoice(stage)
    stage.fault("bpm_pay", FaultKind.DELAY, code, seconds=1.0)
    caller = await at_the_otp(stage, code)
    await keys_otp(caller, stage, code)
    await stage.until_asked("bpm_pay", code)
    return Spent(await caller.hangs_up(), code)


async def test_hangup_while_the_card_is_charged(evening: Evening, stage: Stage) -> None:
    """Nobody is there to hear it, and it is paid and written down all the same."""
    one = evening.of("hangs_up_after_the_otp")
    assert "pay/paid" not in one.told.names
    assert len(await taken(stage, one.code)) == 1
    assert [row["state"] for row in evening.payments("merchant", one.code)] == ["approved"]


@story
async def hangs_up_before_the_otp(stage: Stage) -> Spent:
    code = await own_invoice(stage)
    caller = await at_the_otp(stage, code)
    return Spent(await caller.hangs_up(), code)


async def test_hangup_before_the_card_is_charged(evening: Evening, stage: Stage) -> None:
    """No password, no payment: neither book has a line."""
    one = evening.of("hangs_up_before_the_otp")
    assert await taken(stage, one.code) == [] and evening.payments("merchant", one.code) == []


# -- an order ----------------------------------------------------------------------------------------------------------

DATES = "-9070-1"
"""How the number of an order of dates ends; before it stands the call's own id."""


@story
async def orders_dates_by_card(stage: Stage) -> Spent:
    caller = await stage.call(ORDERS)
    await caller.barges("order/choose_goods", "3")
    await caller.barges("order/press_keys", "1")
    await takes_card(caller, GOOD)
    async with httpx.AsyncClient(trust_env=False) as client:
        sms = (await client.get(f"{stage.town.sandbox.admin_url}/_sandbox/sms")).json()["sms"]
    [order] = {one["about"] for one in sms if one["about"].endswith(DATES)}
    await keys_otp(caller, stage, order)
    await caller.hears("card/reference_is")
    return Spent(await caller.hangs_up(), order)


async def test_an_order_is_paid_by_card(evening: Evening, stage: Stage) -> None:
    """The price that was heard is what the bank took, once, under the call's own order."""
    one = evening.of("orders_dates_by_card")
    [(amount, reference)] = await taken(stage, one.code)
    [payment] = evening.payments("merchant", one.code)
    assert (payment["state"], payment["amount_rial"], payment["reference"]) == ("approved", amount, reference)
    assert amount == 1_600_000
    assert set(one.told.names) >= {"order/dates", "order/price_is", "card/enter", "pay/paid", "card/reference_is"}
