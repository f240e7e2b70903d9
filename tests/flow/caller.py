"""One simulated caller: sends events to the engine, remembers what comes back, and watches the engine's laws.

Law: nothing here decides for the engine. Every event that is sent checks that the session handed in stayed as it was,
that nothing speaks over something else, that no payment leaves twice, and that a living call waits for something.
"""

from ivr.domain.secret import Secret
from ivr.flow.commands import (
    AskProvider,
    Command,
    Dial,
    HangUp,
    Notify,
    PaymentOrder,
    Play,
    Record,
    StopPlaying,
    StopRecording,
)
from ivr.flow.engine import Turn, fail
from ivr.flow.events import Event, Resumed
from ivr.flow.model import Flow
from ivr.flow.session import Session
from ivr.flow.steps.invoice import BOOKS
from ivr.simulator.call import Call, Noticed

__all__ = ["Caller", "Noticed"]


class Caller(Call):
    """A call of a flow, from its session on."""

    def __init__(self, flow: Flow, session: Session) -> None:
        super().__init__(flow, session)
        self.payments: list[PaymentOrder] = []

    def send(self, event: Event) -> Turn:
        """One event; returns the turn."""
        session, before = self.session, self.session.copy()
        turn = super().send(event)
        assert session == before, "the session handed in was changed"
        return turn

    def break_down(self) -> Turn:
        """A command could not be carried out."""
        session, before = self.session, self.session.copy()
        turn = self._after(fail(self.flow, self.session))
        assert session == before, "the session handed in was changed"
        return turn

    def restart(self, *, leg_is_up: bool = True) -> Turn:
        """The process dies; the next one takes the call over from its snapshot. Asterisk goes on with its prompt."""
        self.session = Session.restore(self.session.snapshot())
        self.timer = self.asked = None
        self.noticed.clear()
        return self.send(Resumed(self.session.leg if leg_is_up else None))

    def _after(self, turn: Turn) -> Turn:
        super()._after(turn)
        if self.session.ended is None:
            self._check()
        return turn

    def _do(self, command: Command) -> None:
        match command:
            case Play():
                assert self.playing is None, "one prompt over another"
            case StopPlaying(token):
                assert self.playing is not None and self.playing.token == token, "stops what is not playing"
            case Record():
                assert self.recording is None and self.playing is None, "records what we say, or twice"
            case StopRecording(token):
                assert self.recording is not None and self.recording.token == token, "ends what is not recorded"
            case Notify():
                assert not any(isinstance(value, Secret) for value in command.values.values()), "tells a secret"
            case HangUp():
                assert self.session.ended is not None
            case _:
                pass
        if isinstance(command, AskProvider | Dial) and command.payment is not None:
            known = command.payment.id in {order.id for order in self.payments}
            link = isinstance(command, AskProvider) and command.provider == BOOKS  # the books know it the second time
            assert link or not known, "a payment left twice"
            self.payments += [] if known else [command.payment]
        super()._do(command)

    def _check(self) -> None:
        session = self.session
        assert session.playing == (self.playing.token if self.playing else None), "waits for another prompt"
        assert session.timer == (self.timer.token if self.timer else None), "waits for another timer"
        assert session.asking in (None, self.asked.token if self.asked else None), "waits for an unasked answer"
        assert session.leg in (None, self.leg.token if self.leg else None), "waits for a leg that is not dialled"
        assert session.recording == (self.recording.token if self.recording else None), "waits for another recording"
        waits = {session.playing, session.timer, session.asking, session.leg, session.recording} != {None}
        assert waits or not session.visit, f"silence for ever in step '{session.step}'"
