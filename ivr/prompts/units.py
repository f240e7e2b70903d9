"""The words that stand beside numbers: the units of amounts, and the months.

Law: inside the program amounts are rial; a toman exists only in speech.
"""

from enum import Enum
from typing import Final

RIAL_PER_TOMAN: Final = 10


class Currency(Enum):
    """The unit that callers hear. The value is what configuration and the command line write."""

    RIAL = "rial"
    TOMAN = "toman"

    def of(self, rial: int) -> tuple[int, str]:
        """The number to say and the prompt of its unit. An amount that is no whole toman is said in rial."""
        if self is Currency.TOMAN and rial % RIAL_PER_TOMAN == 0:
            return rial // RIAL_PER_TOMAN, "unit/toman"
        return rial, "unit/rial"


UNITS: Final = frozenset({"unit/rial", "unit/toman"})
"""The prompts that a catalogue must have for them."""


def month_prompt(month: int) -> str:
    """The prompt of a month of the Iranian calendar, 1 to 12."""
    return f"month/{month}"


MONTHS: Final = frozenset(month_prompt(month) for month in range(1, 13))
"""The prompts that a catalogue must have for dates."""
