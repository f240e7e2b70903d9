"""Nothing listens at PayStar any more: whoever would have to ask it is told so, and nothing is lost."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from ivr.lab.town import CHAIN_NUMBER, PAY_NUMBER
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.settings import DEMO_CARDS
from tests.end_to_end.evening import Evening, scene
from tests.end_to_end.stage import MOST_SILENCE, Stage, Told, eventually, payments_of


@dataclass(frozen=True)
class Gone:
    """Three callers while nobody listens at PayStar."""

    asks_for_a_transaction: Told
    asks_by_the_chain: Told
    asks_for_the_result: Told
    merchant: list[dict[str, Any]]
    switch: list[dict[str, Any]]
    """Payments of the invoices for which there was no transaction."""
    found: list[dict[str, Any]]
    """The payment that nobody could be asked about, when PayStar is back."""


@scene
async def close_the_port(stage: Stage) -> Gone:
    """PayStar's port is closed while one caller is at the PIN and two more come."""
    sandbox = stage.town.sandbox
    first, second, third = (stage.invoice().tracking_code for _ in range(3))
    paying = await stage.call(PAY_NUMBER)
    await paying.agrees(third)
    await paying.barges("bank/enter_card", DEMO_CARDS[0].pan.reveal(), secret=True)
    await sandbox.set_fault(Fault("result", FaultKind.REFUSE, seconds=300.0))
    try:
        asking, chained = await stage.call(PAY_NUMBER), await stage.call(CHAIN_NUMBER)
        await asking.barges("invoice/welcome", f"{first}#")
        await chained.barges("invoice/welcome", f"{second}#")
        await paying.barges("bank/enter_pin", f"{DEMO_CARDS[0].pin.reveal()}#", secret=True)
        told = await asyncio.gather(asking.told(), chained.told(), paying.told())
    finally:
        await sandbox.clear_faults()
    await stage.until_found(third)
    merchant, switch = stage.town.merchant, stage.town.switch

    async def look() -> list[dict[str, Any]]:
        return await payments_of(merchant, third)

    found = await eventually(look, lambda rows: rows[0]["state"] == "approved", every=1.0)
    return Gone(*told, await payments_of(merchant, first), await payments_of(switch, second), found)


@pytest_asyncio.fixture(loop_scope="session")
async def gone(evening: Evening) -> Gone:
    """What it came to."""
    return await evening.scene(close_the_port)


def test_no_transaction(gone: Gone) -> None:
    """The caller hears that the payment service cannot be reached; nothing is written, nothing is sent."""
    assert gone.asks_for_a_transaction.names == ["invoice/welcome", "pay/provider_unreachable", "common/goodbye"]
    assert gone.asks_for_a_transaction.silence() < MOST_SILENCE
    assert gone.merchant == []


def test_no_transaction_in_the_chain(gone: Gone) -> None:
    """The payment service says so, and the merchant that nothing is registered."""
    assert gone.asks_by_the_chain.names == [
        *("invoice/welcome", "merchant/connecting", "pay/provider_unreachable", "common/goodbye"),
        *("merchant/not_registered", "common/goodbye"),
    ]
    assert gone.switch == []


def test_no_result(gone: Gone) -> None:
    """Paid at the bank, but nobody can be asked: not confirmed yet, and found out once PayStar is back."""
    assert gone.asks_for_the_result.after("bank/paid") == ["pay/not_confirmed", "common/goodbye"]
    assert [payment["state"] for payment in gone.found] == ["approved"]
