"""What a simulated call tells: one note for each thing that came in and each thing that went out.

Law: no note holds a secret; a note is one line of JSON as it stands (`note` says which it is, `at` is the simulated
time in seconds).
"""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec


def _tag(class_name: str) -> str:
    """`StepLeft` is `step_left`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in class_name).lstrip("_")


class Note(msgspec.Struct, frozen=True, kw_only=True, tag_field="note", tag=_tag):
    """The root of all notes."""

    at: float


class CallBegins(Note, frozen=True, kw_only=True):
    """A call of this flow; `knows` is what is known from its beginning."""

    flow: str
    version: str
    language: str
    knows: Mapping[str, str | int]


# -- what comes in -----------------------------------------------------------------------------------------------------


class KeysPressed(Note, frozen=True, kw_only=True):
    """The caller pressed these; a dot stands for each key that is or may be secret."""

    keys: str


class PromptHeard(Note, frozen=True, kw_only=True):
    """What was being said was heard to its end."""


class TimerFired(Note, frozen=True, kw_only=True):
    """Nothing happened for so long."""

    seconds: float


class HeadersCame(Note, frozen=True, kw_only=True):
    """The SIP headers of the call."""

    trusted: bool
    values: Mapping[str, str | None]


class Answered(Note, frozen=True, kw_only=True):
    """What the provider, or our books, answered."""

    exit: str
    values: Mapping[str, str | int]


class LegChanged(Note, frozen=True, kw_only=True):
    """What became of the dialled leg."""

    result: str


class Recorded(Note, frozen=True, kw_only=True):
    """What became of the recording: `talked`, `silent`, `failed`."""

    result: str


class CallerLeft(Note, frozen=True, kw_only=True):
    """The caller hung up."""


# -- what the flow does ------------------------------------------------------------------------------------------------


class StepLeft(Note, frozen=True, kw_only=True):
    """A step was left by this exit."""

    step: str
    exit: str
    to: str


class StepEntered(Note, frozen=True, kw_only=True):
    """The call is in this step now."""

    step: str
    kind: str


class Says(Note, frozen=True, kw_only=True):
    """This begins to be said."""

    words: str
    say: Sequence[Any]
    """Prompts by name, `{"amount": rial}`, `{"digits": text}`."""
    choices: Mapping[str, str] = {}
    """On a screen: what is sent for what."""
    title: str = ""
    """On a screen: what stands above."""


class PromptStopped(Note, frozen=True, kw_only=True):
    """What was being said was cut short."""


class TimerStarted(Note, frozen=True, kw_only=True):
    """So long is waited."""

    seconds: float


class TimerStopped(Note, frozen=True, kw_only=True):
    """No longer waiting."""


class Asks(Note, frozen=True, kw_only=True):
    """A provider is asked. A secret argument is shown as dots."""

    operation: str
    arguments: Mapping[str, str | int]
    payment: Mapping[str, Any] | None
    answers: Sequence[str]
    """The exits by which it may answer."""


class Reads(Note, frozen=True, kw_only=True):
    """These SIP headers are read."""

    headers: Sequence[str]


class Dials(Note, frozen=True, kw_only=True):
    """The caller is connected to a trunk."""

    trunk: str
    number: str
    caller_id: str
    headers: Mapping[str, str]
    answer_timeout: float
    payment: Mapping[str, Any] | None


class Transfers(Note, frozen=True, kw_only=True):
    """The caller is let talk to one of our own people; `tells`: what the agent hears first, in words."""

    agent: str | None
    queue: str | None
    tells: str
    wait: float


class Records(Note, frozen=True, kw_only=True):
    """The caller is recorded; times in seconds."""

    longest: float
    silence: float
    finish_key: str | None
    beep: bool


class RecordingStopped(Note, frozen=True, kw_only=True):
    """What was recorded is thrown away."""


class Notifies(Note, frozen=True, kw_only=True):
    """Another program is told."""

    to: str
    event: str
    values: Mapping[str, str | int]


class RequestsPayment(Note, frozen=True, kw_only=True):
    """The USSD network is told to send a payment link, when the session is over."""

    invoice: str
    amount: int


class LineSent(Note, frozen=True, kw_only=True):
    """This was sent from the screen."""

    line: str


class Shows(Note, frozen=True, kw_only=True):
    """This stands on the screen of a USSD user now, or is the line that has the network send a payment link."""

    text: str
    page: int
    """From 1."""
    pages: int
    characters: int
    """As the network counts them."""
    most: int
    """So many fit, for a text of these letters."""
    for_network: bool = False
    """Nobody reads it: it is the line that has the network send a payment link."""


class Guarded(Note, frozen=True, kw_only=True):
    """Others who could hear the call, an agent or a recording, are kept out so far: `open`, `recordings`, `all`."""

    privacy: str


class HangsUp(Note, frozen=True, kw_only=True):
    """We end the call."""

    cause: str


class FlowBroke(Note, frozen=True, kw_only=True):
    """The flow broke here, and its failure step was taken."""

    fault: str


class Awaits(Note, frozen=True, kw_only=True):
    """Where the call stands: what it waits for, and the ways on."""

    step: str
    kind: str
    about: str
    awaits: Sequence[str]
    """Of `prompt`, `timer`, `answer`, `headers`, `leg`, `recording`; on a screen `answer` or `line`."""
    timer: float | None
    keys: str
    """What the caller can key here, or send, in words."""
    secret: bool
    ways: Mapping[str, str]
    """Exit -> step."""


class CallEnds(Note, frozen=True, kw_only=True):
    """The call is over: `hung_up` by the flow, `caller_hung_up`, `too_long`, or `failed`."""

    how: str
