"""Behpardakht Mellat's role: a password by SMS, and an order that is paid once. Asked by the real client."""

from dataclasses import replace
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import OutcomeUnknown
from ivr.domain.operations import Outcome
from ivr.domain.secret import Secret
from ivr.payments.port import Reply, Value
from ivr.providers.mellat_codes import DECLINES
from ivr.providers.paystar_mellat import PaystarMellat, PaystarMellatSettings
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_CARDS, DEMO_GATEWAY, Gateway, SandboxSettings
from tests.clock import Clock
from tests.sandbox.conftest import http

CARD, OTHER_CARD, POOR_CARD = DEMO_CARDS
ORDER: dict[str, Value] = {"card": CARD.pan, "order_id": "123456", "amount": 500_000}
WRONG = Secret("00000000")


async def otp(sandbox: SandboxServer, mellat: PaystarMellat, **change: Value) -> Secret:
    """Have a password sent, and read it off the telephone."""
    order = {**ORDER, **change}
    assert (await mellat.ask("request_otp", order)).exit == "ok"
    sms = sandbox.sms.last(str(order["order_id"]))
    assert sms is not None
    return Secret(sms.code)


async def pay(mellat: PaystarMellat, password: Secret, **change: Value) -> Reply:
    return await mellat.ask("pay", {**ORDER, "otp": password, "caller": "09121234567", **change})


async def test_a_password_comes_by_sms_and_pays(
    sandbox: SandboxServer, mellat: PaystarMellat, web: aiohttp.ClientSession
) -> None:
    """On the page, by API, and good for one payment; the money leaves the card, and the bank's list has it."""
    await mellat.ask("request_otp", ORDER)
    async with web.get(f"{sandbox.admin_url}/_sandbox/sms", params={"about": "123456"}) as answer:
        (sms,) = (await answer.json())["sms"]
    assert (sms["to"], len(sms["code"])) == ("603799******0006", 6)
    async with web.get(f"{sandbox.admin_url}/_sandbox/sms.html") as answer:
        page = await answer.text()
        assert answer.content_type == "text/html" and sms["code"] in page and "500,000" in page
    reply = await pay(mellat, Secret(sms["code"]))
    assert (reply.exit, reply.outcome) == ("approved", Outcome.APPROVED)
    async with web.get(f"{sandbox.admin_url}/_sandbox/mellat/payments") as answer:
        (line,) = (await answer.json())["payments"]
    assert (line["order_id"], line["amount"], line["reference"], line["masked_pan"]) == (
        "123456", 500_000, reply.reference, "603799******0006",
    )  # fmt: skip
    assert sandbox.books.accounts[CARD.pan].balance == CARD.balance - 500_000


async def test_a_panel_pays_what_the_password_was_sent_for(sandbox: SandboxServer, mellat: PaystarMellat) -> None:
    """The panel names an invoice and no amount."""
    password = await otp(sandbox, mellat)
    arguments: dict[str, Value] = {"card": CARD.pan, "otp": password, "invoice_id": "123456", "caller": "09121234567"}
    assert (await mellat.ask("pay_by_panel", arguments)).outcome is Outcome.APPROVED
    assert [payment.amount for payment in sandbox.mellat.payments] == [500_000]


async def test_an_order_is_paid_once(sandbox: SandboxServer, mellat: PaystarMellat) -> None:
    """The second try is a duplicate, whichever card and however new its password; nothing more is taken."""
    await pay(mellat, await otp(sandbox, mellat))
    for card in (CARD.pan, OTHER_CARD.pan):
        again = await pay(mellat, await otp(sandbox, mellat, card=card), card=card)
        assert (again.exit, again.outcome, again.code) == ("unknown", Outcome.UNKNOWN, "94")
    assert len(sandbox.mellat.payments) == 1


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"otp": WRONG}, "55"),
        ({"order_id": "654321"}, "55"),
        ({"card": OTHER_CARD.pan}, "55"),
        ({"amount": 500_001}, "13"),
        ({"card": Secret("6037990000000014")}, "14"),
    ],
)
async def test_what_does_not_belong_together_is_declined(
    sandbox: SandboxServer, mellat: PaystarMellat, change: dict[str, Any], code: str
) -> None:
    """A password pays this order with this card and this amount, and nothing else."""
    password = await otp(sandbox, mellat)
    assert (await pay(mellat, change.pop("otp", password), **change)).code == code
    assert sandbox.mellat.payments == []


async def test_a_card_without_money(sandbox: SandboxServer, mellat: PaystarMellat) -> None:
    """Another card may pay."""
    password = await otp(sandbox, mellat, card=POOR_CARD.pan)
    reply = await pay(mellat, password, card=POOR_CARD.pan)
    assert (reply.exit, reply.code) == ("another_card", "51")
    assert (await mellat.ask("request_otp", {**ORDER, "card": Secret("6037990000000014")})).code == "14"


async def test_a_password_has_its_time(sandbox: SandboxServer, mellat: PaystarMellat, clock: Clock) -> None:
    """A second before its end it is good, and then it is not."""
    password = await otp(sandbox, mellat)
    clock.now += SandboxSettings().otp_lifetime
    assert (await pay(mellat, password)).exit == "new_otp"
    password = await otp(sandbox, mellat)
    clock.now += SandboxSettings().otp_lifetime - 1
    assert (await pay(mellat, password)).exit == "approved"


async def test_a_new_password_ends_the_old_one(sandbox: SandboxServer, mellat: PaystarMellat) -> None:
    """Who asked twice keys the second."""
    old, new = await otp(sandbox, mellat), await otp(sandbox, mellat)
    assert old != new
    assert (await pay(mellat, old)).exit == "new_otp"
    assert (await pay(mellat, new)).exit == "approved"


async def test_too_many_wrong_tries_end_a_password(sandbox: SandboxServer, mellat: PaystarMellat) -> None:
    """Then the right one does not help either, and a new one does."""
    password = await otp(sandbox, mellat)
    for _ in range(SandboxSettings().otp_tries):
        assert (await pay(mellat, WRONG)).code == "55"
    assert (await pay(mellat, password)).code == "75"
    assert (await pay(mellat, await otp(sandbox, mellat))).exit == "approved"


async def test_two_gateways_may_have_the_same_order_number(clock: Clock) -> None:
    """And a gateway that nobody knows has none."""
    other = Gateway(Secret("other"), "10000006", "trunk-2")
    async with SandboxServer(SandboxSettings(gateways=(DEMO_GATEWAY, other)), clock) as sandbox:
        for sequence, exit in ((DEMO_GATEWAY.sequence, "approved"), (other.sequence, "approved")):
            client = PaystarMellat(PaystarMellatSettings(http(sandbox.mellat_url), sequence))
            assert (await pay(client, await otp(sandbox, client))).exit == exit
            await client.close()
        stranger = PaystarMellat(PaystarMellatSettings(http(sandbox.mellat_url), Secret("wrong")))
        assert (await stranger.ask("request_otp", ORDER)).code == "63"
        assert (await pay(stranger, Secret("123456"))).code == "63"
        await stranger.close()


@pytest.mark.parametrize("code", DECLINES)
@pytest.mark.parametrize("commit", [False, True])
async def test_every_code_on_demand(sandbox: SandboxServer, mellat: PaystarMellat, code: str, commit: bool) -> None:
    """The bank says it, and may have taken the money all the same: that is why some codes prove nothing."""
    password = await otp(sandbox, mellat)
    await sandbox.set_fault(Fault("bpm_pay", FaultKind.CODE, code=code, commit=commit))
    assert (await pay(mellat, password)).exit == DECLINES[code].exit
    assert len(sandbox.mellat.payments) == int(commit)
    await sandbox.set_fault(Fault("bpm_otp", FaultKind.CODE, code=code))
    assert (await mellat.ask("request_otp", ORDER)).code == code


async def test_a_payment_whose_answer_was_lost(sandbox: SandboxServer, mellat: PaystarMellat) -> None:
    """Unknown to us, and on the bank's list, where a person finds it."""
    password = await otp(sandbox, mellat)
    await sandbox.set_fault(Fault("bpm_pay", FaultKind.DROP, commit=True, only="123456"))
    with pytest.raises(OutcomeUnknown):
        await pay(mellat, password)
    assert [payment.order_id for payment in sandbox.mellat.payments] == ["123456"]


SAMPLE = {"amount": 50000, "pan": "6037990000000006", "order_id": "123456", "sequence": "sandbox-gateway-sequence"}
BY_PHONE = {**SAMPLE, "ivr": 1, "pin": "12345", "merchant_cid": "+989123456789"}
BY_PANEL = {name: BY_PHONE[name] for name in ("pan", "pin", "merchant_cid", "sequence")} | {
    "ivr": 0,
    "invoice_id": "123456",
}


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("otp-v2", SAMPLE, 200),
        ("otp-v2", {**SAMPLE, "amount": 50000.0}, 200),
        ("otp-v2", {**SAMPLE, "amount": 50000.5}, 422),
        ("otp-v2", {**SAMPLE, "amount": "50000"}, 422),
        ("otp-v2", {**SAMPLE, "amount": 0}, 422),
        ("otp-v2", {**SAMPLE, "pan": 6037990000000006}, 422),
        ("otp-v2", {**SAMPLE, "pan": "603799"}, 422),
        ("otp-v2", {**SAMPLE, "order_id": ""}, 422),
        ("otp-v2", {**SAMPLE, "ivr": 1}, 422),
        ("pay", BY_PHONE, 200),
        ("pay", BY_PANEL, 200),
        ("pay", {**BY_PHONE, "ivr": 0}, 422),
        ("pay", {**BY_PHONE, "ivr": "1"}, 422),
        ("pay", {**BY_PHONE, "amount": 50000.0}, 422),
        ("pay", {**BY_PHONE, "pin": 12345}, 422),
        ("pay", {**BY_PHONE, "pin": "1234"}, 422),
        ("pay", {**BY_PHONE, "merchant_cid": "anonymous"}, 422),
        ("pay", {**BY_PANEL, "amount": 50000}, 422),
        ("pay", {**BY_PANEL, "ivr": 1}, 422),
        ("pay", {}, 422),
        ("no-such", {}, 404),
    ],
)
async def test_what_the_document_does_not_have_is_not_taken(
    sandbox: SandboxServer, web: aiohttp.ClientSession, path: str, body: dict[str, object], status: int
) -> None:
    """A client that is wrong finds out here, not at the bank."""
    url = f"{sandbox.mellat_url}/api/ivr/bpm/{path}"
    async with web.post(url, json=body) as answer:
        assert answer.status == status
        if status == 200 and path == "otp-v2":
            assert await answer.json() == {"status": 1, "data": [], "errors": []}
    async with web.post(url, data=body) as answer:  # a form
        assert answer.status in (400, 404, 422)
    async with web.get(url) as answer:
        assert answer.status in (404, 405)


async def test_no_card_no_password_and_no_credential_where_none_belongs(
    sandbox: SandboxServer, mellat: PaystarMellat, web: aiohttp.ClientSession
) -> None:
    """Passwords on the telephone's page alone; cards and sequences nowhere."""
    with capture_logs() as lines:
        password = await otp(sandbox, mellat)
        await pay(mellat, password)
    texts = [repr(lines), repr(sandbox.diary.lines), repr(list(sandbox.sms.sent)), repr(sandbox.mellat.payments)]
    for path in ("requests", "invoices", "cards", "mellat/payments", "sms"):
        async with web.get(f"{sandbox.admin_url}/_sandbox/{path}") as answer:
            assert answer.status == 200
            text = await answer.text()
            texts.append(text.replace(password.reveal(), "") if path == "sms" else text)
    for text in texts:
        for private in (CARD.pan.reveal(), password.reveal(), DEMO_GATEWAY.sequence.reveal()):
            assert private not in text


async def test_cards_can_be_made(sandbox: SandboxServer, mellat: PaystarMellat, web: aiohttp.ClientSession) -> None:
    """A demo has as many as it wants, each holding what it should."""
    url = f"{sandbox.admin_url}/_sandbox/cards"
    async with web.post(url, json={"pan": "6219861034529007", "pin": "12345", "balance": 500_000}) as answer:
        assert (answer.status, await answer.json()) == (201, {"masked_pan": "621986******9007", "balance": 500_000})
    card = Secret("6219861034529007")
    assert (await pay(mellat, await otp(sandbox, mellat, card=card), card=card)).exit == "approved"
    async with web.get(url) as answer:
        assert {"masked_pan": "621986******9007", "balance": 0} in (await answer.json())["cards"]
    for wrong in ({"pan": "6219861034529008"}, {"pin": "x"}, {"balance": -1}, {"colour": "red"}):
        async with web.post(url, json={"pan": "6219861034529007", "pin": "1", "balance": 1, **wrong}) as answer:
            assert answer.status == 400


async def test_passwords_can_have_another_length(clock: Clock) -> None:
    """The document does not say how long they are."""
    async with SandboxServer(replace(SandboxSettings(), otp_digits=5), clock) as sandbox:
        client = PaystarMellat(PaystarMellatSettings(http(sandbox.mellat_url), DEMO_GATEWAY.sequence))
        assert len(await otp(sandbox, client)) == 5
        await client.close()
