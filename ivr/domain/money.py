"""Amounts of money. Law: inside the program an amount is a whole number of rial, never a float."""

from typing import Final

from ivr.domain.digits import is_digits, to_ascii
from ivr.domain.errors import BadInput

MOST_RIAL: Final = 10**13 - 1
"""The largest amount we accept: thirteen digits, more than any Iranian card may pay at once."""


def rial(value: object) -> int:
    """An amount as a provider or a person writes it (`160000`, `"160000"`, `"۱۶۰۰۰۰"`, `"160,000"`).

    Returns whole rial, 1 to `MOST_RIAL`. Raises BadInput for anything else, fractions and booleans included.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise BadInput(f"an amount must be a whole number of rial, not {type(value).__name__}")
    text = to_ascii(str(value)).strip().replace(",", "").replace("٬", "")
    if not is_digits(text):
        raise BadInput("an amount must be a whole number of rial, digits only")
    if len(text) > 20 or not 1 <= (amount := int(text)) <= MOST_RIAL:
        raise BadInput(f"an amount must be between 1 and {MOST_RIAL} rial")
    return amount
