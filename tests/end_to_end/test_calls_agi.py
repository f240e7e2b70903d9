"""The shipped flow over AGI(): the same words, the same INVITE at the bank, the same books."""

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import pytest_asyncio

from ivr.lab.town import MERCHANT_PHONE, Town
from ivr.sandbox.faults import FaultKind
from ivr.sandbox.settings import DEMO_CARDS
from tests.end_to_end.evening import Evening, Spent, scene, stories, story
from tests.end_to_end.odd_numbers import BY_AGI, ODD_BY_AGI
from tests.end_to_end.raw_sip import raw_call
from tests.end_to_end.serve_log import ServeLog
from tests.end_to_end.stage import MONEY, MONEY_WORDS, MOST_SILENCE, Caller, Stage, Told, all_quiet, digits
from tests.end_to_end.test_calls_bank import ODD, RINGING_PAUSE
from tests.end_to_end.test_calls_gone import LEAVES, NEVER_LEFT, Leaves

CARD = DEMO_CARDS[0]
BANK = ["bank/welcome", "bank/amount_is", *MONEY_WORDS, "bank/enter_card", "bank/enter_pin", "bank/paid"]
AMOUNT = ["pay/amount_payable", *MONEY_WORDS, "pay/is", "pay/press_keys"]


@story
async def pays_by_agi(stage: Stage) -> Spent:
    code = await stage.own_invoice()
    caller = await stage.call(BY_AGI)
    await caller.answers("invoice/enter_number", f"{code}#")
    await caller.answers("pay/press_keys", "1")
    await caller.answers("bank/enter_card", CARD.pan.reveal(), secret=True)
    await caller.answers("bank/enter_pin", f"{CARD.pin.reveal()}#", secret=True)
    return Spent(await caller.told(), code)


async def test_everything_in_order(evening: Evening, stage: Stage) -> None:
    """Every prompt, whole and in order; who and how much at the bank; created, sent, approved in both journals."""
    one = evening.of("pays_by_agi")
    [transaction] = evening.transactions[one.code]
    assert one.told.names == [
        *("invoice/welcome", "invoice/enter_number"),
        *(*AMOUNT, "pay/connecting_to_bank", *BANK),
        *("pay/paid", "pay/tracking_number_is", *digits(transaction), "common/goodbye"),
    ]
    assert one.told.whole == one.told.names
    assert one.told.silence() < MOST_SILENCE
    [invite] = evening.invites_for(one.code)
    said = f"{MERCHANT_PHONE}*10000005*{transaction}"
    assert invite.caller == (said, said)
    assert invite.all("Amount") == [str(MONEY)]
    assert invite.first_line.startswith(f"INVITE sip:{MERCHANT_PHONE}@")
    [payment] = evening.payments("merchant", one.code)
    assert (payment["state"], payment["amount_rial"], payment["transaction_id"]) == ("approved", MONEY, transaction)
    assert await stage.lines("merchant", str(payment["id"])) == ["created", "sent", "approved"]


@story
async def keys_a_wrong_number_by_agi(stage: Stage) -> Spent:
    """Then the right one, over the question; nothing has to be keyed slowly, and a withheld number is asked for."""
    code = stage.invoice().tracking_code
    caller = await stage.call(BY_AGI, caller_number=None)
    await caller.barges("invoice/welcome", "09121234567#")
    await caller.barges("invoice/enter_number", "99999999#")
    await caller.hears("invoice/wrong_number")
    await caller.barges("invoice/enter_number", f"{code}#1")
    await caller.hears("pay/connecting_to_bank", share=0.2)
    return Spent(await caller.hangs_up(), code)


def test_a_wrong_number_is_asked_again(evening: Evening) -> None:
    """A wrong invoice number is said to be wrong and asked for again; keys over a prompt all count."""
    one = evening.of("keys_a_wrong_number_by_agi")
    assert one.told.whole.count("invoice/wrong_number") == 1
    assert one.told.names[-1] in ("pay/connecting_to_bank", "bank/welcome")
    assert len(evening.transactions[one.code]) == 1


@story
async def waits_for_paystar_by_agi(stage: Stage) -> Spent:
    """PayStar needs its time: the words for that are broken off when its answer comes."""
    code = stage.invoice().tracking_code
    stage.fault("create_transaction", FaultKind.DELAY, code, seconds=2.2)
    caller = await stage.call(BY_AGI)
    await caller.barges("invoice/welcome", f"{code}#")
    await caller.hears("pay/amount_payable")
    return Spent(await caller.hangs_up(), code)


def test_words_of_waiting_are_broken_off(evening: Evening) -> None:
    """The answer does not wait until we have said that we wait."""
    told = evening.told("waits_for_paystar_by_agi")
    assert told.waits == ["common/please_wait"]
    assert "pay/amount_payable" in told.names and told.silence() < MOST_SILENCE


@story
async def says_nothing_by_agi(stage: Stage) -> Spent:
    caller = await stage.call(BY_AGI)
    await caller.hears("common/heard_nothing")
    await caller.hears("invoice/enter_number", share=0.2)
    return Spent(await caller.hangs_up())


def test_silence_is_asked_again(evening: Evening) -> None:
    """Timers go on while Asterisk waits for a key."""
    told = evening.told("says_nothing_by_agi")
    question = "invoice/enter_number"
    assert told.names == ["invoice/welcome", question, "common/heard_nothing", question]
    assert 7.0 < told.silence() < 8.0


# -- hanging up ------------------------------------------------------------------------------------------------------

LEFT = {
    name: LEAVES[name]
    for name in ("while keying", "at the amount", "while connecting", "at the bank", "while the bank settles")
}


async def _leave(leaves: Leaves, stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(BY_AGI)
    await leaves.goes(stage, caller, code)
    told = await caller.hangs_up()
    if leaves.state == "approved":
        await stage.until_found(code)
    return Spent(told, code)


stories({f"leaves by agi {name}": partial(_leave, leaves) for name, leaves in LEFT.items()})


@pytest.mark.parametrize("name", LEFT)
def test_books_after_hanging_up(evening: Evening, name: str) -> None:
    """The same as by the other way."""
    states = [state for state, _ in evening.states("merchant", evening.of(f"leaves by agi {name}").code)]
    if LEFT[name].state == NEVER_LEFT:
        assert states in ([], [NEVER_LEFT])
    else:
        assert states == ([LEFT[name].state] if LEFT[name].state else [])


# -- banks -------------------------------------------------------------------------------------------------------------

BANKS = {
    ODD_BY_AGI[n]: odd for odd in ODD.values() if (n := int(odd.number[-1])) in ODD_BY_AGI and odd.number < "42475009"
}


async def _meets(number: str, stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(number)
    await caller.agrees(code)
    await caller.hears("pay/connecting_to_bank")
    return Spent(await caller.told(), code)


stories({f"bank by agi {number}": partial(_meets, number) for number in BANKS})


@pytest.mark.parametrize("number", BANKS)
def test_a_bank_that_misbehaves(evening: Evening, number: str) -> None:
    """The same words and the same books as by the other way."""
    one, odd = evening.of(f"bank by agi {number}"), BANKS[number]
    assert one.told.after("pay/connecting_to_bank") == [odd.words, "common/goodbye"]
    assert one.told.silence() < RINGING_PAUSE
    [(state, reason)] = evening.states("merchant", one.code)
    assert state == odd.state
    assert odd.reason is None or reason == odd.reason


# -- a caller who means us no good -------------------------------------------------------------------------------------


async def test_a_line_break_in_the_callers_number(town: Town) -> None:
    """Nobody becomes another trunk's caller by a number that holds a line of AGI's; the next caller is served."""
    log = ServeLog(town.merchant)
    target = (town.merchant.address, town.merchant.sip_port)
    for evil in ("0912%0Aagi_network_script:%20bank/1", "0912%0A%0A200%20result=0", "0912%0D%0Aagi_x:%20y"):
        async with raw_call(town.handset.address, target) as call:
            assert await call.invite(BY_AGI, from_=f"<sip:{evil}@{town.handset.address}>") in (None, 200, 400, 403)
    assert log.errors() == []
    assert town.merchant.app_pid is not None
    async with raw_call(town.handset.address, target) as call:
        assert await call.invite(BY_AGI) == 200


# -- a process that dies -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Killed:
    """Calls by AGI() during which the application died."""

    reading: Told
    settled: Told
    left: list[str]
    payments: dict[str, list[dict[str, Any]]]


@scene
async def kill_the_merchant_by_agi(stage: Stage) -> Killed:
    """One kill, two callers: one hears the amount, one is at the bank until the next process is there."""
    merchant = stage.town.merchant
    codes = {name: stage.invoice().tracking_code for name in ("reading", "settled")}
    settled = await stage.call(BY_AGI)
    await settled.agrees(codes["settled"])
    await settled.barges("bank/enter_card", CARD.pan.reveal(), secret=True)
    await settled.hears("bank/enter_pin", share=0.2)
    reading = await stage.call(BY_AGI)
    await reading.keys_invoice(codes["reading"])
    await merchant.kill_app()
    reading.forgets()
    await merchant.start_app()

    async def hears_the_amount_again() -> Told:
        await reading.hears("pay/amount_payable")
        return await reading.hangs_up()

    async def pays_afterwards(caller: Caller) -> Told:
        await caller.keys(f"{CARD.pin.reveal()}#", secret=True)
        return await caller.told()

    told = await asyncio.gather(hears_the_amount_again(), pays_afterwards(settled))
    left = await all_quiet(stage.town)
    payments = await merchant.payments()
    return Killed(
        *told, left, {name: [row for row in payments if row["invoice_id"] == code] for name, code in codes.items()}
    )


@pytest_asyncio.fixture(loop_scope="session")
async def killed(evening: Evening) -> Killed:
    """What it came to."""
    return await evening.scene(kill_the_merchant_by_agi)


def test_the_call_goes_on_after_a_kill(killed: Killed) -> None:
    """The dialplan waits with the caller, and the next process repeats the step."""
    assert killed.reading.names.count("pay/amount_payable") == 2
    assert "common/sorry_try_later" not in killed.reading.names
    assert killed.payments["reading"] == []


def test_the_bank_goes_on_during_a_kill(killed: Killed) -> None:
    """Who talks to the bank meanwhile notices nothing, and hears afterwards that it is paid; once, in the books too."""
    assert killed.settled.after("bank/paid")[:2] == ["pay/paid", "pay/tracking_number_is"]
    assert [payment["state"] for payment in killed.payments["settled"]] == ["approved"]
    assert killed.left == []
