"""One connection of Asterisk's: bytes in, a request and then replies out; commands the other way.

Law: what comes in is bounded before it is looked at, in bytes and in seconds; whatever breaks a bound or the protocol
ends this connection and no other. Each line is handled as it comes, between two looks at the socket: nothing waits for
a task's turn while a caller keys.
"""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, Protocol, cast

import structlog

from ivr.asterisk.agi.wire import Reply, read_reply, read_request
from ivr.asterisk.settings import Agi
from ivr.domain.errors import BadInput
from ivr.runtime.ports import CallInfo

HANGUP: Final = "HANGUP"
"""Asterisk's word for: the caller is gone. It comes before or after the reply to what was going on."""


class Speaker(Protocol):
    """Who speaks for a call. Nothing is called after `on_closed`, which comes exactly once."""

    def on_reply(self, reply: Reply) -> None:
        """To the oldest command without one."""
        ...

    def on_hangup(self) -> None:
        """The caller is gone; commands that need no caller still work."""
        ...

    def on_closed(self) -> None:
        """The connection is no more."""
        ...


class Connection(asyncio.Protocol):
    """`on_made` says whether it may stay, `on_request` who speaks, if anybody will; `on_lost` hears of its end."""

    def __init__(
        self,
        settings: Agi,
        on_made: "Callable[[Connection, asyncio.Transport], bool]",
        on_request: "Callable[[Connection, CallInfo], Speaker | None]",
        on_lost: "Callable[[Connection], None]",
    ) -> None:
        self._settings = settings
        self._on_made = on_made
        self._on_request = on_request
        self._on_lost = on_lost
        self._transport: asyncio.Transport | None = None
        self._speaker: Speaker | None = None
        self._late: asyncio.TimerHandle | None = None
        self._due = 0.0
        self._buffer = bytearray()
        self._lines: list[str] = []
        self._size = 0
        self._closed = False

    @property
    def asked(self) -> bool:
        """Whether its request is here: then it is a call."""
        return self._speaker is not None

    def send(self, command: str, takes: float | None) -> None:
        """Give a command that takes so many seconds; None: nobody knows how many."""
        if self._transport is None or self._closed:
            return
        self._transport.write(f"{command}\n".encode())
        self.expect(None if takes is None else takes + self._settings.reply_seconds)

    def expect(self, seconds: float | None) -> None:
        """Something must come within so long; None: whenever it comes."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + seconds if seconds is not None else 0.0
        if seconds is not None and (self._late is None or self._late.when() > self._due):
            self._wake_at(self._due)

    def acknowledge(self) -> None:
        """Tell the far side's TCP now that its line is here: it keeps a second short one back until then."""
        if self._transport is not None and not self._closed:
            self._transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)

    def close(self) -> None:
        """No more of it. What has been written still goes out."""
        if self._transport is not None and not self._closed:
            self._transport.close()

    def abort(self, why: str) -> None:
        """No more of it, at once."""
        if self._transport is not None and not self._closed:
            _log.warning("agi_connection_ended", why=why)
            self._transport.abort()
            self._over()

    # ---- what the event loop says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It begins."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is none by descent
        if self._on_made(self, self._transport):
            self.expect(self._settings.request_seconds)
        else:
            self._transport.abort()
            self._over()

    def data_received(self, data: bytes) -> None:
        """Some bytes, cut anywhere."""
        if self._closed:
            return
        self._buffer += data
        begin = 0
        try:
            while not self._closed and (end := self._buffer.find(b"\n", begin)) >= 0:
                self._bound(end - begin)
                line = self._buffer[begin:end].decode("utf-8", "replace").removesuffix("\r")
                begin = end + 1
                self._take(line, begin)
            del self._buffer[:begin]
            if not self._closed:
                self._bound(len(self._buffer))
        except BadInput as exc:
            self.abort(str(exc))

    def eof_received(self) -> bool:
        """The far side says no more; neither do we."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over, whoever ended it."""
        self._over()

    # ---- helpers

    def _bound(self, size: int) -> None:
        """Raises BadInput when a line, or what there is of it, is too long."""
        asked = self._speaker is not None
        if size > (self._settings.longest_reply if asked else self._settings.longest_line):
            raise BadInput("a line is too long")
        if not asked and self._size + size > self._settings.longest_request:
            raise BadInput("the request is too long")

    def _take(self, line: str, end: int) -> None:
        if self._speaker is None:
            self._size += len(line) + 1
            if line:
                self._lines.append(line)
            else:
                self._begin(end)
        elif line == HANGUP:
            self._speaker.on_hangup()
        elif (reply := read_reply(line)) is not None:
            self._due = 0.0
            self._speaker.on_reply(reply)

    def _begin(self, end: int) -> None:
        if len(self._buffer) > end:
            raise BadInput("something follows the request before anything was asked")
        info = read_request(self._lines)
        self._lines.clear()
        self._due = 0.0
        self._speaker = self._on_request(self, info)
        if self._speaker is None:
            self.close()

    def _wake_at(self, when: float) -> None:
        if self._late is not None:
            self._late.cancel()
        self._late = asyncio.get_running_loop().call_at(when, self._look)

    def _look(self) -> None:
        """One timer for all that is expected: it looks whether what is due now has come meanwhile."""
        self._late = None
        if not self._due:
            return
        if asyncio.get_running_loop().time() >= self._due:
            self.abort("too slow")
        else:
            self._wake_at(self._due)

    def _over(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._late is not None:
            self._late.cancel()
        self._buffer.clear()
        self._on_lost(self)
        if self._speaker is not None:
            self._speaker.on_closed()


_log = structlog.get_logger("ivr.agi")
