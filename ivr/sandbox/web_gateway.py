"""The web gateway's role: request, the pay page, check, as the document has them and no wider.

Where the document is silent: an error is HTTP 200 with `status` 0; what is no form is error 101, for it holds no key;
the browser goes back to the return address as it was given, with nothing added; a cancelled or failed invoice stays so.

GET /_sandbox/web/invoices   -> every invoice and its state
"""

from typing import Final

from aiohttp import web

from ivr.domain.digits import to_ascii
from ivr.domain.errors import BadInput
from ivr.domain.money import rial
from ivr.domain.secret import Secret
from ivr.sandbox.desk import MOST_BODY, Body, Desk, read_form, say
from ivr.sandbox.pages import ended_page, go_back, pay_page
from ivr.sandbox.web_books import DESCRIPTIONS, NOT_POST, WRONG_API_KEY, Refused, WebBooks, WebInvoice, WebState

NAME: Final = "درگاه آزمایشی"
ENDED: Final = {
    WebState.PAID: "این پرداخت انجام شده است.",
    WebState.CANCELLED: "این پرداخت لغو شده است.",
    WebState.FAILED: "این پرداخت ناموفق بوده است.",
}
FORM: Final = "application/x-www-form-urlencoded"


def web_gateway_app(desk: Desk, books: WebBooks) -> web.Application:
    """The web application of the gateway."""
    counter = _WebGateway(books)
    app = web.Application(client_max_size=MOST_BODY)
    request = desk.serve("web_request", counter.request, reading=read_form, refuse=_error)
    check = desk.serve("web_check", counter.check, reading=read_form, refuse=_error)
    app.router.add_route("*", "/invoice/request", request)
    app.router.add_route("*", "/invoice/check/{invoice_key}", check)
    page = "/invoice/pay/{invoice_key}"
    app.router.add_get(page, desk.serve("web_page", counter.page, reading=read_form), allow_head=False)
    app.router.add_post(page, desk.serve("web_pay", counter.pay, reading=read_form))
    return app


def add_web_gateway_routes(app: web.Application, books: WebBooks) -> None:
    """Show the invoices at the sandbox's own desk."""

    async def invoices(request: web.Request) -> web.Response:
        return say({"invoices": [_shown(invoice) for invoice in books.invoices.values()]})

    app.router.add_get("/_sandbox/web/invoices", invoices)


class _WebGateway:
    def __init__(self, books: WebBooks) -> None:
        self._books = books

    def request(self, request: web.Request, body: Body) -> tuple[web.Response, str]:
        try:
            terminal = self._books.terminal(_form(request, body))
            invoice = self._books.request(terminal, _amount(body), str(body.get("return_url", "")))
        except Refused as refused:
            return _error(refused.code), refused.code
        return say({"status": 1, "invoice_key": invoice.key}), "ok"

    def check(self, request: web.Request, body: Body) -> tuple[web.Response, str]:
        try:
            terminal = self._books.terminal(_form(request, body))
            invoice = self._books.check(terminal, request.match_info["invoice_key"])
        except Refused as refused:
            return _error(refused.code), refused.code
        return say({"status": 1, "amount": invoice.amount, "bank_code": invoice.bank_code}), "paid"

    def page(self, request: web.Request, body: Body) -> tuple[web.Response, str]:
        invoice = self._books.invoices.get(request.match_info["invoice_key"])
        if invoice is None:
            return _no_such_page()
        if invoice.state is WebState.OPEN:
            return pay_page(NAME, invoice.amount, invoice.key), "open"
        return ended_page(NAME, ENDED[invoice.state], invoice.return_url), invoice.state.value

    def pay(self, request: web.Request, body: Body) -> tuple[web.Response, str]:
        invoice = self._books.invoices.get(request.match_info["invoice_key"])
        if invoice is None:
            return _no_such_page()
        action = body.get("action")
        if action == "cancel":
            self._books.end(invoice, WebState.CANCELLED)
        elif action == "fail":
            self._books.end(invoice, WebState.FAILED)
        elif action == "pay":
            pan, pin = (Secret(to_ascii(str(body.get(name, "")))) for name in ("pan", "pin"))
            self._books.pay(invoice, pan, pin)
        if invoice.state is not WebState.OPEN:
            return go_back(invoice.return_url), invoice.state.value
        wrong = "کارت یا رمز درست نیست، یا موجودی کافی نیست."
        return pay_page(NAME, invoice.amount, invoice.key, wrong), "declined"


def _form(request: web.Request, body: Body) -> str:
    """The key in a request that is a POST of a form. Raises Refused 100 or 101."""
    if request.method != "POST":
        raise Refused(NOT_POST)
    if request.content_type != FORM:
        raise Refused(WRONG_API_KEY)
    return str(body.get("api_key", ""))


def _amount(body: Body) -> int | None:
    text = str(body.get("amount", ""))
    try:
        return rial(text) if text.isascii() and text.isdigit() else None
    except BadInput:
        return None


def _error(code: str) -> web.Response:
    return say({"status": 0, "errorCode": int(code), "errorDescription": DESCRIPTIONS.get(code, "خطا")})


def _no_such_page() -> tuple[web.Response, str]:
    return ended_page(NAME, DESCRIPTIONS["200"], status=404), "200"


def _shown(invoice: WebInvoice) -> dict[str, object]:
    return {
        "invoice_key": invoice.key,
        "amount": invoice.amount,
        "return_url": invoice.return_url,
        "state": invoice.state.value,
        "bank_code": invoice.bank_code,
        "masked_pan": invoice.masked_pan,
    }
