"""A TCP proxy between a party's application and its Asterisk, so that a test can cut the connection.

Law: it passes bytes on as they come and changes none of them.
"""

import asyncio
from contextlib import suppress


class Proxy:
    """`async with` it. While `open_` is False nobody gets through."""

    def __init__(self, target: tuple[str, int]) -> None:
        self.open_ = True
        self.accepted = 0
        self._target = target
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server

    @property
    def url(self) -> str:
        """Its own address."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"http://{host}:{port}"

    def cut(self) -> None:
        """Cut every connection, as a broken network does."""
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> "Proxy":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._server.close()
        self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self.open_:
            writer.transport.abort()
            return
        self.accepted += 1
        there, onward = await asyncio.open_connection(*self._target)
        self._writers |= {writer, onward}
        try:
            await asyncio.gather(_pump(reader, onward), _pump(there, writer))
        finally:
            self._writers -= {writer, onward}


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.transport.abort()
