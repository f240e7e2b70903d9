"""POD's role: the gateway's one call with its five services, and the pay page, as its document has them and no wider.

Where the document is silent: an error is HTTP 200 with `hasError`; a request that breaks the document's form is error
403; the invoice holds `uniqueNumber`; `result` of the payment link is the pay page's address; the pay page stands on
the same port as the gateway. `cancelDate` is spelt as the document does.
"""

import asyncio
import html
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qsl, urlencode

import aiohttp
import msgspec
from aiohttp import web

from ivr.domain.bills import Bill
from ivr.domain.errors import BadInput
from ivr.domain.secret import Secret
from ivr.sandbox.desk import MOST_BODY, Desk, say
from ivr.sandbox.pod_books import BAD_REQUEST, INVALID_NUMBER, INVALID_TOKEN, STATUSES, PodBill, PodBooks, PodError

GATEWAY_PATH: Final = "/srv/sc/nzh/doServiceCall"
PAY_PATH: Final = "/v1/pbc/payInvoiceByUniqueNumber/"
MOST_SIZE: Final = 100
CALL_SECONDS: Final = 5.0
"""So long the merchant's callUri may take."""

_BILL: Final = frozenset({"billId", "paymentId"})
_LINK: Final = frozenset({"uniqueNumber", "redirectUri", "callUri"})
_SERVICES: Final[Mapping[str, tuple[str, frozenset[str], frozenset[str]]]] = {
    "27903493": ("pod_pay_bill", _BILL, frozenset()),
    "27903191": ("pod_issue_invoice", _BILL, frozenset()),
    "46547342": ("pod_payment_link", _LINK, frozenset({"gateway"})),
    "217462": ("pod_payment_link", _LINK, frozenset({"gateway"})),
    "3884760": (
        "pod_list",
        frozenset({"offset", "size"}),
        _BILL | {"id", "referenceNumber", "fromDate", "toDate"},
    ),
    "3884767": ("pod_cancel", frozenset({"id"}), frozenset()),
}
"""By product: the sandbox's name for the service, what it needs and what else it takes."""

_NOT_FOUND: Final = "<!doctype html><meta charset=utf-8><title>صفحه یافت نشد</title><h1>صفحه یافت نشد</h1>"
_PAGE: Final = """<!doctype html><html lang=fa dir=rtl><meta charset=utf-8><title>پرداخت قبض</title>
<h1>پرداخت قبض {company}</h1>
<p>شناسه قبض {bill}، شناسه پرداخت {payment}، مبلغ {amount:,} ریال</p>
<form method=post action="{action}"><button name=paid value=true>پرداخت</button>
<button name=paid value=false>انصراف</button></form></html>"""


def pod_app(desk: Desk, books: PodBooks) -> web.Application:
    """The web application of POD."""
    counter = _Pod(desk, books)
    app = web.Application(client_max_size=MOST_BODY)
    app.router.add_post(GATEWAY_PATH, counter.gateway)
    app.router.add_get(PAY_PATH, counter.page, allow_head=False)
    app.router.add_post(PAY_PATH, counter.paid)
    return app


def add_pod_admin(app: web.Application, books: PodBooks) -> None:
    """`GET /_sandbox/pod`; `POST /_sandbox/pod` {balance?, id? and status?}: what tests and people may change."""

    async def look(request: web.Request) -> web.Response:
        return say({"balance": books.balance, "bills": [_shown(books, record) for record in books.listed({})]})

    async def change(request: web.Request) -> web.Response:
        new = msgspec.json.decode(await request.read(), type=_Change)
        record = books.bills.get(new.id) if new.id is not None else None
        if (new.id is None) != (new.status is None) or (new.id is not None and record is None):
            raise BadInput("id and status belong together, and the bill must be there")
        if new.status is not None and new.status not in STATUSES:
            raise BadInput(f"status must be one of {', '.join(STATUSES)}")
        if record is not None and new.status is not None:
            record.status = new.status
        books.balance = books.balance if new.balance is None else new.balance
        return await look(request)

    app.router.add_get("/_sandbox/pod", look)
    app.router.add_post("/_sandbox/pod", change)


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    balance: int | None = None
    id: int | None = None
    status: str | None = None


class _Pod:
    def __init__(self, desk: Desk, books: PodBooks) -> None:
        self._desk = desk
        self._books = books
        self._calls: set[asyncio.Task[None]] = set()
        self._services: Mapping[str, Callable[[web.Request, Mapping[str, str]], tuple[object, int]]] = {
            "pod_pay_bill": lambda _, form: self._one(self._books.pay(self._bill(form))),
            "pod_issue_invoice": lambda _, form: self._one(self._books.issue(self._bill(form))),
            "pod_payment_link": self._link,
            "pod_list": self._list,
            "pod_cancel": lambda _, form: self._one(self._books.cancel(_whole(form["id"]))),
        }

    async def gateway(self, request: web.Request) -> web.StreamResponse:
        form = _form(request, await request.read())
        product = form.pop("scProductId", "")
        operation, needed, taken = _SERVICES.get(product, ("pod_unknown", frozenset(), frozenset()))

        def work() -> tuple[web.Response, str]:
            try:
                key = Secret(form.pop("scApiKey", ""))
                names = form.keys()
                if key != self._books.account.api_key or not needed or not needed <= names <= needed | taken:
                    raise PodError(BAD_REQUEST)
                if Secret(request.headers.get("_token_", "")) != self._books.account.token:
                    raise PodError(INVALID_TOKEN)
                if request.headers.get("_token_issuer_") != "1":
                    raise PodError(INVALID_TOKEN)
                result, count = self._services[operation](request, form)
            except PodError as error:
                return _envelope(None, 0, error.code), str(error.code)
            return _envelope(result, count), "ok"

        return await self._desk.answered(request, operation, form, work, lambda code: _envelope(None, 0, int(code)))

    async def page(self, request: web.Request) -> web.StreamResponse:
        """What the payer sees."""
        return await self._desk.answered(request, "pod_page", dict(request.query), lambda: self._page(request))

    async def paid(self, request: web.Request) -> web.StreamResponse:
        """The payer pressed a button: the money is taken, the merchant is called, the browser goes back."""
        pressed = (await request.post()).get("paid") == "true"
        return await self._desk.answered(request, "pod_pay", dict(request.query), lambda: self._paid(request, pressed))

    def _page(self, request: web.Request) -> tuple[web.Response, str]:
        record = self._books.invoice(request.query.get("uniqueNumber", ""))
        wanted = _LINK | {"gateway"} if "gateway" in request.query else _LINK
        if record is None or set(request.query) != wanted or request.query.get("gateway", "PEP") != "PEP":
            return _no_page()
        text = _PAGE.format(
            company=html.escape(self._books.company(record.bill)),
            bill=record.bill.bill_id,
            payment=record.bill.payment_id,
            amount=record.bill.amount,
            action=html.escape(f"{PAY_PATH}?{urlencode(dict(request.query))}"),
        )
        return web.Response(text=text, content_type="text/html"), "ok"

    def _paid(self, request: web.Request, paid: bool) -> tuple[web.Response, str]:
        record = self._books.invoice(request.query.get("uniqueNumber", ""))
        back, call = request.query.get("redirectUri", ""), request.query.get("callUri", "")
        if record is None or not back.startswith(("http://", "https://")):
            return _no_page()
        if paid:
            try:
                self._books.pay_invoice(record)
            except PodError:
                paid = False
        said = _brought_back(record, paid)
        if paid and call.startswith(("http://", "https://")):
            task = asyncio.create_task(_call(_with_query(call, said)))
            self._calls.add(task)
            task.add_done_callback(self._calls.discard)
        return web.Response(status=303, headers={"Location": _with_query(back, said)}), "paid" if paid else "unpaid"

    def _bill(self, form: Mapping[str, str]) -> Bill:
        return self._books.read(form["billId"], form["paymentId"])

    def _one(self, record: PodBill) -> tuple[object, int]:
        return _shown(self._books, record), 1

    def _link(self, request: web.Request, form: Mapping[str, str]) -> tuple[object, int]:
        if form.get("gateway", "PEP") != "PEP" or self._books.invoice(form["uniqueNumber"]) is None:
            raise PodError(BAD_REQUEST)
        return f"{request.url.origin()}{PAY_PATH}?{urlencode(form)}", 1

    def _list(self, request: web.Request, form: Mapping[str, str]) -> tuple[object, int]:
        offset, size = _whole(form["offset"]), _whole(form["size"])
        if not 1 <= size <= MOST_SIZE:
            raise PodError(INVALID_NUMBER)
        for name in form.keys() & {"fromDate", "toDate"}:
            _whole(form[name])
        found = self._books.listed(form)
        return [_shown(self._books, record) for record in found[offset : offset + size]], len(found)


def _no_page() -> tuple[web.Response, str]:
    return web.Response(text=_NOT_FOUND, status=404, content_type="text/html"), "not_found"


def _form(request: web.Request, raw: bytes) -> dict[str, str]:
    """The fields of a form; empty when it is none, or says one thing twice."""
    if request.content_type != "application/x-www-form-urlencoded":
        return {}
    try:
        pairs = parse_qsl(raw.decode("utf-8"), keep_blank_values=True, strict_parsing=True)
    except ValueError:
        return {}
    return dict(pairs) if len({name for name, _ in pairs}) == len(pairs) else {}


def _envelope(result: object, count: int, error: int = 0) -> web.Response:
    return say(
        {
            "hasError": error != 0,
            "messageId": 0,
            "referenceNumber": "",
            "errorCode": error,
            "count": count,
            "ott": "",
            "result": result,
        }
    )


def _shown(books: PodBooks, record: PodBill) -> dict[str, object]:
    return {
        "id": record.id,
        "billId": record.bill.bill_id,
        "paymentId": record.bill.payment_id,
        "price": record.bill.amount,
        "utilityCompanyName": books.company(record.bill),
        "subUtilityCompanyName": "",
        "requestDate": record.requested_at,
        "referenceNumber": record.reference,
        "status": record.status,
        "invoiceId": record.invoice_id,
        "uniqueNumber": record.unique_number,
        "settlementRequestId": 0,
        "userSrv": {"id": 1},
        "cacelDate": record.cancelled_at,
    }


def _brought_back(record: PodBill, paid: bool) -> dict[str, str]:
    return {
        "billNumber": record.bill.bill_id,
        "paymentBillNumber": record.bill.payment_id,
        "invoiceId": str(record.invoice_id),
        "paid": "true" if paid else "false",
        "terminalId": "12345678" if paid else "",
        "maskedCardNumber": "603799******0006" if paid else "",
        "rrn": record.reference,
        "tref": record.reference,
    }


def _with_query(address: str, said: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(said)}"


async def _call(address: str) -> None:
    """Tell the merchant. Nobody asks how that went, as with POD."""
    try:
        timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(address) as answer:
            await answer.read()
    except (aiohttp.ClientError, OSError, ValueError):
        return


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 15:
        raise PodError(INVALID_NUMBER)
    return int(text)
