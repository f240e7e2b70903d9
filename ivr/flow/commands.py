"""What a session wants done. Plain values; a command that expects an answer carries a token."""

from collections.abc import Mapping, Sequence

import msgspec

from ivr.domain.legs import HangupCause
from ivr.domain.privacy import Privacy
from ivr.domain.secret import Secret
from ivr.domain.speech import Say


class Play(msgspec.Struct, frozen=True):
    """Say these one after the other; answered by PromptFinished. On a screen with what can be chosen there."""

    token: int
    say: Sequence[Say]
    choices: Sequence["Choice"] = ()
    title: Sequence[Say] = ()
    """Stands above the rest of a screen."""


class Choice(msgspec.Struct, frozen=True):
    """What is sent from a screen, and what that means."""

    line: str
    words: Say


class StopPlaying(msgspec.Struct, frozen=True):
    """The caller has heard enough."""

    token: int


class StartTimer(msgspec.Struct, frozen=True):
    """Wait so long; answered by TimerFired. A session has one timer: a new one replaces the old."""

    token: int
    seconds: float


class StopTimer(msgspec.Struct, frozen=True):
    """No longer waiting."""


class PaymentOrder(msgspec.Struct, frozen=True):
    """A payment to be made by a leg or by a provider; written to the journal before anything leaves."""

    id: str
    provider: str
    invoice_id: str
    transaction_id: str | None
    amount_rial: int | None


class AskProvider(msgspec.Struct, frozen=True):
    """Ask; answered by ProviderReplied.

    `payment` is set when the question moves money; `payment_id` names the earlier payment that the answer is about.
    """

    token: int
    provider: str
    operation: str
    arguments: Mapping[str, str | int | Secret]
    payment: PaymentOrder | None = None
    payment_id: str | None = None


class Dial(msgspec.Struct, frozen=True):
    """Connect the caller to a trunk; answered by LegAnswered and LegEnded, or by LegEnded alone."""

    token: int
    trunk: str
    number: str
    """The number dialled on the trunk."""
    caller_id: str
    headers: Mapping[str, str]
    answer_timeout: float
    payment: PaymentOrder | None = None


class Transfer(msgspec.Struct, frozen=True):
    """Let the caller talk to one of our own people; answered by LegEnded. Exactly one of `agent` and `queue` is set."""

    token: int
    agent: str | None
    queue: str | None
    tell: Sequence[Say]
    """What the agent hears first."""
    language: str
    """In which language."""
    wait: float
    """Seconds that the caller waits at most."""


class ReadHeaders(msgspec.Struct, frozen=True):
    """Read SIP headers of the caller's INVITE; answered by HeadersRead."""

    token: int
    names: Sequence[str]


class Record(msgspec.Struct, frozen=True):
    """Record the caller; answered by RecordingFinished. Times in seconds."""

    token: int
    longest: float
    silence: float
    """So much of it ends the message."""
    finish_key: str | None
    beep: bool


class StopRecording(msgspec.Struct, frozen=True):
    """What was recorded so far is not wanted."""

    token: int


class Notify(msgspec.Struct, frozen=True):
    """Tell another program; nobody waits for it. `id` is the same when a new process tells it again."""

    target: str
    id: str
    event: str
    values: Mapping[str, str | int]


class Guard(msgspec.Struct, frozen=True):
    """Nobody else hears more of this call than this, before anything else is done."""

    privacy: Privacy


class RequestPayment(msgspec.Struct, frozen=True):
    """Have the USSD network send the payer a link, when the session is over."""

    invoice_id: str
    amount_rial: int


class HangUp(msgspec.Struct, frozen=True):
    """The call is over."""

    cause: HangupCause


Command = (
    Play
    | StopPlaying
    | StartTimer
    | StopTimer
    | AskProvider
    | Dial
    | Transfer
    | ReadHeaders
    | Record
    | StopRecording
    | Notify
    | Guard
    | RequestPayment
    | HangUp
)
