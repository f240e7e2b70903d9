"""Real Asterisks for a session, and a switch of ours for a test."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import pytest_asyncio

from ivr.asterisk.ari.switch import AriSwitch
from ivr.asterisk.ari.voice import AriVoice
from ivr.asterisk.settings import AsteriskSettings
from ivr.flow.events import Event
from ivr.lab.addresses import Block
from ivr.runtime.ports import Emit
from tests.asterisk.ari.line import Line
from tests.asterisk.ari.real import BANK_NUMBERS, NUMBER, PATIENCE, World, eventually, running, settings


@dataclass
class Heard:
    """One call as the runtime would see it."""

    voice: AriVoice
    leg: int | None = None
    events: asyncio.Queue[Event] = field(default_factory=asyncio.Queue)

    async def next(self) -> Event:
        async with asyncio.timeout(PATIENCE):
            return await self.events.get()

    def nothing_more(self) -> bool:
        return self.events.empty()


class Calls:
    """What our switch brings in."""

    def __init__(self) -> None:
        self.new: asyncio.Queue[Heard] = asyncio.Queue()
        self.resumed: list[Heard] = []

    def on_call(self, voice: AriVoice) -> Emit:
        heard = Heard(voice)
        self.new.put_nowait(heard)
        return heard.events.put_nowait

    def on_resume(self, voice: AriVoice, leg: int | None) -> Emit:
        heard = Heard(voice, leg)
        self.resumed.append(heard)
        return heard.events.put_nowait

    async def next(self) -> Heard:
        async with asyncio.timeout(PATIENCE):
            return await self.new.get()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def asterisks(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[tuple[AsteriskSettings, AsteriskSettings]]:
    home = tmp_path_factory.mktemp("asterisk")
    with Block() as block:
        own, other, nobody = block.address(), block.address(), block.address()
        ours = settings("ivr", own, other, nobody, home)
        outside = settings("world", other, own, nobody, home)
        async with (
            running("ours", ours, (NUMBER,), home / "ours"),
            running("outside", outside, BANK_NUMBERS, home / "outside"),
        ):
            yield ours, outside


@pytest.fixture
def ours(asterisks: tuple[AsteriskSettings, AsteriskSettings]) -> AsteriskSettings:
    return asterisks[0]


@pytest.fixture
def outside(asterisks: tuple[AsteriskSettings, AsteriskSettings]) -> AsteriskSettings:
    return asterisks[1]


@pytest.fixture
async def world(outside: AsteriskSettings) -> AsyncIterator[World]:
    world = World(outside)
    await world.client.start()
    yield world
    await world.client.close()


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture
async def switch(ours: AsteriskSettings, world: World, calls: Calls) -> AsyncIterator[AriSwitch]:
    switch = AriSwitch(ours.ari, calls.on_call)
    await switch.start()
    await switch.take_over(calls.on_resume)
    yield switch
    await clean(switch)


async def clean(switch: AriSwitch) -> None:
    """Every test must leave our Asterisk empty: no channel, no bridge."""
    try:
        assert await eventually(lambda: switch.client.request("GET", "/bridges"), lambda found: not found) == []
        assert await eventually(lambda: switch.client.request("GET", "/channels"), lambda found: not found) == []
    finally:
        await switch.close()


@pytest.fixture
async def line() -> AsyncIterator[Line]:
    line = Line()
    await line.mend()
    yield line
    await line.close()


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    return tmp_path / "sounds"
