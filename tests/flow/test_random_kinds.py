"""The same law for every step kind, on flows that have them all: never in silence, and over in the end."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.domain.legs import LegResult
from ivr.flow.events import (
    Answered,
    CallerHungUp,
    LegEnded,
    PromptFinished,
    ProviderReplied,
    RecordingFinished,
    TimerFired,
)
from ivr.flow.linking import MOST_STEPS
from ivr.flow.loader import KINDS, load_dialplan
from ivr.flow.model import Flow
from tests.flow.caller import Caller
from tests.flow.world import session_of, world

EVERYTHING: Final = """flow: everything
first: language
on_failure: sorry
steps:
  language:
    language:
      prompt: [{language: fa, prompt: language/choose_fa}, {language: en, prompt: language/choose_en}]
      keys: {"1": fa, "2": en}
    next: message
    exits: {silence: message, invalid: end}
  message:
    record: {prompt: pay/is, save: message, max: 10s}
    next: bill
    exits: {silence: bill, failed: bill}
  bill:
    ask: {prompt: pay/is, form: bill_id, save: bill, invalid_prompt: [pay/is, pay/paid]}
    next: payment
    exits: {silence: day, invalid: end}
  payment:
    ask: {prompt: pay/is, form: payment_id, bill: bill, save: payment}
    next: agree
    exits: {silence: day, invalid: end}
  agree:
    confirm: {prompt: [{digits: bill}, {amount: payment.amount}, {mobile: caller_number}]}
    next: day
    exits: {no: bill, silence: end, invalid: end, too_often: end}
    at_most: 3
  day: {ask: {prompt: pay/is, form: date, save: day}, next: names, exits: {silence: names, invalid: end}}
  names: {set: {kind: "{caller_number|last_four}", fee: {amount: 5, unit: toman}}, next: which}
  which:
    choose:
      value: fee
      cases: [{from: 51, then: end}, {is: "50", then: card}]
      otherwise: end
      missing: end
  card: {call: {flow: cards, with: {amount: fee}, save: got}, exits: {got: tell, none: again}}
  again: {say: [pay/is, {date: day}], next: card, at_most: 2, exits: {too_often: end}}
  tell: {notify: {to: shop, event: keyed, with: {four: got.last_four}}, next: register}
  register:
    keep: {as: visit, with: {four: got.last_four, day: day, from: caller_mobile}}
    next: talk
    exits: {again: talk, unknown: end}
  talk:
    transfer: {queue: sales, prompt: pay/is, tell: {for: kind, prompts: {"4567": pay/is}, otherwise: pay/paid}}
    next: read
    exits: {busy: read, no_answer: read, unreachable: end}
  read: {say: {last_four: got.last_four}, next: end}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""
CARDS: Final = """flow: cards
takes: {amount: amount}
gives: [card, last_four]
first: ask
on_failure: broken
steps:
  ask:
    ask: {prompt: pay/is, form: card, save: card, twice: true, cancel_key: "*"}
    next: pin
    exits: {silence: none, invalid: none, cancelled: none, mismatch: none}
  pin:
    ask: {prompt: pay/is, pattern: ["XXXX", "12XXXX"], save: pin, secret: true}
    next: cut
    exits: {silence: none, invalid: none}
  cut: {set: {last_four: {digits: "{card.last_four}"}}, next: got}
  got: {return: got}
  broken: {say: common/sorry_try_later, next: none}
  none: {return: none}
"""
GOOD: Final = {
    "language": "2",
    "bill": "7748317800142#",
    "payment": "1770160#",
    "agree": "1",
    "day": "14031230",
    "card/ask": "6037701689095443",
    "card/pin": "1234#",
}
KEYS: Final = ("1", "2", "*", "#", "7748317800142#", "6037701689095443", "1234#", "9" * 30, "12#")
MOST_MOVES_TO_THE_END: Final = 200


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """A flow of every kind that asks nobody outside but our own books, with one that it calls."""
    directory: Path = tmp_path_factory.mktemp("flows")
    (directory / "everything.yaml").write_text(EVERYTHING, encoding="utf-8")
    (directory / "cards.yaml").write_text(CARDS, encoding="utf-8")
    return load_dialplan(directory / "everything.yaml", world(), verified=False).flows["everything"]


def test_every_kind_takes_part(flow: Flow) -> None:
    """A new kind joins these walks, or the ones over the shipped flows."""
    shipped = {"menu", "provider", "invoice", "dial", "headers", "link", "inquire", "channel", "ussd_payment"}
    apart = {"last_payment"}  # tests/flow/test_last_payment.py
    used = {kind for kind in KINDS if f"{kind}:" in EVERYTHING + CARDS}
    assert set(KINDS) - shipped - apart == used and len(flow.steps) < MOST_STEPS


MOVES: Final = st.lists(
    st.tuples(
        st.sampled_from((*["good"] * 14, *["any"] * 3, "keys", "stale", "crash", "broken", "hang_up")),
        st.integers(0, 2**16),
    ),
    max_size=50,
)


@given(moves=MOVES, known=st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_call_is_ever_left_alone(flow: Flow, moves: list[tuple[str, int]], known: bool) -> None:
    """Random keys, messages, silences, crashes and breakdowns; `Caller` watches the laws after each of them."""
    caller = Caller(flow, session_of(flow, {"caller_number": "09121234567"} if known else {}))
    caller.send(Answered())
    for move, number in moves:
        if caller.session.ended is None:
            _move(caller, move, number)
    for _ in range(MOST_MOVES_TO_THE_END):
        _go_on(caller, 0)
    assert caller.session.ended is not None, f"still in step {caller.session.step}"
    for digits in ("6037701689095443", "1234#"):
        assert digits not in caller.session.snapshot()


def test_the_good_way(flow: Flow) -> None:
    """Every good answer in turn leads through everything to the end."""
    caller = Caller(flow, session_of(flow, {"caller_number": "09121234567"}))
    caller.send(Answered())
    for _ in range(40):
        if caller.session.ended is None:
            _move(caller, "good", 1)
    assert caller.session.ended == "hung_up" and not caller.faults
    assert caller.session.language == "en" and caller.session.answers["got.last_four"] == "5443"


def _move(caller: Caller, move: str, number: int) -> None:
    match move:
        case "good" if caller.recording is not None:
            caller.record()
        case "good" if caller.session.step in GOOD:
            caller.keys(GOOD[caller.session.step])
        case "keys":
            caller.keys(KEYS[number % len(KEYS)])
        case "stale":
            _stale(caller, number)
        case "crash":
            caller.restart(leg_is_up=number % 2 == 0)
        case "broken" if number % 4 == 0:
            caller.break_down()
        case "hang_up" if number % 4 == 0:
            caller.send(CallerHungUp())
        case _:
            _go_on(caller, number)


def _go_on(caller: Caller, number: int) -> None:
    """Whatever the call waits for happens, one way or another."""
    if caller.session.ended is not None:
        return
    if caller.recording is not None and number % 5:
        caller.record(talked=number % 3 != 0, failed=number % 7 == 1)
    elif caller.playing is not None:
        caller.hear(failed=number % 7 == 1)
    elif caller.session.asking is not None and number % 4 != 3:
        exit_name = ("next", "again", "unknown")[number % 4 - 1]
        caller.send(ProviderReplied(caller.session.asking, exit_name, {}))
    elif caller.session.leg is not None:
        caller.send(LegEnded(caller.session.leg, list(LegResult)[number % len(LegResult)]))
    else:
        caller.wait()


def _stale(caller: Caller, number: int) -> None:
    session = caller.session
    awaited = {session.playing, session.timer, session.recording}
    token = next(token for token in range(number, number + 9) if token not in awaited)
    for event in (PromptFinished(token), TimerFired(token), RecordingFinished(token, "x", True), Answered()):
        assert caller.send(event).commands == ()
