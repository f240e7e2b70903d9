"""Callers whom an agent sent: what they bring along, and the way back to the agent, who hears first how it went."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import Unusable
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.operations import Outcome
from ivr.flow.events import LegAnswered, LegEnded
from ivr.flow.model import Detour, DialledNumber
from ivr.flow.session import Session
from ivr.payments.port import Reply
from ivr.payments.state import Payment, State
from ivr.runtime.call import NOT_TRIED
from ivr.runtime.ports import Back, CallInfo, TransferOrder
from ivr.runtime.switchboard import TOKENS_A_CALL
from tests.fakes import FakeVoice
from tests.runtime.conftest import FOUND, INVOICE, PAY, House

SENT_TO = "1900"
PAID = Reply("paid", {"text": "ok"}, Outcome.APPROVED, "1")
CHANNEL = "1700000000.77"


def order(outcome: str) -> TransferOrder:
    """To the agent who sent the caller, and what that one hears."""
    return TransferOrder("sara", None, [f"agent/{outcome}"], 30.0)


@pytest.fixture
async def house(house: House) -> AsyncIterator[House]:
    """One number more, whose callers go back to the agent who sent them."""
    mine = DialledNumber(
        SENT_TO, "pay_invoice", "fa", None, {"merchant_phone": "2191071390"}, afterwards=Detour("back_to_agent", {})
    )
    house.dialplan = replace(house.dialplan, numbers=[*house.dialplan.numbers, mine])
    house.switchboard = house.new_switchboard()
    yield house


def sent(*behind: str, visit: str = "1", number: str = SENT_TO, back: Back | None = None) -> FakeVoice:
    """A caller whom sara sends to this number."""
    info = CallInfo(CHANNEL, "agents", number, "09121234567", "sara", behind or (INVOICE,), visit, sent=True, back=back)
    return FakeVoice(info)


async def at_the_bank(house: House, voice: FakeVoice) -> int:
    """Until the bank has answered; the leg's token."""
    house.paystar.answers["create_transaction"].append(FOUND)
    house.rings(voice)
    await voice.hears("pay/press_keys")
    voice.keys("1")
    token, _ = await voice.dialled()
    voice.emit(LegAnswered(token))
    return token


# -- the way there -----------------------------------------------------------------------------------------------------


async def test_a_caller_whom_an_agent_sent_is_not_asked_for_the_invoice(house: House) -> None:
    """Nor greeted as a stranger; PayStar is asked about the invoice that the agent keyed."""
    voice = sent()
    await at_the_bank(house, voice)
    assert house.paystar.asked[0] == ("create_transaction", {"invoice_id": INVOICE, "caller": "09121234567"})
    assert "invoice/sent_here" in voice.heard and "invoice/enter_number" not in voice.heard


async def test_each_time_is_a_call_of_its_own(house: House) -> None:
    """The channel is the same, and no name is used twice: not the session's, not the payment's, not the leg's."""
    tokens = []
    for visit in ("1", "2"):
        voice = sent(visit=visit)
        tokens.append(await at_the_bank(house, voice))
        assert list(house.store.kept) == [f"{CHANNEL}~{visit}"]
        voice.emit(LegEnded(tokens[-1], LegResult.BUSY))
        await voice.transferred()
        voice.go()
        await house.over()
        house.switchboard = house.new_switchboard()
    assert [payment.call_id for payment in house.books.payments.values()] == [f"{CHANNEL}~1", f"{CHANNEL}~2"]
    assert [token // TOKENS_A_CALL for token in tokens] == [1, 2]


async def test_what_nobody_may_believe_is_not_taken(house: House) -> None:
    """A stranger who keys an invoice behind the number is asked for it like anybody."""
    voice = FakeVoice(CallInfo("1.2", "public", SENT_TO, "09121234567", behind=(INVOICE,)))
    house.rings(voice)
    await voice.hears("invoice/enter_number")


# -- the way back ------------------------------------------------------------------------------------------------------


async def test_paid_and_back_to_the_agent(house: House) -> None:
    """The agent hears that it is paid, the caller no goodbye before they have talked; then it is over."""
    voice = sent()
    token = await at_the_bank(house, voice)
    house.paystar.answers["result"].append(PAID)
    voice.emit(LegEnded(token, LegResult.ENDED))
    back, ordered = await voice.transferred()
    assert ordered == order("paid") and voice.cause is None and "common/goodbye" not in voice.heard
    voice.emit(LegEnded(back, LegResult.ENDED))
    await voice.hears("common/goodbye")
    await house.over()
    assert voice.cause is HangupCause.NORMAL and house.books.states() == [State.APPROVED]
    assert house.nudged == [] and house.store.kept == {}


async def test_nothing_was_tried(house: House) -> None:
    """The caller did not want to pay: the agent hears just that."""
    house.paystar.answers["create_transaction"].append(FOUND)
    voice = house.rings(sent())
    await voice.hears("pay/press_keys")
    voice.keys("*")
    assert (await voice.transferred())[1] == order(NOT_TRIED)


async def test_the_bank_was_busy(house: House) -> None:
    """Nothing left for the bank: not tried."""
    house.paystar.answers["create_transaction"].append(FOUND)
    voice = house.rings(sent())
    await voice.hears("pay/press_keys")
    voice.keys("1")
    token, _ = await voice.dialled()
    voice.emit(LegEnded(token, LegResult.BUSY))
    assert (await voice.transferred())[1] == order(NOT_TRIED)


@pytest.mark.parametrize(("outcome", "told"), [(Outcome.DECLINED, "declined"), (Outcome.UNKNOWN, "unknown")])
async def test_not_paid_or_nobody_knows(house: House, outcome: Outcome, told: str) -> None:
    """The agent hears what the books have; a payment of which nobody knows is looked after when the call is over."""
    voice = sent()
    token = await at_the_bank(house, voice)
    house.paystar.answers["result"] += [Reply("not_confirmed", outcome=outcome)] * 3
    voice.emit(LegEnded(token, LegResult.ENDED))
    _, ordered = await voice.transferred()
    assert ordered == order(told)
    assert house.nudged == []
    voice.go()
    await house.over()
    assert bool(house.nudged) == (told == "unknown")


@pytest.mark.parametrize("fault", [Unusable("the disk is full"), RuntimeError("a bug")])
async def test_the_books_cannot_be_read(house: House, fault: Exception) -> None:
    """The caller comes back all the same; the agent hears that nobody knows yet."""
    voice = sent()
    token = await at_the_bank(house, voice)
    house.paystar.answers["result"].append(PAID)
    house.books.breaks.on("get", *[fault] * 9)
    with capture_logs() as lines:
        voice.emit(LegEnded(token, LegResult.ENDED))
        _, ordered = await voice.transferred()
    assert ordered == order("unknown")
    assert "outcome_not_read" in [line["event"] for line in lines]


async def test_the_agent_is_gone(house: House) -> None:
    """Whoever of the queue is free hears the same; if nobody is, the caller hears that, and a goodbye."""
    voice = house.rings(sent("1"))
    await voice.hears("invoice/enter_number")
    voice.keys("*")
    token, _ = await voice.transferred()
    voice.emit(LegEnded(token, LegResult.UNREACHABLE))
    token, ordered = await voice.transferred(2)
    assert ordered == TransferOrder(None, "sales", [f"agent/{NOT_TRIED}"], 180.0)
    voice.emit(LegEnded(token, LegResult.NO_ANSWER))
    await voice.hears("common/operator_unavailable")
    await house.over()
    assert voice.heard[-1] == "common/goodbye" and voice.cause is HangupCause.NORMAL


async def test_the_caller_hangs_up_on_the_way_back(house: House) -> None:
    """Nobody's telephone rings for long, and nothing is left behind."""
    voice = house.rings(sent("1"))
    await voice.hears("invoice/enter_number")
    voice.keys("*")
    await voice.transferred()
    voice.go()
    await house.over()
    assert house.store.kept == {} and len(house.switchboard) == 0
    assert house.figure("ivr_calls_total", flow="back_to_agent", ended="caller_hung_up") == 1


async def test_the_caller_hangs_up_before(house: House) -> None:
    """No agent is rung for who is gone."""
    voice = house.rings(sent("1"))
    await voice.hears("invoice/enter_number")
    voice.go()
    await house.over()
    assert voice.transfers == []


async def test_only_for_those_whom_an_agent_sent(house: House) -> None:
    """Who calls the number by themselves hears a goodbye; who was sent to one without `afterwards` is not sent back."""
    callers = [house.caller(SENT_TO), sent(number=PAY)]
    for voice in callers:
        house.paystar.answers["create_transaction"].append(Reply("expired"))
        house.rings(voice)
    await callers[0].hears("invoice/enter_number")
    callers[0].keys(f"{INVOICE}#")
    await house.over()
    assert [voice.transfers for voice in callers] == [[], []]
    assert callers[0].heard[-1] == "common/goodbye"


async def test_a_number_keeps_its_place_on_the_way_back(house: House) -> None:
    """Who waits for the agent still counts among the number's calls."""
    [*others, mine] = house.dialplan.numbers
    house.dialplan = replace(house.dialplan, numbers=[*others, replace(mine, most_calls=1)])
    house.switchboard = house.new_switchboard()
    voice = house.rings(sent("1"))
    await voice.hears("invoice/enter_number")
    voice.keys("*")
    await voice.transferred()
    late = house.rings(house.caller(SENT_TO))
    await late.changes.until(lambda: late.cause)
    assert late.cause is HangupCause.BUSY


# -- a new process -----------------------------------------------------------------------------------------------------


async def on_the_way_back(house: House) -> tuple[FakeVoice, int]:
    """A caller whose agent's telephone rings while the process goes; and the token of that transfer."""
    voice = house.rings(sent("1"))
    await voice.hears("invoice/enter_number")
    voice.keys("*")
    token, _ = await voice.transferred()
    await house.switchboard.drain(0)
    await house.snapshots.stop()
    return voice, token


async def test_the_next_process_hears_how_it_went(house: House) -> None:
    """The caller comes back to a process that did not send them: the queue is next, as if nothing had happened."""
    voice, token = await on_the_way_back(house)
    assert "release" not in voice.did  # they are not ours to give back: the agent has them
    again = sent("1", back=Back(token, LegResult.NO_ANSWER))
    house.resumed(again, house.store.kept[f"{CHANNEL}~1"])
    _, ordered = await again.transferred()
    assert ordered == TransferOrder(None, "sales", [f"agent/{NOT_TRIED}"], 180.0)
    assert json.loads(house.store.kept[f"{CHANNEL}~1"])["flow"] == "back_to_agent"


async def test_the_next_process_knows_them_when_they_come(house: House) -> None:
    """They were talking when it began; when the agent hangs up they are taken up where they were."""
    _, token = await on_the_way_back(house)
    house.switchboard = house.new_switchboard()
    house.switchboard.left.update(house.store.kept)
    again = house.rings(sent("1", back=Back(token, LegResult.ENDED)))
    await again.hears("common/goodbye")
    await house.over()
    assert again.cause is HangupCause.NORMAL and again.transfers == []


async def test_old_news_of_an_agent_do_not_stop_a_call(house: House) -> None:
    """The call had gone on since they came back, and then the process died: its step is made again."""
    voice, token = await on_the_way_back(house)
    session = Session.restore(house.store.kept[f"{CHANNEL}~1"])
    voice = sent("1", back=Back(token - 1, LegResult.ENDED))
    session.step, session.leg, session.visit = "nobody", None, session.visit + 1
    house.resumed(voice, session)
    await voice.hears("common/operator_unavailable")
    await house.over()
    assert voice.heard[-1] == "common/goodbye"


async def test_who_comes_back_to_a_process_that_does_not_know_them(house: House) -> None:
    """Their call is over for us: it is ended, not begun anew, and said in the log and the figures."""
    again = house.rings(sent(back=Back(5, LegResult.ENDED)))
    await again.changes.until(lambda: again.apologised)
    assert again.heard == [] and again.transfers == []
    assert house.figure("ivr_calls_refused_total", why="came_back_unknown") == 1


async def test_a_takeover_before_the_end_still_leads_back(house: House) -> None:
    """The process died in the middle of the payment; the next one brings the caller back to the agent, too."""
    house.paystar.answers["create_transaction"].append(FOUND)
    voice = house.rings(sent())
    await voice.hears("pay/press_keys")
    await house.switchboard.drain(0)
    await house.snapshots.stop()
    again = sent()
    house.resumed(again, house.store.kept[f"{CHANNEL}~1"])
    await again.hears("pay/press_keys")
    again.keys("*")
    assert (await again.transferred())[1] == order(NOT_TRIED)


# -- the agent themselves ----------------------------------------------------------------------------------------------

OWN = CallInfo("1700000000.78", "agents", SENT_TO, "101", "sara", (INVOICE,), "1")


async def test_an_agent_who_calls_alone_is_not_sent_back_to_themselves(house: House) -> None:
    """No telephone of theirs rings, neither now nor after a restart: the call is over with the flow."""
    house.paystar.answers["create_transaction"].append(FOUND)
    voice = house.rings(FakeVoice(OWN))
    await voice.hears("pay/press_keys")
    await house.switchboard.drain(0)
    await house.snapshots.stop()
    again = FakeVoice(OWN)
    house.resumed(again, house.store.kept[OWN.session_id])
    await again.hears("pay/press_keys")
    again.keys("*")
    await house.over()
    assert again.transfers == [] and again.cause is HangupCause.NORMAL


def in_place(caller_number: str | None = "09121234567") -> FakeVoice:
    """The caller for whom the agent called."""
    return FakeVoice(replace(OWN, call_id=CHANNEL, caller_number=caller_number, sent=True, visit=OWN.session_id))


async def test_who_takes_the_agents_place_is_sent_back(house: House) -> None:
    """From then on it is the caller's call: they hear the step from its beginning, and the agent the outcome."""
    house.paystar.answers["create_transaction"].append(FOUND)
    agent = house.rings(FakeVoice(OWN))
    await agent.hears("pay/press_keys")
    caller = in_place()
    caller.emit = house.switchboard.replace(caller, OWN)
    await caller.hears("pay/press_keys")
    caller.keys("*")
    assert (await caller.transferred())[1] == order(NOT_TRIED)


@pytest.mark.parametrize("number", ["09121234567", None])
async def test_whose_number_it_is_then(house: House, number: str | None) -> None:
    """The caller's, never the agent's; a withheld one is not known."""
    house.paystar.answers["create_transaction"].append(FOUND)
    agent = house.rings(FakeVoice(OWN))
    await agent.hears("pay/press_keys")
    caller = in_place(number)
    caller.emit = house.switchboard.replace(caller, OWN)
    await caller.hears("pay/press_keys")
    await house.switchboard.drain(0)
    await house.snapshots.stop()
    [(name, snapshot)] = house.store.kept.items()
    assert name == f"{CHANNEL}~{OWN.session_id}"
    assert json.loads(snapshot)["answers"].get("caller_number") == number
    assert json.loads(snapshot)["payer"] == (number or "")


@pytest.mark.parametrize(("number", "hears"), [("09121234567", "pay/press_keys"), (None, "caller/enter_mobile")])
async def test_a_number_that_came_along_is_not_asked_for(house: House, number: str | None, hears: str) -> None:
    """An agent has no mobile number and was being asked for one; who withholds theirs still is."""
    house.paystar.answers["create_transaction"].append(FOUND)
    own = replace(OWN, caller_number=None)
    agent = house.rings(FakeVoice(own))
    await agent.hears("caller/enter_mobile")
    caller = in_place(number)
    caller.emit = house.switchboard.replace(caller, own)
    await caller.hears(hears)
    assert ("caller/enter_mobile" in caller.heard) is (number is None)


async def test_a_place_in_a_call_that_is_over(house: House) -> None:
    """Nobody is left in silence."""
    caller = in_place()
    house.switchboard.replace(caller, OWN)
    assert caller.apologised


async def test_an_agent_on_the_line_needs_no_way_back(house: House) -> None:
    """Who stayed with the caller has heard how it went: both talk, and no telephone rings."""
    house.paystar.answers["create_transaction"].append(FOUND)
    voice = house.rings(FakeVoice(replace(sent().info, assisted=True)))
    await voice.hears("pay/press_keys")
    voice.keys("*")
    await house.over()
    assert voice.transfers == [] and voice.cause is HangupCause.NORMAL


# -- the words ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "outcome"),
    [
        (State.CREATED, NOT_TRIED),
        (State.SENT, "unknown"),
        (State.UNKNOWN, "unknown"),
        (State.APPROVED, "paid"),
        (State.DECLINED, "declined"),
    ],
)
async def test_every_state_has_its_word(house: House, state: State, outcome: str) -> None:
    """And a payment that the books do not have was not tried."""
    house.books.put(Payment("p", "c", "paystar", INVOICE, None, None, State.CREATED), state)
    assert await house.cashier.outcome("p") == outcome
    assert await house.cashier.outcome("nobody") == NOT_TRIED
