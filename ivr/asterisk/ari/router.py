"""Events to the call they belong to.

Law: a call gets its events in the order in which they came, and none is dropped. Handlers are called at once; they
do no more than change the call's state and put flow events into the call's own queue.
"""

from collections.abc import Callable
from typing import Final

from ivr.asterisk.ari.events import CallEvent, Dial, PlaybackFinished, RecordingFailed, RecordingFinished
from ivr.asterisk.ari.ids import call_of

ASSIST: Final = ".assist"
"""Ends the name of a bridge in which an agent helps a caller; before it stands the call's id."""

Handler = Callable[[CallEvent], None]


class Router:
    """Knows which calls live here."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def attach(self, call_id: str, handler: Handler) -> None:
        """From now on this call's events go there."""
        self._handlers[call_id] = handler

    def detach(self, call_id: str) -> None:
        """The call is over; what still comes for it is nobody's."""
        self._handlers.pop(call_id, None)

    def dispatch(self, event: CallEvent) -> bool:
        """Hand it on; False when it belongs to no call that lives here."""
        handler = self._handlers.get(call_of_event(event))
        if handler is None:
            return False
        handler(event)
        return True


def call_of_event(event: CallEvent) -> str:
    """The id of the call that an event belongs to: of a leg's event the caller's."""
    if isinstance(event, PlaybackFinished):
        return event.playback.target_uri.removeprefix("channel:").removeprefix("bridge:").removesuffix(ASSIST)
    if isinstance(event, RecordingFinished | RecordingFailed):
        return event.recording.target_uri.removeprefix("channel:")
    return call_of(event.peer.id if isinstance(event, Dial) else event.channel.id)
