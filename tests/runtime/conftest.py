"""A whole runtime around fakes: the shipped flows, one switchboard, callers who come when a test says so."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from ivr.flow.model import DialledNumber, Dialplan, Flow
from ivr.flow.session import Session
from ivr.payments.port import Reply
from ivr.payments.registrations import Registrations
from ivr.prompts.speaking import speak
from ivr.prompts.units import Currency
from ivr.providers import paystar_mellat, paystar_saman, pod_operations, web_gateway
from ivr.runtime.cashier import Cashier
from ivr.runtime.observer import Observer
from ivr.runtime.ports import CallInfo, Notice
from ivr.runtime.services import NoRegistrations, Services
from ivr.runtime.snapshots import Snapshots
from ivr.runtime.switchboard import Switchboard
from ivr.sandbox import bank
from tests.fakes import FakeBooks, FakeProvider, FakeSessionStore, FakeVoice
from tests.flow.world import SHIPPED, shipped

PAY, CHAIN, SWITCH, BANK, CARD, BILLS, LINK = "1000", "1001", "1002", "1003", "1090", "1091", "1092"
NUMBERS = [
    DialledNumber(PAY, "pay_invoice", "fa", None, {"merchant_phone": "2191071390"}),
    DialledNumber(CHAIN, "merchant_invoice", "fa", None, {"switch_number": "42474000"}),
    DialledNumber(SWITCH, "switch_invoice", "fa", "merchant", {"merchant_phone": "2191071390"}),
    DialledNumber(BANK, "bank_ivr", "fa", None, {}),
    DialledNumber(CARD, "pay_by_card", "fa", None, {}),
    DialledNumber(LINK, "pay_by_link", "fa", None, {}),
    DialledNumber(BILLS, "pay_bill", "fa", None, {}),
]
INVOICE = "65843148"
TRANSACTION: Mapping[str, str | int] = {"transaction_id": "70012345", "merchant_id": "10000005", "amount": 160_000}
FOUND = Reply("ok", TRANSACTION)
LONGEST_CALL = 1000.0
NOW = 1_700_000_000.0


@dataclass
class House:
    """Everything that a test needs."""

    paystar: FakeProvider = field(default_factory=lambda: FakeProvider(paystar_saman.OPERATIONS))
    bank: FakeProvider = field(default_factory=lambda: FakeProvider(bank.OPERATIONS))
    mellat: FakeProvider = field(default_factory=lambda: FakeProvider(paystar_mellat.OPERATIONS))
    web: FakeProvider = field(default_factory=lambda: FakeProvider(web_gateway.OPERATIONS))
    pod: FakeProvider = field(default_factory=lambda: FakeProvider(pod_operations.OPERATIONS))
    books: FakeBooks = field(default_factory=FakeBooks)
    store: FakeSessionStore = field(default_factory=FakeSessionStore)
    registrations: Registrations = field(default_factory=NoRegistrations)
    observer: Observer = field(default_factory=Observer)
    notices: list[Notice] = field(default_factory=list)
    notify: Callable[[Notice], None] | None = None
    nudged: list[tuple[str, str]] = field(default_factory=list)
    longest_call: float = LONGEST_CALL
    most_calls: int = 5
    callers: int = 0
    now: float = NOW

    def __post_init__(self) -> None:
        self.snapshots = Snapshots(self.store, gather=0)
        self.dialplan = Dialplan({name: shipped(name) for name in SHIPPED}, NUMBERS)
        self.switchboard = self.new_switchboard()

    def new_switchboard(self) -> Switchboard:
        """The one of a process that has just started."""
        self.cashier = Cashier(self.books, self.books, lambda: NOW, pauses=(0.0, 0.0))
        services = Services(
            providers={
                "paystar": self.paystar,
                "bank": self.bank,
                "mellat": self.mellat,
                "pod": self.pod,
                "web": self.web,
            },
            cashier=self.cashier,
            snapshots=self.snapshots,
            observer=self.observer,
            speak=lambda say, language: speak(say, language, Currency.RIAL),
            trusted_trunks=frozenset({"merchant", "agents"}),
            longest_call=self.longest_call,
            notify=self.notify or self.notices.append,
            registrations=self.registrations,
        )
        return Switchboard(
            self.dialplan,
            services,
            most_calls=self.most_calls,
            nudge=lambda payment, why: self.nudged.append((payment, why)),
            clock=lambda: self.now,
        )

    def add(self, number: str, flow: Flow, **more: Any) -> None:
        """One number more; `more` is its hours and the like."""
        mine = DialledNumber(number, flow.name, "fa", None, {}, **more)
        self.dialplan = Dialplan({**self.dialplan.flows, flow.name: flow}, [*self.dialplan.numbers, mine])
        self.switchboard = self.new_switchboard()

    def caller(
        self,
        number: str = PAY,
        trunk: str = "public",
        caller_number: str | None = "09121234567",
        headers: Mapping[str, str | None] | None = None,
        *,
        listens: bool = True,
    ) -> FakeVoice:
        """Somebody who is about to call."""
        self.callers += 1
        info = CallInfo(f"1700000000.{self.callers}", trunk, number, caller_number)
        return FakeVoice(info, headers=headers, listens=listens)

    def rings(self, voice: FakeVoice) -> FakeVoice:
        """They call."""
        voice.emit = self.switchboard.accept(voice)
        return voice

    async def at_the_amount(self) -> FakeVoice:
        """A caller who has keyed the invoice number and is asked whether to pay."""
        voice = self.rings(self.caller())
        self.paystar.answers["create_transaction"].append(FOUND)
        await voice.hears("invoice/enter_number")
        voice.keys(f"{INVOICE}#")
        await voice.hears("pay/press_keys")
        return voice

    async def over(self) -> None:
        """Return when no call is left."""
        await asyncio.wait_for(self.switchboard.drain(5), 6)

    def figure(self, name: str, **labels: str) -> float:
        """One of the operators' figures."""
        return self.observer.registry.get_sample_value(name, labels) or 0.0

    def resumed(self, voice: FakeVoice, session: Session | str | None, leg: int | None = None) -> FakeVoice:
        """A new process takes this caller over."""
        self.switchboard = self.new_switchboard()
        snapshot = session.snapshot() if isinstance(session, Session) else session
        voice.emit = self.switchboard.resume(voice, snapshot, leg)
        return voice


@pytest.fixture
async def house() -> AsyncIterator[House]:
    house = House()
    house.snapshots.start()
    yield house
    await house.switchboard.drain(0)
    await house.snapshots.stop()
