"""A SIP phone that says whatever a test wants, well formed or not, from any address of this machine.

Law: it sends what it was given byte for byte, and adds nothing beyond what makes an INVITE one.
"""

import asyncio
import re
import secrets
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

PATIENCE: Final = 5.0
"""Seconds to wait for a final answer; nothing at all is an answer too."""

SDP: Final = "v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\nm=audio 40000 RTP/AVP 8\r\n"


class RawCall:
    """One INVITE and what came of it. `status` is the final answer's, or None when there was none."""

    def __init__(self, source: str, target: tuple[str, int]) -> None:
        self.status: int | None = None
        self._source = source
        self._target = target
        self._id = secrets.token_hex(8)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind((source, 0))
        self._socket.connect(target)
        self._port = self._socket.getsockname()[1]
        self._from = ""
        self._to = ""
        self._number = ""

    async def invite(self, number: str, headers: Sequence[bytes] = (), from_: str | None = None) -> int | None:
        """Send it with these header lines, whole and as they are; returns the final status."""
        self._number = number
        self._from = f"{from_ or f'<sip:09121111111@{self._source}>'};tag={self._id}"
        self._to = f"<sip:{number}@{self._target[0]}>"
        body = SDP.format(self._source).encode()
        more = (b"Content-Type: application/sdp", b"Content-Length: %d" % len(body), *headers)
        self._send("INVITE", 1, more, body)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE):
                while self.status is None:
                    self._take(await loop.sock_recv(self._socket, 65536))
        except TimeoutError:
            return None
        self._send("ACK", 1)
        return self.status

    def close(self) -> None:
        """Hang up, if there is something to hang up."""
        if self.status == 200:
            self._send("BYE", 2)
        self._socket.close()

    def _take(self, answer: bytes) -> None:
        text = answer.decode("utf-8", "replace")
        status = re.match(r"SIP/2\.0 (\d+)", text)
        if status is None or int(status[1]) < 200:
            return
        self.status = int(status[1])
        to = re.search(r"^To: (.*)$", text, re.MULTILINE)
        self._to = to[1].strip() if to else self._to

    def _send(self, method: str, number: int, more: Sequence[bytes] = (), body: bytes = b"") -> None:
        here = f"{self._source}:{self._port}"
        lines = (
            f"{method} sip:{self._number}@{self._target[0]}:{self._target[1]} SIP/2.0",
            f"Via: SIP/2.0/UDP {here};rport;branch=z9hG4bK{self._id}{number}{method}",
            "Max-Forwards: 70",
            f"From: {self._from}",
            f"To: {self._to}",
            f"Call-ID: {self._id}@{self._source}",
            f"CSeq: {number} {method}",
            f"Contact: <sip:test@{here}>",
        )
        head = [line.encode("utf-8", "surrogateescape") for line in lines]
        ends = more or (b"Content-Length: 0",)
        self._socket.send(b"\r\n".join([*head, *ends]) + b"\r\n\r\n" + body)


@asynccontextmanager
async def raw_call(source: str, target: tuple[str, int]) -> AsyncIterator[RawCall]:
    """A call that is hung up at the end."""
    call = RawCall(source, target)
    try:
        yield call
    finally:
        call.close()
