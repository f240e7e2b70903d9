"""The engine: an event goes in, a new session and commands come out. It never waits and never does anything itself.

Laws:
- The session handed in is not changed; an event that is not meant for now (a stale timer, a stopped playback) is
  dropped here, and only here.
- A step that leaves leads to the next one within the same turn, so the commands of a turn are all that happens until
  the next event.
- Whatever goes wrong inside a flow leads to its failure step, once; a second time hangs up. A caller never stays in a
  call that nobody drives.
"""

from dataclasses import dataclass, replace
from typing import Final

from ivr.domain.errors import Illegal
from ivr.domain.legs import HangupCause
from ivr.domain.privacy import Privacy
from ivr.domain.secret import Secret
from ivr.domain.speech import Prompt
from ivr.flow.commands import Command
from ivr.flow.events import (
    Answered,
    CallerHungUp,
    CallTooLong,
    Digit,
    Event,
    HeadersRead,
    LegAnswered,
    LegEnded,
    Line,
    PromptFinished,
    ProviderReplied,
    RecordingFinished,
    Resumed,
    TimerFired,
)
from ivr.flow.model import Flow, Step
from ivr.flow.session import Session
from ivr.flow.visit import LostSecret, Visit, scope_of

MOST_KEYS_AHEAD: Final = 64
"""Keys kept while nobody takes them; further ones are dropped."""

MOST_STEPS_A_TURN: Final = 50
"""Steps that may follow each other without waiting for anything; more is a loop without the caller."""

MOST_VISITS: Final = 500
"""Steps in one call; more is a loop with a very patient caller, or a machine."""

MOST_FAREWELL_VISITS: Final = 20
"""Steps more for a call that has used up MOST_VISITS: its failure step has something to say."""

MOST_TIMES_LOST: Final = 5
"""How often one call goes back to a secret that was lost with its process."""

_LOST: Final = "a secret was lost"
"""Where that is counted, among the visits: no step has such a name."""

CALL_TOO_LONG: Final = Prompt("common/call_too_long")
"""The last words of a call that has lasted for too long, in whichever flow and step it is."""

TOO_OFTEN: Final = "too_often"
"""The exit of a step that a call has come to more often than it may."""

_NOTHING: Final = Secret("")


@dataclass(frozen=True, slots=True)
class Turn:
    """What an event led to."""

    session: Session
    commands: tuple[Command, ...]
    fault: str | None = None
    """Set when the flow broke and its failure step was taken: for the log, not for the caller."""


def advance(flow: Flow, session: Session, event: Event) -> Turn:
    """Take one event. Returns a turn for every event in every state; never raises for a caller's doing."""
    visit = Visit(session.copy())
    if session.ended is not None:
        return Turn(visit.session, ())
    if isinstance(event, CallerHungUp):
        visit.session.ended = "sent_elsewhere" if event.elsewhere else "caller_hung_up"
        return Turn(visit.session, ())
    if session.farewell is not None:
        if isinstance(event, PromptFinished) and event.token == session.farewell:
            visit.session.ended = "too_long"
        return Turn(visit.session, ())
    if isinstance(event, CallTooLong):
        if with_people(flow, session):
            return Turn(visit.session, ())  # it came while they were being connected
        _say_farewell(visit)
        return Turn(visit.session, tuple(visit.commands))
    try:
        _take(flow, visit, event)
        _walk(flow, visit)
    except Illegal as exc:
        return replace(fail(flow, _without(session, event), visit.session.step), fault=str(exc))
    return Turn(visit.session, tuple(visit.commands))


def deserves_more_time(session: Session) -> bool:
    """Whether ending the call now would tear the caller out of a payment, or away from whom they are talking to."""
    return session.leg is not None or session.payment is not None


def with_people(flow: Flow, session: Session) -> bool:
    """Whether the caller is with one of our own people, or waits for one: how long they talk is not ours to limit."""
    step = flow.steps.get(session.step)
    return session.leg is not None and session.ended is None and step is not None and _is_transfer(step)


def fail(flow: Flow, session: Session, broken: str | None = None) -> Turn:
    """Something broke in this call: say so and end it, by the flow's own failure step if that still works.

    `broken` is the step that could not be done, if it is not the session's: what led there is thrown away.
    """
    visit = Visit(session.copy())
    visit.session.farewell = None  # it is what broke
    visit.stop_playing()
    visit.stop_timer()
    if not session.failed:
        visit.session.failed = True
        visit.goto = flow.inner_failures.get(_scope(session.step, broken or session.step), flow.on_failure)
        try:
            _walk(flow, visit)
            return Turn(visit.session, tuple(visit.commands))
        except Illegal:
            visit = Visit(session.copy())
    visit.hang_up(HangupCause.UNAVAILABLE)
    visit.session.ended = "failed"
    return Turn(visit.session, tuple(visit.commands))


def _say_farewell(visit: Visit) -> None:
    """What was under way is over. Who is talking to somebody cannot be told anything: then the call just ends."""
    session = visit.session
    if session.leg is not None or not session.visit:
        session.ended = "too_long"
        return
    visit.stop_timer()
    visit.stop_recording()
    visit.forget_keys()
    session.asking = None
    visit.play((CALL_TOO_LONG,))
    session.farewell = session.playing


def _scope(step: str, broken: str) -> str:
    """The innermost flow that the caller is still in, and that the broken step belongs to."""
    scope = scope_of(step)
    while not broken.startswith(scope):
        scope = scope_of(scope[:-1])
    return scope


def _without(session: Session, event: Event) -> Session:
    """The session, but for the prompt that this event says is over."""
    if not isinstance(event, PromptFinished) or event.token != session.playing:
        return session
    copy = session.copy()
    copy.playing = None
    return copy


def _take(flow: Flow, visit: Visit, event: Event) -> None:
    """Give the event to the current step, unless it is stale."""
    session = visit.session
    match event:
        case Answered():
            if session.visit:
                return  # a second answer changes nothing
            visit.goto = flow.first
            return
        case Digit(key):
            overlooked, session.overlooked = session.overlooked, None
            if key == overlooked:
                return
            typed = session.typed.reveal()
            if len(typed) < MOST_KEYS_AHEAD:
                session.typed = Secret(typed + key)
        case Line():
            session.typed, session.overlooked = _NOTHING, None
        case PromptFinished(token):
            if token != session.playing:
                return
            session.playing = session.overlooked = None
        case TimerFired(token):
            if token != session.timer:
                return
            session.timer = None
        case ProviderReplied(token) | HeadersRead(token):
            if token != session.asking:
                return
            session.asking = None
        case LegAnswered(token):
            if token != session.leg:
                return
        case LegEnded(token):
            if token != session.leg:
                return
            session.leg = None
        case RecordingFinished(token):
            if token != session.recording:
                return
            session.recording = None
        case Resumed():
            if session.step not in flow.steps:
                raise Illegal(f"the flow has no step '{session.step}' any more")
            visit.stop_playing()
            visit.stop_recording()
            visit.guard(_privacy(flow.steps[session.step]), again=True)
            if event.gently and session.asking is not None:
                return  # what is being asked, money perhaps, is not asked again
            if event.gently:
                visit.stop_timer()
            session.timer = session.asking = None
            visit.forget_keys()  # another hand's, if any
            visit.learnt = event.learnt
            session.entered = _NOTHING
            session.data.pop("overflow", None)
        case _:  # pragma: no cover - CallerHungUp was taken by advance
            return
    if not session.visit:
        visit.goto = flow.first if isinstance(event, Resumed) else None
        return
    kind = flow.steps[session.step].kind
    try:
        if isinstance(event, Resumed):
            kind.resume(visit, event.leg)
        else:
            kind.on(visit, event)
    except LostSecret as lost:
        _ask_again(visit, lost)


def _walk(flow: Flow, visit: Visit) -> None:
    """Follow exits until a step waits for something or the call is over."""
    session = visit.session
    for _ in range(MOST_STEPS_A_TURN):
        if session.ended is not None or (visit.exit is None and visit.goto is None):
            return
        target = visit.goto or flow.steps[session.step].exits.get(visit.exit or "")
        if target is None or target not in flow.steps:
            raise Illegal(f"step '{session.step}' has no way on for '{visit.exit or target}'")
        try:
            _enter(flow, visit, target)
        except LostSecret as lost:
            _ask_again(visit, lost)
    raise Illegal(f"more than {MOST_STEPS_A_TURN} steps without waiting for the caller")


def _ask_again(visit: Visit, lost: LostSecret) -> None:
    """Go back to where the secret was asked for. Whoever does not key it again must not be asked for ever."""
    session = visit.session
    times = session.visits.get(_LOST, 0) + 1
    if times > MOST_TIMES_LOST:
        raise Illegal(f"a lost secret was not keyed again in {MOST_TIMES_LOST} tries")
    session.visits = {**session.visits, _LOST: times}
    visit.exit, visit.goto = None, lost.step


def _enter(flow: Flow, visit: Visit, name: str) -> None:
    session = visit.session
    visit.exit = visit.goto = None
    visit.stop_playing()
    visit.stop_timer()
    if session.recording is not None:
        visit.stop_recording()
    session.asking = session.leg = None
    session.collected = session.entered = _NOTHING
    session.step = name
    session.visit += 1
    session.visits = {**session.visits, name: session.visits.get(name, 0) + 1}
    session.data.clear()
    if session.visit > MOST_VISITS + (MOST_FAREWELL_VISITS if session.failed else 0):
        raise Illegal(f"more than {MOST_VISITS} steps in one call")
    step = flow.steps[name]
    if step.at_most is not None and session.visits[name] > step.at_most:
        visit.leave(TOO_OFTEN)
        return
    visit.guard(_privacy(step))
    step.kind.enter(visit)


def _is_transfer(step: Step) -> bool:
    transfers: bool = getattr(step.kind, "transfers", False)
    return transfers


def _privacy(step: Step) -> Privacy:
    """How private a step is: what a kind does not say is for everybody."""
    privacy: Privacy = getattr(step.kind, "privacy", Privacy.OPEN)
    return privacy
