"""Behpardakht Mellat's contract, sample by sample as its document has them, against a server that says those bytes."""

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable, Unusable
from ivr.domain.operations import Kind, Outcome, Role
from ivr.domain.secret import Secret
from ivr.payments.port import Provider, Reply, Value
from ivr.payments.state import Payment, State
from ivr.prompts.catalogue import Catalogue
from ivr.providers.mellat_codes import DECLINES, GATEWAY_REFUSED, PROMPTS
from ivr.providers.paystar_mellat import OPERATIONS, PaystarMellat, PaystarMellatSettings
from ivr.runtime.http_client import HttpSettings
from tests.providers import raw_server as raw
from tests.providers.raw_server import RawServer, says

SEQUENCE = "acd54b56ddd651a5cc3v"
PAN = "5022000012340000"
"""The document's sample; it fails Luhn, and is sent all the same: whoever asks for a card checks it."""
OTP = "12345"

OTP_SENT = '{\n"status": 1,\n"data": [],\n"errors": []\n}'
PAID = '{"status": 1, "data": {"refID": "214365870912"}, "errors": []}'
DECLINED = '{"status": 0, "data": {"refID": "0", "transactionStatus": "%s"}, "errors": []}'

ARGUMENTS: Mapping[str, Mapping[str, Value]] = {
    "request_otp": {"amount": 50000, "card": Secret(PAN), "order_id": "123456"},
    "pay": {
        "amount": 500000,
        "card": Secret(PAN),
        "otp": Secret(OTP),
        "order_id": "123456",
        "caller": "+989123456789",
    },
    "pay_by_panel": {"card": Secret(PAN), "otp": Secret(OTP), "invoice_id": "123456", "caller": "+989123456789"},
}
CHARGES = ("pay", "pay_by_panel")

EXITS = {
    "3": "give_up", "5": "give_up", "13": "give_up", "14": "another_card", "20": "unknown", "21": "give_up",
    "42": "another_card", "51": "another_card", "54": "another_card", "55": "new_otp", "57": "another_card",
    "61": "another_card", "62": "another_card", "63": "give_up", "75": "another_card", "78": "another_card",
    "80": "unknown", "90": "unknown", "91": "unknown", "94": "unknown",
}  # fmt: skip
"""The table of the document, and what a caller can do about each."""


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer(says({})) as running:
        yield running


@pytest.fixture
async def mellat(server: RawServer) -> AsyncIterator[PaystarMellat]:
    provider = PaystarMellat(settings(server.url))
    yield provider
    await provider.close()


def settings(url: str, **more: Any) -> PaystarMellatSettings:
    """With the space in the sequence that the document's own sample has."""
    return PaystarMellatSettings(
        HttpSettings(url, connect_seconds=0.5, read_seconds=0.2), Secret(f" {SEQUENCE}"), **more
    )


async def pay(provider: PaystarMellat, operation: str = "pay", **change: Value) -> Reply:
    return await provider.ask(operation, {**ARGUMENTS[operation], **change})


async def test_a_password_is_asked_for_as_in_the_document(server: RawServer, mellat: PaystarMellat) -> None:
    """The payer gets an SMS."""
    provider: Provider = mellat
    server.behave = says(OTP_SENT)
    assert await provider.ask("request_otp", ARGUMENTS["request_otp"]) == Reply("ok")
    seen = server.seen[0]
    assert (seen.method, seen.target) == ("POST", "/api/ivr/bpm/otp-v2")
    assert seen.headers["content-type"] == "application/json"
    assert seen.json == {"amount": 50000, "pan": PAN, "order_id": "123456", "sequence": SEQUENCE}


async def test_paying_by_phone_as_in_the_document(server: RawServer, mellat: PaystarMellat) -> None:
    """The caller hears the reference; each field goes out once, in the document's type."""
    server.behave = says(PAID)
    reply = await pay(mellat)
    assert reply == Reply("approved", {"reference": "214365870912"}, Outcome.APPROVED, "1", "214365870912")
    assert (server.seen[0].method, server.seen[0].target) == ("POST", "/api/ivr/bpm/pay")
    assert server.seen[0].json == {
        "ivr": 1,
        "pan": PAN,
        "pin": OTP,
        "amount": 500000,
        "order_id": "123456",
        "merchant_cid": "+989123456789",
        "sequence": SEQUENCE,
    }


async def test_paying_by_panel_as_in_the_document(server: RawServer, mellat: PaystarMellat) -> None:
    """The same with the invoice in place of order and amount."""
    server.behave = says(PAID)
    assert (await pay(mellat, "pay_by_panel")).outcome is Outcome.APPROVED
    assert server.seen[0].json == {
        "ivr": 0,
        "pan": PAN,
        "pin": OTP,
        "invoice_id": "123456",
        "merchant_cid": "+989123456789",
        "sequence": SEQUENCE,
    }


@pytest.mark.parametrize(
    ("caller", "sent"),
    [
        ("09123456789", "+989123456789"),
        ("9123456789", "+989123456789"),
        ("00989123456789", "+989123456789"),
        ("۰۹۱۲۳۴۵۶۷۸۹", "+989123456789"),
        ("02191071390", "02191071390"),
    ],
)
async def test_the_payers_number_goes_out_as_the_sample_has_it(
    server: RawServer, mellat: PaystarMellat, caller: str, sent: str
) -> None:
    """Whichever way the network wrote a mobile; any other number as it is."""
    server.behave = says(PAID)
    await pay(mellat, caller=caller)
    assert server.seen[0].json["merchant_cid"] == sent  # type: ignore[index]


@pytest.mark.parametrize("operation", CHARGES)
@pytest.mark.parametrize(
    "answer",
    [
        '{"status": "1", "data": {"refID": 214365870912}}',
        '{"status ": 1, "data ": {"refID ": " 214365870912 "}, "errors": {}}',
        '{"status": "۱", "data": [{"refID": "۲۱۴۳۶۵۸۷۰۹۱۲"}]}',
        '{"status": 1, "data": "214365870912", "errors": null}',
        '{"status": 1, "data": ["214365870912"]}',
        '{"status": 1, "data": {"refId": "214365870912", "transactionStatus": "0"}}',
        '{"status": 1, "data": [], "refID": "214365870912"}',
        '{"status": 1, "data": {"refID": "214365870912", "transactionStatus": null}}',
        '\ufeff{"status": 1, "data": {"refID": "214365870912"}}',
    ],
)
async def test_other_forms_of_paid(server: RawServer, mellat: PaystarMellat, operation: str, answer: str) -> None:
    """An answer that means the same is read the same."""
    server.behave = says(answer)
    assert (await pay(mellat, operation)).values == {"reference": "214365870912"}


async def test_a_wrong_content_type_is_read_by_what_it_holds(server: RawServer, mellat: PaystarMellat) -> None:
    """The money is taken whatever the header says."""
    server.behave = says(PAID, kind="text/html; charset=utf-8")
    assert (await pay(mellat)).outcome is Outcome.APPROVED


async def test_a_reference_with_letters_is_paid_and_kept(server: RawServer, mellat: PaystarMellat) -> None:
    """It cannot be read digit by digit, so flows get none to read; the books have it."""
    server.behave = says('{"status": 1, "data": {"refID": "AF82D204DAB7B2B8"}}')
    reply = await pay(mellat)
    assert (reply.exit, reply.outcome, reply.values) == ("approved_unreadable", Outcome.APPROVED, {})
    assert reply.reference == "AF82D204DAB7B2B8"


@pytest.mark.parametrize("operation", CHARGES)
@pytest.mark.parametrize("code", EXITS)
async def test_each_code_has_its_way_on(server: RawServer, mellat: PaystarMellat, operation: str, code: str) -> None:
    """Another card, a new password, or the end; never "not paid" where nobody can know."""
    server.behave = says(DECLINED % code)
    reply = await pay(mellat, operation)
    assert (reply.exit, reply.code, reply.reference) == (EXITS[code], code, None)
    if EXITS[code] == "unknown":
        assert (reply.outcome, reply.values) == (Outcome.UNKNOWN, {})
    else:
        assert reply.outcome is Outcome.DECLINED
        assert reply.values == {"reason": DECLINES[code].reason, "code": code}


@pytest.mark.parametrize(
    "answer",
    [
        '{"status": "0", "data": {"refID": 0, "transactionStatus": 51}}',
        '{"status": 0, "data ": [{"refID ": "0", "transactionStatus ": " 51"}]}',
        '{"status": "۰", "data": {"refID": "۰", "transactionStatus": "۵۱"}}',
        '{"status": 0, "data": "51"}',
        '{"status": 0, "data": ["51"]}',
        '{"status": 0, "data": [], "transactionStatus": "51", "refID": null}',
        '{"status": 0, "data": {"refID": "", "transactionstatus": "51"}, "errors": ["موجودی کافی نیست"]}',
    ],
)
async def test_other_forms_of_declined(server: RawServer, mellat: PaystarMellat, answer: str) -> None:
    """An answer that means the same is read the same."""
    server.behave = says(answer)
    assert await pay(mellat) == Reply(
        "another_card", {"reason": "insufficient_funds", "code": "51"}, Outcome.DECLINED, "51"
    )


async def test_a_decline_under_a_4xx_is_a_decline(server: RawServer, mellat: PaystarMellat) -> None:
    """The code says it, the status of HTTP does not take it back."""
    server.behave = says(DECLINED % "55", "400 Bad Request")
    assert (await pay(mellat)).exit == "new_otp"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (DECLINED % "99", "99"),
        (DECLINED % "055", "055"),
        (DECLINED % "خطا", "unreadable"),
        ('{"status": 0, "data": [], "errors": [51]}', "51"),
        ('{"status": 0, "data": []}', "http_200"),
        ('{"status": 0, "data": {"refID": "214365870912", "transactionStatus": "51"}}', "51"),
        ('{"status": 2, "data": {"refID": "0", "transactionStatus": "51"}}', "51"),
        ('{"data": {"refID": "0", "transactionStatus": "51"}}', "51"),
        ('{"status": true, "data": {"refID": "214365870912"}}', "http_200"),
        ('{"status": 1, "data": {"refID": "0"}}', "http_200"),
        ('{"status": 1, "data": []}', "http_200"),
        ('{"status": 1, "data": {"refID": "214365870912", "transactionStatus": "80"}}', "80"),
        ('{"status": 1, "data": {"refID": "214365870912"}, "errors": [7]}', "7"),
        (f'{{"status": 1, "data": {{"refID": "{PAN}"}}}}', "http_200"),
        (f'{{"status": 0, "errors": ["pin-{OTP}"]}}', "unreadable"),
        ("{}", "http_200"),
    ],
)
async def test_an_answer_that_proves_nothing_is_unknown_and_keeps_its_code(
    server: RawServer, mellat: PaystarMellat, answer: str, code: str
) -> None:
    """New codes, contradictions, echoes: the caller is not charged again, and a person sees what the bank said."""
    server.behave = says(answer)
    reply = await pay(mellat)
    assert (reply.exit, reply.outcome, reply.code, reply.reference) == ("unknown", Outcome.UNKNOWN, code, None)


@pytest.mark.parametrize(
    "answer",
    [
        "", "null", "[]", "1", "<html>", '{"status": 1, "data": {"refID": "21', '{"status": 1, "status": 0}',
        '{"status": 1, "data": {"refID": "1234", "refID ": "1235"}}', '{"status": 1, "data": {"refID": ["1"]}}',
        '{"status": 1, "refID": "1", "data": {"refID": "2"}}', '{"status": 1, "data": {"refID": "1\\r\\n2"}}',
        '{"status": 0, "data": {"transactionStatus": {"a": 1}}}',
        '{"status": 1, "data": {"refID": "%s"}}' % ("9" * 41),
    ],
)  # fmt: skip
async def test_an_answer_that_cannot_be_read_is_unknown(server: RawServer, mellat: PaystarMellat, answer: str) -> None:
    """Empty, HTML, half, or saying two things at once."""
    server.behave = says(answer)
    with pytest.raises(OutcomeUnknown):
        await pay(mellat)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", ["401 Unauthorized", "403 Forbidden", "422 Unprocessable Content"])
async def test_what_is_turned_away_at_the_door_met_no_bank(
    server: RawServer, mellat: PaystarMellat, status: str
) -> None:
    """The gateway does not know us, or our request is malformed: nothing was taken, and no card would help."""
    server.behave = says('{"status": 0, "errors": {"pin": ["the pin field is required"]}}', status)
    reply = await pay(mellat)
    assert (reply.exit, reply.outcome) == ("give_up", Outcome.DECLINED)
    assert reply.values == {"reason": GATEWAY_REFUSED, "code": "unreadable"}
    assert await mellat.ask("request_otp", ARGUMENTS["request_otp"]) == Reply(
        "give_up", {"reason": GATEWAY_REFUSED, "code": "unreadable"}, code="unreadable"
    )


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "408 Timeout", "409 Conflict", "429 Slow"])
async def test_any_other_4xx_proves_nothing_about_a_payment(
    server: RawServer, mellat: PaystarMellat, status: str
) -> None:
    """A gateway may say 400 because the bank did not answer it."""
    server.behave = says('{"status": 0, "data": []}', status)
    reply = await pay(mellat)
    assert (reply.outcome, reply.code) == (Outcome.UNKNOWN, f"http_{status[:3]}")


@pytest.mark.parametrize(
    ("answer", "exit", "reason", "code"),
    [
        ('{"status": 0, "data": [], "errors": [14]}', "another_card", "card_invalid", "14"),
        ('{"status": 0, "data": {"transactionStatus": "57"}}', "another_card", "card_not_permitted", "57"),
        ('{"status": "۰", "data ": [], "errors": ["۶۱"]}', "another_card", "limit_reached", "61"),
        ('{"status": 0, "errors": [80]}', "give_up", "system_error", "80"),
        ('{"status": 0, "errors": [63]}', "give_up", "terminal_invalid", "63"),
        ('{"status": 7, "data": []}', "give_up", GATEWAY_REFUSED, "7"),
        ('{"status": 0, "errors": ["کارت"]}', "give_up", GATEWAY_REFUSED, "unreadable"),
        ('{"status": 0}', "give_up", GATEWAY_REFUSED, "0"),
    ],
)
async def test_a_password_that_is_not_sent(
    server: RawServer, mellat: PaystarMellat, answer: str, exit: str, reason: str, code: str
) -> None:
    """Anything but status 1: the caller hears why, and need not wait for an SMS."""
    server.behave = says(answer)
    reply = await mellat.ask("request_otp", ARGUMENTS["request_otp"])
    assert reply == Reply(exit, {"reason": reason, "code": code}, code=code)


@pytest.mark.parametrize("answer", ["", "{}", "<html>", '{"status": 1, "errors": [14]}', '{"status": 1, "status": 2}'])
async def test_nobody_knows_whether_a_password_was_sent(server: RawServer, mellat: PaystarMellat, answer: str) -> None:
    """Neither yes nor no."""
    server.behave = says(answer)
    with pytest.raises(OutcomeUnknown):
        await mellat.ask("request_otp", ARGUMENTS["request_otp"])


@pytest.mark.parametrize(
    ("change", "exit", "reason"),
    [
        ({"card": Secret("60377")}, "another_card", "card_invalid"),
        ({"card": Secret("6037701689095443*")}, "another_card", "card_invalid"),
        ({"otp": Secret("1234")}, "new_otp", "wrong_otp"),
        ({"otp": Secret("1234#")}, "new_otp", "wrong_otp"),
    ],
)
async def test_what_cannot_be_a_card_or_a_password_is_declined_without_asking(
    server: RawServer, mellat: PaystarMellat, change: dict[str, Value], exit: str, reason: str
) -> None:
    """The bank counts wrong tries; these are none."""
    assert await mellat.ask("pay", {**ARGUMENTS["pay"], **change}) == Reply(
        exit, {"reason": reason, "code": ""}, Outcome.DECLINED
    )
    assert server.seen == []


async def test_persian_keys_are_digits(server: RawServer, mellat: PaystarMellat) -> None:
    """A card and a password typed on a Persian keyboard go out as the bank reads them."""
    server.behave = says(PAID)
    persian = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
    await pay(mellat, card=Secret(PAN.translate(persian)), otp=Secret(OTP.translate(persian)))
    sent = server.seen[0].json
    assert isinstance(sent, dict) and (sent["pan"], sent["pin"]) == (PAN, OTP)


async def test_how_long_a_password_is_can_be_said(server: RawServer) -> None:
    """The document does not."""
    provider = PaystarMellat(settings(server.url, otp_least=6, otp_most=8))
    server.behave = says(PAID)
    assert (await pay(provider)).exit == "new_otp"
    assert (await pay(provider, otp=Secret("123456"))).exit == "approved"
    await provider.close()


@pytest.mark.parametrize("operation", list(OPERATIONS))
@pytest.mark.parametrize(
    "behave",
    [
        raw.silent, raw.closes, raw.resets, raw.resets_mid_body, raw.closes_mid_body, raw.not_http, raw.ten_megabytes,
        says("<html>Bad gateway</html>", "502 Bad Gateway", "text/html"), says(PAID, "500 Oops"),
        says(PAID, "302 Found\r\nLocation: /"), says("<html>", "400 Bad Request", "text/html"),
    ],
)  # fmt: skip
async def test_whatever_happens_after_sending_is_unknown_and_nothing_is_sent_again(
    server: RawServer, mellat: PaystarMellat, operation: str, behave: raw.Behave
) -> None:
    """One request, whatever becomes of it."""
    server.behave = behave
    with pytest.raises(OutcomeUnknown):
        await mellat.ask(operation, ARGUMENTS[operation])
    assert len(server.seen) == 1


@pytest.mark.parametrize("operation", list(OPERATIONS))
async def test_every_operation_says_when_nothing_was_sent(operation: str) -> None:
    """A closed port: may be tried again, a payment too."""
    provider = PaystarMellat(settings(f"http://127.0.0.1:{raw.free_port()}"))
    with pytest.raises(ProviderUnreachable):
        await provider.ask(operation, ARGUMENTS[operation])
    with pytest.raises(Unusable, match="paystar_mellat does not answer"):
        await provider.check()
    await provider.close()


async def test_there_is_no_inquiry(server: RawServer, mellat: PaystarMellat) -> None:
    """Nothing is asked: a person decides, or the bank's list."""
    payment = Payment("p", "c", "mellat", "123456", None, 500000, State.UNKNOWN)
    reply = await mellat.inquire(payment)
    assert (reply.outcome, reply.code, server.seen) == (Outcome.UNKNOWN, "no_inquiry", [])


def test_each_operation_says_what_may_be_done_when_no_answer_came() -> None:
    """Nothing here is sent again by a program, and nothing can be inquired about."""
    for operation in OPERATIONS.values():
        assert not operation.repeatable and operation.inquiry is None and operation.unknown_when
    assert {name for name, one in OPERATIONS.items() if one.role is Role.CHARGE} == set(CHARGES)
    for name in ("card", "otp"):
        assert OPERATIONS["pay"].arguments[name].kind is Kind.SECRET


def test_flows_know_what_comes_with_which_answer() -> None:
    """A reference only when it was paid and can be read, a reason only when it was not."""
    operation = OPERATIONS["pay"]
    assert operation.comes_with("approved") == {"reference"}
    assert operation.comes_with("another_card") == {"reason", "code"}
    assert operation.comes_with("approved_unreadable") == operation.comes_with("unknown") == frozenset()


def test_all_twenty_codes_have_words_and_a_prompt_in_both_languages() -> None:
    """Every decline can be said."""
    catalogue = Catalogue.load(Path(__file__).parents[2] / "prompts")
    assert DECLINES.keys() == EXITS.keys()
    prompts = [decline.prompt for decline in DECLINES.values()]
    assert len(set(prompts)) == 20
    for prompt in (*prompts, f"{PROMPTS}/{GATEWAY_REFUSED}"):
        assert prompt in catalogue
    for decline in DECLINES.values():
        assert re.search("[آ-ی]", decline.fa) and decline.en.isascii()


@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("no_such", {}),
        ("pay", {}),
        ("pay", {**ARGUMENTS["pay"], "card": PAN}),
        ("pay", {**ARGUMENTS["pay"], "otp": Secret("1" * 13)}),
        ("pay", {**ARGUMENTS["pay"], "caller": "anonymous"}),
        ("pay", {**ARGUMENTS["pay"], "amount": 0}),
        ("pay", {**ARGUMENTS["pay"], "invoice_id": "1"}),
        ("pay_by_panel", {**ARGUMENTS["pay_by_panel"], "order_id": "1"}),
        ("request_otp", {**ARGUMENTS["request_otp"], "order_id": "1\n2"}),
    ],
)
async def test_arguments_that_cannot_be_are_not_sent(
    server: RawServer, mellat: PaystarMellat, operation: str, arguments: Mapping[str, Value]
) -> None:
    """The mistake is named; the value is not."""
    with pytest.raises(BadInput) as caught:
        await mellat.ask(operation, arguments)
    assert server.seen == [] and PAN not in str(caught.value)


def test_settings_that_cannot_work_are_refused_at_the_start() -> None:
    """Not in the middle of a call."""
    good = settings("http://h")
    assert good.sequence.reveal() == SEQUENCE
    bad: list[dict[str, Any]] = [
        {"sequence": Secret("  ")},
        {"sequence": Secret("a\nb")},
        {"pay_path": "no-slash"},
        {"otp_least": 0},
        {"otp_least": 9, "otp_most": 8},
        {"otp_most": 13},
    ]
    for change in bad:
        with pytest.raises(BadInput):
            replace(good, **change)


async def test_check_sends_nothing_of_ours(server: RawServer, mellat: PaystarMellat) -> None:
    """Health costs nothing and changes nothing."""
    server.behave = says("", "404 Not Found")
    await mellat.check()
    assert (server.seen[0].method, server.seen[0].body) == ("HEAD", b"")
    server.behave = says("", "503 Service Unavailable")
    with pytest.raises(Unusable, match="HTTP 503"):
        await mellat.check()


async def test_no_card_no_password_and_no_credential_anywhere(server: RawServer) -> None:
    """Not in the log, an error, its chain or its frames, nor in what a payment's answer brings back."""
    provider = PaystarMellat(settings(server.url))
    texts = [repr(settings("http://h")), repr(ARGUMENTS)]
    echo = (
        f'{{"status": 0, "pan": "{PAN}", "data": {{"refID": "0", "transactionStatus": "{PAN}"}}, "errors": ["{OTP}"]}}'
    )
    with capture_logs() as lines:
        for behave in (says(PAID), says(echo), says(echo, "422 No"), raw.resets, raw.silent, says("<html>")):
            server.behave = behave
            for operation in OPERATIONS:
                try:
                    texts.append(repr(await provider.ask(operation, ARGUMENTS[operation])))
                except OutcomeUnknown as error:
                    texts += [repr(error), repr(error.__context__), repr(error.__cause__), *_frames(error)]
    await provider.close()
    assert len(lines) == 18
    for text in (*texts, repr(lines)):
        for private in (SEQUENCE, PAN, f"'{OTP}'", f'"{OTP}"'):
            assert private not in text


def _frames(error: BaseException) -> list[str]:
    """What a crash report would show of our own client's variables, the bytes that left excepted."""
    found, trace = [], error.__traceback__
    while trace is not None:
        if "providers" in trace.tb_frame.f_code.co_filename and "tests" not in trace.tb_frame.f_code.co_filename:
            found += [repr(value) for value in trace.tb_frame.f_locals.values() if not isinstance(value, bytes)]
        trace = trace.tb_next
    return found
