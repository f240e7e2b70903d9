"""The order of commands on one connection: AGI takes one at a time.

Law: every command is replied to exactly once, to whoever gave it, in order; None says that no reply will come any more.
A playback that is unwanted, or waiting for a key while there is something to do, is broken off by a nudge: a command
that does nothing. Nothing else is sent before every nudge is replied to: Asterisk looks at its socket only for what it
has not read yet, so two commands that it reads at once would leave the second one lying until a third comes.

Why not wait in short slices, of which none has to be broken off (Asterisk writes a warning each time): between two
commands Asterisk throws keys away, and on a busy machine the pauses between slices become as long as the slices.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

import structlog

from ivr.asterisk.agi.commands import listen, nothing
from ivr.asterisk.agi.connection import Connection
from ivr.asterisk.agi.wire import Reply
from ivr.domain.errors import BadInput

LISTEN_SECONDS: Final = 5.0
"""For which Asterisk is told to wait for a key at once: so often we see that it is still there."""

FIRST_NUDGE: Final = 0.02
LAST_NUDGE: Final = 1.0
"""Seconds after which another nudge follows one without a reply: it was read together with what it should break off."""

Then = Callable[[Reply | None], None]


class Order:
    """One command, and who hears the reply."""

    __slots__ = ("sent", "stream", "takes", "text", "then", "unwanted", "wait")

    def __init__(
        self, text: str, then: Then, *, takes: float | None = 0.0, stream: bool = False, wait: bool = False
    ) -> None:
        self.text = text
        self.then = then
        self.takes = takes
        """Seconds that Asterisk needs for it; None: nobody knows."""
        self.stream = stream
        """A playback: once broken off it has no reply."""
        self.wait = wait
        """For a key: whatever comes next breaks it off."""
        self.sent = False
        self.unwanted = False
        """A playback that is to be broken off."""


class Dialogue:
    """Gives the commands of one connection in their order, and listens for keys while there are none."""

    def __init__(self, connection: Connection, on_key: Callable[[str], None], on_gone: Callable[[], None]) -> None:
        """`on_gone` is told when Asterisk says, by a reply, that the caller is gone."""
        self.listens = True
        """Whether keys are waited for while there is nothing to do."""
        self._connection = connection
        self._on_key = on_key
        self._on_gone = on_gone
        self._waiting: deque[Order] = deque()
        self._current: Order | None = None
        self._nudges = 0
        """Nudges without a reply."""
        self._nudger: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._is_due = False
        self._over = False

    @property
    def current(self) -> Order | None:
        """The command that goes on."""
        return self._current

    def give(self, order: Order, *, first: bool = False) -> None:
        """Carry this out after all others, or before them."""
        if self._over:
            order.then(None)
            return
        if first:
            self._waiting.appendleft(order)
        else:
            self._waiting.append(order)
        self.soon()

    def soon(self) -> None:
        """Go on once everything that belongs to the same moment has been said."""
        if not self._is_due and not self._over:
            self._is_due = True
            self._loop.call_soon(self._go_on)

    def forget(self, order: Order) -> None:
        """This command need not be carried out any more; one that has gone out is broken off if it is a playback."""
        if order in self._waiting:
            self._waiting.remove(order)
        elif order is self._current and order.stream:
            order.unwanted = True
            self.soon()

    def forget_all(self) -> None:
        """Drop what has not gone out; who gave it hears that no reply will come."""
        dropped, self._waiting = self._waiting, deque()
        for order in dropped:
            order.then(None)
        if self._current is not None:
            self.forget(self._current)

    def on_reply(self, reply: Reply) -> None:
        """The next line from Asterisk. Raises BadInput when nothing was asked."""
        self._is_due = True  # what is given meanwhile goes out below: while nobody listens, keys are thrown away
        order = self._current
        if self._nudges and (order is None or (order.stream and reply.endpos is None)):
            self._nudges -= 1
            if not self._nudges and self._nudger is not None:
                self._nudger.cancel()
            self._current = None
            if order is not None:
                order.then(None)  # broken off in time: nothing is said of it
        elif order is not None:
            self._current = None
            if reply.code not in (_OK, _DEAD):
                _log.error("agi_command_refused", status=reply.code)
            order.then(reply)
        else:
            raise BadInput("a reply came to nothing that was asked")
        if reply.code == _DEAD:
            self._on_gone()
        if self._nudges:
            self._connection.acknowledge()
        self._go_on()

    def close(self) -> None:
        """No reply comes any more."""
        if self._over:
            return
        self._over = True
        if self._nudger is not None:
            self._nudger.cancel()
        left = [order for order in (self._current, *self._waiting) if order is not None]
        self._current = None
        self._waiting.clear()
        for order in left:
            order.then(None)

    # ---- helpers

    def _go_on(self) -> None:
        self._is_due = False
        if self._over or self._nudges:
            return
        if self._current is None:
            if self._waiting:
                self._send(self._waiting.popleft())
            elif self.listens:
                self._listen()
        elif self._current.unwanted or (self._current.wait and self._waiting):
            self._nudge(FIRST_NUDGE)

    def _send(self, order: Order) -> None:
        self._current = order
        order.sent = True
        self._connection.send(order.text, order.takes)

    def _nudge(self, pause: float) -> None:
        """Break off what goes on, and see to it that the nudge is noticed."""
        self._nudges += 1
        self._connection.send(nothing(), 0.0)
        self._nudger = self._loop.call_later(pause, self._nudge_again, min(2 * pause, LAST_NUDGE))

    def _nudge_again(self, pause: float) -> None:
        if self._nudges and not self._over:
            self._nudge(pause)

    def _listen(self) -> None:
        self._send(Order(listen(int(LISTEN_SECONDS * 1000)), self._heard, takes=LISTEN_SECONDS, wait=True))

    def _heard(self, reply: Reply | None) -> None:
        if reply is None:
            return
        if reply.key is not None:
            self._on_key(reply.key)
        elif reply.code == _OK and reply.result < 0:
            self._on_gone()


_OK: Final = 200
_DEAD: Final = 511

_log = structlog.get_logger("ivr.agi")
