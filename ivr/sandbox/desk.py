"""The frame around every request to the sandbox: read it, write it down, do the work, let a fault spoil the answer."""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl

import msgspec
from aiohttp import web

from ivr.sandbox.books import Books
from ivr.sandbox.diary import Diary
from ivr.sandbox.faults import Fault, Faults
from ivr.sandbox.spoiling import Refuse, answer

MOST_BODY: Final = 16 * 1024
"""No request to the sandbox is longer, in bytes."""

Body = dict[str, object]
Work = Callable[[web.Request, Body], tuple[web.Response, str]]
"""Does the work at once: the answer, and in a word how it went."""
Reading = Callable[[bytes], Body | None]
"""Takes a request's body apart; None when it cannot be."""
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Desk:
    """What the counters of all providers share."""

    def __init__(self, books: Books, now: Callable[[], float]) -> None:
        self.books = books
        self.faults = Faults()
        self.diary = Diary()
        self._now = now

    def serve(
        self,
        operation: str,
        work: Work,
        *,
        reading: Reading | None = None,
        refuse: Refuse | None = None,
    ) -> Handler:
        """A handler for this operation. `reading` takes its body apart (JSON unless said otherwise); `refuse` writes an
        error of the provider's own, for faults that want one.
        """
        take_apart = reading or read

        async def handle(request: web.Request) -> web.StreamResponse:
            body = take_apart(await request.read())
            fields = {**request.match_info, **request.query, **(body or {})}
            fault: Fault | None = self.faults.take(operation, fields)
            line = self.diary.write(self._now(), operation, fields, fault.kind.value if fault else None)

            async def do() -> web.Response:
                if body is None:
                    line.result = "invalid"
                    return say({"status": 0, "data": [], "errors": ["the body cannot be read"]}, 400)
                response, line.result = work(request, body)
                return response

            return await answer(request, fault, do, refuse)

        return handle

    async def answered(
        self,
        request: web.Request,
        operation: str,
        fields: Mapping[str, object],
        work: Callable[[], tuple[web.Response, str]],
        refuse: Refuse | None = None,
    ) -> web.StreamResponse:
        """The same for a request that was read already, and whose operation only its body tells."""
        fault = self.faults.take(operation, fields)
        line = self.diary.write(self._now(), operation, fields, fault.kind.value if fault else None)

        async def do() -> web.Response:
            response, line.result = work()
            return response

        return await answer(request, fault, do, refuse)


def read(raw: bytes) -> Body | None:
    """The body as a JSON object, {} when there is none; None when it is anything else."""
    if not raw:
        return {}
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return body if isinstance(body, dict) else None


def read_form(raw: bytes) -> Body | None:
    """The body as a form, each name once; None when it is anything else."""
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, strict_parsing=bool(raw), errors="strict")
    except ValueError:
        return None
    body: Body = dict(pairs)
    return body if len(body) == len(pairs) else None


def say(body: Mapping[str, object], status: int = 200) -> web.Response:
    """A JSON answer."""
    return web.Response(
        status=status, body=json.dumps(body, ensure_ascii=False).encode(), content_type="application/json"
    )
