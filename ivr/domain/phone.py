"""Phone numbers as Iranian networks write them."""

import re
from typing import Final

from ivr.domain.digits import is_digits, to_ascii

MOST_DIGITS: Final = 15
"""E.164: no telephone number is longer."""

MOBILE_DIGITS: Final = 11
"""`09xxxxxxxxx`."""

_MOBILE: Final = re.compile(r"9[0-79][0-9]{8}")
"""Not 98…: no mobile begins so, it is the country code in the wrong place."""


def caller_number(raw: str | None) -> str | None:
    """The caller's number as digits with an optional leading +, or None when withheld or not a number.

    Nothing but digits is passed on: a caller id may hold quotes, brackets, stars, letters or line breaks.
    """
    if raw is None:
        return None
    text = to_ascii(raw.strip())
    digits = text.removeprefix("+")
    if not is_digits(digits) or not 2 <= len(digits) <= MOST_DIGITS:
        return None
    return text


def mobile(raw: str) -> str | None:
    """An Iranian mobile number as `09xxxxxxxxx`, whichever of +98 / 0098 / 98 / 0 it came with; else None."""
    text = to_ascii(raw.strip())
    for prefix in ("+98", "0098", "98", "0"):
        if text.startswith(prefix):
            text = text[len(prefix) :]
            break
    return f"0{text}" if _MOBILE.fullmatch(text) else None
