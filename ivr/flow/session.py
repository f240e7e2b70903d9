"""One caller's walk through a flow, as plain data.

Law: a snapshot holds no secret and no keyed digit. Keys are held in a Secret from the moment they arrive, whatever they
turn out to be, and a session that is restored has none of them.
"""

from collections.abc import Mapping
from typing import Any, Final

import msgspec
from msgspec import field
from msgspec.structs import replace

from ivr.domain.phone import mobile
from ivr.domain.privacy import Privacy
from ivr.domain.secret import Secret

SNAPSHOT_FORMAT: Final = 5

TOKEN_LEAP: Final = 1_000_000
"""Tokens passed over by `restore`: the dead process gave out some after its last snapshot, and what it started still
answers."""


class Session(msgspec.Struct):
    """The state of one call. `advance` works on a copy: a session handed in is never changed.

    Copies share `answers`, `secrets`, `secret_steps` and `visits`: whoever changes one puts a new dict in its place.
    """

    call_id: str
    flow: str
    version: str
    """Of the dialplan (`Dialplan.version`) that the call began with, and ends on."""
    language: str
    step: str
    """Where the caller is; `pay/ask_card` is step `ask_card` of the flow that step `pay` calls."""
    visit: int = 0
    """The number of the current visit of a step; counts every step entered."""
    token: int = 0
    """The last token given out."""
    answers: Mapping[str, str | int] = field(default_factory=dict)
    """What is known, by name: `invoice_id`, `transaction.amount`, `pay/card.last_four`. Amounts are whole rial."""
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    secret_steps: Mapping[str, str] = field(default_factory=dict)
    """Which step asked for which secret: where to go back to when it was lost with its process."""
    visits: Mapping[str, int] = field(default_factory=dict)
    """How often each step was entered."""
    data: dict[str, str | int | bool] = field(default_factory=dict)
    """What the current visit must remember; emptied at every step."""
    payment: str | None = None
    """The payment made last in this call."""
    leg: int | None = None
    """The token of the dialled leg that is up or being dialled."""
    failed: bool = False
    """The flow's failure step was taken already: a second failure hangs up."""
    ended: str | None = None
    """Why it is over, or None while it goes on."""
    playing: int | None = None
    """The token of what is being said; kept, so that the next process can silence it before it repeats the step."""
    recording: int | None = None
    """The token of the recording that runs; kept, so that the next process can end it."""
    guarded: bool = False
    """Others may hear this call, an agent or a recording: they are kept out of what is secret."""
    privacy: str = Privacy.OPEN.value
    """What is closed off at the moment."""
    goes_back: bool = False
    """An agent sent the caller here, and wants to hear afterwards how it went."""
    payer: str | None = None
    """The caller's mobile (09…) as the network said it, whatever is keyed afterwards; empty: it said none. Taken from
    what is known at the beginning where nothing is written here.
    """
    # What follows lives only in memory.
    farewell: int | None = None
    """The token of the words that end a call which has lasted for too long; nothing else counts any more."""
    timer: int | None = None
    asking: int | None = None
    typed: Secret = field(default_factory=lambda: Secret(""))
    """Keys that no step has taken yet (type-ahead)."""
    overlooked: str | None = None
    """The finish key of a number that was whole without it: pressed out of habit now, it is for nobody."""
    collected: Secret = field(default_factory=lambda: Secret(""))
    """Keys of the number being keyed in this visit."""
    entered: Secret = field(default_factory=lambda: Secret(""))
    """The number that was keyed for the first time where it is asked for twice."""

    def __post_init__(self) -> None:
        if self.payer is None:
            said = self.answers.get("caller_mobile", self.answers.get("caller_number"))
            self.payer = mobile(str(said)) or "" if said is not None else ""

    def copy(self) -> "Session":
        """A copy that can be changed without touching this one; made for every event."""
        return replace(self, data=self.data.copy())

    def snapshot(self) -> str:
        """JSON that `restore` reads."""
        kept = {name: getattr(self, name) for name in _KEPT}
        return msgspec.json.encode({"format": SNAPSHOT_FORMAT, **kept}).decode()

    @classmethod
    def restore(cls, snapshot: str) -> "Session":
        """The session as it was, without its secrets and keyed digits. Raises ValueError for anything else."""
        try:
            raw: Any = msgspec.json.decode(snapshot)
        except msgspec.DecodeError as exc:
            raise ValueError(str(exc)) from None
        if not isinstance(raw, dict) or raw.pop("format", None) != SNAPSHOT_FORMAT or set(raw) != set(_KEPT):
            raise ValueError("not a session snapshot of this version")
        session = cls(**raw)
        session.token += TOKEN_LEAP
        return session


_KEPT: Final = (
    "call_id",
    "flow",
    "version",
    "language",
    "step",
    "visit",
    "token",
    "answers",
    "secret_steps",
    "visits",
    "data",
    "payment",
    "leg",
    "playing",
    "recording",
    "guarded",
    "privacy",
    "goes_back",
    "payer",
    "failed",
    "ended",
)
