"""The socket through which `ivr reload` speaks to the process that takes calls."""

import asyncio
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from ivr.domain.errors import Unusable
from ivr.runtime.reloader import Reloaded, Result
from ivr.web import control
from ivr.web.control import MOST_PATH, SOCKET_FILE, NotRunning, ask_reload, control_app, control_listener
from tests.serving import serving

ANSWER = Reloaded(Result.ACTIVE, "abc", 1, 2, ["flows/a.yaml"], [], ["a note"])


class Process:
    """Somebody who can be asked to reload."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.asked: list[tuple[str, str]] = []
        self.door = asyncio.Event()
        self.door.set()

    async def reload(self, how: str, who: str) -> Reloaded:
        self.asked.append((how, who))
        await self.door.wait()
        if who == "trouble":
            raise RuntimeError("a bug")
        return ANSWER

    async def ask(self, who: str = "maryam") -> dict[str, object]:
        return await asyncio.to_thread(ask_reload, self.directory, "reload", who)


@pytest_asyncio.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    directory = tmp_path / ("deep" * 40)
    directory.mkdir()
    assert len(str(directory / SOCKET_FILE)) > MOST_PATH
    process = Process(directory)
    with control_listener(directory) as listener:
        async with serving(control_app(process.reload), listener):
            yield process


async def test_asked_and_answered(process: Process) -> None:
    """However deep the data directory lies; the answer is what became of it."""
    answer = await process.ask()
    assert answer == {
        "result": "active",
        "version": "abc",
        "flows": 1,
        "numbers": 2,
        "changed": ["flows/a.yaml"],
        "faults": [],
        "notes": ["a note"],
    }
    assert process.asked == [("reload", "maryam")]


async def test_only_owner_and_group(process: Process) -> None:
    """Nobody else on the machine may reload, and nobody from outside of it can."""
    mode = (process.directory / SOCKET_FILE).stat().st_mode
    assert stat.S_ISSOCK(mode) and stat.S_IMODE(mode) == 0o660


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b"\xff", b'{"how": "x"}', b"x" * 5000])
async def test_who_asks_for_something_else(process: Process, body: bytes) -> None:
    """A refusal; nothing is reloaded."""
    with control._short(process.directory / SOCKET_FILE) as name:
        async with httpx.AsyncClient(transport=httpx.AsyncHTTPTransport(uds=name)) as client:
            assert (await client.post("http://ivr/reload", content=body)).status_code == 400
            assert (await client.get("http://ivr/reload")).status_code == 405
    assert process.asked == []


async def test_a_process_that_breaks(process: Process) -> None:
    """One sentence that says where to look."""
    with pytest.raises(Unusable, match="look at the log"):
        await process.ask("trouble")


async def test_a_process_that_does_not_answer(process: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever."""
    monkeypatch.setattr(control, "PATIENCE", 0.05)
    process.door.clear()
    with pytest.raises(Unusable, match=r"no answer within 0\.05 s"):
        await process.ask()
    process.door.set()


def test_nobody_is_running(tmp_path: Path) -> None:
    """Said with the directory, also where a dead process has left its socket; the next one takes its place."""
    with pytest.raises(NotRunning, match="no `ivr serve` is running"):
        ask_reload(tmp_path, "reload", "me")
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / SOCKET_FILE))
    with pytest.raises(NotRunning, match="no `ivr serve` is running"):
        ask_reload(tmp_path, "reload", "me")
    with control_listener(tmp_path):
        assert (tmp_path / SOCKET_FILE).is_socket()
    assert not (tmp_path / SOCKET_FILE).exists()


def test_where_no_socket_can_be_made(tmp_path: Path) -> None:
    """One sentence that names it."""
    (tmp_path / SOCKET_FILE).mkdir()
    with pytest.raises(Unusable, match=SOCKET_FILE), control_listener(tmp_path):
        pass
