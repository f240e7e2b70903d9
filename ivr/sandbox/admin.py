"""What tests and demos may do to the sandbox, under `/_sandbox/`. Answers hold no credential and no PIN; only the SMS
(sms.py) show their one-time passwords. Providers add what is theirs.

POST   /_sandbox/invoices   {amount, tracking_code?, state?}  -> the invoice (state: open, paid, expired, blocked)
GET    /_sandbox/invoices                                     -> every invoice
GET    /_sandbox/requests                                     -> what was asked, oldest first
GET    /_sandbox/cards                                        -> masked cards and what they hold
POST   /_sandbox/cards      {pan, pin, balance}               -> one more card, or another balance
POST   /_sandbox/faults     {operation, kind, times?, seconds?, status?, commit?, only?, code?}
GET    /_sandbox/faults                                       -> the faults that wait
DELETE /_sandbox/faults                                       -> nothing goes wrong any more, every port is open

Under `/_sandbox/pod` and `/_sandbox/inoti/` those providers' own: see `add_pod_admin` and `add_inoti_admin`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Final

import msgspec
from aiohttp import web

from ivr.domain.card import is_card_number
from ivr.domain.digits import is_digits
from ivr.domain.errors import BadInput
from ivr.domain.money import rial
from ivr.domain.secret import Secret
from ivr.sandbox.books import Account, Invoice, InvoiceState, masked
from ivr.sandbox.desk import MOST_BODY, Desk, say
from ivr.sandbox.faults import Fault

MOST_ID_DIGITS: Final = 20


class _NewInvoice(msgspec.Struct, forbid_unknown_fields=True):
    amount: int
    tracking_code: str | None = None
    state: InvoiceState = InvoiceState.OPEN


class _NewCard(msgspec.Struct, forbid_unknown_fields=True):
    pan: str
    pin: str
    balance: int


def admin_app(
    desk: Desk,
    now: Callable[[], float],
    set_fault: Callable[[Fault], Awaitable[None]],
    clear_faults: Callable[[], Awaitable[None]],
) -> web.Application:
    """The web application of the sandbox's own desk."""

    async def add_invoice(request: web.Request) -> web.Response:
        new = msgspec.json.decode(await request.read(), type=_NewInvoice)
        code = new.tracking_code
        if code is not None and (not is_digits(code) or len(code) > MOST_ID_DIGITS):
            raise BadInput(f"tracking_code must be 1 to {MOST_ID_DIGITS} digits")
        return say(_shown(desk.books.add_invoice(rial(new.amount), code, new.state), now()), 201)

    async def list_invoices(request: web.Request) -> web.Response:
        return say({"invoices": [_shown(invoice, now()) for invoice in desk.books.invoices.values()]})

    async def list_requests(request: web.Request) -> web.Response:
        return say({"requests": [asdict(line) for line in desk.diary.lines]})

    async def list_cards(request: web.Request) -> web.Response:
        return say({"cards": [_card(pan, account) for pan, account in desk.books.accounts.items()]})

    async def add_card(request: web.Request) -> web.Response:
        new = msgspec.json.decode(await request.read(), type=_NewCard)
        if not is_card_number(new.pan) or not is_digits(new.pin) or new.balance < 0:
            raise BadInput("a card is a right number of 16 digits, a PIN of digits, and a balance in rial")
        pan, account = Secret(new.pan), Account(Secret(new.pin), new.balance)
        desk.books.accounts[pan] = account
        return say(_card(pan, account), 201)

    async def add_fault(request: web.Request) -> web.Response:
        fault = msgspec.json.decode(await request.read(), type=Fault)
        await set_fault(fault)
        return say(_plain(fault), 201)

    async def list_faults(request: web.Request) -> web.Response:
        return say({"faults": [_plain(fault) for fault in desk.faults.all()]})

    async def delete_faults(request: web.Request) -> web.Response:
        await clear_faults()
        return say({"faults": []})

    app = web.Application(client_max_size=MOST_BODY, middlewares=[_explain])
    app.router.add_post("/_sandbox/invoices", add_invoice)
    app.router.add_get("/_sandbox/invoices", list_invoices)
    app.router.add_get("/_sandbox/requests", list_requests)
    app.router.add_get("/_sandbox/cards", list_cards)
    app.router.add_post("/_sandbox/cards", add_card)
    app.router.add_post("/_sandbox/faults", add_fault)
    app.router.add_get("/_sandbox/faults", list_faults)
    app.router.add_delete("/_sandbox/faults", delete_faults)
    return app


@web.middleware
async def _explain(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except (BadInput, msgspec.DecodeError) as error:  # a wrong type is a DecodeError too
        return say({"error": str(error)}, 400)


def _shown(invoice: Invoice, now: float) -> dict[str, object]:
    return {
        "tracking_code": invoice.tracking_code,
        "amount": invoice.amount,
        "order_id": invoice.order_id,
        "state": invoice.state(now).value,
        "reference": invoice.reference,
        "masked_pan": invoice.masked_pan,
    }


def _card(pan: Secret, account: Account) -> dict[str, object]:
    return {"masked_pan": masked(pan), "balance": account.balance}


def _plain(fault: Fault) -> dict[str, object]:
    return {**asdict(fault), "kind": fault.kind.value}
