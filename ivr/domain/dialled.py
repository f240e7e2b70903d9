"""Numbers that callers dial, and patterns that stand for many of them, in Asterisk's letters.

Law: a pattern has as many characters as the numbers that it takes, so two patterns can be compared place by place.
"""

import re
from collections.abc import Mapping
from typing import Final

MOST_DIGITS: Final = 15
"""No telephone number is longer (E.164)."""

LETTERS: Final[Mapping[str, str]] = {"X": "0123456789", "Z": "123456789", "N": "23456789"}
"""What a letter of a pattern stands for."""

_WRITTEN: Final = re.compile(f"[0-9XZN]{{1,{MOST_DIGITS}}}")


def is_number(text: str) -> bool:
    """Whether this is a number or a pattern: digits, and X, Z or N for any digit, 1-9, 2-9."""
    return _WRITTEN.fullmatch(text) is not None


def is_pattern(number: str) -> bool:
    """Whether a letter stands in it."""
    return any(letter in number for letter in LETTERS)


def takes(number: str, dialled: str) -> bool:
    """Whether what was dialled is this number, or one of this pattern."""
    return len(number) == len(dialled) and all(map(_fits, number, dialled))


def in_common(one: str, other: str) -> str | None:
    """The lowest number that both of them take; None when there is none."""
    if len(one) != len(other):
        return None
    digits = [min(set(_digits(a)) & set(_digits(b)), default="") for a, b in zip(one, other, strict=True)]
    return "".join(digits) if all(digits) else None


def _fits(place: str, digit: str) -> bool:
    return digit in _digits(place)


def _digits(place: str) -> str:
    return LETTERS.get(place, place)
