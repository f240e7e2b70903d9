"""What can go wrong between a telephone, iNoti and a merchant: each fault happens once, as it is described."""

import pytest

from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.ussd_network import Kind, Shown
from tests.sandbox.merchant import ASK, MOBILE, ODD, PAY, REGISTER, Line
from tests.sandbox.test_ussd_network import text


async def set_fault(line: Line, kind: FaultKind, seconds: float = 0.0, *, commit: bool = False) -> None:
    asks_screens = kind in (FaultKind.RESEND, FaultKind.LOST, FaultKind.REORDER, FaultKind.DELAY)
    operation = "ussd_request" if asks_screens else "ussd_callback"
    await line.sandbox.set_fault(Fault(operation, kind, seconds=seconds, commit=commit, only=MOBILE))


async def dial(line: Line, code: str = REGISTER) -> Shown:
    return await line.network.dial(MOBILE, f"{code}#")


async def test_the_same_request_twice(line: Line) -> None:
    """The merchant sees it twice, the telephone one screen."""
    await set_fault(line, FaultKind.RESEND)
    shown = await dial(line)
    assert (text(shown), line.calls()) == (ASK, [REGISTER, REGISTER])
    assert shown.screen is not None and shown.screen.mistakes == ()
    assert [entry.fault for entry in line.sandbox.diary.lines] == ["resend", "resend"]
    assert line.sandbox.faults.all() == []


async def test_a_merchant_who_answers_the_same_request_otherwise(line: Line) -> None:
    """The second answer is shown, and that it is another one."""
    line.merchant.counts = True
    await set_fault(line, FaultKind.RESEND)
    shown = await dial(line, ODD)
    assert text(shown) == "screen 2"
    assert shown.screen is not None and shown.screen.mistakes == ("changed",)


async def test_money_is_asked_for_once_though_it_was_said_twice(line: Line) -> None:
    """One link, one SMS."""
    first = await dial(line, PAY)
    await set_fault(line, FaultKind.RESEND)
    assert (await line.network.reply(first.session, "1")).kind is Kind.PAYMENT
    assert len(line.sandbox.inoti_books.payments) == len(line.sandbox.sms.sent) == 1


async def test_a_lost_answer(line: Line) -> None:
    """The merchant answered, nobody saw it; what is keyed next is sent behind what was keyed before."""
    first = await dial(line)
    await set_fault(line, FaultKind.LOST)
    lost = await line.network.reply(first.session, "8812")
    assert (lost.kind, lost.why, lost.is_open) == (Kind.NETWORK_ERROR, "lost", True)
    assert line.merchant.codes == ["8812"]
    await line.network.reply(first.session, "7")
    assert line.calls() == [REGISTER, f"{REGISTER}*8812", f"{REGISTER}*8812*7"]


async def test_a_lost_wish_for_money(line: Line) -> None:
    """No link is sent for what iNoti never got."""
    first = await dial(line, PAY)
    await set_fault(line, FaultKind.LOST)
    assert (await line.network.reply(first.session, "1")).kind is Kind.NETWORK_ERROR
    assert line.sandbox.inoti_books.payments == []


async def test_an_older_request_after_a_newer_one(line: Line) -> None:
    """The telephone shows the newer one's screen."""
    line.merchant.counts = True
    first = await dial(line, ODD)
    await set_fault(line, FaultKind.REORDER)
    shown = await line.network.reply(first.session, "1")
    assert (text(shown), line.calls()) == ("screen 2", [ODD, f"{ODD}*1", ODD])
    await line.network.reply(first.session, "2")
    assert len(line.calls()) == 4


async def test_nothing_is_older_than_the_first(line: Line) -> None:
    """So it comes again after the second."""
    await set_fault(line, FaultKind.REORDER)
    first = await dial(line)
    await line.network.reply(first.session, "1")
    await line.network.reply(first.session, "2")
    assert line.calls() == [REGISTER, f"{REGISTER}*1", REGISTER, f"{REGISTER}*1*2"]


@pytest.mark.parametrize("commit", [False, True])
async def test_a_slow_network(line: Line, commit: bool) -> None:
    """The screen comes all the same."""
    await set_fault(line, FaultKind.DELAY, 0.05, commit=commit)
    assert text(await dial(line)) == ASK
    assert len(line.calls()) == 1


async def test_somebody_elses_fault(line: Line) -> None:
    """Waits for that telephone."""
    await set_fault(line, FaultKind.LOST)
    assert (await line.network.dial("09121234568", f"{REGISTER}#")).kind is Kind.SCREEN
    assert (await dial(line)).kind is Kind.NETWORK_ERROR


# -- the call after a payment ------------------------------------------------------------------------------------------


async def paid(line: Line) -> str:
    """Pay; the RRN, once the merchant has been called as the fault has it."""
    first = await dial(line, PAY)
    await line.network.reply(first.session, "1")
    (payment,) = line.sandbox.inoti_books.payments
    line.sandbox.inoti_payer.pay(payment)
    await line.sandbox.inoti_payer.called_back()
    return str(payment.rrn)


async def test_called_back_twice(line: Line) -> None:
    """With the same words."""
    await set_fault(line, FaultKind.DUPLICATE_CALLBACK)
    assert line.merchant.paid == [await paid(line)] * 2
    assert line.merchant.seen[-1] == line.merchant.seen[-2]


async def test_never_called_back(line: Line) -> None:
    """The payer has the SMS, the merchant knows nothing; the diary says why."""
    await set_fault(line, FaultKind.NO_CALLBACK)
    rrn = await paid(line)
    last = line.sandbox.sms.last("42")
    assert last is not None and rrn in last.text and line.merchant.paid == []
    assert "never" in line.results()


async def test_called_back_late(line: Line) -> None:
    """And once."""
    await line.sandbox.set_fault(Fault("ussd_callback", FaultKind.DELAY, seconds=0.05, only="42"))
    assert line.merchant.paid == [await paid(line)]


async def test_a_late_call_that_the_end_of_the_sandbox_overtakes(line: Line) -> None:
    """Nothing waits for it."""
    await line.sandbox.set_fault(Fault("ussd_callback", FaultKind.DELAY, seconds=3600))
    first = await dial(line, PAY)
    await line.network.reply(first.session, "1")
    line.sandbox.inoti_payer.pay(line.sandbox.inoti_books.payments[0])
    await line.sandbox.stop()
    assert line.merchant.paid == []


async def test_called_back_with_a_wrong_rrn(line: Line) -> None:
    """One that no payment has."""
    await set_fault(line, FaultKind.WRONG_RRN)
    rrn = await paid(line)
    assert len(line.merchant.paid) == 1 and line.merchant.paid != [rrn]
