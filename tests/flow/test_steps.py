"""What each step kind does where the shipped flows do not show it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from ivr.domain.legs import LegResult
from ivr.domain.secret import Secret
from ivr.domain.speech import Digits, Prompt
from ivr.flow.commands import AskProvider, Dial, Play, StartTimer
from ivr.flow.events import Digit, HeadersRead, LegAnswered, LegEnded, PromptFinished, ProviderReplied
from ivr.flow.model import Flow
from ivr.flow.steps.ask import MOST_OVERFLOW
from ivr.flow.visit import Visit
from tests.flow.caller import Caller
from tests.flow.world import KNOWN, answered, session_of, shipped, small_flow

NO_WAYS = "next: end, exits: {busy: end, no_answer: end, rejected: end, unreachable: end}"
PAYING_WAYS = NO_WAYS.replace("}", ", being_paid: end}")


def asking(directory: Path, fields: str, cancelled: str = "") -> Flow:
    """A flow that asks for `x` with these fields and then reads it out."""
    ways = f"exits: {{silence: sorry, invalid: sorry{cancelled}}}"
    return small_flow(
        directory,
        f"  a: {{ask: {{prompt: pay/is, save: x, {fields}}}, next: b, {ways}}}\n"
        "  b: {say: [{digits: x}], next: end}",
    )


def said(caller: Caller) -> object:
    """What is being said."""
    return caller.playing.say if caller.playing is not None else None


# -- ask ---------------------------------------------------------------------------------------------------------------


def test_ask_without_barge_in_is_heard_to_its_end(tmp_path: Path) -> None:
    """Keys pressed into the question wait; they are taken when it is over."""
    caller = answered(asking(tmp_path, "barge_in: false"))
    caller.keys("12#")
    assert said(caller) == (Prompt("pay/is"),)
    caller.hear()
    assert said(caller) == (Digits("12"),)


def test_ask_without_type_ahead_forgets_earlier_keys(tmp_path: Path) -> None:
    """What was keyed before the question is not its answer."""
    flow = asking(tmp_path, "type_ahead: false")
    caller = Caller(flow, replace(session_of(flow, {}), typed=Secret("99")))
    caller.restart()
    caller.keys("12#")
    assert said(caller) == (Digits("12"),)


def test_ask_waits_longer_for_the_first_digit(tmp_path: Path) -> None:
    """First-digit and inter-digit timeouts are two; the latter runs anew with every key."""
    caller = answered(
        asking(tmp_path, "first_digit_timeout: 9s, inter_digit_timeout: 2s, finish_at_max: false, max: 3")
    )
    caller.hear()
    assert caller.timer is not None and caller.timer.seconds == 9
    for key in "123":
        turn = caller.send(Digit(key))
        assert [c.seconds for c in turn.commands if isinstance(c, StartTimer)] == [2]
    caller.wait()
    assert said(caller) == (Digits("123"),)


def test_ask_ends_with_the_last_possible_digit(tmp_path: Path) -> None:
    """No # is needed behind a number whose length is known; pressed out of habit it is for nobody."""
    caller = answered(asking(tmp_path, "min: 3, max: 3"))
    caller.keys("123")
    assert said(caller) == (Digits("123"),)
    caller.keys("#")
    assert not caller.session.typed


@pytest.mark.parametrize(("keys", "left"), [("123#4", "4"), ("1234", "4"), ("123##", "#")])
def test_ask_overlooks_one_finish_key_only(tmp_path: Path, keys: str, left: str) -> None:
    """One # behind a full number is habit; every other key is for the next step, keyed ahead or not."""
    caller = answered(asking(tmp_path, "min: 3, max: 3, barge_in: false"))
    caller.keys(keys)
    caller.hear()
    assert caller.session.typed == Secret(left)
    caller = answered(asking(tmp_path, "min: 3, max: 3"))
    caller.keys(keys)
    assert caller.session.typed == Secret(left)


def test_ask_overlooks_a_finish_key_only_while_the_next_prompt_lasts(tmp_path: Path) -> None:
    """Afterwards # is a key like any other."""
    menu = "{menu: {prompt: pay/is, keys: {'#': end}}, exits: {silence: sorry, invalid: sorry}}"
    ask = "{ask: {prompt: pay/is, save: x, min: 3, max: 3}, next: b, exits: {silence: end, invalid: end}}"
    caller = answered(small_flow(tmp_path, f"  a: {ask}\n  b: {menu}"))
    caller.keys("123#")
    assert caller.session.step == "b" and caller.session.ended is None
    caller.hear()
    caller.keys("#")
    assert caller.session.ended == "hung_up"


def test_ask_without_a_finish_key(tmp_path: Path) -> None:
    """# is then a wrong key like any other, and the number ends by silence."""
    caller = answered(asking(tmp_path, "finish_key: none, max: 5"))
    caller.keys("1#2")
    caller.wait()
    assert said(caller) == (Prompt("common/wrong_key"), Prompt("pay/is"))
    caller.keys("12345")
    assert said(caller) == (Digits("12345"),)


def test_ask_counts_attempts(tmp_path: Path) -> None:
    """With one attempt the first mistake is the last."""
    caller = answered(asking(tmp_path, "attempts: 1, min: 2"))
    caller.keys("1#")
    assert said(caller) == (Prompt("common/technical_problem"),)


def test_ask_gives_up_on_a_key_that_is_stuck() -> None:
    """Digits without end do not keep a line busy for half an hour; some of them are only too many, and asked again."""
    caller = answered(shipped("pay_invoice"))
    caller.hear()
    caller.keys("7" * (12 + MOST_OVERFLOW))
    assert caller.session.step == "ask_invoice"
    caller.keys("7")
    assert caller.session.step == "too_many_attempts"


def test_ask_drops_leading_zeros_of_a_number() -> None:
    """0123456 and 123456 are one invoice to the provider, and one in our books."""
    caller = answered(shipped("pay_invoice"))
    caller.hear()
    caller.keys("00123456#")
    assert caller.session.answers["invoice_id"] == "123456"


# -- menu --------------------------------------------------------------------------------------------------------------

MENU = """{menu: {prompt: pay/is, keys: {"1": b}%s}, exits: {silence: sorry, invalid: sorry}}
  b: {say: pay/paid, next: end}"""


def test_menu_with_type_ahead(tmp_path: Path) -> None:
    """Where the admin allows it, a key pressed ahead chooses."""
    flow = small_flow(tmp_path, "  a: {say: invoice/welcome, next: c}\n  c: " + MENU % ", type_ahead: true")
    caller = answered(flow)
    caller.keys("1")
    caller.hear()
    assert said(caller) == (Prompt("pay/paid"),)


def test_menu_without_barge_in(tmp_path: Path) -> None:
    """The choice is heard to its end; then the first key counts."""
    caller = answered(small_flow(tmp_path, "  a: " + MENU % ", barge_in: false"))
    caller.keys("1")
    assert said(caller) == (Prompt("pay/is"),)
    caller.hear()
    assert said(caller) == (Prompt("pay/paid"),)


def test_menu_forgets_what_stands_behind_a_wrong_key(tmp_path: Path) -> None:
    """Two keys pressed into a choice that is heard to its end: the first was wrong, so the second agrees to nothing."""
    caller = answered(small_flow(tmp_path, "  a: " + MENU % ", barge_in: false"))
    caller.keys("71")
    caller.hear()
    caller.hear()
    assert caller.session.step == "a" and caller.timer is not None


# -- say and choose ----------------------------------------------------------------------------------------------------


def test_nobody_agrees_to_an_amount_that_could_not_be_said() -> None:
    """The recording is broken: the caller hears of a technical problem and is not offered to pay."""
    caller = answered(shipped("pay_invoice"))
    caller.session = replace(caller.session, step="read_amount", answers={**KNOWN}, data={"attempt": 1})
    caller.send(PromptFinished(caller.session.playing or 0, failed=True))
    assert caller.session.step == "technical_problem" and caller.faults == ["the amount could not be said"]


def test_say_is_heard_to_its_end_unless_the_admin_says_otherwise(tmp_path: Path) -> None:
    """A key does not cut it short; the key waits for the step that asks."""
    caller = answered(small_flow(tmp_path, "  a: {say: {prompt: invoice/welcome}, next: end}"))
    caller.keys("1")
    assert said(caller) == (Prompt("invoice/welcome"),)
    caller.hear()
    assert caller.session.ended == "hung_up"


@pytest.mark.parametrize(("number", "spoken"), [("0912", "pay/paid"), ("0913", "pay/is"), (None, "common/goodbye")])
def test_choose(tmp_path: Path, number: str | None, spoken: str) -> None:
    """A value's own case, any other value, and none at all."""
    flow = small_flow(
        tmp_path,
        "  a: {choose: {value: caller_number, present: p, missing: m, cases: {'0912': c}}}\n"
        "  p: {say: pay/is, next: end}\n  m: {say: common/goodbye, next: end}\n  c: {say: pay/paid, next: end}",
    )
    caller = answered(flow, {"caller_number": number} if number else {})
    assert said(caller) == (Prompt(spoken),)


# -- dial --------------------------------------------------------------------------------------------------------------


def test_dial_without_words(tmp_path: Path) -> None:
    """Dialled at once; the number comes from what the call knows."""
    flow = small_flow(tmp_path, "  a: {dial: {trunk: bank, number: '{dialled_number}', caller_id: x}, " + NO_WAYS + "}")
    caller = answered(flow, {"dialled_number": "42"})
    dial = caller.take()
    assert isinstance(dial, Dial) and dial.number == "42" and dial.payment is None and dial.answer_timeout == 30
    caller.send(LegAnswered(dial.token))
    caller.keys("1")
    assert not caller.session.typed
    caller.send(LegEnded(dial.token, LegResult.ENDED))
    assert caller.session.ended == "hung_up"


def test_dial_that_became_a_payment_while_nobody_drove_the_call(tmp_path: Path) -> None:
    """The dialplan was changed between two processes: the payment gets its id, and nothing breaks."""
    dial = "  a: {dial: {prompt: pay/is, trunk: bank, number: '1', caller_id: x%s}, %s}"
    payment = ", payment: {provider: paystar, invoice: dialled_number}"
    caller = answered(small_flow(tmp_path, dial % ("", NO_WAYS)))
    caller.flow = small_flow(tmp_path, dial % (payment, PAYING_WAYS))
    caller.restart()
    caller.hear()
    assert [order.id for order in caller.payments] == ["call.1"] and not caller.faults


@pytest.mark.parametrize(
    "step",
    [
        "dial: {trunk: bank, number: '1', caller_id: x, payment: {provider: paystar, invoice: x, amount: t.amount}}, "
        + PAYING_WAYS,
        "say: [{amount: t.amount}], next: end",
    ],
)
def test_an_amount_is_never_a_text(tmp_path: Path, step: str) -> None:
    """A provider that answers with a text for an amount breaks the call before money moves or a wrong word is said."""
    exits = (
        "already_paid",
        "expired",
        "blocked",
        "gateway_invalid",
        "wrong_invoice",
        "refused",
        "unreachable",
        "unknown",
    )
    flow = small_flow(
        tmp_path,
        "  a: {provider: {ask: paystar.create_transaction, with: {invoice_id: dialled_number}, save: t}, next: c,"
        f" exits: {{{', '.join(f'{name}: end' for name in exits)}}}}}\n"
        "  c: {headers: {x: {header: X}}, next: b, exits: {missing: b, invalid: b, untrusted: b}}\n"
        f"  b: {{{step}}}",
    )
    caller = answered(flow)
    asked = caller.take()
    assert isinstance(asked, AskProvider)
    caller.send(ProviderReplied(asked.token, "ok", {"amount": "160000"}))
    assert caller.session.asking is not None
    caller.send(HeadersRead(caller.session.asking, True, {"X": "1"}))
    assert said(caller) == (Prompt("common/technical_problem"),) and not caller.payments


def test_a_leg_that_was_dialled_is_never_dialled_again(tmp_path: Path) -> None:
    """A snapshot that knows of the dialling and not of the leg: on to what comes after it."""
    flow = small_flow(tmp_path, "  a: {dial: {trunk: bank, number: '1', caller_id: x}, " + NO_WAYS + "}")
    caller = Caller(flow, replace(session_of(flow, {}), visit=1, data={"dialled": True}))
    caller.restart()
    assert caller.leg is None and caller.session.ended == "hung_up"


# -- what is not meant for a step --------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["ask_invoice", "read_amount", "caller_known", "end", "welcome"])
def test_what_is_not_meant_for_a_step_changes_nothing(step: str) -> None:
    """A leg's answer in the middle of a question, say."""
    visit = Visit(session_of(shipped("pay_invoice"), {}))
    shipped("pay_invoice").steps[step].kind.on(visit, LegAnswered(1))
    assert visit.commands == [] and not visit.left and visit.session == session_of(shipped("pay_invoice"), {})


# -- headers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "taken"),
    [
        ("<sip:1*22*333@h>", "22"),
        ('"sip:9*9*9@x" <sip:1*22*333@h;transport=udp>;tag=7', "22"),
        ('"a\\"<sip:9*9*9@x" <sip:1*22*333@h>', "22"),
        ("name <sips:1%2A22%2a333@h>", "22"),
        ("sip:1*22*333@h;tag=1", "22"),
        ("  <sip:1*22*333@h>", "22"),
        ("sip:1*@h", None),
        ("sip:1@h", None),
        ("sip:1*2x@h", None),
        ("sip:1*٢٢@h", None),
        ("<tel:1*22>", None),
        ('"unclosed <sip:1*22@h>', None),
        ('"' + "\\" * 600 + '" <sip:1*22@h>', None),
        ("sip:1*" + "2" * 600 + "@h", None),
    ],
)
def test_headers_take_a_part_of_an_address(tmp_path: Path, address: str, taken: str | None) -> None:
    """Merchant and transaction travel in the user of the caller's address; a displayed name counts for nothing."""
    flow = small_flow(
        tmp_path,
        "  a: {headers: {x: {header: From, part: 2}}, next: b, exits: {missing: end, invalid: end, untrusted: end}}\n"
        "  b: {say: pay/is, next: end}",
    )
    caller = answered(flow)
    assert caller.session.asking is not None
    caller.send(HeadersRead(caller.session.asking, True, {"From": address}))
    assert caller.session.answers.get("x") == taken
    assert (said(caller) is not None) == (taken is not None)


@pytest.mark.parametrize(
    ("raw", "taken"),
    [
        ("1613848397.81207-9050-30", "1613848397.81207-9050-30"),
        (" a_1 ", "a_1"),
        ("1" * 64, "1" * 64),
        ("1" * 65, None),
        ("ab", None),
        (".ab", None),
        ("a b", None),
        ("a*b", None),
        ("a\nb", None),
        ("abc\n;x", None),
        ("سفارش", None),
        ("۱۲۳", None),
    ],
)
def test_headers_take_a_text(tmp_path: Path, raw: str, taken: str | None) -> None:
    """An order's number: letters, digits, points, dashes and underscores, and nothing that could mean more."""
    flow = small_flow(
        tmp_path,
        "  a: {headers: {x: {header: X, kind: text, min: 3, max: 64}}, next: b,"
        " exits: {missing: end, invalid: end, untrusted: end}}\n  b: {say: pay/is, next: end}",
    )
    caller = answered(flow, {})
    assert caller.session.asking is not None
    caller.send(HeadersRead(caller.session.asking, True, {"X": raw}))
    assert caller.session.answers.get("x") == taken and (said(caller) is not None) == (taken is not None)


def test_headers_are_taken_all_or_none(tmp_path: Path) -> None:
    """Half of what a trunk says is not believed."""
    flow = small_flow(
        tmp_path,
        "  a: {headers: {x: {header: X}, y: {header: Y, kind: amount}}, next: end,"
        " exits: {missing: sorry, invalid: sorry, untrusted: end}}",
    )
    for y in (None, "0", "12345678901234"):
        caller = answered(flow, {})
        assert caller.session.asking is not None
        caller.send(HeadersRead(caller.session.asking, True, {"X": "1", "Y": y}))
        assert caller.session.answers == {} and isinstance(caller.noticed[-1], Play)
