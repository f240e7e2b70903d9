"""The USSD network from outside: what a telephone shows, and what the merchant's page is asked, over real HTTP."""

import asyncio

import aiohttp
import pytest
from aiohttp import web

from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import SandboxSettings
from ivr.sandbox.ussd_network import Kind, Shown
from ivr.sandbox.ussd_settings import Service, UssdSettings
from tests.clock import Clock
from tests.sandbox.merchant import AGREE, ASK, MOBILE, ODD, PAY, REGISTER, SAVED, Line


def text(shown: Shown) -> str:
    assert shown.screen is not None
    return shown.screen.text


# -- a session ---------------------------------------------------------------------------------------------------------


async def test_the_sample_of_the_document(line: Line) -> None:
    """A registration code is asked for and saved; the page is asked with the document's own words, stars as stars."""
    first = await line.network.dial(MOBILE, f"{REGISTER}#")
    assert (first.kind, text(first), first.is_open) == (Kind.SCREEN, ASK, True)
    second = await line.network.reply(first.session, "8812")
    assert (text(second), second.call, line.merchant.codes) == (SAVED, "*6655*123*8812", ["8812"])
    start = f"/register?mobile={MOBILE}&sessionid={first.session}&call="
    assert line.merchant.seen == [f"{start}*6655*123", f"{start}*6655*123*8812"]
    assert line.results() == ["screen", "screen"]
    assert line.sandbox.diary.lines[0].fields == {"mobile": MOBILE, "sessionid": first.session, "call": REGISTER}


async def test_all_of_it_dialled_at_once(line: Line) -> None:
    """The first string may bring the answers along."""
    shown = await line.network.dial(MOBILE, "*6655*123*8812#")
    assert (text(shown), line.calls()) == (SAVED, ["*6655*123*8812"])


async def test_odd_answers_arrive_as_they_were_keyed(line: Line) -> None:
    """Letters, Persian digits, a square, a plus sign; an empty one and one that is too long are not sent."""
    shown = await line.network.dial(MOBILE, f"{REGISTER}#")
    for keyed in ("", "1" * 180, "a\nb"):
        not_sent = await line.network.reply(shown.session, keyed)
        assert (not_sent.kind, not_sent.why, not_sent.is_open) == (Kind.NETWORK_ERROR, "not_sent", True)
    await line.network.reply(shown.session, "۱۲ #+&=")
    assert line.calls() == [REGISTER, f"{REGISTER}*۱۲ #+&="]


@pytest.mark.parametrize("dialled", ["*999#", "6655", "*6655*12#", "", "*6655*123"])
async def test_a_code_of_nobody(line: Line, dialled: str) -> None:
    """The telephone says so, and no merchant is asked."""
    shown = await line.network.dial(MOBILE, dialled)
    assert (shown.kind, shown.is_open, line.merchant.seen) == (Kind.WRONG_CODE, False, [])


async def test_how_a_session_ends(line: Line, clock: Clock) -> None:
    """By hanging up, by dialling again, by time; then an answer reaches nobody."""
    network = line.network
    hung_up = await network.dial(MOBILE, f"{REGISTER}#")
    assert network.hang_up(hung_up.session).kind is Kind.ENDED
    dialled_over = await network.dial(MOBILE, f"{REGISTER}#")
    other = await network.dial("09121234568", f"{REGISTER}#")
    late = await network.dial(MOBILE, f"{REGISTER}#")
    assert len({hung_up.session, dialled_over.session, other.session, late.session}) == 4
    assert (await network.reply(other.session, "1")).is_open
    clock.now += line.network.settings.session_seconds + 1
    asked = len(line.merchant.seen)
    for session in (hung_up.session, dialled_over.session, late.session, late.session, "nobody"):
        ended = await network.reply(session, "1")
        assert (ended.kind, ended.is_open) == (Kind.ENDED, False)
    assert network.hang_up("nobody").kind is Kind.ENDED and len(line.merchant.seen) == asked


async def test_one_answer_at_a_time(line: Line) -> None:
    """Who presses twice while the merchant thinks is told to wait, and asks once."""
    going_on, asked = asyncio.Event(), asyncio.Event()

    async def slow(request: web.Request) -> web.Response:
        asked.set()
        await going_on.wait()
        return web.Response(text="at last")

    async with _serving(slow) as url:
        line.network.directory.add(Service("*1", url))
        dialling = asyncio.create_task(line.network.dial(MOBILE, "*1#"))
        await asked.wait()
        (session,) = line.network.sessions
        assert (await line.network.reply(session, "1")).kind is Kind.BUSY
        line.network.hang_up(session)
        going_on.set()
        shown = await dialling
    assert (text(shown), shown.is_open) == ("at last", False)


# -- what a merchant does wrong ----------------------------------------------------------------------------------------


async def test_mistakes_are_shown_and_written_down(line: Line) -> None:
    """The screen, its mistakes, and the diary."""
    line.merchant.says = web.Response(body=b"\xef\xbb\xbf<b>" + b"a" * 200)
    shown = await line.network.dial(MOBILE, f"{ODD}#")
    assert shown.screen is not None and shown.screen.mistakes == ("bom", "markup", "too_long")
    assert line.results() == ["bom, markup, too_long"]


@pytest.mark.parametrize(
    ("says", "why"),
    [
        (web.Response(status=500), "http_500"),
        (web.Response(status=302, headers={"Location": "/register"}), "http_302"),
        (web.Response(body=b"a" * 5000), "too_big"),
    ],
)
async def test_an_answer_that_cannot_be_shown(line: Line, says: web.Response, why: str) -> None:
    """A network error, and the session goes on."""
    line.merchant.says = says
    shown = await line.network.dial(MOBILE, f"{ODD}#")
    assert (shown.kind, shown.why, shown.is_open) == (Kind.NETWORK_ERROR, why, True)
    assert line.results() == [why] and len(line.merchant.seen) == 1


async def test_a_merchant_who_cannot_be_reached(line: Line) -> None:
    """Nobody listens."""
    line.network.directory.add(Service("*1", "http://127.0.0.1:1/"))
    assert (await line.network.dial(MOBILE, "*1#")).why == "unreachable"


async def test_a_merchant_who_thinks_for_too_long() -> None:
    """The network waits its time and no longer."""

    async def never(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response()

    async with _serving(never) as url:
        ussd = UssdSettings((Service("*1", url),), merchant_seconds=0.2)
        async with SandboxServer(SandboxSettings(ussd=ussd)) as sandbox:
            assert (await sandbox.ussd.dial(MOBILE, "*1#")).why == "timeout"


# -- money -------------------------------------------------------------------------------------------------------------


async def wish(line: Line) -> tuple[Shown, str]:
    """Dial, agree: what the telephone shows, and the link of the SMS."""
    first = await line.network.dial(MOBILE, f"{PAY}#")
    assert text(first) == AGREE
    shown = await line.network.reply(first.session, "1")
    sms = line.sandbox.sms.last("42")
    assert sms is not None and sms.to == MOBILE
    return shown, sms.text.split()[-1]


async def test_a_payment(line: Line, web: aiohttp.ClientSession) -> None:
    """The session ends with the link; paid, the payer has an SMS and the merchant is called, as the document says."""
    shown, link = await wish(line)
    assert (shown.kind, shown.is_open) == (Kind.PAYMENT, False)
    assert (await line.network.reply(shown.session, "1")).kind is Kind.ENDED
    for _ in range(2):
        async with web.post(link, data={"action": "pay"}) as page:
            assert "پرداخت شد" in await page.text()
    await line.sandbox.inoti_payer.called_back()
    (payment,) = line.sandbox.inoti_books.payments
    assert line.merchant.seen[-1] == (
        f"/pay?shop=1&mobile={MOBILE}&sessionid={shown.session}"
        f"&call=*6655*124*1*42*{payment.their_factor}&RRN={payment.rrn}"
    )
    assert line.merchant.paid == [str(payment.rrn)]
    sms = line.sandbox.sms.last("42")
    assert sms is not None and str(payment.rrn) in sms.text
    assert "http_200" in line.results()


async def test_a_cancelled_payment(line: Line, web: aiohttp.ClientSession) -> None:
    """The merchant never hears of it, and the link pays nothing any more."""
    _, link = await wish(line)
    for action in ("cancel", "pay"):
        async with web.post(link, data={"action": action}) as page:
            assert "پرداخت لغو شد" in await page.text()
    await line.sandbox.inoti_payer.called_back()
    assert line.merchant.paid == [] and len(line.sandbox.sms.sent) == 1
    assert line.sandbox.inoti_books.payments[0].paid_at is None


async def test_cancelling_what_is_paid(line: Line, web: aiohttp.ClientSession) -> None:
    """Changes nothing."""
    _, link = await wish(line)
    for action in ("pay", "cancel"):
        async with web.post(link, data={"action": action}) as page:
            assert "پرداخت شد" in await page.text()
    await line.sandbox.inoti_payer.called_back()
    assert len(line.merchant.paid) == 1


async def test_a_payment_that_was_made_at_the_desk_calls_nobody(line: Line, web: aiohttp.ClientSession) -> None:
    """There was no session, so there is no page; the SMS go out all the same."""
    new = {"session": "123", "mobile": MOBILE, "price": 1000, "your_factor": "7", "paid": True}
    async with web.post(f"{line.sandbox.admin_url}/_sandbox/inoti/payments", json=new) as answer:
        assert answer.status == 201
    await line.sandbox.inoti_payer.called_back()
    assert line.merchant.seen == [] and len(line.sandbox.sms.sent) == 2


# -- services ----------------------------------------------------------------------------------------------------------


async def test_services_at_the_desk(line: Line, web: aiohttp.ClientSession) -> None:
    """One more while it runs; a wrong one is explained."""
    services = f"{line.sandbox.admin_url}/_sandbox/inoti/services"
    new = {"code": "*6655*9#", "url": f"{line.merchant.url}/pay"}
    async with web.post(services, json=new) as answer:
        assert answer.status == 201
    async with web.get(services) as answer:
        assert [each["code"] for each in (await answer.json())["services"]] == [REGISTER, PAY, ODD, "*6655*9"]
    async with web.post(services, json={**new, "url": "x"}) as answer:
        assert answer.status == 400 and (await answer.json())["error"]
    assert text(await line.network.dial(MOBILE, "*6655*9#"))


class _serving:
    """One handler on a port of its own."""

    def __init__(self, handler: object) -> None:
        app = web.Application()
        app.router.add_get("/", handler)  # type: ignore[arg-type]
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}/"

    async def __aexit__(self, *exc: object) -> None:
        await self._runner.cleanup()
