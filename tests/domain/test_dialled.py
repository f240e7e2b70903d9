"""Patterns of dialled numbers: which numbers they take, and when two of them want the same one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.dialled import LETTERS, MOST_DIGITS, in_common, is_number, is_pattern, takes

numbers = st.text("0123456789XZN", min_size=1, max_size=6)
dialled = st.text("0123456789", min_size=1, max_size=6)


@pytest.mark.parametrize(
    ("number", "yes", "no"),
    [
        ("42473000", ["42473000"], ["42473001", "4247300", "424730000", "", "۴۲۴۷۳۰۰۰"]),
        ("4247XXXX", ["42470000", "42479999"], ["4247000", "424700000", "4247XXXX", "4247۰۰۰۰"]),
        ("ZN", ["12", "99"], ["02", "11", "10"]),
    ],
)
def test_what_a_number_takes(number: str, yes: list[str], no: list[str]) -> None:
    """X is any digit, Z 1 to 9, N 2 to 9; nothing longer, shorter or in other digits is taken."""
    assert [one for one in yes + no if takes(number, one)] == yes


@pytest.mark.parametrize(
    "text", ["", "x", "_4247XXXX", "4247.", "4247!", "42[1-3]", "+98", "4 2", "۴", "X" * 16, "4\n"]
)
def test_what_is_no_number(text: str) -> None:
    """Asterisk would take some of these for patterns of any length: they never come so far."""
    assert not is_number(text)


@given(numbers, dialled)
def test_a_pattern_is_what_its_letters_say(number: str, text: str) -> None:
    """Said in another way: place by place, digit by digit."""
    fits = len(number) == len(text) and all(b in LETTERS.get(a, a) for a, b in zip(number, text, strict=True))
    assert takes(number, text) == fits
    assert is_number(number) and is_pattern(number) == (not number.isdigit())


@given(numbers, numbers, dialled)
def test_two_numbers_clash_when_one_call_could_be_for_both(one: str, other: str, text: str) -> None:
    """The number that is named is really taken by both; when none is named, there is none."""
    common = in_common(one, other)
    assert common == in_common(other, one)
    if common is not None:
        assert takes(one, common) and takes(other, common)
    else:
        assert not (takes(one, text) and takes(other, text))


@given(st.text("0123456789", min_size=1, max_size=MOST_DIGITS))
def test_a_number_takes_itself(number: str) -> None:
    """Whatever else the patterns do."""
    assert takes(number, number) and in_common(number, number) == number and not is_pattern(number)
