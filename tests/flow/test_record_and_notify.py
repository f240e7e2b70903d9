"""Messages that callers leave, and notices to other programs."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from ivr.domain.reading import Faults
from ivr.domain.secret import Secret
from ivr.domain.speech import Prompt
from ivr.flow.commands import Notify, Record
from ivr.flow.events import Digit, RecordingFinished
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Flow
from ivr.flow.steps.record import MARGIN
from tests.flow.caller import Caller
from tests.flow.world import answered, session_of, small_flow, world

STEPS = """  a:
    record: {prompt: pay/is, save: message, max: 30s, silence: 3s, finish_key: "#"}
    next: b
    exits: {silence: quiet, failed: sorry}
  b: {notify: {to: shop, event: message_left, with: {file: message, caller: caller_number}}, next: thanks}
  quiet: {say: common/heard_nothing, next: end}
  thanks: {say: common/goodbye, next: end}"""


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    """A message is recorded, and its name is told to the shop."""
    return small_flow(tmp_path, STEPS)


@pytest.fixture
def caller(flow: Flow) -> Caller:
    """Has heard what to do, and speaks."""
    caller = answered(flow, {"caller_number": "09121234567"})
    caller.hear()
    return caller


def test_a_message_is_recorded_and_told(caller: Caller) -> None:
    """Who listens to it later knows whose it is; the call has not waited."""
    assert caller.recording == Record(caller.recording.token if caller.recording else 0, 30, 3, "#", True)
    assert caller.timer is not None and caller.timer.seconds == 30 + MARGIN
    caller.record()
    name = caller.session.answers["message"]
    told = caller.noticed[-2]
    assert told == Notify("shop", "call.2", "message_left", {"file": name, "caller": "09121234567"})
    assert caller.session.step == "thanks" and caller.timer is None


def test_a_withheld_number_is_left_out(flow: Flow) -> None:
    """What is not known is not told."""
    caller = answered(flow, {})
    caller.hear()
    caller.record()
    told = caller.noticed[-2]
    assert isinstance(told, Notify) and set(told.values) == {"file"}


def test_a_notice_is_told_again_by_its_id(flow: Flow) -> None:
    """A process died in the step: whoever gets the notice twice can know."""
    caller = Caller(flow, replace(session_of(flow, {"message": "m"}), step="b", visit=2))
    caller.restart()
    assert caller.noticed[0] == Notify("shop", "call.2", "message_left", {"file": "m"})


@pytest.mark.parametrize(("talked", "failed", "step"), [(False, False, "quiet"), (False, True, "sorry")])
def test_no_message(caller: Caller, talked: bool, failed: bool, step: str) -> None:
    """Nothing was said, or nothing could be kept."""
    caller.record(talked=talked, failed=failed)
    assert caller.session.step == step and "message" not in caller.session.answers


def test_keys_in_a_message_are_for_nobody(caller: Caller) -> None:
    """The finish key ends the recording in Asterisk; neither it nor any other key reaches the next step."""
    caller.keys("12#")
    assert not caller.session.typed
    caller.send(Digit("1"))
    caller.record()
    assert not caller.session.typed and caller.session.step == "thanks"


def test_a_finish_key_that_is_told_late(caller: Caller) -> None:
    """Asterisk says that the recording is over before it says which key ended it: that key is for nobody, either."""
    caller.record()
    caller.keys("#1")
    assert caller.session.typed == Secret("1")


def test_a_recording_that_never_ends(caller: Caller) -> None:
    """The news of its end was lost: it is given up, and the call goes on."""
    recording = caller.recording
    caller.wait()
    assert caller.recording is None and caller.session.step == "sorry"
    assert recording is not None
    assert caller.send(RecordingFinished(recording.token, "x", talked=True)).commands == ()


def test_another_process_begins_the_message_again(caller: Caller) -> None:
    """Half a message is ended and asked for anew; before it, only the words are repeated."""
    first = caller.recording
    caller.restart()
    assert caller.recording is None and caller.playing is not None and caller.playing.say == (Prompt("pay/is"),)
    caller.restart()
    caller.hear()
    assert caller.recording is not None and first is not None and caller.recording.token > first.token


def test_what_breaks_while_recording_ends_it(caller: Caller) -> None:
    """No apology is recorded."""
    caller.break_down()
    assert caller.recording is None and caller.session.step == "sorry"


def test_without_words_it_is_recorded_at_once(tmp_path: Path) -> None:
    """After a step that has said what to do."""
    record = "{record: {max: 10s, finish_key: none, beep: false}, next: end, exits: {silence: end, failed: end}}"
    caller = answered(small_flow(tmp_path, f"  a: {record}"))
    assert caller.recording is not None and caller.recording.finish_key is None and not caller.recording.beep
    caller.record()
    assert caller.session.ended == "hung_up" and "message" not in caller.session.answers


# -- no recording after a secret ---------------------------------------------------------------------------------------

ASK = "ask: {prompt: bank/enter_card, form: card, save: card}"
RECORD = "record: {save: m}, next: %s, exits: {silence: %s, failed: %s}"


def faults(directory: Path, steps: str, on_failure: str = "sorry") -> list[str]:
    """What the checker says, without the places."""
    with pytest.raises(Faults) as caught:
        small_flow(directory, steps, on_failure)
    return [fault.message for fault in caught.value.faults]


def refused(step: str) -> str:
    """What it says of a record step."""
    return f"step '{step}' records, and a call may have been asked for a secret before it"


def test_recording_before_a_secret(tmp_path: Path) -> None:
    """Is allowed."""
    small_flow(
        tmp_path,
        f"  a: {{{RECORD % ('b', 'b', 'b')}}}\n  b: {{{ASK}, next: end, exits: {{silence: end, invalid: end}}}}",
    )


@pytest.mark.parametrize(
    "exits",
    ["next: r, exits: {silence: end, invalid: end}", "next: end, exits: {silence: r, invalid: end}"],
)
def test_recording_after_a_secret(tmp_path: Path, exits: str) -> None:
    """Is refused, whichever way leads there: half a card may have been keyed."""
    steps = f"  a: {{{ASK}, {exits}}}\n  r: {{{RECORD % ('end', 'end', 'end')}}}"
    assert faults(tmp_path, steps) == [refused("r")]


def test_recording_in_a_circle_with_a_secret(tmp_path: Path) -> None:
    """The second time round it would come after."""
    steps = f"  a: {{{RECORD % ('b', 'b', 'b')}}}\n  b: {{{ASK}, next: a, exits: {{silence: end, invalid: end}}}}"
    assert faults(tmp_path, steps) == [refused("a")]


def test_recording_when_something_breaks(tmp_path: Path) -> None:
    """A failure step comes after every step, also after one that asks for a secret."""
    steps = (
        f"  a: {{{ASK}, next: end, exits: {{silence: end, invalid: end}}}}\n  r: {{{RECORD % ('end', 'end', 'end')}}}"
    )
    steps += "\n  x: {say: pay/is, next: end}"
    assert refused("r") in faults(tmp_path, steps, on_failure="r")


def test_recording_in_a_called_flow(tmp_path: Path) -> None:
    """Flows that are each fine by themselves: the whole is looked at."""
    head = "first: a\non_failure: z\nsteps:\n"
    (tmp_path / "card.yaml").write_text(
        f"flow: card\n{head}  a: {{{ASK}, next: z, exits: {{silence: z, invalid: z}}}}\n  z: {{return: ok}}\n"
    )
    (tmp_path / "message.yaml").write_text(
        f"flow: message\n{head}  a: {{{RECORD % ('z', 'z', 'z')}}}\n  z: {{return: ok}}\n"
    )
    calls = "  {0}: {{call: {{flow: {1}}}, exits: {{ok: {2}}}}}"
    small_flow(tmp_path, "\n".join([calls.format("a", "message", "b"), calls.format("b", "card", "end")]))
    steps = "\n".join([calls.format("a", "card", "b"), calls.format("b", "message", "end")])
    assert faults(tmp_path, steps) == [refused("b/a")]
    (tmp_path / "handed.yaml").write_text(
        f"flow: handed\ntakes: {{pin: secret}}\n{head}  a: {{{RECORD % ('z', 'z', 'z')}}}\n  z: {{return: ok}}\n"
    )
    with pytest.raises(Faults, match="step 'a' records"):
        load_dialplan(tmp_path / "handed.yaml", world())
