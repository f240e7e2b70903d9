"""PayStar's role, asked by the real client and, where exact bytes matter, by hand."""

from typing import get_args

import aiohttp
import pytest

from ivr.domain.operations import Outcome
from ivr.domain.secret import Secret
from ivr.payments.port import Value
from ivr.payments.state import Payment, State
from ivr.providers.paystar_saman import PaystarSaman
from ivr.sandbox.books import InvoiceState
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_GATEWAY, ErrorShape, Gateway, SandboxSettings
from tests.clock import Clock
from tests.sandbox.conftest import paystar_client

BEARER = {"Authorization": f"Bearer {DEMO_GATEWAY.sequence.reveal()}"}


def payment(invoice_id: str) -> Payment:
    return Payment("p", "c", "paystar", invoice_id, None, None, State.UNKNOWN)


async def test_the_documents_own_samples_word_for_word(sandbox: SandboxServer, web: aiohttp.ClientSession) -> None:
    """Who programs against the document programs against the sandbox."""
    sample = {"amount": 50000, "order_id": "12345", "customer_name": "", "email": "", "phone": ""}
    async with web.post(f"{sandbox.paystar_url}/api/ivr/create-factor", json=sample, headers=BEARER) as answer:
        invoice = await answer.json()
    code = invoice["data"]["tracking_code"]
    assert invoice == {"status": 1, "data": {"tracking_code": code}, "errors": []}
    assert len(code) == 8

    sample = {"invoice_id": int(code), "merchant_cid": "42473000", "ivr": 0, "type": 1}
    async with web.post(f"{sandbox.paystar_url}/api/ivr/create-transaction", json=sample, headers=BEARER) as answer:
        transaction = await answer.json()
    assert isinstance(transaction["transactionId"], int)
    assert {**transaction, "transactionId": 0} == {"transactionId": 0, "merchantId": "10000005", "price": "50000"}

    url = f"{sandbox.paystar_url}/api/ivr/get-transaction-result"
    async with web.get(url, json={"tracking_code": int(code)}, headers=BEARER) as answer:
        assert (await answer.json())["status"] == 0
    async with web.get(url, params={"tracking_code": "65843151"}, headers=BEARER) as answer:
        assert await answer.json() == {"status": 1, "data": "پرداخت با موفقیت انجام شد.", "errors": []}


async def test_from_invoice_to_transaction_to_result(paystar: PaystarSaman) -> None:
    """What the client writes the server reads, and the other way."""
    made = await paystar.ask("create_invoice", {"amount": 160000, "order_id": "o-1", "customer_name": "علی"})
    invoice_id = made.values["tracking_code"]
    reply = await paystar.ask("create_transaction", {"invoice_id": invoice_id, "caller": "09121234567"})
    assert (reply.exit, reply.values["merchant_id"], reply.values["amount"]) == ("ok", "10000005", 160000)
    assert (await paystar.inquire(payment(str(invoice_id)))).outcome is Outcome.UNKNOWN
    assert (await paystar.inquire(payment("65843151"))).outcome is Outcome.APPROVED
    await paystar.check()


async def test_an_order(paystar: PaystarSaman) -> None:
    """Sale by the IVR; another merchant's trunk is an invalid gateway."""
    order: dict[str, Value] = {"order_id": "1613848397.81207-9050-30", "caller": "09121234567", "amount": 180000}
    assert (await paystar.ask("create_order_transaction", order)).values["amount"] == 180000
    assert (await paystar.ask("create_order_transaction", {**order, "trunk_id": "x"})).exit == "gateway_invalid"


@pytest.mark.parametrize("shape", get_args(ErrorShape))
@pytest.mark.parametrize(
    ("state", "exit"),
    [(InvoiceState.PAID, "already_paid"), (InvoiceState.EXPIRED, "expired"), (InvoiceState.BLOCKED, "blocked")],
)
async def test_each_error_in_each_form(shape: ErrorShape, state: InvoiceState, exit: str) -> None:
    """The client finds the code wherever the server may write it."""
    async with SandboxServer(SandboxSettings(error_shape=shape)) as sandbox:
        sandbox.books.add_invoice(1000, "111", state)
        client = paystar_client(sandbox)
        assert (await client.ask("create_transaction", {"invoice_id": "111"})).exit == exit
        assert (await client.ask("create_transaction", {"invoice_id": "222"})).exit == "wrong_invoice"
        await client.close()


async def test_a_wrong_credential_is_an_invalid_gateway(sandbox: SandboxServer) -> None:
    """Error 1, for every operation."""
    stranger = paystar_client(sandbox, Secret("wrong"))
    assert (await stranger.ask("create_transaction", {"invoice_id": "65843148"})).exit == "gateway_invalid"
    assert (await stranger.ask("create_invoice", {"amount": 1, "order_id": "1"})).code == "1"
    assert (await stranger.inquire(payment("65843151"))).outcome is Outcome.UNKNOWN
    await stranger.close()


async def test_another_gateways_invoice_is_a_wrong_invoice() -> None:
    """Nobody pays, or looks at, another merchant's invoice."""
    other = Gateway(Secret("other"), "10000006", "trunk-2")
    async with SandboxServer(SandboxSettings(gateways=(DEMO_GATEWAY, other))) as sandbox:
        client = paystar_client(sandbox, other.sequence)
        assert (await client.ask("create_transaction", {"invoice_id": "65843148"})).exit == "wrong_invoice"
        assert (await client.inquire(payment("65843151"))).outcome is Outcome.UNKNOWN
        await client.close()


async def test_wrong_tries_in_a_row_block_a_caller_for_a_while(paystar: PaystarSaman, clock: Clock) -> None:
    """Who guesses is stopped; others, and callers who withhold their number, are not."""
    limits = SandboxSettings()

    async def try_invoice(invoice_id: str, caller: str) -> str:
        return (await paystar.ask("create_transaction", {"invoice_id": invoice_id, "caller": caller})).exit

    for _ in range(limits.wrong_tries - 1):
        assert await try_invoice("1", "0912") == "wrong_invoice"
    assert await try_invoice("65843148", "0912") == "ok"  # a right one starts the count again
    for _ in range(limits.wrong_tries):
        assert await try_invoice("1", "0912") == "wrong_invoice"
        assert await try_invoice("1", "") == "wrong_invoice"
    assert await try_invoice("65843148", "0912") == "blocked"
    assert await try_invoice("65843148", "0913") == "ok"
    assert await try_invoice("65843148", "") == "ok"
    clock.now += limits.blocked_for
    assert await try_invoice("65843148", "0912") == "ok"


async def test_an_invoice_expires(paystar: PaystarSaman, clock: Clock) -> None:
    """After its lifetime, not a second before."""
    clock.now += SandboxSettings().invoice_lifetime - 1
    assert (await paystar.ask("create_transaction", {"invoice_id": "65843148"})).exit == "ok"
    clock.now += 1
    assert (await paystar.ask("create_transaction", {"invoice_id": "65843148"})).exit == "expired"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("create-factor", b"[]", 400),
        ("create-factor", b"{", 400),
        ("create-factor", b'{"amount": 0, "order_id": "1"}', 422),
        ("create-factor", b'{"amount": 1.5, "order_id": "1"}', 422),
        ("create-factor", b'{"amount": 1, "order_id": 1}', 422),
        ("create-factor", b'{"amount": 1, "order_id": "1", "phone": 912}', 422),
        ("create-factor", b"{" + b" " * 20_000 + b"}", 413),
        ("create-transaction", b'{"invoice_id": 1, "merchant_cid": "", "ivr": 0}', 422),
        ("create-transaction", b'{"invoice_id": true, "merchant_cid": "", "ivr": 0, "type": 1}', 422),
        ("create-transaction", b'{"invoice_id": 1, "ivr": 0, "type": 1}', 422),
        ("create-transaction", b'{"invoice_id": 1, "merchant_cid": "", "ivr": 2, "type": 1}', 422),
        ("create-transaction", b'{"order_id": "1", "merchant_cid": "", "ivr": 1, "type": 1}', 422),
        ("get-transaction-result", b"{}", 405),
        ("no-such", b"{}", 404),
    ],
)
async def test_what_the_document_does_not_have_is_not_taken(
    sandbox: SandboxServer, web: aiohttp.ClientSession, path: str, body: bytes, status: int
) -> None:
    """A client that is wrong finds out here, not at PayStar."""
    async with web.post(f"{sandbox.paystar_url}/api/ivr/{path}", data=body, headers=BEARER) as answer:
        assert answer.status == status
