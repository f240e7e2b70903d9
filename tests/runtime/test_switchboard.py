"""All calls of a process: who is taken, who is refused, and what becomes of living calls when the process goes."""

import asyncio
import dataclasses
import json

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ivr.domain.errors import Unusable
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.operations import Outcome
from ivr.flow.events import CallerHungUp, Digit, LegAnswered, LegEnded
from ivr.flow.session import Session
from ivr.payments.port import Reply
from tests.flow.world import session_of, shipped
from tests.runtime.conftest import INVOICE, PAY, SWITCH, House

PAID = Reply("paid", {"text": "ok"}, Outcome.APPROVED, "1")


async def test_a_number_that_is_not_ours_is_refused(house: House) -> None:
    """The network says "unavailable"; the caller is never answered, so pays nothing for the call."""
    voice = house.rings(house.caller("999"))
    voice.emit(Digit("1"))  # nobody listens, nothing breaks
    await voice.changes.until(lambda: voice.cause)
    assert voice.cause is HangupCause.UNAVAILABLE and "answer" not in voice.did
    assert house.figure("ivr_calls_refused_total", why="no_such_number") == 1


async def test_a_number_of_another_trunk_is_refused(house: House) -> None:
    """What only the merchant's trunk may dial does not exist for the public."""
    voice = house.rings(house.caller(SWITCH, "public"))
    await voice.changes.until(lambda: voice.cause)
    assert voice.cause is HangupCause.UNAVAILABLE


async def test_a_full_house_is_busy(house: House) -> None:
    """One caller too many hears the busy tone, and is counted; when a place is free the next is taken."""
    callers = [house.rings(house.caller(listens=False)) for _ in range(house.most_calls)]
    late = house.rings(house.caller())
    await late.changes.until(lambda: late.cause)
    assert late.cause is HangupCause.BUSY
    assert house.figure("ivr_calls_refused_total", why="full") == 1
    callers[0].go()
    await callers[0].changes.until(lambda: callers[0].cause)
    await asyncio.sleep(0)
    next_one = house.rings(house.caller())
    await next_one.hears("invoice/welcome")


async def test_a_withheld_number_is_asked_for(house: House) -> None:
    """Who hides their number is asked for a mobile."""
    voice = house.rings(house.caller(caller_number=None))
    await voice.hears("caller/enter_mobile")


async def test_a_call_knows_its_own_id(house: House) -> None:
    """An order's number is made of it."""
    voice = house.caller(listens=False)
    voice.info = dataclasses.replace(voice.info, call_id="pbx 1.17")
    house.rings(voice)
    await voice.hears("invoice/welcome")
    await house.snapshots.stop()
    assert json.loads(house.store.kept["pbx 1.17"])["answers"]["call_id"] == "pbx-1.17"


async def test_a_caller_who_cannot_be_sent_back_is_noted(house: House) -> None:
    """We are going and Asterisk is away: a line in the log, and no call left in our books."""
    await house.switchboard.drain(0)
    voice = house.caller()
    voice.breaks.on("release", Unusable("no connection"))
    with capture_logs() as lines:
        house.rings(voice)
        await house.over()
    assert [line["event"] for line in lines] == ["not_released"]
    assert len(house.switchboard) == 0


async def test_calls_that_remain_stay_for_the_next_process(house: House) -> None:
    """SIGTERM with a call up: nobody hangs up, the snapshot stays, and the next process repeats the step."""
    voice = house.rings(house.caller(listens=False))
    await voice.hears("invoice/welcome")
    await house.switchboard.drain(0.01)
    await house.snapshots.stop()
    assert voice.cause is None
    assert list(house.store.kept) == [voice.info.call_id]
    house.resumed(voice, house.store.kept[voice.info.call_id])
    await voice.hears("invoice/welcome", times=2)
    assert house.figure("ivr_takeovers_total") == 1


async def test_a_question_under_way_is_asked_again_by_the_next_process(house: House) -> None:
    """SIGTERM while the provider thinks: the caller waits a little longer, that is all."""
    house.paystar.door.clear()
    voice = house.rings(house.caller())
    await voice.hears("invoice/enter_number")
    voice.keys(f"{INVOICE}#")
    await house.paystar.changes.until(lambda: house.paystar.asked)
    await house.switchboard.drain(0)
    await house.snapshots.stop()
    house.paystar.door.set()
    house.paystar.answers["create_transaction"].append(Reply("wrong_invoice"))
    house.resumed(voice, house.store.kept[voice.info.call_id])
    await voice.hears("invoice/wrong_number")
    assert len(house.paystar.asked) == 2


async def test_calls_may_end_by_themselves_before_the_process_goes(house: House) -> None:
    """Who is nearly done is let finish."""
    voice = house.rings(house.caller(listens=False))
    await voice.hears("invoice/welcome")
    asyncio.get_running_loop().call_soon(voice.emit, CallerHungUp())
    await house.switchboard.drain(5)
    assert voice.cause is HangupCause.NORMAL


async def test_a_living_call_looks_after_its_payments(house: House) -> None:
    """The reconciler leaves a payment alone while its caller is on the line, and is told when nobody is any more."""
    voice = await house.at_the_amount()
    voice.keys("1")
    token, _ = await voice.dialled()
    payment = next(iter(house.books.payments))
    assert house.switchboard.is_live(payment) and not house.switchboard.is_live("1600000000.1.5")
    voice.emit(LegAnswered(token))
    voice.emit(LegEnded(token, LegResult.ENDED))
    house.paystar.answers["result"].append(Reply("unknown", outcome=Outcome.UNKNOWN))
    await voice.hears("pay/not_confirmed")
    await house.over()
    assert house.nudged == [(payment, "call ended: hung_up")]
    assert not house.switchboard.is_live(payment)


async def test_a_leg_that_outlived_the_process(house: House) -> None:
    """The caller is at the bank when the process dies: talking goes on, and the end is noticed by the next one."""
    session = _at_the_bank()
    voice = house.caller()
    house.resumed(voice, session, leg=session.leg)
    house.paystar.answers["result"].append(PAID)
    assert session.leg is not None
    voice.emit(LegEnded(session.leg, LegResult.ENDED))
    await voice.hears("pay/paid")
    assert voice.legs == []


async def test_a_leg_that_ended_unseen(house: House) -> None:
    """The bank's leg ended while nobody listened: the provider is asked what became of it."""
    voice = house.caller()
    house.resumed(voice, _at_the_bank(), leg=None)
    house.paystar.answers["result"].append(PAID)
    await voice.hears("pay/paid")
    assert voice.legs == []


@pytest.mark.parametrize("snapshot", [None, "not a snapshot", "{}", '{"format": 1}'])
async def test_a_caller_without_a_usable_snapshot_begins_anew(house: House, snapshot: str | None) -> None:
    """Better to be greeted twice than to hear nothing."""
    voice = house.caller()
    house.resumed(voice, snapshot)
    await voice.hears("invoice/welcome")


async def test_a_flow_that_is_gone_begins_anew(house: House) -> None:
    """The admin removed the flow while its caller was on the line."""
    voice = house.caller()
    house.resumed(voice, replace(_at_the_bank(), flow="last_years_flow"))
    await voice.hears("invoice/welcome")


async def test_a_step_that_is_gone_is_an_apology(house: House) -> None:
    """The admin renamed the step while its caller was in it."""
    voice = house.caller()
    house.resumed(voice, replace(_at_the_bank(), step="last_years_step"))
    await voice.hears("common/technical_problem")


async def test_a_caller_who_waited_in_the_dialplan_goes_on_where_they_were(house: House) -> None:
    """The process was restarted: its callers heard ringing, come again, and are not asked for everything once more."""
    voice = house.caller()
    house.switchboard.left = {voice.info.call_id: replace(_at_the_bank(), step="read_amount", payment=None).snapshot()}
    house.rings(voice)
    await voice.hears("pay/amount_payable")
    assert "answer" not in voice.did


async def test_a_process_that_is_going_takes_no_new_caller(house: House) -> None:
    """Nobody is answered and then left in silence: a new caller waits for the next process, and so do the others."""
    talking = house.rings(house.caller(listens=False))
    await talking.hears("invoice/welcome")
    draining = asyncio.create_task(house.switchboard.drain(0.05))
    await asyncio.sleep(0)
    late = house.rings(house.caller())
    await draining
    assert late.did == ["release"] and "release" in talking.did
    assert talking.cause is None


async def test_callers_who_are_gone_leave_nothing_behind(house: House) -> None:
    """After a crash: their snapshots go, and a payment of theirs is looked after."""
    voice = house.rings(house.caller(listens=False))
    await voice.hears("invoice/welcome")
    paying = replace(_at_the_bank(), call_id="gone.1", payment="gone.1.6")
    asking = replace(_at_the_bank(), call_id="gone.2", payment=None)
    left = {
        voice.info.call_id: "its caller lives",
        "gone.1": paying.snapshot(),
        "gone.2": asking.snapshot(),
        "gone.3": "not a snapshot",
    }
    house.store.kept |= left
    house.switchboard.left = left
    house.switchboard.forget_others()
    await house.store.changes.until(lambda: len(house.store.kept) == 1)
    assert house.nudged == [("gone.1.6", "caller gone while nobody drove the call")]
    assert list(house.store.kept) == [voice.info.call_id]


async def test_who_talks_to_the_bank_may_come_back_later(house: House) -> None:
    """AGI() lets a leg come to its end first: its caller then hears how it went, and is not greeted anew."""
    talking = replace(_at_the_bank(), call_id="gone.1", payment="gone.1.6")
    waiting = replace(_at_the_bank(), call_id="gone.2", payment=None, leg=None)
    left = {"gone.1": talking.snapshot(), "gone.2": waiting.snapshot()}
    house.store.kept |= left
    house.switchboard.left = dict(left)
    house.switchboard.forget_others(but_talking=True)
    await house.store.changes.until(lambda: list(house.store.kept) == ["gone.1"])
    assert list(house.switchboard.left) == ["gone.1"]
    assert house.nudged == [("gone.1.6", "caller gone while nobody drove the call")]
    house.switchboard.forget_others()
    await house.store.changes.until(lambda: not house.store.kept)


def _at_the_bank() -> Session:
    """The snapshot of a caller who talks to the bank, with a payment that stands as sent."""
    flow = shipped("pay_invoice")
    answers: dict[str, str | int] = {
        "dialled_number": PAY,
        "merchant_phone": "2191071390",
        "caller_number": "09121234567",
        "invoice_id": INVOICE,
        "transaction.transaction_id": "70012345",
        "transaction.merchant_id": "10000005",
        "transaction.amount": 160_000,
    }
    session = session_of(flow, answers, "1700000000.1")
    return replace(
        session,
        step="bank",
        visit=6,
        token=9,
        data={"dialled": True, "payment": "1700000000.1.6"},
        payment="1700000000.1.6",
        leg=9,
    )
