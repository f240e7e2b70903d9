"""Iranian bills: a bill id and a payment id (شناسه قبض، شناسه پرداخت), and what their digits say.

Law: an id is kept without leading zeros, and only when its check digits are right. The payment id's last digit covers
both ids, so a payment id is only ever looked at together with its bill's.
"""

from typing import Final

from ivr.domain.digits import is_digits

LEAST_DIGITS: Final = 6
MOST_DIGITS: Final = 13
"""Both ids have so many digits, leading zeros not counted; on paper they are padded to MOST_DIGITS."""

RIAL_PER_UNIT: Final = 1000
"""A payment id holds its amount in thousands of rial."""

_WEIGHTS: Final = (2, 3, 4, 5, 6, 7)
_NOT_AMOUNT: Final = 5
"""Digits behind the amount: the year, two for the period, two to check."""


def check_digit(digits: str) -> int:
    """Modulo 11 with the weights 2 to 7 from the right, again and again; remainders 0 and 1 give 0."""
    total = sum(int(digit) * _WEIGHTS[place % len(_WEIGHTS)] for place, digit in enumerate(reversed(digits)))
    return 0 if total % 11 < 2 else 11 - total % 11


def bill_id(keyed: str) -> str | None:
    """The bill id without leading zeros, or None when it cannot be one."""
    text = _plain(keyed)
    return text if text is not None and check_digit(text[:-1]) == int(text[-1]) else None


def payment_id(keyed: str, bill: str) -> str | None:
    """The payment id of this bill (a `bill_id`) without leading zeros, or None when it cannot be one."""
    text = _plain(keyed)
    if text is None or check_digit(text[:-2]) != int(text[-2]):
        return None
    return text if check_digit(bill + text[:-1]) == int(text[-1]) else None


def service_of(bill: str) -> str:
    """The kind of bill as one digit: 1 water, 2 electricity, 3 gas, 4 landline, 5 mobile, 6 municipality, 9 traffic."""
    return bill[-2]


def amount_of(payment: str) -> int:
    """The amount of a payment id, in rial."""
    return int(payment[:-_NOT_AMOUNT]) * RIAL_PER_UNIT


def _plain(keyed: str) -> str | None:
    text = keyed.lstrip("0")
    return text if is_digits(text) and LEAST_DIGITS <= len(text) <= MOST_DIGITS else None
