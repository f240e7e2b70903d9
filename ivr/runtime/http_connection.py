"""One connection to a provider: one request at a time, and its whole answer.

Law: opening it sends no byte of a request. From the moment a request is written, whatever is not a whole answer is
OutcomeUnknown, and the connection is never used again. Nothing that was sent is sent twice.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, cast

import aiohappyeyeballs
import httptools

from ivr.domain.errors import OutcomeUnknown

MOST_BODY: Final = 64 * 1024
"""The longest answer we read, in bytes. A provider's answers are a few hundred."""

MOST_HEAD: Final = 16 * 1024
"""The longest head of an answer, in bytes."""

MOST_BYTES: Final = MOST_HEAD + 2 * MOST_BODY
"""All that is read of one answer, what chunks need besides included."""

NEXT_ADDRESS_SECONDS: Final = 0.25
"""A host with several addresses is tried at the next one when the one before is silent for so long (RFC 8305)."""


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer, at most `MOST_BODY` bytes of body."""

    status: int
    body: bytes
    retry_after: str = ""
    """The header of that name, as it came."""


async def connect(host: str, port: int, tls: ssl.SSLContext | None, on_lost: "Lost") -> "HttpConnection":
    """A new connection. Raises OSError, or UnicodeError for a name that cannot be one; nothing has been sent then."""
    loop = asyncio.get_running_loop()
    addresses = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    wire = await aiohappyeyeballs.start_connection(
        addresses, happy_eyeballs_delay=NEXT_ADDRESS_SECONDS, interleave=1, loop=loop
    )
    try:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        _, connection = await loop.create_connection(
            lambda: HttpConnection(on_lost), sock=wire, ssl=tls, server_hostname=host if tls is not None else None
        )
    except BaseException:
        wire.close()
        raise
    return connection


class HttpConnection(asyncio.Protocol):
    """Made by `connect`. `usable` between two requests; `idle_since` belongs to whoever keeps it."""

    __slots__ = (
        "_answer",
        "_asked_at",
        "_body",
        "_bytes",
        "_ends_with_connection",
        "_fault",
        "_head",
        "_head_only",
        "_heard_at",
        "_length",
        "_loop",
        "_lost",
        "_most_seconds",
        "_on_lost",
        "_parser",
        "_read_seconds",
        "_retry_after",
        "_status",
        "_timer",
        "_transport",
        "idle_since",
        "usable",
    )

    def __init__(self, on_lost: "Lost") -> None:
        self.usable = True
        self.idle_since = 0.0
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._lost: asyncio.Future[None] = self._loop.create_future()
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport
        self._answer: asyncio.Future[HttpAnswer] | None = None
        """Who waits; None between two requests."""
        self._timer: asyncio.TimerHandle | None = None
        self._begin()

    async def exchange(
        self, request: bytes, read_seconds: float, most_seconds: float, *, head_only: bool = False
    ) -> HttpAnswer:
        """Send these bytes and wait for the answer. Raises OutcomeUnknown.

        `head_only`: it is a HEAD, whose answer has no body whatever its head says; the connection is not used again.
        `read_seconds`: silence longer than this is no answer. `most_seconds`: for all of it.
        """
        self._answer = self._loop.create_future()
        self._asked_at = self._heard_at = self._loop.time()
        self._read_seconds, self._most_seconds = read_seconds, most_seconds
        self._head = self._status = self._bytes = 0
        self._head_only = head_only
        self._timer = self._loop.call_later(min(read_seconds, most_seconds), self._look)
        self._transport.write(request)
        try:
            return await self._answer
        finally:
            self._timer.cancel()
            if not self._answer.done() or self._answer.cancelled() or self._answer.exception() is not None:
                self.drop()  # whoever stopped waiting leaves an answer behind that nobody must take for theirs
            self._answer = None

    def now(self) -> float:
        """The loop's clock, in seconds."""
        return self._loop.time()

    def drop(self) -> None:
        """Let go of it at once."""
        self.usable = False
        if not self._lost.done():
            self._transport.abort()

    async def close(self) -> None:
        """Say goodbye; returns when it is gone. A request under way gets OutcomeUnknown."""
        self.usable = False
        if not self._lost.done():
            self._transport.close()
        await asyncio.shield(self._lost)

    # -- the transport's side -----------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by inheritance

    def data_received(self, data: bytes) -> None:
        if self._answer is None or self._answer.done():
            self.drop()  # nobody asked
            return
        self._heard_at = self._loop.time()
        self._bytes += len(data)
        if self._bytes > MOST_BYTES:  # trailers, and what else is neither head nor body
            self._fail("it is too long")
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._fail("it is no HTTP")
        else:
            if self._status == 0 and not self._answer.done():  # still in the head
                self._head += len(data)
                if self._head > MOST_HEAD:
                    self._fail("its head is too long")

    def eof_received(self) -> None:
        if self._answer is not None and not self._answer.done() and self._status and self._ends_with_connection:
            self.usable = False
            self._answer.set_result(self._whole())

    def connection_lost(self, exc: Exception | None) -> None:
        if not self._lost.done():  # a loop that ends has cancelled it
            self._lost.set_result(None)
        self._fail("the connection was lost" if exc is None else type(exc).__name__)
        self._on_lost(self)

    # -- the parser's side --------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """Also of what is sent on top of an answer: such a connection is not to be trusted with the next request."""
        if self._answer is None or self._answer.done():
            self.usable = False
        self._begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        kind = name.lower()
        if kind in (b"content-length", b"transfer-encoding"):
            self._ends_with_connection = False
        elif kind == b"content-encoding" and value.strip().lower() != b"identity":
            self._fault = "it is compressed, and we asked for one that is not"
        elif kind == b"retry-after":
            self._retry_after = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self._status = status
            if self._fault:
                self._fail(self._fault)
            elif self._head_only and self._answer is not None and not self._answer.done():
                self.usable = False
                self._answer.set_result(self._whole())

    def on_body(self, data: bytes) -> None:
        self._length += len(data)
        if self._length > MOST_BODY:
            self._fail("it is too long")
        else:
            self._body.append(data)

    def on_message_complete(self) -> None:
        if self._status and self._answer is not None and not self._answer.done():
            self.usable = self.usable and self._parser.should_keep_alive()
            self._answer.set_result(self._whole())

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _begin(self) -> None:
        self._status = 0
        self._body: list[bytes] = []
        self._length = 0
        self._fault = ""
        self._retry_after = ""
        self._ends_with_connection = True

    def _whole(self) -> HttpAnswer:
        return HttpAnswer(self._status, b"".join(self._body), self._retry_after)

    def _look(self) -> None:
        now = self._loop.time()
        left = min(self._heard_at + self._read_seconds, self._asked_at + self._most_seconds) - now
        if left > 0:
            self._timer = self._loop.call_later(left, self._look)
        else:
            self._fail("TimeoutError")

    def _fail(self, why: str) -> None:
        self.usable = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(OutcomeUnknown(f"no whole answer: {why}"))
            self.drop()


Lost = Callable[[HttpConnection], None]
"""Told, once, that a connection is gone."""
