"""A caller who pays by card and reads the one-time password from the sandbox's SMS."""

import httpx

from ivr.sandbox.settings import DEMO_CARDS, SandboxCard
from tests.end_to_end.odd_numbers import BY_CARD
from tests.end_to_end.stage import Caller, Stage


async def own_invoice(stage: Stage) -> str:
    """An invoice that is in the merchant's books alone."""
    return await stage.own_invoice(provider="mellat")


async def at_the_otp(stage: Stage, code: str, card: SandboxCard = DEMO_CARDS[0]) -> Caller:
    """A caller who has agreed to pay this invoice and is told that a password is on its way."""
    caller = await stage.call(BY_CARD)
    await caller.barges("invoice/welcome", f"{code}#")
    await caller.barges("pay/press_keys", "1")
    await takes_card(caller, card)
    return caller


async def takes_card(caller: Caller, card: SandboxCard) -> None:
    """Key it when it is asked for, and say that it is the right one."""
    await caller.barges("card/enter", card.pan.reveal(), secret=True)
    await caller.barges("confirm/press_keys", "1")
    await caller.hears("otp/sent", share=0.2)


async def otp(stage: Stage, code: str) -> str:
    """The password of the newest SMS about this invoice, as the sandbox's API tells it."""
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.get(f"{stage.town.sandbox.admin_url}/_sandbox/sms", params={"about": code})
    return str(answer.json()["sms"][-1]["code"])


async def keys_otp(caller: Caller, stage: Stage, code: str) -> None:
    """Key the newest password."""
    await caller.keys(f"{await otp(stage, code)}#", secret=True)
