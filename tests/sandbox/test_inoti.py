"""iNoti of the sandbox: a link by SMS, a page to pay on, and a strict verification service."""

from collections.abc import Mapping
from typing import Any

import aiohttp
import pytest

from ivr.domain.errors import OutcomeUnknown, ProviderUnreachable
from ivr.domain.operations import Outcome
from ivr.domain.secret import Secret
from ivr.payments.port import Value
from ivr.payments.state import Payment, State
from ivr.providers.inoti import Inoti
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.inoti import FIELDS, SERVICE_PATH
from ivr.sandbox.inoti_books import InotiAccount
from ivr.sandbox.server import SandboxServer
from tests.clock import Clock
from tests.sandbox.conftest import inoti_client

NEW = {"session": "123", "mobile": "0912 1234567".replace(" ", ""), "price": 160000, "your_factor": "42"}


async def made(sandbox: SandboxServer, web: aiohttp.ClientSession, **changes: object) -> dict[str, Any]:
    async with web.post(f"{sandbox.admin_url}/_sandbox/inoti/payments", json={**NEW, **changes}) as answer:
        assert answer.status == 201
        return dict(await answer.json())


def claim(callback: Mapping[str, str]) -> dict[str, Value]:
    """What the merchant's side makes of iNoti's callback."""
    *_, ours, theirs = callback["call"].split("*")
    known: dict[str, Value] = {"session": callback["sessionid"], "mobile": callback["mobile"], "amount": 160000}
    return {**known, "our_factor": ours, "their_factor": theirs, "rrn": callback["RRN"]}


async def test_a_payer_pays_by_the_link_of_an_sms(
    sandbox: SandboxServer, inoti: Inoti, web: aiohttp.ClientSession
) -> None:
    """Before the payment there is nothing to verify; afterwards there is, as often as it is asked."""
    payment = await made(sandbox, web)
    assert payment["link"] in payment["sms"] and not payment["paid"]
    early = {**claim(payment["callback"]), "rrn": "123456789012"}
    assert (await inoti.ask("verify_payment", early)).outcome is Outcome.UNKNOWN
    async with web.get(payment["link"]) as page:
        assert "<form" in await page.text() and page.content_type == "text/html"
    async with web.post(payment["link"]) as page:
        assert "<form" not in await page.text()
    async with web.get(f"{sandbox.admin_url}/_sandbox/inoti/payments") as answer:
        (paid,) = (await answer.json())["payments"]
    for _ in range(2):
        reply = await inoti.ask("verify_payment", claim(paid["callback"]))
        assert (reply.outcome, reply.reference) == (Outcome.APPROVED, paid["callback"]["RRN"])
        assert str(reply.values["paid_at"]).endswith("+03:30")
    for wrong in ({"rrn": "1"}, {"their_factor": "1"}, {"mobile": "09121234568"}, {"amount": 1000}, {"session": "x"}):
        assert (await inoti.ask("verify_payment", {**claim(paid["callback"]), **wrong})).exit == "not_verified"


async def test_a_payment_is_made_at_the_desk(sandbox: SandboxServer, inoti: Inoti, web: aiohttp.ClientSession) -> None:
    """By a test, at once or later; a callback that was lost is found all the same."""
    await made(sandbox, web, paid=True, your_factor="41")
    payment = await made(sandbox, web)
    lost = Payment("p", "c", "inoti", "42", "123|09121234567", 160000, State.UNKNOWN)
    assert (await inoti.inquire(lost)).outcome is Outcome.UNKNOWN
    async with web.post(f"{sandbox.admin_url}/_sandbox/inoti/pay", json={"token": payment["token"]}) as answer:
        rrn = (await answer.json())["callback"]["RRN"]
    reply = await inoti.inquire(lost)
    assert (reply.outcome, reply.reference) == (Outcome.APPROVED, rrn)


@pytest.mark.parametrize("calendar", ["gregorian", "jalali"])
async def test_dates_in_either_calendar(
    sandbox: SandboxServer, clock: Clock, web: aiohttp.ClientSession, calendar: str
) -> None:
    """A payment of three days ago is found, an older one is not."""
    payment = await made(sandbox, web, paid=True)
    client = inoti_client(sandbox, clock, calendar=calendar)
    clock.now += 3 * 86400
    assert (await client.ask("verify_payment", claim(payment["callback"]))).exit == "verified"
    clock.now += 86400
    assert (await client.ask("verify_payment", claim(payment["callback"]))).code == "none"
    await client.close()


@pytest.mark.parametrize("wrong", [{"username": Secret("x")}, {"password": Secret("x")}, {"code_name": "*1#"}])
async def test_a_wrong_account_verifies_nothing(
    sandbox: SandboxServer, clock: Clock, web: aiohttp.ClientSession, wrong: dict[str, Any]
) -> None:
    """The service answers with a sentence."""
    payment = await made(sandbox, web, paid=True)
    client = inoti_client(sandbox, clock, **wrong)
    with pytest.raises(OutcomeUnknown):
        await client.ask("verify_payment", claim(payment["callback"]))
    await client.close()
    assert sandbox.diary.lines[-1].result == "denied"


# -- strictness --------------------------------------------------------------------------------------------------------

ACCOUNT = InotiAccount()
GOOD = {
    **dict.fromkeys(FIELDS, ""),
    "Username": ACCOUNT.username.reveal(),
    "Password": ACCOUNT.password.reveal(),
    "CodeName": ACCOUNT.code_name,
    "IsAll": "false",
}


def soap(fields: Mapping[str, str], more: str = "") -> str:
    inner = "".join(f"<{name}>{text}</{name}>" for name, text in fields.items())
    return (
        '<soap:Envelope xmlns:soap="http://schemas.xmlsoap.org/soap/envelope/"><soap:Body>'
        f'<GetPayments xmlns="http://tempuri.org/">{inner}{more}</GetPayments></soap:Body></soap:Envelope>'
    )


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (soap(GOOD), {}, 200),
        (soap({**GOOD, "IsAll": "1", "DateFrom": "1404/01/01", "DateTo": "2025-12-30"}), {}, 200),
        (soap({"Username": "x", "IsAll": "false"}), {}, 200),
        (soap(GOOD), {"SOAPAction": '"http://tempuri.org/Other"'}, 500),
        (soap(GOOD), {"Content-Type": "application/soap+xml"}, 500),
        (soap({name: text for name, text in GOOD.items() if name != "IsAll"}), {}, 500),
        (soap({**GOOD, "IsAll": "yes"}), {}, 500),
        (soap({**GOOD, "PriceFrom": "1.5"}), {}, 500),
        (soap({**GOOD, "RRN": "x"}), {}, 500),
        (soap({**GOOD, "DateTo": "tomorrow"}), {}, 500),
        (soap({**GOOD, "DateTo": "1404/12/30"}), {}, 500),
        (soap(dict(reversed(GOOD.items()))), {}, 500),
        (soap(GOOD, "<RRN/>"), {}, 500),
        (soap(GOOD, "<More/>"), {}, 500),
        (soap({**GOOD, "RRN": "<b/>"}), {}, 500),
        ("", {}, 500),
        ("<a/>", {}, 500),
        ('<!DOCTYPE a [<!ENTITY x "false">]>' + soap({**GOOD, "IsAll": "&x;"}), {}, 500),
    ],
)
async def test_every_request_is_checked(
    sandbox: SandboxServer, web: aiohttp.ClientSession, body: str, headers: Mapping[str, str], status: int
) -> None:
    """A client that would not work with iNoti does not work here."""
    usual = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": '"http://tempuri.org/GetPayments"'}
    url = f"{sandbox.inoti_url}{SERVICE_PATH}"
    async with web.post(url, data=body.encode(), headers={**usual, **headers}) as answer:
        assert answer.status == status and ("Fault" in await answer.text()) == (status == 500)


async def test_unpaid_ones_are_shown_with_is_all(sandbox: SandboxServer, web: aiohttp.ClientSession) -> None:
    """And nothing is what the asker wants it to be."""
    await made(sandbox, web)
    headers = {"Content-Type": "text/xml", "SOAPAction": "http://tempuri.org/GetPayments"}
    for is_all, shown in (("true", '"RRN": 0'), ("false", ">nothing<")):
        body = soap({**GOOD, "IsAll": is_all, "NullResult": "nothing"}).encode()
        async with web.post(f"{sandbox.inoti_url}{SERVICE_PATH}", data=body, headers=headers) as answer:
            assert shown in await answer.text()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("payments", "{"),
        ("payments", '{"session": "1", "mobile": "1", "price": 1, "your_factor": "1"}'),
        ("payments", '{"session": "", "mobile": "09121234567", "price": 1, "your_factor": "1"}'),
        ("payments", '{"session": "1", "mobile": "09121234567", "price": 0, "your_factor": "1"}'),
        ("pay", '{"token": "x"}'),
    ],
)
async def test_a_mistake_at_the_desk_is_explained(
    sandbox: SandboxServer, web: aiohttp.ClientSession, path: str, body: str
) -> None:
    """400 and a sentence; a page of nobody is 404."""
    async with web.post(f"{sandbox.admin_url}/_sandbox/inoti/{path}", data=body) as answer:
        assert answer.status == 400 and (await answer.json())["error"]
    async with web.get(f"{sandbox.inoti_url}/pay/nobody") as answer:
        assert answer.status == 404


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind", [FaultKind.DROP, FaultKind.HTTP_ERROR, FaultKind.GARBAGE, FaultKind.HALF_BODY, FaultKind.DELAY]
)
async def test_a_fault_decides_nothing_and_clears_itself(
    sandbox: SandboxServer, inoti: Inoti, web: aiohttp.ClientSession, kind: FaultKind
) -> None:
    """Unknown, and verified when asked again."""
    payment = await made(sandbox, web, paid=True)
    await sandbox.set_fault(Fault("inoti_payments", kind, seconds=60))
    with pytest.raises(OutcomeUnknown):
        await inoti.ask("verify_payment", claim(payment["callback"]))
    assert (await inoti.ask("verify_payment", claim(payment["callback"]))).exit == "verified"


async def test_persian_digits_and_a_closed_port(
    sandbox: SandboxServer, inoti: Inoti, web: aiohttp.ClientSession
) -> None:
    """Every number inside the JSON, as text."""
    payment = await made(sandbox, web, paid=True)
    await sandbox.set_fault(Fault("inoti_payments", FaultKind.PERSIAN_DIGITS, only="42"))
    assert (await inoti.ask("verify_payment", claim(payment["callback"]))).exit == "verified"
    assert sandbox.faults.all() == []
    await sandbox.set_fault(Fault("inoti_payments", FaultKind.REFUSE, seconds=60))
    with pytest.raises(ProviderUnreachable):
        await inoti.ask("verify_payment", claim(payment["callback"]))
    await sandbox.clear_faults()
    assert (await inoti.ask("verify_payment", claim(payment["callback"]))).exit == "verified"


async def test_nothing_secret_is_kept(sandbox: SandboxServer, inoti: Inoti, web: aiohttp.ClientSession) -> None:
    """Not in the diary, not in the account's own words."""
    payment = await made(sandbox, web, paid=True)
    await inoti.ask("verify_payment", claim(payment["callback"]))
    assert sandbox.diary.lines[-1].fields["YourFactorID"] == "42"
    assert "sandbox-inoti" not in repr([*sandbox.diary.lines, sandbox.inoti_books.account])
