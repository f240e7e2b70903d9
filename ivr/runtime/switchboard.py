"""All calls of this process: new ones begin, living ones of a dead process go on, ended ones are let go.

Law: a caller who cannot be served is told so by the network (a refused call) and never left ringing or silent; a living
channel that nobody drives is either taken over or hung up.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Final

import structlog

from ivr.domain.call_id import safe_call_id
from ivr.domain.errors import IvrError
from ivr.domain.legs import HangupCause
from ivr.domain.phone import mobile
from ivr.flow.events import Answered, Event, LegEnded, Resumed
from ivr.flow.model import Detour, DialledNumber, Dialplan, Flow, Key
from ivr.flow.numbers import AGENTS
from ivr.flow.session import Session
from ivr.runtime.brought import Values, brought, may_bring
from ivr.runtime.call import Afterwards, Call
from ivr.runtime.ports import ANY_VISIT, CallInfo, Emit, Voice
from ivr.runtime.services import Services

_log = structlog.get_logger("ivr.switchboard")


TOKENS_A_CALL: Final = 1_000_000_000
"""Each time an agent sends a caller to one of our numbers, the new call counts its tokens from the next multiple: what
is named by channel and token (a playback, a leg) is named once for ever."""


KEPT_AFTERWARDS: Final = frozenset({"caller_number", "dialled_number", "call_id", "agent"})
"""What a flow of `afterwards` knows besides the outcome and its settings."""


MOVED_LEAP: Final = TOKENS_A_CALL // 2
"""Where the tokens of a call go on that changes its channel."""


class Switchboard:
    """Knows every call that this process drives."""

    def __init__(
        self,
        dialplan: Dialplan,
        services: Services,
        *,
        most_calls: int,
        nudge: Callable[[str, str], None],
        clock: Callable[[], float],
    ) -> None:
        """`nudge` is told the id of a payment left undecided, and why. `clock`: seconds since 1970; opening hours."""
        self.dialplan = dialplan
        self._services = services
        self._most_calls = most_calls
        self._nudge = nudge
        self._clock = clock
        self._calls: dict[str, asyncio.Task[None]] = {}
        self._driven: dict[str, Call] = {}
        self._taken: Counter[Key] = Counter()
        """Calls that go on, by the entry of numbers.yaml; those on a detour are not counted."""
        self._draining = False
        self.left: dict[str, str] = {}
        """Snapshots that an earlier process left, of callers who may come again."""
        self._earlier: dict[str, Dialplan] = {}
        """By version, the dialplans with which those callers began."""

    def __len__(self) -> int:
        return len(self._calls)

    def is_live(self, payment_id: str) -> bool:
        """Whether a call of ours still looks after this payment (ids begin with their call's)."""
        return payment_id.rpartition(".")[0] in self._calls

    def drives(self, session_id: str) -> bool:
        """Whether a call of this name goes on."""
        return session_id in self._calls

    def change(self, dialplan: Dialplan) -> None:
        """New calls begin on this one; every other call goes on with the flow that it has."""
        if self.left:
            self._earlier[self.dialplan.version] = self.dialplan
        self.dialplan = dialplan

    async def expect(self, left: Mapping[str, str], find: Callable[[str], Awaitable[Dialplan | None]]) -> None:
        """Callers of a dead process may come; `left`: their snapshots. `find` gives the dialplan of a version."""
        self.left = dict(left)
        sessions = filter(None, map(_restored, left.values()))
        for version in sorted({session.version for session in sessions} - {self.dialplan.version}):
            if (dialplan := await find(version)) is not None:
                self._earlier[version] = dialplan

    def accept(self, voice: Voice) -> Emit:
        """A new caller; returns where the caller's events go."""
        info = voice.info
        if self._draining:
            return self._send_back(voice)
        if (snapshot := self.left.pop(info.session_id, None)) is not None:
            return self.resume(voice, snapshot, None)
        if info.back is not None:
            return self._refuse(voice, "came_back_unknown", HangupCause.NORMAL)
        number = self.dialplan.number(info.dialled_number, info.trunk)
        if number is None:
            return self._refuse(voice, "no_such_number", HangupCause.UNAVAILABLE)
        if len(self._calls) >= self._most_calls:
            return self._refuse(voice, "full", HangupCause.BUSY)
        moment = datetime.fromtimestamp(self._clock(), UTC)
        if (turned_away := number.instead(moment, self._taken[number.key])) is None:
            return self._begin(voice, number, None)
        why, instead = turned_away
        if not isinstance(instead, Detour):
            return self._refuse(voice, why, instead)
        self._services.observer.refused.labels(why).inc()
        return self._begin(voice, number, instead)

    def resume(self, voice: Voice, snapshot: str | None, leg: int | None) -> Emit:
        """A living caller of a dead process; `leg` is the token of a dialled leg that is still up.

        Neither opening hours nor a full house end a call that had begun.
        """
        number = self.dialplan.number(voice.info.dialled_number, voice.info.trunk)
        if voice.info.visit == ANY_VISIT:
            snapshot = self._of_any_visit(voice.info.call_id)
        session = _restored(snapshot)
        if session is None and voice.info.assisted:
            voice.hang_up(HangupCause.NORMAL)  # the flow was over: they go on talking
            return _ignore
        dialplan = self._began_with(session) if session is not None else None
        if session is None or dialplan is None:
            if number is None:
                return self._refuse(voice, "no_such_number", HangupCause.UNAVAILABLE)
            return self._begin(voice, number, None)
        self._services.observer.takeovers.inc()
        number = dialplan.number(str(session.answers.get("dialled_number", "")), voice.info.trunk)
        detours = {detour.flow for detour in number.detours} if number is not None else set()
        key = number.key if number is not None and session.flow not in detours else None
        back = voice.info.back  # news of a transfer; known already when the call has gone on since
        news = back is not None and back.token == session.leg
        first = LegEnded(back.token, back.result) if back is not None and news else Resumed(leg)
        afterwards = _afterwards(dialplan, number, session) if key is not None else None
        return self._drive(voice, dialplan.flows[session.flow], session, first, key, afterwards=afterwards)

    def replace(self, voice: Voice, replaced: CallInfo) -> Emit:
        """A caller comes in the place of an agent who called for them: the agent's call goes on with the caller, who
        hears the step that it is in from its beginning; unless it asks for their number, which is known now.
        """
        before = self._driven.pop(replaced.session_id, None)
        task = self._calls.get(replaced.session_id)
        if before is None or task is None or before.session.ended is not None or before.session.leg is not None:
            return self._refuse(voice, "call_is_over", HangupCause.NORMAL)
        task.cancel()
        self._services.snapshots.forget(replaced.session_id)
        session = before.session.copy()
        session.call_id = voice.info.session_id
        session.token += MOVED_LEAP
        session.leg = None
        answers = {name: value for name, value in session.answers.items() if name != "caller_number"}
        learnt: frozenset[str] = frozenset()
        if voice.info.caller_number is not None:
            answers["caller_number"] = voice.info.caller_number
            learnt = frozenset({"caller_number"})
        session.answers = answers
        session.payer = mobile(voice.info.caller_number or "") or ""
        session.guarded = session.guarded or self._services.can_guard
        afterwards = before.afterwards
        if not session.goes_back:  # it was the agent's own call until now
            session.goes_back = True
            number = self.dialplan.number(str(answers.get("dialled_number", "")), AGENTS)
            if number is not None and number.flow == before.flow.name:
                afterwards = _afterwards(self.dialplan, number, session)
        self._services.snapshots.put(session)
        return self._drive(voice, before.flow, session, Resumed(learnt=learnt), None, afterwards=afterwards)

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
        if not self.left:
            self._earlier.clear()

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

    def _of_any_visit(self, call_id: str) -> str | None:
        """The snapshot of a caller who was given an agent's place."""
        names = [name for name in self.left if name.startswith(f"{call_id}~")]
        return self.left.pop(names[-1]) if names else None

    def _began_with(self, session: Session) -> Dialplan | None:
        """The version that the call began with, or today's where that cannot be had; None when its flow is gone."""
        dialplan = self.dialplan
        if session.version != dialplan.version:
            if (earlier := self._earlier.get(session.version)) is not None:
                dialplan = earlier
            else:
                _log.warning("version_gone", call_id=session.call_id, flow=session.flow, version=session.version)
                session.version = dialplan.version
        return dialplan if session.flow in dialplan.flows else None

    def _begin(self, voice: Voice, number: DialledNumber, detour: Detour | None) -> Emit:
        info = voice.info
        flow = self.dialplan.flows[detour.flow if detour is not None else number.flow]
        settings = detour.settings if detour is not None else number.settings
        known = {"dialled_number": info.dialled_number, "call_id": safe_call_id(info.session_id)}
        answers: dict[str, str | int] = {**known, **settings}
        if info.caller_number is not None:
            answers["caller_number"] = info.caller_number
        if info.agent is not None:
            answers["agent"] = info.agent
        session = Session(
            info.session_id,
            flow.name,
            self.dialplan.version,
            number.language,
            flow.first,
            token=_first_token(info.visit),
            answers=answers,
            guarded=info.assisted or (info.sent and self._services.can_guard),
            goes_back=info.sent and not info.assisted,
        )
        services = self._services
        bring = None
        if may_bring(info, flow, services.trusted_trunks):
            bring = partial(brought, voice, flow, services.attachments)
        key, afterwards = (number.key, _afterwards(self.dialplan, number, session)) if detour is None else (None, None)
        return self._drive(voice, flow, session, Answered(), key, bring=bring, afterwards=afterwards)

    def _drive(
        self,
        voice: Voice,
        flow: Flow,
        session: Session,
        first: Event,
        key: Key | None,
        *,
        bring: Callable[[], Awaitable[Values]] | None = None,
        afterwards: Afterwards | None = None,
    ) -> Emit:
        """`key`: the entry of numbers.yaml of whose places this call takes one."""
        call = Call(voice, flow, session, self._services, bring=bring, afterwards=afterwards)
        self._driven[session.call_id] = call
        if key is not None:
            self._taken[key] += 1
        task = asyncio.create_task(self._run(call, first, key), name=f"call {session.call_id}")
        self._calls[session.call_id] = task
        return call.emit

    async def _run(self, call: Call, first: Event, key: Key | None) -> None:
        try:
            await call.run(first)
        finally:
            self._calls.pop(call.session.call_id, None)
            self._driven.pop(call.session.call_id, None)
            if key is not None:
                self._taken[key] -= 1
            if call.undecided is not None:
                self._nudge(call.undecided, f"call ended: {call.session.ended}")

    def _refuse(self, voice: Voice, why: str, cause: HangupCause) -> Emit:
        self._services.observer.refused.labels(why).inc()
        info = voice.info
        _log.warning("call_refused", call_id=info.call_id, why=why, trunk=info.trunk)
        if info.sent or info.assisted or info.back is not None:
            voice.apologise()  # in the middle of a talk: the network's busy tone would be a dead line
        else:
            voice.hang_up(cause)
        return _ignore

    def _send_back(self, voice: Voice) -> Emit:
        """The caller waits in Asterisk for the next process."""
        task = asyncio.create_task(_release(voice))
        self._calls[voice.info.session_id] = task
        task.add_done_callback(lambda _: self._calls.pop(voice.info.session_id, None))
        return _ignore


def _first_token(visit: str) -> int:
    return int(visit) * TOKENS_A_CALL if visit.isdecimal() else MOVED_LEAP


def _afterwards(dialplan: Dialplan, number: DialledNumber | None, session: Session) -> Afterwards | None:
    """What follows for a caller whom an agent sent. Not for an agent who only calls: nobody waits for the outcome."""
    if number is None or number.afterwards is None or not session.goes_back:
        return None
    detour = number.afterwards
    return Afterwards(dialplan.flows[detour.flow], detour.settings, KEPT_AFTERWARDS)


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
