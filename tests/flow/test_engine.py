"""The engine's own laws, on small flows made for them."""

from dataclasses import replace
from pathlib import Path

import pytest
from msgspec.structs import replace as changed

from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.secret import Secret
from ivr.domain.speech import Prompt
from ivr.flow.commands import Dial, HangUp, Play, StopRecording
from ivr.flow.engine import (
    CALL_TOO_LONG,
    MOST_KEYS_AHEAD,
    MOST_STEPS_A_TURN,
    MOST_VISITS,
    advance,
    deserves_more_time,
    fail,
)
from ivr.flow.events import (
    Answered,
    CallerHungUp,
    CallTooLong,
    Digit,
    Event,
    HeadersRead,
    LegAnswered,
    LegEnded,
    PromptFinished,
    ProviderReplied,
    Resumed,
    TimerFired,
)
from tests.flow.caller import Caller
from tests.flow.world import KNOWN, answered, at_first, session_of, shipped, small_flow

ASK = "  a: {ask: {prompt: invoice/enter_number, save: x}, next: end, exits: {silence: end, invalid: end}}"
SORRY = (Prompt("common/technical_problem"),)


@pytest.mark.parametrize(
    "event",
    [
        PromptFinished(99),
        TimerFired(99),
        ProviderReplied(99, "ok", {}),
        HeadersRead(99, True, {}),
        LegAnswered(99),
        LegEnded(99, LegResult.ENDED),
        Answered(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_what_nobody_waits_for_changes_nothing(event: Event) -> None:
    """A late timer, a stopped playback, a second answer: the caller notices nothing."""
    for step in ("ask_invoice", "create_transaction", "bank", "read_amount"):
        caller = answered(replace(shipped("pay_invoice"), first=step))
        if step == "bank":
            caller.hear()
        before = caller.session.copy()
        assert caller.send(event).commands == () and caller.session == before


def test_only_the_answer_begins_the_call_but_keys_are_kept(tmp_path: Path) -> None:
    """Keys pressed before we pick up are not lost; nothing else happens before."""
    caller = Caller(small_flow(tmp_path, ASK), session_of(small_flow(tmp_path, ASK), {}))
    for event in (Digit("4"), PromptFinished(1), TimerFired(1), LegEnded(1, LegResult.BUSY)):
        assert caller.send(event).commands == ()
    caller.send(Answered())
    caller.keys("2#")
    assert caller.session.answers == {"x": "42"} and caller.session.ended == "hung_up"


def test_an_ended_call_stays_ended(tmp_path: Path) -> None:
    """Nobody is dialled or spoken to after the end."""
    caller = answered(small_flow(tmp_path, ASK))
    caller.send(CallerHungUp())
    for event in (Answered(), Digit("1"), Resumed(), CallerHungUp()):
        turn = caller.send(event)
        assert turn.commands == () and turn.session.ended == "caller_hung_up"


@pytest.mark.parametrize("step", ["welcome", "ask_invoice", "create_transaction", "read_amount", "bank"])
def test_a_call_that_is_too_long_ends_with_a_word(step: str) -> None:
    """In the middle of words, of a question, of waiting: the caller hears why, and then nothing else counts."""
    caller = answered(replace(shipped("pay_invoice"), first=step))
    caller.send(CallTooLong())
    assert caller.playing is not None and caller.playing.say == (CALL_TOO_LONG,)
    token = caller.playing.token
    for event in (Digit("1"), TimerFired(1), ProviderReplied(1, "ok", {}), PromptFinished(token - 1), CallTooLong()):
        assert caller.send(event).commands == () and caller.session.ended is None
    assert caller.send(PromptFinished(token)).session.ended == "too_long"


def test_a_recording_ends_with_the_call(tmp_path: Path) -> None:
    """The last words are not part of the message."""
    flow = small_flow(tmp_path, "  a: {record: {prompt: pay/is}, next: end, exits: {silence: end, failed: end}}")
    caller = answered(flow)
    caller.hear()
    assert any(isinstance(command, StopRecording) for command in caller.send(CallTooLong()).commands)


def test_who_talks_to_somebody_cannot_be_told_that_the_call_is_too_long() -> None:
    """Words would not be heard in the bridge: the call just ends. Before that, more time is granted."""
    caller = answered(replace(shipped("pay_invoice"), first="bank"), dict(KNOWN))
    assert not deserves_more_time(caller.session)
    caller.hear()
    assert deserves_more_time(caller.session)
    turn = caller.send(CallTooLong())
    assert turn.commands == () and turn.session.ended == "too_long"


def test_last_words_that_break_are_followed_by_the_failure_step() -> None:
    """A prompt that cannot be played must not leave the caller in silence."""
    caller = answered(shipped("pay_invoice"))
    caller.send(CallTooLong())
    caller.break_down()
    assert caller.playing is not None and caller.playing.say == SORRY
    caller.hear()
    caller.hear()
    assert caller.session.ended == "hung_up"


def test_keys_ahead_are_bounded(tmp_path: Path) -> None:
    """A machine that keys for ever fills no memory."""
    caller = answered(small_flow(tmp_path, "  a: {say: invoice/welcome, next: end}"))
    caller.keys("1" * (MOST_KEYS_AHEAD + 10))
    assert len(caller.session.typed) == MOST_KEYS_AHEAD


def test_a_loop_without_the_caller_is_stopped(tmp_path: Path) -> None:
    """Two steps that lead to each other without a word: the caller hears of a technical problem, not silence."""
    caller = answered(
        small_flow(
            tmp_path,
            "  a: {choose: {value: caller_number, present: b, missing: end}}\n"
            "  b: {choose: {value: caller_number, present: a, missing: end}}",
        )
    )
    assert caller.playing is not None and caller.playing.say == SORRY
    assert caller.faults == [f"more than {MOST_STEPS_A_TURN} steps without waiting for the caller"]


def test_a_loop_with_a_patient_caller_is_stopped_with_words() -> None:
    """Hearing the amount again and again ends after MOST_VISITS steps, and the caller is told."""
    caller = answered(replace(shipped("pay_invoice"), first="read_amount"))
    caller.keys("2" * MOST_VISITS)
    assert caller.playing is not None and caller.playing.say == SORRY
    assert caller.faults == [f"more than {MOST_VISITS} steps in one call"]
    caller.hear()
    caller.hear()
    assert caller.session.ended == "hung_up"


def test_the_failure_step_is_taken_once() -> None:
    """A second breakdown does not repeat the words for ever: the call is ended."""
    caller = answered(shipped("pay_invoice"))
    caller.break_down()
    assert caller.playing is not None and caller.playing.say == SORRY and caller.session.failed
    turn = caller.break_down()
    assert turn.commands[-1] == HangUp(HangupCause.UNAVAILABLE) and caller.session.ended == "failed"


def test_a_broken_failure_step_hangs_up(tmp_path: Path) -> None:
    """A failure step that needs what this call does not know: ended, not silent."""
    flow = small_flow(tmp_path, ASK + "\n  late: {say: [{digits: x}], next: sorry}", on_failure="late")
    turn = fail(flow, session_of(flow, {}))
    assert turn.commands == (HangUp(HangupCause.UNAVAILABLE),) and turn.session.ended == "failed"


def test_a_leg_that_never_left_does_not_block_the_failure_step(tmp_path: Path) -> None:
    """The books broke while the bank was being dialled, and the failure step dials an operator: that leg is dialled."""
    dial = "dial: {prompt: merchant/connecting, trunk: bank, number: '1', caller_id: '2'}"
    ways = "next: end, exits: {busy: sorry, no_answer: end, rejected: end, unreachable: end}"
    steps = f"  a: {{{dial}, {ways}}}\n  operator: {{{dial}, {ways}}}"
    caller = answered(small_flow(tmp_path, steps, on_failure="operator"))
    caller.hear()
    caller.break_down()
    caller.hear()
    assert isinstance(caller.noticed[-1], Dial) and caller.session.leg is not None


def test_a_prompt_that_cannot_be_played_is_no_dead_end() -> None:
    """The recording is gone: the caller hears nothing, but may still key the number, and silence has its way on."""
    caller = answered(shipped("pay_invoice"))
    caller.hear(failed=True)
    caller.hear(failed=True)
    assert caller.session.step == "ask_invoice" and caller.timer is not None


def test_the_next_prompt_is_not_begun_for_one_who_keyed_ahead() -> None:
    """No first syllable of a question whose answer is there already."""
    caller = answered(shipped("pay_invoice"))
    turns = [caller.send(Digit(key)) for key in "65843148#"]
    assert not any(isinstance(command, Play) for turn in turns for command in turn.commands)


def test_a_step_that_the_flow_no_longer_has() -> None:
    """The dialplan was changed while nobody drove the call: the caller hears of a technical problem."""
    flow = shipped("pay_invoice")
    gone = changed(session_of(flow, at_first(flow)), step="gone", visit=7)
    caller = Caller(flow, gone)
    caller.send(Resumed())
    assert caller.playing is not None and caller.playing.say == SORRY
    assert caller.faults == ["the flow has no step 'gone' any more"]


def test_a_lost_secret_that_no_step_asks_for_any_more() -> None:
    """The same, found out only when the secret is needed."""
    flow = replace(shipped("bank_ivr"), first="settle")
    caller = Caller(flow, changed(session_of(flow, at_first(flow)), secret_steps={"card": "gone"}))
    caller.send(Answered())
    assert caller.playing is not None and caller.playing.say == SORRY


def test_a_flow_without_its_first_word_breaks_aloud() -> None:
    """A value that is not known here becomes the failure step, with the reason for the log."""
    turn = advance(replace(shipped("pay_invoice"), first="paid"), session_of(shipped("pay_invoice"), {}), Answered())
    assert turn.fault is not None and "transaction.transaction_id" in turn.fault
    assert turn.session.typed == Secret("") and turn.session.failed
