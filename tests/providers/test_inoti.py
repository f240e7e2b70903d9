"""iNoti's verification service, against a server that says exactly those bytes."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from html import escape
from typing import Any

import pytest
from lxml import etree
from structlog.testing import capture_logs

from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable, Unusable
from ivr.domain.operations import Outcome, Role
from ivr.domain.secret import Secret
from ivr.payments.port import Provider, Reply, Value, Verifier
from ivr.payments.state import Payment, State
from ivr.providers.inoti import OPERATIONS, Claim, Inoti, InotiSettings
from ivr.providers.inoti_wire import paid_at
from ivr.runtime.http_client import HttpSettings
from tests.clock import Clock
from tests.providers import raw_server as raw
from tests.providers.raw_server import RawServer, Seen, says

USER, PASSWORD = "inoti-user-31", "inoti-<&>-password"
ASK: Mapping[str, Value] = {
    "session": "123",
    "mobile": "09121234567",
    "amount": 160000,
    "our_factor": "42",
    "their_factor": "7654321",
    "rrn": "123456789012",
}
RECORD: Mapping[str, object] = {
    "PayID": 1,
    "SessionID": "123",
    "RefKeyBank": "ref-۱",
    "Mobile": "09121234567",
    "Price": 160000.0,
    "Result": "OK",
    "PayDateTime": "2025-03-20T12:30:00",
    "InotiFactorID": 7654321,
    "YourFactorID": "42",
    "RRN": 123456789012,
}
VERIFIED = Reply(
    "verified",
    {"rrn": "123456789012", "paid_at": "2025-03-20T12:30:00+03:30", "receipt": "ref-1"},
    Outcome.APPROVED,
    "1",
    "123456789012",
    of_invoice=True,
    receipt="ref-1",
)
OF_THIS_TRY = replace(VERIFIED, of_invoice=False)
"""A session's own record says what became of that session's payment."""
SOAP = '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>{}</soap:Body></soap:Envelope>'


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer(says("")) as running:
        yield running


@pytest.fixture
async def inoti(server: RawServer) -> AsyncIterator[Inoti]:
    provider = Inoti(settings(server.url))
    yield provider
    await provider.close()


def settings(url: str, **more: Any) -> InotiSettings:
    http = HttpSettings(url, connect_seconds=0.5, read_seconds=0.3)
    return InotiSettings(http, Secret(f" {USER}"), Secret(f"{PASSWORD}\n"), "*6655*123#", **more)


def returned(text: str) -> str:
    """The SOAP answer that holds this text."""
    inner = f"<GetPaymentsResult>{escape(text, quote=False)}</GetPaymentsResult>"
    return SOAP.format(f'<GetPaymentsResponse xmlns="http://tempuri.org/">{inner}</GetPaymentsResponse>')


def records(*found: Mapping[str, object]) -> raw.Behave:
    return says(returned(json.dumps(found)), kind="text/xml; charset=utf-8")


def record(**changes: object) -> dict[str, object]:
    return {**RECORD, **changes}


def sent(seen: Seen) -> dict[str, str]:
    """The fields of GetPayments as they came over the wire, in their order."""
    envelope = etree.fromstring(seen.body)
    (call,) = envelope.findall("{http://schemas.xmlsoap.org/soap/envelope/}Body/{http://tempuri.org/}GetPayments")
    return {etree.QName(each).localname: each.text or "" for each in call}


async def test_a_payment_is_verified(server: RawServer, inoti: Inoti) -> None:
    """One record that agrees in everything: the books may approve the invoice, once."""
    provider: Provider = inoti
    server.behave = records(RECORD)
    assert await provider.ask("verify_payment", ASK) == VERIFIED
    seen = server.seen[0]
    assert (seen.method, seen.target) == ("POST", "/_services/ExternalUssdPay.asmx")
    assert seen.headers["content-type"] == "text/xml; charset=utf-8"
    assert seen.headers["soapaction"] == '"http://tempuri.org/GetPayments"'
    assert sent(seen) == {
        "Username": USER,
        "Password": PASSWORD,
        "CodeName": "*6655*123#",
        "IsAll": "false",
        "DateFrom": "",
        "DateTo": "",
        "SessionID": "123",
        "PriceFrom": "160000",
        "PriceTo": "160000",
        "Mobile": "09121234567",
        "RefKey": "",
        "iNotiFactorID": "7654321",
        "YourFactorID": "42",
        "RRN": "123456789012",
        "NullResult": "[]",
    }


@pytest.mark.parametrize(
    "changes",
    [
        {"Price": 160000},
        {"Price": "160000.00"},
        {"Price": "۱۶۰۰۰۰"},
        {"Mobile": "+989121234567"},
        {"Mobile": 989121234567},
        {"InotiFactorID": "7654321", "RRN": "0123456789012"},
        {"SessionID": 123, "YourFactorID": 42},
        {"SessionID": "۱۲۳ "},
        {"PayDateTime": "2025-03-20 12:30"},
        {"PayDateTime": "1403/12/30 12:30:00"},
        {"PayDateTime": "/Date(1742461200000)/"},
        {"More": {"a": [1]}},
    ],
)
async def test_other_forms_of_the_same_record(server: RawServer, inoti: Inoti, changes: Any) -> None:
    """A record that means the same is read the same."""
    server.behave = records(record(**changes))
    assert await inoti.ask("verify_payment", ASK) == VERIFIED


async def test_keys_in_any_case_and_one_record_without_a_list(server: RawServer, inoti: Inoti) -> None:
    """As careless servers write them."""
    server.behave = says(returned(json.dumps({f"{key.upper()} ": value for key, value in RECORD.items()})))
    assert await inoti.ask("verify_payment", ASK) == VERIFIED


async def test_numbers_of_the_callback_in_other_forms(server: RawServer, inoti: Inoti) -> None:
    """Persian digits, zeros in front, a country code."""
    server.behave = records(RECORD)
    other = {**ASK, "mobile": "989121234567", "rrn": "۰۱۲۳۴۵۶۷۸۹۰۱۲", "amount": "160,000"}
    assert await inoti.ask("verify_payment", other) == VERIFIED
    assert (sent(server.seen[0])["Mobile"], sent(server.seen[0])["RRN"]) == ("09121234567", "123456789012")


NEAR: list[dict[str, object]] = [
    {"SessionID": "124"},
    {"SessionID": None},
    {"Mobile": "09121234568"},
    {"Mobile": "0912123456"},
    {"Mobile": ""},
    {"Price": 160001},
    {"Price": 16000},
    {"Price": 160000.5},
    {"Price": -160000},
    {"Price": None},
    {"Price": True},
    {"Price": "1.6E5"},
    {"InotiFactorID": 7654322},
    {"InotiFactorID": 0},
    {"InotiFactorID": None},
    {"YourFactorID": "43"},
    {"YourFactorID": "042"},
    {"RRN": 123456789013},
    {"RRN": 0},
    {"RRN": ""},
    {"RRN": [123456789012]},
]


@pytest.mark.parametrize("changes", NEAR)
async def test_a_record_that_nearly_agrees_is_none(server: RawServer, inoti: Inoti, changes: Any) -> None:
    """Somebody else's payment, another amount, a forged callback: nothing is settled, nothing declined."""
    server.behave = records(record(**changes))
    near = Reply("not_verified", {}, Outcome.UNKNOWN, code="near", of_invoice=True)
    assert await inoti.ask("verify_payment", ASK) == near
    server.behave = records(record(**changes), RECORD)
    assert await inoti.ask("verify_payment", ASK) == VERIFIED


async def test_two_records_that_agree_settle_nothing(server: RawServer, inoti: Inoti) -> None:
    """Exactly one, or a person looks."""
    server.behave = records(RECORD, RECORD)
    reply = await inoti.ask("verify_payment", ASK)
    assert (reply.exit, reply.outcome, reply.code) == ("not_verified", Outcome.UNKNOWN, "several")
    assert not reply.not_paid


@pytest.mark.parametrize("text", ["[]", " [ ] ", "null", "\ufeff[]", "هیچ"])
async def test_no_record(server: RawServer, text: str) -> None:
    """Our own word for nothing, or an empty list."""
    provider = Inoti(settings(server.url, null_result="هیچ"))
    server.behave = says(returned(text))
    reply = await provider.ask("verify_payment", ASK)
    await provider.close()
    assert (reply.outcome, reply.code, reply.not_paid) == (Outcome.UNKNOWN, "none", True)
    assert sent(server.seen[0])["NullResult"] == "هیچ"


BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">' + "".join(
    f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
)
RESULT = returned(json.dumps([RECORD]))


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<html><body>login</body></html>",
        "not XML",
        json.dumps([RECORD]),
        RESULT[: len(RESULT) // 2],
        f"{BOMB}]>{SOAP.format('<x>&j;</x>')}",
        f'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]>{RESULT.replace("OK", "&x;")}',
        f'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd">{RESULT}',
        RESULT.replace("OK", "&unknown;"),
        "<a>" * 10_000,
        SOAP.format(""),
        SOAP.format("<x/>"),
        SOAP.format('<GetPaymentsResponse xmlns="http://tempuri.org/"/>'),
        SOAP.format(
            '<GetPaymentsResponse xmlns="urn:other"><GetPaymentsResult>[]</GetPaymentsResult></GetPaymentsResponse>'
        ),
        SOAP.format("<soap:Fault><faultcode>soap:Server</faultcode><faultstring>no</faultstring></soap:Fault>"),
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"/>',
        returned("نام کاربری نامعتبر است"),
        returned("[1]"),
        returned('"x"'),
        returned("1"),
        returned("["),
        returned("[" * 20_000),
        returned('[{"RRN": 1, "rrn": 2}]'),
        returned(json.dumps([RECORD])[:-1]),
        returned(json.dumps([{}] * 201)),
        RESULT.encode("utf-16"),
        b"\xff\xfe\x00",
    ],
    ids=range(27),
)
async def test_an_answer_that_cannot_be_read_decides_nothing(
    server: RawServer, inoti: Inoti, body: str | bytes
) -> None:
    """Entity bombs, files, broken SOAP, broken JSON: unknown at once, and asked again later."""
    server.behave = says(body, kind="text/xml")
    try:
        reply = await inoti.ask("verify_payment", ASK)
    except OutcomeUnknown as told:
        assert "RRN" not in str(told) and told.__context__ is None
    else:
        assert body == RESULT.encode("utf-16") and reply == VERIFIED  # a byte order mark is XML's own business


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/octet-stream", "multipart/related"])
async def test_the_content_type_does_not_matter(server: RawServer, inoti: Inoti, kind: str) -> None:
    """What it is says the body."""
    server.behave = says(RESULT, kind=kind)
    assert await inoti.ask("verify_payment", ASK) == VERIFIED


@pytest.mark.parametrize(
    "behave",
    [
        raw.silent,
        raw.closes,
        raw.resets_mid_body,
        raw.ten_megabytes,
        raw.ten_megabytes_chunked,
        raw.drips,
        says(RESULT, "500 Internal Server Error", "text/xml"),
        says(RESULT, "202 Accepted", "text/xml"),
        says("", "401 Unauthorized"),
        says("", "302 Found\r\nLocation: /"),
    ],
)
async def test_no_whole_answer(server: RawServer, behave: raw.Behave) -> None:
    """Unknown, and asked once."""
    http = HttpSettings(server.url, read_seconds=0.3, total_seconds=1.0)
    provider = Inoti(replace(settings(server.url), http=http))
    server.behave = behave
    with pytest.raises(OutcomeUnknown):
        await provider.ask("verify_payment", ASK)
    await provider.close()
    assert len(server.seen) == 1


async def test_nothing_was_sent() -> None:
    """A closed port: may be asked again."""
    provider = Inoti(settings(f"http://127.0.0.1:{raw.free_port()}"))
    with pytest.raises(ProviderUnreachable):
        await provider.ask("verify_payment", ASK)
    with pytest.raises(Unusable, match="inoti does not answer"):
        await provider.check()
    await provider.close()


async def test_check_takes_any_answer(server: RawServer, inoti: Inoti) -> None:
    """Health costs nothing."""
    server.behave = says("", "404 Not Found")
    await inoti.check()
    assert server.seen[0].method == "HEAD" and server.seen[0].body == b""
    server.behave = says("", "503 Service Unavailable")
    with pytest.raises(Unusable, match="HTTP 503"):
        await inoti.check()


def payment(transaction_id: str | None, **changes: Any) -> Payment:
    return replace(Payment("p1", "c1", "inoti", "42", transaction_id, 160000, State.UNKNOWN), **changes)


async def test_an_inquiry_knows_what_the_callback_brought(server: RawServer, inoti: Inoti) -> None:
    """The books keep it in the transaction id."""
    claim = Claim("123", "09121234567", 160000, "42", "7654321", "123456789012")
    assert claim.transaction_id == "123|09121234567|7654321|123456789012"
    server.behave = records(RECORD)
    assert await inoti.inquire(payment(claim.transaction_id)) == OF_THIS_TRY
    server.behave = records(record(RRN=1))
    assert (await inoti.inquire(payment(claim.transaction_id))).outcome is Outcome.UNKNOWN


async def test_a_payment_whose_callback_never_came_is_found(server: RawServer, inoti: Inoti) -> None:
    """We were down when iNoti called: session, mobile, price and our factor id find it."""
    claim = Claim("123", "09121234567", 160000, "42")
    assert claim.transaction_id == "123|09121234567"
    server.behave = records(RECORD, record(YourFactorID="41", RRN=5))
    assert await inoti.inquire(payment(claim.transaction_id)) == OF_THIS_TRY
    assert (sent(server.seen[0])["iNotiFactorID"], sent(server.seen[0])["RRN"]) == ("", "")
    for unpaid in ({"RRN": 0}, {"InotiFactorID": 0}):
        server.behave = records(record(**unpaid))
        assert (await inoti.inquire(payment(claim.transaction_id))).outcome is Outcome.UNKNOWN


async def test_a_callback_is_verified(server: RawServer, inoti: Inoti) -> None:
    """With what it brought, beside what the books know; the books themselves need not keep it."""
    provider: Verifier = inoti
    server.behave = records(RECORD)
    said = {"their_factor": "۷۶۵۴۳۲۱", "rrn": "0123456789012"}
    assert await provider.verify(payment("123|09121234567"), said) == OF_THIS_TRY
    assert (sent(server.seen[0])["iNotiFactorID"], sent(server.seen[0])["RRN"]) == ("7654321", "123456789012")
    for forged in ({"rrn": "123456789013"}, {"their_factor": "1"}):
        reply = await provider.verify(payment("123|09121234567"), {**said, **forged})
        assert (reply.outcome, reply.code, reply.not_paid) == (Outcome.UNKNOWN, "near", False)


@pytest.mark.parametrize(
    "said", [{}, {"their_factor": "7"}, {"their_factor": "7", "rrn": "0"}, {"their_factor": "x", "rrn": "1"}]
)
async def test_a_callback_that_says_too_little(server: RawServer, inoti: Inoti, said: dict[str, str]) -> None:
    """Nobody is asked: it is not iNoti's."""
    reply = await inoti.verify(payment("123|09121234567"), said)
    assert (reply.outcome, server.seen) == (Outcome.UNKNOWN, [])


@pytest.mark.parametrize("receipt", [None, "", " "])
async def test_a_record_without_a_receipt(server: RawServer, inoti: Inoti, receipt: str | None) -> None:
    """Then the books have none."""
    server.behave = records(record(RefKeyBank=receipt))
    reply = await inoti.ask("verify_payment", ASK)
    assert reply.outcome is Outcome.APPROVED and reply.receipt is None


@pytest.mark.parametrize(
    ("transaction_id", "amount"),
    [(None, 1), ("", 1), ("123", 1), ("|0912", 1), ("1|2|3", 1), ("1|2|3|4|5", 1), ("1\x00|2", 1), ("1|2", None)],
)
async def test_a_payment_that_cannot_be_asked_about(
    server: RawServer, inoti: Inoti, transaction_id: str | None, amount: int | None
) -> None:
    """Left to people; nothing is asked that could find somebody else's."""
    reply = await inoti.inquire(payment(transaction_id, amount_rial=amount))
    assert (reply.outcome, reply.code, server.seen) == (Outcome.UNKNOWN, "no_inquiry", [])


@pytest.mark.parametrize(
    ("calendar", "form", "first", "last"),
    [
        ("none", "YYYY/MM/DD", "", ""),
        ("gregorian", "YYYY/MM/DD", "2023/11/12", "2023/11/16"),
        ("gregorian", "YYYY-MM-DD", "2023-11-12", "2023-11-16"),
        ("jalali", "YYYY/MM/DD", "1402/08/21", "1402/08/25"),
    ],
)
async def test_dates_are_sent_as_configured(server: RawServer, calendar: str, form: str, first: str, last: str) -> None:
    """The document names no form; the day is Tehran's, where it is already the 15th."""
    provider = Inoti(settings(server.url, calendar=calendar, date_form=form), clock=Clock(1_699_995_600.0))
    server.behave = records(RECORD)
    await provider.ask("verify_payment", ASK)
    await provider.close()
    assert (sent(server.seen[0])["DateFrom"], sent(server.seen[0])["DateTo"]) == (first, last)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2025-03-20T12:30:00.123", "2025-03-20T12:30:00+03:30"),
        ("2025-03-20T09:00:00Z", "2025-03-20T09:00:00+00:00"),
        ("2025-03-20T12:30:00+0330", "2025-03-20T12:30:00+03:30"),
        ("2025/3/20", "2025-03-20T00:00:00+03:30"),
        ("۱۴۰۳/۱۲/۳۰ ۱۲:۳۰", "2025-03-20T12:30:00+03:30"),
        ("1404-01-01", "2025-03-21T00:00:00+03:30"),
        ("/Date(1742461200000+0330)/", "2025-03-20T12:30:00+03:30"),
        ("/Date(999999999999999)/", ""),
        ("1404/12/30", ""),
        ("2025-02-30", ""),
        ("2025-03-20T25:00", ""),
        ("0000-00-00", ""),
        ("yesterday", ""),
        ("", ""),
        (None, ""),
        (1742461200000, ""),
    ],
)
def test_moments(written: object, read: str) -> None:
    """Either calendar; what cannot be read keeps nobody from being paid."""
    assert paid_at(written) == read


async def test_results_that_mean_paid_can_be_named(server: RawServer) -> None:
    """The document does not say what Result holds."""
    provider = Inoti(settings(server.url, paid_results=("OK",)))
    server.behave = records(RECORD)
    assert (await provider.ask("verify_payment", ASK)).exit == "verified"
    server.behave = records(record(Result="canceled"))
    assert (await provider.ask("verify_payment", ASK)).exit == "not_verified"
    await provider.close()


@pytest.mark.parametrize(
    ("operation", "change"),
    [
        ("get_payments", {}),
        ("verify_payment", {"rrn": ""}),
        ("verify_payment", {"rrn": "12x"}),
        ("verify_payment", {"their_factor": "1" * 21}),
        ("verify_payment", {"amount": 0}),
        ("verify_payment", {"session": "a\x00b"}),
        ("verify_payment", {"session": "x" * 65}),
    ],
)
async def test_arguments_that_cannot_be_are_not_sent(
    server: RawServer, inoti: Inoti, operation: str, change: Mapping[str, Value]
) -> None:
    """A forged callback holds anything."""
    with pytest.raises(BadInput):
        await inoti.ask(operation, {**ASK, **change})
    assert server.seen == []


def test_it_moves_no_money() -> None:
    """May be asked as often as anybody likes."""
    assert {operation.role for operation in OPERATIONS.values()} == {Role.INQUIRY}


def test_settings_that_cannot_work_are_refused_at_the_start() -> None:
    """Not when the first payer pays."""
    good = settings("http://h")
    assert (good.username.reveal(), good.password.reveal()) == (USER, PASSWORD)
    bad: list[dict[str, Any]] = [
        {"username": Secret(" ")},
        {"password": Secret("a\x00")},
        {"password": Secret("x" * 129)},
        {"code_name": " "},
        {"path": "x"},
        {"calendar": "lunar"},
        {"days": 0},
    ]
    for change in bad:
        with pytest.raises(BadInput):
            replace(good, **change)


async def test_one_line_in_the_log_and_no_value_in_it(server: RawServer, inoti: Inoti) -> None:
    """No number of a payer, no credential, neither there nor in an error."""
    with capture_logs() as lines:
        server.behave = records(RECORD)
        await inoti.ask("verify_payment", ASK)
        server.behave = says(returned(f"{PASSWORD} 09121234567"), kind="text/xml")
        with pytest.raises(OutcomeUnknown) as caught:
            await inoti.ask("verify_payment", ASK)
    assert [(line["event"], line["result"]) for line in lines] == [
        ("provider_asked", "verified"),
        ("provider_asked", "unknown"),
    ]
    for text in (repr(lines), repr(caught.value), repr(caught.value.__context__), repr(settings("http://h"))):
        for private in (USER, PASSWORD, "09121234567", "123456789012"):
            assert private not in text
