"""The bank takes money once, and says so truthfully."""

from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import BadInput, OutcomeUnknown
from ivr.domain.operations import Outcome
from ivr.domain.secret import Secret
from ivr.payments.port import Provider
from ivr.payments.state import Payment, State
from ivr.providers.paystar_saman import PaystarSaman
from ivr.runtime.http_client import HttpSettings
from ivr.sandbox.bank import SandboxBank
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_CARDS, SandboxSettings
from tests.clock import Clock
from tests.providers import raw_server as raw
from tests.providers.raw_server import RawServer, says

CARD, OTHER_CARD, POOR_CARD = DEMO_CARDS


async def order(paystar: PaystarSaman, **change: Any) -> dict[str, Any]:
    """What the bank's IVR asks with after PayStar made a transaction for the first demo invoice."""
    made = (await paystar.ask("create_transaction", {"invoice_id": "65843148"})).values
    return {**made, "card": CARD.pan, "pin": CARD.pin, **change}


def payment(transaction_id: str) -> Payment:
    return Payment("p", "c", "sandbox_bank", "65843148", transaction_id, 160000, State.UNKNOWN)


async def test_a_paid_invoice_is_paid_everywhere(
    sandbox: SandboxServer, paystar: PaystarSaman, bank: SandboxBank
) -> None:
    """The caller hears a reference; PayStar says paid; nobody can pay it again; first six and last four are kept."""
    provider: Provider = bank
    asked = await order(paystar)
    reply = await provider.ask("settle", asked)
    assert (reply.exit, reply.outcome) == ("approved", Outcome.APPROVED)
    assert reply.reference == reply.values["reference"]
    assert (await paystar.inquire(payment("1"))).outcome is Outcome.APPROVED
    assert (await paystar.ask("create_transaction", {"invoice_id": "65843148"})).exit == "already_paid"
    assert sandbox.books.invoices["65843148"].masked_pan == "603799******0006"
    inquiry = await bank.inquire(payment(asked["transaction_id"]))
    assert (inquiry.outcome, inquiry.reference) == (Outcome.APPROVED, reply.reference)


async def test_settling_twice_takes_money_once(
    sandbox: SandboxServer, paystar: PaystarSaman, bank: SandboxBank
) -> None:
    """The second time answers `duplicate` with the first reference; another transaction of the invoice is declined."""
    asked, second = await order(paystar), await order(paystar)
    first = await bank.ask("settle", asked)
    again = await bank.ask("settle", {**asked, "card": OTHER_CARD.pan, "pin": OTHER_CARD.pin})
    assert (again.exit, again.outcome, again.reference) == ("duplicate", Outcome.APPROVED, first.reference)
    other = await bank.ask("settle", second)
    assert (other.exit, other.outcome, other.code) == ("declined", Outcome.DECLINED, "invoice_paid")
    assert len(sandbox.books.settled) == 1


@pytest.mark.parametrize(
    ("change", "exit", "code"),
    [
        ({"amount": 160001}, "declined", "wrong_amount"),
        ({"merchant_id": "10000006"}, "declined", "no_such_transaction"),
        ({"transaction_id": "1"}, "declined", "no_such_transaction"),
        ({"card": POOR_CARD.pan, "pin": POOR_CARD.pin}, "declined", "insufficient_funds"),
        ({"card": Secret("6037990000000014")}, "wrong_card", "wrong_card"),
        ({"card": Secret("60379*")}, "wrong_card", None),
        ({"pin": Secret("99999")}, "wrong_pin", "wrong_pin"),
        ({"pin": Secret("#")}, "wrong_pin", None),
    ],
)
async def test_what_the_bank_declines(
    sandbox: SandboxServer,
    paystar: PaystarSaman,
    bank: SandboxBank,
    change: dict[str, Any],
    exit: str,
    code: str | None,
) -> None:
    """Each with its reason, and nothing is taken."""
    reply = await bank.ask("settle", await order(paystar, **change))
    assert (reply.exit, reply.outcome, reply.code) == (exit, Outcome.DECLINED, code)
    assert sandbox.books.settled == {}


async def test_persian_digits_from_a_screen_are_digits(paystar: PaystarSaman, bank: SandboxBank) -> None:
    """A card typed on a Persian keyboard works."""
    pin = Secret(CARD.pin.reveal().translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")))
    assert (await bank.ask("settle", await order(paystar, pin=pin))).exit == "approved"


async def test_an_invoice_that_expired_meanwhile_is_declined(
    paystar: PaystarSaman, bank: SandboxBank, clock: Clock
) -> None:
    """The caller took a day to key the card."""
    asked = await order(paystar)
    clock.now += SandboxSettings().invoice_lifetime
    assert (await bank.ask("settle", asked)).code == "invoice_expired"


async def test_wrong_pins_block_the_card(paystar: PaystarSaman, bank: SandboxBank) -> None:
    """Then the right one is declined as well."""
    asked = await order(paystar)
    for _ in range(SandboxSettings().wrong_tries):
        assert (await bank.ask("settle", {**asked, "pin": Secret("1")})).exit == "wrong_pin"
    assert (await bank.ask("settle", asked)).code == "card_blocked"


async def test_nothing_settled_is_unknown_for_an_inquiry(paystar: PaystarSaman, bank: SandboxBank) -> None:
    """A late request may still arrive: never "declined"."""
    asked = await order(paystar)
    assert (await bank.inquire(payment(asked["transaction_id"]))).outcome is Outcome.UNKNOWN


async def test_an_unknown_settlement_is_found_by_inquiry(
    sandbox: SandboxServer, paystar: PaystarSaman, bank: SandboxBank
) -> None:
    """The answer was lost, the money was not."""
    asked = await order(paystar)
    await sandbox.set_fault(Fault("settle", FaultKind.DROP, commit=True))
    with pytest.raises(OutcomeUnknown):
        await bank.ask("settle", asked)
    assert (await bank.inquire(payment(asked["transaction_id"]))).outcome is Outcome.APPROVED


@pytest.mark.parametrize(
    "behave",
    [
        says("[]"),
        says({"result": "approved"}),
        says({"result": "approved", "reference": "x"}),
        says({"result": "maybe"}),
        says({"result": "approved", "reference": "1"}, "500 Oops"),
        raw.silent,
        raw.closes_mid_body,
    ],
)
async def test_an_answer_that_is_not_clear_is_unknown(behave: raw.Behave) -> None:
    """Sent once, and never called approved."""
    async with RawServer(behave) as server:
        bank = SandboxBank(HttpSettings(server.url, read_seconds=0.3))
        arguments: dict[str, Any] = {
            "merchant_id": "1",
            "transaction_id": "2",
            "amount": 3,
            "card": CARD.pan,
            "pin": CARD.pin,
        }
        with pytest.raises(OutcomeUnknown):
            await bank.ask("settle", arguments)
        assert len(server.seen) == 1
        await bank.close()


@pytest.mark.parametrize("body", [b"{}", b"[]", b'{"merchant_id": "1", "transaction_id": "2", "amount": "3"}'])
async def test_a_request_that_is_none_is_refused(
    sandbox: SandboxServer, web: aiohttp.ClientSession, body: bytes
) -> None:
    """A client that is wrong finds out here."""
    for path in ("settle", "inquire"):
        async with web.post(f"{sandbox.bank_url}/bank/{path}", data=body) as answer:
            assert answer.status == (200 if path == "inquire" and b"transaction" in body else 400)


async def test_no_card_and_no_pin_anywhere(
    sandbox: SandboxServer, paystar: PaystarSaman, bank: SandboxBank, web: aiohttp.ClientSession
) -> None:
    """Not in logs, errors, the sandbox's own memory of requests, or what its desk shows."""
    asked = await order(paystar)
    texts = []
    with capture_logs() as lines:
        for fault in (None, Fault("settle", FaultKind.DROP), Fault("settle", FaultKind.GARBAGE)):
            if fault is not None:
                await sandbox.set_fault(fault)
            try:
                texts.append(repr(await bank.ask("settle", asked)))
            except OutcomeUnknown as error:
                texts.append(repr(error) + repr(error.__context__) + repr(error.__cause__))
        with pytest.raises(BadInput) as caught:
            await bank.ask("settle", {**asked, "card": CARD.pan.reveal()})
        texts.append(repr(caught.value))
    for path in ("requests", "invoices"):
        async with web.get(f"{sandbox.admin_url}/_sandbox/{path}") as answer:
            texts.append(await answer.text())
    for text in (*texts, repr(lines), repr(sandbox.diary.lines)):
        for private in (
            CARD.pan.reveal(),
            f'"{CARD.pin.reveal()}"',
            f"'{CARD.pin.reveal()}'",
            "sandbox-gateway-sequence",
        ):
            assert private not in text


def test_the_demo_cards_pass_luhn() -> None:
    """A flow that checks cards takes them."""
    for card in DEMO_CARDS:
        digits = [int(digit) for digit in reversed(card.pan.reveal())]
        doubled = [sum(divmod(2 * digit, 10)) for digit in digits[1::2]]
        assert (sum(digits[::2]) + sum(doubled)) % 10 == 0
        assert card.pan.reveal() not in repr(card)
