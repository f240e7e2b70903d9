"""A sandbox, the API before it, and a merchant's program."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from ivr.sandbox.server import SandboxServer
from tests.merchants.shop import Program
from tests.merchants.world import ENVIRONMENT, TILL, Api, serving, write_config
from tests.providers.raw_server import free_port


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
async def sandbox() -> AsyncIterator[SandboxServer]:
    async with SandboxServer() as running:
        yield running


@pytest.fixture
async def api(tmp_path: Path, sandbox: SandboxServer) -> AsyncIterator[Api]:
    async with serving(write_config(tmp_path, sandbox, free_port())) as running:
        yield running


@pytest.fixture
async def till(api: Api, sandbox: SandboxServer) -> AsyncIterator[Program]:
    """The shop's program, which may do everything."""
    async with httpx.AsyncClient(base_url=f"{api.url}/api", trust_env=False, timeout=30) as web:
        yield Program(web, sandbox, TILL)
