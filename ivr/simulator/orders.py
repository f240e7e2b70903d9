"""What a person or a program may say to the simulator, line by line.

Law: a line means one thing whatever the call is doing; whether it fits the call is found out when it is carried out.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ivr.domain.digits import KEYS, to_ascii
from ivr.domain.errors import BadInput
from ivr.domain.legs import LegResult
from ivr.domain.reading import did_you_mean
from ivr.domain.secret import Secret

MOST_LINE: Final = 2000
"""Characters of one line."""

Given = Mapping[str, str]

_SEND: Final = re.compile(r"send(|\s.*)", re.IGNORECASE | re.DOTALL)


class WrongLine(BadInput):
    """Nobody knows what this line means."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The caller presses these."""

    keys: Secret


@dataclass(frozen=True, slots=True)
class Send:
    """The user sends this from the screen, whatever it is."""

    text: str


@dataclass(frozen=True, slots=True)
class Hear:
    """The prompt is heard to its end."""


@dataclass(frozen=True, slots=True)
class Wait:
    """The next timer fires."""


@dataclass(frozen=True, slots=True)
class GoOn:
    """An empty line: whatever happens next if nobody does anything."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The caller hangs up."""


@dataclass(frozen=True, slots=True)
class Headers:
    """The SIP headers of the call; None: its trunk is not trusted."""

    values: Given | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's answer (or our books'): this exit."""

    exit: str
    values: Given = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Approve:
    """A provider's good answer, whatever its exit is called."""

    values: Given = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decline:
    """A provider says no: the usual exit, the exit of this name, or the one that its code stands for."""

    code: str = ""


@dataclass(frozen=True, slots=True)
class Leg:
    """What becomes of the dialled leg: `answered`, or a LegResult's value."""

    what: str


@dataclass(frozen=True, slots=True)
class Message:
    """What becomes of a recording: one of MESSAGES."""

    what: str


@dataclass(frozen=True, slots=True)
class Look:
    """Say again where the call stands."""


@dataclass(frozen=True, slots=True)
class Help:
    """Say what can be said."""


@dataclass(frozen=True, slots=True)
class Quit:
    """No more of this."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A line for people."""


Order = (
    Keys
    | Send
    | Hear
    | Wait
    | GoOn
    | Leave
    | Headers
    | Answer
    | Approve
    | Decline
    | Leg
    | Message
    | Look
    | Help
    | Quit
    | Comment
)

TALKED: Final = "talked"
SILENT: Final = "silent"
FAILED: Final = "failed"
MESSAGES: Final = (TALKED, SILENT, FAILED)
"""The caller spoke into a recording, said nothing, or it could not be made."""

HELP: Final = (
    ("6584#   or   keys 6584#", "press these keys; by USSD: send them as one line"),
    ("send ABC", "by USSD: send this, whatever it is"),
    ("Enter", "go on: the prompt is heard to its end, or the timer fires"),
    ("hear", "the prompt is heard to its end"),
    ("wait", "nothing happens until the timer fires"),
    ("hang up", "the caller hangs up"),
    ("headers X-Invoice-Id=1234", "the trunk is trusted and the call has these SIP headers"),
    ("headers untrusted", "the trunk may not speak through headers"),
    ("approve [name=value ...]", "the provider, or our books, say yes"),
    ("decline [code or exit]", "the provider says no, with its own code if it has codes"),
    ("time out", "nobody knows what became of the question"),
    ("unreachable", "the question (or the leg) never left"),
    ("answer EXIT [name=value ...]", "any answer by its exit"),
    ("leg answered", "the far side picks up; also ended, busy, no_answer, rejected, unreachable, being_paid"),
    ("talk", "the caller speaks into the recording, and it ends"),
    ("silent recording", "the caller says nothing into it; 'failed recording': it could not be made"),
    ("look   help   quit", "where the call stands; this list; stop playing"),
)


def read_order(line: str) -> Order:
    """What a line says. Raises WrongLine; a message never quotes keys."""
    text = line.strip()
    if len(text) > MOST_LINE:
        raise WrongLine(f"the line is longer than {MOST_LINE} characters")
    if not text:
        return GoOn()
    if text.startswith(("# ", "//")):
        return Comment()
    if (sent := _SEND.fullmatch(text)) is not None:
        return Send(sent[1].strip())
    keys = to_ascii(text).replace(" ", "")
    if set(keys) <= set(KEYS):
        return Keys(Secret(keys))
    try:
        word, *rest = shlex.split(text)
    except ValueError:
        raise WrongLine("a quote is not closed") from None
    word = word.lower()
    if word in _LEG_WORDS and not rest:
        return Leg(word)
    if word not in _WORDS:
        known = [*_WORDS, "send", *_LEG_WORDS]
        quoted = f" '{word}'" if word.isascii() and word.isalpha() else ""
        raise WrongLine(f"no such command{quoted}{did_you_mean(word, known)}; 'help' lists them")
    return _WORDS[word](rest)


def _keys(rest: list[str]) -> Order:
    keys = to_ascii("".join(rest))
    if not keys or not set(keys) <= set(KEYS):
        raise WrongLine(f"keys are {KEYS}")
    return Keys(Secret(keys))


def _hang(rest: list[str]) -> Order:
    if rest not in ([], ["up"]):
        raise WrongLine("'hang up' takes nothing more")
    return Leave()


def _time(rest: list[str]) -> Order:
    if rest != ["out"]:
        raise WrongLine("did you mean 'time out'?")
    return Answer("unknown")


def _headers(rest: list[str]) -> Order:
    return Headers(None) if rest == ["untrusted"] else Headers(_values(rest))


def _answer(rest: list[str]) -> Order:
    if not rest or "=" in rest[0]:
        raise WrongLine("'answer' needs an exit: answer EXIT [name=value ...]")
    return Answer(rest[0], _values(rest[1:]))


def _decline(rest: list[str]) -> Order:
    if len(rest) > 1:
        raise WrongLine("'decline' takes one code or exit")
    return Decline(rest[0] if rest else "")


def _leg(rest: list[str]) -> Order:
    words = ("answered", *(result.value for result in LegResult))
    if len(rest) != 1 or rest[0] not in words:
        raise WrongLine(f"a leg is {', '.join(words)}")
    return Leg(rest[0])


def _recording(what: str) -> Callable[[list[str]], Order]:
    def read(rest: list[str]) -> Order:
        if rest != ["recording"]:
            raise WrongLine(f"did you mean '{what} recording'?")
        return Message(what)

    return read


def _values(parts: list[str]) -> dict[str, str]:
    values = {}
    for part in parts:
        name, equals, value = part.partition("=")
        if not equals or not name:
            raise WrongLine("a value is written name=value")
        values[name] = value
    return values


def _alone(word: str, order: Order) -> Callable[[list[str]], Order]:
    def read(rest: list[str]) -> Order:
        if rest:
            raise WrongLine(f"'{word}' takes nothing more")
        return order

    return read


_LEG_WORDS: Final = ("answered", *(r.value for r in LegResult if r is not LegResult.UNREACHABLE))

_WORDS: Final[Mapping[str, Callable[[list[str]], Order]]] = {
    "keys": _keys,
    "hear": _alone("hear", Hear()),
    "wait": _alone("wait", Wait()),
    "hang": _hang,
    "hang_up": _alone("hang_up", Leave()),  # as the step is written
    "headers": _headers,
    "answer": _answer,
    "approve": lambda rest: Approve(_values(rest)),
    "decline": _decline,
    "time": _time,
    "timeout": _alone("timeout", Answer("unknown")),
    "unreachable": _alone("unreachable", Answer("unreachable")),
    "leg": _leg,
    "talk": _alone("talk", Message(TALKED)),
    SILENT: _recording(SILENT),
    FAILED: _recording(FAILED),
    "look": _alone("look", Look()),
    "help": _alone("help", Help()),
    "quit": _alone("quit", Quit()),
}
