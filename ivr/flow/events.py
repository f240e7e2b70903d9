"""What can happen to a session. Plain values; whoever answers a command repeats the token that it came with."""

from collections.abc import Mapping
from dataclasses import dataclass

from ivr.domain.legs import LegResult


@dataclass(frozen=True, slots=True)
class Answered:
    """The caller is on the line; the flow begins."""


@dataclass(frozen=True, slots=True, repr=False)
class Digit:
    """One key. It has no readable repr: it may be part of a card number."""

    key: str

    def __repr__(self) -> str:
        return "Digit(•)"


@dataclass(frozen=True, slots=True)
class PromptFinished:
    """What we played has been heard to its end, or could not be played (`failed`)."""

    token: int
    failed: bool = False


@dataclass(frozen=True, slots=True)
class TimerFired:
    """Nothing happened for as long as was asked."""

    token: int


@dataclass(frozen=True, slots=True)
class ProviderReplied:
    """The provider's answer: one of the operation's exits (`unreachable` and `unknown` included) and its values."""

    token: int
    exit: str
    values: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class LegAnswered:
    """The far side picked up; both can talk."""

    token: int


@dataclass(frozen=True, slots=True)
class LegEnded:
    """The dialled leg is over.

    `early_media`: the far side could be heard before it answered, so that it may have taken keys even if it never did.
    """

    token: int
    result: LegResult
    early_media: bool = False


@dataclass(frozen=True, slots=True)
class HeadersRead:
    """The SIP headers that came with the call, by name; None for one that is absent.

    `trusted` is False when the call's trunk may not speak through headers: then `values` is empty.
    """

    token: int
    trusted: bool
    values: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class CallerHungUp:
    """The caller is gone."""


@dataclass(frozen=True, slots=True)
class Resumed:
    """A new process took the living call over; what was under way when the old one died is lost.

    `leg` is the token of a dialled leg that is still up, or None.
    """

    leg: int | None = None


Event = (
    Answered
    | Digit
    | PromptFinished
    | TimerFired
    | ProviderReplied
    | LegAnswered
    | LegEnded
    | HeadersRead
    | CallerHungUp
    | Resumed
)
