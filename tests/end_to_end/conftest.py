"""The whole chain, once for all tests of this package: four Asterisks, three applications, the sandbox, a phone.

Every test and every async fixture here runs in the session's event loop, which is the town's. Whoever stops or kills
something starts it again; whoever sets a fault of the sandbox clears it.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import pytest_asyncio

from ivr.lab.asterisk import Installation, ensure_asterisk
from ivr.lab.hearing import Sound, load_prompts
from ivr.lab.town import HOUSE, Town
from ivr.prompts.catalogue import Catalogue
from ivr.recordings.build import build
from ivr.sandbox.settings import DEMO_CARDS, SandboxSettings
from tests.end_to_end import changing, people, shop
from tests.end_to_end.evening import SCENES, Evening, spend
from tests.end_to_end.notifier import Notifier
from tests.end_to_end.odd_numbers import (
    AGI_NUMBERS,
    BANK_EXTENSIONS,
    GATEWAYS,
    HOURS,
    NUMBERS,
    SECRET_CARD,
    TRUNKS,
    write_dialplan,
)
from tests.end_to_end.stage import Stage
from tests.providers.raw_server import RawServer

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(HERE):
            item.add_marker(pytest.mark.end_to_end)
            if inspect.iscoroutinefunction(getattr(item, "function", None)):
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def asterisk() -> Installation:
    """The machine's private Asterisk, installed on first use."""
    return ensure_asterisk()


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Every shipped prompt as a recording, built where they are missing."""
    prompts, out = HOUSE / "prompts", HOUSE / "var" / "prompts"
    done = build(Catalogue.load(prompts), prompts, out)
    assert not done.faults
    return out


@pytest.fixture(scope="session")
def sounds(recordings: Path) -> Mapping[str, Sound]:
    """The Persian prompts by name, for `hear`."""
    return load_prompts(recordings, "fa")


@pytest.fixture(scope="session")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the towns keep everything that they leave on disk, each in a directory of its own."""
    return tmp_path_factory.mktemp("towns")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def notifier() -> AsyncIterator[Notifier]:
    """Who sends the merchant's SMS, in every town."""
    async with Notifier() as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def receiver() -> AsyncIterator[RawServer]:
    """Where every town's shop is told what became of payments."""
    async with shop.RECEIVER:
        yield shop.RECEIVER


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def towns(
    asterisk: Installation,
    recordings: Path,
    homes: Path,
    notifier: Notifier,
    receiver: RawServer,
    tmp_path_factory: pytest.TempPathFactory,
    request: pytest.FixtureRequest,
) -> AsyncIterator[list[Town]]:
    """The town, and one aside for scenes when any are to be played: its merchant keeps the books in PostgreSQL."""
    dialplan = write_dialplan(tmp_path_factory.mktemp("dialplan"))
    changing.write_flow(dialplan)
    people.write_flows(dialplan)
    towns = [
        Town(
            asterisk,
            recordings,
            home=homes / name,
            dialplan=dialplan,
            numbers=(*NUMBERS, *people.NUMBERS, changing.ENTRY),
            agents=people.AGENTS,
            queues=people.QUEUES,
            recorded=people.RECORDED,
            hours=HOURS,
            trunks=TRUNKS,
            bank_extensions=BANK_EXTENSIONS,
            strange_gateways=GATEWAYS,
            agi_numbers=AGI_NUMBERS,
            notices={"sms": notifier.url},
            sandbox=SandboxSettings(cards=(*DEMO_CARDS, SECRET_CARD), otp_digits=12),  # like nothing else
            api=True,
            webhook=receiver.url,
            ussd=True,
            books=request.getfixturevalue("postgres").new_books() if name == "aside" else None,
        )
        for name in (["town", "aside"] if SCENES else ["town"])
    ]
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("IVR_LOG_LEVEL", "debug")  # what the tests search for secrets is all that can be logged
        async with AsyncExitStack() as stack:
            await asyncio.gather(*(stack.enter_async_context(town) for town in towns))
            yield towns


@pytest.fixture(scope="session")
def town(towns: list[Town]) -> Town:
    """Everything up. The merchant has some odd numbers besides its own; see `odd_numbers`."""
    return towns[0]


@pytest.fixture(scope="session")
def stage(town: Town, sounds: Mapping[str, Sound], notifier: Notifier) -> Stage:
    """The town with callers to be sent into it."""
    return Stage(town, sounds, notifier)


@pytest.fixture(scope="session")
def aside(towns: list[Town], sounds: Mapping[str, Sound], notifier: Notifier) -> Stage | None:
    """The town in which scenes are played."""
    return Stage(towns[1], sounds, notifier) if len(towns) > 1 else None


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def evening(stage: Stage, aside: Stage | None) -> AsyncIterator[Evening]:
    """Every story and scene of the collected tests, all at the same time; see `evening`."""
    evening = await spend(stage, aside)
    yield evening
    await evening.close()
