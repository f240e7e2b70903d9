"""How a decision reaches the process that owns the books."""

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from ivr.domain.errors import BadInput, Illegal, IvrError, Unusable
from ivr.payments.state import Payment, State
from ivr.runtime.deciding import Decision
from ivr.runtime.reloader import Reloaded
from ivr.web.control import SOCKET_FILE, NotRunning, control_app, control_listener
from ivr.web.deciding import ask_decide, decision_routes
from tests.serving import serving

APPROVED = Decision("p1", True, "maryam", "seen")


class Process:
    """Somebody who owns the books."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.decided: list[Decision] = []
        self.refuses: Exception | None = None

    async def reload(self, how: str, who: str) -> Reloaded:
        raise AssertionError("nobody asked for that")

    async def decide(self, decision: Decision) -> Payment:
        self.decided.append(decision)
        if self.refuses is not None:
            raise self.refuses
        state = State.APPROVED if decision.approved else State.DECLINED
        return Payment(decision.payment_id, "c", "paystar", "1", None, 1000, state)

    async def ask(self, decision: Decision) -> State:
        return await asyncio.to_thread(ask_decide, self.directory, decision)


@pytest_asyncio.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(tmp_path)
    with control_listener(tmp_path) as listener:
        async with serving(control_app(process.reload, decision_routes(process.decide)), listener):
            yield process


@pytest.mark.parametrize(("approved", "state"), [(True, State.APPROVED), (False, State.DECLINED)])
async def test_a_decision_is_handed_over_whole(process: Process, approved: bool, state: State) -> None:
    """The process that owns the book writes it, signed as the person has signed it, in any letters and full length."""
    decision = Decision("p1", approved, "مریم" * 16, "در فهرست بانک " * 14, "۱" * 200)
    assert await process.ask(decision) is state
    assert process.decided == [decision]


@pytest.mark.parametrize("error", [Illegal("it was decided already"), BadInput("no name")])
async def test_a_decision_that_is_refused(process: Process, error: IvrError) -> None:
    """The person reads the same sentence."""
    process.refuses = error
    with pytest.raises(BadInput) as refused:
        await process.ask(APPROVED)
    assert str(refused.value) == str(error)


@pytest.mark.parametrize(
    ("error", "said"), [(Unusable("the disk is full"), "the disk is full"), (RuntimeError("a bug"), "look at the log")]
)
async def test_a_decision_that_cannot_be_written(process: Process, error: Exception, said: str) -> None:
    """One sentence that says why, or where to look."""
    process.refuses = error
    with pytest.raises(Unusable, match=said):
        await process.ask(APPROVED)


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"payment_id": 1}', b"x" * 5000])
async def test_what_is_no_decision(process: Process, body: bytes) -> None:
    """Nothing is decided."""
    transport = httpx.AsyncHTTPTransport(uds=str(process.directory / SOCKET_FILE))
    async with httpx.AsyncClient(transport=transport) as client:
        assert (await client.post("http://ivr/decide", content=body)).status_code == 422
        assert (await client.get("http://ivr/decide")).status_code == 405
    assert process.decided == []


def test_nobody_is_running(tmp_path: Path) -> None:
    """Also where a dead process has left its socket: then the decision may be written without it."""
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET_FILE))
    with pytest.raises(NotRunning):
        ask_decide(tmp_path, APPROVED)
