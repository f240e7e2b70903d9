"""The handset in a real browser: with the mouse, with the keyboard alone, and as a screen reader is told of it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest
from aiohttp import web
from selenium.webdriver.common.keys import Keys

from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import SandboxSettings
from ivr.sandbox.ussd_settings import UssdSettings
from tests.browser import Browser, beside
from tests.handset import Handset
from tests.sandbox.merchant import AGREE, ASK, MOBILE, ODD, PAY, REGISTER, SAVED, Line, open_pages


@dataclass(frozen=True)
class Town:
    """A handset on a table, and what is behind it."""

    phone: Handset
    line: Line

    @property
    def browser(self) -> Browser:
        return self.phone.browser


@asynccontextmanager
async def _line() -> AsyncIterator[Line]:
    async with open_pages() as merchant:
        settings = SandboxSettings(seed=7, ussd=UssdSettings(merchant.services))
        async with SandboxServer(settings) as sandbox:
            yield Line(sandbox, merchant)


@pytest.fixture
def town(browser: Browser) -> Iterator[Town]:
    with beside(_line()) as (line, _):
        phone = Handset(browser, line.sandbox.phone_url)
        phone.open()
        yield Town(phone, line)
        browser.driver.get("about:blank")  # it looks for SMS no more


def test_a_code_is_registered(town: Town) -> None:
    """Dial, answer, read that it is done, hang up: the line is free again."""
    phone = town.phone
    assert phone.dial(f"{REGISTER}#") == ASK
    assert town.browser.focused() == "answer"
    town.browser.picture("handset-screen")
    assert phone.answer("8812") == SAVED
    assert town.line.merchant.codes == ["8812"]
    phone.hang_up()
    assert town.browser.focused() == "number" and phone.screen() == "نشست پایان یافت."


def test_a_payment(town: Town) -> None:
    """The screen says that an SMS comes, the SMS has the link, the page takes the money, and another SMS says so."""
    phone = town.phone
    assert phone.dial(f"{PAY}#") == AGREE
    assert "160,000" in phone.answer("1")
    assert town.browser.focused() == "number"
    phone.sms(1)
    town.browser.picture("handset-sms")
    with phone.pay_page() as page:
        assert page.run("return document.documentElement.dir") == "rtl"
        page.picture("handset-pay")
    assert phone.pay() == "پرداخت شد"
    assert town.browser.wait(lambda: town.line.merchant.paid, "the merchant is called")[0] in phone.sms(2)[-1].text


def test_a_payment_is_cancelled(town: Town) -> None:
    """The link says so ever after; nobody is told anything."""
    phone = town.phone
    phone.dial(f"{PAY}#")
    phone.answer("1")
    assert phone.pay("cancel") == "پرداخت لغو شد"
    with phone.pay_page() as page:
        assert not page.all("form")
    assert town.line.merchant.paid == [] and len(phone.sms(1)) == 1


def test_with_the_keypad(town: Town) -> None:
    """Every key can be pressed, and the last one taken back."""
    keys = {key.text[0]: key for key in town.browser.all("#pad button")}
    for key in f"{REGISTER}4":
        keys[key].click()
    town.browser.find("#back").click()
    keys["#"].click()
    town.browser.find("#go").click()
    assert town.phone.settled() == ASK
    keys["7"].click()
    town.browser.find("#go").click()
    assert (town.phone.settled(), town.line.merchant.codes) == (SAVED, ["7"])


def test_with_the_keyboard_alone(town: Town) -> None:
    """From the first key to the paid invoice, without a mouse; Escape hangs up."""
    browser, phone = town.browser, town.phone

    assert browser.focused() == "number"
    browser.type(f"{REGISTER}#", Keys.ENTER)
    assert phone.settled() == ASK and browser.focused() == "answer"
    browser.type(Keys.ESCAPE)
    browser.wait(lambda: browser.focused() == "number", "the line is free")
    browser.type(f"{PAY}#", Keys.ENTER)
    assert phone.settled() == AGREE
    browser.type("1", Keys.ENTER)
    phone.settled()
    phone.sms(1)
    for _ in range(60):
        browser.type(Keys.TAB)
        if browser.run("return document.activeElement.matches('#inbox a')"):
            break
    before = set(browser.driver.window_handles)
    browser.type(Keys.ENTER)
    (opened,) = browser.wait(lambda: set(browser.driver.window_handles) - before, "the pay page")
    home = browser.driver.current_window_handle
    browser.driver.switch_to.window(opened)
    browser.wait(lambda: browser.all("form"), "the form")
    browser.type(Keys.TAB)
    assert browser.focused() == "پرداخت"
    browser.type(Keys.ENTER)
    browser.wait(lambda: browser.find("h1").text == "پرداخت شد", "paid")
    browser.driver.close()
    browser.driver.switch_to.window(home)
    browser.wait(lambda: town.line.merchant.paid, "the merchant is called")


def test_every_focus_is_seen(town: Town) -> None:
    """Tab goes through all that can be pressed or filled in, and a ring shows where it is."""
    browser = town.browser
    reached: list[str] = []
    for _ in range(60):
        browser.type(Keys.TAB)
        name = str(browser.run("const one = document.activeElement; return one.id || one.textContent"))
        ring = browser.run("return getComputedStyle(document.activeElement).outlineStyle")
        if name in reached or browser.run("return document.activeElement === document.body"):
            break
        assert ring == "solid", name
        reached.append(name)
    assert {"go", "back", "stop", "owner", "fault", f"{REGISTER}#", "5۵"} <= set(reached)


def test_what_a_screen_reader_is_told(town: Town) -> None:
    """Language, direction, live regions; every field has a name, and so has every key."""
    browser = town.browser
    town.phone.dial(f"{PAY}#")
    screen = browser.find("#screen")
    assert [screen.get_attribute(name) for name in ("role", "aria-live", "lang", "dir")] == [
        "status",
        "polite",
        "fa",
        "rtl",
    ]
    assert browser.run("return getComputedStyle(document.body).direction") == "rtl"
    assert screen.aria_role == "status"
    assert browser.find("#answer").accessible_name == "پاسخ"
    assert browser.find("#answer").get_attribute("aria-describedby") == "screen"
    assert browser.find("#inbox").aria_role == "log"
    for element in browser.all("input, select, button, ol, [role=group], section"):
        assert element.accessible_name or not element.is_displayed(), element.get_attribute("outerHTML")
    names = [key.accessible_name for key in browser.all("#pad button")]
    assert names == [*"123456789", "ستاره", "0", "مربع"]
    left = "return document.getElementById('number').value"
    town.phone.hang_up()
    assert browser.run(left) == ""


def test_the_same_screen_again_is_announced_again(town: Town) -> None:
    """A live region speaks of what is new in it, so the words are put there anew."""
    town.phone.dial(f"{REGISTER}#")
    first = town.browser.find("#screen p")
    town.phone.answer("1")
    town.phone.answer("2")
    assert town.phone.screen() == SAVED and town.browser.find("#screen p") != first


def test_a_wrong_answer_of_the_merchant(town: Town) -> None:
    """What fits is shown, and what is wrong with it, as an alert."""
    town.line.merchant.says = web.Response(body="<b>فهرست</b> ".encode() + "خدمات فروشگاه ".encode() * 9)
    assert len(town.phone.dial(f"{ODD}#")) <= 80
    town.browser.picture("handset-mistake")
    assert town.browser.find("#mistakes").is_displayed() and town.browser.find("#mistakes").aria_role == "alert"
    assert len(town.phone.mistakes()) == 3
    town.phone.hang_up()
    town.phone.dial(f"{REGISTER}#")
    assert town.phone.mistakes() == [] and not town.browser.find("#mistakes").is_displayed()


def test_a_code_of_nobody(town: Town) -> None:
    """Says so, and the next one can be dialled."""
    assert town.phone.dial("*1#") == "کد دستوری نامعتبر است."
    assert town.phone.dial(f"{REGISTER}#") == ASK


def test_a_lost_answer(town: Town) -> None:
    """Chosen on the page; the error is shown, and the next answer reaches the merchant behind the lost one."""
    phone = town.phone
    phone.dial(f"{REGISTER}#")
    phone.choose_fault("lost")
    assert "خطای شبکه" in phone.answer("8812")
    assert town.browser.focused() == "answer"
    town.browser.wait(lambda: not town.browser.all("#waiting li"), "the fault is over")
    assert phone.answer("9") == SAVED
    assert town.line.calls()[-1] == f"{REGISTER}*8812*9"


def test_a_fault_is_taken_back(town: Town) -> None:
    """All goes well again."""
    town.phone.choose_fault("callback_never")
    town.browser.picture("handset-fault")
    town.browser.find("#no-more").click()
    town.browser.wait(lambda: not town.browser.all("#waiting li"), "nothing waits")
    assert town.line.sandbox.faults.all() == []


def test_another_owner(town: Town) -> None:
    """A wrong number is explained; another telephone has its own inbox."""
    browser, owner = town.browser, town.browser.find("#owner")
    town.phone.dial(f"{PAY}#")
    town.phone.answer("1")
    town.phone.sms(1)
    owner.clear()
    owner.send_keys("0912", Keys.TAB)
    browser.wait(lambda: owner.get_attribute("aria-invalid") == "true", "the number is wrong")
    browser.find("#number").send_keys(f"{REGISTER}#", Keys.ENTER)
    assert browser.focused() == "owner"
    owner.clear()
    owner.send_keys("09121234568", Keys.TAB)
    browser.wait(lambda: not browser.all("#inbox li"), "an empty inbox")
    owner.clear()
    owner.send_keys(MOBILE, Keys.TAB)
    town.phone.sms(1)


@pytest.mark.parametrize("width", [320, 390, 768])
def test_a_narrow_window(town: Town, width: int) -> None:
    """Nothing has to be pushed aside to be read."""
    town.phone.open(width, 800)
    town.phone.dial(f"{PAY}#")
    assert town.browser.run("return document.documentElement.scrollWidth") == width
    town.browser.picture(f"handset-{width}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_word_can_be_read(town: Town, scheme: str) -> None:
    """4.5 to 1 between words and what is behind them, by day and by night (WCAG AA)."""
    town.browser.colours(scheme)
    town.line.merchant.says = web.Response(body=b"<b>a</b>")
    town.phone.dial(f"{PAY}#")
    town.phone.answer("1")
    town.phone.sms(1)
    town.phone.choose_fault("lost")
    town.browser.find("#no-more").click()
    town.phone.dial(f"{ODD}#")
    town.browser.picture(f"handset-{scheme}")
    assert town.browser.run(CONTRAST) == []
    with town.phone.pay_page() as page:
        page.colours(scheme)
        assert page.run(CONTRAST) == []


CONTRAST = """
const rgb = (text) => (text.match(/[0-9.]+/g) || [0, 0, 0, 0]).map(Number);
const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
  .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
  .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
const behind = (one) => {
  for (; one; one = one.parentElement) {
    const back = rgb(getComputedStyle(one).backgroundColor);
    if (back.length < 4 || back[3] > 0) return back;
  }
  return [255, 255, 255];
};
const low = [];
for (const one of document.body.querySelectorAll("*")) {
  const words = [...one.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
  const field = one.matches("input, select");
  if (!(words || field) || one.matches("script, optgroup, option") || !one.checkVisibility()) continue;
  const [a, b] = [light(rgb(getComputedStyle(one).color)), light(behind(one))];
  const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (ratio < 4.5) low.push(`${one.tagName} ${one.id} ${one.textContent.trim().slice(0, 20)} ${ratio.toFixed(2)}`);
}
return low;
"""
