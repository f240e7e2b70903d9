"""One task per call: events in, the session advances, its commands go out.

Laws:
- Events are taken in the order they came, from a queue that is this call's own and never full.
- The session is saved before money moves, and after every step.
- Whatever breaks here ends in the flow's failure step, or at least in a hangup; a caller is never left in silence.
- A question about money runs to its end even when the caller has hung up.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import structlog

from ivr.domain.errors import BadInput, IvrError, OutcomeUnknown, ProviderUnreachable
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.operations import UNKNOWN, UNREACHABLE
from ivr.domain.speech import Say
from ivr.flow.commands import (
    AskProvider,
    Command,
    Dial,
    HangUp,
    Play,
    ReadHeaders,
    StartTimer,
    StopPlaying,
    StopTimer,
)
from ivr.flow.engine import Turn, advance, fail
from ivr.flow.events import (
    Answered,
    CallerHungUp,
    Digit,
    Event,
    HeadersRead,
    LegAnswered,
    LegEnded,
    PromptFinished,
    ProviderReplied,
    Resumed,
    TimerFired,
)
from ivr.flow.model import Flow
from ivr.flow.session import Session
from ivr.flow.steps.invoice import BOOKS
from ivr.payments.port import Provider, Reply
from ivr.runtime.cashier import Cashier, Go
from ivr.runtime.observer import Observer
from ivr.runtime.ports import LegOrder, Voice
from ivr.runtime.snapshots import Snapshots

_log = structlog.get_logger("ivr.call")


HANGUP_PATIENCE: Final = 0.25
"""Seconds in which the news of a hangup follows the playback that it broke off."""


@dataclass(frozen=True, slots=True)
class Services:
    """What calls use; one for the whole process."""

    providers: Mapping[str, Provider]
    cashier: Cashier
    snapshots: Snapshots
    observer: Observer
    speak: Callable[[Sequence[Say], str], Sequence[str]]
    """What is to be said and the language -> media for the voice port."""
    trusted_trunks: frozenset[str]
    longest_call: float
    """Seconds after which a call is ended whatever it does."""


class _Leg(NamedTuple):
    """A leg that this process dialled, and the payment that goes over it."""

    trunk: str
    payment_id: str | None


class Call:
    """Drives one caller through one flow."""

    def __init__(self, voice: Voice, flow: Flow, session: Session, services: Services) -> None:
        self.session = session
        self.undecided: str | None = None
        """After the call: a payment of which somebody still has to find out what became of it."""
        self._voice = voice
        self._flow = flow
        self._services = services
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._legs: dict[int, _Leg] = {}
        self._key_at: float | None = None
        self._abandoned = False

    def emit(self, event: Event) -> None:
        """Put an event at the end of the queue."""
        if isinstance(event, Digit):
            self._key_at = time.perf_counter()
        if isinstance(event, PromptFinished) and event.failed:
            # A caller who hangs up breaks the playback off first: nothing may begin on behalf of who is gone.
            asyncio.get_running_loop().call_later(HANGUP_PATIENCE, self._events.put_nowait, event)
        else:
            self._events.put_nowait(event)

    async def run(self, first: Event) -> None:
        """Drive the call to its end. `first` is Answered for a new call, Resumed for one taken over."""
        # Whatever is logged on behalf of this call, by whichever part, says which call it was.
        with structlog.contextvars.bound_contextvars(call_id=self.session.call_id, flow=self._flow.name):
            await self._run(first)

    async def _run(self, first: Event) -> None:
        observer = self._services.observer
        observer.calls_now.inc()
        _log.info("call_resumed" if isinstance(first, Resumed) else "call_started", trunk=self._voice.info.trunk)
        overdue = asyncio.get_running_loop().call_later(self._services.longest_call, self._end_overdue)
        try:
            if isinstance(first, Answered):
                await self._voice.answer()
            await self._take(first)  # before whatever has come meanwhile: only then is the session this process's own
            while self.session.ended is None:
                await self._take(await self._events.get())
        except asyncio.CancelledError:
            # This process is going: the caller and the snapshot stay for the next one.
            self._abandoned = True
            raise
        except Exception:  # noqa: BLE001 - the failure step broke too: what is left is to hang up
            _log.exception("call_broke", step=self.session.step)
            self.session = fail(self._flow, self.session).session
            self.session.ended = "failed"
        finally:
            overdue.cancel()
            self._stop_timer()
            try:
                await (self._let_go() if self._abandoned else self._settle())
            finally:
                observer.calls_now.dec()
                if not self._abandoned:
                    observer.calls.labels(self._flow.name, self.session.ended).inc()
                _log.info("call_ended", how=self.session.ended or "left to the next process", step=self.session.step)

    def _end_overdue(self) -> None:
        _log.warning("call_too_long", step=self.session.step)
        self.emit(CallerHungUp())

    # -- one event ----------------------------------------------------------------------------------------------------

    async def _take(self, event: Event) -> None:
        try:
            await self._account(event)
            await self._carry_out(advance(self._flow, self.session, event))
        except IvrError as exc:
            # The port or the books cannot do it: the flow's failure step says so to the caller.
            _log.error("command_failed", step=self.session.step, error=str(exc))
            await self._carry_out(self._failed())
        except Exception:  # noqa: BLE001 - whatever broke, the caller must not be left in silence
            _log.exception("command_broke", step=self.session.step)
            await self._carry_out(self._failed())

    def _failed(self) -> Turn:
        self._services.observer.faults.labels(self._flow.name).inc()
        return fail(self._flow, self.session)

    async def _carry_out(self, turn: Turn) -> None:
        before, self.session = self.session, turn.session
        if turn.fault is not None:
            self._services.observer.faults.labels(self._flow.name).inc()
            _log.error("flow_fault", error=turn.fault, step=before.step)
        if turn.session.visit != before.visit or turn.session.leg != before.leg:
            _log.info("step", step=turn.session.step)
            if turn.session.ended is None:
                self._services.snapshots.put(turn.session)
        for command in turn.commands:
            await self._do(command)

    async def _account(self, event: Event) -> None:
        """What the books and the figures must know before the flow goes on."""
        match event:
            case PromptFinished(_, failed) if failed:
                self._services.observer.prompts_failed.inc()
                _log.error("prompt_failed", step=self.session.step)
            case LegAnswered():
                _log.info("leg_answered")
            case LegEnded(token, result, early_media):
                _log.info("leg_ended", result=result.value)
                leg = self._legs.pop(token, None)
                if leg is None:
                    return
                self._services.observer.legs.labels(leg.trunk, result.value).inc()
                if leg.payment_id is not None and result is not LegResult.ENDED and not early_media:
                    await self._leg_failed(leg.payment_id, result)
            case _:
                pass

    async def _leg_failed(self, payment_id: str, result: LegResult) -> None:
        try:
            await self._services.cashier.unsent(payment_id, result.value)
        except IvrError as exc:
            # It stands as sent, so somebody will inquire; the caller hears what became of the leg all the same.
            _log.error("entry_not_kept", payment_id=payment_id, error=str(exc))

    # -- one command --------------------------------------------------------------------------------------------------

    async def _do(self, command: Command) -> None:
        match command:
            case Play(token, say):
                await self._voice.play(token, self._services.speak(say, self.session.language))
                if self._key_at is not None:
                    self._services.observer.post_key_seconds.observe(time.perf_counter() - self._key_at)
                    self._key_at = None
            case StopPlaying(token):
                await self._voice.stop(token)
            case StartTimer(token, seconds):
                self._stop_timer()
                self._timer = asyncio.get_running_loop().call_later(seconds, self.emit, TimerFired(token))
            case StopTimer():
                self._stop_timer()
            case AskProvider():
                self._key_at = None  # the provider's time is its own histogram
                self._spawn(self._ask(command))
            case ReadHeaders(token, names):
                await self._read_headers(token, names)
            case Dial():
                await self._dial(command)
            case HangUp(cause):
                await self._voice.hang_up(cause)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    async def _read_headers(self, token: int, names: Sequence[str]) -> None:
        if self._voice.info.trunk not in self._services.trusted_trunks:
            _log.warning("headers_ignored", trunk=self._voice.info.trunk)
            self.emit(HeadersRead(token, False, {}))
            return
        self.emit(HeadersRead(token, True, await self._voice.headers(names)))

    async def _dial(self, command: Dial) -> None:
        order = command.payment
        if order is not None:
            await self._services.snapshots.flush(self.session)
            go = await self._services.cashier.before_sending(order, self.session.call_id)
            if go is Go.SENT_BEFORE:
                self.emit(LegEnded(command.token, LegResult.ENDED))
                return
            if go is Go.REFUSED:
                self.emit(LegEnded(command.token, LegResult.BUSY))
                return
        self._legs[command.token] = _Leg(command.trunk, order.id if order is not None else None)
        leg = LegOrder(
            leg_id=f"{self.session.call_id}.leg{command.token}",
            trunk=command.trunk,
            number=command.number,
            caller_id=command.caller_id,
            headers=command.headers,
            answer_timeout=command.answer_timeout,
        )
        try:
            await self._voice.dial(command.token, leg)
        except IvrError as exc:
            _log.error("dial_failed", trunk=command.trunk, error=str(exc))
            self.emit(LegEnded(command.token, LegResult.UNREACHABLE))

    # -- providers ----------------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, command: AskProvider) -> None:
        try:
            reply = await self._reply(command)
        except IvrError as exc:
            # The books did not take it: the caller must not hear what nobody has written down.
            _log.error("answer_not_kept", operation=command.operation, error=str(exc))
            reply = Reply(UNKNOWN)
        except Exception:  # noqa: BLE001 - a provider client's bug is an answer that nobody knows, not a dead call
            _log.exception("provider_broke", provider=command.provider, operation=command.operation)
            reply = Reply(UNKNOWN)
        _log.info("provider_replied", operation=command.operation, exit=reply.exit)
        self.emit(ProviderReplied(command.token, reply.exit, reply.values))

    async def _reply(self, command: AskProvider) -> Reply:
        """The answer, written down before anybody hears it."""
        cashier = self._services.cashier
        if command.provider == BOOKS:
            return await self._ask_books(command)
        if command.payment is not None:
            await self._services.snapshots.flush(self.session)
            go = await cashier.before_sending(command.payment, self.session.call_id)
            if go is not Go.SEND:
                return Reply(UNKNOWN)
        about = command.payment.id if command.payment else command.payment_id
        try:
            reply = await self._services.providers[command.provider].ask(command.operation, command.arguments)
        except BadInput as exc:
            # Nothing was sent for it; a flow whose values do not fit is a fault to be mended.
            _log.error("provider_not_asked", operation=command.operation, error=str(exc))
            if command.payment is not None:
                await cashier.unsent(command.payment.id, "not asked")
            return Reply(UNKNOWN)
        except ProviderUnreachable:
            if command.payment is not None:
                await cashier.unsent(command.payment.id, UNREACHABLE)
            return Reply(UNREACHABLE)
        except OutcomeUnknown:
            if command.payment is not None:
                await cashier.unanswered(command.payment.id, UNKNOWN)
            return Reply(UNKNOWN)
        if about is not None:
            await cashier.answered(about, reply)
        return reply

    async def _ask_books(self, command: AskProvider) -> Reply:
        amount = command.arguments.get("amount")
        return Reply(
            await self._services.cashier.check_invoice(
                str(command.arguments["provider"]),
                str(command.arguments["invoice_id"]),
                amount if isinstance(amount, int) else None,
            )
        )

    # -- the end ------------------------------------------------------------------------------------------------------

    async def _settle(self) -> None:
        """The caller is gone: let questions about money end, and leave nothing undecided without an owner."""
        session = self.session
        if session.ended != "hung_up":
            try:
                await self._voice.hang_up(HangupCause.NORMAL)
            except IvrError as exc:
                _log.error("not_hung_up", error=str(exc))
        while not self._events.empty():
            # A leg that was ordered for a caller who had just gone was never dialled, and says so after the hangup.
            if isinstance(event := self._events.get_nowait(), LegEnded):
                await self._account(event)
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if session.payment is not None:
            try:
                undecided = await self._services.cashier.undecided(session.payment)
            except IvrError as exc:
                _log.error("not_settled", payment_id=session.payment, error=str(exc))
                undecided = True
            self.undecided = session.payment if undecided else None
        self._services.snapshots.forget(session.call_id)

    async def _let_go(self) -> None:
        """The next process goes on with the caller; what was asked on their behalf is asked again by it."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self.session.leg is None:
            try:
                await self._voice.release()
            except IvrError as exc:
                _log.error("not_released", error=str(exc))
