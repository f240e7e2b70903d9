"""iNoti's USSD network: a telephone dials a code, the merchant's page writes its screens.

Law: what goes to the merchant is the string dialled with every answer behind it, each after a star, as the document
has it; nothing that was keyed is ever taken back, not even when an answer was lost. One telephone has one session. A
session ends when money is asked for, by hanging up, by dialling again, or by time; the document knows no other end.
"""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from ivr.sandbox.desk import Desk
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.inoti_payer import InotiPayer
from ivr.sandbox.ussd_merchant import Answered, Merchant, Silent
from ivr.sandbox.ussd_screen import Screen, Wish, read_answer
from ivr.sandbox.ussd_settings import MOST_DIALLED, Directory, Service, UssdSettings, read_dialled

OPERATION: Final = "ussd_request"
MOST_SESSIONS: Final = 10_000
"""The oldest are forgotten."""


class Kind(Enum):
    """What a telephone shows."""

    SCREEN = "screen"
    PAYMENT = "payment"
    """An SMS with a link is on its way."""
    NETWORK_ERROR = "network_error"
    """Nothing came, or nothing that can be shown. The next answer may go well."""
    WRONG_CODE = "wrong_code"
    """Nobody has this code, or it is none."""
    ENDED = "ended"
    """There is no session (any more)."""
    BUSY = "busy"
    """The answer before has not come yet."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What the telephone shows now. `why` names a network error: `http_500`, `timeout`, `too_big`, `lost`, …"""

    kind: Kind
    session: str = ""
    is_open: bool = False
    """Something can be answered."""
    call: str = ""
    """All that was dialled in this session."""
    screen: Screen | None = None
    wish: Wish | None = None
    why: str = ""


@dataclass(slots=True)
class Session:
    """One USSD session. `sent` is every `call` so far, `touched` seconds since 1970."""

    id: str
    mobile: str
    service: Service
    call: str
    touched: float
    sent: list[str] = field(default_factory=list)
    is_open: bool = True
    is_waiting: bool = False
    owes_older: bool = False
    """After the next request the one before it comes again."""


class UssdNetwork:
    """The network. What it asks is written in the desk's diary, what goes wrong is in the desk's faults."""

    def __init__(
        self,
        settings: UssdSettings,
        desk: Desk,
        merchant: Merchant,
        payer: InotiPayer,
        now: Callable[[], float],
        dice: random.Random,
    ) -> None:
        self.settings = settings
        self.directory = Directory(settings.services)
        self.sessions: dict[str, Session] = {}
        self._desk = desk
        self._merchant = merchant
        self._payer = payer
        self._now = now
        self._dice = dice

    async def dial(self, mobile: str, dialled: str) -> Shown:
        """`mobile` (09…) dials. Whatever session it had is over."""
        for session in self.sessions.values():
            if session.mobile == mobile:
                session.is_open = False
        call = read_dialled(dialled)
        service = None if call is None else self.directory.find(call)
        if call is None or service is None:
            return Shown(Kind.WRONG_CODE, call=call or "")
        while (new := str(self._dice.randrange(10**8, 10**9))) in self.sessions:
            pass
        if len(self.sessions) >= MOST_SESSIONS:
            del self.sessions[next(iter(self.sessions))]
        session = self.sessions[new] = Session(new, mobile, service, call, self._now())
        return await self._exchange(session)

    async def reply(self, session_id: str, text: str) -> Shown:
        """Whoever has this session keys an answer. One that makes the string too long is not sent."""
        session = self.sessions.get(session_id)
        if session is None or not session.is_open:
            return Shown(Kind.ENDED, session_id)
        if session.is_waiting:
            return Shown(Kind.BUSY, session_id, is_open=True, call=session.call)
        if self._now() - session.touched > self.settings.session_seconds:
            session.is_open = False
            return Shown(Kind.ENDED, session_id, call=session.call, why="timeout")
        call = f"{session.call}*{text}"
        if not text or len(call) > MOST_DIALLED or not text.isprintable():
            return Shown(Kind.NETWORK_ERROR, session_id, is_open=True, call=session.call, why="not_sent")
        session.call = call
        return await self._exchange(session)

    def hang_up(self, session_id: str) -> Shown:
        """The session is over; the merchant is not told, for the document has no word for it."""
        session = self.sessions.get(session_id)
        if session is not None:
            session.is_open = False
        return Shown(Kind.ENDED, session_id, call="" if session is None else session.call)

    async def _exchange(self, session: Session) -> Shown:
        """One request and its screen, as the fault that waits has it."""
        session.is_waiting = True
        try:
            return await self._with_fault(session)
        finally:
            session.is_waiting, session.touched = False, self._now()

    async def _with_fault(self, session: Session) -> Shown:
        call, before = session.call, session.sent[-1] if session.sent else None
        session.sent.append(call)
        fault = self._desk.faults.take(OPERATION, {"mobile": session.mobile, "sessionid": session.id})
        kind = None if fault is None else fault.kind
        if fault is not None and kind is FaultKind.DELAY and not fault.commit:
            await asyncio.sleep(fault.seconds)
        answer = await self._ask(session, call, fault)
        changed = False
        if kind is FaultKind.RESEND:
            first, answer = answer, await self._ask(session, call, fault)
            changed = isinstance(first, Answered) and isinstance(answer, Answered) and first != answer
        elif fault is not None and kind is FaultKind.DELAY and fault.commit:
            await asyncio.sleep(fault.seconds)
        if kind is FaultKind.LOST:
            shown = Shown(Kind.NETWORK_ERROR, session.id, session.is_open, call, why="lost")
        else:
            shown = self._shown(session, answer, changed)
        if kind is FaultKind.REORDER or session.owes_older:
            session.owes_older = before is None
            if before is not None:
                await self._ask(session, before, fault)
        return shown

    async def _ask(self, session: Session, call: str, fault: Fault | None) -> Answered | Silent:
        fields = {"mobile": session.mobile, "sessionid": session.id, "call": call}
        line = self._desk.diary.write(self._now(), OPERATION, fields, fault.kind.value if fault else None)
        answer = await self._merchant.ask(session.service.url, fields)
        line.result = _in_a_word(answer, self.settings)
        return answer

    def _shown(self, session: Session, answer: Answered | Silent, changed: bool) -> Shown:
        if isinstance(answer, Silent) or answer.status != 200:
            why = answer.why if isinstance(answer, Silent) else f"http_{answer.status}"
            return Shown(Kind.NETWORK_ERROR, session.id, session.is_open, session.call, why=why)
        read = read_answer(answer.raw, answer.charset, self.settings.limits)
        if isinstance(read, Wish):
            session.is_open = False
            self._payer.ask_for(
                session.id,
                session.mobile,
                read.price,
                read.factor,
                dialled=session.call,
                page=session.service.url,
            )
            return Shown(Kind.PAYMENT, session.id, call=session.call, wish=read)
        if changed:
            read = Screen(read.text, read.alphabet, read.length, read.most, (*read.mistakes, "changed"))
        return Shown(Kind.SCREEN, session.id, session.is_open, session.call, screen=read)


def _in_a_word(answer: Answered | Silent, settings: UssdSettings) -> str:
    """`screen`, `payment`, what is wrong with the screen (`bom, too_long`), or why there is none."""
    if isinstance(answer, Silent):
        return answer.why
    if answer.status != 200:
        return f"http_{answer.status}"
    read = read_answer(answer.raw, answer.charset, settings.limits)
    return "payment" if isinstance(read, Wish) else ", ".join(read.mistakes) or "screen"
