"""A sandbox on free ports, its clock in hand, and clients that talk to it over real sockets."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from ivr.domain.secret import Secret
from ivr.providers.inoti import Inoti, InotiSettings
from ivr.providers.paystar_mellat import PaystarMellat, PaystarMellatSettings
from ivr.providers.paystar_saman import PaystarSaman, PaystarSamanSettings
from ivr.providers.pod import Pod
from ivr.providers.pod_settings import PodSettings
from ivr.providers.web_gateway import WebGateway, WebGatewaySettings
from ivr.runtime.http_client import HttpSettings
from ivr.sandbox.bank import SandboxBank
from ivr.sandbox.inoti_books import InotiAccount
from ivr.sandbox.pod_books import PodAccount
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_GATEWAY, DEMO_TERMINAL, SandboxSettings
from ivr.sandbox.ussd_settings import UssdSettings
from tests.clock import Clock
from tests.sandbox.merchant import Line, open_pages


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
async def pod(sandbox: SandboxServer, clock: Clock) -> AsyncIterator[Pod]:
    client = pod_client(sandbox, clock)
    yield client
    await client.close()


@pytest.fixture
async def inoti(sandbox: SandboxServer, clock: Clock) -> AsyncIterator[Inoti]:
    client = inoti_client(sandbox, clock)
    yield client
    await client.close()


@pytest.fixture
async def web(sandbox: SandboxServer) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
async def line(clock: Clock) -> AsyncIterator[Line]:
    async with open_pages() as merchant:
        ussd = UssdSettings(merchant.services, merchant_seconds=2.0)
        async with SandboxServer(SandboxSettings(seed=7, ussd=ussd), clock) as sandbox:
            yield Line(sandbox, merchant)


def http(url: str) -> HttpSettings:
    return HttpSettings(url, connect_seconds=1, read_seconds=0.3)


def paystar_client(sandbox: SandboxServer, sequence: Secret = DEMO_GATEWAY.sequence) -> PaystarSaman:
    return PaystarSaman(
        PaystarSamanSettings(http(sandbox.paystar_url), sequence, trunk_id=Secret(DEMO_GATEWAY.trunk_id))
    )


def pod_client(sandbox: SandboxServer, clock: Clock, **changes: Any) -> Pod:
    account = PodAccount()
    settings = PodSettings(
        http(sandbox.pod_url),
        account.token,
        account.api_key,
        pay_host=sandbox.pod_url,
        redirect_uri="http://127.0.0.1:1/back?order=1",
        call_uri="http://127.0.0.1:1/call",
    )
    return Pod(replace(settings, **changes), clock=clock)


def inoti_client(sandbox: SandboxServer, clock: Clock, **changes: Any) -> Inoti:
    account = InotiAccount()
    settings = InotiSettings(http(sandbox.inoti_url), account.username, account.password, account.code_name)
    return Inoti(replace(settings, **changes), clock=clock)
