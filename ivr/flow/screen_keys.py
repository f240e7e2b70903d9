"""Keys of the telephone on a screen, where lines are sent: the star and the hash stand between and behind them."""

from collections.abc import Callable
from typing import Final

from ivr.domain.digits import MOST_DIGITS

_INSTEAD: Final = {"*": "0", "#": "9"}
"""The digit that stands for the key; doubled where it means something else already."""
LONGEST: Final = MOST_DIGITS + 1
"""Longer than any number that is asked for."""


def screen_key(key: str, taken: Callable[[str], bool]) -> str:
    """What is sent from a screen for this key. `taken`: whether a line means something else there."""
    digit = _INSTEAD.get(key)
    if digit is None:
        return key
    lines = (digit * length for length in range(1, LONGEST + 1))
    return next(line for line in lines if not taken(line))
