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


@dataclass(frozen=True, slots=True)
class Mobile:
    """A telephone number, read as people of the language read one."""

    text: str


@dataclass(frozen=True, slots=True)
class Date:
    """A day of the Iranian calendar, `14031230`."""

    text: str


@dataclass(frozen=True, slots=True)
class In:
    """A prompt in a language of its own, whatever the call's is."""

    language: str
    prompt: Prompt


@dataclass(frozen=True, slots=True)
class Text:
    """Letters as they are, for a screen: nobody can say them."""

    text: str


Say = Prompt | Amount | Digits | Mobile | Date | In | Text
