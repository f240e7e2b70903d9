"""What a fault does to the answer of a request, on the wire.

Law: the work is done at most once for each request, before or after the fault as the fault says.
"""

import asyncio
import contextlib
import html
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from typing import Final

import aiohttp
from aiohttp import web

from ivr.sandbox.faults import Fault, FaultKind

TOO_MUCH: Final = 1000
"""Rial that a wrong amount is above the right one."""
MOST_PIECES: Final = 100
"""A dripping answer comes in so many pieces at most."""
CALLBACK_SECONDS: Final = 5.0
"""The merchant gets so long to take a second callback."""

_AMOUNTS: Final = frozenset({"amount", "price"})
_TO_PERSIAN: Final = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)

Work = Callable[[], Awaitable[web.Response]]
Refuse = Callable[[str], web.Response]
"""The answer with an error code of the provider's own."""


async def answer(
    request: web.Request, fault: Fault | None, work: Work, refuse: Refuse | None = None
) -> web.StreamResponse:
    """The work's answer, as far as the fault lets it through."""
    if fault is None:
        return await work()
    match fault.kind:
        case FaultKind.DELAY:
            done = await work() if fault.commit else None
            await asyncio.sleep(fault.seconds)
            return done or await work()
        case FaultKind.HALF_BODY:
            return await _half(request, await work())
        case FaultKind.SLOW_DRIP:
            return await _drip(request, await work(), fault.seconds)
        case FaultKind.PERSIAN_DIGITS:
            return _changed(await work(), _in_persian)
        case FaultKind.WRONG_AMOUNT:
            return _changed(await work(), _with_too_much)
        case FaultKind.WRONG_TYPE:
            whole = await work()
            whole.content_type = "text/html"
            return whole
        case FaultKind.DUPLICATE_CALLBACK:
            whole = await work()
            await _call_back(whole)
            return whole
    if fault.commit:
        await work()
    if fault.kind is FaultKind.CODE and refuse is not None:
        return refuse(fault.code)
    if fault.kind is FaultKind.HTTP_ERROR:
        return web.Response(status=fault.status, text="<html><h1>sandbox fault</h1></html>", content_type="text/html")
    if fault.kind is FaultKind.GARBAGE:
        return web.Response(text="]]{ no JSON", content_type="application/json")
    reset(request)
    return web.Response()  # goes nowhere


def reset(request: web.Request) -> None:
    """Let the client see "connection reset by peer"."""
    if request.transport is not None:
        wire = request.transport.get_extra_info("socket")
        if wire is not None:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()


async def _begin(request: web.Request, whole: web.Response) -> tuple[web.StreamResponse, bytes]:
    """The head of the answer, sent; and its whole body."""
    raw = whole.body if isinstance(whole.body, bytes) else b""
    begun = web.StreamResponse(status=whole.status, headers=whole.headers)
    begun.content_length = len(raw)
    await begun.prepare(request)
    return begun, raw


async def _half(request: web.Request, whole: web.Response) -> web.StreamResponse:
    begun, raw = await _begin(request, whole)
    await begun.write(raw[: len(raw) // 2])
    if request.transport is not None:
        request.transport.close()
    return begun


async def _drip(request: web.Request, whole: web.Response, seconds: float) -> web.StreamResponse:
    begun, raw = await _begin(request, whole)
    size = max(1, -(-len(raw) // MOST_PIECES))
    pieces = [raw[start : start + size] for start in range(0, len(raw), size)]
    with contextlib.suppress(ConnectionError):  # the client may have had enough
        for piece in pieces:
            await asyncio.sleep(seconds / len(pieces))
            await begun.write(piece)
        await begun.write_eof()
    return begun


async def _call_back(whole: web.Response) -> None:
    """Go where the payer's browser is being sent, as a second browser would."""
    place = whole.headers.get("Location")
    if place is None:
        return
    with contextlib.suppress(aiohttp.ClientError, OSError):
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=CALLBACK_SECONDS)) as session,
            session.get(place, allow_redirects=False) as answered,
        ):
            await answered.read()


def _changed(whole: web.Response, change: Callable[[object], object]) -> web.Response:
    if whole.content_type == "text/xml":
        return web.Response(status=whole.status, text=_changed_xml(whole.text or "", change), content_type="text/xml")
    return web.Response(
        status=whole.status,
        text=json.dumps(change(json.loads(whole.text or "{}")), ensure_ascii=False),
        content_type="application/json",
    )


def _changed_xml(text: str, change: Callable[[object], object]) -> str:
    """The JSON inside an element is changed."""

    def inside(found: re.Match[str]) -> str:
        said = json.dumps(change(json.loads(html.unescape(found[1]))), ensure_ascii=False)
        return f">{html.escape(said, quote=False)}<"

    return re.sub(r">(\[[^<]*\])<", inside, text)


def _in_persian(value: object) -> object:
    if isinstance(value, dict):
        return {key: _in_persian(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_persian(item) for item in value]
    return str(value).translate(_TO_PERSIAN) if isinstance(value, int | str) else value


def _with_too_much(value: object) -> object:
    if isinstance(value, list):
        return [_with_too_much(item) for item in value]
    if not isinstance(value, dict):
        return value
    return {key: _more(item) if key.lower() in _AMOUNTS else _with_too_much(item) for key, item in value.items()}


def _more(amount: object) -> object:
    if isinstance(amount, float):
        return amount + TOO_MUCH
    return str(int(amount) + TOO_MUCH) if isinstance(amount, str) else int(str(amount)) + TOO_MUCH
