"""One connection to AMI, from its login to its end: events come out, actions go in and their replies come back.

Law: events are handed on in the order in which they came, each once, and none before the connection is ready. When the
connection dies every action in flight gets AmiDisconnected, once. A reply that does not come in time means the
same: Asterisk carries a connection's actions out one after the other, so nothing behind it would be done either.
"""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, cast

import structlog

from ivr.asterisk.ami.actions import Action, login, ping
from ivr.asterisk.ami.errors import AmiDisconnected, AmiError, AmiUnsent
from ivr.asterisk.ami.events import AmiEvent, decode
from ivr.asterisk.ami.wire import Fields, Reader, encode
from ivr.asterisk.ari.errors import place
from ivr.asterisk.ari.timing import Timing

MOST_WAITING: Final = 1000
"""Actions without their replies."""
MOST_LISTED: Final = 20_000
"""Events of one listing."""
LONGEST_LIST: Final = 8 * 1024 * 1024
"""Characters of one listing."""
LONGEST_WORDS: Final = 200
"""Characters of Asterisk's own words that an error repeats."""

_BANNER: Final = b"Asterisk Call Manager/"
_READ_BYTES: Final = 16 * 1024
"""What is read at once: a server that floods us leaves the loop its turns."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class AmiReply:
    """Asterisk's yes. `events` are what a listing listed, without its closing one."""

    fields: Fields
    events: tuple[Fields, ...] = ()


Outcome = AmiReply | AmiError | AmiDisconnected
Done = Callable[[Outcome], None]
"""Told, once, how an action ended; in its order among the events."""


class NotAmi(Exception):
    """Whoever listens there does not speak AMI."""


@dataclass(slots=True)
class _Waiting:
    name: str
    done: Done
    deadline: float
    reply: Fields | None = None
    listed: list[Fields] = field(default_factory=list)
    size: int = 0


class Connection(asyncio.BufferedProtocol):
    """`open()` it; then `ended` is set when it is over. `on_ready` is called before the first event."""

    def __init__(self, on_event: Callable[[AmiEvent], None], on_ready: Callable[["Connection"], None]) -> None:
        self.ended = asyncio.Event()
        self._on_event = on_event
        self._on_ready = on_ready
        self._loop = asyncio.get_running_loop()
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._reader = Reader()
        self._greeted: asyncio.Future[None] = self._loop.create_future()
        self._booted: asyncio.Future[None] = self._loop.create_future()
        self._waiting: dict[str, _Waiting] = {}
        self._listing = ""
        """The action whose listing is coming in."""
        self._overdue: asyncio.TimerHandle | None = None
        self._ping: asyncio.TimerHandle | None = None
        self._why = "the connection to Asterisk's manager was lost"
        self._ids = secrets.token_hex(8)  # whoever can write lines into a channel's name cannot write a reply
        self._last_id = 0
        self._transport: asyncio.Transport | None = None
        self._closed = False
        self._ready = False

    async def open(self, host: str, port: int, username: str, secret: str, timing: Timing) -> None:
        """Connect, log in and wait until Asterisk has started.

        Raises OSError, TimeoutError, NotAmi, AmiError when the login is refused, or AmiDisconnected; after any of
        these the caller drops it.
        """
        async with asyncio.timeout(timing.open):
            await self._loop.create_connection(lambda: self, host, port)
            await self._greeted
            await self.send(login(username, secret), timing.open)
        async with asyncio.timeout(timing.request):
            await self._booted
        self._ping = self._loop.call_later(timing.ping_every, self._send_ping, timing)

    def post(self, action: Action, timeout: float, done: Done) -> None:
        """Send it and go on. Raises BadInput when it cannot be sent as it is."""
        self._last_id += 1
        action_id = f"{self._ids}-{self._last_id}"
        data = encode(action.name, action_id, action.fields)
        if self._closed or self._transport is None or self._transport.is_closing():
            done(AmiUnsent("no connection to Asterisk's manager"))
        elif len(self._waiting) >= MOST_WAITING:
            done(AmiUnsent("Asterisk's manager does not keep up with our actions"))
        else:
            self._waiting[action_id] = _Waiting(action.name, done, self._loop.time() + timeout)
            if self._overdue is None or self._overdue.when() > self._loop.time() + timeout:
                self._watch(timeout)
            self._transport.write(data)

    async def send(self, action: Action, timeout: float) -> AmiReply:
        """Send it and wait for its reply. Raises BadInput, AmiError or AmiDisconnected."""
        future: asyncio.Future[AmiReply] = self._loop.create_future()

        def done(outcome: Outcome) -> None:
            if future.done():  # nobody waits any more
                return
            if isinstance(outcome, AmiReply):
                future.set_result(outcome)
            else:
                future.set_exception(outcome)

        self.post(action, timeout, done)
        return await future

    def drop(self) -> None:
        """Cut it now; nothing more is handed on. Twice is once."""
        self._end()
        if self._transport is not None:
            self._transport.abort()

    # -- what asyncio calls ------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        if self._closed:
            self._transport.abort()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        data = self._buffer[:nbytes]
        left_out = self._reader.left_out
        if not self._greeted.done():
            data = self._greet(bytes(data))
        for fields in self._reader.messages(data):
            if self._closed:
                break
            self._receive(fields)
        if nbytes == _READ_BYTES and self._transport is not None and not self._closed:
            self._transport.pause_reading()  # there is more, and libuv would read it all in this turn
            self._loop.call_soon(self._read_on)
        if self._reader.left_out > left_out == 0:
            log.warning("ami_lines_left_out")  # once a connection: whoever makes them could fill the log

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()

    def _read_on(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # -- what comes --------------------------------------------------------------------------------------------------

    def _greet(self, data: bytes) -> memoryview:
        for line in self._reader.lines(data):  # Asterisk says nothing more before the login
            if self._greeted.done():
                pass
            elif line.startswith(_BANNER):
                self._greeted.set_result(None)
            else:
                _fail(self._greeted, NotAmi())
        return memoryview(b"")

    def _receive(self, fields: Fields) -> None:
        waiting = self._waiting.get(fields.get("actionid", ""))
        if "response" in fields:
            if waiting is not None and waiting.reply is None:
                self._replied(fields["actionid"], waiting, fields)
        elif self._listing:
            # Asterisk sends no event inside a listing. Who stands there without its id was written by a caller whose
            # number holds line breaks; in events Asterisk's filter finds such, in listings it does not look.
            if waiting is not None and fields["actionid"] == self._listing:
                self._listed(self._listing, waiting, fields)
            else:
                log.warning("ami_listing_with_strangers")
        elif fields.get("event") == "FullyBooted":
            self._boot()
        elif self._ready:
            self._hand_on(fields)

    def _boot(self) -> None:
        if not self._booted.done():
            self._booted.set_result(None)
            self._ready = True
            self._on_ready(self)

    def _replied(self, action_id: str, waiting: _Waiting, fields: Fields) -> None:
        if fields["response"] not in ("Success", "Goodbye"):
            words = fields.get("message", "")[:LONGEST_WORDS] or "without a word"
            self._settle(action_id, AmiError(waiting.name, words))
        elif fields.get("eventlist", "").lower() == "start":
            waiting.reply = fields
            self._listing = action_id
        else:
            self._settle(action_id, AmiReply(fields))

    def _listed(self, action_id: str, waiting: _Waiting, fields: Fields) -> None:
        ending = fields.get("eventlist", "").lower()
        too_long = len(waiting.listed) > MOST_LISTED or waiting.size > LONGEST_LIST
        if not ending:
            if not too_long:
                waiting.listed.append(fields)
                waiting.size += sum(len(key) + len(value) for key, value in fields.items())
        elif too_long:
            self._settle(action_id, AmiError(waiting.name, "the listing is too long"))
        elif ending == "complete" and waiting.reply is not None:
            self._settle(action_id, AmiReply(waiting.reply, tuple(waiting.listed)))
        else:
            self._settle(action_id, AmiError(waiting.name, "the listing was broken off"))

    def _hand_on(self, fields: Fields) -> None:
        try:
            event = decode(fields)
        except ValueError:  # its text may quote what came; the type is one of those that we know
            log.warning("ami_event_not_understood", type=fields["event"])
            return
        if event is None:
            return
        try:
            self._on_event(event)
        except Exception as exc:  # noqa: BLE001 -- one handler's bug must not end the events of all
            log.error("ami_event_failed", type=type(event).__name__, where=place(exc))

    # -- how it ends -------------------------------------------------------------------------------------------------

    def _settle(self, action_id: str, outcome: Outcome) -> None:
        waiting = self._waiting.pop(action_id)
        if action_id == self._listing:
            self._listing = ""
        try:
            waiting.done(outcome)
        except Exception as exc:  # noqa: BLE001 -- nor one caller's bug the others' replies
            log.error("ami_reply_handler_failed", where=place(exc))

    def _watch(self, seconds: float) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        self._overdue = self._loop.call_later(seconds, self._look_for_overdue)

    def _look_for_overdue(self) -> None:
        self._overdue = None
        if not self._waiting:
            return
        late = min(one.deadline for one in self._waiting.values()) - self._loop.time()
        if late > 0:
            self._watch(late)
        else:
            log.warning("ami_reply_missing", waiting=len(self._waiting))
            self._why = "Asterisk's manager did not reply in time"
            self.drop()

    def _send_ping(self, timing: Timing) -> None:
        if not self._closed:
            self.post(ping(), timing.pong_within, lambda outcome: None)
            self._ping = self._loop.call_later(timing.ping_every, self._send_ping, timing)

    def _end(self) -> None:
        if self._closed:
            return
        self._closed = True
        for timer in (self._overdue, self._ping):
            if timer is not None:
                timer.cancel()
        for future in (self._greeted, self._booted):
            if not future.done():
                _fail(future, AmiDisconnected(self._why))
        for action_id in list(self._waiting):
            self._settle(action_id, AmiDisconnected(self._why))
        self.ended.set()


def _fail(future: asyncio.Future[None], error: Exception) -> None:
    future.set_exception(error)
    future.exception()  # perhaps nobody waits any more; that is no fault to be told of
