"""The sandbox's handset as whoever uses it knows it: dial, read, answer, open an SMS, pay."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from tests.browser import Browser


@dataclass(frozen=True)
class Handset:
    """The page at `url` in a browser."""

    browser: Browser
    url: str

    def open(self, width: int = 1100, height: int = 860) -> None:
        """Load the page."""
        self.browser.open(self.url, width, height)
        self.browser.wait(lambda: self.browser.all("#pad button"), "the keypad")

    def dial(self, text: str) -> str:
        """Key a code and call; returns the screen."""
        return self._send("#number", text)

    def answer(self, text: str) -> str:
        """Key an answer and send it; returns the screen."""
        return self._send("#answer", text)

    def hang_up(self) -> None:
        """Press the red key."""
        self.browser.find("#stop").click()
        self.browser.wait(lambda: self.browser.find("#number").is_displayed(), "the line is free")

    def screen(self) -> str:
        """The words on the screen."""
        return self.browser.find("#screen").text

    def mistakes(self) -> list[str]:
        """What the page says about the merchant's answer."""
        return [item.text for item in self.browser.all("#mistake-list li")]

    def sms(self, count: int) -> list[WebElement]:
        """Wait until so many SMS have come."""
        self.browser.wait(lambda: len(self.browser.all("#inbox li")) >= count, f"{count} SMS")
        return self.browser.all("#inbox li")

    @contextmanager
    def pay_page(self) -> Iterator[Browser]:
        """Open the link of the newest SMS that has one, in its own tab; closed afterwards."""
        self.browser.wait(lambda: self.browser.all("#inbox a"), "a link by SMS")
        driver = self.browser.driver
        before = set(driver.window_handles)
        self.browser.all("#inbox a")[-1].send_keys(Keys.ENTER)
        (opened,) = self.browser.wait(lambda: set(driver.window_handles) - before, "the pay page")
        home = driver.current_window_handle
        driver.switch_to.window(opened)
        self.browser.wait(lambda: driver.find_elements(By.CSS_SELECTOR, "main h1"), "the pay page's heading")
        try:
            yield self.browser
        finally:
            driver.close()
            driver.switch_to.window(home)

    def pay(self, action: str = "pay") -> str:
        """`pay` or `cancel` by the newest link; returns the heading of the page after it."""
        with self.pay_page() as page:
            page.find(f"button[value={action}]").click()
            return page.wait(lambda: not page.all("form") and page.find("h1").text, "the page after") or ""

    def choose_fault(self, name: str) -> None:
        """Let something go wrong; `name` is a key of `phone_words.CHOICES`."""
        Select(self.browser.find("#fault")).select_by_value(name)
        self.browser.find("#fault-form button").click()
        self.browser.wait(lambda: self.browser.all("#waiting li"), "the fault waits")

    def _send(self, field: str, text: str) -> str:
        element = self.browser.find(field)
        element.clear()
        element.send_keys(text, Keys.ENTER)
        return self.settled()

    def settled(self) -> str:
        """Wait for the network; returns the screen."""
        self.browser.wait(lambda: self.browser.find("#screen").get_attribute("aria-busy") == "false", "an answer")
        return self.screen()
