"""One real Asterisk for a session, and a client of ours for a test."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import pytest_asyncio
import uvloop

from ivr.asterisk.ami.client import AmiClient
from ivr.asterisk.ari.timing import Timing
from ivr.asterisk.settings import AmiSettings
from ivr.lab.addresses import Block
from ivr.lab.asterisk import Instance
from tests.asterisk.ami.fake import Seen, client_for
from tests.asterisk.ami.real import prepare, settings
from tests.asterisk.ari.real import eventually, write_sound


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The server that misbehaves is met on both event loops; the real one on the usual one."""
    both = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
    return both if item.path.name == "test_client.py" else {"asyncio": asyncio.new_event_loop}


class Lab:
    """The Asterisk, how it is reached, and the address of its only caller."""

    def __init__(self, asterisk: Instance, ami: AmiSettings, caller: str) -> None:
        self.asterisk = asterisk
        self.ami = ami
        self.caller = caller


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def lab(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Lab]:
    home = tmp_path_factory.mktemp("ami")
    with Block() as block:
        own, caller = block.address(), block.address()
        config = settings(own, caller, home)
        write_sound(home / "hum", 2.0, loud=True)
        asterisk = prepare(config, home)
        async with asterisk:
            assert config.ami is not None
            yield Lab(asterisk, config.ami, caller)


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def client(lab: Lab, seen: Seen) -> AsyncIterator[AmiClient]:
    """Connected; afterwards no channel is left."""
    client = client_for(lab.ami, seen, Timing())
    await client.start()
    try:
        yield client
    finally:
        await client.close()
        await lab.asterisk.rx("channel request hangup all")
        await eventually(lambda: lab.asterisk.rx("core show channels count"), lambda said: said.startswith("0 active"))
