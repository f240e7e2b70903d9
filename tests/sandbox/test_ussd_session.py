"""Whoever dials is the payer: paid in one session, and told so in the next one, whatever was keyed in between."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Final

import aiohttp
import httpx
import pytest
from starlette.applications import Starlette

from ivr.domain.secret import Secret
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Dialplan, Service
from ivr.payments.state import State
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.units import Currency
from ivr.providers.inoti import OPERATIONS, Inoti
from ivr.runtime.cashier import Cashier
from ivr.runtime.invoicing import own_invoice
from ivr.runtime.observer import Observer
from ivr.runtime.reconciler import Reconciler
from ivr.runtime.services import Services
from ivr.runtime.snapshots import Snapshots
from ivr.runtime.ussd_callback import Heard, Settled, UssdCallbacks
from ivr.sandbox.server import SandboxServer
from ivr.store.opening import Store, open_store
from ivr.ussd import words
from ivr.ussd.desk import UssdDesk
from ivr.ussd.request import SaidPaid
from ivr.ussd.routes import UssdRoutes
from ivr.ussd.settings import UssdSettings
from tests.flow.world import ROOT, world

MINE, OTHERS, SECRET = "09121234567", "09351112233", "the-path-that-inoti-has"
FLOW: Final = """flow: shop
settings: [number]
first: n
on_failure: sorry
steps:
  n: {set: {n: {digits: "{number}"}}, next: look}
  look:
    last_payment: {save: last}
    exits: {paid: paid, paid_unreadable: sorry, declined: find, not_paid: sorry, none: find, unknown: sorry}
  find:
    invoice: {provider: ussd, id: n, save: invoice}
    next: pay
    exits: {not_found: sorry, already_paid: sorry, being_paid: sorry, unresolved: sorry}
  pay:
    ussd_payment: {provider: ussd, invoice: n, amount: invoice.amount}
    next: end
    exits: {being_paid: sorry}
  paid: {say: [pay/paid, {amount: last.amount}, {digits: last.reference}], next: end}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(tmp_path, time.time) as opened:
        yield opened


class Network:
    """iNoti's side of the line."""

    def __init__(self, web: httpx.AsyncClient) -> None:
        self._web = web

    async def calls(self, session: str, mobile: str = MINE, call: str = "*6655*123", **more: str) -> str:
        query = {"mobile": mobile, "sessionid": session, "call": call, **more}
        answer = await self._web.get(f"/ussd/{SECRET}/shop", params=query)
        assert answer.status_code == 200
        return answer.text


@pytest.fixture
async def network(tmp_path: Path, store: Store, inoti: Inoti) -> AsyncIterator[Network]:
    """One service on a server, with everything real behind it."""
    invoice = await own_invoice("ussd", store.invoices, 160_000, "A-1", store.invoices.remember_invoice)
    catalogue = Catalogue.load(ROOT / "prompts")
    own = {prompt.name: prompt.name for prompt in words.ALL}
    screens = {language: {**own, **catalogue.screens(language)} for language in catalogue.languages}
    known = replace(world(), providers={**world().providers, "ussd": OPERATIONS}, screens=screens)
    (tmp_path / "shop.yaml").write_text(FLOW, "utf-8")
    flow = load_dialplan(tmp_path / "shop.yaml", known, verified=False).flows["shop"]
    service = Service("shop", (("6655", "123"),), "shop", "en", {"number": invoice.tracking_code})
    dialplan = Dialplan({"shop": flow}, [], [service], screens)
    observer, names = Observer(), count()
    services = Services(
        {"ussd": inoti},
        Cashier(store.journal, store.invoices, time.time),
        Snapshots(store.sessions),
        observer,
        lambda *_: (),
        frozenset(),
        3600.0,
    )
    reconciler = Reconciler(store.journal, {"ussd": inoti}, lambda _: False, clock=time.time, dice=lambda: 0.5)
    callbacks = UssdCallbacks(store.journal, reconciler, time.monotonic)

    async def settle(provider: str, said: SaidPaid) -> bool | None:
        who = (said.session_id, said.mobile, said.our_factor, said.their_factor, said.rrn)
        settled = await callbacks.settle(Heard(provider, *who))
        return None if settled is Settled.UNKNOWN_PAYMENT else settled is Settled.PAID

    async def no_other(_: str) -> Dialplan | None:
        return None

    settings = UssdSettings(secret=Secret(SECRET))
    desk = UssdDesk(
        store.screens,
        services,
        lambda: dialplan,
        no_other,
        settings,
        Currency.RIAL,
        nudge=lambda *_: None,
        clock=time.time,
        new_name=lambda: f"ussd-{next(names)}",
    )
    app = Starlette(routes=UssdRoutes(desk, lambda: dialplan, settings, settle, observer).routes)
    transport = httpx.ASGITransport(app, client=("127.0.0.1", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://ivr.test") as web:
        yield Network(web)
    await desk.close()


async def test_paid_in_one_session_and_told_in_the_next(
    network: Network, store: Store, sandbox: SandboxServer, web: aiohttp.ClientSession
) -> None:
    """The user hears the amount and the reference, and somebody else hears nothing of it."""
    word, factor, amount = (await network.calls("123")).split("|")
    assert (word, amount) == ("9900", "160000")
    asked = {"session": "123", "mobile": MINE, "price": int(amount), "your_factor": factor, "paid": True}
    async with web.post(f"{sandbox.admin_url}/_sandbox/inoti/payments", json=asked) as answer:
        back = (await answer.json())["callback"]
    forged = await network.calls("123", call=back["call"], RRN="1")
    confirmed = await network.calls("123", call=back["call"], RRN=back["RRN"])
    assert await network.calls("123", call=back["call"], RRN=back["RRN"]) == confirmed != forged
    payment = await store.journal.last_of_payer(MINE)
    assert payment is not None and (payment.state, payment.reference) == (State.APPROVED, back["RRN"])
    assert payment.transaction_id == f"123|{MINE}" and payment.receipt == "ref-1"
    told = await network.calls("124")
    assert "160,000" in told and back["RRN"] in told
    assert back["RRN"] not in await network.calls("125", OTHERS)
