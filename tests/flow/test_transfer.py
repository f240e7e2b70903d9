"""A caller is let talk to one of our own people: who is called, what that one hears first, and what becomes of it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from ivr.domain.legs import LegResult
from ivr.domain.speech import Amount, Prompt
from ivr.flow.commands import HangUp, Transfer
from ivr.flow.describing import describe
from ivr.flow.events import CallerHungUp, Digit, LegAnswered, LegEnded, PromptFinished, Resumed
from ivr.flow.model import Flow
from tests.flow.caller import Caller
from tests.flow.world import answered, session_of, small_flow

STEPS = """  a: {set: {price: {amount: 500, unit: toman}}, next: b}
  b:
    transfer:
      agent: "{agent}"
      prompt: agent/connecting
      tell: [{for: caller_number, prompts: {"09121234567": agent/paid}, otherwise: agent/unknown}, {amount: price}]
      tell_language: fa
      wait: 30s
    next: talked
    exits: {busy: busy, no_answer: late, unreachable: gone}
  talked: {say: common/goodbye, next: end}
  busy: {say: reception/menu, next: end}
  late: {say: agent/somebody_else, next: end}
  gone: {say: common/operator_unavailable, next: end}"""
KNOWN: dict[str, str | int] = {"agent": "sara", "caller_number": "09121234567"}


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    """To whoever sent the caller."""
    return small_flow(tmp_path, STEPS)


@pytest.fixture
def caller(flow: Flow) -> Caller:
    """Has heard that they are being connected; the agent's telephone rings."""
    caller = answered(flow, KNOWN)
    caller.hear()
    return caller


def test_the_agent_hears_first_what_the_caller_does_not(caller: Caller) -> None:
    """A prompt that a value decides upon, and an amount, in the agent's language; the caller hears ringing."""
    assert caller.session.leg is not None
    tell = (Prompt("agent/paid"), Amount(5000))
    assert caller.leg == Transfer(caller.session.leg, "sara", None, tell, "fa", 30.0)
    assert caller.playing is None and caller.timer is None


def test_a_value_that_is_none_of_the_cases_or_not_known(flow: Flow) -> None:
    """The agent hears the other prompt, and the transfer takes place all the same."""
    for known in ({"agent": "sara", "caller_number": "0"}, {"agent": "sara"}):
        caller = answered(flow, dict(known))
        caller.hear()
        assert isinstance(caller.leg, Transfer) and caller.leg.tell[0] == Prompt("agent/unknown")


def test_a_queue_in_the_call_s_own_language(tmp_path: Path) -> None:
    """Without a prompt the telephones ring at once; without `tell` nobody is told anything."""
    flow = small_flow(
        tmp_path,
        "  a: {transfer: {queue: sales}, next: end, exits: {busy: end, no_answer: end, unreachable: end}}",
    )
    caller = Caller(flow, replace(session_of(flow, {}), language="en"))
    caller.send(Resumed())
    assert caller.leg == Transfer(1, None, "sales", (), "en", 60.0)
    assert describe(flow.steps["a"].kind).about == "queue sales, up to 60 s"


@pytest.mark.parametrize(
    ("result", "step"),
    [
        (LegResult.ENDED, "talked"),
        (LegResult.BUSY, "busy"),
        (LegResult.NO_ANSWER, "late"),
        (LegResult.UNREACHABLE, "gone"),
        (LegResult.REJECTED, "gone"),
        (LegResult.BEING_PAID, "gone"),
    ],
)
def test_every_exit(caller: Caller, result: LegResult, step: str) -> None:
    """Whatever becomes of it, the caller hears of it."""
    assert caller.session.leg is not None
    caller.send(LegEnded(caller.session.leg, result))
    assert caller.session.step == step and caller.session.leg is None and caller.playing is not None


def test_keys_are_for_nobody(flow: Flow) -> None:
    """Neither while the prompt is said, nor while it rings, nor while they talk; the next step begins without them."""
    caller = answered(flow, KNOWN)
    caller.keys("1")
    assert caller.playing is not None
    caller.hear()
    leg = caller.session.leg
    assert leg is not None
    caller.keys("2")
    caller.send(LegAnswered(leg))
    caller.keys("3")
    caller.send(LegEnded(leg, LegResult.ENDED))
    assert caller.session.step == "talked" and not caller.session.typed


def test_old_news_are_nobody_s(caller: Caller) -> None:
    """The end of another leg or prompt ends nothing."""
    leg = caller.session.leg
    assert leg is not None
    for event in (LegEnded(leg + 1, LegResult.ENDED), PromptFinished(leg - 1), Digit("1")):
        assert caller.send(event).commands == ()
    assert caller.session.leg == leg


def test_the_caller_hangs_up_or_is_sent_elsewhere(caller: Caller) -> None:
    """Nothing is done for who is gone; the figures tell one from the other."""
    elsewhere = Caller(caller.flow, caller.session.copy())
    caller.send(CallerHungUp())
    elsewhere.send(CallerHungUp(elsewhere=True))
    assert (caller.session.ended, elsewhere.session.ended) == ("caller_hung_up", "sent_elsewhere")


def test_nobody_knows_which_agent(flow: Flow, tmp_path: Path) -> None:
    """The caller hears of a technical problem; nobody's telephone rings."""
    for known in ({"caller_number": "0"}, {**KNOWN, "agent": ""}):
        caller = answered(flow, dict(known))
        caller.hear()
        assert caller.leg is None and caller.faults
        assert caller.playing is not None and caller.playing.say == (Prompt("common/technical_problem"),)
        caller.hear()
        assert isinstance(caller.noticed[-1], HangUp)


# -- a new process -----------------------------------------------------------------------------------------------------


def test_the_process_died_while_the_prompt_was_said(flow: Flow) -> None:
    """It is said again, and one telephone rings once."""
    caller = answered(flow, KNOWN)
    caller.restart()
    assert caller.playing is not None and caller.playing.say == (Prompt("agent/connecting"),)
    caller.hear()
    assert isinstance(caller.leg, Transfer)


def test_the_process_died_before_the_caller_had_left(caller: Caller) -> None:
    """The caller is still with us and was not away: sent now, under the same name, and so back once at most."""
    before = caller.leg
    caller.restart(leg_is_up=False)
    assert caller.take() == before and caller.session.leg is not None
    caller.send(LegEnded(caller.session.leg, LegResult.NO_ANSWER))
    assert caller.session.step == "late"


def test_the_process_died_while_they_talked(caller: Caller) -> None:
    """The caller comes back with news of it, and the call goes on."""
    leg = caller.session.leg
    assert leg is not None
    caller.restart()
    assert caller.take() is None
    caller.send(LegEnded(leg, LegResult.ENDED))
    assert caller.session.step == "talked"


def test_who_is_gone_while_nobody_drove_the_call(caller: Caller) -> None:
    """The agent hung up and nobody was there to notice: the same end as ever."""
    caller.restart()
    assert caller.session.leg is not None
    caller.send(LegEnded(caller.session.leg, LegResult.UNREACHABLE))
    assert caller.session.step == "gone"
