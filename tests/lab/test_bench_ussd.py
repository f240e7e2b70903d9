"""The benchmark of USSD counts what it says it counts."""

import asyncio
from collections.abc import AsyncIterator
from io import StringIO

import pytest
from rich.console import Console

from ivr.lab.bench.ussd import ALL, BARE, POSTGRES, SQLITE, Measured, as_dict, share, show, verdicts
from ivr.lab.bench.ussd_client import CONNECTIONS, Heard, Order, run


def heard(requests: int, *, wrong: int = 0, latency: float = 1.0, cpu: float = 0.2) -> Heard:
    return Heard(requests, wrong, 1.0, [latency] * 100, 10, cpu)


def measured(*, postgres: int = 400, wrong: int = 0, latency: float = 20.0) -> list[Measured]:
    full = {BARE: 1000, SQLITE: 500, POSTGRES: postgres}
    return [
        Measured(what, [heard(full.get(what, 300), wrong=wrong)] * 3, [heard(100, latency=latency)] * 3, [250.0] * 3)
        for what in ALL
    ]


def test_shares_are_of_the_same_round() -> None:
    """A busy moment that met both ways changes nothing."""
    bare = Measured(BARE, [heard(1000), heard(100), heard(1000)])
    ours = Measured(SQLITE, [heard(500), heard(50), heard(500)])
    assert share(ours, bare) == 0.5


def test_the_table_says_whether_the_targets_are_met() -> None:
    """A third of the bare endpoint's throughput, 50 ms, and not one wrong answer."""
    assert all(line.startswith("   met") for line in verdicts(measured()))
    missed = [line for line in verdicts(measured(postgres=300)) if line.startswith("MISSED")]
    assert len(missed) == 1 and POSTGRES in missed[0] and "3.333" in missed[0]
    assert any("wrong answers: 30" in line for line in verdicts(measured(wrong=2)))
    screen = StringIO()
    show(measured(), Console(file=screen, width=120))
    assert "0.50" in screen.getvalue() and BARE in screen.getvalue()
    assert as_dict(measured())["ways"][SQLITE]["share"] == 0.5


class Answers:
    """A server that answers each request, every so often wrongly."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.wrong_at: int | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.seen.append(head.split()[1].decode())
                body = str(self.seen[-1].count("*")).encode()
                if self.wrong_at == len(self.seen):
                    body = b"-"
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


@pytest.fixture
async def answers() -> AsyncIterator[tuple[Answers, int]]:
    one = Answers()
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    yield one, server.sockets[0].getsockname()[1]
    server.close()


async def test_the_client_sends_whole_sessions(answers: tuple[Answers, int]) -> None:
    """Each line after the one before, each session under a number of its own; every request is counted."""
    server, port = answers
    found = await run(Order(port, "code", "*6655*123", ("1", "2"), 0.5, first=100))
    assert found.wrong == 0 and found.requests == len(found.latencies) <= len(server.seen)
    first = [target for target in server.seen if "sessionid=b100&" in target]
    assert [target.rpartition("=")[2] for target in first] == ["*6655*123", "*6655*123*1", "*6655*123*1*2"]


async def test_a_rate_is_kept_and_what_is_wrong_is_told(answers: tuple[Answers, int]) -> None:
    """As many requests as are due, however long the answers take; one that is another than before is wrong."""
    server, port = answers
    server.wrong_at = CONNECTIONS * 2
    found = await run(Order(port, "code", "*6655*123", ("1",), 1.0, rate=300.0))
    assert 250 <= found.requests <= 310 and found.wrong == 1
