"""Digits as people and providers write them, made plain."""

from typing import Final

KEYS: Final = "0123456789*#"
"""What a telephone keypad can send."""

MOST_DIGITS: Final = 40
"""The longest number that a call may know; the collecting buffer never grows beyond one more."""

_TO_ASCII: Final = str.maketrans("۰۱۲۳۴۵۶۷۸۹٠١٢٣٤٥٦٧٨٩", "01234567890123456789")


def to_ascii(text: str) -> str:
    """Persian and Arabic digits become 0-9; every other character stays."""
    return text.translate(_TO_ASCII)


def is_digits(text: str) -> bool:
    """True when the text is one or more of 0-9 and nothing else (`str.isdigit` also takes ² and ۲)."""
    return text.isascii() and text.isdigit()
