"""What a step says and what it writes into a text, before the call's values are filled in."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from ivr.domain.errors import Illegal
from ivr.domain.operations import Kind
from ivr.domain.phone import mobile
from ivr.domain.speech import Amount, Date, Digits, In, Mobile, Prompt, Say, Text
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
class LastFourOf:
    """The last four digits of a number, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class MobileOf:
    """A telephone number to be read, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class DateOf:
    """A day to be said, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class PromptFor:
    """A prompt that a value decides upon."""

    name: str
    prompts: Mapping[str, Prompt]
    otherwise: Prompt
    """For every other value, and for none."""


@dataclass(frozen=True, slots=True)
class Only:
    """A prompt for those who listen (`voice`) or for those who read (`screen`); the others get nothing."""

    on_screen: bool
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class TextOf:
    """A text for who reads, by name; who listens gets nothing."""

    name: str


SHOWN: Final = frozenset({Kind.TEXT, Kind.DIGITS})
"""What can be shown as it is. Never a secret."""

Part = TextOf | Only | Prompt | In | PromptFor | AmountOf | DigitsOf | LastFourOf | MobileOf | DateOf
ValueOf = type[AmountOf] | type[DigitsOf] | type[LastFourOf] | type[MobileOf] | type[DateOf]

SPOKEN: Final[Mapping[str, tuple[ValueOf, frozenset[Kind]]]] = {
    "amount": (AmountOf, frozenset({Kind.AMOUNT})),
    "digits": (DigitsOf, frozenset({Kind.DIGITS, Kind.AMOUNT})),
    "last_four": (LastFourOf, frozenset({Kind.DIGITS})),
    "mobile": (MobileOf, frozenset({Kind.DIGITS})),
    "date": (DateOf, frozenset({Kind.DATE})),
}
"""How a value can be said, by the word that admins write, and the kinds that may be said so. Never a secret."""


@dataclass(frozen=True, slots=True)
class Saying:
    """Prompts and values in the order they are said."""

    parts: tuple[Part, ...]

    def resolve(self, visit: Visit) -> tuple[Say, ...]:
        """With this call's values."""
        here = visit.on_screen
        return tuple(_resolve(part, visit) for part in self.parts if only_on_screen(part) in (None, here))

    @property
    def has_values(self) -> bool:
        """Whether anything of this call is said."""
        return not all(isinstance(part, TextOf | Only | Prompt | In | PromptFor) for part in self.parts)

    def must_be_heard(self, failed: bool) -> None:
        """Raise Illegal when a value could not be said: nobody agrees to what they have not heard."""
        if failed and self.has_values:
            amount = any(isinstance(part, AmountOf) for part in self.parts)
            raise Illegal(f"the {'amount' if amount else 'value'} could not be said")


NO_TITLE: Final = Saying(())


def only_on_screen(part: Part) -> bool | None:
    """Whether it is for who reads alone (True), for who listens alone (False), or for both (None)."""
    match part:
        case Only(on_screen):
            return on_screen
        case TextOf():
            return True
        case _:
            return None


def _resolve(part: Part, visit: Visit) -> Say:
    match part:
        case AmountOf(name):
            amount = visit.needed(name)
            if not isinstance(amount, int):
                raise Illegal(f"'{name}' is not an amount")
            return Amount(amount)
        case DigitsOf(name):
            return Digits(str(visit.needed(name)))
        case LastFourOf(name):
            return Digits(last_four(visit.needed(name)))
        case MobileOf(name):
            return Mobile(str(visit.needed(name)))
        case DateOf(name):
            return Date(str(visit.needed(name)))
        case PromptFor(name, prompts, otherwise):
            return prompts.get(str(visit.known(name)), otherwise)
        case Only(_, prompt):
            return prompt
        case TextOf(name):
            return Text(str(visit.needed(name)))
        case _:
            return part


def last_four(value: str | int) -> str:
    """The last four digits."""
    return str(value)[-4:]


def _date(value: str | int) -> str:
    text = str(value)
    return f"{text[:4]}/{text[4:6]}/{text[6:]}"


FORMATS: Final[Mapping[str, tuple[Callable[[str | int], str], frozenset[Kind]]]] = {
    "amount": (str, frozenset({Kind.AMOUNT})),
    "toman": (lambda value: str(int(value) // 10), frozenset({Kind.AMOUNT})),
    "digits": (str, frozenset({Kind.DIGITS})),
    "last_four": (last_four, frozenset({Kind.DIGITS})),
    "mobile": (lambda value: mobile(str(value)) or str(value), frozenset({Kind.DIGITS})),
    "date": (_date, frozenset({Kind.DATE})),
}
"""How a value can stand in a text, by the word behind `|`, and the kinds that may stand so. Never a secret."""

SPEAKABLE: Final = frozenset({Kind.TEXT, Kind.DIGITS, Kind.AMOUNT, Kind.DATE})
"""What may stand in a text as it is."""


@dataclass(frozen=True, slots=True)
class Template:
    """A text with named values in braces, e.g. `{merchant_phone}*{card.last_four}` or `{day|date}`. No code."""

    text: str

    @property
    def references(self) -> tuple[tuple[str, frozenset[Kind]], ...]:
        """The names it refers to, in order, and the kinds that may stand there."""
        found = (match.partition("|") for match in _REFERENCE.findall(self.text))
        return tuple((name, FORMATS[form][1] if form in FORMATS else SPEAKABLE) for name, _, form in found)

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
        for match in _REFERENCE.findall(self.text):
            _, bar, form = match.partition("|")
            if bar and form not in FORMATS:
                return f"a value's format is one of {', '.join(FORMATS)}, not '{form}'"
        return None

    def fill(self, visit: Visit) -> str:
        """The text with this call's values."""
        return _REFERENCE.sub(lambda match: _written(match[1], visit), self.text)


def _written(reference: str, visit: Visit) -> str:
    name, _, form = reference.partition("|")
    value = visit.needed(name)
    return FORMATS[form][0](value) if form else str(value)
