"""SIGTERM: no card is charged any more, and whoever is being charged gets the answer, in the books too."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from ivr.app import serve_web
from ivr.domain.operations import Outcome
from ivr.domain.secret import Secret
from ivr.merchant_service import explain
from ivr.payments.invoice import Invoice
from ivr.payments.merchant_port import MerchantInvoice, Ticket
from ivr.payments.port import Reply
from ivr.payments.state import State
from ivr.providers.paystar_mellat import OPERATIONS
from ivr.runtime.cashier import Cashier
from ivr.runtime.merchant_desk import PANEL, MerchantDesk
from ivr.runtime.merchant_views import Refusal, Why
from ivr.runtime.merchants import SCOPES, Merchant, MerchantKey
from ivr.sandbox.settings import DEMO_CARDS
from ivr.store.opening import Store, open_store
from ivr.web.merchant_api import PREFIX, Registered, merchant_guard
from ivr.web.merchant_guard import Guard
from tests.fakes import FakeProvider
from tests.merchants.shop import PHONE
from tests.merchants.world import TILL

CARD = DEMO_CARDS[0].pan.reveal()
BODY = {"card": CARD, "otp": "12345", "phone": PHONE}
PATIENCE = 60.0


@dataclass
class House:
    """The API as `ivr serve` has it, with a bank behind a door; two invoices, 1 and 2."""

    store: Store
    bank: FakeProvider
    desk: MerchantDesk
    guard: Guard
    url: str
    web: "asyncio.Task[None]"
    program: httpx.AsyncClient

    async def pay(self, number: int) -> httpx.Response:
        return await self.program.post(
            f"{self.url}/invoices/inv_{number}/pay", headers={"Idempotency-Key": f"pay-{number}"}, json=BODY
        )

    async def stop_serving(self) -> None:
        self.web.cancel()
        await asyncio.gather(self.web, return_exceptions=True)

    async def states(self) -> list[State]:
        found = [await self.store.journal.for_invoice("mellat", number) for number in ("12345671", "12345672")]
        return [payment.state for payments in found for payment in payments]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    bank = FakeProvider(OPERATIONS)
    bank.answers[PANEL] = [Reply("approved", {"reference": "77"}, Outcome.APPROVED, "0", "77") for _ in range(2)]
    bank.door.clear()
    shop = Merchant("shop", ("mellat",), (MerchantKey("till", Secret(TILL), frozenset(SCOPES)),), None, 6000)
    async with open_store(tmp_path, time.time) as store:
        cashier = Cashier(store.journal, store.invoices, time.time)
        desk = MerchantDesk(
            store.merchants, store.journal, store.invoices, cashier, {"mellat": bank}, explain, lambda *_: None
        )
        for number in ("1", "2"):
            ticket = Ticket("shop", "invoices", number, "", f"inv_{number}")
            await store.merchants.begin(ticket)
            made = MerchantInvoice(ticket.subject, "shop", Invoice("mellat", f"1234567{number}", 160_000, "A-1"))
            await store.merchants.keep_invoice(ticket, made)
        registered = Registered(store.registrations, store.deliveries.replay)
        guard = merchant_guard(desk, {"shop": shop}, store.deliveries.replay, time.monotonic, registered)
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{listener.getsockname()[1]}{PREFIX}"
            web = asyncio.create_task(serve_web(listener, Starlette(routes=[Mount(PREFIX, app=guard)])))
            headers = {"Authorization": f"Bearer {TILL}"}
            async with httpx.AsyncClient(headers=headers, trust_env=False, timeout=PATIENCE) as program:
                async with asyncio.timeout(PATIENCE):
                    while True:
                        with suppress(httpx.ConnectError):
                            await program.get(f"{url}/openapi.json")
                            break
                        await asyncio.sleep(0.01)
                house = House(store, bank, desk, guard, url, web, program)
                yield house
                bank.door.set()
                await house.stop_serving()
                await desk.close()


async def test_whoever_is_being_charged_gets_the_answer(house: House) -> None:
    """The door is closed, the bank answers late, and the program reads what the books say; then nothing is left."""
    first = asyncio.create_task(house.pay(1))
    await house.bank.changes.until(lambda: house.bank.asked)
    house.desk.refuse()
    await house.stop_serving()
    with pytest.raises(httpx.ConnectError):
        await house.pay(2)
    closing = asyncio.create_task(house.desk.close())
    house.bank.door.set()
    await closing
    await house.guard.answered()
    assert await house.states() == [State.APPROVED] and len(house.bank.asked) == 1
    paid = await first
    assert (paid.status_code, paid.json()["state"]) == (200, "approved")
    assert paid.headers["Connection"] == "close"


async def test_nothing_is_begun(house: House) -> None:
    """Whoever comes while calls are let end by themselves is told to come again, on another connection."""
    house.desk.refuse()
    for answer in (await house.pay(2), await house.program.get(f"{house.url}/invoices/inv_2")):
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:ivr:problem:closing")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert (answer.headers["Connection"], answer.headers["Retry-After"]) == ("close", "5")
    with pytest.raises(Refusal) as refused:  # one that was let in a moment before
        await house.desk.pay("shop", "pay-2", "inv_2", Secret(CARD), Secret("12345"), PHONE)
    assert refused.value.why is Why.CLOSING
    assert await house.states() == [] and house.bank.asked == []


async def test_a_body_that_ends_too_late(house: House) -> None:
    """It began to come before, and the process was told to end before it was whole."""
    begun = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield b'{"card": "'
        begun.set()
        while not house.desk.closing:  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.01)
        yield f'{CARD}", "otp": "12345", "phone": "{PHONE}"}}'.encode()

    headers = {"Idempotency-Key": "pay-1", "Content-Type": "application/json"}
    path = f"{house.url}/invoices/inv_1/pay"
    late = asyncio.create_task(house.program.post(path, headers=headers, content=slowly()))
    await begun.wait()
    house.desk.refuse()
    assert ((await late).status_code, await house.states(), house.bank.asked) == (503, [], [])
