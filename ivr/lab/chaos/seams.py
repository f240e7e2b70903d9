"""Where a process is cut: an event loop that counts its connections, and a watch on what SQLite commits.

Law: the code under trial is not touched. A request has four points: before its connection, before its first byte,
after its last byte, and with the answer read but not yet handled. A transaction has two: before COMMIT, and after it
but before anybody is told. The loop is asyncio's own: it hands bytes to the kernel at once, and uvloop does not.
"""

import asyncio
import sqlite3
import sys
import threading
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from ivr.lab.chaos.steps import Steps

JOURNAL = "journal"
SESSIONS = "sessions"


class CutLoop(asyncio.SelectorEventLoop):
    """Counts the points of every connection that is made on it, and those behind a COMMIT."""

    def __init__(self, steps: Steps, names: Mapping[int, str]) -> None:
        """`names`: what stands behind a port, for people."""
        super().__init__()
        self._steps = steps
        self._names = names
        self._books = _Books(steps)

    async def sock_connect(self, sock: Any, address: Any) -> None:
        """Before the connection."""
        self._steps.at("connect", f"{self._names.get(address[1], address[1])}: before connecting")
        await super().sock_connect(sock, address)

    async def create_connection(self, protocol_factory: Any, *args: Any, **kwargs: Any) -> Any:
        """What is sent and what comes passes by us."""
        protocol = protocol_factory()
        port = kwargs["sock"].getpeername()[1] if kwargs.get("sock") is not None else 0
        between = _Between(protocol, self._steps, self._names.get(port, str(port)))
        transport, _ = await super().create_connection(lambda: between, *args, **kwargs)
        return transport, protocol

    def watch_books(self) -> None:
        """Count the transactions of every file that is open now."""
        self._books.watch()

    def call_soon_threadsafe(  # type: ignore[override]  # its type variables are the loop's own
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """The store tells so that a transaction is safe."""
        self._books.tells()
        return super().call_soon_threadsafe(callback, *args, context=context)


class _Books:
    """Which thread has just committed what."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._here = threading.local()
        self._opened: list[tuple[str, sqlite3.Connection]] = []
        sys.addaudithook(self._hears)

    def watch(self) -> None:
        for name, connection in self._opened:
            connection.set_trace_callback(partial(self._does, name))

    def tells(self) -> None:
        name, self._here.committed = getattr(self._here, "committed", None), None
        if name is not None:
            self._steps.at(name, "after COMMIT, before anybody is told")

    def _hears(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "sqlite3.connect":
            self._here.opening = Path(str(arguments[0])).name
        elif event == "sqlite3.connect/handle" and isinstance(arguments[0], sqlite3.Connection):
            # not yet complete: it is watched later
            self._opened.append((SESSIONS if "sessions" in self._here.opening else JOURNAL, arguments[0]))

    def _does(self, name: str, statement: str) -> None:
        if statement == "COMMIT":
            self._steps.at(name, "before COMMIT")
            self._here.committed = name


class _Between(asyncio.Protocol):
    """Stands between a connection and whoever made it."""

    def __init__(self, inner: asyncio.Protocol, steps: Steps, name: str) -> None:
        self._inner, self._steps, self._name = inner, steps, name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._inner.connection_made(_Transport(transport, self._steps, self._name))

    def data_received(self, data: bytes) -> None:
        self._steps.at("answer", f"{self._name}: answer read, before it is handled")
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        return self._inner.eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._inner.connection_lost(exc)


class _Transport(asyncio.Transport):
    def __init__(self, inner: Any, steps: Steps, name: str) -> None:
        super().__init__()
        self._inner, self._steps, self._name = inner, steps, name

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._steps.at("send", f"{self._name}: before the first byte")
        self._inner.write(data)
        self._steps.at("sent", f"{self._name}: after the last byte")

    def abort(self) -> None:
        self._inner.abort()

    def close(self) -> None:
        self._inner.close()

    def is_closing(self) -> bool:
        return bool(self._inner.is_closing())

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._inner.get_extra_info(name, default)
