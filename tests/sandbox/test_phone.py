"""The handset's page and its JSON, as the page's script uses them."""

import re
from typing import Any

import aiohttp
import pytest

from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.phone_words import CHOICES
from tests.sandbox.merchant import AGREE, ASK, MOBILE, ODD, PAY, REGISTER, Line


class Phone:
    """What the page's script does."""

    def __init__(self, line: Line, web: aiohttp.ClientSession) -> None:
        self.base = line.sandbox.phone_url
        self.web = web

    async def ask(self, method: str, path: str, status: int = 200, **body: Any) -> dict[str, Any]:
        async with self.web.request(method, f"{self.base}/{path}", json=body or None) as answer:
            assert answer.status == status
            return dict(await answer.json())

    async def dial(self, dialled: str) -> dict[str, Any]:
        return await self.ask("POST", "dial", mobile=MOBILE, dialled=dialled)

    async def reply(self, session: str, text: str) -> dict[str, Any]:
        return await self.ask("POST", "reply", session=session, text=text)

    async def state(self) -> dict[str, Any]:
        return await self.ask("GET", f"state?mobile={MOBILE}")


@pytest.fixture
def phone(line: Line, web: aiohttp.ClientSession) -> Phone:
    return Phone(line, web)


async def test_the_page_loads_nothing(line: Line, web: aiohttp.ClientSession) -> None:
    """One file; the browser is told to run nothing else. Each fault of the script's is there to be chosen."""
    async with web.get(line.sandbox.phone_url) as answer:
        page, allowed = await answer.text(), answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in allowed and "unsafe" not in allowed
    assert not re.search(r"(?:src|href)=\"?(?:https?:)?//|@import|url\(", page)
    assert '<html lang="fa" dir="rtl">' in page
    assert set(re.findall(r'<option value="(\w+)">', page)) == set(CHOICES)
    assert "/*style*/" not in page and "/*script*/" not in page and "<!--" not in page


async def test_a_session(phone: Phone) -> None:
    """Text, length, limit and alphabet of each screen; the end by hanging up."""
    shown = await phone.dial(f"{REGISTER}#")
    session = shown["session"]
    assert shown == {
        "kind": "screen",
        "session": session,
        "open": True,
        "call": REGISTER,
        "text": ASK,
        "mistakes": [],
        "length": len(ASK),
        "most": 80,
        "alphabet": "ucs2",
    }
    assert (await phone.ask("POST", "hang_up", session=session))["open"] is False
    assert (await phone.reply(session, "1"))["text"] == "نشست پایان یافت."


async def test_the_words_of_the_network(line: Line, phone: Phone) -> None:
    """Each in Persian, with what the merchant did wrong."""
    assert (await phone.dial("*1#"))["text"] == "کد دستوری نامعتبر است."
    line.merchant.says.set_status(503)
    failed = await phone.dial(f"{ODD}#")
    assert (failed["kind"], failed["mistakes"]) == ("network_error", ["پاسخ فروشنده HTTP 503 بود"])
    assert (await phone.reply(failed["session"], "\n"))["text"] == "این پاسخ را نمی‌توان فرستاد."


async def test_the_inbox(phone: Phone) -> None:
    """A link to the pay page, for this telephone alone."""
    shown = await phone.dial(f"{PAY}#")
    assert shown["text"] == AGREE
    wish = await phone.reply(shown["session"], "1")
    assert (wish["kind"], wish["open"]) == ("payment", False) and "160,000" in wish["text"]
    state = await phone.state()
    (sms,) = state["sms"]
    assert sms["link"] in sms["text"] and "/pay/" in sms["link"]
    assert [each["code"] for each in state["services"]] == [REGISTER, PAY, ODD]
    assert (await phone.ask("GET", "state?mobile=09121234568"))["sms"] == []


@pytest.mark.parametrize("choice", CHOICES)
async def test_a_fault_is_chosen(line: Line, phone: Phone, choice: str) -> None:
    """It waits for this telephone, and can be taken back; other people's stay."""
    await line.sandbox.set_fault(Fault("ussd_request", FaultKind.LOST))
    chosen = await phone.ask("POST", "faults", 201, mobile=MOBILE, choice=choice)
    assert (
        [each["name"] for each in chosen["waiting"]]
        == [choice]
        == [each["name"] for each in (await phone.state())["waiting"]]
    )
    assert (await phone.ask("DELETE", f"faults?mobile={MOBILE}"))["waiting"] == []
    assert len(line.sandbox.faults.all()) == 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("dial", '{"mobile": "1", "dialled": "*1#"}'),
        ("dial", "{"),
        ("dial", '{"mobile": "09121234567"}'),
        ("reply", '{"session": 1, "text": "1"}'),
        ("faults", '{"mobile": "09121234567", "choice": "earthquake"}'),
    ],
)
async def test_a_mistake_is_explained(phone: Phone, path: str, body: str) -> None:
    """400 and a sentence; a form from somebody else's page is refused too."""
    for content_type in ("application/json", "text/plain"):
        headers = {"Content-Type": content_type}
        async with phone.web.post(f"{phone.base}/{path}", data=body, headers=headers) as answer:
            assert answer.status == 400 and (await answer.json())["error"]
