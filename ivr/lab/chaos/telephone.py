"""The callers, and the bank's end of the legs that are dialled for them. They outlive the processes that drive them.

Law: what a caller heard is written down when it is said, and what was said about money is held against the books at
that very moment.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from ivr.domain.legs import LegResult
from ivr.lab.chaos.line import Words, message
from ivr.lab.chaos.plan import AtTheBank, Plan, Rival
from ivr.lab.chaos.process import Living
from ivr.lab.chaos.sandbox import Sandbox
from ivr.lab.chaos.scenarios import KEYS, OTP
from ivr.lab.chaos.world import nothing_charged, number_of
from ivr.runtime.ports import CallInfo

SILENCE: Final = 8.0
"""Seconds without a word after which a caller is left in silence, on however busy a machine."""
LINGERS: Final = 0.08
"""Seconds that a slow leg to the bank takes."""
READS: Final = 0.3
"""Seconds after which a slow payer presses the page's button: whoever waits has looked more than once by then."""
WRONG_OTP: Final = "918273645546"
PAID: Final = frozenset({"pay/paid"})
"""Words that say that this caller has paid."""
AGREES: Final = frozenset({"pay/press_keys", "otp/enter", "link/agree_keys"})
"""Who answers these agrees to pay."""
GOES_WITH_LINK: Final = "link/stay"
"""Where a caller hangs up who does not wait for the result of a link."""

_NOT_REACHED: Final = {AtTheBank.BUSY: LegResult.BUSY, AtTheBank.NO_ANSWER: LegResult.NO_ANSWER}


@dataclass(slots=True)
class Caller:
    """One of them. `leg`: the token of the leg that is up."""

    info: CallInfo
    on_line: bool = True
    heard: list[str] = field(default_factory=list)
    prompts: int = 0
    leg: int | None = None
    since: float = field(default_factory=time.monotonic)
    """Since when nothing is said to them."""
    keyed_otp: bool = False
    agreed: bool = False
    """Money may have been asked for on this caller's behalf."""


class Telephone:
    """All callers of one run. What is to be told to the process is gathered in `out`."""

    def __init__(self, plan: Plan, sandbox: Sandbox, paid_in_books: Callable[[], bool]) -> None:
        self.callers: dict[str, Caller] = {}
        self.story: list[str] = []
        self.findings: list[tuple[str, str]] = []
        self.out: list[bytes] = []
        self.legs = 0
        """Legs dialled to the bank."""
        self.answered_legs = 0
        """Those on which it answered."""
        self.settled = 0
        """Those on which it took the money."""
        self._plan = plan
        self._sandbox = sandbox
        self._paid_in_books = paid_in_books
        self._nothing_charged = nothing_charged()
        self._to_ring = ["1700000000.1"]
        if plan.rival is Rival.BESIDE:
            self._to_ring.append("1700000000.2")
        self._afterwards = plan.rival is Rival.AFTERWARDS
        self._due: list[tuple[float, Callable[[], None]]] = []
        self._pressed = False
        self._up = False
        self._asked = False

    # -- the process --------------------------------------------------------------------------------------------------

    def goes_up(self) -> None:
        """A process is there, though it may not listen yet: who wanted to call calls, and what happens is told."""
        self._up = True
        for caller in self.callers.values():
            caller.since = time.monotonic()
        self.tick()

    def goes_down(self) -> None:
        """The process is dead. What is to be told to it is told to nobody."""
        self._up = self._asked = False
        self.out.clear()
        if self._plan.goes_while_nobody_drives:
            for caller in self.callers.values():
                if caller.on_line:
                    self._hang_up(caller, "while nobody drives the call")

    def living(self) -> list[Living]:
        """Who is still on the line."""
        headers = self._plan.scenario.headers
        return [Living(caller.info, headers, caller.leg) for caller in self.callers.values() if caller.on_line]

    @property
    def is_over(self) -> bool:
        """Nobody is on the line, and nobody will be."""
        busy = self._to_ring or self._due or self._afterwards
        return not busy and not any(caller.on_line for caller in self.callers.values())

    def asks_to_finish(self) -> bool:
        """True once for each process: it may do what is left."""
        asked, self._asked = self._asked, True
        return not asked

    def tick(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        due, self._due = [d for at, d in self._due if at <= now], [(at, d) for at, d in self._due if at > now]
        for do in due:
            do()
        if self._afterwards and self._up and self.callers and not any(one.on_line for one in self.callers.values()):
            self._afterwards = False
            self._to_ring.append("1700000000.3")
        if self._up:
            for call_id in self._to_ring:
                self._ring(call_id)
            self._to_ring = []
        for caller in self.callers.values():
            if self._up and caller.on_line and caller.leg is None and now - caller.since > SILENCE:
                self.findings.append(("silence", f"caller {caller.info.call_id} hears nothing"))
                self._hang_up(caller, "after waiting in silence")

    # -- what the process says ----------------------------------------------------------------------------------------

    def take(self, words: Words) -> None:
        """One message."""
        match words:
            case ["link", call_id, link]:
                self.story.append(f"  {call_id}: is sent a link")
                self._soon(lambda: self._press(link), READS)
            case [what, call_id, *more] if call_id in self.callers:
                caller = self.callers[call_id]
                if caller.on_line:
                    self._command(caller, what, more)

    def _command(self, caller: Caller, what: str, more: Words) -> None:
        match [what, *more]:
            case ["play", token, media]:
                self._hears(caller, token, media)
            case ["dial", token, trunk, caller_id, headers]:
                self.story.append(f"  {caller.info.call_id}: leg to {trunk}")
                self._dialled(caller, token, caller_id, int(headers.get("Amount", "0")))
            case ["hang_up", why]:
                self.story.append(f"  {caller.info.call_id}: hung up by us ({why})")
                caller.on_line, caller.leg = False, None
                if not caller.heard:
                    self.findings.append(("silence", f"caller {caller.info.call_id} never heard a word"))

    def _hears(self, caller: Caller, token: int, media: list[str]) -> None:
        caller.heard += media
        caller.prompts += 1
        caller.since = time.monotonic()
        self.story.append(f"  {caller.info.call_id}: hears {' '.join(media)}")
        if PAID & set(media) and not self._paid_in_books():
            self.findings.append(("paid_not_written", "'paid' is heard, and the journal does not say so"))
        if self._nothing_charged & set(media) and self._alone(caller) and self._is_charged():
            self.findings.append(("charged_unheard", "that nothing was taken is heard, and it was"))
        if GOES_WITH_LINK in media and not self._plan.waits:
            self._hang_up(caller, "with the link")
            return
        if caller.prompts == self._plan.hangs_up_after and caller.info.call_id.endswith(".1"):
            self._hang_up(caller, "as planned")
            return
        self._tell(caller, "finished", token)
        keys = {**KEYS, **self._plan.scenario.keys}.get(media[-1] if media else "")
        if keys == OTP:
            keys = self._otp(caller)
        if keys:
            caller.agreed |= bool(AGREES & set(media))
            self._tell(caller, "keys", keys)

    def _alone(self, caller: Caller) -> bool:
        """Whether whatever was taken was taken from this caller."""
        return not any(one.agreed for one in self.callers.values() if one is not caller)

    def _is_charged(self) -> bool:
        return self._plan.scenario.charges(self._sandbox.books()) > 0

    def _otp(self, caller: Caller) -> str:
        if self._plan.wrong_otp and not caller.keyed_otp:
            caller.keyed_otp = True
            return f"{WRONG_OTP}#"
        code = self._sandbox.otp()
        return f"{code}#" if code else "*"

    # -- the bank -----------------------------------------------------------------------------------------------------

    def _dialled(self, caller: Caller, token: int, caller_id: str, amount: int) -> None:
        self.legs += 1
        caller.leg, caller.agreed = token, True
        if (result := _NOT_REACHED.get(self._plan.at_the_bank)) is not None:
            self._leg_ends(caller, token, result)
            return
        self.answered_legs += 1
        self._tell(caller, "leg_answered", token)
        self._soon(lambda: self._at_the_bank(caller, token, caller_id, amount))

    def _at_the_bank(self, caller: Caller, token: int, caller_id: str, amount: int) -> None:
        if caller.leg != token:
            return
        does = self._plan.at_the_bank
        if does in (AtTheBank.PAYS, AtTheBank.PAYS_AND_HANGS_UP):
            _, merchant_id, transaction_id = caller_id.split("*")
            said = self._sandbox.settle(merchant_id, transaction_id, amount)
            self.settled += said == "approved"
            self.story.append(f"  {caller.info.call_id}: the bank says {said}")
        if does in (AtTheBank.HANGS_UP, AtTheBank.PAYS_AND_HANGS_UP):
            self._hang_up(caller, f"at the bank: {does.value}")
        else:
            self._leg_ends(caller, token, LegResult.ENDED)

    def _leg_ends(self, caller: Caller, token: int, result: LegResult) -> None:
        caller.leg = None
        caller.since = time.monotonic()
        self.story.append(f"  {caller.info.call_id}: leg {result.value}")
        self._tell(caller, "leg_ended", token, result.value)

    def _press(self, link: str) -> None:
        # who cancelled is sent another one, and pays that
        pays, self._pressed = self._plan.pays_page or self._pressed, True
        self.story.append(f"  payer: {'pays' if pays else 'cancels'} on the page")
        try:
            self._sandbox.press(link, pays=pays)
        except OSError:
            self.story.append("  payer: the page is not there")

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _ring(self, call_id: str) -> None:
        scenario = self._plan.scenario
        number = number_of(scenario)
        self.callers[call_id] = Caller(CallInfo(call_id, scenario.trunk, number, "09121234567"))
        self.story.append(f"  {call_id}: rings")
        self.out.append(message("ring", call_id, number, scenario.trunk, dict(scenario.headers)))

    def _hang_up(self, caller: Caller, why: str) -> None:
        caller.on_line, caller.leg = False, None
        self.story.append(f"  {caller.info.call_id}: hangs up {why}")
        self._tell(caller, "hung_up")

    def _tell(self, caller: Caller, *event: object) -> None:
        if self._up:
            self.out.append(message("event", caller.info.call_id, *event))

    def _soon(self, do: Callable[[], None], seconds: float = LINGERS) -> None:
        self._due.append((time.monotonic() + (seconds if self._plan.lingers else 0.0), do))
