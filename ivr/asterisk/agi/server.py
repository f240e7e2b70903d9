"""The FastAGI server: takes connections, bounds how many there are, and forgets each when it ends.

Law: a stranger who only holds connections open never keeps a caller out: when all places are taken, the oldest
connection that has not said what it wants makes room; only a house full of calls turns a new one away.

Why not panoramisk's: a connect-and-close makes its reader spin for ever on an empty line and freezes every call, it
puts no bound on a header's size or time, its reply is read with `readline` only, so that a command cannot break a
playback off, and a key waits for a task's turn.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Callable
from typing import Final

import structlog

from ivr.asterisk.agi.connection import Connection, Speaker
from ivr.asterisk.settings import Agi
from ivr.domain.errors import Unusable
from ivr.runtime.ports import CallInfo

BACKLOG: Final = 1024
"""Connections that the kernel keeps while we are busy; Asterisk gives up connecting after two seconds."""
KEEPALIVE: Final = ((socket.TCP_KEEPIDLE, 30), (socket.TCP_KEEPINTVL, 10), (socket.TCP_KEEPCNT, 3))
"""An Asterisk whose machine is gone is noticed after a minute, not at the end of the longest call."""

_log = structlog.get_logger("ivr.agi")


class AgiServer:
    """`start`, …, `close`."""

    def __init__(self, settings: Agi, on_request: Callable[[Connection, CallInfo], Speaker | None]) -> None:
        self._settings = settings
        self._on_request = on_request
        self._allowed = tuple(ipaddress.ip_network(one, strict=False) for one in settings.allow)
        self._open: dict[Connection, None] = {}
        """In the order in which they came."""
        self._server: asyncio.Server | None = None

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._open)

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        assert self._server is not None
        host, port, *_ = self._server.sockets[0].getsockname()
        return host, port

    @property
    def serving(self) -> bool:
        """Whether it listens."""
        return self._server is not None and self._server.is_serving()

    async def start(self) -> None:
        """Listen. Raises Unusable in one sentence when the address cannot be had."""
        host, _, port = self._settings.listen.rpartition(":")
        loop = asyncio.get_running_loop()
        try:
            self._server = await loop.create_server(self._connection, host.strip("[]"), int(port), backlog=BACKLOG)
        except OSError as exc:
            raise Unusable(f"cannot listen on {self._settings.listen} (AGI): {exc.strerror}") from None

    async def close(self) -> None:
        """Listen no more and end every connection: Asterisk's dialplan goes on with the callers."""
        if self._server is None:
            return
        self._server.close()
        for connection in list(self._open):
            connection.close()
        await self._server.wait_closed()

    def _connection(self) -> asyncio.Protocol:
        return Connection(self._settings, self._admit, self._on_request, self._lost)

    def _admit(self, connection: Connection, transport: asyncio.Transport) -> bool:
        peer = transport.get_extra_info("peername")
        if peer is None or not self._is_allowed(peer[0]):
            _log.warning("agi_connection_refused", why="address not allowed")
            return False
        if len(self._open) >= self._settings.most_connections and not self._make_room():
            _log.warning("agi_connection_refused", why="full")
            return False
        own = transport.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in KEEPALIVE:
            own.setsockopt(socket.IPPROTO_TCP, option, value)
        self._open[connection] = None
        return True

    def _is_allowed(self, address: str) -> bool:
        found = ipaddress.ip_address(address.partition("%")[0])
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._allowed)

    def _make_room(self) -> bool:
        waiting = next((one for one in self._open if not one.asked), None)
        if waiting is None:
            return False
        waiting.abort("makes room")
        return True

    def _lost(self, connection: Connection) -> None:
        self._open.pop(connection, None)
