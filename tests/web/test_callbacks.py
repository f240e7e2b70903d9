"""What a payer's browser, or a provider, gets that comes back to us; and what it can bring about."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette
from structlog.testing import capture_logs

from ivr.domain.errors import Unusable
from ivr.web.callbacks import MOST_AT_ONCE, MOST_QUERY, PAGE, callback_routes


@dataclass
class Site:
    """The routes, and what was heard; behind a closed door nobody is looked up."""

    heard: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    door: asyncio.Event = field(default_factory=asyncio.Event)
    broken: bool = False

    async def hear(self, provider: str, texts: Collection[str]) -> bool:
        self.heard.append((provider, tuple(texts)))
        await self.door.wait()
        if self.broken:
            raise Unusable("the disk is full")
        return True

    def browser(self) -> httpx.AsyncClient:
        app = Starlette(routes=callback_routes(self.hear, ("web", "pod")))
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ivr")


@pytest.fixture
def site() -> Site:
    site = Site()
    site.door.set()
    return site


@pytest.mark.parametrize("way", ["back/web", "called/pod"])
async def test_everybody_gets_the_same_page(site: Site, way: str) -> None:
    """In Persian and English, nothing of the request in it; what the query says is a hint and no more."""
    async with site.browser() as browser:
        answer = await browser.get(f"/{way}?invoiceId=880011&paid=true&x=<script>")
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert "می‌توانید این صفحه را ببندید" in PAGE and "You may close this page" in PAGE
    assert answer.headers["cache-control"] == "no-store" and "default-src 'none'" in str(answer.headers)
    assert site.heard == [(way.partition("/")[2], ("880011", "true"))]


async def test_what_is_not_taken(site: Site) -> None:
    """A provider that is not ours, a query without end, another method: the page, and nothing is done."""
    async with site.browser() as browser:
        said = [
            (await browser.get("/back/nobody?a=1")).status_code,
            (await browser.get("/back/web", params={"a": "1" * MOST_QUERY})).status_code,
            (await browser.post("/back/web", data={"a": "1"})).status_code,
        ]
    assert said == [404, 414, 405] and site.heard == []


async def test_a_query_that_can_name_nothing(site: Site) -> None:
    """A stranger gets the page however often, nobody looks anything up, and a payer who comes back is heard."""
    async with site.browser() as browser:
        for _ in range(3 * MOST_AT_ONCE):
            assert (await browser.get("/back/web?x=1&y=<b>")).status_code == 200
        assert site.heard == []
        assert (await browser.get("/back/web?order=12345678")).status_code == 200
    assert site.heard == [("web", ("12345678",))]


async def test_too_many_at_once(site: Site) -> None:
    """While the books are slow only so many wait for them; whoever comes then gets the page and nothing done."""
    site.door.clear()
    async with site.browser() as browser:
        waiting = [asyncio.create_task(browser.get("/back/web?order=12345678")) for _ in range(MOST_AT_ONCE)]
        async with asyncio.timeout(60):
            while len(site.heard) < MOST_AT_ONCE:  # noqa: ASYNC110 - one turn of the loop after the other
                await asyncio.sleep(0)
        assert (await browser.get("/back/web?order=12345678")).status_code == 429
        site.door.set()
        assert {answer.status_code for answer in await asyncio.gather(*waiting)} == {200}
        assert (await browser.get("/back/web?order=12345678")).status_code == 200
    assert len(site.heard) == MOST_AT_ONCE + 1


async def test_a_book_that_cannot_be_read(site: Site) -> None:
    """The payer sees the page all the same, and the log says it without a word of the query."""
    site.broken = True
    with capture_logs() as lines:
        async with site.browser() as browser:
            assert (await browser.get("/back/web?secret=12345678")).status_code == 200
        await asyncio.sleep(0)
    assert [line["event"] for line in lines] == ["callback_not_taken"] and "12345678" not in str(lines)
