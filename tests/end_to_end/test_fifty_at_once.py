"""Fifty callers at the same time, each with an invoice of their own: all pay, and nobody's money is mixed up."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest_asyncio

from ivr.lab.sip_trace import SipMessage
from ivr.lab.town import PAY_NUMBER
from ivr.sandbox.settings import DEMO_CARDS
from tests.end_to_end.stage import Stage, Told, all_quiet, digits, money

CALLERS = 50
AMOUNTS = {number: 1_000_000 + number * 12_345 for number in range(CALLERS)}


@dataclass(frozen=True)
class Crowd:
    """What fifty callers heard, and what is known of them afterwards."""

    codes: dict[int, str]
    told: dict[int, Told | BaseException]
    transactions: dict[int, str]
    invites: list[SipMessage]
    merchant: list[dict[str, Any]]
    bank: list[dict[str, Any]]
    left: list[str]


async def _pays(stage: Stage, number: int, code: str, together: asyncio.Barrier) -> Told:
    caller = await stage.call(PAY_NUMBER)
    await together.wait()
    await caller.agrees(code)
    await caller.pays(DEMO_CARDS[number % 2])
    return await caller.told()


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def crowd(stage: Stage) -> Crowd:
    """Everybody is answered before anybody keys."""
    town = stage.town
    codes = {number: stage.invoice(amount).tracking_code for number, amount in AMOUNTS.items()}
    together = asyncio.Barrier(CALLERS)
    calls = (_pays(stage, number, code, together) for number, code in codes.items())
    told = await asyncio.gather(*calls, return_exceptions=True)
    merchant, bank = await asyncio.gather(town.merchant.payments(), town.bank.payments())
    return Crowd(
        codes=codes,
        told=dict(enumerate(told)),
        transactions={number: stage.transaction(code) for number, code in codes.items()},
        invites=await town.bank.invites(),
        merchant=merchant,
        bank=bank,
        left=await all_quiet(town),
    )


def test_everybody_hears_their_own_amount_and_pays(crowd: Crowd) -> None:
    """Each recording says the amount of its caller's invoice, that it was paid, and its own tracking number."""
    wrong = {}
    for number, told in crowd.told.items():
        if isinstance(told, BaseException):
            wrong[number] = repr(told)
            continue
        amount = money(AMOUNTS[number])
        if told.names[1 : len(amount) + 4] != ["pay/amount_payable", *amount, "pay/is", "pay/press_keys"]:
            wrong[number] = f"heard another amount: {told.names}"
        elif told.after("pay/tracking_number_is") != [*digits(crowd.transactions[number]), "common/goodbye"]:
            wrong[number] = f"heard another tracking number, or none: {told.names}"
    assert wrong == {}


def test_every_invite_has_its_own_transaction_and_amount(crowd: Crowd) -> None:
    """At the bank, each transaction came once, with the amount of its own invoice."""
    for number, transaction in crowd.transactions.items():
        mine = [invite for invite in crowd.invites if invite.caller[1].endswith(f"*{transaction}")]
        assert [invite.all("Amount") for invite in mine] == [[str(AMOUNTS[number])]]


def test_everybody_is_in_the_journals(crowd: Crowd) -> None:
    """One approved payment each, with the right amount and transaction, at the merchant and at the bank."""
    for number, code in crowd.codes.items():
        expected = [("approved", AMOUNTS[number], crowd.transactions[number])]
        for rows, invoice in ((crowd.merchant, code), (crowd.bank, crowd.transactions[number])):
            found = [row for row in rows if row["invoice_id"] == invoice]
            assert [(row["state"], row["amount_rial"], row["transaction_id"]) for row in found] == expected


def test_nothing_is_left_up(crowd: Crowd) -> None:
    """When all have gone, no Asterisk has a channel left."""
    assert crowd.left == []
