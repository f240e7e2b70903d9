"""Makes the calls that `ivr.flow.paths` writes down, and watches that each goes as written.

Law: nothing here knows the step kinds. To leave a step by an exit, everything that can happen to a call there is tried
until the engine itself takes that exit; the engine changes no session, so a try that led elsewhere is thrown away.
"""

from collections import deque
from collections.abc import Iterator, Mapping
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Final

from ivr.domain.legs import LegResult
from ivr.domain.operations import ALWAYS_POSSIBLE
from ivr.flow.commands import AskProvider, Command, Dial, HangUp, ReadHeaders, RequestPayment
from ivr.flow.engine import Turn
from ivr.flow.events import (
    Answered,
    Digit,
    Event,
    HeadersRead,
    LegAnswered,
    LegEnded,
    Line,
    PromptFinished,
    ProviderReplied,
)
from ivr.flow.facts import MAY_BE_MISSING, MISSING
from ivr.flow.model import Flow
from ivr.flow.paths import Walk
from ivr.flow.steps.base import NEXT
from ivr.flow.steps.invoice import BOOKS
from ivr.flow.steps.ussd_payment import USSD_SESSION
from ivr.flow.visit import CHANNEL, USSD
from tests.flow.caller import Caller
from tests.flow.world import KNOWN, operation, operation_results, session_of

NUMBERS: Final = (
    *("65843148", "09121234567", "6037701689095443", "4815", "1", "160000"),
    *("77483178001420000001770160", "7748317800142", "1770160"),
)
"""What a caller may key: one of them fits whatever a shipped flow asks for."""

KEYS: Final = ("A#", *(f"{number}{finish}" for number in NUMBERS for finish in ("#", "")), *"*#234567890")
LINES: Final = ("x", *NUMBERS, "0", "00", *"23456789")
"""What a user may send from a screen."""
LANDLINE: Final = "02188001234"
GOOD_HEADERS: Final = {"From": "<sip:1*10000005*70012345@h>", "Amount": "160000"}
LEGS: Final = frozenset(result.value for result in LegResult)
MOST_EVENTS: Final = 30
"""So many events in one step, and it is not left by what was tried."""


@dataclass
class Tape:
    """The exits taken since it was last emptied."""

    ways: list[tuple[str, str]] = field(default_factory=list)


class _Taped(dict[str, str]):
    """A step's exits that write down which of them was taken."""

    def __init__(self, step: str, exits: Mapping[str, str], tape: Tape) -> None:
        super().__init__(exits)
        self._step = step
        self._tape = tape

    def get(self, name: str, default: object = None) -> str | None:  # type: ignore[override]
        self._tape.ways.append((self._step, name))
        return super().get(name)


class Walker(Caller):
    """A caller who also minds silence and money."""

    quiet = True
    """Nothing was heard to its end since the caller did anything."""
    in_doubt: str | None = None
    """The payment that was sent and of which nobody here knows what became."""

    def send(self, event: Event) -> Turn:
        """One event, and what it means for silence and money."""
        asked, leg = self.asked, self.leg
        match event:
            case Digit() | Line() | LegEnded():
                self.quiet = True
            case PromptFinished():
                self.quiet = False
            case ProviderReplied(_, exit_name) if isinstance(asked, AskProvider):
                self._answered(asked, exit_name)
            case _:
                pass
        if isinstance(event, LegEnded) and isinstance(leg, Dial) and leg.payment is not None:
            self.in_doubt = leg.payment.id if event.result is LegResult.ENDED else None
        return super().send(event)

    def _answered(self, asked: AskProvider, exit_name: str) -> None:
        if asked.provider == BOOKS:
            if asked.payment is not None:
                self.in_doubt = asked.payment.id if exit_name == NEXT else None
            elif exit_name not in (*ALWAYS_POSSIBLE, "not_paid"):
                self.in_doubt = None
        elif asked.payment is not None:
            self.in_doubt = asked.payment.id if exit_name == "unknown" else None
        elif asked.payment_id == self.in_doubt and exit_name not in ALWAYS_POSSIBLE:
            self.in_doubt = None

    def _do(self, command: Command) -> None:
        if isinstance(command, AskProvider | Dial) and command.payment is not None:
            assert self.in_doubt is None, "money is tried while an earlier try is in doubt"
        if isinstance(command, RequestPayment):
            self.quiet = False  # the network's SMS says so
        if isinstance(command, HangUp):
            assert not self.quiet, "the call ends in silence"
            assert self.in_doubt in (None, self.session.payment), "a payment in doubt is forgotten"
        super()._do(command)

    def branch(self) -> "Walker":
        """The same call, to try something with."""
        other = copy(self)
        other.noticed, other.faults, other.payments = deque(self.noticed), list(self.faults), list(self.payments)
        return other


def walk_through(flow: Flow, walk: Walk) -> Walker:
    """Make this call. Raises AssertionError when the engine will not go as written."""
    tape = Tape()
    taped = replace(flow, steps={n: replace(s, exits=_Taped(n, s.exits, tape)) for n, s in flow.steps.items()})
    looked = [(flow.steps[step].facts.looks_at, by) for step, by in walk.ways]
    special = {name: by.removeprefix("case ") for name, by in looked if name in KNOWN and by.startswith("case ")}
    known = _always(flow) | _known_at_first(flow, walk)
    if "caller_mobile" not in known:
        special["caller_number"] = LANDLINE
    begins = {n: special.get(n, v) for n, v in KNOWN.items() if n in known}
    if screens := _screens(flow, walk):
        begins = {n: v for n, v in begins.items() if n not in flow.brings.keys() | {"agent"}} | screens
    walker = Walker(taped, session_of(flow, begins))
    walker.send(Answered())
    if (done := _go_on(walker, tape, tuple(tape.ways), walk)) is None:
        raise AssertionError(f"the engine does not go this way: {walk}")
    return done


def _known_at_first(flow: Flow, walk: Walk) -> set[str]:
    """What may be missing from a call's beginning, and is there in this one: whoever looks first finds it."""
    first: dict[str, str] = {}
    for step, by in walk.ways:
        first.setdefault((flow.steps[step].facts.looks_at or "").rpartition("/")[2], by)
    return {name for name in MAY_BE_MISSING | flow.brings.keys() if first.get(name) != MISSING}


def _screens(flow: Flow, walk: Walk) -> dict[str, str | int]:
    """What a USSD session knows, if this is one."""
    channels = {by for step, by in walk.ways if (flow.steps[step].facts.looks_at or "").endswith(CHANNEL)}
    return {CHANNEL: USSD, USSD_SESSION: "4711"} if USSD in channels else {}


def _always(flow: Flow) -> set[str]:
    return {*flow.settings, *flow.takes, "dialled_number", "call_id"}


def _go_on(walker: Walker, tape: Tape, taken: tuple[tuple[str, str], ...], walk: Walk) -> Walker | None:
    if taken != walk.ways[: len(taken)]:
        return None
    if walker.session.ended is not None:
        return walker if taken == walk.ways and walker.session.step == walk.end else None
    wanted = walk.ways[len(taken)][1] if len(taken) < len(walk.ways) else ""
    for act in _acts(walker, wanted):
        other = walker.branch()
        tape.ways.clear()
        act.do(other)
        ways = tuple(tape.ways)
        if ways and (done := _go_on(other, tape, (*taken, *ways), walk)) is not None:
            return done
    return None


@dataclass(frozen=True)
class _Act:
    """What happens in one visit of a step, again and again until the step is left."""

    keys: str = ""
    line: str | None = None
    """What is sent from a screen, instead of keys."""
    exit: str = ""
    headers: Mapping[str, str | None] | None = None
    perhaps: frozenset[str] = frozenset()
    """Results that may come with an answer and need not."""

    def do(self, walker: Walker) -> None:
        """Make it happen."""
        visit = walker.session.visit
        for _ in range(MOST_EVENTS):
            self._once(walker, visit)
            if walker.session.visit != visit or walker.session.ended is not None:
                return

    def _once(self, walker: Walker, visit: int) -> None:
        session = walker.session
        if session.asking is not None:
            assert walker.asked is not None
            walker.send(self._answer(walker.asked, walker.in_doubt))
        elif session.leg is not None:
            if self.exit == LegResult.ENDED.value:
                walker.send(LegAnswered(session.leg))
            walker.send(LegEnded(session.leg, LegResult(self.exit)))
        elif self.line is not None:
            walker.line(self.line)
        else:
            for key in self.keys:
                if walker.session.visit == visit and walker.session.ended is None:
                    walker.send(Digit(key))
            if walker.session.visit != visit or walker.session.ended is not None:
                return
            if walker.playing is not None:
                walker.hear()
            elif walker.timer is not None:
                walker.wait()

    def _answer(self, asked: AskProvider | ReadHeaders, in_doubt: str | None) -> ProviderReplied | HeadersRead:
        if isinstance(asked, ReadHeaders):
            return HeadersRead(asked.token, self.headers is not None, self.headers or {})
        comes = operation(asked.provider, asked.operation).comes_with(self.exit)
        known = operation_results(asked.provider, asked.operation)
        values = {name: value for name, value in known.items() if name in comes | self.perhaps}
        if "payment" in values:  # our books say whose it is
            values["payment"] = in_doubt or values["payment"]
        return ProviderReplied(asked.token, self.exit, values)


def _acts(walker: Walker, wanted: str) -> Iterator[_Act]:
    """What can happen here, the likeliest first."""
    if isinstance(walker.asked, ReadHeaders) and walker.session.asking == walker.asked.token:
        yield _Act(headers={**dict.fromkeys(walker.asked.names, "65843148"), **GOOD_HEADERS})
        yield _Act(headers=dict.fromkeys(walker.asked.names, "x"))
        yield _Act(headers={})
        yield _Act()
        return
    yield _Act(exit=wanted if walker.session.asking is not None or wanted in LEGS else "ended")
    if walker.session.asking is not None:
        perhaps = walker.flow.steps[walker.session.step].facts.perhaps.get(wanted, frozenset())
        yield _Act(exit=wanted, perhaps=frozenset(name.rpartition(".")[2] for name in perhaps))
    if walker.session.asking is None and walker.session.answers.get(CHANNEL) == USSD:
        yield from (_Act(line=line) for line in LINES)
    elif walker.session.asking is None:
        yield from (_Act(keys, exit="ended") for keys in KEYS)
