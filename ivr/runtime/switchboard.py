"""All calls of this process: new ones begin, living ones of a dead process go on, ended ones are let go.

Law: a caller who cannot be served is told so by the network (a refused call) and never left ringing or silent; a living
channel that nobody drives is either taken over or hung up.
"""

import asyncio
from collections.abc import Callable

import structlog

from ivr.domain.errors import IvrError
from ivr.domain.legs import HangupCause
from ivr.flow.events import Answered, Event, Resumed
from ivr.flow.model import Dialplan, Flow
from ivr.flow.session import Session
from ivr.runtime.call import Call, Services
from ivr.runtime.ports import Emit, Voice

_log = structlog.get_logger("ivr.switchboard")


class Switchboard:
    """Knows every call that this process drives."""

    def __init__(
        self,
        dialplan: Dialplan,
        services: Services,
        *,
        most_calls: int,
        nudge: Callable[[str, str], None],
    ) -> None:
        """`nudge` is told the id of a payment left undecided, and why."""
        self.dialplan = dialplan
        self._services = services
        self._most_calls = most_calls
        self._nudge = nudge
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._draining = False
        self.left: dict[str, str] = {}
        """Snapshots that an earlier process left, of callers who may come again."""

    def __len__(self) -> int:
        return len(self._calls)

    def is_live(self, payment_id: str) -> bool:
        """Whether a call of ours still looks after this payment (ids begin with their call's)."""
        return payment_id.rpartition(".")[0] in self._calls

    def accept(self, voice: Voice) -> Emit:
        """A new caller; returns where the caller's events go."""
        info = voice.info
        if self._draining:
            return self._send_back(voice)
        if (snapshot := self.left.pop(info.call_id, None)) is not None:
            return self.resume(voice, snapshot, None)
        number = self.dialplan.number(info.dialled_number, info.trunk)
        if number is None:
            return self._refuse(voice, "no_such_number", HangupCause.UNAVAILABLE)
        if len(self._calls) >= self._most_calls:
            return self._refuse(voice, "full", HangupCause.BUSY)
        flow = self.dialplan.flows[number.flow]
        answers: dict[str, str | int] = {"dialled_number": info.dialled_number, **number.settings}
        if info.caller_number is not None:
            answers["caller_number"] = info.caller_number
        session = Session(info.call_id, flow.name, flow.version, number.language, flow.first, answers=answers)
        return self._drive(voice, flow, session, Answered())

    def resume(self, voice: Voice, snapshot: str | None, leg: int | None) -> Emit:
        """A living caller of a dead process; `leg` is the token of a dialled leg that is still up."""
        session = _restored(snapshot)
        if session is None or session.flow not in self.dialplan.flows:
            return self.accept(voice)
        self._services.observer.takeovers.inc()
        flow = self.dialplan.flows[session.flow]
        return self._drive(voice, flow, session, Resumed(leg))

    def forget_others(self, *, but_talking: bool = False) -> None:
        """Snapshots whose callers are gone: nobody will come back for them.

        `but_talking`: a caller who was talking to somebody may still come back, and then wants to hear how it went.
        """
        left, self.left = self.left, {}
        for call_id in left.keys() - self._calls.keys():
            session = _restored(left[call_id])
            if session is not None and session.payment is not None:
                self._nudge(session.payment, "caller gone while nobody drove the call")
            if but_talking and session is not None and session.leg is not None:
                self.left[call_id] = left[call_id]
                continue
            self._services.snapshots.forget(call_id)

    async def drain(self, seconds: float) -> None:
        """Take no more calls, and let those that go on end by themselves for so long. Callers who remain wait in
        Asterisk for the next process; those who are talking to somebody go on talking.
        """
        self._draining = True
        if self._calls:
            await asyncio.wait(list(self._calls.values()), timeout=seconds)
        for task in list(self._calls.values()):
            task.cancel()
        await asyncio.gather(*self._calls.values(), return_exceptions=True)

    def _drive(self, voice: Voice, flow: Flow, session: Session, first: Event) -> Emit:
        call = Call(voice, flow, session, self._services)
        task = asyncio.create_task(self._run(call, first), name=f"call {session.call_id}")
        self._calls[session.call_id] = task
        return call.emit

    async def _run(self, call: Call, first: Event) -> None:
        try:
            await call.run(first)
        finally:
            self._calls.pop(call.session.call_id, None)
            if call.undecided is not None:
                self._nudge(call.undecided, f"call ended: {call.session.ended}")

    def _refuse(self, voice: Voice, why: str, cause: HangupCause) -> Emit:
        self._services.observer.refused.labels(why).inc()
        _log.warning("call_refused", call_id=voice.info.call_id, why=why, trunk=voice.info.trunk)
        voice.hang_up(cause)
        return _ignore

    def _send_back(self, voice: Voice) -> Emit:
        """The caller waits in Asterisk for the next process."""
        task = asyncio.create_task(_release(voice))
        self._calls[voice.info.call_id] = task
        task.add_done_callback(lambda _: self._calls.pop(voice.info.call_id, None))
        return _ignore


def _ignore(event: Event) -> None:
    """The caller is not driven."""


async def _release(voice: Voice) -> None:
    try:
        await voice.release()
    except IvrError as exc:
        _log.error("not_released", call_id=voice.info.call_id, error=str(exc))


def _restored(snapshot: str | None) -> Session | None:
    if snapshot is None:
        return None
    try:
        return Session.restore(snapshot)
    except (ValueError, TypeError) as exc:
        _log.error("snapshot_unreadable", error=type(exc).__name__)
        return None
