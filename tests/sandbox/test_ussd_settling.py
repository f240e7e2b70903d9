"""A payment by USSD from its invoice to its receipt: the sandbox's iNoti, real books, two workers that hear of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from ivr.domain.ussd import claim
from ivr.flow.commands import PaymentOrder
from ivr.payments.state import Payment, State
from ivr.providers.inoti import Inoti
from ivr.runtime.cashier import Cashier, Go
from ivr.runtime.invoicing import is_made_there, own_invoice
from ivr.runtime.reconciler import EXPIRED, EXPIRY_GRACE, HOUR, Reconciler
from ivr.runtime.ussd_callback import Heard, Settled, UssdCallbacks
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.server import SandboxServer
from tests.clock import Clock
from tests.store.two_workers import Both, in_a_database, in_a_file

PROVIDER, SESSION, MINE = "ussd", "123", "09121234567"
LIFETIME = 24 * HOUR


@dataclass
class Shop:
    """Two workers with one book, and the provider that both ask."""

    both: Both
    sandbox: SandboxServer
    web: aiohttp.ClientSession
    reconcilers: list[Reconciler]
    callbacks: list[UssdCallbacks]
    clock: Clock
    factor: str = ""

    async def asks_for_money(self) -> None:
        """The session ends with `9900|factor|amount`: the books have it first."""
        hand = self.both.workers[0]
        invoice = await own_invoice(PROVIDER, hand.invoices, 160_000, "A-1", hand.invoices.remember_invoice)
        assert invoice.tracking_code.isdigit() and len(invoice.tracking_code) <= 12
        self.factor = invoice.tracking_code
        cashier = Cashier(hand.journal, hand.invoices, self.clock)
        name = claim(SESSION, MINE)
        order = PaymentOrder("ussd-1", PROVIDER, self.factor, name, invoice.amount_rial, MINE)
        assert await cashier.before_handing_out(order, "ussd-session") is Go.SEND
        self.link = await self._posts(
            "payments", {"session": SESSION, "mobile": MINE, "price": 160_000, "your_factor": self.factor}
        )

    async def pays(self) -> Heard:
        """The payer opens the link of the SMS and pays; what iNoti then calls back with."""
        paid = await self._posts("pay", {"token": self.link["token"]})
        call = paid["callback"]["call"].split("*")
        return Heard(PROVIDER, SESSION, paid["callback"]["mobile"], call[-2], call[-1], paid["callback"]["RRN"])

    async def hear(self, *heard: Heard) -> list[Settled]:
        """Every worker hears all of it, at once."""
        return [*await asyncio.gather(*(one.settle(each) for one in self.callbacks for each in heard))]

    async def payment(self) -> Payment:
        found = await self.both.workers[1].journal.get("ussd-1")
        assert found is not None
        return found

    def lines(self) -> list[str]:
        """The kinds of the payment's lines; the books are sound."""
        with self.both.reading() as book:
            assert book.audit().findings == []
            return [line["kind"] for line in book.entries("ussd-1")]

    async def _posts(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        async with self.web.post(f"{self.sandbox.admin_url}/_sandbox/inoti/{path}", json=body) as answer:
            return dict(await answer.json())


@asynccontextmanager
async def a_shop(
    request: pytest.FixtureRequest, sandbox: SandboxServer, web: aiohttp.ClientSession, inoti: Inoti, clock: Clock
) -> AsyncIterator[Shop]:
    make = in_a_file if request.param == "sqlite" else in_a_database(request.getfixturevalue("postgres"))
    async with make(clock) as both:
        reconcilers = [
            Reconciler(
                hand.journal,
                {PROVIDER: inoti},
                lambda _: False,
                clock=clock,
                dice=lambda: 0.5,
                invoices=hand.invoices,
                lifetimes={PROVIDER: LIFETIME},
            )
            for hand in both.workers
        ]
        hands = zip(both.workers, reconcilers, strict=True)
        callbacks = [UssdCallbacks(hand.journal, reconciler, clock) for hand, reconciler in hands]
        shop = Shop(both, sandbox, web, reconcilers, callbacks, clock)
        await shop.asks_for_money()
        yield shop
        for reconciler in reconcilers:
            reconciler.stop()
            for task in reconciler._followed.values():
                task.cancel()


@pytest.fixture(params=["sqlite", "postgres"])
async def shop(
    request: pytest.FixtureRequest, sandbox: SandboxServer, web: aiohttp.ClientSession, inoti: Inoti, clock: Clock
) -> AsyncIterator[Shop]:
    async with a_shop(request, sandbox, web, inoti, clock) as opened:
        yield opened


def test_its_invoices_are_ours(inoti: Inoti) -> None:
    """iNoti makes none: the number is made by us."""
    assert not is_made_there(inoti.operations)


async def test_settled_once(shop: Shop) -> None:
    """However often and wherever it is heard; reference and receipt stand with it, and who paid."""
    heard = await shop.pays()
    assert await shop.hear(heard, heard, heard) == [Settled.PAID] * 6
    assert await shop.hear(heard) == [Settled.PAID] * 2
    payment = await shop.payment()
    assert (payment.state, payment.reference, payment.receipt) == (State.APPROVED, heard.rrn, "ref-1")
    assert payment.payer == MINE and shop.lines() == ["created", "sent", "approved"]
    assert (await shop.both.workers[0].journal.last_of_payer(MINE)) == payment


async def test_nobody_has_paid(shop: Shop) -> None:
    """Whoever makes a callback up changes nothing, and the invoice closes by itself."""
    forged = Heard(PROVIDER, SESSION, MINE, shop.factor, "1234567", "123456789012")
    assert await shop.hear(forged) == [Settled.NOT_CONFIRMED] * 2
    assert await shop.hear(Heard(PROVIDER, "124", MINE, shop.factor, "1", "1")) == [Settled.UNKNOWN_PAYMENT] * 2
    assert shop.lines() == ["created", "sent"]
    await shop.reconcilers[0].once()
    assert shop.lines() == ["created", "sent", "unanswered"]
    shop.clock.now += LIFETIME + EXPIRY_GRACE
    await shop.reconcilers[0].once()
    payment = await shop.payment()
    assert (payment.state, payment.reason) == (State.DECLINED, EXPIRED)


async def test_paid_after_the_end(shop: Shop) -> None:
    """Our books have closed it; what iNoti says then stands beside it, once, and people look."""
    await shop.reconcilers[0].once()
    shop.clock.now += LIFETIME + EXPIRY_GRACE
    await shop.reconcilers[0].once()
    heard = await shop.pays()
    for _ in range(2):
        assert await shop.hear(heard) == [Settled.NOT_CONFIRMED] * 2
    assert shop.lines() == ["created", "sent", "unanswered", "declined", "contradicted"]


@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.REFUSE, FaultKind.GARBAGE])
async def test_a_verification_that_fails(shop: Shop, kind: FaultKind) -> None:
    """The reconciler finds the payment without the callback."""
    heard = await shop.pays()
    await shop.sandbox.set_fault(Fault("inoti_payments", kind, times=2, seconds=60))
    assert await shop.hear(heard) == [Settled.NOT_CONFIRMED] * 2
    assert (await shop.payment()).state is State.SENT
    await shop.sandbox.clear_faults()
    await shop.reconcilers[0].once()
    payment = await shop.payment()
    assert (payment.state, payment.reference, payment.receipt) == (State.APPROVED, heard.rrn, "ref-1")
    assert await shop.hear(heard) == [Settled.PAID] * 2
