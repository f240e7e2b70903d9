"""What can be made to go wrong, on demand and a counted number of times.

Law: a fault that has happened as often as was asked clears itself. `commit` says whether the work was done all the
same: then the client knows nothing, and the books know.
"""

import asyncio
import html
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from aiohttp import web

from ivr.domain.errors import BadInput

MOST_SECONDS: Final = 3600.0
"""No delay and no refusal is longer."""
MOST_TIMES: Final = 1_000_000
MOST_WAITING: Final = 100
"""So many faults may wait for one operation."""

OPERATIONS: Final = (
    *("create_factor", "create_transaction", "result"),  # PayStar's
    *("settle", "inquire"),  # the bank's
    *("pod_pay_bill", "pod_issue_invoice", "pod_payment_link", "pod_list", "pod_cancel"),
    "inoti_payments",
)
"""What a fault can be set for."""

_ABOUT: Final = ("invoice_id", "tracking_code", "transaction_id", "billId", "id", "YourFactorID")
_NOTHING: Final[Mapping[str, object]] = {}
_TO_PERSIAN: Final = str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)


class FaultKind(Enum):
    """What goes wrong."""

    DELAY = "delay"
    """The right answer, `seconds` late; the work is done after the wait, with `commit` before it."""
    REFUSE = "refuse"
    """The provider's listening socket is closed for `seconds`, and its open connections are. `times` means nothing."""
    DROP = "drop"
    """The connection is reset without an answer."""
    HTTP_ERROR = "http_error"
    """An HTML page with HTTP `status`."""
    GARBAGE = "garbage"
    """HTTP 200 and a body that is no JSON."""
    HALF_BODY = "half_body"
    """The right answer breaks off in the middle. The work is done."""
    PERSIAN_DIGITS = "persian_digits"
    """The right answer with every number as a text in Persian digits. The work is done."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one operation. Raises BadInput for one that cannot be."""

    operation: str
    kind: FaultKind
    times: int = 1
    seconds: float = 0.0
    status: int = 503
    commit: bool = False
    only: str | None = None
    """Only for requests about this invoice or transaction; None: whichever comes first."""

    def __post_init__(self) -> None:
        if self.operation not in OPERATIONS:
            raise BadInput(f"operation must be one of {', '.join(OPERATIONS)}")
        if not 1 <= self.times <= MOST_TIMES:
            raise BadInput(f"times must be 1 to {MOST_TIMES}")
        if not 0 <= self.seconds <= MOST_SECONDS:
            raise BadInput(f"seconds must be 0 to {MOST_SECONDS:g}")
        if not 400 <= self.status <= 599:
            raise BadInput("status must be 400 to 599")


class Faults:
    """The faults that wait, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Fault]] = {}

    def add(self, fault: Fault) -> None:
        """Let it happen from now on; after those already waiting for the same operation."""
        waiting = self._waiting.setdefault(fault.operation, [])
        if len(waiting) >= MOST_WAITING:
            raise BadInput(f"at most {MOST_WAITING} faults may wait for one operation")
        waiting.append(fault)

    def take(self, operation: str, body: Mapping[str, object] = _NOTHING) -> Fault | None:
        """The fault that this request meets, if any; it counts down."""
        waiting = self._waiting.get(operation, [])
        about = {None, *(str(body[name]) for name in _ABOUT if name in body)}
        for place, fault in enumerate(waiting):
            if fault.only in about:
                waiting[place : place + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return fault
        return None

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._waiting.clear()

    def all(self) -> list[Fault]:
        """Those that wait."""
        return [fault for waiting in self._waiting.values() for fault in waiting]


async def answer(
    request: web.Request, fault: Fault | None, work: Callable[[], Awaitable[web.Response]]
) -> web.StreamResponse:
    """The work's answer, as far as the fault lets it through."""
    if fault is None:
        return await work()
    if fault.kind is FaultKind.DELAY:
        done = await work() if fault.commit else None
        await asyncio.sleep(fault.seconds)
        return done or await work()
    if fault.kind is FaultKind.HALF_BODY:
        return await _half(request, await work())
    if fault.kind is FaultKind.PERSIAN_DIGITS:
        return _persian(await work())
    if fault.commit:
        await work()
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


async def _half(request: web.Request, whole: web.Response) -> web.StreamResponse:
    body = whole.body
    half = web.StreamResponse(status=whole.status, headers={"Content-Type": whole.headers["Content-Type"]})
    raw = body if isinstance(body, bytes) else b""
    half.content_length = len(raw)
    await half.prepare(request)
    await half.write(raw[: len(raw) // 2])
    if request.transport is not None:
        request.transport.close()
    return half


def _persian(whole: web.Response) -> web.Response:
    if whole.content_type == "text/xml":
        return web.Response(status=whole.status, text=_persian_xml(whole.text or ""), content_type="text/xml")
    return web.Response(
        status=whole.status,
        text=json.dumps(_in_persian(json.loads(whole.text or "{}")), ensure_ascii=False),
        content_type="application/json",
    )


def _persian_xml(text: str) -> str:
    """The JSON inside an element, as the same in Persian digits."""

    def inside(found: re.Match[str]) -> str:
        said = json.dumps(_in_persian(json.loads(html.unescape(found[1]))), ensure_ascii=False)
        return f">{html.escape(said, quote=False)}<"

    return re.sub(r">(\[[^<]*\])<", inside, text)


def _in_persian(value: object) -> object:
    if isinstance(value, dict):
        return {key: _in_persian(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_in_persian(item) for item in value]
    return str(value).translate(_TO_PERSIAN) if isinstance(value, int | str) else value
