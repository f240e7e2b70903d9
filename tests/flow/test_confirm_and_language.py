"""Reading a value back, choosing the language, and the ways in which values are said and written."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from ivr.domain.reading import Faults
from ivr.domain.speech import Amount, Date, Digits, In, Mobile, Prompt, Say
from ivr.flow.commands import Dial
from ivr.flow.events import Digit
from tests.flow.caller import Caller
from tests.flow.world import answered, session_of, small_flow

CONFIRM = (
    "  a: {{confirm: {{prompt: [confirm/you_entered, {{{part}}}, confirm/press_keys]{more}}}, next: b,"
    " exits: {{no: c, silence: sorry, invalid: sorry}}}}\n"
    "  b: {{say: pay/paid, next: end}}\n  c: {{say: pay/cancelled, next: end}}"
)
LANGUAGE = """  a:
    language:
      prompt: [{language: fa, prompt: language/choose_fa}, {language: en, prompt: language/choose_en}]
      keys: {"1": fa, "2": en}
    next: b
    exits: {silence: b, invalid: sorry}
  b: {say: pay/is, next: end}"""


def said(caller: Caller) -> tuple[Say, ...]:
    """What is being said."""
    assert caller.playing is not None
    return tuple(caller.playing.say)


@pytest.mark.parametrize(
    ("part", "spoken"),
    [
        ("digits: caller_number", Digits("09121234567")),
        ("last_four: caller_number", Digits("4567")),
        ("mobile: caller_number", Mobile("09121234567")),
    ],
)
def test_confirm_reads_back(tmp_path: Path, part: str, spoken: Say) -> None:
    """The caller hears the value between the words, and says by a key whether it is right."""
    flow = small_flow(tmp_path, CONFIRM.format(part=part, more=""))
    for key, step in (("1", "b"), ("2", "c")):
        caller = answered(flow, {"caller_number": "09121234567"})
        assert said(caller) == (Prompt("confirm/you_entered"), spoken, Prompt("confirm/press_keys"))
        caller.keys(key)
        assert caller.session.step == step


def test_confirm_after_a_crash_and_with_other_keys(tmp_path: Path) -> None:
    """The next process reads it back again; a wrong key does not agree, and neither does one keyed ahead."""
    flow = small_flow(tmp_path, CONFIRM.format(part="mobile: caller_number", more=', yes: "5", no: "*"'))
    caller = answered(flow, {"caller_number": "09121234567"})
    whole = said(caller)
    caller.keys("1")
    assert said(caller) == (Prompt("common/wrong_key"), *whole)
    caller.restart()
    assert said(caller) == whole and caller.session.data["attempt"] == 2
    caller.keys("5")
    assert caller.session.step == "b"


def test_nobody_agrees_to_digits_that_could_not_be_said(tmp_path: Path) -> None:
    """A broken recording leads to the failure step, not to a yes."""
    caller = answered(small_flow(tmp_path, CONFIRM.format(part="digits: caller_number", more="")))
    caller.hear(failed=True)
    assert caller.session.step == "sorry" and caller.faults == ["the value could not be said"]


def test_the_language_is_chosen_for_the_rest_of_the_call(tmp_path: Path) -> None:
    """Each language is offered in itself; the choice outlives the process."""
    flow = small_flow(tmp_path, LANGUAGE)
    caller = answered(flow)
    offer = (In("fa", Prompt("language/choose_fa")), In("en", Prompt("language/choose_en")))
    assert said(caller) == offer and caller.session.language == "fa"
    caller.restart()
    assert said(caller) == offer
    caller.keys("2")
    assert caller.session.language == "en" and caller.session.step == "b"
    caller.restart()
    assert caller.session.language == "en"


def test_who_does_not_choose_keeps_the_language(tmp_path: Path) -> None:
    """Silence is a way on, too."""
    caller = answered(small_flow(tmp_path, LANGUAGE))
    for _ in range(3):
        caller.hear()
        caller.wait()
    assert caller.session.language == "fa" and caller.session.step == "b"


def test_a_language_keyed_ahead(tmp_path: Path) -> None:
    """Where the admin allows it, a key pressed into what came before chooses."""
    flow = small_flow(tmp_path, LANGUAGE.replace("      keys:", "      type_ahead: true\n      keys:"))
    caller = Caller(flow, replace(session_of(flow, {})))
    caller.restart()
    caller.send(Digit("2"))
    assert caller.session.language == "en"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{t.amount}", "160000"),
        ("{t.amount|amount}*", "160000*"),
        ("{t.amount|toman}", "16000"),
        ("{caller_number|last_four}", "4567"),
        ("{caller_number|mobile}", "09121234567"),
        ("{dialled_number|mobile}", "42"),
        ("{dialled_number|digits}", "42"),
    ],
)
def test_formats_in_texts(tmp_path: Path, template: str, text: str) -> None:
    """What a trunk is sent can hold values in a few named formats."""
    flow = small_flow(
        tmp_path,
        "  a: {headers: {t.amount: {header: X, kind: amount}}, next: b,"
        " exits: {missing: b, invalid: b, untrusted: b}}\n"
        f"  b: {{dial: {{trunk: bank, number: '1', caller_id: '{template}'}}, next: end,"
        " exits: {busy: end, no_answer: end, rejected: end, unreachable: end}}",
    )
    session = session_of(flow, {"t.amount": 160_000, "caller_number": "00989121234567", "dialled_number": "42"})
    caller = Caller(flow, replace(session, step="b", visit=1))
    caller.restart()
    dial = caller.take()
    assert isinstance(dial, Dial) and dial.caller_id == text


def test_a_date_is_said(tmp_path: Path) -> None:
    """A keyed date can be read back, and written."""
    flow = small_flow(
        tmp_path,
        "  a: {ask: {prompt: pay/is, form: date, save: day}, next: b, exits: {silence: sorry, invalid: sorry}}\n"
        "  b: {confirm: {prompt: {date: day}}, next: c, exits: {no: a, silence: sorry, invalid: sorry}}\n"
        "  c: {dial: {trunk: bank, number: '1', caller_id: '1', headers: {X-Day: '{day|date}'}}, next: end,"
        " exits: {busy: end, no_answer: end, rejected: end, unreachable: end}}",
    )
    caller = answered(flow)
    caller.keys("14031230")
    assert said(caller) == (Date("14031230"),)
    caller.keys("1")
    assert isinstance(caller.noticed[-1], Dial) and caller.noticed[-1].headers == {"X-Day": "1403/12/30"}


def test_an_amount_may_stand_in_a_prompt_with_others(tmp_path: Path) -> None:
    """`amount` as before."""
    flow = small_flow(
        tmp_path,
        "  a: {ask: {prompt: pay/is, form: amount, unit: toman, save: n}, next: b,"
        " exits: {silence: sorry, invalid: sorry}}\n"
        "  b: {confirm: {prompt: [{amount: n}]}, next: end, exits: {no: a, silence: sorry, invalid: sorry}}",
    )
    caller = answered(flow)
    caller.keys("5000#")
    assert said(caller) == (Amount(50_000),)


# -- a prompt of a group -----------------------------------------------------------------------------------------------

WHY = """  a: {{say: [{{for: caller_number, group: {group}, otherwise: decline/gateway_refused}}], next: end}}"""


@pytest.mark.parametrize(
    ("value", "prompt"),
    [
        ("card_expired", "decline/card_expired"),
        ("decline/card_expired", "decline/card_expired"),
        ("of_tomorrow", "decline/gateway_refused"),
        ("pay/paid", "decline/gateway_refused"),
    ],
)
def test_the_prompt_is_called_as_the_value_is(tmp_path: Path, value: str, prompt: str) -> None:
    """By its name in the group or by its whole name; another value gets the other words, never another group's."""
    caller = answered(small_flow(tmp_path, WHY.format(group="decline")), {"caller_number": value})
    assert said(caller) == (Prompt(prompt),)


def test_a_group_that_is_none(tmp_path: Path) -> None:
    """It is found before a caller meets it."""
    with pytest.raises(Faults, match="there is no group of prompts 'declines'"):
        small_flow(tmp_path, WHY.format(group="declines"))
