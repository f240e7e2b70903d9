"""What every request of a merchant's program passes first: its key, its rate, its size, and a place.

Law: without a key nobody learns anything but the documentation. A body is read whole, up to its bound, before anything
looks at it. Whatever breaks inside is one line in the log and one plain answer, without a word of what was asked. While
the process ends nothing is let through, and what was let through before is answered.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ivr.domain.errors import Unusable
from ivr.runtime.merchants import Keyring, Known, Merchant
from ivr.web.merchant_problems import closing, problem
from ivr.web.rates import Allowance, Rates

MOST_BODY: Final = 16 * 1024
"""Bytes."""
BODY_SECONDS: Final = 10.0
"""A body must be here within so long: whoever sends slowly takes a place meanwhile."""
AT_ONCE: Final = 64
"""Requests under way."""
AT_ONCE_OF_ONE: Final = 16
"""Of one merchant."""
PUBLIC: Final = ("/openapi.json", "/docs")
WHO: Final = "known"
"""Where a request's `state` says whose it is."""

_log = structlog.get_logger("ivr.api")


class Guard:
    """Stands before the application. `clock` gives seconds that never go back."""

    def __init__(
        self,
        app: ASGIApp,
        merchants: Mapping[str, Merchant],
        clock: Callable[[], float],
        *,
        at_once: int = AT_ONCE,
        body_seconds: float = BODY_SECONDS,
        is_closing: Callable[[], bool] = lambda: False,
    ) -> None:
        self._app = app
        self._keyring = Keyring(merchants)
        self._rates = Rates(clock)
        self._at_once = at_once
        self._body_seconds = body_seconds
        self._is_closing = is_closing
        self._under_way: Counter[str] = Counter()
        self._answered = asyncio.Event()

    async def answered(self) -> None:
        """Return when no request is under way."""
        while self._under_way.total():
            self._answered.clear()
            await self._answered.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = str(scope["path"]).removeprefix(str(scope.get("root_path", "")))
        if "\0" in path:  # no file and no invoice has such a name, and the file system would stumble over it
            await problem(404, "not_found", "there is nothing here")(scope, receive, send)
            return
        if path == PUBLIC[0] or path == PUBLIC[1] or path.startswith(f"{PUBLIC[1]}/"):
            await self._answer(scope, b"", receive, send)
            return
        headers = Headers(scope=scope)
        known = self._known(headers)
        if known is None:
            answer = problem(401, "unauthorized", "the key is missing or wrong", headers={"WWW-Authenticate": "Bearer"})
            await answer(scope, receive, send)
            return
        allowance = self._rates.take(f"{known.merchant.name} {known.key.name}", known.merchant.requests_per_minute)
        send = _telling(send, allowance)
        if not allowance.ok:
            detail = f"{allowance.limit} requests a minute at most"
            answer = problem(429, "too_many_requests", detail, headers={"Retry-After": str(allowance.wait)})
            await answer(scope, receive, send)
            return
        if self._is_closing():
            await closing()(scope, receive, send)
            return
        merchant = known.merchant.name
        if self._under_way.total() >= self._at_once or self._under_way[merchant] >= AT_ONCE_OF_ONE:
            answer = problem(503, "too_many_at_once", "too many requests are under way", headers={"Retry-After": "1"})
            await answer(scope, receive, send)
            return
        self._under_way[merchant] += 1
        try:
            try:
                async with asyncio.timeout(self._body_seconds):
                    body = await _body(headers, receive)
            except TimeoutError:
                body = problem(408, "too_slow", "the body did not come in time", headers={"Connection": "close"})
            if self._is_closing():
                body = closing()
            if isinstance(body, Response):
                await body(scope, receive, send)
            else:
                scope.setdefault("state", {})[WHO] = known
                await self._answer(scope, body, receive, send)
        finally:
            self._under_way[merchant] -= 1
            self._answered.set()

    def _known(self, headers: Headers) -> Known | None:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        return self._keyring.find(given.strip()) if scheme.lower() == "bearer" else None

    async def _answer(self, scope: Scope, body: bytes, receive: Receive, send: Send) -> None:
        given = False
        started = False

        async def replay() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, replay, noting)
        except Unusable as exc:
            _log.error("api_unusable", error=str(exc))
            answer = problem(503, "unusable", "the books cannot be used now", headers={"Retry-After": "5"})
        except Exception as exc:  # noqa: BLE001 - its text could hold what was asked
            _log.error("api_broke", error=type(exc).__name__, where=_place(exc))
            answer = problem(500, "broke", "this is a fault in the program; its log says more")
        else:
            return
        if not started:
            await answer(scope, receive, send)


def _telling(send: Send, allowance: Allowance) -> Send:
    async def telling(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *allowance.headers()]
        await send(message)

    return telling


async def _body(headers: Headers, receive: Receive) -> bytes | Response:
    """The whole body, or why it is refused."""
    too_large = problem(413, "too_large", f"a body has {MOST_BODY} bytes at most", headers={"Connection": "close"})
    said = headers.get("content-length", "0")
    if said.isdecimal() and int(said) > MOST_BODY:
        return too_large
    parts: list[bytes] = []
    size = 0
    while True:
        message: Mapping[str, Any] = await receive()
        if message["type"] != "http.request":
            return problem(400, "incomplete", "the body did not come whole")
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > MOST_BODY:
            return too_large
        if not message.get("more_body", False):
            break
    if size and headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return problem(415, "not_json", "the body must be application/json")
    return b"".join(parts)


def _place(exc: BaseException) -> str:
    """File and line where it was raised."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "?"
