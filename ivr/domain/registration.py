"""What a caller registers: a few named values under a word, and who it was.

Law: it is never a secret, and it has bounds. What is registered once stays as it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MOST_VALUES: Final = 8
"""Values of one registration."""
MOST_NAME: Final = 32
"""Characters of a word, and of a value's name."""
MOST_VALUE: Final = 200
"""Characters of a value."""


@dataclass(frozen=True, slots=True)
class Registration:
    """One registration. `key` is the same when the same visit of a step registers it again."""

    key: str
    dialled: str
    """The number that was dialled; empty where nobody knows it."""
    flow: str
    word: str
    """What the flow calls it (`keep: {as: …}`); by this merchants know what is theirs."""
    mobile: str | None
    """Of the caller, 09…; None when it is withheld or no Iranian mobile."""
    values: Mapping[str, str | int]
    """Amounts are whole rial."""
    id: int = 0
    """Its number in the books, from 1 on in the order in which they became safe; 0 before it is in them."""
    at: float = 0.0
    """When it was written, seconds since 1970, UTC."""
