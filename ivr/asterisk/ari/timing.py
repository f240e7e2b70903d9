"""How long we wait for Asterisk, in seconds. Values only."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import uniform


@dataclass(frozen=True, slots=True)
class Timing:
    """The defaults are what a deployment runs with."""

    open: float = 5.0
    """TCP, TLS and the handshake together."""
    request: float = 10.0
    """One reply."""
    first_request: float = 2.0
    """The first request of a connection; an Asterisk older than 22.4 never answers it over the websocket."""
    ping_every: float = 10.0
    pong_within: float = 10.0
    first_pause: float = 0.05
    """Before the first try to reconnect: callers who come in between are turned away by Asterisk."""
    longest_pause: float = 5.0
    steady_after: float = 10.0
    """A connection that lived so long was a good one: pauses begin anew."""
    start: float = 30.0
    """In which Asterisk may still be starting when we start."""

    def pauses(self) -> Iterator[float]:
        """Twice as long each time, and spread, so that several clients do not come back all at once."""
        pause = self.first_pause
        while True:
            yield pause * uniform(0.5, 1.0)  # noqa: S311 -- spreads reconnects, guards nothing
            pause = min(pause * 2, self.longest_pause)
