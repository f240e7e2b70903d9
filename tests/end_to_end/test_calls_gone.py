"""The caller hangs up, at every step: nothing stays up, and the books are right."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import pytest

from ivr.lab.town import CHAIN_NUMBER, PAY_NUMBER
from ivr.sandbox.faults import FaultKind
from ivr.sandbox.settings import DEMO_CARDS
from tests.end_to_end.evening import Evening, Spent, stories
from tests.end_to_end.odd_numbers import NEVER_ANSWERS
from tests.end_to_end.stage import Caller, Stage, channels, eventually

CARD = DEMO_CARDS[0]
NEVER_LEFT = "created"
"""Asterisk ends the prompt before it tells of the hangup, so the payment may have been written down; it never left."""


@dataclass(frozen=True)
class Leaves:
    """Where a caller leaves, and in which state the merchant's (of a chain: the switch's) payment must be then."""

    goes: Callable[[Stage, Caller, str], Awaitable[None]]
    state: str | None
    number: str = PAY_NUMBER


async def _at_welcome(stage: Stage, caller: Caller, code: str) -> None:
    await caller.hears("invoice/welcome", share=0.2)


async def _at_the_question(stage: Stage, caller: Caller, code: str) -> None:
    await caller.hears("invoice/enter_number", share=0.2)


async def _while_keying(stage: Stage, caller: Caller, code: str) -> None:
    await caller.barges("invoice/welcome", code[:3])


async def _while_paystar_is_asked(stage: Stage, caller: Caller, code: str) -> None:
    stage.fault("create_transaction", FaultKind.DELAY, code, seconds=2.5)
    await caller.barges("invoice/welcome", f"{code}#")
    await stage.until_asked("create_transaction", code)


async def _at_the_amount(stage: Stage, caller: Caller, code: str) -> None:
    await caller.keys_invoice(code)


async def _before_agreeing(stage: Stage, caller: Caller, code: str) -> None:
    await caller.keys_invoice(code)
    await caller.hears("pay/press_keys")


async def _while_connecting(stage: Stage, caller: Caller, code: str) -> None:
    await caller.agrees(code)
    await caller.hears("pay/connecting_to_bank", share=0.2)


async def _while_it_rings(stage: Stage, caller: Caller, code: str) -> None:
    await caller.agrees(code)
    transaction = stage.transaction(code)

    async def look() -> bool:
        return any(transaction in line for line in await channels(stage.town.bank))

    assert await eventually(look, bool, every=0.5)


async def _at_the_bank(stage: Stage, caller: Caller, code: str) -> None:
    await caller.agrees(code)
    await caller.hears("bank/welcome", share=0.2)


async def _after_the_card(stage: Stage, caller: Caller, code: str) -> None:
    await caller.agrees(code)
    await caller.barges("bank/enter_card", CARD.pan.reveal(), secret=True)
    await caller.hears("bank/enter_pin", share=0.2)


async def _while_the_bank_settles(stage: Stage, caller: Caller, code: str) -> None:
    await caller.agrees(code)
    stage.fault("settle", FaultKind.DELAY, stage.transaction(code), seconds=2.0)
    await caller.pays()
    await stage.until_asked("settle", stage.transaction(code))


async def _when_the_bank_has_it(stage: Stage, caller: Caller, code: str) -> None:
    await caller.agrees(code)
    await caller.pays()
    await caller.hears("bank/paid", share=0.2)


async def _while_the_result_is_asked(stage: Stage, caller: Caller, code: str) -> None:
    stage.fault("result", FaultKind.DELAY, code, seconds=2.5)
    await caller.agrees(code)
    await caller.pays()
    await stage.until_asked("result", code)


async def _at_the_end(stage: Stage, caller: Caller, code: str) -> None:
    await caller.agrees(code)
    await caller.pays()
    await caller.hears("pay/paid", share=0.2)


async def _while_the_switch_is_called(stage: Stage, caller: Caller, code: str) -> None:
    await caller.barges("invoice/welcome", f"{code}#")
    await caller.hears("merchant/connecting", share=0.2)


LEAVES = {
    "at the welcome": Leaves(_at_welcome, None),
    "at the question": Leaves(_at_the_question, None),
    "while keying": Leaves(_while_keying, None),
    "while PayStar is asked": Leaves(_while_paystar_is_asked, None),
    "at the amount": Leaves(_at_the_amount, None),
    "before agreeing": Leaves(_before_agreeing, None),
    "while connecting": Leaves(_while_connecting, NEVER_LEFT),
    "while it rings": Leaves(_while_it_rings, NEVER_LEFT, NEVER_ANSWERS),
    "at the bank": Leaves(_at_the_bank, "unknown"),
    "after the card": Leaves(_after_the_card, "unknown"),
    "while the bank settles": Leaves(_while_the_bank_settles, "approved"),
    "when the bank has it": Leaves(_when_the_bank_has_it, "approved"),
    "while the result is asked": Leaves(_while_the_result_is_asked, "approved"),
    "at the end": Leaves(_at_the_end, "approved"),
    "chain: while the switch is called": Leaves(_while_the_switch_is_called, None, CHAIN_NUMBER),
    "chain: at the amount": Leaves(_at_the_amount, None, CHAIN_NUMBER),
    "chain: at the bank": Leaves(_at_the_bank, "unknown", CHAIN_NUMBER),
    "chain: while the bank settles": Leaves(_while_the_bank_settles, "approved", CHAIN_NUMBER),
}


async def _leave(leaves: Leaves, stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(leaves.number)
    await leaves.goes(stage, caller, code)
    told = await caller.hangs_up()
    if leaves.state == "approved":  # the bank has the money: the merchant must find that out by itself
        await stage.until_found(code)
    return Spent(told, code)


stories({f"leaves {name}": partial(_leave, leaves) for name, leaves in LEAVES.items()})


def test_nothing_is_left_up(evening: Evening) -> None:
    """When all callers are gone, no Asterisk of anybody has a channel left."""
    assert list(evening.left) == []


@pytest.mark.parametrize("name", LEAVES)
def test_books_after_hanging_up(evening: Evening, name: str) -> None:
    """Before the bank: nothing. While it rings: nothing has left. At the bank: unknown, until PayStar says paid."""
    leaves, code = LEAVES[name], evening.of(f"leaves {name}").code
    party = "switch" if leaves.number == CHAIN_NUMBER else "merchant"
    states = [state for state, _ in evening.states(party, code)]
    if leaves.state == NEVER_LEFT:
        assert states in ([], [NEVER_LEFT])
    else:
        assert states == ([leaves.state] if leaves.state else [])


@pytest.mark.parametrize("name", [name for name, leaves in LEAVES.items() if leaves.state == "approved"])
def test_money_that_the_bank_took_is_found(evening: Evening, name: str) -> None:
    """The merchant's own journal knows of it in the end, though nobody was there to hear it."""
    code = evening.of(f"leaves {name}").code
    assert [state for state, _ in evening.states("merchant", code)] == ["approved"]


def test_chain_knows_at_both_ends(evening: Evening) -> None:
    """A merchant whose caller hung up at the payment service keeps the payment open until PayStar has said."""
    for name in ("chain: while the switch is called", "chain: at the amount", "chain: at the bank"):
        code = evening.of(f"leaves {name}").code
        states = [state for state, _ in evening.states("merchant", code)]
        assert states in (([], [NEVER_LEFT]) if "called" in name else (["unknown"],))
