"""One long-lived HTTP client for one provider: exact limits, and two ways to fail.

Law: ProviderUnreachable only when no byte of the request left; everything else that is not a whole answer is
OutcomeUnknown. No redirects, no cookies, no proxies from the environment. An error holds no URL, no header and no
body, neither in its text nor in its chain.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import msgspec
from yarl import URL

from ivr.domain.errors import BadInput, ProviderUnreachable
from ivr.runtime.http_connection import MOST_BODY, HttpAnswer, HttpConnection, connect

__all__ = ["MOST_BODY", "HttpAnswer", "HttpClient", "HttpSettings"]

KEEPALIVE_SECONDS: Final = 4.0
"""An idle connection is let go after so long: before the usual servers (5 s and up) close it under a request."""

MOST_PATHS: Final = 32
"""So many paths of a provider are kept as they go out; one that holds an id comes once and is not worth keeping."""

CLOSE_SECONDS: Final = 1.0
"""To say goodbye in."""

HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "ivr",
}
"""Sent with every request. Compressed answers are refused: a few bytes can unpack into gigabytes."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where a provider is and how long we wait, in seconds. `base_url` may hold a path; it is put before every path.

    Raises BadInput when the address or a limit cannot be used.
    """

    base_url: str
    connect_seconds: float = 3.0
    read_seconds: float = 10.0
    """Silence from the provider longer than this is no answer."""
    pool_seconds: float = 2.0
    """Waiting for a free connection, before the connecting itself."""
    total_seconds: float = 20.0
    """A whole request, however slowly the answer drips."""
    most_connections: int = 100
    """At once to this provider; a request beyond waits as long as `pool_seconds` says."""
    verify_tls: bool = True
    ca_file: str | None = None
    """Further certificate authorities to trust, as a PEM file."""

    def __post_init__(self) -> None:
        try:
            url = URL(self.base_url)
        except ValueError:
            raise BadInput("base_url is not an address") from None
        if url.scheme not in ("http", "https") or not url.host or url.raw_user or url.raw_query_string or url.fragment:
            raise BadInput("base_url must be http(s)://host[:port][/path] without user, query and fragment")
        for name in ("connect_seconds", "read_seconds", "pool_seconds", "total_seconds"):
            if not 0 < getattr(self, name) <= 600:
                raise BadInput(f"{name} must be more than 0 and at most 600 seconds")
        if self.most_connections < 1:
            raise BadInput("most_connections must be at least 1")


class HttpClient:
    """Speaks to one provider. Connects at the first request; use and close it in one event loop."""

    def __init__(self, settings: HttpSettings, headers: Mapping[str, str] | None = None) -> None:
        """`headers` go with every request, such as our credential."""
        self._settings = settings
        self._base = settings.base_url.rstrip("/")
        self._url = URL(self._base)
        self._headers = {"Host": self._url.host_port_subcomponent or "", **HEADERS, **(headers or {})}
        self._head = _lines(self._headers)
        self._targets: dict[str, str] = {}
        self._idle: list[HttpConnection] = []
        """The one used last comes last."""
        self._open: set[HttpConnection] = set()
        self._places = settings.most_connections
        """How many connections more there may be."""
        self._waiting: deque[asyncio.Future[None]] = deque()
        """Who waits for a connection, the first one first."""
        self._sweeper: asyncio.TimerHandle | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        data: bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send once and read the whole answer, whatever its status. Raises ProviderUnreachable or OutcomeUnknown.

        `headers` are this request's own, such as its signature. `data` is a body that is no JSON (a form, XML); its
        Content-Type stands in `headers`.
        `path` begins with /. The first `MOST_PATHS` are parsed once and kept.
        """
        body = data or b"" if json is None else msgspec.json.encode(json)
        request = self._written(method, path, query, headers, body)
        settings = self._settings
        began = asyncio.get_running_loop().time()
        if (connection := self._take_idle()) is None:
            connection = await self._connected()
        left = began + settings.total_seconds - connection.now()
        try:
            return await connection.exchange(request, settings.read_seconds, left, head_only=method == "HEAD")
        finally:
            self._give_back(connection)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._idle.clear()
        if self._open:
            _, left = await asyncio.wait(
                [asyncio.ensure_future(connection.close()) for connection in self._open], timeout=CLOSE_SECONDS
            )
            for connection in list(self._open) if left else ():
                connection.drop()

    def _written(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
        body: bytes,
    ) -> bytes:
        """The request as it goes out. Raises BadInput for a header that would become two."""
        if query is not None:
            target = URL(self._base + path).with_query(query).raw_path_qs
        elif (known := self._targets.get(path)) is not None:
            target = known
        else:
            target = URL(self._base + path).raw_path_qs
            if len(self._targets) < MOST_PATHS:
                self._targets[path] = target
        head = self._head if headers is None else _lines(_merged(self._headers, headers))
        length = f"Content-Length: {len(body)}\r\n" if body or method not in ("GET", "HEAD") else ""
        return f"{method} {target} HTTP/1.1\r\n{head}{length}\r\n".encode() + body

    # -- connections --------------------------------------------------------------------------------------------------

    def _take_idle(self) -> HttpConnection | None:
        """The one used last. One that has waited for too long is let go: the server may be closing it just now."""
        while self._idle:
            connection = self._idle.pop()
            if connection.usable and connection.now() - connection.idle_since < KEEPALIVE_SECONDS:
                return connection
            connection.drop()
        return None

    async def _connected(self) -> HttpConnection:
        """A connection that became free, or a new one. Raises ProviderUnreachable."""
        settings = self._settings
        why = ""
        try:
            async with asyncio.timeout(min(settings.pool_seconds + settings.connect_seconds, settings.total_seconds)):
                return await self._wait_for_one()
        except (OSError, UnicodeError) as exc:  # TimeoutError and all of TLS's errors are OSErrors
            why = type(exc).__name__
        # outside of `except`, so that no chain leads to the address
        raise ProviderUnreachable(f"nothing was sent: {why}")

    async def _wait_for_one(self) -> HttpConnection:
        while self._places <= 0:
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._next_in_turn()  # our turn came just now: it is somebody else's
                raise
            finally:
                if turn in self._waiting:
                    self._waiting.remove(turn)
            if (connection := self._take_idle()) is not None:
                return connection
        self._places -= 1
        url = self._url
        try:
            async with asyncio.timeout(self._settings.connect_seconds):
                connection = await connect(
                    url.raw_host or "",
                    url.port or 0,
                    _tls(self._settings.ca_file, self._settings.verify_tls) if url.scheme == "https" else None,
                    self._lost,
                )
        except BaseException:
            self._places += 1
            self._next_in_turn()
            raise
        self._open.add(connection)
        return connection

    def _give_back(self, connection: HttpConnection) -> None:
        if not connection.usable:
            connection.drop()  # `_lost` follows
            return
        connection.idle_since = connection.now()
        self._idle.append(connection)
        self._next_in_turn()
        if self._sweeper is None:
            self._sweeper = asyncio.get_running_loop().call_later(KEEPALIVE_SECONDS, self._sweep)

    def _lost(self, connection: HttpConnection) -> None:
        if connection in self._idle:
            self._idle.remove(connection)
        if connection in self._open:
            self._open.remove(connection)
            self._places += 1
            self._next_in_turn()

    def _next_in_turn(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return

    def _sweep(self) -> None:
        """Let go of what nobody has used for long."""
        self._sweeper = None
        for connection in [one for one in self._idle if one.now() - one.idle_since >= KEEPALIVE_SECONDS]:
            self._idle.remove(connection)
            connection.drop()
        if self._idle:
            oldest = self._idle[0]
            left = oldest.idle_since + KEEPALIVE_SECONDS - oldest.now()
            self._sweeper = asyncio.get_running_loop().call_later(max(left, 0.01), self._sweep)


def _lines(headers: Mapping[str, str]) -> str:
    """Raises BadInput, naming the header and never its value."""
    for name, value in headers.items():
        if not name.isascii() or not value.isprintable():
            raise BadInput(f"the header {name!r} cannot be sent as it is")
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())


def _merged(headers: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """A request's own headers go before those of the same name."""
    names = {name.lower() for name in own}
    return {**{name: value for name, value in headers.items() if name.lower() not in names}, **own}


@cache  # reading the authorities takes longer than a hundred requests
def _tls(ca_file: str | None, verify: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
