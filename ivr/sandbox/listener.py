"""One listening socket that can be closed for a while and keeps its port meanwhile."""

import asyncio
import socket
from typing import Final

from aiohttp import web

BACKLOG: Final = 512
SHUTDOWN_SECONDS: Final = 0.2
"""Requests that are under way at the end get so long to finish."""
SETTLE_SECONDS: Final = 0.01
"""After cutting connections: until clients on this machine have seen it, so that the next request is refused."""


class Listener:
    """Serves one application on one port. Not restartable once stopped."""

    def __init__(self, app: web.Application, host: str, port: int) -> None:
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS)
        self._host = host
        self._wanted = port
        self._holder: socket.socket | None = None
        self._site: web.TCPSite | None = None
        self._reopening: asyncio.Task[None] | None = None

    @property
    def url(self) -> str:
        """Its address, e.g. `http://127.0.0.1:8081`. Known once started."""
        if self._holder is None:
            raise RuntimeError("the listener has not been started")
        host, port = self._holder.getsockname()[:2]
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        self._holder = socket.socket(family, socket.SOCK_STREAM)
        if self._wanted:  # without SO_REUSEPORT this says whether somebody else has the port
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((self._host, self._wanted))
        # Bound but never listening: it keeps the port ours while the site is closed, and connections are refused.
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._holder.bind((self._host, self._wanted))
        await self._runner.setup()
        await self._open()

    async def refuse(self, seconds: float) -> None:
        """Refuse connections for so long, and cut those that are open."""
        await self._forget_reopening()
        await self._close()
        self._reopening = asyncio.create_task(self._reopen(seconds))

    async def accept(self) -> None:
        """Accept connections again, at once."""
        await self._forget_reopening()
        if self._site is None:
            await self._open()

    async def stop(self) -> None:
        """Stop for good."""
        await self._forget_reopening()
        await self._runner.cleanup()
        if self._holder is not None:
            self._holder.close()

    async def _open(self) -> None:
        if self._holder is None:
            raise RuntimeError("the listener has not been started")
        host, port = self._holder.getsockname()[:2]
        self._site = web.TCPSite(self._runner, host, port, backlog=BACKLOG, reuse_port=True, reuse_address=True)
        await self._site.start()

    async def _close(self) -> None:
        if self._site is not None:
            site, self._site = self._site, None
            await site.stop()
        if self._runner.server is not None:
            for connection in self._runner.server.connections:
                connection.force_close()
            await asyncio.sleep(SETTLE_SECONDS)

    async def _reopen(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self._open()

    async def _forget_reopening(self) -> None:
        task, self._reopening = self._reopening, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
