"""iNoti's role as far as money goes: the payment link that a payer gets by SMS, and the verification service.

Law: the service takes what its description says and no more: SOAP 1.1, each element once and in its order, no document
type.

Where the document is silent: a wrong user, password or code is answered with a sentence instead of JSON; what breaks
the description is a SOAP fault with HTTP 500; an unpaid payment has RRN 0 and shows with IsAll only.
Times are Tehran's.
"""

import html
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Final

import msgspec
from aiohttp import web
from lxml import etree

from ivr.domain.digits import is_digits
from ivr.domain.errors import BadInput
from ivr.domain.money import rial
from ivr.domain.phone import mobile
from ivr.sandbox.desk import MOST_BODY, Desk, read_form, say
from ivr.sandbox.inoti_books import UssdPayment, day, get_payments
from ivr.sandbox.inoti_payer import InotiPayer, callback
from ivr.sandbox.phone_page import small_page
from ivr.sandbox.ussd_settings import Directory, service

SERVICE_PATH: Final = "/_services/ExternalUssdPay.asmx"
NAMESPACE: Final = "http://tempuri.org/"
ENVELOPE: Final = "http://schemas.xmlsoap.org/soap/envelope/"

FIELDS: Final = (
    "Username",
    "Password",
    "CodeName",
    "IsAll",
    "DateFrom",
    "DateTo",
    "SessionID",
    "PriceFrom",
    "PriceTo",
    "Mobile",
    "RefKey",
    "iNotiFactorID",
    "YourFactorID",
    "RRN",
    "NullResult",
)

_FORM: Final = """<form method=post>
<button name=action value=pay>پرداخت</button>
<button name=action value=cancel class=quiet>انصراف</button>
</form>"""


def inoti_app(desk: Desk, payer: InotiPayer) -> web.Application:
    """The verification service, and the pages behind the links."""
    books = payer.books

    async def verify(request: web.Request) -> web.StreamResponse:
        asked = _read(request, await request.read())
        shown = {name: text for name, text in (asked or {}).items() if name not in ("Username", "Password")}

        def work() -> tuple[web.Response, str]:
            problem = "the request is not as the description says" if asked is None else _wrong(asked)
            if asked is None or problem:
                return _fault(problem), "invalid"
            text, result = get_payments(books, asked)
            return _soap(text), result

        return await desk.answered(request, "inoti_payments", shown, work)

    async def page(request: web.Request) -> web.StreamResponse:
        payment, pays = books.by_token(request.match_info["token"]), request.method == "POST"
        cancels = pays and (read_form(await request.read()) or {}).get("action") == "cancel"

        def work() -> tuple[web.Response, str]:
            if payment is None:
                return web.Response(status=404, text="no such link"), "not_found"
            if cancels:
                books.cancel(payment)
            elif pays:
                payer.pay(payment)
            return _page(payment), "ok"

        about = {} if payment is None else {"YourFactorID": payment.our_factor}
        return await desk.answered(request, "inoti_pay" if pays else "inoti_page", about, work)

    app = web.Application(client_max_size=MOST_BODY)
    app.router.add_post(SERVICE_PATH, verify)
    app.router.add_get("/pay/{token}", page, allow_head=False)
    app.router.add_post("/pay/{token}", page)
    return app


class _NewPayment(msgspec.Struct, forbid_unknown_fields=True):
    session: str
    mobile: str
    price: int
    your_factor: str
    paid: bool = False


class _Pay(msgspec.Struct, forbid_unknown_fields=True):
    token: str


class _NewService(msgspec.Struct, forbid_unknown_fields=True):
    code: str
    url: str


def add_inoti_admin(app: web.Application, payer: InotiPayer, directory: Directory) -> None:
    """What tests and people may do.

    POST /_sandbox/inoti/payments {session, mobile, price, your_factor, paid?}: what `9900|factor|price` does at iNoti;
    GET the same: every payment, with the text of its SMS and what the callback to the merchant would bring;
    POST /_sandbox/inoti/pay {token}: the payer opens the link and pays;
    POST /_sandbox/inoti/services {code, url}: one more USSD service, or another page for its code; GET: all of them.
    """

    def shown(payment: UssdPayment) -> dict[str, object]:
        return {
            "token": payment.token,
            "sms": payer.link_text(payment),
            "link": payer.link(payment),
            "paid": payment.paid_at is not None,
            "cancelled": payment.is_cancelled,
            "callback": callback(payer.books, payment),
        }

    async def add(request: web.Request) -> web.Response:
        new = msgspec.json.decode(await request.read(), type=_NewPayment)
        number = mobile(new.mobile)
        if number is None or not new.session or not new.your_factor:
            raise BadInput("session, mobile (09…) and your_factor are needed")
        payment = payer.ask_for(new.session, number, rial(new.price), new.your_factor)
        if new.paid:
            payer.pay(payment)
        return say(shown(payment), 201)

    async def look(request: web.Request) -> web.Response:
        return say({"payments": [shown(payment) for payment in payer.books.payments]})

    async def pay(request: web.Request) -> web.Response:
        payment = payer.books.by_token(msgspec.json.decode(await request.read(), type=_Pay).token)
        if payment is None:
            raise BadInput("there is no such link")
        payer.pay(payment)
        return say(shown(payment))

    async def add_service(request: web.Request) -> web.Response:
        new = msgspec.json.decode(await request.read(), type=_NewService)
        made = service(new.code, new.url)
        directory.add(made)
        return say(asdict(made), 201)

    async def services(request: web.Request) -> web.Response:
        return say({"services": [asdict(each) for each in directory.all()]})

    app.router.add_post("/_sandbox/inoti/payments", add)
    app.router.add_get("/_sandbox/inoti/payments", look)
    app.router.add_post("/_sandbox/inoti/pay", pay)
    app.router.add_post("/_sandbox/inoti/services", add_service)
    app.router.add_get("/_sandbox/inoti/services", services)


def _page(payment: UssdPayment) -> web.Response:
    paid = payment.paid_at is not None
    title = "پرداخت شد" if paid else "پرداخت لغو شد" if payment.is_cancelled else "پرداخت فاکتور"
    about = (
        f"<p class=amount><strong>{payment.price:,}</strong> ریال</p>"
        f"<p>فاکتور <bdi>{html.escape(payment.our_factor)}</bdi></p>"
    )
    if paid:
        return small_page(title, f"{about}<p>شناسهٔ رهگیری <bdi>{payment.rrn}</bdi></p>")
    return small_page(title, about if payment.is_cancelled else about + _FORM)


def _read(request: web.Request, raw: bytes) -> dict[str, str] | None:
    """The fields of GetPayments, or None when the request is not as the description says."""
    action = request.headers.get("SOAPAction", "").strip('"')
    if request.content_type != "text/xml" or action != f"{NAMESPACE}GetPayments" or b"<!DOCTYPE" in raw:
        return None
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root: Any = etree.fromstring(raw, parser)
    except etree.XMLSyntaxError:
        return None
    called = root.findall(f"{{{ENVELOPE}}}Body/{{{NAMESPACE}}}GetPayments")
    if root.tag != f"{{{ENVELOPE}}}Envelope" or len(called) != 1:
        return None
    names = [element.tag for element in called[0]]
    known = [f"{{{NAMESPACE}}}{name}" for name in FIELDS]
    if names != [tag for tag in known if tag in names] or any(len(element) for element in called[0]):
        return None
    return {etree.QName(element).localname: element.text or "" for element in called[0]}


def _wrong(asked: Mapping[str, str]) -> str:
    """What a field holds that it cannot, as a sentence; empty when all is well."""
    if asked.get("IsAll") not in ("true", "false", "1", "0"):
        return "IsAll must be a boolean"
    for name in ("PriceFrom", "PriceTo", "iNotiFactorID", "RRN"):
        if asked.get(name) and not is_digits(asked[name]):
            return f"{name} must be digits"
    for name in ("DateFrom", "DateTo"):
        if asked.get(name) and day(asked[name]) is None:
            return f"{name} must be a date"
    return ""


def _soap(text: str) -> web.Response:
    body = (
        f'<GetPaymentsResponse xmlns="{NAMESPACE}"><GetPaymentsResult>{html.escape(text, quote=False)}'
        "</GetPaymentsResult></GetPaymentsResponse>"
    )
    return _xml(body, 200)


def _fault(problem: str) -> web.Response:
    return _xml(f"<soap:Fault><faultcode>soap:Client</faultcode><faultstring>{problem}</faultstring></soap:Fault>", 500)


def _xml(body: str, status: int) -> web.Response:
    text = (
        '<?xml version="1.0" encoding="utf-8"?>'
        f'<soap:Envelope xmlns:soap="{ENVELOPE}"><soap:Body>{body}</soap:Body></soap:Envelope>'
    )
    return web.Response(status=status, body=text.encode(), content_type="text/xml", charset="utf-8")
