"""Values that the flow itself gives, and ways that depend on values."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from ivr.flow.steps.set import MOST_TEXT
from tests.flow.caller import Caller
from tests.flow.world import answered, session_of, small_flow


def test_set_gives_texts_digits_and_amounts(tmp_path: Path) -> None:
    """Constants, texts with values in named formats, and amounts; a later one may use an earlier one."""
    flow = small_flow(
        tmp_path,
        """  a:
    set:
      kind: sale
      order: "{kind}-{caller_number|last_four}"
      number: {digits: "9{dialled_number}"}
      again: {text: "{number}"}
      fee: {amount: 500, unit: toman}
      total: {amount: fee}
    next: b
  b: {say: pay/is, next: end}""",
    )
    caller = answered(flow, {"caller_number": "09121234567", "dialled_number": "42"})
    known = {"kind": "sale", "order": "sale-4567", "number": "942", "again": "942", "fee": 5_000, "total": 5_000}
    assert caller.session.answers.items() >= known.items()
    caller.session = replace(caller.session, step="a", answers={"caller_number": "09121234567", "dialled_number": "7"})
    caller.restart()
    assert caller.session.answers["number"] == "97" and caller.session.step == "b"


@pytest.mark.parametrize(
    ("value", "number", "fault"),
    [
        ('{digits: "{caller_number}"}', "+98912", "a value that must be digits is none"),
        ('"{caller_number}{caller_number}"', "1" * MOST_TEXT, f"a value of more than {MOST_TEXT} characters"),
        ('"{caller_number}"', None, "step 'a' needs 'caller_number', which is not known here"),
    ],
)
def test_set_breaks_aloud(tmp_path: Path, value: str, number: str | None, fault: str) -> None:
    """A value that cannot be as it was meant: the failure step, not a wrong number sent somewhere."""
    flow = small_flow(tmp_path, f"  a: {{set: {{x: {value}}}, next: end}}")
    caller = answered(flow, {"caller_number": number} if number else {})
    assert caller.faults == [fault] and caller.session.step == "sorry"


def test_set_never_takes_a_text_for_an_amount(tmp_path: Path) -> None:
    """A provider that answers with a text breaks the call before money moves."""
    flow = small_flow(
        tmp_path,
        "  a: {headers: {n: {header: X, kind: amount}}, next: b, exits: {missing: b, invalid: b, untrusted: b}}\n"
        "  b: {set: {m: {amount: n}}, next: end}",
    )
    caller = Caller(flow, replace(session_of(flow, {"n": "160000"}), step="b", visit=1))
    caller.restart()
    assert caller.faults == ["'n' is not an amount"]


CASES = """  a:
    choose:
      value: caller_number
      cases:
        - {is: ["100", "200"], then: exact}
        - {begins: ["0912", "0919"], then: tehran}
        - {from: 500, to: 999, then: middle}
        - {from: 1000, begins: "2", then: large}
        - {to: 10, then: small}
      otherwise: other
      missing: none
"""
STEPS = ("exact", "tehran", "middle", "large", "small", "other", "none")


@pytest.mark.parametrize(
    ("value", "step"),
    [
        ("100", "exact"),
        ("09121234567", "tehran"),
        ("09131234567", "other"),
        ("500", "middle"),
        (999, "middle"),
        ("1000", "other"),
        (2_000, "large"),
        ("10", "small"),
        ("0", "small"),
        ("-5", "other"),
        ("+98912", "other"),
        ("۵", "other"),
        ("2" * 60, "other"),
        ("", "other"),
        (None, "none"),
    ],
)
def test_choose_compares(tmp_path: Path, value: str | int | None, step: str) -> None:
    """Texts, beginnings and numbers, in their order; whatever fits nothing has its way on."""
    steps = "".join(f"  {name}: {{say: pay/is, next: end}}\n" for name in STEPS)
    flow = small_flow(tmp_path, CASES + steps)
    caller = answered(flow, {} if value is None else {"caller_number": value})
    assert caller.session.step == step


def test_choose_knows_both_words(tmp_path: Path) -> None:
    """`otherwise` beside texts, as `present` before it."""
    choose = "{choose: {value: caller_number, cases: {'1': c}, otherwise: o, missing: end}}"
    flow = small_flow(tmp_path, f"  a: {choose}\n  o: {{say: pay/is, next: end}}\n  c: {{say: pay/paid, next: end}}")
    assert answered(flow, {"caller_number": "1"}).session.step == "c"
    assert answered(flow, {"caller_number": "2"}).session.step == "o"
