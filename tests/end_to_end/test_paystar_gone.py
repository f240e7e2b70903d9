"""Nothing listens at PayStar any more: whoever would have to ask it is told so, and nothing is lost."""

import asyncio
from dataclasses import dataclass

import pytest_asyncio

from ivr.lab.town import CHAIN_NUMBER, PAY_NUMBER
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.settings import DEMO_CARDS
from tests.end_to_end.stage import MOST_SILENCE, Stage, Told, eventually, payments_of


@dataclass(frozen=True)
class Gone:
    """Three callers while nobody listens at PayStar."""

    asks_for_a_transaction: Told
    asks_by_the_chain: Told
    asks_for_the_result: Told
    codes: tuple[str, str, str]


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def gone(stage: Stage) -> Gone:
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
    return Gone(*told, codes=(first, second, third))


async def test_no_transaction(gone: Gone, stage: Stage) -> None:
    """The caller hears that the payment service cannot be reached; nothing is written, nothing is sent."""
    assert gone.asks_for_a_transaction.names == ["invoice/welcome", "pay/provider_unreachable", "common/goodbye"]
    assert gone.asks_for_a_transaction.silence() < MOST_SILENCE
    assert await payments_of(stage.town.merchant, gone.codes[0]) == []


async def test_no_transaction_in_the_chain(gone: Gone, stage: Stage) -> None:
    """The payment service says so, and the merchant that nothing is registered."""
    assert gone.asks_by_the_chain.names == [
        *("invoice/welcome", "merchant/connecting", "pay/provider_unreachable", "common/goodbye"),
        *("merchant/not_registered", "common/goodbye"),
    ]
    assert await payments_of(stage.town.switch, gone.codes[1]) == []


async def test_no_result(gone: Gone, stage: Stage) -> None:
    """Paid at the bank, but nobody can be asked: not confirmed yet, and found out once PayStar is back."""
    assert gone.asks_for_the_result.after("bank/paid") == ["pay/not_confirmed", "common/goodbye"]

    async def look() -> list[str]:
        return [str(row["state"]) for row in await payments_of(stage.town.merchant, gone.codes[2])]

    states = await eventually(look, lambda states: states == ["approved"], every=2.0, patience=60.0)
    assert states == ["approved"]
