"""A sandbox on free ports, its clock in hand, and clients that talk to it over real sockets."""

from collections.abc import AsyncIterator

import aiohttp
import pytest

from ivr.domain.secret import Secret
from ivr.providers.paystar_mellat import PaystarMellat, PaystarMellatSettings
from ivr.providers.paystar_saman import PaystarSaman, PaystarSamanSettings
from ivr.providers.web_gateway import WebGateway, WebGatewaySettings
from ivr.runtime.http_client import HttpSettings
from ivr.sandbox.bank import SandboxBank
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_GATEWAY, DEMO_TERMINAL, SandboxSettings
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def sandbox(clock: Clock) -> AsyncIterator[SandboxServer]:
    async with SandboxServer(SandboxSettings(seed=7), clock) as running:
        yield running


@pytest.fixture
async def paystar(sandbox: SandboxServer) -> AsyncIterator[PaystarSaman]:
    client = paystar_client(sandbox)
    yield client
    await client.close()


@pytest.fixture
async def bank(sandbox: SandboxServer) -> AsyncIterator[SandboxBank]:
    client = SandboxBank(http(sandbox.bank_url))
    yield client
    await client.close()


@pytest.fixture
async def mellat(sandbox: SandboxServer) -> AsyncIterator[PaystarMellat]:
    client = PaystarMellat(PaystarMellatSettings(http(sandbox.mellat_url), DEMO_GATEWAY.sequence))
    yield client
    await client.close()


@pytest.fixture
async def gateway(sandbox: SandboxServer) -> AsyncIterator[WebGateway]:
    client = WebGateway(
        WebGatewaySettings(http(sandbox.web_gateway_url), DEMO_TERMINAL.api_key, "http://shop.test/back")
    )
    yield client
    await client.close()


@pytest.fixture
async def web(sandbox: SandboxServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def http(url: str) -> HttpSettings:
    return HttpSettings(url, connect_seconds=1, read_seconds=0.3)


def paystar_client(sandbox: SandboxServer, sequence: Secret = DEMO_GATEWAY.sequence) -> PaystarSaman:
    return PaystarSaman(
        PaystarSamanSettings(http(sandbox.paystar_url), sequence, trunk_id=Secret(DEMO_GATEWAY.trunk_id))
    )
