"""SIP from people who mean us no good: strange headers, strange callers, strange addresses. Nothing of theirs gets on.

The raw calls come from the merchant's own address, which the switch trusts, so every header is really read.
"""

from collections.abc import Mapping
from typing import Final

import pytest

from ivr.lab.town import MERCHANT_PHONE, PAY_NUMBER, SWITCH_NUMBER, Town
from tests.end_to_end.raw_sip import raw_call
from tests.end_to_end.serve_log import ServeLog
from tests.end_to_end.stage import Stage, eventually

GOOD: Final = b"65843148"

ATTACKS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "missing": (),
    "empty": (b"X-Invoice-Id:",),
    "blank": (b"X-Invoice-Id:   ",),
    "letters": (b"X-Invoice-Id: 6584abcd",),
    "persian digits": ("X-Invoice-Id: ۶۵۸۴۳۱۴۸".encode(),),
    "half a character": (b"X-Invoice-Id: 6584\xff\xfe",),
    "sql": (b"X-Invoice-Id: 1'; DROP TABLE payments;--",),
    "too long": (b"X-Invoice-Id: 1234567890123",),
    "ten thousand digits": (b"X-Invoice-Id: " + b"7" * 10_000,),
    "a folded line": (b"X-Invoice-Id: 6584\r\n 3148",),
    "line breaks as text": (b"X-Invoice-Id: 65843148%0d%0aAmount: 1",),
    "a line break inside": (b"X-Invoice-Id: 65\rAmount: 1",),
    "a variable": (b"X-Invoice-Id: ${SHELL(id)}",),
    "an expression": (b"X-Invoice-Id: $[65843147+1]",),
    "negative": (b"X-Invoice-Id: -65843148",),
    "another name": (b"X-Invoice-Identity: 65843148",),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_a_header_that_is_no_invoice_number(town: Town, attack: str) -> None:
    """Whoever sends nonsense is asked for the number like anybody else, or not served at all; serving goes on."""
    log = ServeLog(town.switch)
    async with raw_call(town.merchant.address, (town.switch.address, town.switch.sip_port)) as call:
        status = await call.invite(SWITCH_NUMBER, ATTACKS[attack])
        if status == 200:

            async def steps() -> list[str]:
                return log.steps()

            seen = await eventually(steps, lambda steps: len(steps) > 1)
            assert seen[:2] == ["read_headers", "welcome"]
        else:
            assert attack in ("ten thousand digits", "a line break inside", "half a character"), status
    assert log.errors() == []
    assert town.switch.app_pid is not None and town.switch.instance.pid is not None


@pytest.mark.parametrize(
    "headers",
    [
        (b"X-Invoice-Id: " + GOOD,),
        (b"x-invoice-id:  " + GOOD + b"  ",),
        (b"X-Invoice-Id: " + GOOD, b"X-Invoice-Id: 65843149"),
        (b"X-Invoice-Id: " + GOOD, b"Amount: 1", b"X-Amount: 1"),
    ],
    ids=["plain", "small letters", "twice", "with an amount"],
)
async def test_a_header_that_is_one(town: Town, headers: tuple[bytes, ...]) -> None:
    """The first invoice number counts, and only it: the provider is asked about it, and names the amount."""
    log, asked = ServeLog(town.switch), len(town.sandbox.diary.lines)
    async with raw_call(town.merchant.address, (town.switch.address, town.switch.sip_port)) as call:
        assert await call.invite(SWITCH_NUMBER, headers) == 200

        async def steps() -> list[str]:
            return log.steps()

        await eventually(steps, lambda steps: "read_amount" in steps)
        assert "read_amount" in log.steps()
    said = repr(list(town.sandbox.diary.lines)[asked:])
    assert GOOD.decode() in said and "65843149" not in said


async def test_headers_of_a_trunk_that_is_not_trusted(stage: Stage) -> None:
    """The public may write any header: nobody reads it, a log line says so, and the caller is asked."""
    log = ServeLog(stage.town.switch)
    headers = {"X-Invoice-Id": "65843148", "Amount": "1"}
    caller = await stage.call(SWITCH_NUMBER, trunk="switch", headers=headers)
    await caller.hears("invoice/welcome")
    await caller.hangs_up()
    (line,) = await log.shows("headers_ignored")
    assert line["trunk"] == "public" and line["call_id"]


@pytest.mark.parametrize(
    "caller",
    [
        '"Eve \\"<sip:1*2*3@x>\\" *" <sip:0912*10000005*1@evil>',
        '"Amount: 1" <sip:09121111111;x=y@evil>',
        "<sip:%22%3C*%3E@evil>",
        "<sip:anonymous@anonymous.invalid>",
    ],
)
async def test_a_caller_who_is_no_number(town: Town, caller: str) -> None:
    """A caller id full of quotes, brackets and stars is served as if withheld, or refused; it breaks nothing."""
    log = ServeLog(town.merchant)
    async with raw_call(town.handset.address, (town.merchant.address, town.merchant.sip_port)) as call:
        assert await call.invite(PAY_NUMBER, from_=caller) in (200, 400)
        if call.status == 200:
            await log.shows("call_started")
    assert log.errors() == []


async def test_an_address_that_is_no_trunk(town: Town) -> None:
    """Strangers get no call and no prompt: no channel is made for them."""
    stranger = town.handset.address.rpartition(".")[0] + ".201"
    log = ServeLog(town.merchant)
    async with raw_call(stranger, (town.merchant.address, town.merchant.sip_port)) as call:
        assert await call.invite(PAY_NUMBER) in (401, None)
    assert "call_started" not in log.events()


@pytest.mark.parametrize("number", ["42473999", "0", "s", "h", "_X.", "42473000%20", "*97"])
async def test_a_number_that_is_not_ours(town: Town, number: str) -> None:
    """It does not exist; nothing can be dialled out by us."""
    async with raw_call(town.handset.address, (town.merchant.address, town.merchant.sip_port)) as call:
        assert await call.invite(number) in (404, 400, 416)


async def test_nothing_of_the_caller_reaches_the_bank(stage: Stage) -> None:
    """After all of that a call is paid; the bank's INVITE holds our values alone, whatever the caller sent."""
    town = stage.town
    invoice = stage.invoice()
    before = len(await town.bank.invites())
    forged = {"Amount": "1", "X-Invoice-Id": "1", "X-Evil": "yes", "P-Asserted-Identity": "<sip:1*2*3@evil>"}
    caller = await stage.call(PAY_NUMBER, caller_number="0912*999*888", caller_name="Eve", headers=forged)
    await caller.barges("caller/enter_mobile", "09121234567")
    await caller.barges("invoice/enter_number", f"{invoice.tracking_code}#")
    await caller.barges("pay/press_keys", "1")
    await caller.pays()
    await caller.hears("pay/paid")
    await caller.hangs_up()
    (invite,) = (await town.bank.invites())[before:]
    assert invite.all("Amount") == [str(invoice.amount)]
    name, number = invite.caller
    phone, _, transaction = number.split("*")
    assert name == number and phone == MERCHANT_PHONE and transaction.isdigit()
    theirs = ("evil", "eve ", '"eve"', "0912*999", "999*888", "912999888")  # no shorter: tags are thrown
    assert not [header for header, value in invite.headers if any(it in f"{header}{value}".lower() for it in theirs)]
    assert {header.lower() for header, _ in invite.headers} <= {
        *("via", "from", "to", "contact", "call-id", "cseq", "allow", "supported", "session-expires", "min-se"),
        *("amount", "max-forwards", "user-agent", "content-type", "content-length"),
    }
