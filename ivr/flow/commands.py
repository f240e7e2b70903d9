"""What a session wants done. Plain values; a command that expects an answer carries a token."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ivr.domain.legs import HangupCause
from ivr.domain.secret import Secret
from ivr.domain.speech import Say


@dataclass(frozen=True, slots=True)
class Play:
    """Say these one after the other; answered by PromptFinished."""

    token: int
    say: Sequence[Say]


@dataclass(frozen=True, slots=True)
class StopPlaying:
    """The caller has heard enough."""

    token: int


@dataclass(frozen=True, slots=True)
class StartTimer:
    """Wait so long; answered by TimerFired. A session has one timer: a new one replaces the old."""

    token: int
    seconds: float


@dataclass(frozen=True, slots=True)
class StopTimer:
    """No longer waiting."""


@dataclass(frozen=True, slots=True)
class PaymentOrder:
    """A payment to be made by a leg or by a provider; written to the journal before anything leaves."""

    id: str
    provider: str
    invoice_id: str
    transaction_id: str | None
    amount_rial: int | None


@dataclass(frozen=True, slots=True)
class AskProvider:
    """Ask; answered by ProviderReplied.

    `payment` is set when the question moves money; `payment_id` names the earlier payment that the answer is about.
    """

    token: int
    provider: str
    operation: str
    arguments: Mapping[str, str | int | Secret]
    payment: PaymentOrder | None = None
    payment_id: str | None = None


@dataclass(frozen=True, slots=True)
class Dial:
    """Connect the caller to a trunk; answered by LegAnswered and LegEnded, or by LegEnded alone."""

    token: int
    trunk: str
    number: str
    """The number dialled on the trunk."""
    caller_id: str
    headers: Mapping[str, str]
    answer_timeout: float
    payment: PaymentOrder | None = None


@dataclass(frozen=True, slots=True)
class ReadHeaders:
    """Read SIP headers of the caller's INVITE; answered by HeadersRead."""

    token: int
    names: Sequence[str]


@dataclass(frozen=True, slots=True)
class HangUp:
    """The call is over."""

    cause: HangupCause


Command = Play | StopPlaying | StartTimer | StopTimer | AskProvider | Dial | ReadHeaders | HangUp
