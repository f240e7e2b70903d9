"""One simulated call: events go to the real engine, and what comes back is remembered as somebody outside notices it.

Law: nothing here decides for the engine, nothing waits, and time is only what timers said.
"""

from collections import deque

from ivr.domain.errors import BadInput
from ivr.flow.commands import (
    AskProvider,
    Command,
    Dial,
    HangUp,
    Notify,
    Play,
    ReadHeaders,
    Record,
    RequestPayment,
    StartTimer,
    StopPlaying,
    StopRecording,
    StopTimer,
    Transfer,
)
from ivr.flow.engine import Turn, advance
from ivr.flow.events import Digit, Event, LegEnded, Line, PromptFinished, RecordingFinished, TimerFired
from ivr.flow.model import Flow
from ivr.flow.session import Session

Noticed = Play | AskProvider | ReadHeaders | Dial | Transfer | Record | Notify | RequestPayment | HangUp
"""What somebody outside notices; timers and stopped playbacks are kept beside it."""


class NotNow(BadInput):
    """This cannot happen in the call as it stands; nothing has changed."""


class Call:
    """A call of a flow, from its session on."""

    def __init__(self, flow: Flow, session: Session) -> None:
        self.flow = flow
        self.session = session
        self.clock = 0.0
        """Seconds that timers have taken; prompts take none."""
        self.noticed: deque[Noticed] = deque()
        """Not yet taken by `take`, oldest first."""
        self.playing: Play | None = None
        self.timer: StartTimer | None = None
        self.asked: AskProvider | ReadHeaders | None = None
        self.leg: Dial | Transfer | None = None
        self.recording: Record | None = None
        self.faults: list[str] = []

    def send(self, event: Event) -> Turn:
        """One event; returns the turn."""
        match event:
            case PromptFinished(token) if self.playing is not None and token == self.playing.token:
                self.playing = None
            case RecordingFinished(token) if self.recording is not None and token == self.recording.token:
                self.recording = None
            case TimerFired(token) if self.timer is not None and token == self.timer.token:
                self.timer = None
            case LegEnded(token) if self.leg is not None and token == self.leg.token:
                self.leg = None
            case _:
                pass
        return self._after(advance(self.flow, self.session, event))

    def keys(self, keys: str) -> None:
        """Press these, one after the other."""
        for key in keys:
            self.send(Digit(key))

    def line(self, text: str) -> None:
        """Send this from a screen; what was shown has been read by then."""
        if self.playing is not None:
            self.hear()
        self.send(Line(text))

    def hear(self, *, failed: bool = False) -> None:
        """Listen to the end of what is being said. Raises NotNow."""
        if self.playing is None:
            raise NotNow("nothing is being said")
        self.send(PromptFinished(self.playing.token, failed))

    def record(self, *, talked: bool = True, failed: bool = False) -> None:
        """Say something into the recording, and be done. Raises NotNow."""
        if self.recording is None:
            raise NotNow("nothing is recorded")
        self.send(RecordingFinished(self.recording.token, f"call.record{self.recording.token}", talked, failed))

    def wait(self) -> float:
        """Do nothing until the timer fires; returns how many seconds that was. Raises NotNow."""
        if self.timer is None:
            raise NotNow("no timer runs")
        timer = self.timer
        self.clock += timer.seconds
        self.send(TimerFired(timer.token))
        return timer.seconds

    def take(self) -> Noticed | None:
        """The oldest thing noticed and not yet taken."""
        return self.noticed.popleft() if self.noticed else None

    def _after(self, turn: Turn) -> Turn:
        self.session = turn.session
        if turn.fault is not None:
            self.faults.append(turn.fault)
        for command in turn.commands:
            self._do(command)
        return turn

    def _do(self, command: Command) -> None:
        match command:
            case Play():
                self.playing = command
            case StopPlaying():
                self.playing = None
            case StartTimer():
                self.timer = command
            case StopTimer():
                self.timer = None
            case AskProvider() | ReadHeaders():
                self.asked = command
            case Dial() | Transfer():
                self.leg = command
            case Record():
                self.recording = command
            case StopRecording():
                self.recording = None
            case _:
                pass
        if isinstance(command, Noticed):
            self.noticed.append(command)
