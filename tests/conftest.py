"""What tests of several parts start once, a real PostgreSQL and a browser; and what some of them throw dice with."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from ivr.lab.postgres import Server, running
from tests.browser import Browser, open_browser


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--pictures docs/pictures` keeps pictures of what the tests see in the browser."""
    parser.addoption("--pictures", type=Path, default=None, help="keep pictures of pages in this directory")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server of its own; each test has books of its own in it."""
    with running() as server:
        yield server


@pytest.fixture(scope="session")
def chromium(request: pytest.FixtureRequest) -> Iterator[Browser]:
    """One browser for all tests that need one; see `browser`."""
    with open_browser(request.config.getoption("--pictures")) as opened:
        yield opened


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """The browser, empty at the beginning; a page that complained on its console fails the test."""
    chromium.clear()
    yield chromium
    assert chromium.console() == []


@pytest.fixture
def seed(request: pytest.FixtureRequest) -> int:
    """Another one each time; shown when the test fails."""
    thrown = random.randrange(10**6)
    request.node.add_report_section("setup", "seed", str(thrown))
    return thrown
