"""What a step says and what it writes into a text, before the call's values are filled in."""

import re
from dataclasses import dataclass
from typing import Final

from ivr.domain.errors import Illegal
from ivr.domain.speech import Amount, Digits, Prompt, Say
from ivr.flow.visit import Visit

_REFERENCE: Final = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True, slots=True)
class AmountOf:
    """An amount to be said, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class DigitsOf:
    """Digits to be read, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Saying:
    """Prompts and values in the order they are said."""

    parts: tuple[Prompt | AmountOf | DigitsOf, ...]

    def resolve(self, visit: Visit) -> tuple[Say, ...]:
        """With this call's values."""
        return tuple(_resolve(part, visit) for part in self.parts)

    def must_be_heard(self, failed: bool) -> None:
        """Raise Illegal when an amount could not be said: nobody agrees to what they have not heard."""
        if failed and any(isinstance(part, AmountOf) for part in self.parts):
            raise Illegal("the amount could not be said")


def _resolve(part: Prompt | AmountOf | DigitsOf, visit: Visit) -> Say:
    match part:
        case AmountOf(name):
            amount = visit.needed(name)
            if not isinstance(amount, int):
                raise Illegal(f"'{name}' is not an amount")
            return Amount(amount)
        case DigitsOf(name):
            return Digits(str(visit.needed(name)))
        case _:
            return part


@dataclass(frozen=True, slots=True)
class Template:
    """A text with named values in braces, e.g. `{merchant_phone}*{transaction.merchant_id}`. No code, no formats."""

    text: str

    @property
    def names(self) -> tuple[str, ...]:
        """The names it refers to, in order."""
        return tuple(_REFERENCE.findall(self.text))

    @property
    def fixed(self) -> str:
        """The text without its values."""
        return _REFERENCE.sub("", self.text)

    @property
    def fault(self) -> str | None:
        """What is wrong with the text itself, or None."""
        rest = _REFERENCE.sub("", self.text)
        if "{" in rest or "}" in rest:
            return "a brace is not closed"
        return None

    def fill(self, visit: Visit) -> str:
        """The text with this call's values."""
        return _REFERENCE.sub(lambda match: str(visit.needed(match[1])), self.text)
