"""Behpardakht Mellat's role at PayStar: otp-v2 and pay, as the document has them and no wider.

Where the document is silent: a body that breaks its types is HTTP 422; a password that cannot be sent is `status` 0
with the bank's code in `errors`; an unknown gateway is code 63.

GET /_sandbox/mellat/payments   -> what was taken, oldest first: the bank's settlement list
"""

import re
from dataclasses import asdict
from typing import Annotated, Final, Literal, TypeVar

import msgspec
from aiohttp import web

from ivr.domain.errors import BadInput
from ivr.domain.money import rial
from ivr.domain.secret import Secret
from ivr.sandbox.desk import MOST_BODY, Body, Desk, say
from ivr.sandbox.mellat_books import Declined, MellatBooks

_Pan = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{16}$")]
_Pin = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{5,12}$")]
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
_Caller = Annotated[str, msgspec.Meta(pattern=r"^\+?[0-9]{3,15}$")]

T = TypeVar("T", bound=msgspec.Struct)

_WHOLE: Final = re.compile(r"[0-9]+(\.0+)?")


class _Otp(msgspec.Struct, forbid_unknown_fields=True):
    amount: int | float
    pan: _Pan
    order_id: _Id
    sequence: str


class _ByPhone(msgspec.Struct, forbid_unknown_fields=True):
    ivr: Literal[1]
    pan: _Pan
    pin: _Pin
    amount: int
    order_id: _Id
    merchant_cid: _Caller
    sequence: str


class _ByPanel(msgspec.Struct, forbid_unknown_fields=True):
    ivr: Literal[0]
    pan: _Pan
    pin: _Pin
    invoice_id: _Id
    merchant_cid: _Caller
    sequence: str


def mellat_app(desk: Desk, books: MellatBooks) -> web.Application:
    """The web application of PayStar's gateway on the bank Mellat."""
    counter = _Mellat(books)
    app = web.Application(client_max_size=MOST_BODY)
    app.router.add_post("/api/ivr/bpm/otp-v2", desk.serve("bpm_otp", counter.otp, refuse=_no_otp))
    app.router.add_post("/api/ivr/bpm/pay", desk.serve("bpm_pay", counter.pay, refuse=_not_paid))
    return app


def add_mellat_routes(app: web.Application, books: MellatBooks) -> None:
    """Show what was taken at the sandbox's own desk."""

    async def payments(request: web.Request) -> web.Response:
        return say({"payments": [asdict(payment) for payment in books.payments]})

    app.router.add_get("/_sandbox/mellat/payments", payments)


class _Mellat:
    def __init__(self, books: MellatBooks) -> None:
        self._books = books

    def otp(self, request: web.Request, body: Body) -> tuple[web.Response, str]:
        asked = _read(request, body, _Otp)
        amount = _amount(asked.amount) if asked else None
        if asked is None or amount is None:
            return _unprocessable()
        try:
            self._books.gateway(asked.sequence)
            self._books.send_otp(Secret(asked.pan), amount, asked.order_id)
        except Declined as declined:
            return _no_otp(declined.code), declined.code
        return say({"status": 1, "data": [], "errors": []}), "ok"

    def pay(self, request: web.Request, body: Body) -> tuple[web.Response, str]:
        by_phone = _read(request, body, _ByPhone)
        by_panel = _read(request, body, _ByPanel) if by_phone is None else None
        asked = by_phone or by_panel
        amount = _amount(by_phone.amount) if by_phone else None
        if asked is None or (by_phone is not None and amount is None):
            return _unprocessable()
        order_id = asked.order_id if isinstance(asked, _ByPhone) else asked.invoice_id
        try:
            gateway = self._books.gateway(asked.sequence)
            paid = self._books.pay(gateway, Secret(asked.pan), Secret(asked.pin), order_id, amount)
        except Declined as declined:
            return _not_paid(declined.code), declined.code
        return say({"status": 1, "data": {"refID": paid.reference}, "errors": []}), "ok"


def _read(request: web.Request, body: Body, shape: type[T]) -> T | None:
    """The body in the document's types exactly, or None."""
    if request.content_type != "application/json":
        return None
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError:
        return None


def _amount(value: float) -> int | None:
    """Whole rial; `double` in the document, so `50000.0` will do."""
    text = str(value)
    try:
        return rial(text.partition(".")[0]) if _WHOLE.fullmatch(text) else None
    except BadInput:
        return None


def _no_otp(code: str) -> web.Response:
    return say({"status": 0, "data": [], "errors": [code]})


def _not_paid(code: str) -> web.Response:
    return say({"status": 0, "data": {"refID": "0", "transactionStatus": code}, "errors": []})


def _unprocessable() -> tuple[web.Response, str]:
    return say({"status": 0, "data": [], "errors": ["unprocessable"]}, 422), "invalid"
