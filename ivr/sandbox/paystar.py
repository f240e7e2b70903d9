"""PayStar's role: create-factor, create-transaction, get-transaction-result, as its document has them and no wider.

Where the document is silent: create-transaction wants the Bearer credential as well (error 1 without a good one), an
error is HTTP 200 with `status` 0 and its code in `errors`, for create-transaction where `error_shape` says; and a body
that breaks the document's types is HTTP 422.
"""

from aiohttp import web

from ivr.domain.digits import is_digits
from ivr.domain.errors import BadInput
from ivr.domain.money import rial
from ivr.domain.secret import Secret
from ivr.sandbox.books import GATEWAY_INVALID, Refusal, Transaction
from ivr.sandbox.desk import MOST_BODY, Body, Desk, say
from ivr.sandbox.settings import ErrorShape, Gateway

PAID_TEXT = "پرداخت با موفقیت انجام شد."
UNPAID_TEXT = "پرداخت انجام نشده است."


def paystar_app(desk: Desk, error_shape: ErrorShape) -> web.Application:
    """The web application of PayStar."""
    counter = _PayStar(desk, error_shape)
    app = web.Application(client_max_size=MOST_BODY)
    app.router.add_post("/api/ivr/create-factor", desk.serve("create_factor", counter.create_factor))
    app.router.add_post("/api/ivr/create-transaction", desk.serve("create_transaction", counter.create_transaction))
    app.router.add_get("/api/ivr/get-transaction-result", desk.serve("result", counter.result), allow_head=False)
    return app


class _PayStar:
    def __init__(self, desk: Desk, error_shape: ErrorShape) -> None:
        self._books = desk.books
        self._error_shape = error_shape

    def create_factor(self, request: web.Request, body: Body) -> tuple[web.Response, str]:
        gateway = self._gateway(request)
        if gateway is None:
            return _error(GATEWAY_INVALID)
        amount, order_id = _amount(body.get("amount")), body.get("order_id")
        texts = (body.get(name, "") for name in ("customer_name", "email", "phone"))
        if amount is None or not isinstance(order_id, str) or not order_id:
            return _unprocessable()
        if not all(isinstance(text, str) for text in texts):
            return _unprocessable()
        invoice = self._books.create_invoice(gateway, amount, order_id)
        return say({"status": 1, "data": {"tracking_code": invoice.tracking_code}, "errors": []}), "ok"

    def create_transaction(self, request: web.Request, body: Body) -> tuple[web.Response, str]:
        gateway = self._gateway(request)
        if gateway is None:
            return _error(GATEWAY_INVALID, self._error_shape)
        caller = body.get("merchant_cid")
        if not isinstance(caller, str) or body.get("type") != 1:
            return _unprocessable()
        try:
            transaction = self._seller(gateway, body, caller) if body.get("ivr") == 0 else self._order(body)
        except Refusal as refusal:
            return _error(refusal.code, self._error_shape)
        if transaction is None:
            return _unprocessable()
        answer = {
            "transactionId": int(transaction.id),
            "merchantId": transaction.invoice.gateway.merchant_id,
            "price": str(transaction.invoice.amount),
        }
        return say(answer), "ok"

    def result(self, request: web.Request, body: Body) -> tuple[web.Response, str]:
        gateway = self._gateway(request)
        if gateway is None:
            return _error(GATEWAY_INVALID)
        code = _digits(body.get("tracking_code", request.query.get("tracking_code")))
        if code is None:
            return _unprocessable()
        try:
            paid = self._books.is_paid(gateway, code)
        except Refusal as refusal:
            return _error(refusal.code)
        if paid:
            return say({"status": 1, "data": PAID_TEXT, "errors": []}), "paid"
        return say({"status": 0, "data": UNPAID_TEXT, "errors": []}), "unpaid"

    def _seller(self, gateway: Gateway, body: Body, caller: str) -> Transaction | None:
        invoice_id = _digits(body.get("invoice_id"))
        return None if invoice_id is None else self._books.create_transaction(gateway, invoice_id, caller)

    def _order(self, body: Body) -> Transaction | None:
        order_id, amount, trunk_id = body.get("order_id"), _amount(body.get("amount")), body.get("trunk_id")
        if body.get("ivr") != 1 or amount is None or not isinstance(order_id, str) or not isinstance(trunk_id, str):
            return None
        return self._books.create_order_transaction(trunk_id.strip(), order_id, amount)

    def _gateway(self, request: web.Request) -> Gateway | None:
        scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
        return self._books.gateway(Secret(credential)) if scheme == "Bearer" else None


def _error(code: int, shape: ErrorShape = "errors") -> tuple[web.Response, str]:
    body: dict[str, object] = {"status": 0, "data": [], "errors": []}
    if shape == "errors":
        body["errors"] = [code]
    elif shape == "error":
        body = {"error": code}
    elif shape == "code":
        body = {"code": str(code), "message": "خطا"}
    else:
        body["status"] = code
    return say(body), str(code)


def _unprocessable() -> tuple[web.Response, str]:
    return say({"status": 0, "data": [], "errors": ["unprocessable"]}, 422), "invalid"


def _amount(value: object) -> int | None:
    try:
        return rial(value)
    except BadInput:
        return None


def _digits(value: object) -> str | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return text if is_digits(text := str(value)) else None
