"""Payment cards, as far as their numbers tell."""

from typing import Final

CARD_DIGITS: Final = 16
"""Every Iranian card number is so long."""


def is_card_number(digits: str) -> bool:
    """Sixteen ASCII digits whose check digit is right (Luhn). Who issued it is nobody's business here."""
    if len(digits) != CARD_DIGITS or not (digits.isascii() and digits.isdigit()):
        return False
    values = [int(digit) for digit in digits]
    return sum(values[1::2] + [d * 2 - 9 * (d > 4) for d in values[::2]]) % 10 == 0
