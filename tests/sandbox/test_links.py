"""Links from end to end but for the telephone: the real books, the real clients, and a payer in a browser."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from ivr.domain.operations import Outcome
from ivr.flow.commands import PaymentOrder
from ivr.payments.invoice import Invoice
from ivr.payments.port import Provider
from ivr.payments.state import EntryKind, State
from ivr.providers.pod import Pod
from ivr.providers.web_gateway import WebGateway
from ivr.runtime.callbacks import Callbacks
from ivr.runtime.cashier import Cashier, Go
from ivr.runtime.reconciler import EXPIRED, EXPIRY_GRACE, HOUR, Reconciler
from ivr.runtime.verdict import Late
from ivr.sandbox.pod import PAY_PATH
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_CARDS
from ivr.store.opening import Store, open_reading, open_store
from tests.clock import Clock

NUMBER = "65843148"
BARCODE = "77483178001420000001770160"
BILL = {"bill_id": "7748317800142", "payment_id": "1770160"}
LIFETIME = 24 * HOUR


@dataclass
class Desk:
    """One merchant's books, and who looks after what is open."""

    store: Store
    cashier: Cashier
    reconciler: Reconciler
    callbacks: Callbacks
    late: Late
    directory: Path

    async def state(self, payment_id: str = "c.1") -> State:
        payment = await self.store.journal.get(payment_id)
        assert payment is not None
        return payment.state

    def lines(self) -> list[str]:
        with open_reading(self.directory) as reading:
            shown = reading.payment("c.1")
        assert shown is not None
        return [entry["kind"] for entry in shown["entries"]]


@pytest.fixture
async def desk(tmp_path: Path, clock: Clock, gateway: WebGateway, pod: Pod) -> AsyncIterator[Desk]:
    providers: dict[str, Provider] = {"web": gateway, "pod": pod}
    async with open_store(tmp_path, clock) as store:
        late = Late(store.journal)
        reconciler = Reconciler(
            store.journal,
            providers,
            lambda _: False,
            clock=clock,
            dice=lambda: 0.5,
            late=late,
            invoices=store.invoices,
            lifetimes=dict.fromkeys(providers, LIFETIME),
        )
        cashier = Cashier(store.journal, store.invoices, clock, late)
        callbacks = Callbacks(store.journal, reconciler.ask_now, clock)
        yield Desk(store, cashier, reconciler, callbacks, late, tmp_path)


async def web_link(desk: Desk, gateway: WebGateway) -> tuple[str, str]:
    """A link that has left us: its key and its page."""
    await desk.store.invoices.remember_invoice(Invoice("web", NUMBER, 160_000, "1"))
    made = await gateway.ask("create_invoice", {"amount": 160_000, "order_id": NUMBER})
    key = str(made.values["tracking_code"])
    assert await desk.cashier.before_handing_out(PaymentOrder("c.1", "web", NUMBER, key, 160_000), "c") is Go.SEND
    return key, str(made.values["pay_url"])


async def pays(web: aiohttp.ClientSession, page: str) -> None:
    """The payer, on the gateway's page."""
    card = DEMO_CARDS[0]
    form = {"pan": card.pan.reveal(), "pin": card.pin.reveal(), "action": "pay"}
    async with web.post(page, data=form, allow_redirects=False) as answer:
        assert answer.status == 303


async def test_a_browser_that_comes_back(desk: Desk, gateway: WebGateway, web: aiohttp.ClientSession) -> None:
    """What it says counts for nothing; that it came has the gateway asked, and the payment counts once."""
    key, page = await web_link(desk, gateway)
    assert await desk.callbacks.heard("web", [NUMBER, "paid", "true"])
    assert await desk.state() is State.UNKNOWN  # it said so, and nobody had paid
    await pays(web, page)
    assert not await desk.callbacks.heard("web", [NUMBER])  # too soon after the one before
    desk.callbacks = Callbacks(desk.store.journal, desk.reconciler.ask_now, lambda: 0.0)
    for _ in range(3):
        await desk.callbacks.heard("web", [key])
    assert await desk.state() is State.APPROVED
    assert desk.lines() == ["created", "sent", "unanswered", "approved"] and desk.late.contradictions == 0


async def test_a_link_that_nobody_paid_comes_to_its_end(
    desk: Desk, gateway: WebGateway, web: aiohttp.ClientSession, clock: Clock
) -> None:
    """A day and an hour later it is closed; who pays it all the same is found, written down, and changes nothing."""
    key, page = await web_link(desk, gateway)
    clock.now += LIFETIME - 1
    await desk.reconciler.once()
    assert await desk.state() is State.UNKNOWN
    clock.now += EXPIRY_GRACE + 2
    await desk.reconciler.once()
    closed = await desk.store.journal.get("c.1")
    assert closed is not None and (closed.state, closed.reason) == (State.DECLINED, EXPIRED)
    await pays(web, page)
    for _ in range(2):
        await desk.callbacks.heard("web", [NUMBER, key])
    assert await desk.state() is State.DECLINED and desk.late.contradictions == 1
    assert desk.lines()[-1] == EntryKind.CONTRADICTED.value


async def test_a_bill_by_pods_link(
    desk: Desk, pod: Pod, sandbox: SandboxServer, web: aiohttp.ClientSession, clock: Clock
) -> None:
    """Issued twice it is one invoice; it may be paid until POD says that it is, and then it counts once."""
    issued = [(await pod.ask("issue_invoice", BILL)).values for _ in range(2)]
    assert issued[0] == issued[1]
    order = PaymentOrder("c.1", "pod", BARCODE, str(issued[0]["invoice_id"]), 17_000)
    assert await desk.cashier.before_handing_out(order, "c") is Go.SEND
    link = str((await pod.ask("payment_link", {"unique_number": issued[0]["unique_number"]})).values["url"])
    payment = await desk.store.journal.get("c.1")
    assert payment is not None and PAY_PATH in link
    open_ = await pod.inquire(payment)
    assert (open_.outcome, open_.not_paid) == (Outcome.UNKNOWN, True)
    async with web.post(link, data={"paid": "true"}, allow_redirects=False) as back:
        brought = [value for _, value in URL(back.headers["Location"]).query.items()]
    assert await desk.callbacks.heard("pod", brought)
    assert await desk.state() is State.APPROVED
    assert (await desk.cashier.check_invoice("pod", BARCODE, 17_000)) == "already_paid"
