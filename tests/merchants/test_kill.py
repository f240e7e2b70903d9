"""kill -9 in the middle of a request; and what a process leaves behind holds no secret."""

import asyncio
import hashlib
import json
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import httpx

from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_CARDS, DEMO_GATEWAY
from ivr.store.opening import JOURNAL_FILE
from tests.deployment import ROOT
from tests.merchants.shop import PHONE, Program
from tests.merchants.world import TILL, WEBHOOK, write_config
from tests.providers.raw_server import Exchange, RawServer, Seen, free_port, says

PATIENCE = 60.0
PAN = DEMO_CARDS[0].pan.reveal()
OTP = "918273645546"


class Process:
    """The API in a process of its own; its output is kept in `log`."""

    def __init__(self, config: Path, log: Path) -> None:
        self._config = config
        self._log = log

    async def __aenter__(self) -> "Process":
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "tests.merchants.world", str(self._config)),
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        assert self._process.stdout is not None
        async with asyncio.timeout(PATIENCE):
            assert await self._process.stdout.readline() == b"serving\n"
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.kill()

    async def kill(self) -> None:
        """`kill -9`, twice is once."""
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


@asynccontextmanager
async def till_at(port: int, sandbox: SandboxServer) -> AsyncIterator[Program]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}/api", trust_env=False, timeout=30) as web:
        yield Program(web, sandbox, TILL)


async def until_seen(server: RawServer, what: str, times: int = 1) -> list[Seen]:
    """The requests whose address or body holds this, once there are so many."""
    async with asyncio.timeout(PATIENCE):
        while len(found := _seen(server, what)) < times:  # noqa: ASYNC110 - it is another process that asks
            await asyncio.sleep(0.01)
    return found


def _seen(server: RawServer, what: str) -> list[Seen]:
    return [one for one in server.seen if what in one.target or what.encode() in one.body]


def count(home: Path, table: str) -> int:
    with closing(sqlite3.connect(home / "var" / JOURNAL_FILE)) as connection:
        [number] = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608
    return int(number)


async def test_in_the_middle_of_an_invoice(tmp_path: Path, sandbox: SandboxServer) -> None:
    """The provider was asked and nobody waits for its answer: the same key goes on, and there is one invoice."""
    asked = 0

    async def slow(exchange: Exchange) -> None:
        nonlocal asked
        asked += 1
        if asked == 1:
            await asyncio.Event().wait()
        await says({"status": 1, "data": {"tracking_code": 65843100 + asked}, "errors": []})(exchange)

    port = free_port()
    async with RawServer(slow) as paystar, till_at(port, sandbox) as till:
        config = write_config(tmp_path, sandbox, port, paystar_url=paystar.url)
        async with Process(config, tmp_path / "log") as process:
            lost = asyncio.create_task(till.create("paystar", key="once"))
            await until_seen(paystar, "create-factor")
            await process.kill()
            assert isinstance((await asyncio.gather(lost, return_exceptions=True))[0], httpx.TransportError)
        assert (count(tmp_path, "merchant_requests"), count(tmp_path, "invoices")) == (1, 0)
        async with Process(config, tmp_path / "log"):
            made = await till.create("paystar", key="once")
            assert (made.status_code, made.json()["number"]) == (201, "65843102")
            assert (await till.create("paystar", key="once")).json() == made.json()
    assert (asked, count(tmp_path, "invoices"), count(tmp_path, "merchant_invoices")) == (2, 1, 1)


async def test_in_the_middle_of_a_payment(tmp_path: Path, sandbox: SandboxServer) -> None:
    """The bank was asked: nothing is ever sent again, the same key says unknown, and the merchant is told so. Neither
    card nor password nor any key stands in what was left behind.
    """

    async def bank(exchange: Exchange) -> None:
        if "otp" in exchange.seen.target:
            await says({"status": 1, "data": [], "errors": []})(exchange)
        else:
            await asyncio.Event().wait()

    port = free_port()
    async with RawServer(bank) as mellat, RawServer(says({})) as hook, till_at(port, sandbox) as till:
        config = write_config(tmp_path, sandbox, port, hook.url, mellat_url=mellat.url)
        body = {"card": PAN, "otp": OTP, "phone": PHONE}
        async with Process(config, tmp_path / "log") as process:
            made = await till.invoice()
            path = f"/invoices/{made['id']}"
            assert (await till.post(f"{path}/otp", {"card": PAN})).json()["state"] == "sent"
            wrong = await till.post(f"{path}/pay", {**body, "otp": PAN}, "wrong")
            assert wrong.status_code == 422
            lost = asyncio.create_task(till.post(f"{path}/pay", body, "once"))
            await until_seen(mellat, "/pay")
            held = await till.post(f"{path}/pay", body, "once")
            assert (held.status_code, held.json()["type"]) == (409, "urn:ivr:problem:in_progress")
            busy = await till.post(f"{path}/pay", body, "another")
            assert (busy.status_code, busy.json()["type"]) == (409, "urn:ivr:problem:being_paid")
            await process.kill()
            await asyncio.gather(lost, return_exceptions=True)
        async with Process(config, tmp_path / "log"):
            again = await till.post(f"{path}/pay", body, "once")
            assert (again.status_code, again.json()["state"]) == (200, "unknown")
            [told] = await until_seen(hook, "payment.unknown")
            event = json.loads(told.body)
            assert (event["data"]["payment"], event["data"]["invoice"]) == (again.json()["id"], made["id"])
            assert (await till.get("/events")).json()["events"] == [event]
            assert len(await until_seen(mellat, "/pay")) == 1
    assert _holding(tmp_path, secrets_of_the_test()) == {}
    (tmp_path / "var" / "canary").write_text(f"x{PAN}x")
    assert set(_holding(tmp_path, secrets_of_the_test())) == {"the card"}


def secrets_of_the_test() -> dict[str, str]:
    """What nobody may find; of the card also its plain digests, from which everybody could find it by trying."""
    body: dict[str, Any] = {"card": PAN, "otp": OTP, "phone": PHONE}
    return {
        "the card": PAN,
        "the card's digest": hashlib.sha256(PAN.encode()).hexdigest(),
        "the body's digest": hashlib.sha256(json.dumps(body, separators=(",", ":")).encode()).hexdigest(),
        "the password": OTP,
        "the merchant's key": TILL,
        "the key's digest": hashlib.sha256(TILL.encode()).hexdigest(),
        "the webhook's secret": WEBHOOK,
        "the gateway's sequence": DEMO_GATEWAY.sequence.reveal(),
    }


def _holding(home: Path, needles: dict[str, str]) -> dict[str, list[str]]:
    files = [(str(path.relative_to(home)), path.read_bytes()) for path in home.rglob("*") if path.is_file()]
    assert {"log", f"var/{JOURNAL_FILE}"} <= {name for name, _ in files}
    found = {what: [name for name, content in files if needle.encode() in content] for what, needle in needles.items()}
    return {what: names for what, names in found.items() if names}
