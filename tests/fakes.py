"""Stand-ins for what the runtime talks to: a caller on the line, a provider, the books, the snapshots' store.

Law: a fake keeps its port's promises and nothing more. It breaks only where a test says so, and it remembers what was
asked of it in order.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ivr.domain.errors import AlreadyInPayment, Illegal
from ivr.domain.legs import HangupCause
from ivr.domain.operations import Operation
from ivr.domain.privacy import Privacy
from ivr.flow.events import CallerHungUp, Digit, Event, PromptFinished
from ivr.payments.invoice import Invoice
from ivr.payments.port import Reply, Value
from ivr.payments.state import Entry, EntryKind, Payment, State, apply
from ivr.runtime.ports import CallInfo, Emit, LegOrder, RecordOrder, TransferOrder

PATIENCE = 5.0
"""Seconds that a test waits for something before it fails."""


class Changes:
    """Lets a test wait until something it can see has become true."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()

    def tell(self) -> None:
        """Something has changed: those who wait look again."""
        self._changed.set()

    async def until(self, what: Callable[[], object]) -> None:
        """Return when `what()` is true. Raises TimeoutError."""
        async with asyncio.timeout(PATIENCE):
            while not what():
                self._changed.clear()
                await self._changed.wait()


@dataclass
class Breaks:
    """Which methods fail next, and with what; each failure is used once."""

    _next: dict[str, list[Exception]] = field(default_factory=lambda: defaultdict(list))

    def on(self, method: str, *errors: Exception) -> None:
        """The next calls of this method raise these."""
        self._next[method] += errors

    def now(self, method: str) -> None:
        """Raise what is due."""
        if self._next[method]:
            raise self._next[method].pop(0)


class FakeVoice:
    """A caller on the line. `emit` is where its events go: what `Switchboard.accept` returned, or a call's own."""

    def __init__(
        self, info: CallInfo, *, headers: Mapping[str, str | None] | None = None, listens: bool = True
    ) -> None:
        """`listens`: every prompt is heard to its end at once; else `finish` says when."""
        self.info = info
        self.emit: Emit = _nobody
        self.did: list[str] = []
        self.heard: list[str] = []
        self.legs: list[tuple[int, LegOrder]] = []
        self.transfers: list[tuple[int, TransferOrder]] = []
        self.recordings: list[tuple[int, RecordOrder]] = []
        self.cause: HangupCause | None = None
        self.breaks = Breaks()
        self.changes = Changes()
        self.fails_to_play = False
        self.apologised = False
        self._headers = headers or {}
        self._listens = listens
        self._playing: int | None = None

    # -- the port

    def answer(self) -> None:
        self._do("answer")

    def play(self, token: int, media: Sequence[str]) -> None:
        self._do("play")
        self.heard += media
        self._playing = token
        if self._listens:
            self.finish()

    def stop(self, token: int) -> None:
        self._do("stop")

    def dial(self, token: int, leg: LegOrder) -> None:
        self._do("dial")
        self.legs.append((token, leg))

    def transfer(self, token: int, order: TransferOrder) -> None:
        self._do("transfer")
        self.transfers.append((token, order))

    def record(self, token: int, order: RecordOrder) -> None:
        self._do("record")
        self.recordings.append((token, order))

    def stop_recording(self, token: int) -> None:
        self._do("stop_recording")

    async def headers(self, names: Sequence[str]) -> Mapping[str, str | None]:
        self._do("headers")
        return {name: self._headers.get(name) for name in names}

    async def guard(self, privacy: Privacy) -> None:
        self._do(f"guard {privacy.value}")

    async def release(self) -> None:
        self._do("release")
        self.released = True

    def apologise(self) -> None:
        self._do("apologise")
        self.apologised = True

    def hang_up(self, cause: HangupCause) -> None:
        self._do("hang_up")
        self.cause = cause

    # -- what the caller does

    def finish(self) -> None:
        """The prompt is over."""
        assert self._playing is not None
        self.emit(PromptFinished(self._playing, self.fails_to_play))

    def keys(self, keys: str) -> None:
        """Press these."""
        for key in keys:
            self.emit(Digit(key))

    def go(self) -> None:
        """Put the receiver down."""
        self.emit(CallerHungUp())

    async def hears(self, prompt: str, times: int = 1) -> None:
        """Return once this prompt has been played so often."""
        await self.changes.until(lambda: self.heard.count(prompt) >= times)

    async def dialled(self, times: int = 1) -> tuple[int, LegOrder]:
        """The token and the order of the newest leg, once there are so many."""
        await self.changes.until(lambda: len(self.legs) >= times)
        return self.legs[-1]

    async def transferred(self, times: int = 1) -> tuple[int, TransferOrder]:
        """The token and the order of the newest transfer, once there are so many."""
        await self.changes.until(lambda: len(self.transfers) >= times)
        return self.transfers[-1]

    def _do(self, method: str) -> None:
        self.did.append(method)
        self.changes.tell()
        self.breaks.now(method)
        asyncio.get_running_loop().call_soon(self.changes.tell)  # once the method has done its work, too


class FakeProvider:
    """Answers what a test puts in; behind a closed door nobody is answered."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        self.operations = operations
        self.answers: dict[str, list[Reply | Exception]] = defaultdict(list)
        self.asked: list[tuple[str, Mapping[str, Value]]] = []
        self.door = asyncio.Event()
        self.door.set()
        self.changes = Changes()

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        self.asked.append((operation, arguments))
        self.changes.tell()
        await self.door.wait()
        answer = self.answers[operation].pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def inquire(self, payment: Payment) -> Reply:
        return await self.ask("inquire", {})

    async def check(self) -> None:
        await self.ask("check", {})

    async def close(self) -> None: ...


class FakeBooks:
    """Journal and invoices in memory, with the real table of states."""

    def __init__(self) -> None:
        self.payments: dict[str, Payment] = {}
        self.entries: list[tuple[str, EntryKind, Mapping[str, str]]] = []
        self.invoices: dict[tuple[str, str], Invoice] = {}
        self.breaks = Breaks()

    async def create(self, payment: Payment) -> bool:
        self.breaks.now("create")
        if payment.id in self.payments:
            return False
        self.payments[payment.id] = payment
        self.entries.append((payment.id, EntryKind.CREATED, {}))
        return True

    async def append(
        self, payment_id: str, kind: EntryKind, details: Mapping[str, str] | None = None, *, sole: bool = False
    ) -> Payment:
        self.breaks.now("append")
        if payment_id not in self.payments:
            raise Illegal(f"there is no payment {payment_id}")
        payment = self.payments[payment_id]
        changed = apply(payment, Entry(payment_id, kind, payment.changed_at, details or {}))
        others = [other for other in await self.for_invoice(payment.provider, payment.invoice_id) if other != payment]
        if kind is EntryKind.SENT and any(other.state in (State.SENT, State.APPROVED) for other in others):
            raise AlreadyInPayment(f"invoice {payment.invoice_id} is being paid")
        if sole and kind is EntryKind.APPROVED and any(other.state is State.APPROVED for other in others):
            raise AlreadyInPayment(f"invoice {payment.invoice_id} is paid")
        if kind is EntryKind.CONTRADICTED and (payment_id, kind, details or {}) in self.entries:
            return payment
        self.payments[payment_id] = changed
        self.entries.append((payment_id, kind, details or {}))
        return changed

    async def get(self, payment_id: str) -> Payment | None:
        self.breaks.now("get")
        return self.payments.get(payment_id)

    async def open_payments(self) -> Sequence[Payment]:
        return [payment for payment in self.payments.values() if payment.state in (State.SENT, State.UNKNOWN)]

    async def for_invoice(self, provider: str, invoice_id: str) -> Sequence[Payment]:
        return [p for p in self.payments.values() if (p.provider, p.invoice_id) == (provider, invoice_id)]

    async def find(self, provider: str, name: str) -> Sequence[Payment]:
        each = self.payments.values()
        return [p for p in each if p.provider == provider and name in (p.invoice_id, p.transaction_id)]

    async def last_of_payer(self, payer: str) -> Payment | None:
        each = [p for p in self.payments.values() if p.payer == payer and p.state is not State.CREATED]
        return each[-1] if each else None

    async def remember_invoice(self, invoice: Invoice) -> None:
        self.invoices[invoice.provider, invoice.tracking_code] = invoice

    async def invoice(self, provider: str, tracking_code: str) -> Invoice | None:
        return self.invoices.get((provider, tracking_code))

    def states(self) -> list[State]:
        """How the payments stand, oldest first."""
        return [payment.state for payment in self.payments.values()]

    def put(self, payment: Payment, state: State) -> None:
        """A payment of an earlier call."""
        self.payments[payment.id] = replace(payment, state=state)


class FakeSessionStore:
    """Snapshots in memory; behind a closed door nothing is written."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.written: list[Mapping[str, str | None]] = []
        self.breaks = Breaks()
        self.door = asyncio.Event()
        self.door.set()
        self.changes = Changes()

    async def keep(self, snapshots: Mapping[str, str | None]) -> None:
        self.written.append(snapshots)
        self.changes.tell()
        await self.door.wait()
        self.breaks.now("keep")
        for call_id, snapshot in snapshots.items():
            if snapshot is None:
                self.kept.pop(call_id, None)
            else:
                self.kept[call_id] = snapshot
        self.changes.tell()

    async def load_all(self) -> Mapping[str, str]:
        return dict(self.kept)


def _nobody(event: Event) -> None:
    raise AssertionError(f"{event!r} came before anybody listened")
