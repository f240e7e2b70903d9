"""At every single step of every shipped flow: the caller hangs up, or the process dies and the next one goes on."""

from dataclasses import replace

import pytest
from msgspec.structs import replace as changed

from ivr.domain.legs import LegResult
from ivr.domain.secret import Secret
from ivr.domain.speech import Prompt
from ivr.flow.channels import only_reached
from ivr.flow.commands import AskProvider, Dial, Notify, Play
from ivr.flow.events import Answered, CallerHungUp, LegAnswered, LegEnded, Resumed
from ivr.flow.steps.ussd_payment import USSD_SESSION
from ivr.flow.visit import CHANNEL, USSD
from tests.flow.caller import Caller, Noticed
from tests.flow.world import SECRETS, SHIPPED, answered, at_first, known_in, session_of, shipped

ON_SCREEN: dict[str, str | int] = {CHANNEL: USSD, USSD_SESSION: "4711"}
STEPS = [(flow, step) for flow in SHIPPED for step in shipped(flow).steps]


def caller_at(name: str, step: str) -> Caller:
    """A caller who has just come to this step and knows everything, secrets included."""
    flow = replace(shipped(name), first=step)
    session = session_of(flow, known_in(flow) | (ON_SCREEN if step in only_reached(shipped(name), USSD) else {}))
    if name == "bank_ivr":
        session.secrets = {secret: Secret(text) for secret, text in SECRETS.items()}
        session.secret_steps = {"card": "ask_card", "pin": "ask_pin"}
    caller = Caller(flow, session)
    caller.send(Answered())
    return caller


def without_token(noticed: Noticed | None) -> Noticed | None:
    """What was noticed, to be compared with what another process makes of the same step."""
    return changed(noticed, token=0) if isinstance(noticed, Play | AskProvider | Dial) else None


def past_notices(caller: Caller) -> Noticed | None:
    """What is noticed first, but for what other programs are told while the call goes on."""
    noticed = caller.take()
    return caller.take() if isinstance(noticed, Notify) else noticed


@pytest.mark.parametrize(("flow", "step"), STEPS)
def test_the_caller_hangs_up(flow: str, step: str) -> None:
    """Nothing more is said, asked or dialled for a caller who is gone."""
    caller = caller_at(flow, step)
    turn = caller.send(CallerHungUp())
    assert turn.commands == () and turn.session.ended is not None


@pytest.mark.parametrize(("flow", "step"), STEPS)
def test_another_process_goes_on(flow: str, step: str) -> None:
    """The caller hears or is asked the same again, and nobody is dialled twice; a secret that was lost is asked for."""
    caller = caller_at(flow, step)
    first = without_token(past_notices(caller))
    ended = caller.session.ended
    connected = caller.session.leg is not None
    caller.restart()
    again = without_token(past_notices(caller))
    if (flow, step) == ("bank_ivr", "ask_pin"):
        assert isinstance(again, Play) and again.say == (Prompt("bank/enter_card"),)
    elif step.rpartition("/")[2] == "pay" and flow in ("card_payment", "pay_by_card", "order_by_card"):
        assert isinstance(again, Play) and again.say == (Prompt("card/result_will_follow"),)
    elif (flow, step) == ("pay_bill", "pay"):
        assert isinstance(again, AskProvider) and again.operation == "bill_status"
    elif (flow, step) == ("bank_ivr", "settle"):
        assert isinstance(again, Play) and again.say == (Prompt("pay/not_confirmed"),)
    else:
        assert again == (first if ended is None and not connected else None)
    assert caller.session.ended == ended and not caller.faults


@pytest.mark.parametrize("flow", ["pay_invoice", "switch_invoice"])
@pytest.mark.parametrize("answered_first", [True, False])
def test_another_process_finds_the_leg_still_up(flow: str, answered_first: bool) -> None:
    """The caller goes on talking to the bank; afterwards the result is asked for as ever."""
    caller = caller_at(flow, "bank")
    caller.hear()
    leg = caller.session.leg
    assert leg is not None
    if answered_first:
        caller.send(LegAnswered(leg))
    caller.restart()
    assert caller.take() is None and caller.session.leg == leg
    caller.send(LegEnded(leg, LegResult.ENDED))
    assert caller.session.step == "result"


@pytest.mark.parametrize(("flow", "step"), [("pay_invoice", "bank"), ("merchant_invoice", "switch")])
def test_another_process_finds_the_leg_gone(flow: str, step: str) -> None:
    """Nobody knows what happened at the bank: the result is asked for, and nobody is dialled again."""
    caller = caller_at(flow, step)
    caller.hear()
    caller.restart(leg_is_up=False)
    asked = caller.take()
    assert isinstance(asked, AskProvider) and asked.operation == "result"
    assert asked.payment_id == caller.payments[0].id and len(caller.payments) == 1


def test_half_a_card_is_asked_for_again() -> None:
    """The process died while the card was being keyed, and nothing was keyed before it: just the card again."""
    caller = answered(replace(shipped("bank_ivr"), first="ask_card"))
    caller.keys("60377")
    caller.restart()
    caller.keys("6037701689095443")
    assert caller.session.step == "ask_pin" and caller.session.visits["ask_card"] == 1


def test_a_secret_is_asked_for_again_only_when_it_is_needed() -> None:
    """After a wrong PIN and a crash: the PIN is asked for, then the card that was lost, then the PIN for that card."""
    caller = caller_at("bank_ivr", "wrong_pin")
    caller.restart()
    caller.hear()
    caller.keys("48151#")
    assert caller.session.step == "ask_card"
    caller.keys("6037701689095443#48151#")
    assert caller.session.step == "settle" and not caller.payments[1:]


def test_a_crash_before_the_call_was_answered() -> None:
    """The new process begins at the beginning."""
    flow = shipped("pay_invoice")
    caller = Caller(flow, session_of(flow, at_first(flow)))
    caller.restart()
    assert caller.session.step == "welcome" and caller.playing is not None


def test_another_hand_takes_the_telephone() -> None:
    """An agent who has keyed half a number gives the call to the caller: only what the caller keys counts."""
    caller = answered(shipped("pay_invoice"))
    caller.keys("99")
    caller.send(Resumed(gently=True))
    caller.keys("65843148#")
    assert isinstance(caller.asked, AskProvider) and caller.asked.arguments["invoice_id"] == "65843148"


def test_a_question_goes_on_when_another_hand_takes_the_telephone() -> None:
    """The provider is not asked a second time: it might be for money."""
    caller = answered(shipped("pay_invoice"))
    caller.keys("65843148#")
    asked = caller.asked
    caller.send(Resumed(gently=True))
    assert asked is not None and caller.asked is asked and caller.session.asking == asked.token


@pytest.mark.parametrize(
    ("step", "then"), [("caller_known", "ask_invoice"), ("end", "end"), ("goodbye", "say_goodbye")]
)
def test_a_step_became_another_kind_while_nobody_drove_the_call(step: str, then: str) -> None:
    """The dialplan was changed, and the caller's step waits for nothing any more: the call goes on from there."""
    flow = shipped("pay_invoice")
    caller = Caller(flow, changed(session_of(flow, at_first(flow)), step=step, visit=3))
    caller.restart()
    assert caller.session.step == then and not caller.faults


def test_keys_of_the_dead_process_are_not_half_used() -> None:
    """Half a number keyed before the crash is keyed anew."""
    caller = caller_at("pay_invoice", "ask_invoice")
    caller.keys("6584")
    caller.restart()
    caller.keys("3148#")
    assert caller.session.answers["invoice_id"] == "3148"
