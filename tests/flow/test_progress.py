"""What an agent sees of a caller who is keying: how many, and never what."""

import json
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.privacy import Privacy
from ivr.flow.events import Answered, CallerHungUp
from ivr.flow.model import Flow
from ivr.flow.progress import Progress, progress
from ivr.runtime.watching import Watching
from tests.flow.caller import Caller
from tests.flow.world import answered, session_of, small_flow

STEPS = """  a: {ask: {prompt: bank/enter_card, form: card, save: card, attempts: 10}, next: b,
      exits: {silence: sorry, invalid: sorry}}
  b: {ask: {prompt: bank/enter_pin, save: pin, secret: true, min: 5, max: 12, attempts: 10}, next: c,
      exits: {silence: sorry, invalid: sorry}}
  c: {ask: {prompt: invoice/enter_number, save: invoice_id, min: 4, max: 12, type_ahead: false}, next: end,
      exits: {silence: sorry, invalid: sorry}}"""
CARD = "6037701689095443"


@cache
def flow() -> Flow:
    with TemporaryDirectory() as directory:
        return small_flow(Path(directory), STEPS)


def caller(*, guarded: bool = True) -> Caller:
    session = session_of(flow(), {})
    session.guarded = guarded
    caller = Caller(flow(), session)
    caller.send(Answered())
    return caller


def test_three_of_sixteen() -> None:
    """The name of what is keyed, how many there are, how many there will be, and that nobody hears it."""
    call = caller()
    call.keys("603")
    seen = progress(flow(), call.session)
    assert seen == Progress("call", "small", "a", "card", 3, 16, private=True, over=False)


def test_a_length_that_depends() -> None:
    """Nobody can say how many there will be."""
    call = caller()
    call.keys(CARD)
    call.keys("4711")
    seen = progress(flow(), call.session)
    assert (seen.asks, seen.keyed, seen.of, seen.private) == ("pin", 4, None, True)


def test_what_is_no_secret_is_open() -> None:
    """Counted all the same."""
    call = caller()
    call.keys(CARD)
    call.keys("47115#")
    call.keys("12")
    seen = progress(flow(), call.session)
    assert (seen.step, seen.keyed, seen.private) == ("c", 2, False)


def test_over() -> None:
    """Nothing is asked and nothing is closed off, even if the caller hung up in the middle of a secret."""
    call = caller()
    call.keys("603")
    call.send(CallerHungUp())
    seen = progress(flow(), call.session)
    assert seen.over and not seen.private and (seen.asks, seen.keyed, seen.of) == (None, 0, None)


def test_a_call_that_is_not_guarded_is_not_private() -> None:
    """It says what is done, not what should be."""
    call = caller(guarded=False)
    assert call.session.privacy == Privacy.OPEN.value and not progress(flow(), call.session).private


def test_a_step_that_is_gone() -> None:
    """A new version of the flow does not have it: nothing is asked."""
    call = caller()
    session = call.session.copy()
    session.step = "gone"
    assert progress(flow(), session).asks is None


class Kept(Watching):
    """Remembers all that it was ever shown."""

    def __init__(self) -> None:
        super().__init__()
        self.shown: list[Progress] = []

    def show(self, agent: str, progress: Progress) -> None:
        self.shown.append(progress)
        super().show(agent, progress)


@given(st.lists(st.text("0123456789*#", min_size=1, max_size=20), max_size=8))
def test_no_digit_is_shown(keyed: list[str]) -> None:
    """Whatever is keyed and when: what agents are shown holds counts and names, and the same counts hold the same.

    Every number in it is a count; no text in it has a digit of its own but the call's id.
    """
    call, watching = caller(), Kept()
    for keys in keyed:
        if call.session.ended is None:
            call.keys(keys)
            watching.show("sara", progress(flow(), call.session))
    for seen in [*watching.shown, *([last] if (last := watching.last("sara")) else [])]:
        plain = msgspec.to_builtins(seen)
        assert 0 <= plain.pop("keyed") <= 16 and plain.pop("of") in (None, 16)
        assert not set(json.dumps(plain)) & set("0123456789")


@given(st.text("0123456789", min_size=1, max_size=15), st.text("0123456789", min_size=1, max_size=15))
def test_two_callers_who_key_as_much_look_alike(one: str, other: str) -> None:
    """So nothing of what they key is in it."""
    seen = []
    for keys in (one, other[: len(one)].ljust(len(one), "7")):
        call = caller()
        call.keys(keys)
        seen.append(progress(flow(), call.session))
    assert seen[0] == seen[1]


def test_an_answered_call_has_asked() -> None:
    """From the first word on."""
    assert progress(flow(), answered(flow(), {}).session).asks == "card"
