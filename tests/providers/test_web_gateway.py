"""The web gateway's contract, answer by answer as its document has them, against a server that says those bytes."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable, Unusable
from ivr.domain.operations import Outcome, Role
from ivr.domain.secret import Secret
from ivr.payments.port import Provider, Reply, Value
from ivr.payments.state import Payment, State
from ivr.providers.web_gateway import OPERATIONS, WebGateway, WebGatewaySettings
from ivr.runtime.http_client import HttpSettings
from tests.providers import raw_server as raw
from tests.providers.raw_server import RawServer, says

API_KEY = "terminal-key-7d21"
RETURN_URL = "https://shop.test/back?order=17&name=علی"

MADE = '{"status": 1, "invoice_key": "a1B2c3D4"}'
PAID = '{"status": 1, "amount": 160000, "bank_code": "987654321"}'
ERROR = '{"status": 0, "errorCode": %s, "errorDescription": "خطا"}'

ARGUMENTS: Mapping[str, Mapping[str, Value]] = {
    "create_invoice": {"amount": 160000, "order_id": "17"},
    "check": {"invoice_id": "a1B2c3D4", "amount": 160000},
}


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer(says({})) as running:
        yield running


@pytest.fixture
async def gateway(server: RawServer) -> AsyncIterator[WebGateway]:
    provider = WebGateway(settings(server.url))
    yield provider
    await provider.close()


def settings(url: str, **more: Any) -> WebGatewaySettings:
    return WebGatewaySettings(
        HttpSettings(url, connect_seconds=0.5, read_seconds=0.2), Secret(f" {API_KEY}\n"), RETURN_URL, **more
    )


def payment(invoice_id: str = "a1B2c3D4", amount: int | None = 160000) -> Payment:
    return Payment("p", "c", "web", invoice_id, None, amount, State.UNKNOWN)


async def test_an_invoice_as_in_the_document(server: RawServer, gateway: WebGateway) -> None:
    """A form with three fields, the return address encoded once; the payer is sent to the page of the key."""
    provider: Provider = gateway
    server.behave = says(MADE)
    reply = await provider.ask("create_invoice", ARGUMENTS["create_invoice"])
    assert reply == Reply("ok", {"tracking_code": "a1B2c3D4", "pay_url": f"{server.url}/invoice/pay/a1B2c3D4"})
    seen = server.seen[0]
    assert (seen.method, seen.target) == ("POST", "/invoice/request")
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert parse_qs(seen.body.decode("ascii"), strict_parsing=True) == {
        "api_key": [API_KEY],
        "amount": ["160000"],
        "return_url": [RETURN_URL],
    }


async def test_where_the_payer_goes_and_comes_back_to(server: RawServer) -> None:
    """The gateway may have another address for browsers, and an invoice its own way back."""
    provider = WebGateway(settings(server.url, pay_base_url="https://pay.test/x/"))
    server.behave = says(MADE)
    reply = await provider.ask("create_invoice", {"amount": 1000, "return_url": "http://shop.test/17"})
    assert reply.values["pay_url"] == "https://pay.test/x/invoice/pay/a1B2c3D4"
    assert parse_qs(server.seen[0].body.decode())["return_url"] == ["http://shop.test/17"]
    await provider.close()


@pytest.mark.parametrize(
    "answer",
    [
        '{"status": "1", "invoice_key": "12345"}',
        '{"status ": "۱", "invoice_key ": " 12345 "}',
        '{"status": 1, "invoice_key": 12345, "errorCode": 0, "errorDescription": ""}',
        '{"status": 1, "data": {"invoice_key": "12345"}}',
        '{"status": 1, "data": [{"invoice_key": "۱۲۳۴۵"}], "errorCode": null}',
    ],
)
async def test_other_forms_of_an_invoice(server: RawServer, gateway: WebGateway, answer: str) -> None:
    """An answer that means the same is read the same, whatever its content type."""
    server.behave = says(answer, kind="text/html")
    reply = await gateway.ask("create_invoice", ARGUMENTS["create_invoice"])
    assert (reply.exit, reply.values["tracking_code"]) == ("ok", "12345")


@pytest.mark.parametrize(
    ("code", "exit"),
    [
        ("100", "refused"),
        ("101", "refused"),
        ("102", "amount_refused"),
        ("103", "refused"),
        ("301", "try_later"),
        ("200", "refused"),
        ("999", "refused"),
        ('"۱۰۲"', "amount_refused"),
        ('" 301 "', "try_later"),
        ("null", "refused"),
    ],
)
async def test_an_invoice_that_is_refused(server: RawServer, gateway: WebGateway, code: str, exit: str) -> None:
    """Another amount, later, or a matter for the merchant; a new code keeps its number."""
    server.behave = says(ERROR % code)
    reply = await gateway.ask("create_invoice", ARGUMENTS["create_invoice"])
    kept = {"null": "no_code", '"۱۰۲"': "102", '" 301 "': "301"}.get(code, code)
    assert reply == Reply(exit, code=kept)


async def test_an_amount_below_the_least_is_not_sent(server: RawServer, gateway: WebGateway) -> None:
    """The document says what the least is: 1,000 rial."""
    assert (await gateway.ask("create_invoice", {"amount": 999})).exit == "amount_refused"
    assert server.seen == []


@pytest.mark.parametrize(
    "answer",
    [
        '{"status": 1}',
        '{"status": 1, "invoice_key": ""}',
        '{"status": 1, "invoice_key": "../../x"}',
        '{"status": 1, "invoice_key": "a b"}',
        '{"status": 1, "invoice_key": "%s"}' % ("a" * 65),
        '{"status": 1, "invoice_key": ["a"]}',
        '{"status": 1, "invoice_key": "a", "data": {"invoice_key": "b"}}',
        '{"status": 1, "invoice_key": "a", "errorCode": 101}',
        '{"status": 1, "invoice_key": "a", "errorCode": 200}',
        '{"invoice_key": "a"}',
    ],
)
async def test_an_invoice_without_a_plain_key_is_unknown(server: RawServer, gateway: WebGateway, answer: str) -> None:
    """Nobody is sent to a page that may be somebody else's."""
    server.behave = says(answer)
    with pytest.raises(OutcomeUnknown):
        await gateway.ask("create_invoice", ARGUMENTS["create_invoice"])


async def test_a_check_as_in_the_document(server: RawServer, gateway: WebGateway) -> None:
    """Paid, with our amount: approved, once for the invoice."""
    server.behave = says(PAID)
    reply = await gateway.inquire(payment())
    assert reply == Reply("paid", {"reference": "987654321"}, Outcome.APPROVED, "1", "987654321", of_invoice=True)
    seen = server.seen[0]
    assert (seen.method, seen.target) == ("POST", "/invoice/check/a1B2c3D4")
    assert parse_qs(seen.body.decode()) == {"api_key": [API_KEY]}


@pytest.mark.parametrize(
    "answer",
    [
        '{"status": "1", "amount": "160,000", "bank_code": 987654321}',
        '{"status": "۱", "amount ": "۱۶۰۰۰۰", "bank_code ": "۹۸۷۶۵۴۳۲۱"}',
        '{"status": 1, "data": {"amount": "160000", "bank_code": " 987654321 "}, "errorCode": "0"}',
        '{"status": 1, "data": [{"amount": 160000, "bank_code": "987654321"}]}',
    ],
)
async def test_other_forms_of_paid(server: RawServer, gateway: WebGateway, answer: str) -> None:
    """An answer that means the same is read the same."""
    server.behave = says(answer)
    reply = await gateway.ask("check", ARGUMENTS["check"])
    assert (reply.outcome, reply.values) == (Outcome.APPROVED, {"reference": "987654321"})


async def test_a_reference_with_letters_is_paid_and_kept(server: RawServer, gateway: WebGateway) -> None:
    """It cannot be read digit by digit, so flows get none to read; the books have it."""
    server.behave = says('{"status": 1, "amount": 160000, "bank_code": "GMQ-42"}')
    reply = await gateway.ask("check", ARGUMENTS["check"])
    assert (reply.exit, reply.outcome, reply.reference) == ("paid_unreadable", Outcome.APPROVED, "GMQ-42")


@pytest.mark.parametrize("amount", ["159999", "160001", '"16000"', '"1,600,000"'])
async def test_another_amount_than_ours_is_for_people(server: RawServer, gateway: WebGateway, amount: str) -> None:
    """Money came, and not what was asked for: never approved, never forgotten."""
    server.behave = says(f'{{"status": 1, "amount": {amount}, "bank_code": "987654321"}}')
    reply = await gateway.inquire(payment())
    assert reply == Reply("wrong_amount", {}, Outcome.UNKNOWN, "wrong_amount", "987654321")


@pytest.mark.parametrize(
    ("code", "exit", "outcome"),
    [
        ("201", "not_paid", Outcome.UNKNOWN),
        ("202", "cancelled", Outcome.DECLINED),
        ('"۲۰۲"', "cancelled", Outcome.DECLINED),
        ("200", "refused", Outcome.UNKNOWN),
        ("100", "refused", Outcome.UNKNOWN),
        ("101", "refused", Outcome.UNKNOWN),
        ("301", "refused", Outcome.UNKNOWN),
        ("777", "refused", Outcome.UNKNOWN),
        ('"خطا"', "refused", Outcome.UNKNOWN),
        ("null", "refused", Outcome.UNKNOWN),
    ],
)
async def test_what_was_not_paid(
    server: RawServer, gateway: WebGateway, code: str, exit: str, outcome: Outcome
) -> None:
    """Only "cancelled or failed" ends a payment; not yet paid, or an error of ours, is asked again."""
    server.behave = says(ERROR % code)
    reply = await gateway.inquire(payment())
    assert (reply.exit, reply.outcome, reply.reference) == (exit, outcome, None)
    assert reply.not_paid is (code == "201")
    assert reply.code == {'"۲۰۲"': "202", '"خطا"': "unreadable", "null": "no_code"}.get(code, code)


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ('{"status": 0, "errors": [202, 201]}', "200 OK"),
        ('{"errorCode": 202}', "404 Not Found"),
        ('{"status": 2, "errorCode": 202}', "403 Forbidden"),
        ("", "401 Unauthorized"),
    ],
)
async def test_two_errors_or_a_half_said_one_end_nothing(
    server: RawServer, gateway: WebGateway, answer: str, status: str
) -> None:
    """It is asked again later."""
    server.behave = says(answer, status)
    assert (await gateway.inquire(payment())).outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "answer",
    [
        "", "null", "[]", "<html>", "{}", '{"status": 1}', '{"status": 1, "amount": 160000}', '{"errorCode": 202}',
        '{"status": 1, "amount": 160000, "bank_code": "0"}', '{"status": 1, "amount": 160000.5, "bank_code": "1"}',
        '{"status": 1, "amount": -160000, "bank_code": "1"}', '{"status": 1, "bank_code": "1"}',
        '{"status": 1, "amount": 160000, "bank_code": "1", "errorCode": 201}', '{"status": 1, "amount": 1600',
        '{"status": 1, "amount": 160000, "amount ": 1, "bank_code": "1"}', '{"status": true, "amount": 160000}',
        '{"status": 1, "amount": 160000, "bank_code": {"a": 1}}',
    ],
)  # fmt: skip
async def test_an_answer_that_is_not_clear_is_unknown(server: RawServer, gateway: WebGateway, answer: str) -> None:
    """Never paid, and never cancelled, on the strength of such an answer."""
    server.behave = says(answer)
    with pytest.raises(OutcomeUnknown):
        await gateway.inquire(payment())


async def test_without_our_own_amount_or_a_plain_key_nothing_is_asked(server: RawServer, gateway: WebGateway) -> None:
    """There would be nothing to compare the answer with."""
    for one in (payment(amount=None), payment("../request"), payment("")):
        reply = await gateway.inquire(one)
        assert (reply.outcome, reply.code) == (Outcome.UNKNOWN, "no_inquiry")
    assert server.seen == []


@pytest.mark.parametrize("operation", list(ARGUMENTS))
@pytest.mark.parametrize(
    "behave",
    [
        raw.silent, raw.closes, raw.resets, raw.resets_mid_body, raw.closes_mid_body, raw.ten_megabytes_chunked,
        says("<html>", "502 Bad Gateway", "text/html"), says(PAID, "500 Oops"), says({}, "302 Found\r\nLocation: /"),
    ],
)  # fmt: skip
async def test_whatever_happens_after_sending_is_unknown(
    server: RawServer, gateway: WebGateway, operation: str, behave: raw.Behave
) -> None:
    """One request, whatever becomes of it."""
    server.behave = behave
    with pytest.raises(OutcomeUnknown):
        await gateway.ask(operation, ARGUMENTS[operation])
    assert len(server.seen) == 1


@pytest.mark.parametrize("operation", list(ARGUMENTS))
async def test_every_operation_says_when_nothing_was_sent(operation: str) -> None:
    """A closed port: may be tried again."""
    provider = WebGateway(settings(f"http://127.0.0.1:{raw.free_port()}"))
    with pytest.raises(ProviderUnreachable):
        await provider.ask(operation, ARGUMENTS[operation])
    with pytest.raises(Unusable, match="web_gateway does not answer"):
        await provider.check()
    await provider.close()


async def test_check_of_health_sends_no_key(server: RawServer, gateway: WebGateway) -> None:
    """Health costs nothing and changes nothing."""
    server.behave = says("", "404 Not Found")
    await gateway.check()
    assert (server.seen[0].method, server.seen[0].body) == ("HEAD", b"")
    server.behave = says("", "503 Service Unavailable")
    with pytest.raises(Unusable, match="HTTP 503"):
        await gateway.check()


def test_each_operation_says_what_may_be_done_when_no_answer_came() -> None:
    """Both may be asked again; `check` is the inquiry."""
    assert all(operation.repeatable and operation.unknown_when for operation in OPERATIONS.values())
    assert OPERATIONS["create_invoice"].inquiry == "check"
    assert OPERATIONS["check"].role is Role.INQUIRY
    assert OPERATIONS["check"].comes_with("paid") == {"reference"}
    assert OPERATIONS["check"].comes_with("wrong_amount") == frozenset()


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("no_such", {}),
        ("create_invoice", {"order_id": "1"}),
        ("create_invoice", {"amount": 5000, "return_url": "https%3A%2F%2Fshop.test"}),
        ("create_invoice", {"amount": 5000, "return_url": "javascript:alert(1)"}),
        ("create_invoice", {"amount": 5000, "return_url": "https://me:x@shop.test/"}),
        ("check", {"invoice_id": "a1"}),
        ("check", {"invoice_id": "../x", "amount": 5000}),
        ("check", {"invoice_id": "a" * 65, "amount": 5000}),
    ],
)
async def test_arguments_that_cannot_be_are_not_sent(
    server: RawServer, gateway: WebGateway, operation: str, arguments: Mapping[str, Value]
) -> None:
    """An address that is encoded already would be encoded twice."""
    with pytest.raises(BadInput):
        await gateway.ask(operation, arguments)
    assert server.seen == []


def test_settings_that_cannot_work_are_refused_at_the_start() -> None:
    """Not when the first payer comes."""
    good = settings("http://h")
    assert good.api_key.reveal() == API_KEY
    bad: list[dict[str, Any]] = [
        {"api_key": Secret(" ")},
        {"return_url": "shop.test"},
        {"return_url": "https://shop.test/" + "x" * 500},
        {"pay_base_url": "ftp://x"},
    ]
    for change in bad:
        with pytest.raises(BadInput):
            replace(good, **change)


async def test_no_credential_anywhere(server: RawServer) -> None:
    """Not in the log, an error or its chain, nor in what an answer that repeats it brings back."""
    provider = WebGateway(settings(server.url))
    texts = [repr(settings("http://h"))]
    with capture_logs() as lines:
        for behave in (says(PAID), says(ERROR % f'"{API_KEY}"'), raw.resets, says("<html>")):
            server.behave = behave
            for operation in ARGUMENTS:
                try:
                    texts.append(repr(await provider.ask(operation, ARGUMENTS[operation])))
                except OutcomeUnknown as error:
                    texts += [repr(error), repr(error.__context__), repr(error.__cause__)]
    await provider.close()
    for text in (*texts, repr(lines)):
        assert API_KEY not in text


# -- links: the key is the payment's transaction id --------------------------------------------------------------------


async def test_a_links_payment_is_inquired_about_by_its_key(server: RawServer, gateway: WebGateway) -> None:
    """The invoice's number is ours; and of two links that were paid each says so of itself alone."""
    server.behave = says(PAID)
    mine = replace(payment("65843148"), transaction_id="a1B2c3D4")
    reply = await gateway.inquire(mine)
    assert (reply.outcome, reply.reference, reply.of_invoice) == (Outcome.APPROVED, "987654321", False)
    assert server.seen[0].target == "/invoice/check/a1B2c3D4"
    assert (await gateway.inquire(payment())).of_invoice


async def test_a_links_page_is_found_again(server: RawServer, gateway: WebGateway) -> None:
    """From the key that the books keep; nobody is asked, and what is no key is none."""
    reply = await gateway.ask("pay_url", {"invoice_id": "a1B2c3D4"})
    assert reply == Reply("ok", {"pay_url": f"{server.url}/invoice/pay/a1B2c3D4"}) and server.seen == []
    with pytest.raises(BadInput):
        await gateway.ask("pay_url", {"invoice_id": "../../admin"})


async def test_the_way_back_may_hold_our_number(server: RawServer) -> None:
    """So that a payer who comes back can be told from a passer-by; it is written as an address holds it."""
    settings_ = replace(settings(server.url), return_url="https://shop.test/back/web?order={order_id}")
    provider = WebGateway(settings_)
    server.behave = says(MADE)
    for order in ("65843148", "a&b"):
        await provider.ask("create_invoice", {"amount": 160000, "order_id": order})
    backs = [parse_qs(seen.body.decode())["return_url"][0] for seen in server.seen]
    assert backs == ["https://shop.test/back/web?order=65843148", "https://shop.test/back/web?order=a%26b"]
    await provider.close()
