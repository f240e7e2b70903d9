"""One simulated caller: sends events to the engine, remembers what comes back, and watches the engine's laws.

Law: nothing here decides for the engine. Every event that is sent checks that the session handed in stayed as it was,
that nothing speaks over something else, that no payment leaves twice, and that a living call waits for something.
"""

from collections import deque
from collections.abc import Callable

from ivr.domain.secret import Secret
from ivr.flow.commands import (
    AskProvider,
    Command,
    Dial,
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
)
from ivr.flow.engine import Turn, advance, fail
from ivr.flow.events import Digit, Event, PromptFinished, RecordingFinished, Resumed, TimerFired
from ivr.flow.model import Flow
from ivr.flow.session import Session

Noticed = Play | AskProvider | ReadHeaders | Dial | Record | Notify | HangUp
"""What somebody outside notices; timers and stopped playbacks are kept beside it."""


class Caller:
    """A call of a flow, from its session on."""

    def __init__(self, flow: Flow, session: Session) -> None:
        self.flow = flow
        self.session = session
        self.noticed: deque[Noticed] = deque()
        """Not yet taken by `take`, oldest first."""
        self.playing: Play | None = None
        self.timer: StartTimer | None = None
        self.asked: AskProvider | ReadHeaders | None = None
        self.leg: Dial | None = None
        self.recording: Record | None = None
        self.faults: list[str] = []
        self.payments: list[PaymentOrder] = []

    def send(self, event: Event) -> Turn:
        """One event; returns the turn."""
        match event:
            case PromptFinished(token) if self.playing is not None and token == self.playing.token:
                self.playing = None
            case RecordingFinished(token) if self.recording is not None and token == self.recording.token:
                self.recording = None
            case TimerFired(token) if self.timer is not None and token == self.timer.token:
                self.timer = None
            case _:
                pass
        return self._turn(lambda session: advance(self.flow, session, event))

    def break_down(self) -> Turn:
        """A command could not be carried out."""
        return self._turn(lambda session: fail(self.flow, session))

    def restart(self, *, leg_is_up: bool = True) -> Turn:
        """The process dies; the next one takes the call over from its snapshot. Asterisk goes on with its prompt."""
        self.session = Session.restore(self.session.snapshot())
        self.timer = self.asked = None
        self.noticed.clear()
        return self.send(Resumed(self.session.leg if leg_is_up else None))

    def keys(self, keys: str) -> None:
        """Press these, one after the other."""
        for key in keys:
            self.send(Digit(key))

    def hear(self, *, failed: bool = False) -> None:
        """Listen to the end of what is being said."""
        assert self.playing is not None, "nothing is being said"
        self.send(PromptFinished(self.playing.token, failed))

    def record(self, *, talked: bool = True, failed: bool = False) -> None:
        """Say something into the recording, and be done."""
        assert self.recording is not None, "nothing is recorded"
        self.send(RecordingFinished(self.recording.token, f"call.record{self.recording.token}", talked, failed))

    def wait(self) -> float:
        """Do nothing until the timer fires; returns how long that was."""
        assert self.timer is not None, "no timer runs"
        timer = self.timer
        self.send(TimerFired(timer.token))
        return timer.seconds

    def take(self) -> Noticed | None:
        """The oldest thing noticed and not yet taken."""
        return self.noticed.popleft() if self.noticed else None

    def _turn(self, make: Callable[[Session], Turn]) -> Turn:
        before = self.session.copy()
        turn = make(self.session)
        assert self.session == before, "the session handed in was changed"
        self.session = turn.session
        if turn.fault is not None:
            self.faults.append(turn.fault)
        for command in turn.commands:
            self._do(command)
        if self.session.ended is None:
            self._check()
        return turn

    def _do(self, command: Command) -> None:
        match command:
            case Play():
                assert self.playing is None, "one prompt over another"
                self.playing = command
            case StopPlaying(token):
                assert self.playing is not None and self.playing.token == token, "stops what is not playing"
                self.playing = None
            case StartTimer():
                self.timer = command
            case StopTimer():
                self.timer = None
            case AskProvider() | ReadHeaders():
                self.asked = command
            case Dial():
                self.leg = command
            case Record():
                assert self.recording is None and self.playing is None, "records what we say, or twice"
                self.recording = command
            case StopRecording(token):
                assert self.recording is not None and self.recording.token == token, "ends what is not recorded"
                self.recording = None
            case Notify():
                assert not any(isinstance(value, Secret) for value in command.values.values()), "tells a secret"
            case HangUp():
                assert self.session.ended is not None
        if isinstance(command, AskProvider | Dial) and command.payment is not None:
            assert command.payment.id not in {order.id for order in self.payments}, "a payment left twice"
            self.payments.append(command.payment)
        if isinstance(command, Noticed):
            self.noticed.append(command)

    def _check(self) -> None:
        session = self.session
        assert session.playing == (self.playing.token if self.playing else None), "waits for another prompt"
        assert session.timer == (self.timer.token if self.timer else None), "waits for another timer"
        assert session.asking in (None, self.asked.token if self.asked else None), "waits for an unasked answer"
        assert session.leg in (None, self.leg.token if self.leg else None), "waits for a leg that is not dialled"
        assert session.recording == (self.recording.token if self.recording else None), "waits for another recording"
        waits = {session.playing, session.timer, session.asking, session.leg, session.recording} != {None}
        assert waits or not session.visit, f"silence for ever in step '{session.step}'"
