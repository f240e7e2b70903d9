"""A line to Asterisk that a test can cut and mend."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from urllib.parse import urlsplit

from ivr.asterisk.settings import AsteriskSettings


class Line:
    """Passes bytes between a port of its own and Asterisk's."""

    def __init__(self) -> None:
        self._target = ("", 0)
        self._server: asyncio.Server | None = None
        self._port = 0
        self._writers: set[asyncio.StreamWriter] = set()
        self._carriers: set[asyncio.Task[None]] = set()

    def to(self, config: AsteriskSettings) -> AsteriskSettings:
        """The same settings, by way of this line."""
        url = urlsplit(config.ari.url)
        self._target = (url.hostname or "", url.port or 0)
        return replace(config, ari=replace(config.ari, url=f"http://127.0.0.1:{self._port}"))

    async def mend(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    def break_(self) -> None:
        if self._server is not None:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def close(self) -> None:
        self.break_()
        await asyncio.gather(*self._carriers)

    @asynccontextmanager
    async def cut(self) -> AsyncIterator[None]:
        """Without a connection inside the block."""
        self.break_()
        try:
            yield
        finally:
            await self.mend()

    def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._both_ways(reader, writer))
        self._carriers.add(task)
        task.add_done_callback(self._carriers.discard)

    async def _both_ways(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        self._writers |= {writer, far_writer}
        try:
            await asyncio.gather(_pass(reader, far_writer), _pass(far_reader, writer))
        finally:
            self._writers -= {writer, far_writer}
            for one in (writer, far_writer):
                one.close()
                with suppress(OSError):
                    await one.wait_closed()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
