"""One events websocket, from its handshake to its end: events come out, requests go in and their replies come back.

Law: messages are handed on in the order in which they came, each exactly once. When the socket dies every request
in flight raises AriDisconnected. A reply that does not come in time means the same: Asterisk serves one
connection's requests one after the other, so nothing behind it would be served either; the socket is dropped.
"""

import asyncio
import base64
import logging
from collections.abc import Callable
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec
import structlog
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.protocol import Event, State

from ivr.asterisk.ari.errors import AriDisconnected, AriUnsent
from ivr.asterisk.ari.events import ApplicationReplaced, CallEvent, RESTResponse, decode
from ivr.asterisk.ari.requests import Request
from ivr.asterisk.ari.timing import Timing
from ivr.asterisk.settings import Ari
from ivr.domain.errors import BadInput

CLOSE_TIMEOUT: Final = 1.0
"""Seconds to say goodbye in."""
LONGEST_MESSAGE: Final = 16 * 1024 * 1024
"""Bytes; the listing of some ten thousand channels."""
QUEUED_MESSAGES: Final = 4096
"""Above that the socket is read no further until we have caught up; nothing is dropped."""

log = structlog.get_logger()

_quiet: Final = logging.getLogger("ivr.asterisk.ari.websocket")
_quiet.setLevel(logging.WARNING)  # at DEBUG the library prints every frame, digits and the password's header included


class Reply(NamedTuple):
    """Status and body of a reply; the body is JSON or empty."""

    status: int
    body: str | bytes


class _RESTRequest(msgspec.Struct, frozen=True, tag="RESTRequest", omit_defaults=True, gc=False):
    request_id: str
    method: str
    uri: str
    content_type: str = ""
    message_body: str = ""


class _Socket(ClientConnection):
    """Hands whole text messages on as they are read, and writes without waiting: a quarter less CPU.

    From the first message in pieces on, everything goes through the library's queue, so that order is kept.
    """

    on_text: Callable[[bytes], None] | None = None

    def process_event(self, event: Event) -> None:
        if self.on_text is not None and isinstance(event, Frame):
            if event.opcode is Opcode.TEXT and event.fin:
                self.on_text(bytes(event.data))
                return
            if event.opcode in _DATA:
                self.on_text = None
        super().process_event(event)

    def post(self, data: bytes) -> None:
        """Send a text message. Raises AriUnsent."""
        if self.state is not State.OPEN:
            raise AriUnsent("no connection to Asterisk's ARI")
        self.protocol.send_text(data)
        self.send_data()


_DATA: Final = frozenset({Opcode.TEXT, Opcode.BINARY, Opcode.CONT})


class Connection:
    """`open()` it, then let `run()` run as long as it is used."""

    def __init__(self, on_message: Callable[[CallEvent | ApplicationReplaced], None]) -> None:
        self._on_message = on_message
        self._waiting: dict[str, asyncio.Future[Reply]] = {}
        self._last_id = 0
        self._loop = asyncio.get_running_loop()
        self._socket: _Socket

    async def open(self, settings: Ari, timing: Timing) -> None:
        """Connect and log in. Raises what `websockets` and the socket raise."""
        base = urlsplit(base_url(settings))
        scheme = "wss" if base.scheme == "https" else "ws"
        socket = await connect(
            f"{scheme}://{base.netloc}{base.path}/events?app={quote(settings.application, safe='')}",
            additional_headers={"Authorization": authorization(settings)},
            compression=None,
            proxy=None,
            open_timeout=timing.open,
            ping_interval=timing.ping_every,
            ping_timeout=timing.pong_within,
            close_timeout=CLOSE_TIMEOUT,
            max_size=LONGEST_MESSAGE,
            max_queue=QUEUED_MESSAGES,
            logger=_quiet,
            create_connection=self._make_socket,  # type: ignore[arg-type]  # any callable will do
        )
        assert isinstance(socket, _Socket)
        self._socket = socket

    async def run(self) -> None:
        """Hand on what comes until the socket is closed, by either side."""
        try:
            while True:
                self._receive(await self._socket.recv(decode=False))
        except ConnectionClosed:
            return
        finally:
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_exception(AriDisconnected("the connection to Asterisk's ARI was lost"))
            self._waiting.clear()

    async def request(self, request: Request, timeout: float) -> Reply:
        """Send it and wait for its reply, whatever the status. Raises AriDisconnected."""
        self._last_id += 1
        request_id = str(self._last_id)
        reply: asyncio.Future[Reply] = self._loop.create_future()
        self._waiting[request_id] = reply
        deadline = self._loop.call_later(timeout, self._too_late, request_id)
        try:
            self._socket.post(_encode(request_id, request))
            return await reply
        finally:
            deadline.cancel()
            self._waiting.pop(request_id, None)

    async def close(self) -> None:
        """Say goodbye, shortly."""
        await self._socket.close()

    def drop(self) -> None:
        """Cut it now; `run()` returns."""
        self._socket.transport.abort()

    def _make_socket(self, *args: Any, **kwargs: Any) -> ClientConnection:
        socket = _Socket(*args, **kwargs)
        socket.on_text = self._receive  # from the first byte on: nothing may wait in the queue before
        return socket

    def _receive(self, data: str | bytes) -> None:
        try:
            message = decode(data if isinstance(data, bytes) else data.encode())
        except ValueError:  # msgspec's errors are ValueErrors; their text may quote what came
            log.warning("ari_message_not_understood", size=len(data))
            return
        if message is None:
            return
        if isinstance(message, RESTResponse):
            waiting = self._waiting.get(message.request_id)
            if waiting is not None and not waiting.done():
                waiting.set_result(Reply(message.status_code, message.message_body))
            return
        self._on_message(message)

    def _too_late(self, request_id: str) -> None:
        waiting = self._waiting.get(request_id)
        if waiting is not None and not waiting.done():
            waiting.set_exception(AriDisconnected("Asterisk's ARI did not reply in time"))
            log.warning("ari_reply_missing", waiting=len(self._waiting))
            self.drop()


def base_url(settings: Ari) -> str:
    """Where ARI is, e.g. `http://127.0.0.1:8088/ari`. Raises BadInput for an address that cannot be one."""
    parts = urlsplit(settings.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise BadInput("Asterisk's ARI address must look like http://host:8088, without a user name in it")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/').removesuffix('/ari')}/ari"


def authorization(settings: Ari) -> str:
    """The header's value. In the URL the password would end up in logs."""
    pair = f"{settings.username}:{settings.password.reveal()}"
    return f"Basic {base64.b64encode(pair.encode()).decode()}"


def _encode(request_id: str, request: Request) -> bytes:
    uri = request.target[1:]  # over the websocket Asterisk wants it without the slash
    if request.body is None:
        return msgspec.json.encode(_RESTRequest(request_id, request.method, uri))
    body = msgspec.json.encode(request.body).decode()
    return msgspec.json.encode(_RESTRequest(request_id, request.method, uri, "application/json", body))
