"""What a payer's browser, or a provider, gets that comes back to us; and what it can bring about."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, field

import httpx
import pytest
from starlette.applications import Starlette
from structlog.testing import capture_logs

from ivr.domain.errors import Unusable
from ivr.web.callbacks import A_SECOND, MOST_AT_ONCE, MOST_QUERY, PAGE, callback_routes


@dataclass
class Site:
    """The routes, their clock, and what was heard."""

    heard: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    now: float = 0.0
    broken: bool = False

    async def hear(self, provider: str, texts: Collection[str]) -> bool:
        self.heard.append((provider, tuple(texts)))
        if self.broken:
            raise Unusable("the disk is full")
        return True

    def browser(self) -> httpx.AsyncClient:
        app = Starlette(routes=callback_routes(self.hear, ("web", "pod"), lambda: self.now))
        return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://ivr")


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.mark.parametrize("way", ["back/web", "called/pod"])
async def test_everybody_gets_the_same_page(site: Site, way: str) -> None:
    """In Persian and English, nothing of the request in it; what the query says is a hint and no more."""
    async with site.browser() as browser:
        answer = await browser.get(f"/{way}?invoiceId=880011&paid=true&x=<script>")
    assert (answer.status_code, answer.text) == (200, PAGE)
    assert "می‌توانید این صفحه را ببندید" in PAGE and "You may close this page" in PAGE
    assert answer.headers["cache-control"] == "no-store" and "default-src 'none'" in str(answer.headers)
    assert site.heard == [(way.partition("/")[2], ("880011", "true", "<script>"))]


async def test_what_is_not_taken(site: Site) -> None:
    """A provider that is not ours, a query without end, another method: the page, and nothing is done."""
    async with site.browser() as browser:
        said = [
            (await browser.get("/back/nobody?a=1")).status_code,
            (await browser.get("/back/web", params={"a": "1" * MOST_QUERY})).status_code,
            (await browser.post("/back/web", data={"a": "1"})).status_code,
        ]
    assert said == [404, 414, 405] and site.heard == []


async def test_too_often(site: Site) -> None:
    """So many at once, then so many a second; whoever comes too often gets nothing done."""
    async with site.browser() as browser:
        said = [(await browser.get("/back/web?a=1")).status_code for _ in range(MOST_AT_ONCE + 3)]
        site.now += 1
        later = [(await browser.get("/back/web?a=1")).status_code for _ in range(int(A_SECOND) + 1)]
    assert said == [200] * MOST_AT_ONCE + [429] * 3
    assert later == [200] * int(A_SECOND) + [429]
    assert len(site.heard) == MOST_AT_ONCE + int(A_SECOND)


async def test_a_book_that_cannot_be_read(site: Site) -> None:
    """The payer sees the page all the same, and the log says it without a word of the query."""
    site.broken = True
    with capture_logs() as lines:
        async with site.browser() as browser:
            assert (await browser.get("/back/web?secret=12345678")).status_code == 200
        await asyncio.sleep(0)
    assert [line["event"] for line in lines] == ["callback_not_taken"] and "12345678" not in str(lines)
