"""What can happen to a session. Plain values; whoever answers a command repeats the token that it came with."""

from collections.abc import Mapping

import msgspec

from ivr.domain.legs import LegResult


class Answered(msgspec.Struct, frozen=True):
    """The caller is on the line; the flow begins."""


class Digit(msgspec.Struct, frozen=True):
    """One key. It has no readable repr: it may be part of a card number."""

    key: str

    def __repr__(self) -> str:
        return "Digit(•)"


class Line(msgspec.Struct, frozen=True):
    """What was sent from a screen, whole. It has no readable repr: somebody may key a card where none is asked for."""

    text: str

    def __repr__(self) -> str:
        return "Line(…)"


class PromptFinished(msgspec.Struct, frozen=True):
    """What we played has been heard to its end, or could not be played (`failed`)."""

    token: int
    failed: bool = False


class TimerFired(msgspec.Struct, frozen=True):
    """Nothing happened for as long as was asked."""

    token: int


class ProviderReplied(msgspec.Struct, frozen=True):
    """The provider's answer: one of the operation's exits (`unreachable` and `unknown` included) and its values."""

    token: int
    exit: str
    values: Mapping[str, str | int]


class LegAnswered(msgspec.Struct, frozen=True):
    """The far side picked up; both can talk."""

    token: int


class LegEnded(msgspec.Struct, frozen=True):
    """The dialled leg is over.

    `early_media`: the far side could be heard before it answered, so that it may have taken keys even if it never did.
    """

    token: int
    result: LegResult
    early_media: bool = False


class HeadersRead(msgspec.Struct, frozen=True):
    """The SIP headers that came with the call, by name; None for one that is absent.

    `trusted` is False when the call's trunk may not speak through headers: then `values` is empty.
    """

    token: int
    trusted: bool
    values: Mapping[str, str | None]


class RecordingFinished(msgspec.Struct, frozen=True):
    """A recording is over. `name` is what it is kept under; `talked` is False when only silence was heard."""

    token: int
    name: str
    talked: bool
    failed: bool = False


class CallerHungUp(msgspec.Struct, frozen=True):
    """The caller is gone: hung up, or `elsewhere`, sent there by whom they were talking to."""

    elsewhere: bool = False


class CallTooLong(msgspec.Struct, frozen=True):
    """The call has lasted for as long as one may: whatever goes on, it ends now, with a word."""


class Resumed(msgspec.Struct, frozen=True):
    """A new process took the living call over; what was under way when the old one died is lost.

    `leg` is the token of a dialled leg that is still up, or None. `gently`: nothing was lost, another hand has the
    telephone; a question to a provider goes on. `learnt`: the names of answers that came with the change, so that the
    caller need not be asked for them.
    """

    leg: int | None = None
    gently: bool = False
    learnt: frozenset[str] = frozenset()


Event = (
    Answered
    | Digit
    | Line
    | PromptFinished
    | TimerFired
    | ProviderReplied
    | LegAnswered
    | LegEnded
    | HeadersRead
    | RecordingFinished
    | CallerHungUp
    | CallTooLong
    | Resumed
)
