"""/back/<provider>, where payers' browsers come back to; /called/<provider>, which a provider calls after a payment.

Law: nothing of a request is believed, kept, logged or shown again: it may name a payment of ours, and then our own
inquiry decides. Everybody gets the same small page, at once. What cannot name a payment costs nothing but the page, and
takes nothing away from those who come back from a payment.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ivr.domain.errors import IvrError
from ivr.runtime.callbacks import possible_names

MOST_QUERY: Final = 2048
"""Bytes of a query."""
MOST_AT_ONCE: Final = 200
"""Hints that are being looked up or inquired about."""
PAGE: Final = """<!doctype html>
<html lang="fa" dir="rtl"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>پرداخت</title></head><body>
<p>می‌توانید این صفحه را ببندید. نتیجهٔ پرداخت با تلفن گفته می‌شود.</p>
<p lang="en" dir="ltr">You may close this page. The result is said by telephone.</p>
</body></html>
"""

_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

_log = structlog.get_logger("ivr.callbacks")

Heard = Callable[[str, Collection[str]], Awaitable[bool]]
"""(provider, texts of the query) -> whether a payment was inquired about."""


def callback_routes(heard: Heard, providers: Collection[str]) -> list[Route]:
    """GET only; 404 for a provider that is not configured, 414 for too long a query, 429 for too many at once."""
    under_way = 0

    async def work(provider: str, texts: Collection[str]) -> None:
        nonlocal under_way
        if under_way >= MOST_AT_ONCE:
            return
        under_way += 1
        try:
            if await heard(provider, texts):
                _log.info("callback_inquired", provider=provider)
        except IvrError as exc:
            _log.error("callback_not_taken", provider=provider, error=type(exc).__name__)
        finally:
            under_way -= 1

    async def take(request: Request) -> Response:
        provider = str(request.path_params["provider"])
        if provider not in providers:
            return _page(404)
        if len(request.url.query) > MOST_QUERY:
            return _page(414)
        names = possible_names([value for _, value in request.query_params.multi_items()])
        if not names:
            return _page(200)
        if under_way >= MOST_AT_ONCE:
            return _page(429)
        # After the answer: how long it takes would say whether the payment is ours.
        return _page(200, BackgroundTask(work, provider, names))

    return [Route(f"/{way}/{{provider}}", take, methods=["GET"]) for way in ("back", "called")]


def _page(status: int, afterwards: BackgroundTask | None = None) -> Response:
    return HTMLResponse(PAGE, status, headers=_HEADERS, background=afterwards)
