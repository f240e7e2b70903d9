"""A link goes out by SMS and is paid in a browser: judged by the phone, the shop's notices, and both books."""

import asyncio
from dataclasses import dataclass
from typing import Any

import httpx
import pytest_asyncio

from ivr.sandbox.settings import DEMO_CARDS
from ivr.web.callbacks import PAGE
from tests.end_to_end.evening import Evening, Spent, scene, story
from tests.end_to_end.notifier import on_the_page
from tests.end_to_end.odd_numbers import BY_LINK
from tests.end_to_end.stage import MONEY, Caller, Stage, Told, digits, eventually, payments_of


async def own_invoice(stage: Stage) -> str:
    """An invoice that is in the merchant's books alone; its number is ours."""
    return await stage.own_invoice(provider="web")


async def at_the_gateway(stage: Stage, link: str) -> dict[str, Any]:
    """What the gateway's own books have of this link."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{stage.town.sandbox.admin_url}/_sandbox/web/invoices")
    return next(one for one in answer.json()["invoices"] if link.endswith(f"/{one['invoice_key']}"))


async def has_a_link_sent(stage: Stage, code: str) -> Caller:
    """A caller who has keyed the invoice, agreed, and is told that the link is on its way."""
    caller = await stage.call(BY_LINK)
    await caller.barges("invoice/welcome", f"{code}#")
    await agrees(caller)
    return caller


async def agrees(caller: Caller) -> None:
    """From the amount to the words that the link was sent."""
    await caller.barges("link/agree_keys", "1")
    await caller.barges("link/number_keys", "1")
    await caller.hears("link/sent", share=0.2)


async def stands_as(stage: Stage, code: str, state: str) -> None:
    """Return once the newest payment of this invoice stands so in the merchant's books."""

    async def look() -> list[str]:
        return [row["state"] for row in await payments_of(stage.town.merchant, code)][-1:]

    assert await eventually(look, lambda seen: seen == [state], patience=60.0, every=1.0) == [state]


# -- paid while on the line --------------------------------------------------------------------------------------------


@story
async def pays_on_the_line(stage: Stage) -> Spent:
    code = await own_invoice(stage)
    caller = await has_a_link_sent(stage, code)
    PAGES[code] = await on_the_page(await stage.notifier.link(invoice=code), "pay")
    await caller.hears("card/hear_again")
    return Spent(await caller.hangs_up(), code)


PAGES: dict[str, str] = {}
"""What the payer's browser showed at last."""


async def test_paid_while_the_caller_waits(evening: Evening, stage: Stage) -> None:
    """One SMS to the caller's mobile, one payment in both books, and its reference is read."""
    one = evening.of("pays_on_the_line")
    [notice] = stage.notifier.about(invoice=one.code)
    assert notice["event"] == "payment_link" and notice["values"]["amount"] == MONEY
    assert notice["values"]["mobile"].startswith("0912") and len(notice["values"]["mobile"]) == 11
    theirs = await at_the_gateway(stage, notice["values"]["url"])
    assert (theirs["state"], theirs["amount"]) == ("paid", MONEY)
    sent_to = digits(notice["values"]["mobile"][-4:])
    assert one.told.after("link/number_keys")[:6] == ["link/sent", *sent_to, "link/stay"]
    said = ["pay/paid", "card/reference_is", *digits(theirs["bank_code"]), "card/hear_again"]
    assert one.told.names[-len(said) :] == said
    [payment] = evening.payments("merchant", one.code)
    assert (payment["state"], payment["reference"]) == ("approved", theirs["bank_code"])
    assert payment["transaction_id"] == theirs["invoice_key"]
    assert await stage.lines("merchant", payment["id"]) == ["created", "sent", "approved"]
    assert PAGES[one.code] == PAGE


# -- paid after hanging up ---------------------------------------------------------------------------------------------


@story
async def pays_after_hanging_up(stage: Stage) -> Spent:
    code = await own_invoice(stage)
    caller = await has_a_link_sent(stage, code)
    await caller.hangs_up()
    await on_the_page(await stage.notifier.link(invoice=code), "pay")
    await stands_as(stage, code, "approved")
    again = await stage.call(BY_LINK)
    await again.barges("invoice/welcome", f"{code}#")
    return Spent(await again.told(), code)


async def test_a_later_call_hears_that_it_is_paid(evening: Evening, stage: Stage) -> None:
    """The payer's browser came back, we asked the gateway; the next call reads the reference, and nothing is sent."""
    one = evening.of("pays_after_hanging_up")
    [notice] = stage.notifier.about(invoice=one.code)
    theirs = await at_the_gateway(stage, notice["values"]["url"])
    said = ["invoice/already_paid", "card/reference_is", *digits(theirs["bank_code"]), "common/goodbye"]
    assert one.told.names[-len(said) :] == said
    [payment] = evening.payments("merchant", one.code)
    assert (payment["state"], payment["reference"]) == ("approved", theirs["bank_code"])


# -- cancelled on the page, then a new link ----------------------------------------------------------------------------


@story
async def cancels_and_pays_by_another_link(stage: Stage) -> Spent:
    code = await own_invoice(stage)
    caller = await has_a_link_sent(stage, code)
    await on_the_page(await stage.notifier.link(invoice=code), "cancel")
    await caller.answers("link/declined_new_keys", "1")
    await agrees(caller)
    await on_the_page(await stage.notifier.link(invoice=code, count=2), "pay")
    await caller.hears("card/hear_again")
    return Spent(await caller.hangs_up(), code)


async def test_cancelled_on_the_page_then_a_new_link(evening: Evening, stage: Stage) -> None:
    """The caller hears that it was cancelled; the second link is another one, and the only one that is paid."""
    one = evening.of("cancels_and_pays_by_another_link")
    links = [notice["values"]["url"] for notice in stage.notifier.about(invoice=one.code)]
    theirs = [await at_the_gateway(stage, link) for link in links]
    assert [each["state"] for each in theirs] == ["cancelled", "paid"]
    assert "link/declined_new_keys" in one.told.names and one.told.names[-1] == "card/hear_again"
    rows = evening.payments("merchant", one.code)
    assert [(row["state"], row["transaction_id"]) for row in rows] == [
        ("declined", theirs[0]["invoice_key"]),
        ("approved", theirs[1]["invoice_key"]),
    ]


async def test_the_books_can_be_true(evening: Evening, stage: Stage) -> None:
    """After all of that the audit finds nothing."""
    assert evening.of("cancels_and_pays_by_another_link").code
    assert "nothing wrong" in await stage.town.merchant.command("payments", "audit")


# -- the application dies in between -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Killed:
    """A call during which the application died."""

    told: Told
    code: str
    payments: list[dict[str, Any]]
    audit: str


@scene
async def kill_between_link_and_result(stage: Stage) -> Killed:
    """The link is out, `kill -9`, the caller pays while nobody is there, and the next process says so."""
    merchant = stage.town.merchant
    code = await own_invoice(stage)
    caller = await has_a_link_sent(stage, code)
    link = await stage.notifier.link(invoice=code)
    await merchant.kill_app()
    caller.forgets()
    paying = asyncio.create_task(pays_while_nobody_is_there(link))
    await paying
    await merchant.start_app()
    await caller.hears("card/hear_again")
    told = await caller.hangs_up()
    return Killed(told, code, await payments_of(merchant, code), await merchant.command("payments", "audit"))


async def pays_while_nobody_is_there(link: str) -> None:
    """The gateway takes the money; the way back leads to a dead address."""
    card = DEMO_CARDS[0]
    async with httpx.AsyncClient(trust_env=False) as browser:
        form = {"pan": card.pan.reveal(), "pin": card.pin.reveal(), "action": "pay"}
        assert (await browser.post(link, data=form)).status_code == 303


@pytest_asyncio.fixture(loop_scope="session")
async def killed(evening: Evening) -> Killed:
    """What it came to."""
    return await evening.scene(kill_between_link_and_result)


def test_the_next_process_says_the_result(killed: Killed, stage: Stage) -> None:
    """One SMS, one payment, and the caller hears that it is paid."""
    assert len({notice["id"] for notice in stage.notifier.about(invoice=killed.code)}) == 1
    assert killed.told.names[-1] == "card/hear_again" and "pay/paid" in killed.told.names
    assert [row["state"] for row in killed.payments] == ["approved"]
    assert "nothing wrong" in killed.audit
