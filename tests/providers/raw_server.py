"""A TCP server that answers exactly the bytes it was told, right or wrong."""

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import TracebackType

Behave = Callable[["Exchange"], Awaitable[None]]


@dataclass
class Seen:
    """One request as it came over the wire."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> object:
        return json.loads(self.body)


@dataclass
class Exchange:
    """One request and the way to answer it."""

    seen: Seen
    writer: asyncio.StreamWriter

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    def reset(self) -> None:
        """RST instead of FIN."""
        wire = self.writer.get_extra_info("socket")
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


@dataclass
class RawServer:
    """Behaves as `behave` says for every request; set it before asking."""

    behave: Behave
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    url: str = ""
    tls: ssl.SSLContext | None = None
    _server: asyncio.Server | None = None
    _writers: set[asyncio.StreamWriter] = field(default_factory=set)

    async def __aenter__(self) -> "RawServer":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls)
        self.url = f"{'http' if self.tls is None else 'https'}://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            if not writer.is_closing():
                writer.transport.abort()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.add(writer)
        try:
            while not writer.is_closing():
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                method, target, _ = head[0].split(" ")
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self.seen.append(Seen(method, target, headers, body))
                await self.behave(Exchange(self.seen[-1], writer))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


def says(body: object, status: str = "200 OK", kind: str = "application/json") -> Behave:
    """Answer this: bytes and text as they are, anything else as JSON."""
    raw = body if isinstance(body, bytes) else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(raw)}\r\n\r\n".encode()

    async def behave(exchange: Exchange) -> None:
        await exchange.send(head + raw)

    return behave


async def silent(exchange: Exchange) -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def closes(exchange: Exchange) -> None:
    """Close without a word."""
    exchange.writer.close()


async def resets(exchange: Exchange) -> None:
    """Reset the connection without a word."""
    exchange.reset()


async def resets_mid_body(exchange: Exchange) -> None:
    """Half an answer, then a reset."""
    await exchange.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"status": 1,')
    exchange.reset()


async def closes_mid_body(exchange: Exchange) -> None:
    """Half an answer, then the end."""
    await exchange.send(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"status": 1,')
    exchange.writer.close()


async def not_http(exchange: Exchange) -> None:
    """Bytes that are no HTTP."""
    await exchange.send(b"220 mail.example ESMTP\r\n\r\n")


async def long_headers(exchange: Exchange) -> None:
    """A header line of a megabyte."""
    await exchange.send(b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1_000_000 + b"\r\n\r\n")


async def ten_megabytes(exchange: Exchange) -> None:
    """A JSON text that does not end for ten megabytes."""
    await exchange.send(b'HTTP/1.1 200 OK\r\nContent-Length: 10000000\r\n\r\n"' + b"x" * 9_999_998 + b'"')


async def ten_megabytes_chunked(exchange: Exchange) -> None:
    """The same without saying so before."""
    await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1000):
        await exchange.send(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
    await exchange.send(b"0\r\n\r\n")


async def drips(exchange: Exchange) -> None:
    """A byte every now and then, each before the read timeout."""
    await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(1000):
        await exchange.send(b" ")
        await asyncio.sleep(0.02)


@asynccontextmanager
async def full_backlog() -> AsyncIterator[str]:
    """An address whose queue of connections is full, so that connecting to it never ends."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        port = listening.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        try:
            for one in waiting:
                one.setblocking(False)
                one.connect_ex(("127.0.0.1", port))
            yield f"http://127.0.0.1:{port}"
        finally:
            for one in waiting:
                one.close()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
