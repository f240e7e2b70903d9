"""POD of the sandbox: strict about what it is asked, and our client understands every answer."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
from yarl import URL

from ivr.domain import bills
from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable
from ivr.domain.operations import Outcome
from ivr.domain.secret import Secret
from ivr.payments.port import Reply
from ivr.payments.state import Payment, State
from ivr.providers.pod import Pod
from ivr.providers.pod_settings import PRODUCTS
from ivr.sandbox.faults import PLACES, Fault, FaultKind
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import SandboxSettings
from tests.clock import Clock
from tests.providers.raw_server import Exchange, RawServer, says
from tests.sandbox.conftest import pod_client

BILL = {"bill_id": "7748317800142", "payment_id": "1770160"}
FIRST_MOBILE = {"bill_id": "9100074409153", "payment_id": "12908199"}
OTHER_MOBILE = {"bill_id": "4972808930150", "payment_id": "19386733"}
POD_OPERATIONS = [name for name, place in PLACES.items() if place.provider == "pod" and place.is_json]
GATEWAY = "/srv/sc/nzh/doServiceCall"


def payment(bill: Mapping[str, str] = BILL, created_at: float = 1_700_000_000.0) -> Payment:
    read = bills.bill_of(bill["bill_id"], bill["payment_id"])
    assert read is not None
    return Payment("p1", "c1", "pod", read.barcode, None, read.amount, State.UNKNOWN, created_at=created_at)


async def test_a_bill_is_paid_from_the_wallet_once(sandbox: SandboxServer, pod: Pod) -> None:
    """Paid, listed, and not paid again."""
    before = sandbox.pod_books.balance
    paid = await pod.ask("pay_bill", BILL)
    assert (paid.exit, paid.values["company"]) == ("paid", "مخابرات")
    again = await pod.ask("pay_bill", BILL)
    assert (again.exit, again.outcome, again.code) == ("already_paid", Outcome.DECLINED, "180")
    assert before - sandbox.pod_books.balance == 17000
    status = await pod.ask("bill_status", BILL)
    assert (status.exit, status.values, status.reference) == ("paid", paid.values, paid.reference)
    assert (await pod.ask("list", {"id": paid.values["id"]})).values["count"] == "1"
    assert (await pod.ask("list", {"reference_number": "x", "from_date": "1", "to_date": "2"})).values["count"] == "0"


async def test_every_filter_of_the_list(sandbox: SandboxServer, pod: Pod) -> None:
    """Each one alone finds its bill among others, and pages follow one another; what is listed is complete."""
    paid = [await pod.ask("pay_bill", bill) for bill in (BILL, FIRST_MOBILE, OTHER_MOBILE)]
    first, second, third = sandbox.pod_books.bills.values()
    first.requested_at, second.requested_at, third.requested_at = 1_000, 2_000, 3_000
    filters: list[tuple[Mapping[str, str], list[int]]] = [
        ({}, [third.id, second.id, first.id]),
        ({"bill_id": FIRST_MOBILE["bill_id"]}, [second.id]),
        ({"payment_id": OTHER_MOBILE["payment_id"]}, [third.id]),
        ({"id": str(first.id)}, [first.id]),
        ({"reference_number": second.reference}, [second.id]),
        ({"from_date": "2000"}, [third.id, second.id]),
        ({"to_date": "2000"}, [second.id, first.id]),
        ({"from_date": "1001", "to_date": "2999"}, [second.id]),
        ({"bill_id": BILL["bill_id"], "payment_id": OTHER_MOBILE["payment_id"]}, []),
    ]
    for wanted, found in filters:
        reply = await pod.ask("list", wanted)
        rows = json.loads(str(reply.values["bills"]))
        assert (reply.values["count"], [int(row["id"]) for row in rows]) == (str(len(found)), found), wanted
    page = await pod.ask("list", {"offset": "1", "size": "1"})
    [row] = json.loads(str(page.values["bills"]))
    assert (page.values["count"], row["bill_id"], row["amount_rial"]) == ("3", FIRST_MOBILE["bill_id"], 129_000)
    assert (row["reference"], row["status"]) == (paid[1].reference, "SERVICE_BILL_ACCEPTED")


async def test_ids_that_are_printed_with_zeros_in_front(sandbox: SandboxServer, pod: Pod) -> None:
    """POD wants them without: they are paid and found however they were keyed or scanned."""
    scanned = {"bill_id": BILL["bill_id"], "payment_id": BILL["payment_id"].rjust(13, "0")}
    assert (await pod.ask("pay_bill", scanned)).exit == "paid"
    assert (await pod.ask("bill_status", scanned)).exit == "paid"
    assert (await pod.ask("issue_invoice", scanned)).exit == "already_paid"


async def test_a_wallet_without_money(sandbox: SandboxServer, pod: Pod, clock: Clock) -> None:
    """A code that the document does not have is unknown at first; the list then says that nothing happened."""
    sandbox.pod_books.balance = 16_999
    reply = await pod.ask("pay_bill", BILL)
    assert (reply.exit, reply.outcome, reply.code) == ("unknown", Outcome.UNKNOWN, "150")
    assert (await pod.inquire(payment())).outcome is Outcome.UNKNOWN
    clock.now += 901
    assert (await pod.inquire(payment())).outcome is Outcome.DECLINED
    knowing = pod_client(sandbox, clock, error_exits={"150": "refused"})
    assert (await knowing.ask("pay_bill", BILL)).outcome is Outcome.DECLINED
    await knowing.close()


async def test_an_accepted_bill_is_cancelled_and_paid_again(sandbox: SandboxServer, pod: Pod) -> None:
    """The money is back in the wallet; the list then has both."""
    before = sandbox.pod_books.balance
    number = (await pod.ask("pay_bill", BILL)).values["id"]
    assert (await pod.ask("cancel", {"id": number})).exit == "cancelled"
    assert (await pod.ask("cancel", {"id": number})).exit == "cancelled"
    assert sandbox.pod_books.balance == before
    assert (await pod.ask("bill_status", BILL)).exit == "cancelled"
    assert (await pod.ask("pay_bill", BILL)).exit == "paid"
    assert (await pod.ask("bill_status", BILL)).exit == "paid"
    assert (await pod.ask("cancel", {"id": "1"})).exit == "not_found"


async def test_what_cannot_be_cancelled(sandbox: SandboxServer, pod: Pod, web: aiohttp.ClientSession) -> None:
    """Hamrah-e Aval's bills never; any other only while it is accepted."""
    first = (await pod.ask("pay_bill", FIRST_MOBILE)).values["id"]
    assert (await pod.ask("cancel", {"id": first})).exit == "not_cancellable"
    other = (await pod.ask("pay_bill", OTHER_MOBILE)).values["id"]
    change = {"id": int(str(other)), "status": "SERVICE_BILL_SANTA_CONFIRMED"}
    async with web.post(f"{sandbox.admin_url}/_sandbox/pod", json=change) as answer:
        assert answer.status == 200
    assert (await pod.ask("cancel", {"id": other})).exit == "not_cancellable"
    change["status"] = "SERVICE_BILL_ACCEPTED"
    async with web.post(f"{sandbox.admin_url}/_sandbox/pod", json=change) as answer:
        assert answer.status == 200
    assert (await pod.ask("cancel", {"id": other})).exit == "cancelled"
    assert {line.operation for line in sandbox.diary.lines} == {"pod_pay_bill", "pod_list", "pod_cancel"}


# -- invoices and the pay page -----------------------------------------------------------------------------------------


async def test_a_payer_pays_in_the_browser(sandbox: SandboxServer, clock: Clock, web: aiohttp.ClientSession) -> None:
    """Invoice, link, page, button, back to the shop, and the shop's server is told; the list decides."""
    called = asyncio.Event()

    async def take(exchange: Exchange) -> None:
        called.set()
        await says("ok")(exchange)

    async with RawServer(take) as shop:
        pod = pod_client(sandbox, clock, redirect_uri=f"{shop.url}/back?order=1", call_uri=f"{shop.url}/call")
        issued = await pod.ask("issue_invoice", BILL)
        assert issued == await pod.ask("issue_invoice", BILL)
        assert (await pod.ask("bill_status", BILL)).exit == "not_paid"
        unique = {"unique_number": issued.values["unique_number"]}
        url = str((await pod.ask("payment_link", unique)).values["url"])
        assert url == (await pod.ask("pay_url", unique)).values["url"]
        async with web.get(URL(url, encoded=True)) as page:
            text = await page.text()
            assert page.content_type == "text/html" and "17,000" in text and "<form" in text
        async with web.post(URL(url, encoded=True), data={"paid": "true"}, allow_redirects=False) as back:
            went = urlsplit(back.headers["Location"])
        brought = {name: values[0] for name, values in parse_qs(went.query).items()}
        assert brought["order"] == "1" and brought["paid"] == "true" and brought["billNumber"] == BILL["bill_id"]
        assert brought["invoiceId"] == issued.values["invoice_id"] and "rrn" in brought and "tref" in brought
        async with asyncio.timeout(5):
            await called.wait()
        assert shop.seen[0].target.startswith("/call?billNumber=7748317800142")
        assert (await pod.inquire(payment())).outcome is Outcome.APPROVED
        assert (await pod.ask("issue_invoice", BILL)).exit == "already_paid"
        await pod.close()


async def test_a_payer_who_changes_their_mind(sandbox: SandboxServer, pod: Pod, web: aiohttp.ClientSession) -> None:
    """Back to the shop, unpaid; a second press of "pay" after the first takes nothing more."""
    unique = {"unique_number": (await pod.ask("issue_invoice", BILL)).values["unique_number"], "gateway": "PEP"}
    url = URL(str((await pod.ask("payment_link", unique)).values["url"]), encoded=True)
    for pressed, paid, status in (("false", "false", "not_paid"), ("true", "true", "paid"), ("true", "false", "paid")):
        async with web.post(url, data={"paid": pressed}, allow_redirects=False) as back:
            assert back.status == 303 and parse_qs(urlsplit(back.headers["Location"]).query)["paid"] == [paid]
        assert (await pod.ask("bill_status", BILL)).exit == status


async def test_a_wrong_unique_number_shows_page_not_found(
    sandbox: SandboxServer, pod: Pod, web: aiohttp.ClientSession
) -> None:
    """As the document says; and no link can be made of it."""
    url = URL(str((await pod.ask("pay_url", {"unique_number": "nobody"})).values["url"]), encoded=True)
    for asking in (web.get(url), web.post(url, data={"paid": "true"})):
        async with asking as answer:
            assert answer.status == 404 and "صفحه یافت نشد" in await answer.text()
    assert (await pod.ask("payment_link", {"unique_number": "nobody"})).exit == "refused"


# -- strictness --------------------------------------------------------------------------------------------------------

PAY = {"scProductId": "27903493", "scApiKey": "sandbox-pod-api-key", "billId": "7748317800142", "paymentId": "1770160"}
LIST = {"scProductId": "3884760", "scApiKey": "sandbox-pod-api-key", "offset": "0", "size": "10"}
HEADERS = {"_token_": "sandbox-pod-token", "_token_issuer_": "1"}


@pytest.mark.parametrize(
    ("form", "headers", "code"),
    [
        (PAY, HEADERS, 0),
        (LIST, HEADERS, 0),
        (PAY, {}, 21),
        (PAY, {**HEADERS, "_token_": "other"}, 21),
        (PAY, {**HEADERS, "_token_issuer_": "2"}, 21),
        ({**PAY, "scApiKey": "other"}, HEADERS, 403),
        ({**PAY, "scProductId": "1"}, HEADERS, 403),
        ({**PAY, "more": "1"}, HEADERS, 403),
        ({name: text for name, text in PAY.items() if name != "paymentId"}, HEADERS, 403),
        (PAY, {**HEADERS, "Content-Type": "application/json"}, 403),
        ({**PAY, "billId": "07748317800142"}, HEADERS, 141),
        ({**PAY, "paymentId": "x"}, HEADERS, 141),
        ({**PAY, "billId": "7748317800141"}, HEADERS, 179),
        ({**PAY, "paymentId": "1770161"}, HEADERS, 178),
        ({**PAY, "billId": "1234567800193"}, HEADERS, 462),
        ({**LIST, "size": "0"}, HEADERS, 141),
        ({**LIST, "size": "x"}, HEADERS, 141),
        ({**LIST, "fromDate": "x"}, HEADERS, 141),
        ({**PAY, "scProductId": "3884767"}, HEADERS, 403),
    ],
)
async def test_every_request_is_checked(
    sandbox: SandboxServer,
    web: aiohttp.ClientSession,
    form: Mapping[str, str],
    headers: Mapping[str, str],
    code: int,
) -> None:
    """A client that would not work with POD does not work here."""
    usual = {"Content-Type": "application/x-www-form-urlencoded"}
    body = urlencode(form).encode()
    async with web.post(f"{sandbox.pod_url}{GATEWAY}", data=body, headers={**usual, **headers}) as answer:
        said = await answer.json()
    assert (said["hasError"], said["errorCode"]) == (code != 0, code)
    assert set(said) == {"hasError", "messageId", "referenceNumber", "errorCode", "count", "ott", "result"}


async def test_a_field_twice_is_no_form(sandbox: SandboxServer, web: aiohttp.ClientSession) -> None:
    """Nobody knows which one is meant."""
    body = f"{urlencode(PAY)}&billId=1".encode()
    headers = {**HEADERS, "Content-Type": "application/x-www-form-urlencoded"}
    async with web.post(f"{sandbox.pod_url}{GATEWAY}", data=body, headers=headers) as answer:
        assert (await answer.json())["errorCode"] == 403


async def test_our_client_hears_a_wrong_credential(sandbox: SandboxServer, clock: Clock) -> None:
    """Token and key each."""
    for wrong, exit in (({"token": Secret("x")}, "gateway_invalid"), ({"api_key": Secret("x")}, "refused")):
        client = pod_client(sandbox, clock, **wrong)
        assert (await client.ask("pay_bill", BILL)).exit == exit
        await client.close()


@pytest.mark.parametrize("body", ["{", '{"status": "X", "id": 1}', '{"id": 1}', '{"more": 1}', '{"status": "X"}'])
async def test_a_mistake_at_the_desk_is_explained(
    sandbox: SandboxServer, web: aiohttp.ClientSession, body: str
) -> None:
    """400 and a sentence."""
    async with web.post(f"{sandbox.admin_url}/_sandbox/pod", data=body) as answer:
        assert answer.status == 400 and (await answer.json())["error"]


# -- faults ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("commit", [False, True])
@pytest.mark.parametrize(
    "kind", [FaultKind.DROP, FaultKind.HTTP_ERROR, FaultKind.GARBAGE, FaultKind.HALF_BODY, FaultKind.DELAY]
)
async def test_an_unknown_payment_is_resolved_by_the_list(
    sandbox: SandboxServer, pod: Pod, clock: Clock, kind: FaultKind, commit: bool
) -> None:
    """Whatever broke on the way: paid once when POD had it, nothing when it had not, never twice."""
    before = sandbox.pod_books.balance
    await sandbox.set_fault(Fault("pod_pay_bill", kind, seconds=60, commit=commit))
    with pytest.raises(OutcomeUnknown):
        await pod.ask("pay_bill", BILL)
    clock.now += 901
    done = commit or kind is FaultKind.HALF_BODY
    assert (await pod.inquire(payment())).outcome is (Outcome.APPROVED if done else Outcome.DECLINED)
    assert before - sandbox.pod_books.balance == (17000 if done else 0)
    assert (await pod.ask("pay_bill", BILL)).exit == ("already_paid" if done else "paid")


@pytest.mark.parametrize("operation", POD_OPERATIONS)
async def test_every_operation_can_be_made_to_fail(sandbox: SandboxServer, pod: Pod, operation: str) -> None:
    """And reads Persian digits, and is refused at its port alone."""
    paid = await pod.ask("pay_bill", FIRST_MOBILE)
    unique = (await pod.ask("issue_invoice", OTHER_MOBILE)).values["unique_number"]
    asked: Mapping[str, Mapping[str, Any]] = {
        "pod_pay_bill": BILL,
        "pod_issue_invoice": BILL,
        "pod_payment_link": {"unique_number": unique},
        "pod_list": {"id": paid.values["id"]},
        "pod_cancel": {
            "id": (await pod.ask("pay_bill", {"bill_id": "2050327604613", "payment_id": "1070189"})).values["id"]
        },
    }
    arguments = asked[operation]
    name = operation.removeprefix("pod_")
    await sandbox.set_fault(Fault(operation, FaultKind.GARBAGE))
    with pytest.raises(OutcomeUnknown):
        await pod.ask(name, arguments)
    await sandbox.set_fault(Fault(operation, FaultKind.PERSIAN_DIGITS))
    assert (await pod.ask(name, arguments)).exit in ("ok", "paid", "cancelled")
    await sandbox.set_fault(Fault(operation, FaultKind.REFUSE, seconds=60))
    with pytest.raises(ProviderUnreachable):
        await pod.ask(name, arguments)
    async with aiohttp.ClientSession() as session, session.get(sandbox.inoti_url) as answer:
        assert answer.status == 404
    await sandbox.clear_faults()
    await pod.ask("list", {})


async def test_a_fault_of_one_bill(sandbox: SandboxServer, pod: Pod) -> None:
    """The others go on."""
    await sandbox.set_fault(Fault("pod_pay_bill", FaultKind.DROP, only=BILL["bill_id"]))
    assert (await pod.ask("pay_bill", OTHER_MOBILE)).exit == "paid"
    with pytest.raises(OutcomeUnknown):
        await pod.ask("pay_bill", BILL)


async def test_a_payment_whose_answer_names_another_amount_is_looked_for(sandbox: SandboxServer, pod: Pod) -> None:
    """Paid, but nobody would know from the answer: found in the list."""
    await sandbox.set_fault(Fault("pod_pay_bill", FaultKind.WRONG_AMOUNT, commit=True))
    with pytest.raises(OutcomeUnknown):
        await pod.ask("pay_bill", BILL)
    assert (await pod.inquire(payment())).outcome is Outcome.APPROVED


@pytest.mark.parametrize("code", ["999", "227", "502"])
async def test_a_payment_with_a_code_that_proves_nothing_is_looked_for(
    sandbox: SandboxServer, pod: Pod, code: str
) -> None:
    """Paid, and the answer is the gateway's timeout or an error without a name: unknown, then found in the list."""
    await sandbox.set_fault(Fault("pod_pay_bill", FaultKind.CODE, commit=True, code=code))
    assert await pod.ask("pay_bill", BILL) == Reply("unknown", {}, Outcome.UNKNOWN, code=code)
    assert (await pod.inquire(payment())).outcome is Outcome.APPROVED


async def test_the_payment_link_s_number_in_the_provider_s_own_sandbox(sandbox: SandboxServer, clock: Clock) -> None:
    """There it is 217462, and gives the same link."""
    pod = pod_client(sandbox, clock, products={**PRODUCTS, "payment_link": "217462"})
    unique = {"unique_number": (await pod.ask("issue_invoice", BILL)).values["unique_number"]}
    assert await pod.ask("payment_link", unique) == await pod.ask("pay_url", unique)
    await pod.close()


@pytest.mark.parametrize(
    "kind",
    [FaultKind.DROP, FaultKind.HTTP_ERROR, FaultKind.HALF_BODY, FaultKind.SLOW_DRIP, FaultKind.DUPLICATE_CALLBACK],
)
async def test_the_pay_page_fails_too(
    sandbox: SandboxServer, clock: Clock, web: aiohttp.ClientSession, kind: FaultKind
) -> None:
    """The payer presses again: paid once, whatever the browser saw."""
    async with RawServer(says("ok")) as shop:
        pod = pod_client(sandbox, clock, redirect_uri=f"{shop.url}/back", call_uri=f"{shop.url}/call")
        unique = {"unique_number": (await pod.ask("issue_invoice", BILL)).values["unique_number"]}
        url = URL(str((await pod.ask("pay_url", unique)).values["url"]), encoded=True)
        await sandbox.set_fault(Fault("pod_pay", kind, seconds=0.05, commit=True))
        for _ in range(2):
            try:
                async with web.post(url, data={"paid": "true"}, allow_redirects=False) as answer:
                    await answer.read()
            except aiohttp.ClientError:
                assert kind in (FaultKind.DROP, FaultKind.HALF_BODY)
        assert [each.status for each in sandbox.pod_books.bills.values()] == ["SERVICE_BILL_ACCEPTED"]
        assert (await pod.inquire(payment())).outcome is Outcome.APPROVED
        await pod.close()


async def test_nothing_secret_is_kept(sandbox: SandboxServer, pod: Pod) -> None:
    """Not in the diary, not in the settings' own words."""
    await pod.ask("pay_bill", BILL)
    kept = repr([*sandbox.diary.lines, SandboxSettings(), sandbox.pod_books.account])
    assert "sandbox-pod" not in kept and BILL["bill_id"] in kept
    with pytest.raises(BadInput):
        Fault("pod_unknown", FaultKind.DROP)
