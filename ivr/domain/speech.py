"""What a step wants said, before it is known in which language or medium."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Prompt:
    """One of our named messages, e.g. `invoice/enter_number`."""

    name: str


@dataclass(frozen=True, slots=True)
class Amount:
    """An amount in rial, said in words in the configured currency."""

    rial: int


@dataclass(frozen=True, slots=True)
class Digits:
    """Digits read one after the other. Never a secret."""

    text: str


Say = Prompt | Amount | Digits
