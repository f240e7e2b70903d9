"""PayStar's contract, sample by sample as its document has them, against a server that says exactly those bytes."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable, Unusable
from ivr.domain.operations import Outcome
from ivr.domain.secret import Secret
from ivr.payments.port import Provider, Reply, Value
from ivr.payments.state import Payment, State
from ivr.providers.paystar_saman import OPERATIONS, PaystarSaman, PaystarSamanSettings
from ivr.runtime.http_client import HttpSettings
from tests.providers import raw_server as raw
from tests.providers.raw_server import RawServer, says

SEQUENCE = "gw-sequence-9f3c"

# The document's own samples.
INVOICE_ANSWER = '{"status": 1, "data": {"tracking_code": "12345678"}, "errors": []}'
TRANSACTION_ANSWER = '{"transactionId": 65843148, "merchantId": "10000005", "price": "160000"}'
RESULT_ANSWER = '{"status": 1, "data ": "پرداخت با موفقیت انجام شد.", "errors": []}'
RESULT_ANSWER_AS_PRINTED = '{\n"status": 1,\n,".پرداخت با موفقیت انجام شد" :"data "\n"errors": [],\n}'

TRANSACTION: Mapping[str, str | int] = {"transaction_id": "65843148", "merchant_id": "10000005", "amount": 160000}


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer(says({})) as running:
        yield running


@pytest.fixture
async def paystar(server: RawServer) -> AsyncIterator[PaystarSaman]:
    provider = PaystarSaman(settings(server.url))
    yield provider
    await provider.close()


def settings(url: str, **more: Any) -> PaystarSamanSettings:
    return PaystarSamanSettings(
        HttpSettings(url, connect_seconds=0.5, read_seconds=0.2), Secret(f" {SEQUENCE}\n"), **more
    )


def payment(invoice_id: str = "12345678") -> Payment:
    return Payment("p1", "c1", "paystar_saman", invoice_id, "65843148", 160000, State.UNKNOWN)


async def test_create_invoice_as_in_the_document(server: RawServer, paystar: PaystarSaman) -> None:
    """The seller gets the tracking code that the caller will key."""
    provider: Provider = paystar
    server.behave = says(INVOICE_ANSWER)
    reply = await provider.ask("create_invoice", {"amount": 50000, "order_id": "12345"})
    assert reply == Reply("ok", {"tracking_code": "12345678"})
    seen = server.seen[0]
    assert (seen.method, seen.target) == ("POST", "/api/ivr/create-factor")
    assert seen.headers["authorization"] == f"Bearer {SEQUENCE}"
    assert seen.json == {"amount": 50000, "order_id": "12345", "customer_name": "", "email": "", "phone": ""}


@pytest.mark.parametrize(
    "answer",
    [
        '{"status": "1", "data": {"tracking_code ": 12345678}, "errors": []}',
        '{"status": "۱", "data ": [{"tracking_code": "۱۲۳۴۵۶۷۸"}]}',
        '{"status": 1, "data": "12345678"}',
        '{"status": 1, "data": ["12345678"]}',
    ],
)
async def test_other_forms_of_an_invoice(server: RawServer, paystar: PaystarSaman, answer: str) -> None:
    """An answer that means the same is read the same."""
    server.behave = says(answer)
    reply = await paystar.ask("create_invoice", {"amount": "50,000", "order_id": "1"})
    assert reply.values == {"tracking_code": "12345678"}


@pytest.mark.parametrize(
    ("answer", "status", "code"),
    [
        ('{"status": 0, "data": [], "errors": [7]}', "200 OK", "7"),
        ('{"status": 0, "errors": {"amount": ["too low"]}}', "422 Unprocessable Content", "unreadable"),
        ('{"message": "Unauthenticated."}', "401 Unauthorized", "http_401"),
        ("<html>", "403 Forbidden", "http_403"),
        (INVOICE_ANSWER, "400 Bad Request", "http_400"),
    ],
)
async def test_an_invoice_that_is_refused(
    server: RawServer, paystar: PaystarSaman, answer: str, status: str, code: str
) -> None:
    """The seller sees that there is no invoice, and the provider's code."""
    server.behave = says(answer, status)
    assert await paystar.ask("create_invoice", {"amount": 1, "order_id": "1"}) == Reply("refused", code=code)


@pytest.mark.parametrize(
    "answer",
    ['{"status": 1}', '{"status": 1, "data": {"tracking_code": "x"}}', '{"status": 1, "data": []}', "{}"],
)
async def test_an_invoice_without_a_tracking_code_is_unknown(
    server: RawServer, paystar: PaystarSaman, answer: str
) -> None:
    """Neither made nor refused."""
    server.behave = says(answer)
    with pytest.raises(OutcomeUnknown):
        await paystar.ask("create_invoice", {"amount": 1, "order_id": "1"})


async def test_create_transaction_as_in_the_document(server: RawServer, paystar: PaystarSaman) -> None:
    """The caller hears the invoice's amount, and the bank gets the right ids."""
    server.behave = says(TRANSACTION_ANSWER)
    reply = await paystar.ask("create_transaction", {"invoice_id": "65843148", "caller": "42473000"})
    assert reply == Reply("ok", TRANSACTION)
    seen = server.seen[0]
    assert (seen.method, seen.target) == ("POST", "/api/ivr/create-transaction")
    assert seen.json == {"invoice_id": 65843148, "merchant_cid": "42473000", "ivr": 0, "type": 1}


async def test_an_invoice_id_may_travel_as_text(server: RawServer) -> None:
    """Leading zeros stay, and Persian digits are digits."""
    provider = PaystarSaman(settings(server.url, invoice_wire_type="text", create_transaction_path="/tx"))
    server.behave = says(TRANSACTION_ANSWER)
    await provider.ask("create_transaction", {"invoice_id": "۰۰65843148"})
    assert server.seen[0].target == "/tx"
    assert server.seen[0].json == {"invoice_id": "0065843148", "merchant_cid": "", "ivr": 0, "type": 1}
    await provider.close()


@pytest.mark.parametrize(
    ("caller", "sent"), [("+989121234567", "989121234567"), ("anonymous", ""), ('x"\r\n', ""), ("", ""), ("1" * 16, "")]
)
async def test_an_odd_caller_number_keeps_nobody_from_paying(
    server: RawServer, paystar: PaystarSaman, caller: str, sent: str
) -> None:
    """Withheld, or not a number: it is left empty."""
    server.behave = says(TRANSACTION_ANSWER)
    assert (await paystar.ask("create_transaction", {"invoice_id": "1", "caller": caller})).exit == "ok"
    body = server.seen[0].json
    assert isinstance(body, dict)
    assert body["merchant_cid"] == sent


@pytest.mark.parametrize(
    "answer",
    [
        '{"transactionId ": "65843148", "merchantId": 10000005, "price": 160000}',
        '{"status": 1, "data": {"transactionId": 65843148, "merchantId": "10000005", "price": "160,000"}}',
        '{"status": "1", "data ": [{"transactionId": "۶۵۸۴۳۱۴۸", "merchantId": "۱۰۰۰۰۰۰۵", "price": "۱۶۰۰۰۰"}]}',
    ],
)
async def test_other_forms_of_a_transaction(server: RawServer, paystar: PaystarSaman, answer: str) -> None:
    """An answer that means the same is read the same."""
    server.behave = says(answer)
    assert await paystar.ask("create_transaction", {"invoice_id": "65843148"}) == Reply("ok", TRANSACTION)


@pytest.mark.parametrize(
    ("code", "exit"),
    [
        (1, "gateway_invalid"),
        (2, "wrong_invoice"),
        (3, "already_paid"),
        (4, "expired"),
        (5, "blocked"),
        (6, "refused"),
        (99, "refused"),
    ],
)
@pytest.mark.parametrize(
    "shape",
    [
        '{"status": 0, "data": [], "errors": [%d]}',
        '{"status": 0, "errors": ["%d"]}',
        '{"status": 0, "errors": [{"code": %d}]}',
        '{"error": %d}',
        '{"error": {"code": "%d"}}',
        '{"code": "%d", "message": "..."}',
        '{"status": 0, "data": "%d"}',
    ],
)
async def test_each_error_of_the_document_in_each_likely_form(
    server: RawServer, paystar: PaystarSaman, code: int, exit: str, shape: str
) -> None:
    """Each has its own prompt; one nobody has heard of is a refusal that keeps its code."""
    server.behave = says(shape % code)
    assert await paystar.ask("create_transaction", {"invoice_id": "1"}) == Reply(exit, code=str(code))


@pytest.mark.parametrize("code", [2, 3, 4, 5])
async def test_an_error_in_status_or_in_a_4xx(server: RawServer, paystar: PaystarSaman, code: int) -> None:
    """`status` 2 to 5 is the code itself. (`status` 1 is never read as error 1.)"""
    server.behave = says({"status": code})
    in_status = await paystar.ask("create_transaction", {"invoice_id": "1"})
    server.behave = says({"errors": [code]}, "404 Not Found")
    assert in_status == await paystar.ask("create_transaction", {"invoice_id": "1"})
    assert in_status.exit == OPERATIONS_BY_CODE[code]


OPERATIONS_BY_CODE = {2: "wrong_invoice", 3: "already_paid", 4: "expired", 5: "blocked"}


async def test_the_mapping_of_codes_is_configuration(server: RawServer) -> None:
    """The document's numbers may be list numbers and no codes at all: any text can be mapped."""
    provider = PaystarSaman(
        settings(server.url, error_exits={"شناسه فاکتور اشتباه است.": "wrong_invoice", "1": "expired"})
    )
    server.behave = says('{"status": 0, "errors": [17, "شناسه فاکتور اشتباه است."]}')
    reply = await provider.ask("create_transaction", {"invoice_id": "1"})
    assert (reply.exit, reply.code) == ("wrong_invoice", "unreadable")
    server.behave = says({"error": 1})
    assert (await provider.ask("create_transaction", {"invoice_id": "1"})).exit == "expired"
    await provider.close()


@pytest.mark.parametrize("body", ["", "<html>", '{"message": "no"}'])
async def test_a_credential_that_is_not_taken_is_an_invalid_gateway(
    server: RawServer, paystar: PaystarSaman, body: str
) -> None:
    """401 says it without a code."""
    server.behave = says(body, "401 Unauthorized")
    assert (await paystar.ask("create_transaction", {"invoice_id": "1"})).exit == "gateway_invalid"


@pytest.mark.parametrize(
    "answer",
    [
        "{}",
        '{"status": 1}',
        "[]",
        "null",
        "garbage",
        "<html>",
        '{"transactionId": 1}',
        '{"transactionId": 1, "merchantId": "1", "price": 1.5}',
        '{"transactionId": 1, "merchantId": "1", "price": 0}',
        '{"transactionId": 1, "merchantId": "1", "price": "-5"}',
        '{"transactionId": 1, "merchantId": "1", "price": 99999999999999}',
        '{"transactionId": "1*2", "merchantId": "1", "price": "5"}',
        '{"transactionId": "1\\r\\nX: y", "merchantId": "1", "price": "5"}',
        '{"transactionId": 1, "merchantId": "a@b", "price": "5"}',
        '{"transactionId": %s, "merchantId": "1", "price": "5"}' % ("1" * 21),
        '{"transactionId": 1, "merchantId": "1", "price": "5", "error": 3}',
        '{"status": 0, "data": {"transactionId": 1, "merchantId": "1", "price": "5"}}',
        '{"transactionId": 1, "transactionId": 2, "merchantId": "1", "price": "5"}',
    ],
)
async def test_a_transaction_that_cannot_be_trusted_is_unknown(
    server: RawServer, paystar: PaystarSaman, answer: str
) -> None:
    """Nothing odd gets into a SIP header, and no amount is read out that may be wrong."""
    server.behave = says(answer)
    with pytest.raises(OutcomeUnknown):
        await paystar.ask("create_transaction", {"invoice_id": "1"})


async def test_an_order_as_in_the_document(server: RawServer) -> None:
    """Sale by the IVR: the order, its amount and the trunk's id; spaces around the id are the document's mistake."""
    provider = PaystarSaman(settings(server.url, trunk_id=Secret(" TkdpUQngERd1apGJvoHB")))
    server.behave = says('{"transactionId": 65843148, "merchantId": "10000005", "price": "180000"}')
    order: Mapping[str, Value] = {"order_id": "1613848397.81207-9050-30", "caller": "09151117796", "amount": 180000}
    reply = await provider.ask("create_order_transaction", order)
    assert reply.values["amount"] == 180000
    sent = {
        "order_id": "1613848397.81207-9050-30",
        "merchant_cid": "09151117796",
        "amount": 180000,
        "trunk_id": "TkdpUQngERd1apGJvoHB",
        "ivr": 1,
        "type": 1,
    }
    assert server.seen[0].json == sent
    await provider.ask("create_order_transaction", {**order, "trunk_id": " other "})
    assert server.seen[1].json == {**sent, "trunk_id": "other"}
    await provider.close()


async def test_an_order_for_another_amount_is_not_passed_on(server: RawServer, paystar: PaystarSaman) -> None:
    """The caller would be asked to pay what was not agreed."""
    server.behave = says(TRANSACTION_ANSWER)
    with pytest.raises(OutcomeUnknown):
        await paystar.ask("create_order_transaction", {"order_id": "1", "amount": 160001, "trunk_id": "t"})
    with pytest.raises(BadInput, match="trunk_id"):
        await paystar.ask("create_order_transaction", {"order_id": "1", "amount": 160000})


async def test_the_result_as_in_the_document(server: RawServer, paystar: PaystarSaman) -> None:
    """A GET with a body; status 1 is paid, and the text is for people."""
    server.behave = says(RESULT_ANSWER)
    reply = await paystar.inquire(payment())
    assert reply == Reply("paid", {"text": "پرداخت با موفقیت انجام شد."}, Outcome.APPROVED, code="1", of_invoice=True)
    seen = server.seen[0]
    assert (seen.method, seen.target, seen.json) == (
        "GET",
        "/api/ivr/get-transaction-result",
        {"tracking_code": 12345678},
    )
    assert seen.headers["authorization"] == f"Bearer {SEQUENCE}"


async def test_the_tracking_code_in_the_query_too(server: RawServer) -> None:
    """Some servers drop the body of a GET."""
    provider = PaystarSaman(settings(server.url, result_as_query=True, invoice_wire_type="text"))
    server.behave = says(RESULT_ANSWER)
    await provider.ask("result", {"invoice_id": "012"})
    assert server.seen[0].target == "/api/ivr/get-transaction-result?tracking_code=012"
    assert server.seen[0].json == {"tracking_code": "012"}
    await provider.close()


async def test_the_result_as_it_is_printed_proves_nothing(server: RawServer, paystar: PaystarSaman) -> None:
    """The document's sample is no JSON. Whatever sends it has not said "paid"."""
    server.behave = says(RESULT_ANSWER_AS_PRINTED)
    with pytest.raises(OutcomeUnknown):
        await paystar.inquire(payment())


@pytest.mark.parametrize(
    "answer", ['{"status": "1", "data": {"a": 1}}', '{"status ": "۱", "data": ["x"], "errors": {}}']
)
async def test_only_the_status_counts(server: RawServer, paystar: PaystarSaman, answer: str) -> None:
    """Whatever the text is, 1 is paid."""
    server.behave = says(answer)
    assert (await paystar.inquire(payment())).outcome is Outcome.APPROVED


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        ('{"status": 0, "data": "پرداخت با موفقیت انجام شد.", "errors": []}', "200 OK"),
        ('{"status": 0, "errors": [2]}', "200 OK"),
        ('{"status": 2}', "200 OK"),
        ('{"status": true}', "200 OK"),
        ('{"status": "ok"}', "200 OK"),
        ('{"status": [1]}', "200 OK"),
        ("{}", "200 OK"),
        ('{"status": 1, "errors": [3]}', "200 OK"),
        (RESULT_ANSWER, "404 Not Found"),
        ("", "401 Unauthorized"),
    ],
)
async def test_anything_else_is_not_confirmed_yet(
    server: RawServer, paystar: PaystarSaman, answer: str, status: str
) -> None:
    """Not a decline either: it is asked again later."""
    server.behave = says(answer, status)
    reply = await paystar.inquire(payment())
    assert (reply.exit, reply.outcome) == ("not_confirmed", Outcome.UNKNOWN)
    assert reply.not_paid is ('"status": 0' in answer and "[2]" not in answer), "only a plain no counts after the end"


async def test_an_order_has_no_inquiry(server: RawServer, paystar: PaystarSaman) -> None:
    """Its transaction id could be somebody else's invoice id: nothing is asked, a person decides."""
    reply = await paystar.inquire(payment("1613848397.81207-9050-30"))
    assert (reply.outcome, reply.code, server.seen) == (Outcome.UNKNOWN, "no_inquiry", [])


@pytest.mark.parametrize("operation", list(OPERATIONS))
@pytest.mark.parametrize(
    "behave",
    [
        raw.silent,
        raw.closes,
        raw.resets_mid_body,
        raw.ten_megabytes,
        says("<html>Bad gateway</html>", "502 Bad Gateway", "text/html"),
        says(TRANSACTION_ANSWER, "500 Internal Server Error"),
        says("<html>", kind="text/html"),
        says({}, "302 Found\r\nLocation: /"),
    ],
)
async def test_every_operation_tells_unknown_from_unreachable(
    server: RawServer, paystar: PaystarSaman, operation: str, behave: raw.Behave
) -> None:
    """After sending: unknown, and sent once."""
    server.behave = behave
    with pytest.raises(OutcomeUnknown):
        await paystar.ask(operation, ARGUMENTS[operation])
    assert len(server.seen) == 1


ARGUMENTS: Mapping[str, Mapping[str, Value]] = {
    "create_invoice": {"amount": 1, "order_id": "1"},
    "create_transaction": {"invoice_id": "65843148", "caller": "09121234567"},
    "create_order_transaction": {"order_id": "1", "amount": 1, "trunk_id": "t"},
    "result": {"invoice_id": "65843148"},
}


@pytest.mark.parametrize("operation", list(OPERATIONS))
async def test_every_operation_says_when_nothing_was_sent(operation: str) -> None:
    """A closed port: may be tried again."""
    provider = PaystarSaman(settings(f"http://127.0.0.1:{raw.free_port()}"))
    with pytest.raises(ProviderUnreachable):
        await provider.ask(operation, ARGUMENTS[operation])
    with pytest.raises(Unusable, match=r"paystar_saman does not answer .*ConnectionRefusedError"):
        await provider.check()
    await provider.close()


async def test_check_sends_no_credential_and_takes_any_answer(server: RawServer, paystar: PaystarSaman) -> None:
    """Health costs nothing and changes nothing."""
    server.behave = says("", "404 Not Found")
    await paystar.check()
    assert server.seen[0].method == "HEAD"
    assert "authorization" not in server.seen[0].headers
    server.behave = says("", "503 Service Unavailable")
    with pytest.raises(Unusable, match="HTTP 503"):
        await paystar.check()


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("no_such", {}),
        ("create_transaction", {}),
        ("create_transaction", {"invoice_id": "12a"}),
        ("create_transaction", {"invoice_id": "1", "other": "1"}),
        ("create_transaction", {"invoice_id": Secret("1")}),
        ("create_invoice", {"amount": 0, "order_id": "1"}),
        ("create_invoice", {"amount": 1, "order_id": "1" * 65}),
        ("create_invoice", {"amount": 1, "order_id": "1\n2"}),
    ],
)
async def test_arguments_that_cannot_be_are_not_sent(
    server: RawServer, paystar: PaystarSaman, operation: str, arguments: Mapping[str, Value]
) -> None:
    """The mistake is named; the value is not."""
    with pytest.raises(BadInput):
        await paystar.ask(operation, arguments)
    assert server.seen == []


async def test_an_invoice_id_that_is_too_long_is_wrong_without_asking(server: RawServer, paystar: PaystarSaman) -> None:
    """The caller hears "wrong number" and keys again."""
    assert await paystar.ask("create_transaction", {"invoice_id": "1" * 21}) == Reply("wrong_invoice")
    assert server.seen == []


def test_settings_that_cannot_work_are_refused_at_the_start() -> None:
    """Not in the middle of a call."""
    good = settings("http://h")
    assert good.sequence.reveal() == SEQUENCE
    bad: list[dict[str, Any]] = [
        {"sequence": Secret("  ")},
        {"sequence": Secret("a\r\nb")},
        {"sequence": Secret("x" * 513)},
        {"result_path": "no-slash"},
        {"invoice_wire_type": "float"},
        {"error_exits": {"1": "no_such_exit"}},
        {"error_exits": {"1": "ok"}},
    ]
    for change in bad:
        with pytest.raises(BadInput):
            replace(good, **change)


async def test_one_line_in_the_log_and_no_value_in_it(server: RawServer) -> None:
    """How long and how it ended; no number of a customer, no credential, neither there nor in an error."""
    observed: list[tuple[str, str, str]] = []
    provider = PaystarSaman(settings(server.url), lambda p, o, s, r: observed.append((p, o, r)) if s >= 0 else None)
    with capture_logs() as lines:
        server.behave = says(TRANSACTION_ANSWER)
        await provider.ask("create_transaction", ARGUMENTS["create_transaction"])
        server.behave = raw.resets
        with pytest.raises(OutcomeUnknown) as caught:
            await provider.ask("create_transaction", ARGUMENTS["create_transaction"])
        server.behave = raw.silent
        asking = asyncio.create_task(provider.ask("result", ARGUMENTS["result"]))
        await asyncio.sleep(0)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    await provider.close()
    assert observed == [
        ("paystar_saman", "create_transaction", "ok"),
        ("paystar_saman", "create_transaction", "unknown"),
        ("paystar_saman", "result", "failed"),
    ]
    assert [line["event"] for line in lines] == ["provider_asked"] * 3
    assert set(lines[0]) == {
        "event", "log_level", "provider", "operation", "ms", "result", "http_status", "reason"
    }  # fmt: skip
    assert lines[1]["reason"].startswith("no whole answer")
    assert (lines[0]["http_status"], lines[1]["http_status"]) == (200, None)
    for text in (repr(lines), repr(caught.value), repr(caught.value.__context__), repr(settings("http://h"))):
        for private in (SEQUENCE, "65843148", "09121234567", "160000"):
            assert private not in text
