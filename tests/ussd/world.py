"""A USSD network in front of one desk after the other, in front of real books."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Final

from ivr.flow.model import Dialplan, Service
from ivr.payments.port import Provider
from ivr.prompts.units import Currency
from ivr.runtime.cashier import Cashier
from ivr.runtime.observer import Observer
from ivr.runtime.ports import Notice
from ivr.runtime.screens import Kept, Key, ScreenStore
from ivr.runtime.services import Services
from ivr.runtime.snapshots import Snapshots
from ivr.store.opening import Store
from ivr.ussd import words
from ivr.ussd.desk import UssdDesk
from ivr.ussd.request import Asked
from ivr.ussd.settings import UssdSettings
from tests.clock import Clock
from tests.flow import world as flow_world
from tests.flow.world import small_flow, world

MOBILE: Final = "09121234567"
SERVICE: Final = Service("code", (("6655", "123"),), "small", "fa", {})
PATIENCE: Final = 20.0
"""Seconds for what a test waits for on a busy machine."""


def texts() -> Mapping[str, Mapping[str, str]]:
    """The shipped prompts' words for screens."""
    return world().screens


def words_of(name: str) -> str:
    """What a screen shows for a prompt, in Persian."""
    return texts()["fa"][name]


def small_dialplan(directory: Path, steps: str, version: str = "", name: str = "small") -> Dialplan:
    """One flow of these steps, and a service that runs it."""
    flow = replace(small_flow(directory, steps), name=name, version=version)
    return Dialplan({name: flow}, [], [replace(SERVICE, flow=name)], texts(), version)


def shipped_dialplan(*services: Service) -> Dialplan:
    """The shipped flows behind these services."""
    return replace(flow_world.shipped_dialplan(), services=services)


@dataclass
class Network:
    """What the USSD network sends, to whichever process."""

    store: Store
    dialplan: Dialplan
    clock: Clock
    service: Service = SERVICE
    settings: UssdSettings = field(default_factory=lambda: UssdSettings(answer_within=0.3))
    providers: Mapping[str, Provider] = field(default_factory=dict)
    earlier: dict[str, Dialplan] = field(default_factory=dict)
    """Versions that were in use before."""
    names: Iterator[int] = field(default_factory=count)
    nudged: list[str] = field(default_factory=list)
    notices: list[Notice] = field(default_factory=list)
    ticks: bool = False
    """The clock goes on by itself, for who waits."""

    def services(self, store: Store | None = None) -> Services:
        """The books and the providers, for a process that has just begun."""
        store = store or self.store
        return Services(
            providers=self.providers,
            cashier=Cashier(store.journal, store.invoices, self.clock),
            snapshots=Snapshots(store.sessions),
            observer=Observer(),
            speak=lambda say, language: (),
            trusted_trunks=frozenset(),
            longest_call=1000.0,
            notify=self.notices.append,
            registrations=store.registrations,
        )

    def desk(self, screens: ScreenStore | None = None, store: Store | None = None) -> UssdDesk:
        """A process that has just begun."""

        async def earlier(version: str) -> Dialplan | None:
            return self.earlier.get(version)

        def clock() -> float:
            if self.ticks:
                self.clock.now += 0.05
            return self.clock.now

        return UssdDesk(
            screens or (store or self.store).screens,
            self.services(store),
            lambda: self.dialplan,
            earlier,
            self.settings,
            Currency.RIAL,
            nudge=lambda payment, why: self.nudged.append(payment),
            clock=clock,
            new_name=lambda: f"ussd-{next(self.names)}",
        )

    async def sends(self, desk: UssdDesk, *lines: str, session: str = "s1", mobile: str = MOBILE) -> str:
        """A request with all that the user has sent in this session."""
        async with asyncio.timeout(PATIENCE):
            return await desk.answer(self.service, Asked(session, mobile, lines))

    async def kept(self, session: str = "s1", mobile: str = MOBILE) -> Kept:
        """What the store has of a session."""
        found = await self.store.screens.look(Key(self.service.name, f"{session}|{mobile}"))
        assert found is not None
        return found[0]

    async def registered(self) -> Sequence[str]:
        """The codes that stand in the books."""
        return [str(one.values["code"]) for one in await self.store.registrations.under(["registration"], 0, 100)]


async def dies(desk: UssdDesk, *waiting: "asyncio.Task[str]") -> None:
    """The process is gone in the middle of what it does: nothing of it is heard any more, and it lets go of nothing."""
    for task in (*desk._working, *waiting):
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def our_words(*prompts: str) -> str:
    """Lines of a screen, each of one prompt."""
    return "\n".join(words_of(prompt) for prompt in prompts)


PATIENCE_SCREEN: Final = (words.WAIT.name, words.LOOK.name)
