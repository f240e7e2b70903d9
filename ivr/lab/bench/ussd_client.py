"""The USSD network of the benchmark, a process of its own: raw sockets that stay open, one request on each at a time.

Law: every answer is looked at: it must be what the first session of the round was shown at the same place. A latency
counts from when a request was due, not from when a connection was free for it.

Run as `python -m ivr.lab.bench.ussd_client`, it reads one `Order` as JSON from its standard input and writes one
`Heard`.
"""

import asyncio
import itertools
import resource
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Final, cast

import msgspec
import uvloop

CONNECTIONS: Final = 64
STALLED_SECONDS: Final = 30.0


class Order(msgspec.Struct, frozen=True):
    """What to send. `lines`: what a session sends, one after the other, all of it each time. `rate`: requests a second;
    0: as many as are answered.
    """

    port: int
    service: str
    code: str
    lines: Sequence[str]
    seconds: float
    rate: float = 0.0
    first: int = 0
    """The first session's number; no number is used twice in one store."""


class Heard(msgspec.Struct, frozen=True):
    """What came. `latencies`: milliseconds, sorted. `cpu`: the client's own share of one processor."""

    requests: int
    wrong: int
    seconds: float
    latencies: Sequence[float]
    sessions: int
    cpu: float

    @property
    def a_second(self) -> float:
        """Requests answered in a second."""
        return self.requests / self.seconds


class _Round:
    """What all connections share."""

    def __init__(self, order: Order) -> None:
        self.order = order
        self.sessions: Iterator[int] = itertools.count(order.first)
        self.shown: dict[int, bytes] = {}
        self.latencies: list[float] = []
        self.wrong = 0
        self.idle: deque[_Connection] = deque()
        self.due: deque[float] = deque()
        self.over = False

    def request(self, number: int, step: int) -> bytes:
        """The request of a session's step."""
        order = self.order
        call = "*".join((order.code, *order.lines[:step]))
        query = f"mobile=09{number % 10**9:09d}&sessionid=b{number}&call={call}"
        return f"GET /ussd/{order.service}?{query} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()

    def answered(self, step: int, raw: bytes, since: float) -> None:
        """One answer, head and all."""
        head, _, body = raw.partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200") or self.shown.setdefault(step, body) != body:
            self.wrong += 1
        self.latencies.append(time.perf_counter() - since)


class _Connection(asyncio.Protocol):
    """One request after the other; a session stays on it to its end."""

    def __init__(self, round_: _Round) -> None:
        self._round = round_
        self._raw = b""
        self._step = 0
        self._number = next(round_.sessions)
        self._since = 0.0
        self._length = 0
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own is one by its methods only
        self._round.idle.append(self)

    def send(self, due: float) -> None:
        """The session's next request, which was due at that time."""
        self._since = due
        assert self.transport is not None
        self.transport.write(self._round.request(self._number, self._step))

    def data_received(self, data: bytes) -> None:
        self._raw = self._raw + data if self._raw else data
        if not self._length:
            end = self._raw.find(b"\r\n\r\n")
            if end < 0:
                return
            at = self._raw.lower().index(b"content-length:", 0, end) + 15
            self._length = end + 4 + int(self._raw[at : self._raw.index(b"\r", at)])
        if len(self._raw) < self._length:
            return
        round_, raw = self._round, self._raw
        self._raw, self._length = b"", 0
        round_.answered(self._step, raw, self._since)
        self._step += 1
        if self._step > len(round_.order.lines):
            self._step, self._number = 0, next(round_.sessions)
        if round_.over:
            return
        if not round_.order.rate:
            self.send(time.perf_counter())
        elif round_.due:
            self.send(round_.due.popleft())
        else:
            round_.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._round.wrong += not self._round.over


async def run(order: Order) -> Heard:
    """Send it all."""
    round_ = _Round(order)
    loop = asyncio.get_running_loop()
    for _ in range(CONNECTIONS):
        await loop.create_connection(lambda: _Connection(round_), "127.0.0.1", order.port)
    connections = list(round_.idle)
    before, began = _cpu(), time.perf_counter()
    if order.rate:
        await _at_a_rate(round_)
    else:
        round_.idle.clear()
        for connection in connections:
            connection.send(time.perf_counter())
        await asyncio.sleep(order.seconds)
    seconds = time.perf_counter() - began
    round_.over = True
    latencies = sorted(round(1000 * latency, 3) for latency in round_.latencies)
    heard = Heard(
        len(latencies),
        round_.wrong,
        seconds,
        latencies,
        next(round_.sessions) - order.first,
        (_cpu() - before) / seconds,
    )
    for connection in connections:
        assert connection.transport is not None
        connection.transport.abort()
    return heard


async def _at_a_rate(round_: _Round) -> None:
    """A request every so often, whether the one before is answered or not."""
    order, began, sent = round_.order, time.perf_counter(), 0
    while (now := time.perf_counter()) < began + order.seconds:
        while (due := began + sent / order.rate) <= now:
            sent += 1
            if round_.idle:
                round_.idle.popleft().send(due)
            else:
                round_.due.append(due)
        await asyncio.sleep(0.001)
    deadline = time.perf_counter() + STALLED_SECONDS
    while len(round_.latencies) < sent and time.perf_counter() < deadline:  # noqa: ASYNC110 - sockets tell nobody
        await asyncio.sleep(0.01)
    round_.wrong += sent - len(round_.latencies)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """One order."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    heard = msgspec.json.encode(uvloop.run(run(order)))
    sys.stdout.buffer.write(heard)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
