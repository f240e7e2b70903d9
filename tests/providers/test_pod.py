"""POD's contract, answer by answer as its document has them, against a server that says exactly those bytes."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from structlog.testing import capture_logs

from ivr.domain.bills import bill_of
from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable, Unusable
from ivr.domain.operations import Outcome, Role
from ivr.domain.secret import Secret
from ivr.payments.port import Provider, Reply, Value
from ivr.payments.state import Payment, State
from ivr.providers.pod import PAGE, Pod
from ivr.providers.pod_operations import OPERATIONS
from ivr.providers.pod_settings import PRODUCTS, PodSettings
from ivr.runtime.http_client import HttpSettings
from tests.clock import Clock
from tests.providers import raw_server as raw
from tests.providers.raw_server import RawServer, Seen, says

TOKEN, KEY = "pod-token-51cc", "pod-key-77ab"
BILL = {"bill_id": "7748317800142", "payment_id": "1770160"}
BARCODE = "77483178001420000001770160"
RECORD: Mapping[str, object] = {
    "id": 5501,
    "billId": "7748317800142",
    "paymentId": "1770160",
    "price": 17000,
    "utilityCompanyName": "مخابرات",
    "subUtilityCompanyName": "تهران",
    "requestDate": 1732590000000,
    "referenceNumber": "140300112233",
    "status": "SERVICE_BILL_ACCEPTED",
    "invoiceId": 900001,
    "settlementRequestId": 12,
    "userSrv": {"id": 7, "name": "کاربر"},
    "cacelDate": None,
}
PAID_VALUES: Mapping[str, str | int] = {
    "id": "5501",
    "amount": 17000,
    "company": "مخابرات",
    "reference": "140300112233",
    "status": "SERVICE_BILL_ACCEPTED",
    "tracking_number": "140300112233",
    "can_cancel": "yes",
}
LINK = {"unique_number": "ab12", "redirect_uri": "https://shop.test/back?a=1", "call_uri": "https://shop.test/call"}


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer(says({})) as running:
        yield running


@pytest.fixture
async def pod(server: RawServer) -> AsyncIterator[Pod]:
    provider = Pod(settings(server.url), clock=Clock(1000.0))
    yield provider
    await provider.close()


def settings(url: str, **more: Any) -> PodSettings:
    http = HttpSettings(url, connect_seconds=0.5, read_seconds=0.2)
    return PodSettings(http, Secret(f" {TOKEN}\n"), Secret(f"{KEY} "), **more)


def envelope(result: object, **more: object) -> dict[str, object]:
    """An answer without an error, as the document describes it."""
    usual = {"hasError": False, "messageId": 0, "referenceNumber": "r", "errorCode": 0, "count": 1, "ott": "o"}
    return {**usual, "result": result, **more}


def error(code: object, **more: object) -> dict[str, object]:
    return envelope(None, hasError=True, errorCode=code, **more)


def record(**changes: object) -> dict[str, object]:
    return {**RECORD, **changes}


def payment(age: float = 0.0, **changes: Any) -> Payment:
    usual = Payment("p1", "c1", "pod", BARCODE, None, 17000, State.UNKNOWN, created_at=1000.0 - age)
    return replace(usual, **changes)


def form(seen: Seen) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(seen.body.decode(), keep_blank_values=True).items()}


# -- the wallet --------------------------------------------------------------------------------------------------------


async def test_pay_from_the_wallet_as_in_the_document(server: RawServer, pod: Pod) -> None:
    """The bill is paid, and the caller gets a number to ask after it."""
    provider: Provider = pod
    server.behave = says(envelope(RECORD))
    reply = await provider.ask("pay_bill", {**BILL, "amount": 17000})
    assert reply == Reply("paid", PAID_VALUES, Outcome.APPROVED, "SERVICE_BILL_ACCEPTED", "140300112233")
    seen = server.seen[0]
    assert (seen.method, seen.target) == ("POST", "/srv/sc/nzh/doServiceCall")
    assert seen.headers["content-type"] == "application/x-www-form-urlencoded"
    assert (seen.headers["_token_"], seen.headers["_token_issuer_"]) == (TOKEN, "1")
    assert form(seen) == {
        "scProductId": "27903493",
        "scApiKey": KEY,
        "billId": "7748317800142",
        "paymentId": "1770160",
    }


async def test_ids_go_without_zeros_in_front(server: RawServer, pod: Pod) -> None:
    """As the document wants them, however they were keyed or scanned."""
    server.behave = says(envelope(record(billId="9403272004129", paymentId="95570163", price=955000)))
    assert (await pod.ask("pay_bill", {"bill_id": "۹۴۰۳۲۷۲۰۰۴۱۲۹", "payment_id": "00095570163"})).exit == "paid"
    assert form(server.seen[0])["paymentId"] == "95570163"


@pytest.mark.parametrize(
    "answer",
    [
        {"HASERROR": False, "ErrorCode": "0", "Result": RECORD},
        {"hasError ": "false", "errorCode": "۰", "result ": [RECORD]},
        {"hasError": 0, "Result": json.dumps(RECORD)},
        {"result": RECORD},
        envelope({"statusCode": 200, "header": {}, "result": json.dumps(envelope(RECORD))}),
        envelope({key.upper(): value for key, value in RECORD.items()}),
        envelope(record(price="17000", id="5501", invoiceId="900001")),
        envelope(record(price="۱۷۰۰۰", billId=" ۷۷۴۸۳۱۷۸۰۰۱۴۲", paymentId="0000001770160")),
        envelope(record(price=17000.0)),
        envelope({key: value for key, value in RECORD.items() if key not in ("price", "cacelDate", "userSrv")}),
    ],
)
async def test_other_forms_of_a_paid_bill(server: RawServer, pod: Pod, answer: object) -> None:
    """An answer that means the same is read the same."""
    server.behave = says(answer)
    reply = await pod.ask("pay_bill", BILL)
    assert (reply.outcome, reply.values) == (Outcome.APPROVED, PAID_VALUES)


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"message": "ok"},
        envelope(None),
        envelope([]),
        envelope("<html>"),
        envelope("{"),
        envelope([RECORD, RECORD]),
        envelope(["x"]),
        envelope(record(billId="1117753200140")),
        envelope(record(paymentId="1770161")),
        envelope(record(price=170000)),
        envelope(record(price="much")),
        envelope(record(id="x")),
        envelope(RECORD, errorCode=180),
        envelope(RECORD, errorCode=[180]),
        envelope(RECORD, hasError="maybe"),
        '{"hasError": false, "hasError": true, "result": {}}',
        '{"hasError": false, "HasError": true, "result": {}}',
        '{"hasError": false, "result": ' + '{"a":' * 900 + "1" + "}" * 901,
        '{"hasError": false, "result": ' + "[" * 20000 + "]" * 20000 + "}",
        "",
        "[]",
        "پرداخت شد",
    ],
)
async def test_an_answer_that_is_not_clear_leaves_the_payment_unknown(
    server: RawServer, pod: Pod, answer: object
) -> None:
    """Money may have moved: nobody is told "paid", nothing is sent again, the list is asked later."""
    server.behave = says(answer)
    with pytest.raises(OutcomeUnknown):
        await pod.ask("pay_bill", BILL)
    assert len(server.seen) == 1


async def test_an_answer_with_http_400_and_a_paid_bill_is_unknown(server: RawServer, pod: Pod) -> None:
    """It says yes and no."""
    server.behave = says(envelope(RECORD), "400 Bad Request")
    with pytest.raises(OutcomeUnknown):
        await pod.ask("pay_bill", BILL)


@pytest.mark.parametrize(
    "status", ["SERVICE_BILL_ISSUE_INVOICE", "SERVICE_BILL_CANCELED", "SERVICE_BILL_SEND_FILE_FAILED", "NEW_ONE", ""]
)
async def test_a_status_that_is_not_paid_is_unknown(server: RawServer, pod: Pod, status: str) -> None:
    """A status that nobody has heard of does not crash, and is no payment."""
    server.behave = says(envelope(record(status=status)))
    reply = await pod.ask("pay_bill", BILL)
    assert (reply.exit, reply.outcome) == ("unknown", Outcome.UNKNOWN)


@pytest.mark.parametrize(
    "status", ["SERVICE_BILL_ACCEPTED", "SERVICE_BILL_FILE_CONFIRMED", "SERVICE_BILL_SANTA_CONFIRMED"]
)
async def test_each_status_that_is_paid(server: RawServer, pod: Pod, status: str) -> None:
    """Taken, sent on, settled: the caller has paid."""
    server.behave = says(envelope(record(status=status.lower())))
    assert (await pod.ask("pay_bill", BILL)).code == status


@pytest.mark.parametrize(
    ("code", "exit", "outcome"),
    [
        (21, "gateway_invalid", Outcome.DECLINED),
        (141, "invalid_bill", Outcome.DECLINED),
        (178, "invalid_bill", Outcome.DECLINED),
        (179, "invalid_bill", Outcome.DECLINED),
        (180, "already_paid", Outcome.DECLINED),
        (462, "traffic_bill", Outcome.DECLINED),
        (403, "refused", Outcome.DECLINED),
        (999, "unknown", Outcome.UNKNOWN),
        (227, "unknown", Outcome.UNKNOWN),
        (502, "unknown", Outcome.UNKNOWN),
        (7777, "unknown", Outcome.UNKNOWN),
    ],
)
@pytest.mark.parametrize(
    "shape",
    [
        lambda code: error(code),
        lambda code: error(str(code)),
        lambda code: {"HasError": "True", "ERRORCODE": code},
        lambda code: {"errorCode": code},
        lambda code: envelope({"statusCode": code, "result": "x"}),
        lambda code: envelope(json.dumps(error(code))),
    ],
)
async def test_each_error_of_the_wallet(
    server: RawServer, pod: Pod, code: int, exit: str, outcome: Outcome, shape: Any
) -> None:
    """Few exits, each with words of its own; the code stays. One that nobody knows may have taken money."""
    server.behave = says(shape(code))
    assert await pod.ask("pay_bill", BILL) == Reply(exit, {}, outcome, code=str(code))


async def test_an_error_without_a_code_is_unknown(server: RawServer, pod: Pod) -> None:
    """It says that something is wrong, and not what."""
    server.behave = says({"hasError": True})
    assert await pod.ask("pay_bill", BILL) == Reply("unknown", {}, Outcome.UNKNOWN, code="0")


async def test_a_credential_that_is_refused_by_http(server: RawServer, pod: Pod) -> None:
    """An HTML page with 401 or 403 is an answer; with 5xx it is none."""
    server.behave = says("<html>", "403 Forbidden", "text/html")
    assert await pod.ask("pay_bill", BILL) == Reply("gateway_invalid", {}, Outcome.DECLINED, code="http_403")
    server.behave = says(error(999), "502 Bad Gateway")
    with pytest.raises(OutcomeUnknown, match="502"):
        await pod.ask("pay_bill", BILL)


@pytest.mark.parametrize("operation", ["pay_bill", "issue_invoice"])
@pytest.mark.parametrize(
    ("bill", "paid", "exit"),
    [
        ("2234322344613", "1770160", "invalid_bill"),
        ("1117753200140", "1770165", "invalid_bill"),
        ("9174639504124", "12908197", "invalid_bill"),
        ("9100074409151", "12908199", "invalid_bill"),
        ("1" * 26, "1770160", "invalid_bill"),
    ],
)
async def test_wrong_ids_are_refused_before_anything_is_asked(
    server: RawServer, pod: Pod, operation: str, bill: str, paid: str, exit: str
) -> None:
    """The caller keys again; POD hears nothing."""
    outcome = Outcome.DECLINED if operation == "pay_bill" else None
    assert await pod.ask(operation, {"bill_id": bill, "payment_id": paid}) == Reply(exit, {}, outcome)
    assert server.seen == []


@pytest.mark.parametrize("operation", ["pay_bill", "issue_invoice"])
async def test_traffic_bills_are_refused_before_anything_is_asked(server: RawServer, operation: str) -> None:
    """By the service's digit, which the deployment may name otherwise."""
    fine = {"bill_id": "1234567800193", "payment_id": "1770160"}
    assert bill_of(fine["bill_id"], fine["payment_id"]) is not None
    provider = Pod(settings(server.url))
    assert (await provider.ask(operation, fine)).exit == "traffic_bill"
    await provider.close()
    provider = Pod(settings(server.url, services={"4": "traffic"}))
    assert (await provider.ask(operation, BILL)).exit == "traffic_bill"
    await provider.close()
    assert server.seen == []


@pytest.mark.parametrize(
    "arguments", [BILL, {"barcode": BARCODE}, {"bill_id": "0007748317800142", "payment_id": "۱۷۷۰۱۶۰"}]
)
async def test_a_bill_s_digits_are_read_without_asking(
    server: RawServer, pod: Pod, arguments: Mapping[str, Value]
) -> None:
    """A flow reads kind and amount to the caller, and gives the barcode to the books."""
    values: dict[str, str | int] = {**BILL, "barcode": BARCODE, "service": "4", "kind": "landline", "amount": 17000}
    assert await pod.ask("read_bill", arguments) == Reply("ok", values)
    assert (await pod.ask("read_bill", {"barcode": BARCODE[:-1]})).exit == "invalid_bill"
    assert (await pod.ask("read_bill", {"bill_id": BILL["bill_id"]})).exit == "invalid_bill"
    fine = {"bill_id": "1234567800193", "payment_id": "1770160"}
    assert (await pod.ask("read_bill", fine)).exit == "traffic_bill"
    assert server.seen == []


async def test_another_amount_than_the_caller_agreed_to_is_not_sent(server: RawServer, pod: Pod) -> None:
    """What was read to the caller is what is paid."""
    with pytest.raises(BadInput, match="amount"):
        await pod.ask("pay_bill", {**BILL, "amount": 17001})
    assert server.seen == []


# -- what became of a payment ------------------------------------------------------------------------------------------


async def test_an_unknown_payment_is_found_in_the_list(server: RawServer, pod: Pod) -> None:
    """The timeout was on the way back: the bill is paid, once."""
    server.behave = says(envelope([record(billId="1", price=1), RECORD]))
    reply = await pod.inquire(payment())
    paid = Reply("paid", PAID_VALUES, Outcome.APPROVED, "SERVICE_BILL_ACCEPTED", "140300112233", of_invoice=True)
    assert reply == paid
    assert form(server.seen[0]) == {
        "scProductId": "3884760",
        "scApiKey": KEY,
        "offset": "0",
        "size": str(PAGE),
        "billId": "7748317800142",
        "paymentId": "1770160",
    }


@pytest.mark.parametrize(
    ("statuses", "exit", "outcome"),
    [
        (["SERVICE_BILL_SANTA_CONFIRMED"], "paid", Outcome.APPROVED),
        (["SERVICE_BILL_FILE_CONFIRMED", "SERVICE_BILL_CANCELED"], "paid", Outcome.APPROVED),
        (["SERVICE_BILL_CANCELED", "SERVICE_BILL_ACCEPTED"], "paid", Outcome.APPROVED),
        (["SERVICE_BILL_CANCELED"], "cancelled", Outcome.UNKNOWN),
        (["SERVICE_BILL_ISSUE_INVOICE"], "not_paid", Outcome.UNKNOWN),
        (["SERVICE_BILL_SEND_FILE_FAILED", "SERVICE_BILL_CANCELED"], "failed", Outcome.UNKNOWN),
        (["SOMETHING_NEW", "SERVICE_BILL_ISSUE_INVOICE"], "other", Outcome.UNKNOWN),
    ],
)
async def test_every_status_in_the_list(
    server: RawServer, pod: Pod, statuses: list[str], exit: str, outcome: Outcome
) -> None:
    """Only a status that took money approves; nothing that stands in the list declines."""
    server.behave = says(envelope([record(status=status, id=n + 1) for n, status in enumerate(statuses)]))
    reply = await pod.inquire(payment(age=10**6))
    assert (reply.exit, reply.outcome) == (exit, outcome)


@pytest.mark.parametrize(
    ("changes", "read_out", "cancelled"),
    [
        ({}, "140300112233", "yes"),
        ({"referenceNumber": "A-77"}, "5501", "yes"),
        ({"referenceNumber": None}, "5501", "yes"),
        ({"referenceNumber": "1" * 30}, "5501", "yes"),
        ({"status": "SERVICE_BILL_SANTA_CONFIRMED"}, "140300112233", "no"),
        ({"status": "SERVICE_BILL_CANCELED"}, "140300112233", "no"),
    ],
)
async def test_what_a_flow_may_say_of_a_bill(
    server: RawServer, pod: Pod, changes: Mapping[str, object], read_out: str, cancelled: str
) -> None:
    """Digits to be read out, whatever the reference is, and whether cancelling may be offered."""
    server.behave = says(envelope([record(**changes)]))
    values = (await pod.ask("bill_status", BILL)).values
    assert (values["tracking_number"], values["can_cancel"]) == (read_out, cancelled)


async def test_a_payment_that_never_arrived_is_declined_after_its_time(server: RawServer, pod: Pod) -> None:
    """Not sooner, for the request may still be on its way; and a link may still be paid."""
    server.behave = says(envelope([], count=0))
    assert (await pod.inquire(payment(age=899))).outcome is Outcome.UNKNOWN
    assert (await pod.inquire(payment(age=901, changed_at=500.0))).outcome is Outcome.UNKNOWN
    assert (await pod.inquire(payment(age=901, transaction_id="900001"))).outcome is Outcome.UNKNOWN
    assert (await pod.inquire(payment(created_at=0.0))).outcome is Outcome.UNKNOWN
    assert await pod.inquire(payment(age=901)) == Reply("not_found", {}, Outcome.DECLINED, code="absent")


@pytest.mark.parametrize("changes", [{"invoice_id": "65843148"}, {"invoice_id": "1" * 26}, {"amount_rial": 1000}])
async def test_a_payment_that_is_no_bill_is_left_to_people(server: RawServer, pod: Pod, changes: Any) -> None:
    """Nothing is asked that could find somebody else's bill."""
    reply = await pod.inquire(payment(age=10**6, **changes))
    assert (reply.outcome, reply.code, server.seen) == (Outcome.UNKNOWN, "no_inquiry", [])


@pytest.mark.parametrize("answer", [error(999), error(227), envelope(record(price=1)), envelope("x"), error(7777)])
async def test_an_unclear_list_decides_nothing(server: RawServer, pod: Pod, answer: object) -> None:
    """It is asked again later."""
    server.behave = says(answer)
    try:
        outcome = (await pod.inquire(payment(age=10**6))).outcome
    except OutcomeUnknown:
        return
    assert outcome is None


async def test_the_list_is_read_to_its_end(server: RawServer, pod: Pod) -> None:
    """A gateway that drops our filters must not make a paid bill absent, and one that never ends is unclear."""
    others = [record(id=n + 1, billId="1") for n in range(PAGE)]

    async def pages(exchange: raw.Exchange) -> None:
        await says(envelope(others if form(exchange.seen)["offset"] == "0" else [RECORD]))(exchange)

    server.behave = pages
    assert (await pod.inquire(payment())).outcome is Outcome.APPROVED
    server.behave = says(envelope(others))
    with pytest.raises(OutcomeUnknown, match="does not end"):
        await pod.inquire(payment(age=10**6))


# -- invoices and links ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", [{"uniqueNumber": "ab12"}, {"invoice": {"UniqueNumber": "ab12"}}])
async def test_an_invoice_is_issued(server: RawServer, pod: Pod, where: Mapping[str, object]) -> None:
    """Its unique number is what a payment link is made of, wherever the answer holds it."""
    server.behave = says(envelope(record(status="SERVICE_BILL_ISSUE_INVOICE", **where)))
    reply = await pod.ask("issue_invoice", BILL)
    assert reply == Reply("ok", {"invoice_id": "900001", "unique_number": "ab12", "amount": 17000})
    assert form(server.seen[0])["scProductId"] == "27903191"


async def test_an_invoice_of_a_bill_that_was_paid_meanwhile(server: RawServer, pod: Pod) -> None:
    """Both ways in which POD may say it."""
    server.behave = says(envelope(RECORD))
    assert (await pod.ask("issue_invoice", BILL)).exit == "already_paid"
    server.behave = says(error(180))
    assert await pod.ask("issue_invoice", BILL) == Reply("already_paid", code="180")


@pytest.mark.parametrize(
    "answer", [envelope(record(status="X")), error(999), envelope(record(price=1, uniqueNumber=1))]
)
async def test_an_unclear_invoice_may_be_asked_for_again(server: RawServer, pod: Pod, answer: object) -> None:
    """Without a unique number, for another amount, or 999."""
    server.behave = says(answer)
    with pytest.raises(OutcomeUnknown):
        await pod.ask("issue_invoice", BILL)


@pytest.mark.parametrize(
    "result",
    [
        "https://pay.pod.ir/x?a=b",
        " https://pay.pod.ir/x?a=b ",
        {"url": "https://pay.pod.ir/x?a=b"},
        {"result": {"link": "https://pay.pod.ir/x?a=b", "redirectUri": LINK["redirect_uri"]}},
        ["https://pay.pod.ir/x?a=b"],
    ],
)
async def test_a_payment_link(server: RawServer, pod: Pod, result: object) -> None:
    """The one address in the answer that is not our own."""
    server.behave = says(envelope(result))
    assert await pod.ask("payment_link", {**LINK, "gateway": "PEP"}) == Reply("ok", {"url": "https://pay.pod.ir/x?a=b"})
    assert form(server.seen[0]) == {
        "scProductId": "46547342",
        "scApiKey": KEY,
        "uniqueNumber": "ab12",
        "redirectUri": "https://shop.test/back?a=1",
        "callUri": "https://shop.test/call",
        "gateway": "PEP",
    }


@pytest.mark.parametrize(
    "result",
    [
        None,
        "",
        {},
        "javascript:alert(1)",
        ["https://a.test", "https://b.test"],
        "https://a\n.test",
        f"https://{'a' * 3000}",
    ],
)
async def test_no_link_or_several(server: RawServer, pod: Pod, result: object) -> None:
    """Nobody is sent an address that is not clearly theirs to open."""
    server.behave = says(envelope(result))
    with pytest.raises(OutcomeUnknown):
        await pod.ask("payment_link", LINK)


async def test_the_pay_page_s_address_is_made_without_asking(server: RawServer) -> None:
    """Each address is encoded once; production or the provider's own sandbox."""
    provider = Pod(settings(server.url, redirect_uri=LINK["redirect_uri"], call_uri=LINK["call_uri"]))
    url = (await provider.ask("pay_url", {"unique_number": "ab12"})).values["url"]
    assert url == (
        "https://pay.pod.ir/v1/pbc/payInvoiceByUniqueNumber/?uniqueNumber=ab12"
        "&redirectUri=https%3A%2F%2Fshop.test%2Fback%3Fa%3D1&callUri=https%3A%2F%2Fshop.test%2Fcall"
    )
    await provider.close()
    provider = Pod(settings(server.url, pay_host="https://sandbox.pod.ir:1033/"))
    url = str((await provider.ask("pay_url", {**LINK, "gateway": "PEP"})).values["url"])
    assert url.startswith("https://sandbox.pod.ir:1033/v1/pbc/payInvoiceByUniqueNumber/?")
    assert parse_qs(urlsplit(url).query)["gateway"] == ["PEP"]
    with pytest.raises(BadInput):
        await provider.ask("pay_url", {"unique_number": "ab12"})
    await provider.close()
    assert server.seen == []


# -- list and cancel ---------------------------------------------------------------------------------------------------


async def test_the_list_for_programs(server: RawServer, pod: Pod) -> None:
    """Every field of the document; cancelDate is read however it is spelt."""
    rows = [record(cacelDate=1), record(cacelDate=None, cancelDate=2), record(status="NEW")]
    server.behave = says(envelope(rows, count=7))
    reply = await pod.ask(
        "list", {"offset": 4, "size": "3", "reference_number": "r1", "from_date": "1", "to_date": "9"}
    )
    shown = json.loads(str(reply.values["bills"]))
    assert (reply.exit, reply.values["count"]) == ("ok", "7")
    assert [(row["cancelled_at"], row["status"]) for row in shown] == [
        ("1", "SERVICE_BILL_ACCEPTED"),
        ("2", "SERVICE_BILL_ACCEPTED"),
        ("", "NEW"),
    ]
    assert {name: text for name, text in form(server.seen[0]).items() if not name.startswith("sc")} == {
        "offset": "4",
        "size": "3",
        "referenceNumber": "r1",
        "fromDate": "1",
        "toDate": "9",
    }
    for wrong in ({"size": 0}, {"size": PAGE + 1}, {"offset": "9" * 20}):
        with pytest.raises(BadInput):
            await pod.ask("list", wrong)


def listed_then(*answers: object) -> raw.Behave:
    """One answer after the other; the last again and again."""
    waiting = list(answers)

    async def behave(exchange: raw.Exchange) -> None:
        await says(waiting.pop(0) if len(waiting) > 1 else waiting[0])(exchange)

    return behave


async def test_a_bill_is_cancelled(server: RawServer, pod: Pod) -> None:
    """It looks first where the bill stands, then cancels."""
    server.behave = listed_then(envelope([RECORD]), envelope(record(status="SERVICE_BILL_CANCELED")))
    assert await pod.ask("cancel", {"id": "5501"}) == Reply("cancelled", code="SERVICE_BILL_CANCELED")
    assert [form(seen)["scProductId"] for seen in server.seen] == ["3884760", "3884767"]
    assert form(server.seen[1])["id"] == "5501"


MOBILE = {"billId": "9100074409153", "paymentId": "12908199"}


@pytest.mark.parametrize(
    ("row", "exit"),
    [
        (None, "not_found"),
        ({"id": 5502}, "not_found"),
        ({"status": "SERVICE_BILL_CANCELED"}, "cancelled"),
        ({"status": "SERVICE_BILL_ISSUE_INVOICE"}, "not_cancellable"),
        ({"status": "SERVICE_BILL_FILE_CONFIRMED"}, "not_cancellable"),
        ({"status": "SERVICE_BILL_SANTA_CONFIRMED"}, "not_cancellable"),
        ({"status": "SERVICE_BILL_SEND_FILE_FAILED"}, "not_cancellable"),
        ({"status": "NEW"}, "not_cancellable"),
        ({**MOBILE, "utilityCompanyName": "همراه اول"}, "not_cancellable"),
        ({**MOBILE, "utilityCompanyName": "شرکت ارتباطات سيار (همراه‌اول)"}, "not_cancellable"),
        ({**MOBILE, "utilityCompanyName": "تلفن همراه", "subUtilityCompanyName": "Hamrah-e Aval"}, "not_cancellable"),
        ({**MOBILE, "utilityCompanyName": "", "subUtilityCompanyName": None}, "not_cancellable"),
    ],
)
async def test_what_cannot_be_cancelled_is_not_tried(
    server: RawServer, pod: Pod, row: dict[str, object] | None, exit: str
) -> None:
    """Only while ACCEPTED, and never a mobile bill of Hamrah-e Aval, or of nobody knows whom."""
    server.behave = says(envelope([] if row is None else [record(**row)]))
    assert (await pod.ask("cancel", {"id": "5501"})).exit == exit
    assert len(server.seen) == 1


async def test_another_company_s_mobile_bill_can_be_cancelled(server: RawServer, pod: Pod) -> None:
    """Irancell and Rightel."""
    mine = record(**MOBILE, utilityCompanyName="ایرانسل")
    server.behave = listed_then(envelope([mine]), envelope({**mine, "status": "SERVICE_BILL_CANCELED"}))
    assert (await pod.ask("cancel", {"id": "5501"})).exit == "cancelled"


@pytest.mark.parametrize("answer", [envelope(RECORD), envelope(None), error(999), "", envelope(record(id=1))])
async def test_a_cancellation_without_a_clear_answer(server: RawServer, pod: Pod, answer: object) -> None:
    """Nobody is told that the money comes back; asking again looks where the bill stands."""
    server.behave = listed_then(envelope([RECORD]), answer)
    with pytest.raises(OutcomeUnknown):
        await pod.ask("cancel", {"id": "5501"})


# -- every operation ---------------------------------------------------------------------------------------------------

ARGUMENTS: Mapping[str, Mapping[str, Value]] = {
    "pay_bill": BILL,
    "issue_invoice": BILL,
    "payment_link": LINK,
    "bill_status": BILL,
    "list": {},
    "cancel": {"id": "5501"},
}


@pytest.mark.parametrize("operation", list(ARGUMENTS))
@pytest.mark.parametrize(
    "behave",
    [
        raw.silent,
        raw.closes,
        raw.resets_mid_body,
        raw.ten_megabytes,
        raw.not_http,
        says("<html>Bad gateway</html>", "502 Bad Gateway", "text/html"),
        says(envelope(RECORD), "500 Internal Server Error"),
        says("<html>", kind="text/html"),
        says({}, "302 Found\r\nLocation: /"),
        says(b"\xff\xfe", kind="application/octet-stream"),
    ],
)
async def test_every_operation_tells_unknown_from_unreachable(
    server: RawServer, pod: Pod, operation: str, behave: raw.Behave
) -> None:
    """After sending: unknown, and sent once."""
    server.behave = behave
    with pytest.raises(OutcomeUnknown):
        await pod.ask(operation, ARGUMENTS[operation])
    assert len(server.seen) == 1


async def test_the_content_type_does_not_matter(server: RawServer, pod: Pod) -> None:
    """Gateways call JSON text/html."""
    server.behave = says(json.dumps(envelope(RECORD)), kind="text/html")
    assert (await pod.ask("pay_bill", BILL)).exit == "paid"


@pytest.mark.parametrize("operation", list(ARGUMENTS))
async def test_every_operation_says_when_nothing_was_sent(operation: str) -> None:
    """A closed port: may be tried again."""
    provider = Pod(settings(f"http://127.0.0.1:{raw.free_port()}"))
    with pytest.raises(ProviderUnreachable):
        await provider.ask(operation, ARGUMENTS[operation])
    with pytest.raises(Unusable, match="pod does not answer"):
        await provider.check()
    await provider.close()


async def test_check_sends_no_credential(server: RawServer, pod: Pod) -> None:
    """Health costs nothing."""
    server.behave = says("", "404 Not Found")
    await pod.check()
    assert "_token_" not in server.seen[0].headers
    server.behave = says("", "503 Service Unavailable")
    with pytest.raises(Unusable, match="HTTP 503"):
        await pod.check()


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("no_such", {}),
        ("pay_bill", {"bill_id": "7748317800142"}),
        ("pay_bill", {**BILL, "bill_id": "77a"}),
        ("cancel", {"id": ""}),
        ("cancel", {"id": Secret("1")}),
        ("payment_link", {**LINK, "redirect_uri": "shop.test"}),
        ("payment_link", {**LINK, "call_uri": "https://"}),
    ],
)
async def test_arguments_that_cannot_be_are_not_sent(
    server: RawServer, pod: Pod, operation: str, arguments: Mapping[str, Value]
) -> None:
    """The mistake is named."""
    with pytest.raises(BadInput):
        await pod.ask(operation, arguments)
    assert server.seen == []


async def test_services_may_have_keys_and_numbers_of_their_own(server: RawServer) -> None:
    """As the provider's panel lists them; its own sandbox numbers the payment link otherwise."""
    provider = Pod(
        settings(
            server.url,
            api_keys={"payment_link": Secret("other")},
            products={**PRODUCTS, "payment_link": "217462"},
            path="/nzh",
            token_issuer="2",
        )
    )
    server.behave = says(envelope("https://a.test/x"))
    await provider.ask("payment_link", LINK)
    await provider.close()
    assert server.seen[0].target == "/nzh" and server.seen[0].headers["_token_issuer_"] == "2"
    assert (form(server.seen[0])["scApiKey"], form(server.seen[0])["scProductId"]) == ("other", "217462")


async def test_the_mapping_of_codes_is_configuration(server: RawServer) -> None:
    """A code that the document does not have."""
    provider = Pod(settings(server.url, error_exits={"150": "refused"}))
    server.behave = says(error(150))
    assert (await provider.ask("pay_bill", BILL)).outcome is Outcome.DECLINED
    await provider.close()


def test_what_may_be_asked_again_is_declared() -> None:
    """Only the wallet moves money out, only a cancellation brings it back."""
    roles = {name: operation.role for name, operation in OPERATIONS.items()}
    assert [name for name, role in roles.items() if role is Role.CHARGE] == ["pay_bill"]
    assert [name for name, role in roles.items() if role is Role.REVERSAL] == ["cancel"]
    assert [name for name, role in roles.items() if role is Role.INQUIRY] == ["bill_status"]


def test_settings_that_cannot_work_are_refused_at_the_start() -> None:
    """Not in the middle of a call."""
    good = settings("http://h")
    assert (good.token.reveal(), good.api_key.reveal()) == (TOKEN, KEY)
    bad: list[dict[str, Any]] = [
        {"token": Secret("  ")},
        {"api_key": Secret("a\r\nb")},
        {"api_keys": {"no_such": Secret("x")}},
        {"products": {"no_such": "1"}},
        {"path": "no-slash"},
        {"pay_host": "pay.pod.ir"},
        {"redirect_uri": "shop"},
        {"error_exits": {"1": "paid"}},
        {"absent_after": 0.0},
    ]
    for change in bad:
        with pytest.raises(BadInput):
            replace(good, **change)


async def test_one_line_in_the_log_and_no_value_in_it(server: RawServer) -> None:
    """How long and how it ended; no bill, no credential, neither there nor in an error."""
    provider = Pod(settings(server.url))
    with capture_logs() as lines:
        server.behave = says(envelope(RECORD))
        await provider.ask("pay_bill", BILL)
        server.behave = raw.resets
        with pytest.raises(OutcomeUnknown) as caught:
            await provider.ask("pay_bill", BILL)
    await provider.close()
    assert [(line["event"], line["result"]) for line in lines] == [
        ("provider_asked", "paid"),
        ("provider_asked", "unknown"),
    ]
    for text in (repr(lines), repr(caught.value), repr(caught.value.__context__), repr(settings("http://h"))):
        for private in (TOKEN, KEY, BILL["bill_id"], BILL["payment_id"]):
            assert private not in text
