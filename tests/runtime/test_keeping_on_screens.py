"""A customer registers a code by USSD: repeated screens and dying processes register once, in each kind of database."""

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest

from ivr.domain.registration import Registration
from ivr.flow.model import Dialplan, Service
from ivr.payments.registrations import Kept
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.units import Currency
from ivr.runtime.cashier import Cashier
from ivr.runtime.observer import Observer
from ivr.runtime.services import Services
from ivr.runtime.snapshots import Snapshots
from ivr.store.opening import Store, open_store
from ivr.store.registrations import StoredRegistrations
from ivr.ussd import words
from ivr.ussd.desk import HOLD, UssdDesk
from ivr.ussd.request import Asked
from ivr.ussd.settings import UssdSettings
from tests.clock import Clock
from tests.flow.test_keep import STEPS
from tests.flow.world import ROOT, small_flow
from tests.store.conftest import KINDS, new_books

MOBILE = "09121234567"


class DiesAfterwards:
    """Writes, and is gone before anybody hears so."""

    def __init__(self, books: StoredRegistrations) -> None:
        self._books = books
        self.written = asyncio.Event()

    async def keep(self, asked: Registration) -> Kept:
        await self._books.keep(asked)
        self.written.set()
        await asyncio.Event().wait()
        raise AssertionError("nobody waits any more")

    async def under(self, words: Sequence[str], after: int, limit: int) -> Sequence[Registration]:
        return await self._books.under(words, after, limit)


@dataclass
class Network:
    """The USSD network before one process after the other."""

    store: Store
    dialplan: Dialplan
    clock: Clock
    service: Service = field(default_factory=lambda: Service("code", (("6655", "123"),), "small", "fa", {}))
    names: Iterator[int] = field(default_factory=count)

    def desk(self, registrations: StoredRegistrations | DiesAfterwards | None = None) -> UssdDesk:
        """A process that has just begun."""
        services = Services(
            providers={},
            cashier=Cashier(self.store.journal, self.store.invoices, self.clock),
            snapshots=Snapshots(self.store.sessions),
            observer=Observer(),
            speak=lambda say, language: (),
            trusted_trunks=frozenset(),
            longest_call=1000.0,
            registrations=registrations or self.store.registrations,
        )

        async def no_earlier(version: str) -> Dialplan | None:
            return None

        return UssdDesk(
            self.store.screens,
            services,
            lambda: self.dialplan,
            no_earlier,
            UssdSettings(),
            Currency.RIAL,
            nudge=lambda payment, why: None,
            clock=self.clock,
            new_name=lambda: f"ussd-{next(self.names)}",
        )

    async def sends(self, desk: UssdDesk, *lines: str, session: str = "s1", mobile: str = MOBILE) -> str:
        """A request with all that the user has sent in this session."""
        return await desk.answer(self.service, Asked(session, mobile, lines))

    async def kept(self) -> Sequence[Registration]:
        """What stands in the books."""
        return await self.store.registrations.under(["registration"], 0, 100)


@pytest.fixture(params=KINDS)
async def network(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Network]:
    """In front of each kind of database."""
    clock, books = Clock(), new_books(request.param, tmp_path, request)
    catalogue = Catalogue.load(ROOT / "prompts")
    ours = {prompt.name: prompt.name for prompt in words.ALL}
    texts = {language: {**ours, **catalogue.screens(language)} for language in catalogue.languages}
    flow = small_flow(tmp_path, STEPS)
    async with open_store(tmp_path, clock, books.shared) as store:
        yield Network(store, Dialplan({"small": flow}, [], [], texts), clock)


def says(network: Network, prompt: str) -> str:
    """The words of a prompt on a screen."""
    return network.dialplan.screens["fa"][prompt]


async def test_a_code_is_registered(network: Network) -> None:
    """With the user's mobile and the code that was dialled."""
    desk = network.desk()
    assert await network.sends(desk) == says(network, "pay/is")
    assert await network.sends(desk, "0048213") == says(network, "pay/paid")
    [kept] = await network.kept()
    assert (kept.dialled, kept.mobile, kept.flow) == ("*6655*123#", MOBILE, "small")
    assert kept.values == {"code": "0048213", "mobile": MOBILE}


async def test_a_screen_that_is_sent_again(network: Network) -> None:
    """The network repeats a request, many times and at once, to two processes: one registration, the same words."""
    one, two = network.desk(), network.desk()
    await network.sends(one)
    shown = await asyncio.gather(*(network.sends(desk, "48213") for desk in (one, two, one, two)))
    shown.append(await network.sends(two, "48213"))
    assert set(shown) == {says(network, "pay/paid")}
    assert [one.id for one in await network.kept()] == [1]


async def test_the_process_dies_after_it_was_written(network: Network) -> None:
    """The next one repeats the step for the repeated request, by the same key: the user reads that it is registered."""
    dying = DiesAfterwards(network.store.registrations)
    one = network.desk(dying)
    await network.sends(one)
    lost = asyncio.create_task(network.sends(one, "48213"))
    await dying.written.wait()
    for task in list(one._working):
        task.cancel()
    await asyncio.gather(lost, return_exceptions=True)
    network.clock.now += HOLD + 1
    assert await network.sends(network.desk(), "48213") == says(network, "pay/paid")
    assert len(await network.kept()) == 1


async def test_the_same_in_another_session(network: Network) -> None:
    """Who dials again and sends the same code reads that it is known; another user's is new."""
    desk = network.desk()
    for session, mobile, prompt in (
        ("s1", MOBILE, "pay/paid"),
        ("s2", MOBILE, "common/goodbye"),
        ("s3", "09131234567", "pay/paid"),
    ):
        await network.sends(desk, session=session, mobile=mobile)
        text = await network.sends(desk, "48213", session=session, mobile=mobile)
        assert text == says(network, prompt)
    assert [one.mobile for one in await network.kept()] == [MOBILE, "09131234567"]
