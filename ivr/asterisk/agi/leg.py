"""A leg that Dial() dials for a caller, from its preparation to its end.

Law: LegEnded is emitted exactly once, and before the caller's CallerHungUp. A leg counts as never answered only when
Asterisk says so afterwards; where it cannot be asked any more, the leg counts as answered: only an inquiry can tell.
Nothing is dialled when the dialplan lacks the subroutine that tells the far side who pays and how much.

AGI tells nothing while Dial() goes on, so LegAnswered comes together with LegEnded.
"""

import re
from collections.abc import Callable
from typing import Final

import structlog

from ivr.asterisk.agi.commands import LEG_CONTEXT, dial, leg_context_exists, prepare_leg, read
from ivr.asterisk.agi.dialogue import Dialogue, Order
from ivr.asterisk.agi.wire import Reply
from ivr.asterisk.causes import unanswered
from ivr.domain.legs import LegResult
from ivr.flow.events import LegAnswered, LegEnded
from ivr.runtime.ports import Emit, LegOrder

NEVER_ANSWERED: Final = frozenset(
    {"BUSY", "NOANSWER", "CONGESTION", "CHANUNAVAIL", "CANCEL", "DONTCALL", "TORTURE", "INVALIDARGS"}
)
"""DIALSTATUS of a leg that nobody picked up; every other one may stand for somebody who did."""
LEAST_FINAL: Final = 300
"""SIP statuses from here on end an INVITE unanswered; the one of a leg that rang until the time was over is 180."""

_CHANNEL: Final = re.compile(r"[A-Za-z0-9/@._:;+*#-]{1,100}")
_SIP: Final = re.compile(r"SIP ([0-9]{3})\b.*")
_MILLISECONDS: Final = re.compile(r"[0-9]+")

log = structlog.get_logger()


class DialledLeg:
    """One leg of one call."""

    def __init__(self, dialogue: Dialogue, call_id: str, token: int, emit: Emit, on_over: Callable[[], None]) -> None:
        self.token = token
        self.over = False
        """LegEnded has been emitted."""
        self._dialogue = dialogue
        self._call_id = call_id
        self._emit = emit
        self._on_over = on_over
        self._orders: list[Order] = []
        self._known: dict[str, str] = {}

    @property
    def dialled(self) -> bool:
        """Whether the far side may have heard of it."""
        return bool(self._orders) and self._orders[-1].sent

    def dial(self, order: LegOrder) -> None:
        """Prepare, dial, and find out what became of it."""
        self._orders = [Order(leg_context_exists(), self._looked)]
        self._orders += [Order(command, self._prepared) for command in prepare_leg(order)]
        self._orders.append(Order(dial(order), self._dialled, takes=None))
        for one in self._orders:
            self._dialogue.give(one)

    def give_up(self) -> None:
        """The caller or the connection is gone: end it now, unless Asterisk can still say how it ended."""
        if not self.dialled:
            self._fail(LegResult.NO_ANSWER)

    def _looked(self, reply: Reply | None) -> None:
        if reply is not None and reply.code == _OK and reply.text != "1":
            log.error("leg_context_missing", call_id=self._call_id, why=f"no {LEG_CONTEXT}, or no func_dialplan")
            self._fail(LegResult.UNREACHABLE)
        else:
            self._prepared(reply)

    def _prepared(self, reply: Reply | None) -> None:
        """One value is set. If it is not, the leg must not be dialled without it."""
        if reply is None or reply.code == _DEAD:
            self._fail(LegResult.NO_ANSWER)
        elif reply.code != _OK or (reply.result < 0 and reply.result != _NO_APPLICATION):
            self._fail(LegResult.UNREACHABLE)

    def _dialled(self, reply: Reply | None) -> None:
        if self.over:
            return
        if reply is None:
            self._end(LegResult.ENDED if self.dialled else LegResult.NO_ANSWER)
        elif reply.code == _DEAD:
            self._end(LegResult.NO_ANSWER)
        elif reply.code != _OK or reply.result == _NO_APPLICATION:
            log.error("leg_not_dialled", call_id=self._call_id, status=reply.code)
            self._end(LegResult.UNREACHABLE)
        else:
            self._ask("DIALSTATUS", self._status_known)

    def _fail(self, result: LegResult) -> None:
        for order in self._orders:
            self._dialogue.forget(order)
        self._end(result)

    def _status_known(self) -> None:
        status = self._known["DIALSTATUS"]
        if status not in NEVER_ANSWERED:
            self._end(LegResult.ENDED)
        elif status == "CANCEL":  # the caller hung up
            self._ask("PROGRESSTIME_MS", lambda: self._end(LegResult.NO_ANSWER))
        else:
            self._ask("RINGTIME_MS", lambda: self._ask("PROGRESSTIME_MS", self._times_known))

    def _times_known(self) -> None:
        self._ask("HANGUPCAUSE", lambda: self._ask("HANGUPCAUSE_KEYS()", self._causes_known))

    def _causes_known(self) -> None:
        channel = self._known["HANGUPCAUSE_KEYS()"].partition(",")[0]
        if _CHANNEL.fullmatch(channel) is None:
            self._conclude()
            return
        self._ask(f"HANGUPCAUSE({channel},tech)", lambda: self._conclude(channel))

    def _conclude(self, channel: str = "") -> None:
        sip = _SIP.fullmatch(self._known.get(f"HANGUPCAUSE({channel},tech)", ""))
        status = int(sip[1]) if sip is not None and int(sip[1]) >= LEAST_FINAL else 0
        heard = self._took("RINGTIME_MS") or self._took("PROGRESSTIME_MS")
        if self._known["DIALSTATUS"] == "NOANSWER" and not status:
            self._end(LegResult.NO_ANSWER if heard else LegResult.UNREACHABLE)
            return
        cause = self._known["HANGUPCAUSE"]
        self._end(unanswered(int(cause) if cause.isdecimal() else 0, status, heard=heard))

    def _ask(self, expression: str, then: Callable[[], None]) -> None:
        """Read one variable and go on; a channel that is gone can still be asked."""

        def known(reply: Reply | None) -> None:
            if self.over:
                return
            if reply is None or reply.code != _OK:
                self._end(LegResult.ENDED)
                return
            self._known[expression] = reply.text or ""
            then()

        self._dialogue.give(Order(read(expression), known), first=True)

    def _took(self, variable: str) -> bool:
        """Whether Asterisk measured how long that took: then it happened."""
        return _MILLISECONDS.fullmatch(self._known.get(variable, "")) is not None

    def _end(self, result: LegResult) -> None:
        if self.over:
            return
        self.over = True
        if result is LegResult.ENDED:
            self._emit(LegAnswered(self.token))
        self._emit(LegEnded(self.token, result, early_media=self._took("PROGRESSTIME_MS")))
        self._on_over()


_OK: Final = 200
_DEAD: Final = 511
_NO_APPLICATION: Final = -2
