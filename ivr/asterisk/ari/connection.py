"""One events websocket, from its handshake to its end: events come out, requests go in and their replies come back.

Law: messages are handed on in the order in which they came, each exactly once. When the socket dies every request
in flight gets AriDisconnected. A reply that does not come in time means the same: Asterisk serves one
connection's requests one after the other, so nothing behind it would be served either; the socket is dropped.
"""

import asyncio
import base64
import logging
from collections.abc import Callable
from typing import Final, NamedTuple
from urllib.parse import quote, urlsplit

import msgspec
import structlog
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from ivr.asterisk.ari.errors import AriDisconnected, AriUnsent, place
from ivr.asterisk.ari.events import ApplicationReplaced, CallEvent, RESTResponse, decode
from ivr.asterisk.ari.requests import Request
from ivr.asterisk.ari.timing import Timing
from ivr.asterisk.settings import Ari
from ivr.domain.errors import BadInput

CLOSE_TIMEOUT: Final = 1.0
"""Seconds to say goodbye in."""
LONGEST_MESSAGE: Final = 16 * 1024 * 1024
"""Bytes; the listing of some ten thousand channels. A longer one ends the connection."""

log = structlog.get_logger()

_quiet: Final = logging.getLogger("ivr.asterisk.ari.websocket")
_quiet.setLevel(logging.ERROR)  # below that the library tells of every connection, which is told here already


class Reply(NamedTuple):
    """Status and body of a reply; the body is JSON or empty."""

    status: int
    body: str | bytes


Done = Callable[[Reply | AriDisconnected], None]
"""Told, once, what became of a request: its reply whatever the status, or that nobody can say."""


class _RESTRequest(msgspec.Struct, frozen=True, tag="RESTRequest", omit_defaults=True, gc=False):
    request_id: str
    method: str
    uri: str
    content_type: str = ""
    message_body: str = ""


class _Messages(WSListener):
    """Puts frames together to messages and hands each on, at once and in order; control frames are the library's."""

    def __init__(self, on_text: Callable[[bytes], None]) -> None:
        super().__init__()
        self._on_text = on_text
        self._pieces = bytearray()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        kind = frame.msg_type
        if kind is _TEXT and frame.fin:
            self._on_text(frame.get_payload_as_bytes())
        elif kind is _TEXT or kind is WSMsgType.CONTINUATION:
            self._pieces += frame.get_payload_as_memoryview()
            if len(self._pieces) > LONGEST_MESSAGE:
                log.warning("ari_message_too_long", size=len(self._pieces))
                transport.disconnect(graceful=False)
            elif frame.fin:
                message = bytes(self._pieces)
                self._pieces.clear()
                self._on_text(message)
        elif kind is WSMsgType.CLOSE:
            transport.disconnect()


_TEXT: Final = WSMsgType.TEXT


class Connection:
    """`open()` it, then let `run()` run as long as it is used."""

    def __init__(self, on_message: Callable[[CallEvent | ApplicationReplaced], None]) -> None:
        self._on_message = on_message
        self._waiting: dict[str, tuple[Done, float]] = {}
        """Who waits for which reply, and until when; the oldest first."""
        self._overdue: asyncio.TimerHandle | None = None
        self._why = "the connection to Asterisk's ARI was lost"
        self._last_id = 0
        self._loop = asyncio.get_running_loop()
        self._socket: WSTransport

    async def open(self, settings: Ari, timing: Timing) -> None:
        """Connect and log in. Raises WSError, OSError or TimeoutError."""
        base = urlsplit(base_url(settings))
        scheme = "wss" if base.scheme == "https" else "ws"
        async with asyncio.timeout(timing.open):
            self._socket, _ = await ws_connect(
                lambda: _Messages(self._receive),
                f"{scheme}://{base.netloc}{base.path}/events?app={quote(settings.application, safe='')}",
                extra_headers={"Authorization": authorization(settings)},
                websocket_handshake_timeout=None,  # ours holds the connecting as well
                enable_auto_ping=True,
                auto_ping_idle_timeout=timing.ping_every,
                auto_ping_reply_timeout=timing.pong_within,
                max_frame_size=LONGEST_MESSAGE,
                max_redirects=0,
                logger_name=_quiet,
            )

    async def run(self) -> None:
        """Return when the socket is closed, by either side."""
        try:
            await self._socket.wait_disconnected()
        except Exception as exc:  # noqa: BLE001 -- whatever ended it, it is over; the message may quote what came
            log.warning("ari_connection_broke", error=type(exc).__name__)
        finally:
            if self._overdue is not None:
                self._overdue.cancel()
            waiting, self._waiting = self._waiting, {}
            for done, _ in waiting.values():
                self._tell(done, AriDisconnected(self._why))

    def post(self, request: Request, timeout: float, done: Done) -> str:
        """Send it; returns its id. Requests are carried out in the order in which they were posted."""
        if self._socket.is_disconnected or self._socket.is_close_frame_sent:
            done(AriUnsent("no connection to Asterisk's ARI"))
            return ""
        self._last_id += 1
        request_id = str(self._last_id)
        data = _encode(request_id, request)
        self._waiting[request_id] = (done, self._loop.time() + timeout)
        if self._overdue is None:
            self._overdue = self._loop.call_later(timeout, self._look_for_overdue)
        self._socket.send(_TEXT, data)
        return request_id

    async def request(self, request: Request, timeout: float) -> Reply:
        """Send it and wait for its reply, whatever the status. Raises AriDisconnected."""
        future: asyncio.Future[Reply] = self._loop.create_future()

        def done(reply: Reply | AriDisconnected) -> None:
            if future.done():  # nobody waits any more
                return
            if isinstance(reply, Reply):
                future.set_result(reply)
            else:
                future.set_exception(reply)

        request_id = self.post(request, timeout, done)
        try:
            return await future
        finally:  # whoever stops waiting does not cut the connection when the reply stays away
            self._waiting.pop(request_id, None)

    async def close(self) -> None:
        """Say goodbye, shortly."""
        if not self._socket.is_disconnected:
            self._socket.send_close()  # and Asterisk says its own: from then on it sends us no more calls
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT):
                await self._socket.wait_disconnected()
        except TimeoutError:
            self.drop()
        except Exception as exc:  # noqa: BLE001 -- what had broken it is told by `run`
            log.debug("ari_connection_broke", error=type(exc).__name__)

    def drop(self) -> None:
        """Cut it now; `run()` returns."""
        self._socket.disconnect(graceful=False)

    def _receive(self, data: bytes) -> None:
        try:
            message = decode(data)
        except ValueError:  # msgspec's errors are ValueErrors; their text may quote what came
            log.warning("ari_message_not_understood", size=len(data))
            return
        if message is None:
            return
        if isinstance(message, RESTResponse):
            waiting = self._waiting.pop(message.request_id, None)
            if waiting is not None:
                self._tell(waiting[0], Reply(message.status_code, message.message_body))
            return
        self._on_message(message)

    def _tell(self, done: Done, reply: Reply | AriDisconnected) -> None:
        try:
            done(reply)
        except Exception as exc:  # noqa: BLE001 -- one call's bug must not end the other calls' replies
            log.error("ari_reply_handler_failed", where=place(exc))

    def _look_for_overdue(self) -> None:
        self._overdue = None
        for _, deadline in self._waiting.values():
            late = deadline - self._loop.time()
            if late > 0:
                self._overdue = self._loop.call_later(late, self._look_for_overdue)
            else:
                log.warning("ari_reply_missing", waiting=len(self._waiting))
                self._why = "Asterisk's ARI did not reply in time"
                self.drop()
            return


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
