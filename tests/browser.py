"""A real Chromium without a screen, and what tests want to know of a page.

Law: it is Debian's own browser and driver, with an empty profile, and it asks nobody but the page that a test opens. A
test waits for what it wants to see, never for a time.
"""

import asyncio
import contextlib
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from selenium.common.exceptions import InvalidSessionIdException, WebDriverException
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

PATIENCE: Final = 30.0
"""Seconds that a busy machine may take for what takes a fraction of one."""
LOOK_EVERY: Final = 0.05
FLAGS: Final = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--force-prefers-reduced-motion",
    "--force-device-scale-factor=1",
)

T = TypeVar("T")


@dataclass(frozen=True)
class Browser:
    """One window."""

    driver: Chrome
    pictures: Path | None = None
    """Where pictures go; None: nowhere."""

    def open(self, url: str, width: int = 1100, height: int = 860) -> None:
        """Go to a page, in a window of this size; what the console said before is forgotten."""
        self.size(width, height)
        self.driver.get(url)
        self.console()

    def clear(self) -> None:
        """One window, empty, by day, with nothing on its console."""
        first, *others = self.driver.window_handles
        for window in others:
            self.driver.switch_to.window(window)
            self.driver.close()
        self.driver.switch_to.window(first)
        self.colours("light")
        self.driver.get("about:blank")
        self.console()

    def size(self, width: int, height: int) -> None:
        """The page gets so many pixels."""
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def colours(self, scheme: str) -> None:
        """`light` or `dark`, as the reader's system would prefer."""
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)

    def find(self, selector: str) -> WebElement:
        """The first element of a CSS selector."""
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        """Every element of a CSS selector, hidden ones too."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def wait(self, seen: Callable[[], T], what: str = "") -> T:
        """Wait until this is true; returns it. What is gone before it was read is looked for again."""
        end = time.monotonic() + PATIENCE
        while True:
            trouble = None
            try:
                if found := seen():
                    return found
            except InvalidSessionIdException:
                raise
            except WebDriverException as error:  # the page was on its way to the next one
                trouble = error
            if time.monotonic() > end:
                raise AssertionError(f"not seen: {what}") from trouble
            time.sleep(LOOK_EVERY)

    def type(self, *keys: str) -> None:
        """Press keys, wherever the focus is. Where one opens another page, this one may be gone before the key is up:
        what comes of it is for the test to see.
        """
        with contextlib.suppress(WebDriverException):
            ActionChains(self.driver).send_keys(*keys).perform()

    def focused(self) -> str:
        """The id of the element that has the focus, or its words."""
        element = self.driver.switch_to.active_element
        return element.get_attribute("id") or element.text

    def run(self, script: str, *given: object) -> object:
        """What a script returns."""
        return self.driver.execute_script(script, *given)

    def console(self) -> list[str]:
        """What the console said since it was last asked, warnings and worse."""
        log = self.driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(line["message"]) for line in log if line["level"] in ("WARNING", "SEVERE")]

    def picture(self, name: str, of: str = "") -> None:
        """Keep a picture of the window, or of an element, when pictures are wanted (`pytest --pictures DIR`)."""
        if self.pictures is not None:
            self.pictures.mkdir(parents=True, exist_ok=True)
            taken = self.find(of).screenshot_as_png if of else self.driver.get_screenshot_as_png()
            (self.pictures / f"{name}.png").write_bytes(taken)


@contextmanager
def open_browser(pictures: Path | None = None) -> Iterator[Browser]:
    """A browser of its own, while inside."""
    with tempfile.TemporaryDirectory(prefix="ivr-chromium-", ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, f"--user-data-dir={profile}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        driver = Chrome(options, Service("/usr/bin/chromedriver"))
        try:
            yield Browser(driver, pictures)
        finally:
            driver.quit()


@contextmanager
def beside(running: AbstractAsyncContextManager[T]) -> Iterator[tuple[T, asyncio.AbstractEventLoop]]:
    """Run servers on an event loop in a thread of its own, for tests that wait for a browser meanwhile."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="beside")
    thread.start()
    try:
        inside = asyncio.run_coroutine_threadsafe(_entered(running), loop).result(PATIENCE)
        try:
            yield inside, loop
        finally:
            asyncio.run_coroutine_threadsafe(_left(running), loop).result(PATIENCE)
            asyncio.run_coroutine_threadsafe(_nothing_left(), loop).result(PATIENCE)
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


async def _entered(running: AbstractAsyncContextManager[T]) -> T:
    return await running.__aenter__()


async def _left(running: AbstractAsyncContextManager[T]) -> None:
    await running.__aexit__(None, None, None)


async def _nothing_left() -> None:
    """Whoever was still being answered, slowly, is not any more."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
