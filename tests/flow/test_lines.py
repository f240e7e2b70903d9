"""What is sent from a screen, whole: numbers and choices, and what says no."""

from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.domain.speech import Digits, Prompt, Text
from ivr.flow.commands import AskProvider, Choice, HangUp, Play, RequestPayment, StopPlaying
from ivr.flow.engine import advance
from ivr.flow.events import Answered, Line, ProviderReplied, Resumed
from ivr.flow.model import Flow
from ivr.flow.session import Session
from tests.flow.caller import Caller
from tests.flow.world import operation_results, session_of, shipped, small_flow

SCREEN: Final[dict[str, str | int]] = {"channel": "ussd", "ussd_session": "4711", "caller_number": "09121234567"}
WRONG: Final = {
    "short": "common/too_few_digits",
    "long": "common/too_many_digits",
    "invalid": "common/wrong_key",
}

ASKING: Final = """  a:
    ask: {prompt: pay/is, title: screen/pay_bill, save: x, min: 4, max: 6, cancel_key: "*", attempts: 9}
    next: got
    exits: {silence: sorry, invalid: sorry, cancelled: cancelled}
  got: {say: [pay/paid, {digits: x}], next: end}
  cancelled: {say: pay/cancelled, next: end}"""


def on_screen(flow: Flow, **more: str | int) -> Caller:
    """A USSD session of this flow, its first screen shown."""
    caller = Caller(flow, session_of(flow, {**SCREEN, **more}))
    caller.send(Answered())
    return caller


def heard(caller: Caller) -> Play:
    """What is shown now."""
    assert caller.playing is not None
    return caller.playing


# -- numbers -----------------------------------------------------------------------------------------------------------


def test_a_number_in_one_line(tmp_path: Path) -> None:
    """Nobody waits for a finish key or for another digit."""
    caller = on_screen(small_flow(tmp_path, ASKING))
    assert heard(caller).title == (Prompt("screen/pay_bill"),)
    assert heard(caller).choices == (Choice("0", Prompt("screen/cancel")),)
    caller.line("6584")
    assert caller.session.step == "got" and caller.timer is None
    assert heard(caller).say == (Prompt("pay/paid"), Digits("6584"))


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "short"),
        ("123", "short"),
        ("1234567", "long"),
        ("1" * 500, "long"),
        ("12x4", "invalid"),
        ("12#4", "invalid"),
        ("۱۲۳۴", "invalid"),  # the network's request is where Persian digits become others
        ("1 234", "invalid"),
    ],
)
def test_a_wrong_number(tmp_path: Path, line: str, why: str) -> None:
    """What was wrong with it is said, it is asked again, and the next one counts by itself."""
    caller = on_screen(small_flow(tmp_path, ASKING))
    caller.line(line)
    assert caller.session.step == "a" and heard(caller).say == (Prompt(WRONG[why]), Prompt("pay/is"))
    assert heard(caller).choices and heard(caller).title
    caller.line("2468")
    assert caller.session.answers["x"] == "2468"


def test_the_attempts_of_a_number(tmp_path: Path) -> None:
    """As many as in a call."""
    caller = on_screen(small_flow(tmp_path, ASKING.replace("attempts: 9", "attempts: 2")))
    caller.line("1")
    caller.line("1")
    assert caller.session.step == "sorry"


def test_cancelling(tmp_path: Path) -> None:
    """The star stands between lines: a nought stands for it."""
    caller = on_screen(small_flow(tmp_path, ASKING))
    caller.line("0")
    assert caller.session.step == "cancelled" and not caller.faults


@pytest.mark.parametrize(("least", "most", "line"), [(4, 6, "0"), (1, 6, "0000000"), (1, 1, "00"), (2, 3, "0")])
def test_cancelling_is_never_a_number_that_is_asked_for(tmp_path: Path, least: int, most: int, line: str) -> None:
    """Where a nought could be meant, more noughts than any number has say no; and the nought is what it is."""
    flow = small_flow(tmp_path, ASKING.replace("min: 4, max: 6", f"min: {least}, max: {most}"))
    assert heard(on_screen(flow)).choices == (Choice(line, Prompt("screen/cancel")),)
    caller = on_screen(flow)
    caller.line(line)
    assert caller.session.step == "cancelled"
    other = on_screen(flow)
    other.line("0" * least)
    assert other.session.answers["x"] == "0" * least


def test_nothing_to_cancel(tmp_path: Path) -> None:
    """Without a cancel key the nought is no way out, and nothing is offered."""
    steps = ASKING.replace(', cancel_key: "*"', "").replace(", cancelled: cancelled", "")
    steps = steps.replace("  got:", "  other: {say: pay/is, next: cancelled}\n  got:")
    caller = on_screen(small_flow(tmp_path, steps.replace("silence: sorry", "silence: other")))
    assert heard(caller).choices == ()
    caller.line("0")
    assert caller.session.step == "a"


def test_words_of_ones_own_for_cancelling(tmp_path: Path) -> None:
    """As the admin writes them."""
    caller = on_screen(small_flow(tmp_path, ASKING.replace("attempts: 9", "cancel_words: screen/no")))
    assert heard(caller).choices == (Choice("0", Prompt("screen/no")),)


TWICE: Final = ASKING.replace("attempts: 9", "twice: true").replace(
    "d: cancelled}\n", "d: cancelled, mismatch: sorry}\n", 1
)


def another_request(caller: Caller) -> None:
    """Between two screens a session is in no process; nothing of it is but what is kept."""
    caller.hear()
    caller.session = Session.restore(caller.session.snapshot())
    caller.timer = None


def test_a_number_twice(tmp_path: Path) -> None:
    """Two lines that are the same; if they differ both are sent anew."""
    caller = on_screen(small_flow(tmp_path, TWICE))
    shown = [heard(caller).say]
    for line in ("5678", "8765", "5678", "5678"):
        another_request(caller)
        caller.line(line)
        shown.append(heard(caller).say)
    once, again, differ = Prompt("pay/is"), Prompt("common/enter_again"), Prompt("common/entries_differ")
    assert shown[:4] == [(once,), (again,), (differ, once), (again,)]
    assert caller.session.answers["x"] == "5678" and "first" not in caller.session.data


def test_a_number_that_differs_again(tmp_path: Path) -> None:
    """Two pairs, and no more."""
    caller = on_screen(small_flow(tmp_path, TWICE))
    for line in ("5678", "8765", "5678", "8765"):
        another_request(caller)
        caller.line(line)
    assert caller.session.step == "sorry" and "x" not in caller.session.answers


def test_who_comes_back_before_the_second_time(tmp_path: Path) -> None:
    """Is asked for the second one."""
    caller = on_screen(small_flow(tmp_path, TWICE))
    caller.line("5678")
    caller.restart()
    assert heard(caller).say == (Prompt("common/enter_again"),)
    caller.line("5678")
    assert caller.session.step == "got"


def test_a_line_counts_for_the_question_that_was_shown(tmp_path: Path) -> None:
    """What was keyed in halves before, in another life of the session, is no part of it."""
    caller = on_screen(small_flow(tmp_path, ASKING))
    caller.restart()
    caller.line("2468")
    assert caller.session.answers["x"] == "2468"


def test_a_line_has_no_readable_repr() -> None:
    """Somebody may key a card where none is asked for."""
    assert "6037" not in repr(Line("6037701689095443"))


# -- choices -----------------------------------------------------------------------------------------------------------

CHOOSING: Final = """  a:
    menu:
      title: screen/pay_bill
      prompt: pay/is
      keys: {"*": star, "1": one, "0": nought, "#": hash, "2": a}
      choices: {"*": screen/cancel, "1": screen/pay, "0": screen/no, "#": screen/yes, "2": screen/look}
    exits: {silence: sorry, invalid: wrong}
  one: {say: pay/paid, next: end}
  star: {say: pay/cancelled, next: end}
  nought: {say: common/goodbye, next: end}
  hash: {say: card/thank_you, next: end}
  wrong: {say: common/too_many_attempts, next: end}"""


def test_choices_on_a_screen(tmp_path: Path) -> None:
    """In order, the keys that are no digits last; for the star and the hash there are digits that mean nothing else."""
    caller = on_screen(small_flow(tmp_path, CHOOSING))
    assert [(one.line, one.words) for one in heard(caller).choices] == [
        ("0", Prompt("screen/no")),
        ("1", Prompt("screen/pay")),
        ("2", Prompt("screen/look")),
        ("00", Prompt("screen/cancel")),
        ("9", Prompt("screen/yes")),
    ]
    assert heard(caller).title == (Prompt("screen/pay_bill"),)


@pytest.mark.parametrize(
    ("line", "step"), [("1", "one"), ("0", "nought"), ("00", "star"), ("9", "hash"), ("2", "a"), ("*", "a"), ("#", "a")]
)
def test_what_is_chosen(tmp_path: Path, line: str, step: str) -> None:
    """By the whole line."""
    caller = on_screen(small_flow(tmp_path, CHOOSING))
    caller.line(line)
    assert caller.session.step == step and not caller.faults


def test_wrong_choices(tmp_path: Path) -> None:
    """What is no choice is told so, with all choices; the first digit of a longer line chooses nothing."""
    caller = on_screen(small_flow(tmp_path, CHOOSING))
    for line in ("11", ""):
        caller.line(line)
        assert heard(caller).say == (Prompt("common/wrong_key"), Prompt("pay/is")) and len(heard(caller).choices) == 5
    caller.line("one")
    assert caller.session.step == "wrong"


def test_a_line_that_was_sent_while_somebody_was_asked(tmp_path: Path) -> None:
    """It is for nobody: money is agreed to by who has read the question."""
    caller = Caller(shipped("pay_invoice"), session_of(shipped("pay_invoice"), {**SCREEN, "merchant_phone": "1"}))
    caller.send(Answered())
    caller.line("65843148")
    caller.send(Line("1"))
    assert caller.session.step == "find_invoice" and not caller.faults
    asked = caller.asked
    assert isinstance(asked, AskProvider)
    caller.send(ProviderReplied(asked.token, "next", {"amount": 160000}))
    assert caller.session.step == "agree"


def test_a_language_by_line(tmp_path: Path) -> None:
    """It is a choice like others."""
    steps = """  a:
    language:
      prompt: [{language: fa, prompt: language/choose_fa}, {language: en, prompt: language/choose_en}]
      keys: {"1": fa, "2": en}
      choices: {"1": screen/yes, "2": screen/no}
    next: b
    exits: {silence: sorry, invalid: sorry}
  b: {say: pay/paid, next: end}"""
    caller = on_screen(small_flow(tmp_path, steps))
    assert [choice.line for choice in heard(caller).choices] == ["1", "2"]
    caller.line("2")
    assert (caller.session.language, caller.session.step) == ("en", "b")


def test_yes_or_no_has_words_of_its_own(tmp_path: Path) -> None:
    """Nobody need write them."""
    steps = """  a: {set: {n: {digits: "12"}}, next: b}
  b: {confirm: {prompt: {digits: n}}, next: c, exits: {no: c, silence: sorry, invalid: sorry}}
  c: {say: pay/paid, next: end}"""
    caller = on_screen(small_flow(tmp_path, steps))
    assert [choice.words for choice in heard(caller).choices] == [Prompt("screen/yes"), Prompt("screen/no")]


def test_a_call_has_no_choices(tmp_path: Path) -> None:
    """Nor a title: they are for screens."""
    flow = small_flow(tmp_path, CHOOSING)
    caller = Caller(flow, session_of(flow, {}))
    caller.send(Answered())
    assert (heard(caller).choices, heard(caller).title) == ((), ())


# -- what is said on one channel only ----------------------------------------------------------------------------------

PARTS: Final = """  a: {say: [pay/is, {voice: pay/paid}, {screen: screen/pay}, {show: receipt}], next: b}
  b: {say: {prompt: [{screen: screen/yes}]}, next: c}
  c: {say: {prompt: [{voice: pay/cancelled}]}, next: d}
  d: {say: common/goodbye, next: end}"""


def said(caller: Caller) -> list[tuple[object, ...]]:
    """All that is said, until the end."""
    found: list[tuple[object, ...]] = []
    while caller.playing is not None:
        found.append(tuple(caller.playing.say))
        caller.hear()
    return found


@pytest.fixture
def parts(tmp_path: Path) -> Flow:
    """A receipt is known before."""
    steps = PARTS.replace("  a:", '  a: {set: {receipt: {text: "INT-7Q"}}, next: a2}\n  a2:', 1)
    return small_flow(tmp_path, steps)


def test_who_reads(parts: Flow) -> None:
    """The receipt as it is; a step that has nothing for them is passed over."""
    caller = on_screen(parts)
    assert said(caller) == [
        (Prompt("pay/is"), Prompt("screen/pay"), Text("INT-7Q")),
        (Prompt("screen/yes"),),
        (Prompt("common/goodbye"),),
    ]
    assert caller.session.ended == "hung_up" and not caller.faults


def test_who_listens(parts: Flow) -> None:
    """Nothing that nobody can say, and no silence for what only a screen shows."""
    caller = Caller(parts, session_of(parts, {}))
    caller.send(Answered())
    expected = [(Prompt("pay/is"), Prompt("pay/paid")), (Prompt("pay/cancelled"),), (Prompt("common/goodbye"),)]
    assert said(caller) == expected and not caller.faults


def test_nothing_is_said_again_after_a_crash(parts: Flow) -> None:
    """A step that has nothing for this channel is passed over by the next process, too."""
    session = session_of(parts, {**SCREEN, "receipt": "INT-7Q"})
    session.step, session.visit = "c", 3
    turn = advance(parts, session, Resumed())
    assert turn.session.step == "d" and not any(isinstance(one, StopPlaying) for one in turn.commands)


# -- the ways of two channels ------------------------------------------------------------------------------------------

APART: Final = """  a: {channel: {voice: b, ussd: c}}
  b: {say: pay/is, next: end}
  c: {say: pay/paid, next: end}"""


@pytest.mark.parametrize(("knows", "step"), [({}, "b"), (SCREEN, "c"), ({"channel": "voice"}, "b")])
def test_the_channel_decides(tmp_path: Path, knows: dict[str, str | int], step: str) -> None:
    """At once; a call that says nothing of it is a call. The next process decides the same."""
    flow = small_flow(tmp_path, APART)
    caller = Caller(flow, session_of(flow, dict(knows)))
    caller.send(Answered())
    assert caller.session.step == step
    caller.restart()
    assert caller.session.step == step


PAYING: Final = """  a: {ask: {prompt: pay/is, save: invoice_id}, next: s, exits: {silence: sorry, invalid: sorry}}
  s: {set: {amount: {amount: 160000, unit: rial}}, next: p}
  p:
    ussd_payment: {provider: ussd, invoice: invoice_id, amount: amount}
    next: end
    exits: {being_paid: b}
  b: {say: invoice/being_paid, next: end}"""


@pytest.fixture
def paying(tmp_path: Path) -> Flow:
    """An invoice is asked for and paid."""
    return small_flow(tmp_path, PAYING)


def at_the_books(flow: Flow) -> Caller:
    """Our books are asked to write the payment down."""
    caller = on_screen(flow)
    caller.line("65843148")
    caller.noticed.clear()
    return caller


def asked_of(caller: Caller) -> AskProvider:
    """What the books are asked."""
    assert isinstance(caller.asked, AskProvider)
    return caller.asked


def test_a_link_is_requested_once_it_is_written_down(paying: Flow) -> None:
    """By the session and the payer's mobile; and then the session is over."""
    caller = at_the_books(paying)
    asked = asked_of(caller)
    assert (asked.provider, asked.operation, dict(asked.arguments)) == ("books", "open_link", {"to": "ussd"})
    assert asked.payment is not None
    assert (asked.payment.transaction_id, asked.payment.payer) == ("4711|09121234567", "09121234567")
    assert caller.take() is None
    caller.send(ProviderReplied(asked.token, "next", {}))
    assert caller.take() == RequestPayment("65843148", 160000)
    assert isinstance(caller.take(), HangUp) and caller.session.ended == "hung_up"


@pytest.mark.parametrize("exit_name", ["being_paid", "unknown"])
def test_no_link_without_the_books(paying: Flow, exit_name: str) -> None:
    """Another try may be paid already, or nobody could write it down: nothing is requested."""
    caller = at_the_books(paying)
    caller.send(ProviderReplied(asked_of(caller).token, exit_name, {}))
    assert not any(isinstance(one, RequestPayment) for one in caller.noticed)
    assert caller.session.step == ("b" if exit_name == "being_paid" else "sorry")


def test_another_process_asks_the_books_for_the_same_payment(paying: Flow) -> None:
    """They know whether they have it."""
    caller = at_the_books(paying)
    first = asked_of(caller).payment
    caller.restart()
    again = asked_of(caller).payment
    assert again == first


def test_a_call_cannot_be_paid_so(paying: Flow) -> None:
    """The caller hears that something broke; nobody is asked, and nothing is written down."""
    caller = Caller(paying, session_of(paying, {"caller_number": "09121234567"}))
    caller.send(Answered())
    caller.keys("65843148#")
    assert caller.session.step == "sorry" and caller.faults == ["only a USSD session can be paid so"]
    assert caller.asked is None and not caller.payments


# -- anything at all ---------------------------------------------------------------------------------------------------

ANY: Final = ("1", "2", "0", "00", "9", "", "x", "65843148", "4711", "7748317800142", "1770160", "1" * 40)


@pytest.mark.parametrize("name", ["pay_invoice", "pay_bill", "register_code", "status"])
@given(lines=st.lists(st.tuples(st.sampled_from(ANY), st.integers(0, 2**16)), max_size=25))
@settings(max_examples=100, deadline=None)
def test_no_user_is_ever_left_alone(name: str, lines: list[tuple[str, int]]) -> None:
    """Random lines and answers: there is always a screen with words on it, or an end that says something."""
    flow = shipped(name)
    caller = Caller(flow, session_of(flow, {**SCREEN, "merchant_phone": "2191071390"}))
    caller.send(Answered())
    for line, number in lines:
        words = _settle(caller, number)
        if caller.session.ended is not None:
            assert words or any(isinstance(one, RequestPayment) for one in caller.noticed)
            return
        assert words, f"an empty screen in '{caller.session.step}'"
        caller.noticed.clear()
        caller.line(line)


def _settle(caller: Caller, number: int) -> list[Play]:
    """Books and providers answer, until a line is awaited; returns what was shown."""
    while caller.session.ended is None and (caller.playing is not None or caller.session.asking is not None):
        if caller.session.asking is not None:
            asked = asked_of(caller)
            exits = sorted(caller.flow.steps[caller.session.step].exits.keys() - {"too_often"})
            results = operation_results(asked.provider, asked.operation)
            caller.send(ProviderReplied(asked.token, exits[number % len(exits)], results))
        else:
            caller.hear()
    return [one for one in caller.noticed if isinstance(one, Play) and one.say]
