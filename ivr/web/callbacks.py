"""/back/<provider>, where payers' browsers come back to; /called/<provider>, which a provider calls after a payment.

Law: nothing of a request is believed, kept, logged or shown again: it may name a payment of ours, and then our own
inquiry decides. Everybody gets the same small page, at once; who sends too much or too often gets nothing done.
"""

from collections.abc import Awaitable, Callable, Collection
from typing import Final

import structlog
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from ivr.domain.errors import IvrError

MOST_QUERY: Final = 2048
"""Bytes of a query."""
MOST_AT_ONCE: Final = 40
"""Hints taken in one go; then so many a second:"""
A_SECOND: Final = 4.0
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


def callback_routes(heard: Heard, providers: Collection[str], clock: Callable[[], float]) -> list[Route]:
    """GET only; 404 for a provider that is not configured, 414 and 429 for too much. `clock` gives seconds."""
    allowance = _Allowance(clock)

    async def work(provider: str, texts: Collection[str]) -> None:
        try:
            if await heard(provider, texts):
                _log.info("callback_inquired", provider=provider)
        except IvrError as exc:
            _log.error("callback_not_taken", provider=provider, error=type(exc).__name__)

    async def take(request: Request) -> Response:
        provider = str(request.path_params["provider"])
        if provider not in providers:
            return _page(404)
        if len(request.url.query) > MOST_QUERY:
            return _page(414)
        if not allowance.take():
            return _page(429)
        texts = [value for _, value in request.query_params.multi_items()]
        # After the answer: how long it takes would say whether the payment is ours.
        return _page(200, BackgroundTask(work, provider, texts))

    return [Route(f"/{way}/{{provider}}", take, methods=["GET"]) for way in ("back", "called")]


class _Allowance:
    """How many hints may be taken now."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._left = float(MOST_AT_ONCE)
        self._at = clock()

    def take(self) -> bool:
        """Use one up, if there is one."""
        now = self._clock()
        self._left = min(float(MOST_AT_ONCE), self._left + (now - self._at) * A_SECOND)
        self._at = now
        if self._left < 1:
            return False
        self._left -= 1
        return True


def _page(status: int, afterwards: BackgroundTask | None = None) -> Response:
    return HTMLResponse(PAGE, status, headers=_HEADERS, background=afterwards)
