"""Invoices by API: made once, shown to their merchant alone."""

import asyncio
from pathlib import Path

import httpx

from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.server import SandboxServer
from tests.merchants.shop import Program
from tests.merchants.world import OTHER, READER, TILL, Api, serving, write_config
from tests.providers.raw_server import Exchange, RawServer, free_port, says


async def test_an_invoice_is_made_at_the_provider(till: Program) -> None:
    """PayStar has it under the number that callers key, and the merchant reads it again."""
    customer = {"name": "علی\u200cرضا", "email": "ali@shop.example", "phone": "09123456789"}
    made = await till.invoice("paystar", amount_rial=250_000, order_id="A-7", customer=customer)
    there = till.sandbox.books.invoices[made["number"]]
    assert there.amount == 250_000
    assert (made["state"], made["provider"], made["order_id"], made["payments"]) == ("open", "paystar", "A-7", [])
    assert (await till.get(f"/invoices/{made['id']}")).json() == made


async def test_a_provider_that_makes_none_gets_a_number_of_ours(till: Program, api: Api) -> None:
    """A caller can key it, and the books know what it is for."""
    made = await till.invoice("web")
    assert made["number"].isdigit() and len(made["number"]) == 8
    kept = await api.store.invoices.invoice("web", made["number"])
    assert kept is not None and (kept.amount_rial, kept.order_id) == (160_000, "A-1")


async def test_the_same_key_makes_one_invoice(till: Program) -> None:
    """The answer that got lost is given again; the provider is not asked again."""
    first = await till.create("paystar", key="once")
    again = await till.create("paystar", key="once")
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert first.headers["Location"] == f"/api/invoices/{first.json()['id']}"
    assert len(till.sandbox.diary.lines) == 1


async def test_a_key_belongs_to_one_request(till: Program) -> None:
    """Another amount under the same key is a mistake, and another merchant's key is another key."""
    await till.create(key="once")
    other = await till.create(key="once", amount_rial=1)
    assert (other.status_code, other.json()["type"]) == (422, "urn:ivr:problem:idempotency_key_reused")
    assert (await till.with_key(OTHER).create(key="once")).status_code == 201


async def test_the_same_request_at_the_same_time(tmp_path: Path, sandbox: SandboxServer) -> None:
    """One is carried out, the other is told to ask again soon; then both know the same invoice."""
    door = asyncio.Event()

    async def slow(exchange: Exchange) -> None:
        await door.wait()
        await says({"status": 1, "data": {"tracking_code": 65843199}, "errors": []})(exchange)

    async with RawServer(slow) as paystar:
        config = write_config(tmp_path, sandbox, free_port(), paystar_url=paystar.url)
        async with serving(config) as api, httpx.AsyncClient(base_url=f"{api.url}/api", trust_env=False) as web:
            till = Program(web, sandbox, TILL)
            first = asyncio.create_task(till.create("paystar", key="twice"))
            while not paystar.seen:  # noqa: ASYNC110 - nobody announces it
                await asyncio.sleep(0.01)
            held = await till.create("paystar", key="twice")
            assert (held.status_code, held.json()["type"]) == (409, "urn:ivr:problem:in_progress")
            assert held.headers["Retry-After"] == "1"
            door.set()
            assert (await first).status_code == 201
            assert (await till.create("paystar", key="twice")).json() == (await first).json()
            assert len(paystar.seen) == 1


async def test_a_provider_that_does_not_answer(till: Program) -> None:
    """The merchant hears what is known, and the same key goes on when the provider is back."""
    till.sandbox.faults.add(Fault("create_factor", FaultKind.DROP))
    lost = await till.create("paystar", key="lost")
    assert (lost.status_code, lost.json()["type"]) == (502, "urn:ivr:problem:provider_silent")
    await till.sandbox.set_fault(Fault("create_factor", FaultKind.REFUSE, seconds=600))
    gone = await till.create("paystar", key="lost")
    assert (gone.status_code, gone.json()["type"]) == (503, "urn:ivr:problem:provider_unreachable")
    await till.sandbox.clear_faults()
    assert (await till.create("paystar", key="lost")).status_code == 201


async def test_other_peoples_invoices_are_not_there(till: Program, api: Api) -> None:
    """Neither another merchant's, nor those that were made elsewhere, nor any other id."""
    made = await till.invoice()
    stranger = till.with_key(OTHER)
    assert (await stranger.get(f"/invoices/{made['id']}")).status_code == 404
    assert (await stranger.post(f"/invoices/{made['id']}/otp", {"card": "6037990000000006"})).status_code == 404
    elsewhere = await api.elsewhere("mellat", 1000)
    for name in (elsewhere.tracking_code, made["number"], "inv_x", "%00", "a%2fb"):
        assert (await till.get(f"/invoices/{name}")).status_code == 404


async def test_what_a_key_may_not_do(till: Program) -> None:
    """A key that may read may not make, and a merchant pays by its own providers only."""
    assert (await till.with_key(READER).create()).status_code == 403
    assert (await till.with_key(OTHER).create("paystar")).status_code == 403
    assert (await till.create("nobody")).status_code == 403
