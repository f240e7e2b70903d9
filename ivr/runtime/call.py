"""One call: events in, the session advances, its commands go out.

Laws:
- Events are taken one after the other in the order they came, each as soon as it comes; they wait, and none is
  dropped, only while the books are asked about this call's money.
- The session is saved before money moves, and after every step.
- Whatever breaks here ends in the flow's failure step, or at least in a hangup; a caller is never left in silence.
- A question about money runs to its end even when the caller has hung up.
"""

import asyncio
import contextvars
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final, NamedTuple

import structlog

from ivr.domain.errors import IvrError
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.operations import UNKNOWN
from ivr.flow.commands import (
    AskProvider,
    Command,
    Dial,
    Guard,
    HangUp,
    Notify,
    PaymentOrder,
    Play,
    ReadHeaders,
    Record,
    StartTimer,
    StopPlaying,
    StopRecording,
    StopTimer,
    Transfer,
)
from ivr.flow.engine import Turn, advance, deserves_more_time, fail, with_people
from ivr.flow.events import (
    Answered,
    CallTooLong,
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
from ivr.flow.progress import progress
from ivr.flow.session import Session
from ivr.payments.port import Reply
from ivr.runtime.alarm import Alarm
from ivr.runtime.brought import Values
from ivr.runtime.cashier import Go
from ivr.runtime.ports import LegOrder, Notice, RecordOrder, TransferOrder, Voice
from ivr.runtime.questions import ask, may_dial
from ivr.runtime.services import Services

_log = structlog.get_logger("ivr.call")


HANGUP_PATIENCE: Final = 0.25
"""Seconds in which the news of a hangup follows the playback that it broke off."""

OVERDUE_GRACE: Final = 30.0
"""Seconds that a call which was ended for its length has to end by itself, its last words included."""

EXTRA_FOR_PAYMENT: Final = 300.0
"""Seconds that a call may last longer, once, while the caller pays, hears what became of it, or talks to somebody."""

LONGEST_OVERTIME: Final = EXTRA_FOR_PAYMENT + OVERDUE_GRACE
"""Seconds after its longest time by which every call is over."""

_Slow = Coroutine[Any, Any, None]
"""What has to be waited for before the next event is taken."""


NOT_TRIED: Final = "not_tried"
"""The outcome of a call in which nothing was sent."""


class Afterwards(NamedTuple):
    """What follows when a call's flow hangs up: another flow with its settings, and what it still knows."""

    flow: Flow
    settings: Mapping[str, str]
    keeps: frozenset[str]


class _Leg(NamedTuple):
    """A leg that this process dialled, and the payment that goes over it."""

    trunk: str
    payment_id: str | None


class Call:
    """Drives one caller through one flow."""

    def __init__(
        self,
        voice: Voice,
        flow: Flow,
        session: Session,
        services: Services,
        *,
        bring: Callable[[], Awaitable[Values]] | None = None,
        afterwards: "Afterwards | None" = None,
    ) -> None:
        """`bring`: asked once, before the first step, for what the call brings along. `afterwards`: what follows when
        the flow hangs up.
        """
        self.session = session
        self._bring = bring
        self.afterwards = afterwards
        self.undecided: str | None = None
        """After the call: a payment of which somebody still has to find out what became of it."""
        self._voice = voice
        self.flow = flow
        self._services = services
        self._events: deque[Event] = deque()
        self._busy = True
        """Something is being done that the next event has to wait for; at first the answering."""
        self._over = asyncio.Event()
        self._context = contextvars.copy_context()
        self._overdue: asyncio.TimerHandle
        """Ends the call for its length, and then for not having ended. It stands still while people talk."""
        self._time_left: float | None = None
        """Seconds that it had left when the caller was handed to one of our own people."""
        self._alarm = Alarm(lambda token: self.emit(TimerFired(token)))
        self._tasks: set[asyncio.Task[None]] = set()
        self._charges: set[asyncio.Task[None]] = set()
        """Those of them that move money."""
        self._legs: dict[int, _Leg] = {}
        self._path: list[str] = []
        self._decided: str | None = None
        self._key_at: float | None = None
        self._had_extra_time = False
        self._abandoned = False

    def emit(self, event: Event) -> None:
        """Put an event at the end of the queue; if nothing is ahead of it, it is taken before this returns."""
        if isinstance(event, Digit):
            self._key_at = time.perf_counter()
        if isinstance(event, PromptFinished) and event.failed:
            # A caller who hangs up breaks the playback off first: nothing may begin on behalf of who is gone.
            asyncio.get_running_loop().call_later(HANGUP_PATIENCE, self._put, event)
        else:
            self._put(event)

    def _put(self, event: Event) -> None:
        self._events.append(event)
        if not self._busy:
            self._context.run(self._take_all)

    async def run(self, first: Event) -> None:
        """Drive the call to its end. `first` is Answered for a new call, Resumed for one taken over."""
        # Whatever is logged on behalf of this call, by whichever part, says which call it was.
        with structlog.contextvars.bound_contextvars(call_id=self.session.call_id, flow=self.flow.name):
            self._context = contextvars.copy_context()
            await self._run(first)

    async def _run(self, first: Event) -> None:
        observer = self._services.observer
        observer.calls_now.inc()
        _log.info("call_resumed" if isinstance(first, Resumed) else "call_started", trunk=self._voice.info.trunk)
        began = time.perf_counter()
        self._overdue = asyncio.get_running_loop().call_later(self._services.longest_call, self._end_overdue)
        try:
            if isinstance(first, Answered):
                self._voice.answer()
            if self._bring is not None:
                self.session.answers = {**self.session.answers, **await self._bring()}
            self._events.appendleft(first)  # before whatever has come meanwhile: only then is the session our own
            self._context.run(self._take_all)
            await self._over.wait()
        except asyncio.CancelledError:
            # This process is going: the caller and the snapshot stay for the next one.
            self._abandoned = True
            raise
        except Exception:  # noqa: BLE001 - not even answered: what is left is to hang up
            self._give_up()
        finally:
            self._busy = True
            self._overdue.cancel()
            self._alarm.stop()
            try:
                await (self._let_go() if self._abandoned else self._settle())
            finally:
                observer.calls_now.dec()
                if not self._abandoned:
                    observer.calls.labels(self.flow.name, self.session.ended).inc()
                # One line that says all: what each step was is told while it happens only to who asks for debug lines.
                _log.info(
                    "call_ended",
                    how=self.session.ended or "left to the next process",
                    step=self.session.step,
                    steps=" ".join(self._path),
                    seconds=round(time.perf_counter() - began, 1),
                )

    def _end_overdue(self) -> None:
        if deserves_more_time(self.session) and not self._had_extra_time:
            self._had_extra_time = True
            _log.warning("call_gets_extra_time", step=self.session.step)
            self._overdue = asyncio.get_running_loop().call_later(EXTRA_FOR_PAYMENT, self._end_overdue)
            return
        _log.warning("call_too_long", step=self.session.step)
        self.emit(CallTooLong())
        self._overdue = asyncio.get_running_loop().call_later(OVERDUE_GRACE, self._cut_off)

    def _keep_time(self, talking: bool) -> None:
        """Stop the clock while the caller is with one of our own people."""
        loop = asyncio.get_running_loop()
        if talking and self._time_left is None:
            self._time_left = max(0.0, self._overdue.when() - loop.time())
            self._overdue.cancel()
        elif not talking and self._time_left is not None:
            self._overdue = loop.call_later(self._time_left, self._end_overdue)
            self._time_left = None

    def _cut_off(self) -> None:
        """Not even that was taken: something that takes time never ended."""
        if not self._over.is_set():
            self._give_up()

    # -- one event ----------------------------------------------------------------------------------------------------

    def _take_all(self) -> None:
        """Take what waits, until something takes time or the call is over."""
        self._busy = True
        try:
            while self._events and self.session.ended is None:
                if (slow := self._take(self._events.popleft())) is not None:
                    self._spawn(self._finish(slow))
                    return
        except Exception:  # noqa: BLE001 - beneath every other net: a call that takes no event would never end
            self._give_up()
        if self.session.ended is None:
            self._busy = False
        else:
            self._over.set()

    async def _finish(self, slow: _Slow) -> None:
        left: _Slow | None = slow
        while left is not None:
            try:
                await left
                left = None
            except Exception as exc:  # noqa: BLE001 - whatever broke, the caller must not be left in silence
                left = self._broke(exc)
        self._take_all()

    def _take(self, event: Event) -> _Slow | None:
        """Returns what is left to do if that takes time."""
        try:
            if (accounting := self._account(event)) is not None:
                return self._advance_after(accounting, event)
            return self._carry_out(advance(self.flow, self.session, event))
        except Exception as exc:  # noqa: BLE001 - as above
            return self._broke(exc)

    async def _advance_after(self, accounting: _Slow, event: Event) -> None:
        await accounting
        if (slow := self._carry_out(advance(self.flow, self.session, event))) is not None:
            await slow

    def _broke(self, exc: Exception) -> _Slow | None:
        """The port or the books cannot do it, or a bug: the flow's failure step says so to the caller."""
        try:
            if isinstance(exc, IvrError):
                _log.error("command_failed", step=self.session.step, error=str(exc))
            else:
                _log.error("command_broke", step=self.session.step, exc_info=exc)
            self._services.observer.faults.labels(self.flow.name).inc()
            return self._carry_out(fail(self.flow, self.session))
        except Exception:  # noqa: BLE001 - the failure step broke too
            self._give_up()
            return None

    def _give_up(self) -> None:
        """What is left is to hang up, and `_settle` does. Nothing here raises."""
        self.session = self.session.copy()
        self.session.ended = "failed"
        self._over.set()
        _log.error("call_broke", step=self.session.step, exc_info=True)

    def _carry_out(self, turn: Turn) -> _Slow | None:
        before, self.session = self.session, turn.session
        if turn.fault is not None:
            self._services.observer.faults.labels(self.flow.name).inc()
            _log.error("flow_fault", error=turn.fault, step=before.step)
        moved = turn.session.visit != before.visit
        if moved:
            self._path.append(turn.session.step)
            _log.debug("step", step=turn.session.step)
        if (moved or turn.session.leg != before.leg) and turn.session.ended is None:
            self._services.snapshots.put(turn.session)
        self._keep_time(with_people(self.flow, turn.session))
        if self._voice.info.assisted:
            self._show_progress()
        return self._do_all(iter(turn.commands))

    def _show_progress(self) -> None:
        watch, agent = self._services.watch, self._voice.info.agent
        if watch is not None and agent is not None:
            watch(agent, progress(self.flow, self.session))

    def _do_all(self, commands: Iterator[Command]) -> _Slow | None:
        for command in commands:
            if (slow := self._do(command)) is not None:
                return self._do_after(slow, commands)
        return None

    async def _do_after(self, slow: _Slow, commands: Iterator[Command]) -> None:
        await slow
        if (more := self._do_all(commands)) is not None:
            await more

    def _account(self, event: Event) -> Coroutine[Any, Any, None] | None:
        """What the books and the figures must know before the flow goes on. Returns what has to be waited for."""
        match event:
            case PromptFinished(_, failed) if failed:
                self._services.observer.prompts_failed.inc()
                _log.error("prompt_failed", step=self.session.step)
            case LegAnswered():
                _log.debug("leg_answered")
            case LegEnded(token, result, early_media):
                _log.info("leg_ended", result=result.value)
                leg = self._legs.pop(token, None)
                if leg is None:
                    return None
                self._services.observer.legs.labels(leg.trunk, result.value).inc()
                if leg.payment_id is not None and result is not LegResult.ENDED and not early_media:
                    return self._leg_failed(leg.payment_id, result)
            case _:
                pass
        return None

    async def _leg_failed(self, payment_id: str, result: LegResult) -> None:
        try:
            await self._services.cashier.unsent(payment_id, result.value)
        except IvrError as exc:
            # The caller hears what became of the leg all the same, and meanwhile it is tried again. Until it is written
            # it stands as sent, and somebody will inquire.
            _log.error("entry_not_kept", payment_id=payment_id, error=str(exc))
            self._spawn(self._note_unsent(payment_id, result), charges=True)

    async def _note_unsent(self, payment_id: str, result: LegResult) -> None:
        cashier = self._services.cashier
        with suppress(IvrError):
            await cashier.insist(partial(cashier.unsent, payment_id, result.value))

    # -- one command --------------------------------------------------------------------------------------------------

    def _do(self, command: Command) -> _Slow | None:
        """Returns what is left to do if that takes time."""
        match command:
            case Play(token, say) if not say:
                self.emit(PromptFinished(token))  # it was for a screen
            case Play(token, say):
                self._voice.play(token, self._services.speak(say, self.session.language))
                if self._key_at is not None:
                    self._services.observer.post_key_seconds.observe(time.perf_counter() - self._key_at)
                    self._key_at = None
            case StopPlaying(token):
                self._voice.stop(token)
            case StartTimer(token, seconds):
                self._alarm.set(token, seconds)
            case StopTimer():
                self._alarm.clear()
            case AskProvider():
                self._key_at = None  # the provider's time is its own histogram
                self._spawn(self._ask(command), charges=command.payment is not None)
            case ReadHeaders(token, names):
                return self._read_headers(token, names)
            case Record(token, longest, silence, finish_key, beep):
                self._voice.record(token, RecordOrder(longest, silence, finish_key, beep))
            case StopRecording(token):
                self._voice.stop_recording(token)
            case Notify(target, id_, event, values):
                session = self.session
                self._services.notify(Notice(target, id_, event, session.call_id, session.flow, values))
            case Guard(privacy):
                return self._voice.guard(privacy)
            case Transfer():
                return self._keep_and_transfer(command)
            case Dial():
                if command.payment is not None:
                    return self._pay_by_dialling(command, command.payment)
                return self._keep_and_dial(command)
            case HangUp(cause):
                if (afterwards := self.afterwards) is not None:
                    self.afterwards = None
                    return self._go_on(afterwards)
                self._voice.hang_up(cause)
        return None

    async def _read_headers(self, token: int, names: Sequence[str]) -> None:
        if self._voice.info.trunk not in self._services.trusted_trunks:
            _log.warning("headers_ignored", trunk=self._voice.info.trunk)
            self.emit(HeadersRead(token, False, {}))
            return
        self.emit(HeadersRead(token, True, await self._voice.headers(names)))

    async def _keep_and_dial(self, command: Dial) -> None:
        await self._keep()
        self._dial(command)

    async def _keep(self) -> None:
        """The next process must know of the leg: it would find it up, and dial once more."""
        try:
            await self._services.snapshots.flush(self.session)
        except IvrError as exc:
            _log.error("snapshots_not_written", error=str(exc))

    async def _keep_and_transfer(self, command: Transfer) -> None:
        await self._keep()
        _log.info("transferred", agent=command.agent, queue=command.queue)
        tell = self._services.speak(command.tell, command.language)
        self._voice.transfer(command.token, TransferOrder(command.agent, command.queue, tell, command.wait))

    async def _pay_by_dialling(self, command: Dial, order: PaymentOrder) -> None:
        await self._services.snapshots.flush(self.session)
        go = await self._services.cashier.before_sending(order, self.session.call_id)
        if go is Go.SENT_BEFORE:
            self.emit(LegEnded(command.token, LegResult.ENDED))
        elif go is Go.REFUSED or not await may_dial(order, self._services):
            self.emit(LegEnded(command.token, LegResult.BEING_PAID))
        else:
            self._dial(command)

    def _dial(self, command: Dial) -> None:
        order = command.payment
        self._legs[command.token] = _Leg(command.trunk, order.id if order is not None else None)
        leg = LegOrder(
            leg_id=f"{self._voice.info.call_id}.leg{command.token}",
            trunk=command.trunk,
            number=command.number,
            caller_id=command.caller_id,
            headers=command.headers,
            answer_timeout=command.answer_timeout,
        )
        try:
            self._voice.dial(command.token, leg)
        except IvrError as exc:
            _log.error("dial_failed", trunk=command.trunk, error=str(exc))
            self.emit(LegEnded(command.token, LegResult.UNREACHABLE))

    # -- providers ----------------------------------------------------------------------------------------------------

    def _spawn(self, work: Coroutine[Any, Any, None], *, charges: bool = False) -> None:
        task = asyncio.create_task(work)
        if charges:
            self._charges.add(task)
            task.add_done_callback(self._charges.discard)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, command: AskProvider) -> None:
        try:
            reply, decided = await ask(command, self.session, self._services)
            if decided:
                self._decided = command.payment.id if command.payment else command.payment_id
        except IvrError as exc:
            # The books did not take it: the caller must not hear what nobody has written down.
            _log.error("answer_not_kept", operation=command.operation, error=str(exc))
            reply = Reply(UNKNOWN)
        except Exception:  # noqa: BLE001 - a provider client's bug is an answer that nobody knows, not a dead call
            _log.exception("provider_broke", provider=command.provider, operation=command.operation)
            reply = Reply(UNKNOWN)
        self.emit(ProviderReplied(command.token, reply.exit, reply.values))

    # -- the end ------------------------------------------------------------------------------------------------------

    async def _go_on(self, afterwards: "Afterwards") -> None:
        """The flow is done, and the caller goes back to who sent them: another flow, in the same call."""
        old = self.session
        outcome = await self._outcome()
        answers = {name: old.answers[name] for name in afterwards.keeps if name in old.answers}
        self.flow = afterwards.flow
        self.session = Session(
            old.call_id,
            self.flow.name,
            old.version,
            old.language,
            self.flow.first,
            visit=old.visit + 1,  # so that no id of the first flow is given out again
            token=old.token,
            answers={**answers, **afterwards.settings, "outcome": outcome},
            payment=old.payment,
            guarded=old.guarded,
        )
        self._path.append(f"[{self.flow.name}]")
        _log.info("goes_on", flow=self.flow.name, outcome=outcome)
        if (slow := self._carry_out(advance(self.flow, self.session, Resumed()))) is not None:
            await slow

    async def _outcome(self) -> str:
        """What became of the call's payment, as the books have it."""
        if self.session.payment is None:
            return NOT_TRIED
        try:
            return await self._services.cashier.outcome(self.session.payment)
        except Exception as exc:  # noqa: BLE001 - the flow has ended: nothing else would tell the caller anything
            _log.error("outcome_not_read", payment_id=self.session.payment, error=type(exc).__name__)
            return UNKNOWN

    async def _settle(self) -> None:
        """The caller is gone: let questions about money end, and leave nothing undecided without an owner."""
        session = self.session
        if session.ended != "hung_up":
            try:
                self._voice.hang_up(HangupCause.NORMAL)
            except IvrError as exc:
                _log.error("not_hung_up", error=str(exc))
        while self._events:
            # A leg that was ordered for a caller who had just gone was never dialled, and says so after the hangup.
            event = self._events.popleft()
            if isinstance(event, LegEnded) and (accounting := self._account(event)) is not None:
                await accounting
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)
        if session.payment is not None and session.payment != self._decided:
            try:
                undecided = await self._services.cashier.undecided(session.payment)
            except IvrError as exc:
                _log.error("not_settled", payment_id=session.payment, error=str(exc))
                undecided = True
            self.undecided = session.payment if undecided else None
        self._services.snapshots.forget(session.call_id)

    async def _let_go(self) -> None:
        """The next process goes on with the caller; what was asked on their behalf is asked again by it."""
        for task in self._tasks - self._charges:
            task.cancel()
        await asyncio.gather(
            *self._tasks, return_exceptions=True
        )  # an answer about money is waited for and written down
        if self.session.leg is None:
            try:
                await self._voice.release()
            except IvrError as exc:
                _log.error("not_released", error=str(exc))
