"""What the runtime needs from the outside. Shapes only; adapters fulfil them, `app` wires them together."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.privacy import Privacy
from ivr.flow.events import Event

ANY_VISIT: Final = "*"
"""Of a caller of whom only the snapshot knows which visit it is."""


@dataclass(frozen=True, slots=True)
class CallInfo:
    """Who called what, and by which trunk. `call_id` is the id of the caller's channel."""

    call_id: str
    trunk: str
    dialled_number: str
    caller_number: str | None
    """None when withheld."""
    agent: str | None = None
    """Which of our own people sent the caller, or is calling."""
    behind: tuple[str, ...] = ()
    """What was keyed behind the number, each after a `*`."""
    visit: str = ""
    """Each time that an agent sends this caller to one of our numbers begins a call of its own, named by this."""
    sent: bool = False
    """An agent sent the caller here, who first called somebody else."""
    assisted: bool = False
    """That agent stays on the line."""
    back: "Back | None" = None
    """Set for a caller who was let talk to somebody and is here again."""

    @property
    def session_id(self) -> str:
        """What the call's session, its payments and its log lines are named by: each visit of a channel has its own."""
        return f"{self.call_id}~{self.visit}" if self.visit else self.call_id


@dataclass(frozen=True, slots=True)
class Back:
    """Which transfer a caller comes back from, and how it went."""

    token: int
    result: LegResult


@dataclass(frozen=True, slots=True)
class QueueState:
    """A queue at this moment."""

    name: str
    agents: tuple[str, ...]
    """Who takes its calls now, talking or not."""
    waits: tuple[int, ...]
    """For each caller who waits, how long: seconds, the first one first."""


@dataclass(frozen=True, slots=True)
class TransferOrder:
    """Whom a caller is to talk to: an agent or a queue, never both."""

    agent: str | None
    queue: str | None
    tell: Sequence[str]
    """What the agent hears first: media files."""
    wait: float
    """Seconds that the caller waits at most."""


@dataclass(frozen=True, slots=True)
class LegOrder:
    """A leg to dial. Every text has been checked: no line breaks, printable ASCII."""

    leg_id: str
    """Ours, chosen first; unique for ever."""
    trunk: str
    number: str
    caller_id: str
    headers: Mapping[str, str]
    answer_timeout: float


@dataclass(frozen=True, slots=True)
class RecordOrder:
    """A message to be recorded. Times in seconds."""

    longest: float
    silence: float
    finish_key: str | None
    beep: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """What another program is told. Holds no secret."""

    target: str
    id: str
    """The same when it is told again: whoever gets it twice can know."""
    event: str
    call_id: str
    flow: str
    values: Mapping[str, str | int]


Emit = Callable[[Event], None]
"""Puts an event at the end of the call's own queue. Never blocks, never drops."""


class Voice(Protocol):
    """One living caller, whichever way Asterisk is spoken to.

    A command returns when it is on its way: commands are carried out in their order, and what becomes of them comes
    as events. A caller who is already gone is no error: the call's CallerHungUp is on its way.
    """

    info: CallInfo

    def answer(self) -> None:
        """Pick up."""
        ...

    def play(self, token: int, media: Sequence[str]) -> None:
        """Play these files in a row; PromptFinished(token) follows, with failed=True if they could not be."""
        ...

    def stop(self, token: int) -> None:
        """Stop that playback now. No PromptFinished is owed for it."""
        ...

    def dial(self, token: int, leg: LegOrder) -> None:
        """Dial and, once answered, connect both. LegAnswered(token) and LegEnded(token) follow."""
        ...

    def transfer(self, token: int, order: TransferOrder) -> None:
        """Let the caller talk to one of our own people. LegEnded(token) follows when they are done, or CallerHungUp:
        the agent may send the caller elsewhere, too.
        """
        ...

    def record(self, token: int, order: RecordOrder) -> None:
        """Record the caller. RecordingFinished(token) follows, with failed=True if it could not be."""
        ...

    def stop_recording(self, token: int) -> None:
        """End that recording now, an earlier process's too; it is not wanted."""
        ...

    async def headers(self, names: Sequence[str]) -> Mapping[str, str | None]:
        """The SIP headers of the caller's INVITE, or of the REFER that sent the caller here; None for an absent one."""
        ...

    async def guard(self, privacy: Privacy) -> None:
        """Let nobody else hear more of this call. Raises Unusable when that cannot be made sure."""
        ...

    async def release(self) -> None:
        """Give the caller back to where calls wait while nobody takes them; they come again as a new call."""
        ...

    def apologise(self) -> None:
        """Somebody who was answered already cannot be served: let them hear so, and end the call."""
        ...

    def hang_up(self, cause: HangupCause) -> None:
        """End the call, any dialled leg with it."""
        ...


class DialplanStore(Protocol):
    """The versions of the dialplan that were in use, so that calls and people can go back to one."""

    def use(self, version: str, files: Mapping[str, str], how: str, who: str) -> Awaitable[None]:
        """Keep these texts (file name -> text) under this id, and note that calls begin on it from now on."""
        ...

    def in_use(self) -> Awaitable[str | None]:
        """The id of the version taken into use last, whichever process did it."""
        ...

    def files(self, version: str) -> Awaitable[Mapping[str, str] | None]:
        """A version's texts, or None when it was never in use."""
        ...


class SessionStore(Protocol):
    """Snapshots of sessions, so that a call outlives its process. A snapshot holds no secret."""

    async def keep(self, snapshots: Mapping[str, str | None]) -> None:
        """Keep the newest snapshot (JSON) of each of these calls; None: the call is over. Survives `kill -9`."""
        ...

    async def load_all(self) -> Mapping[str, str]:
        """Every kept snapshot by call id."""
        ...
