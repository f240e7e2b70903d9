"""The merchant's application dies in the middle of calls (kill -9), and the next process goes on where it stopped."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from ivr.lab.sip_trace import SipMessage
from ivr.lab.town import PAY_NUMBER
from ivr.sandbox.settings import DEMO_CARDS
from tests.end_to_end.evening import Evening, scene
from tests.end_to_end.stage import Caller, Stage, Told, all_quiet

CARD = DEMO_CARDS[0]


@dataclass(frozen=True)
class Killed:
    """Calls during which the application died, and the invoices of those who paid."""

    greeted: Told
    reading: Told
    settled_meanwhile: Told
    settled_afterwards: Told
    came_meanwhile: Told
    apologised: Told
    left: list[str]
    payments: dict[str, list[dict[str, Any]]]
    invites: dict[str, list[SipMessage]]


@scene
async def kill_the_merchant(stage: Stage) -> Killed:
    """One kill, six callers: at the greeting, at the amount, two at the bank, and two who come in between."""
    merchant = stage.town.merchant
    codes = {name: stage.invoice().tracking_code for name in ("reading", "meanwhile", "afterwards")}
    meanwhile, afterwards = await asyncio.gather(*(_at_the_pin(stage, codes[n]) for n in ("meanwhile", "afterwards")))
    reading = await stage.call(PAY_NUMBER)
    await reading.keys_invoice(codes["reading"])
    greeted = await stage.call(PAY_NUMBER)
    await greeted.hears("invoice/welcome", share=0.3)

    await merchant.kill_app()
    for caller in (reading, greeted):
        caller.forgets()
    impatient = asyncio.create_task(stage.call(PAY_NUMBER))
    await meanwhile.keys(f"{CARD.pin.reveal()}#", secret=True)
    await meanwhile.hears("bank/paid")
    came = await stage.town.phone.dial(PAY_NUMBER, caller_number=stage.number(""))
    await came.rings()
    apologised = await impatient
    await merchant.start_app()

    async def comes_meanwhile() -> Told:
        await came.answered()
        caller = Caller(came, stage.sounds)
        await caller.hears("invoice/welcome")
        return await caller.hangs_up()

    async def hears_the_greeting_again() -> Told:
        await greeted.hears("invoice/welcome")
        await greeted.hears("invoice/enter_number", share=0.2)
        return await greeted.hangs_up()

    async def hears_the_amount_again() -> Told:
        await reading.hears("pay/amount_payable")
        await reading.barges("pay/press_keys", "1")
        await reading.pays()
        return await reading.told()

    async def pays_afterwards() -> Told:
        await afterwards.keys(f"{CARD.pin.reveal()}#", secret=True)
        return await afterwards.told()

    told = await asyncio.gather(
        hears_the_greeting_again(),
        hears_the_amount_again(),
        meanwhile.told(),
        pays_afterwards(),
        comes_meanwhile(),
        apologised.told(),
    )
    left = await all_quiet(stage.town)
    payments, invites = await asyncio.gather(merchant.payments(), stage.town.bank.invites())
    return Killed(
        *told,
        left=left,
        payments={name: [row for row in payments if row["invoice_id"] == code] for name, code in codes.items()},
        invites={
            name: [one for one in invites if one.caller[1].endswith(f"*{stage.transaction(code)}")]
            for name, code in codes.items()
        },
    )


async def _at_the_pin(stage: Stage, code: str) -> Caller:
    caller = await stage.call(PAY_NUMBER)
    await caller.agrees(code)
    await caller.barges("bank/enter_card", CARD.pan.reveal(), secret=True)
    await caller.hears("bank/enter_pin", share=0.2)
    return caller


@pytest_asyncio.fixture(loop_scope="session")
async def killed(evening: Evening) -> Killed:
    """What it came to."""
    return await evening.scene(kill_the_merchant)


def test_at_the_greeting(killed: Killed) -> None:
    """The greeting begins again, and the call goes on."""
    assert killed.greeted.names == ["invoice/welcome", "invoice/welcome", "invoice/enter_number"]


def test_while_the_amount_is_read(killed: Killed) -> None:
    """The caller hears the amount again, agrees, and pays once."""
    names = killed.reading.names
    assert names.count("pay/amount_payable") == 2
    assert names.count("pay/paid") == 1
    assert names[-1] == "common/goodbye"
    _paid_once(killed, "reading")


def test_while_the_bank_takes_the_money(killed: Killed) -> None:
    """The bank settles while nobody drives the call: the caller is told in the end, and the journal knows."""
    assert killed.settled_meanwhile.after("bank/paid")[:2] == ["pay/paid", "pay/tracking_number_is"]
    _paid_once(killed, "meanwhile")


def test_bank_leg_goes_on(killed: Killed) -> None:
    """Who is still talking to the bank when the next process comes notices nothing at all."""
    assert killed.settled_afterwards.after("bank/paid")[:2] == ["pay/paid", "pay/tracking_number_is"]
    _paid_once(killed, "afterwards")


def test_new_caller_is_served_by_the_next_process(killed: Killed) -> None:
    """Who calls while nobody is there hears ringing, and then the greeting."""
    assert killed.came_meanwhile.names[0] == "invoice/welcome"


def test_nothing_is_left_up(killed: Killed) -> None:
    """Afterwards no Asterisk has a channel or a leg left that belongs to nobody."""
    assert killed.left == []


def test_nobody_comes_back(killed: Killed) -> None:
    """The application stays away too long: the caller hears an apology instead of ringing for ever."""
    assert killed.apologised.whole == ["common/sorry_try_later"]


def _paid_once(killed: Killed, name: str) -> None:
    assert [payment["state"] for payment in killed.payments[name]] == ["approved"]
    assert len(killed.invites[name]) == 1
