"""Somebody at a trunk's address who is not who the trunk says: speaks TLS, and keeps what it is told in confidence."""

import asyncio
import contextlib
import ssl
from types import TracebackType
from typing import Self

from ivr.lab.addresses import free_port
from tests.asterisk.tls.authority import Pair


class Impostor:
    """`async with` it: it listens."""

    def __init__(self, pair: Pair, address: str) -> None:
        self.address = address
        self.port = free_port(address, 5061)
        self.connections = 0
        """TCP connections, with or without TLS afterwards."""
        self.told = b""
        """What came after the handshake."""
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(pair.certificate, pair.key)
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.address, self.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError):  # ssl.SSLError is one: they hung up on what they saw
            await writer.start_tls(self._context)
            while more := await reader.read(65536):
                self.told += more
        writer.close()
