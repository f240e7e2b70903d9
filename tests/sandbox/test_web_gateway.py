"""The web gateway's role: from the request through a browser's form back to the shop, and the check that decides."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from urllib.parse import urlencode

import aiohttp
import pytest

from ivr.domain.errors import OutcomeUnknown
from ivr.domain.operations import Outcome
from ivr.domain.secret import Secret
from ivr.payments.port import Reply
from ivr.payments.state import Payment, State
from ivr.providers.web_gateway import WebGateway, WebGatewaySettings
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_CARDS, DEMO_TERMINAL, SandboxSettings, Terminal
from ivr.sandbox.web_books import DESCRIPTIONS
from tests.sandbox.conftest import http
from tests.sandbox.shop import Shop, open_shop, press, see

CARD, _, POOR_CARD = DEMO_CARDS
PAN, PIN = CARD.pan.reveal(), CARD.pin.reveal()
API_KEY = DEMO_TERMINAL.api_key.reveal()


@dataclass
class Invoice:
    """One that a payer was sent to."""

    key: str
    pay_url: str


@pytest.fixture
async def shop() -> AsyncIterator[Shop]:
    async with open_shop() as running:
        yield running


@pytest.fixture
async def invoice(gateway: WebGateway, shop: Shop) -> Invoice:
    return await request(gateway, shop)


async def request(gateway: WebGateway, shop: Shop, path: str = "/back?order=17&name=علی") -> Invoice:
    made = await gateway.ask("create_invoice", {"amount": 160_000, "return_url": shop.url + path})
    return Invoice(str(made.values["tracking_code"]), str(made.values["pay_url"]))


async def check(gateway: WebGateway, key: str, amount: int = 160_000) -> Reply:
    return await gateway.inquire(Payment("p", "c", "web", key, None, amount, State.UNKNOWN))


async def test_a_payer_pays_and_comes_back(
    sandbox: SandboxServer, gateway: WebGateway, shop: Shop, invoice: Invoice, web: aiohttp.ClientSession
) -> None:
    """The page says how much; the browser ends in the shop, whose address was encoded once; the check says paid."""
    assert (await check(gateway, invoice.key)).exit == "not_paid"
    page = await see(web, invoice.pay_url)
    assert (page.method, page.fields, page.actions) == ("post", ["pan", "pin"], ["pay", "cancel", "fail"])
    assert "160,000" in page.words
    assert await press(web, invoice.pay_url, "pay", PAN, PIN) == "welcome"
    assert shop.visits == ["/back?order=17&name=%D8%B9%D9%84%DB%8C"]
    reply = await check(gateway, invoice.key)
    assert (reply.exit, reply.outcome, reply.of_invoice) == ("paid", Outcome.APPROVED, True)
    assert sandbox.books.accounts[CARD.pan].balance == CARD.balance - 160_000
    assert sandbox.web_gateway.invoices[invoice.key].masked_pan == "603799******0006"


@pytest.mark.parametrize("action", ["cancel", "fail"])
async def test_a_payer_who_does_not_pay_comes_back_too(
    gateway: WebGateway, shop: Shop, invoice: Invoice, web: aiohttp.ClientSession, action: str
) -> None:
    """Cancelled or failed is one error; it stays so, whatever is tried on the page afterwards."""
    assert await press(web, invoice.pay_url, action) == "welcome"
    for _ in range(2):
        reply = await check(gateway, invoice.key)
        assert (reply.exit, reply.outcome, reply.code) == ("cancelled", Outcome.DECLINED, "202")
        await press(web, invoice.pay_url, "pay", PAN, PIN)
    page = await see(web, invoice.pay_url)
    assert page.fields == [] and "بازگشت" in page.words


async def test_an_invoice_is_paid_once(sandbox: SandboxServer, invoice: Invoice, web: aiohttp.ClientSession) -> None:
    """A form that is sent twice, or a payer who goes back and cancels, changes nothing."""
    for action in ("pay", "pay", "cancel"):
        await press(web, invoice.pay_url, action, PAN, PIN)
    assert sandbox.books.accounts[CARD.pan].balance == CARD.balance - 160_000
    assert sandbox.web_gateway.invoices[invoice.key].state.value == "paid"


async def test_wrong_cards_are_told_and_end_the_invoice_at_last(
    gateway: WebGateway, shop: Shop, invoice: Invoice, web: aiohttp.ClientSession
) -> None:
    """The page says so and stays; a Persian keyboard is fine."""
    for pan, pin in ((PAN, "99999"), ("6037990000000014", PIN), (POOR_CARD.pan.reveal(), POOR_CARD.pin.reveal())):
        assert "درست نیست" in await press(web, invoice.pay_url, "pay", pan, pin)
    assert (await check(gateway, invoice.key)).exit == "not_paid"
    persian = PAN.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹"))
    assert await press(web, invoice.pay_url, "pay", persian, PIN) == "welcome"
    other = await request(gateway, shop)
    for _ in range(SandboxSettings().wrong_tries):
        await press(web, other.pay_url, "pay", PAN, "99999")
    assert (await check(gateway, other.key)).exit == "cancelled"


async def test_a_page_of_nobody(sandbox: SandboxServer, web: aiohttp.ClientSession) -> None:
    """A key that is none has a page that says so, and nothing of it is taken for markup."""
    url = f"{sandbox.web_gateway_url}/invoice/pay/%3Cb%3E"
    for answering in (web.get(url), web.post(url, data={"action": "pay"})):
        async with answering as answer:
            assert answer.status == 404 and "<b>" not in await answer.text()


def form(**change: str | None) -> dict[str, str]:
    good = {"api_key": API_KEY, "amount": "160000", "return_url": "https://shop.test/back"}
    return {name: value for name, value in {**good, **change}.items() if value is not None}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (form(api_key=None), 101),
        (form(api_key="wrong"), 101),
        (form(amount=None), 102),
        (form(amount="999"), 102),
        (form(amount="160000.5"), 102),
        (form(amount="160,000"), 102),
        (form(amount="۱۶۰۰۰۰"), 102),
        (form(return_url=None), 103),
        (form(return_url=""), 103),
        (form(return_url="https%3A%2F%2Fshop.test%2Fback"), 103),
        (form(return_url="javascript:alert(1)"), 103),
    ],
)
async def test_each_error_of_a_request(
    sandbox: SandboxServer, web: aiohttp.ClientSession, body: dict[str, str], code: int
) -> None:
    """In the document's words."""
    async with web.post(f"{sandbox.web_gateway_url}/invoice/request", data=body) as answer:
        assert await answer.json() == {"status": 0, "errorCode": code, "errorDescription": DESCRIPTIONS[str(code)]}


async def test_what_is_no_post_of_a_form(sandbox: SandboxServer, invoice: Invoice, web: aiohttp.ClientSession) -> None:
    """Error 100 for another method; JSON holds no key; a name that stands twice is no form."""
    for path in ("request", f"check/{invoice.key}"):
        url = f"{sandbox.web_gateway_url}/invoice/{path}"
        async with web.get(url, params=form()) as answer:
            assert (await answer.json())["errorCode"] == 100
        async with web.put(url, data=form()) as answer:
            assert (await answer.json())["errorCode"] == 100
        async with web.post(url, data=urlencode(form()), headers={"Content-Type": "application/json"}) as answer:
            assert (await answer.json())["errorCode"] == 101
        for raw in (b"api_key=1&api_key=2", b"\xff\xfe", b"a&b"):
            headers = {"Content-Type": "application/x-www-form-urlencoded"}
            async with web.post(url, data=raw, headers=headers) as answer:
                assert answer.status == 400


async def test_a_check_is_for_the_terminal_of_the_invoice(shop: Shop) -> None:
    """Nobody looks at another merchant's invoices."""
    other = Terminal(Secret("other-terminal"))
    async with SandboxServer(SandboxSettings(terminals=(DEMO_TERMINAL, other))) as sandbox:
        clients = [
            WebGateway(WebGatewaySettings(http(sandbox.web_gateway_url), key, shop.url))
            for key in (DEMO_TERMINAL.api_key, other.api_key, Secret("wrong"))
        ]
        invoice = await request(clients[0], shop)
        assert [(await check(client, invoice.key)).code for client in clients] == ["201", "200", "101"]
        assert (await check(clients[0], "nosuchkey")).code == "200"
        for client in clients:
            await client.close()


async def test_a_wrong_amount_is_never_paid(
    sandbox: SandboxServer, gateway: WebGateway, invoice: Invoice, web: aiohttp.ClientSession
) -> None:
    """Whether the gateway says another amount, or ours is another one."""
    await press(web, invoice.pay_url, "pay", PAN, PIN)
    await sandbox.set_fault(Fault("web_check", FaultKind.WRONG_AMOUNT))
    for amount in (160_000, 150_000):
        reply = await check(gateway, invoice.key, amount)
        assert (reply.exit, reply.outcome) == ("wrong_amount", Outcome.UNKNOWN)
    assert (await check(gateway, invoice.key)).exit == "paid"


async def test_a_payer_who_comes_back_twice(
    sandbox: SandboxServer, shop: Shop, invoice: Invoice, web: aiohttp.ClientSession
) -> None:
    """The shop sees two visits of one payment."""
    await sandbox.set_fault(Fault("web_pay", FaultKind.DUPLICATE_CALLBACK, only=invoice.key))
    assert await press(web, invoice.pay_url, "pay", PAN, PIN) == "welcome"
    assert len(shop.visits) == 2 and len(set(shop.visits)) == 1


async def test_a_shop_that_is_closed_does_not_hurt_the_second_callback(
    sandbox: SandboxServer, gateway: WebGateway, web: aiohttp.ClientSession
) -> None:
    """The payer is sent there all the same, and the payment stands."""
    made = await gateway.ask("create_invoice", {"amount": 160_000, "return_url": "http://127.0.0.1:1/"})
    await sandbox.set_fault(Fault("web_pay", FaultKind.DUPLICATE_CALLBACK))
    data = {"pan": PAN, "pin": PIN, "action": "pay"}
    async with web.post(str(made.values["pay_url"]), data=data, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (303, "http://127.0.0.1:1/")


@pytest.mark.parametrize("code", DESCRIPTIONS)
async def test_every_error_on_demand(sandbox: SandboxServer, gateway: WebGateway, code: str) -> None:
    """As the gateway would say it."""
    await sandbox.set_fault(Fault("web_check", FaultKind.CODE, code=code))
    assert (await check(gateway, "key")).code == code
    await sandbox.set_fault(Fault("web_request", FaultKind.CODE, code=code))
    assert (await gateway.ask("create_invoice", {"amount": 160_000})).code == code


async def test_an_invoice_whose_answer_was_lost_is_made_again(sandbox: SandboxServer, gateway: WebGateway) -> None:
    """Nobody has the first one's key, so nobody can pay it."""
    await sandbox.set_fault(Fault("web_request", FaultKind.DROP, commit=True))
    with pytest.raises(OutcomeUnknown):
        await gateway.ask("create_invoice", {"amount": 160_000})
    assert (await gateway.ask("create_invoice", {"amount": 160_000})).exit == "ok"
    assert len(sandbox.web_gateway.invoices) == 2


async def test_the_desk_shows_invoices_and_no_secret(
    sandbox: SandboxServer, invoice: Invoice, web: aiohttp.ClientSession
) -> None:
    """Keys of invoices, never of terminals; no card and no PIN, neither there nor in what was asked."""
    await press(web, invoice.pay_url, "pay", PAN, PIN)
    async with web.get(f"{sandbox.admin_url}/_sandbox/web/invoices") as answer:
        (shown,) = (await answer.json())["invoices"]
    assert (shown["invoice_key"], shown["state"], shown["masked_pan"]) == (invoice.key, "paid", "603799******0006")
    assert [line.operation for line in sandbox.diary.lines] == ["web_request", "web_pay"]
    assert sandbox.diary.lines[1].fields == {"invoice_key": invoice.key, "action": "pay"}
    for text in (repr(shown), repr(sandbox.diary.lines)):
        for private in (PAN, f"'{PIN}'", API_KEY):
            assert private not in text
