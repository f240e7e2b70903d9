"""The FastAGI server of the benchmark, spoken to as Asterisk does."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivr.lab.bench.fast_agi import FastAgi
from ivr.lab.bench.settings import AMOUNT
from ivr.providers.paystar_saman import PaystarSaman, PaystarSamanSettings
from ivr.runtime.http_client import HttpSettings
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_CARDS, DEMO_GATEWAY, DemoInvoice, SandboxSettings

HEADER = b"agi_network_script: pay\nagi_callerid: 09120000000\n\n"
INVOICE = "60000001"


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxServer]:
    async with SandboxServer(SandboxSettings(invoices=(DemoInvoice(INVOICE, AMOUNT),))) as server:
        yield server


@pytest.fixture
async def port(sandbox: SandboxServer) -> AsyncIterator[int]:
    provider = PaystarSaman(PaystarSamanSettings(HttpSettings(sandbox.paystar_url), DEMO_GATEWAY.sequence))
    server = await FastAgi(provider, Path("/sounds")).serve("127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
    await provider.close()


async def talk(port: int, sandbox: SandboxServer, *, hang_up_at: str = "") -> list[str]:
    """Play Asterisk; returns the commands. The bank takes the money when it is dialled."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(HEADER)
    commands = []
    while command := (await reader.readline()).decode().strip():
        commands.append(command)
        if hang_up_at and hang_up_at in command:
            writer.write(b"HANGUP\n")
            break
        if "EXEC Dial" in command:
            made = next(iter(sandbox.books.transactions.values()))
            sandbox.books.settle("10000005", made.id, AMOUNT, DEMO_CARDS[0].pan, DEMO_CARDS[0].pin)
        answers = {"GET VARIABLE INVOICE": f"1 ({INVOICE})", "GET VARIABLE KEY": "1 (1)"}
        writer.write(f"200 result={answers.get(command, '0')}\n".encode())
    await reader.read()
    writer.close()
    return commands


async def test_a_call_is_paid(port: int, sandbox: SandboxServer) -> None:
    """It reads, asks, dials the bank and says that it is paid, as the other two ways do."""
    commands = await talk(port, sandbox)
    assert [command.split()[0] for command in commands] == (
        ["ANSWER", "EXEC", "GET", "EXEC", "GET", "EXEC", "SET", "EXEC", "EXEC", "EXEC", "HANGUP"]
    )
    assert "/sounds/fa/pay/paid" in commands[8] and f"({AMOUNT})" in commands[7]


async def test_a_caller_who_hangs_up_ends_only_that_call(port: int, sandbox: SandboxServer) -> None:
    """The next caller is served."""
    assert len(await talk(port, sandbox, hang_up_at='EXEC Read "KEY')) == 4
    assert (await talk(port, sandbox))[-1] == "HANGUP"


async def test_a_connection_without_a_word_freezes_nothing(port: int, sandbox: SandboxServer) -> None:
    """A port scan does not end the benchmark."""
    for half in (b"", HEADER[:20]):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(half)
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(5):
        assert (await talk(port, sandbox))[-1] == "HANGUP"
