"""Cards charged by panel and links to a pay page: sent once, answered as they stand."""

import asyncio
import hashlib
import json
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest

from ivr.payments.state import EntryKind
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.settings import DEMO_CARDS
from ivr.store.opening import JOURNAL_FILE
from tests.merchants.shop import PHONE, Program
from tests.merchants.world import OTHER, Api
from tests.sandbox.shop import press

POOR = DEMO_CARDS[2]


async def test_a_card_is_charged(till: Program, api: Api) -> None:
    """The bank has taken the money once; invoice, payment and books say so."""
    made = await till.invoice()
    paid = await till.pay(made, await till.otp(made))
    [taken] = till.sandbox.mellat.payments
    assert (paid.status_code, paid.json()["state"]) == (200, "approved")
    assert (taken.order_id, taken.amount, taken.reference) == (made["number"], 160_000, paid.json()["reference"])
    found = (await till.get(f"/invoices/{made['id']}")).json()
    assert (found["state"], found["payments"]) == ("paid", [paid.json()])
    payment = await api.store.journal.get(paid.json()["id"])
    assert payment is not None and (payment.call_id, payment.amount_rial) == ("api:shop", 160_000)


async def test_the_same_key_again_sends_nothing(till: Program) -> None:
    """Whatever card and password come with it: it says how the payment stands. For another invoice it is refused."""
    made, other = await till.invoice(), await till.invoice()
    otp = await till.otp(made)
    first = await till.pay(made, otp, "once")
    assert (await till.pay(made, otp, "once")).json() == first.json()
    assert (await till.pay(made, "99999", "once", DEMO_CARDS[1])).json() == first.json()
    assert (await till.pay(other, otp, "once")).status_code == 422
    assert len([line for line in till.sandbox.diary.lines if line.operation == "bpm_pay"]) == 1


async def test_a_phone_cannot_be_found_in_the_books(till: Program, tmp_path: Path) -> None:
    """There are so few phone numbers that a digest says which one it is of: it is of none, and compared with none."""
    made = await till.invoice(key="once", customer={"phone": PHONE})
    assert (await till.create(key="once", customer={"phone": "09120000000"})).json() == made
    paid = await till.pay(made, await till.otp(made), "pay")
    other = {"card": DEMO_CARDS[0].pan.reveal(), "otp": "12345", "phone": "09120000000"}
    assert (await till.post(f"/invoices/{made['id']}/pay", other, "pay")).json() == paid.json()
    with closing(sqlite3.connect(tmp_path / "var" / JOURNAL_FILE)) as connection:
        digests = {digest for (digest,) in connection.execute("SELECT digest FROM merchant_requests")}
    bodies: list[dict[str, object]] = [
        {"invoice": made["id"], "phone": PHONE},
        {"provider": "mellat", "amount": 160_000, "order": "A-1", "customer_name": "", "email": "", "phone": PHONE},
    ]
    texts = [json.dumps(body, sort_keys=True, separators=(",", ":")) for body in bodies]
    assert len(digests) == 2 and not digests & {hashlib.sha256(text.encode()).hexdigest() for text in texts}


async def test_a_decline_says_why(till: Program) -> None:
    """In our name for it, the bank's code, and words for people; the invoice can be paid by another card."""
    made = await till.invoice()
    poor = (await till.pay(made, await till.otp(made, POOR), card=POOR)).json()
    assert (poor["state"], poor["reason"], poor["code"]) == ("declined", "insufficient_funds", "51")
    assert poor["text"] == {"fa": "موجودی کافی نیست", "en": "insufficient funds"}
    wrong = (await till.pay(made, "00000")).json()
    assert (wrong["state"], wrong["reason"], wrong["code"]) == ("declined", "wrong_otp", "55")
    stranger = await till.post(f"/invoices/{made['id']}/otp", {"card": "6037990000000014"})
    assert (stranger.json()["state"], stranger.json()["reason"]) == ("declined", "card_invalid")
    assert (await till.pay(made, await till.otp(made))).json()["state"] == "approved"
    late = await till.pay(made, "12345")
    assert (late.status_code, late.json()["type"]) == (409, "urn:ivr:problem:already_paid")


async def test_an_answer_that_is_lost(till: Program) -> None:
    """The money was taken and nobody said so: unknown, never sent again, and no other payment is let through."""
    made = await till.invoice()
    otp = await till.otp(made)
    till.sandbox.faults.add(Fault("bpm_pay", FaultKind.DROP, commit=True))
    assert (await till.pay(made, otp, "lost")).json()["state"] == "unknown"
    assert (await till.pay(made, otp, "lost")).json()["state"] == "unknown"
    other = await till.pay(made, otp, "another")
    assert (other.status_code, other.json()["type"]) == (409, "urn:ivr:problem:unresolved")
    assert (await till.get(f"/invoices/{made['id']}")).json()["state"] == "unknown"
    assert len(till.sandbox.mellat.payments) == 1


async def test_a_bank_that_cannot_be_reached(till: Program) -> None:
    """Nothing was sent, so the same key may try again."""
    made = await till.invoice()
    otp = await till.otp(made)
    await till.sandbox.set_fault(Fault("bpm_pay", FaultKind.REFUSE, seconds=600))
    gone = await till.pay(made, otp, "again")
    assert (gone.status_code, gone.json()["type"]) == (503, "urn:ivr:problem:provider_unreachable")
    assert (await till.get(f"/invoices/{made['id']}")).json()["state"] == "open"
    await till.sandbox.clear_faults()
    assert (await till.pay(made, otp, "again")).json()["state"] == "approved"


async def test_another_payment_is_under_way(till: Program, api: Api) -> None:
    """A caller is paying this invoice by telephone just now."""
    made = await till.invoice()
    otp = await till.otp(made)
    rival = await _sent_by_a_call(api, made["number"])
    busy = await till.pay(made, otp)
    assert (busy.status_code, busy.json()["type"]) == (409, "urn:ivr:problem:being_paid")
    assert (await till.get(f"/invoices/{made['id']}")).json()["state"] in ("being_paid", "unknown")
    assert rival not in {
        line.fields.get("order_id") for line in till.sandbox.diary.lines if line.operation == "bpm_pay"
    }


async def _sent_by_a_call(api: Api, number: str) -> str:
    from dataclasses import replace

    from tests.store.conftest import payment

    one = replace(payment("by-phone", number, "mellat"), amount_rial=160_000)
    await api.store.journal.create(one)
    await api.store.journal.append(one.id, EntryKind.SENT)
    return number


async def test_a_link(till: Program) -> None:
    """The same address while it is open; the payer's browser pays there, and the invoice is paid."""
    made = await till.invoice("web")
    link = await till.post(f"/invoices/{made['id']}/link")
    assert link.status_code == 200
    assert (await till.post(f"/invoices/{made['id']}/link")).json() == link.json()
    assert len(till.sandbox.web_gateway.invoices) == 1
    async with aiohttp.ClientSession() as browser:
        with pytest.raises(aiohttp.ClientConnectionError):  # it is sent back to a shop that is not there
            await press(browser, link.json()["url"], "pay", DEMO_CARDS[0].pan.reveal(), DEMO_CARDS[0].pin.reveal())
    async with asyncio.timeout(60):
        while (await till.get(f"/invoices/{made['id']}")).json()["state"] != "paid":  # noqa: ASYNC110
            await asyncio.sleep(0.2)
    again = await till.post(f"/invoices/{made['id']}/link")
    assert (again.status_code, again.json()["type"]) == (409, "urn:ivr:problem:already_paid")


async def test_what_an_invoice_cannot_be_paid_by(till: Program) -> None:
    """A pay page for a card by panel, a panel for a pay page, and the gateway's own least amount."""
    card, page = await till.invoice("mellat"), await till.invoice("web")
    small = await till.invoice("web", amount_rial=999)
    assert (await till.post(f"/invoices/{card['id']}/link")).json()["type"] == "urn:ivr:problem:not_possible"
    assert (await till.pay(page, "12345")).json()["type"] == "urn:ivr:problem:not_possible"
    assert (await till.post(f"/invoices/{small['id']}/link")).json()["type"] == "urn:ivr:problem:provider_refused"
    assert (await till.with_key(OTHER).post(f"/invoices/{page['id']}/link")).status_code == 404
