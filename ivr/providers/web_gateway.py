"""A payment gateway on the web: have an invoice made, send the payer to its page, check what became of it.

Law: what the payer's browser brings back is never believed: the outcome is what `check` says of our own stored key, and
it is paid only when the amount is ours. An invoice key is checked to be plain before it becomes part of an address.

The number that a caller keys is our own; the key of the link made for it is the payment's transaction id. A payment
without one has the key itself as its invoice id.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from yarl import URL

from ivr.domain.digits import is_digits
from ivr.domain.errors import BadInput, OutcomeUnknown
from ivr.domain.money import rial
from ivr.domain.operations import NO_INQUIRY, Argument, Kind, Operation, Outcome, Role
from ivr.domain.reading import Fields
from ivr.domain.secret import Secret
from ivr.payments.port import Reply, Value
from ivr.payments.state import Payment
from ivr.providers import wire
from ivr.providers.probe import check_reachable
from ivr.runtime.asking import Asked, Observe, checked
from ivr.runtime.configured import Base, ProviderSettings, read_http, read_secret
from ivr.runtime.http_client import HttpAnswer, HttpClient, HttpSettings

LEAST_RIAL: Final = 1000
"""The gateway takes no smaller amount."""
MOST_KEY: Final = 64
"""The longest invoice key, in characters."""
MOST_URL: Final = 500
"""The longest return address, in characters."""
NO_ERROR_CODE: Final = "no_code"
ORDER_PLACE: Final = "{order_id}"
"""What stands for `order_id` in the configured return address."""

REQUEST_PATH: Final = "/invoice/request"
PAY_PATH: Final = "/invoice/pay"
CHECK_PATH: Final = "/invoice/check"

_KEY: Final = re.compile(rf"[A-Za-z0-9_-]{{1,{MOST_KEY}}}")

PAID: Final = "paid"
PAID_UNREADABLE: Final = "paid_unreadable"
"""Paid; the bank's reference holds letters, so it cannot be read to a caller."""
WRONG_AMOUNT: Final = "wrong_amount"
"""Paid, and not what we asked for: a matter for people."""

REQUEST_EXITS: Final[Mapping[str, str]] = MappingProxyType(
    {"100": "refused", "101": "refused", "102": "amount_refused", "103": "refused", "301": "try_later"}
)
"""Errors of the document, by what can be done: nothing by the payer, another amount, later."""
CHECK_EXITS: Final[Mapping[str, tuple[str, Outcome]]] = MappingProxyType(
    {
        "201": ("not_paid", Outcome.UNKNOWN),  # not yet: the payer may still be on the page
        "202": ("cancelled", Outcome.DECLINED),
    }
)
"""Errors of the document that say what became of the invoice. Every other one says nothing about it."""

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        operation.name: operation
        for operation in (
            Operation(
                "create_invoice",
                {
                    "amount": Argument(Kind.AMOUNT),
                    "order_id": Argument(Kind.TEXT, required=False),
                    "phone": Argument(Kind.TEXT, required=False),
                    "return_url": Argument(Kind.TEXT, required=False, most=MOST_URL),
                },
                {"tracking_code": Kind.TEXT, "pay_url": Kind.TEXT},
                frozenset({"ok", "amount_refused", "try_later", "refused"}),
                inquiry="check",
                unknown_when="no whole answer: an invoice may have been made that nobody has the key of, and that "
                "nobody can pay",
            ),
            Operation(
                "pay_url",
                {"invoice_id": Argument(Kind.TEXT, most=MOST_KEY)},
                {"pay_url": Kind.TEXT},
                unknown_when="never: it is made here, and nothing is asked",
            ),
            Operation(
                "check",
                {"invoice_id": Argument(Kind.TEXT, most=MOST_KEY), "amount": Argument(Kind.AMOUNT)},
                {"reference": Kind.DIGITS},
                frozenset({PAID, PAID_UNREADABLE, "not_paid", "cancelled", WRONG_AMOUNT, "refused"}),
                Role.INQUIRY,
                results_by_exit={PAID: frozenset({"reference"})},
                unknown_when="no whole answer, not paid yet (201), another amount than ours, or an error that is not "
                "about the payment (100, 101, 200, 301 and any new one)",
            ),
        )
    }
)
"""The money moves on the gateway's own page, between these two: `check` is the inquiry of an invoice's payment."""


@dataclass(frozen=True, slots=True)
class WebGatewaySettings:
    """One terminal. Raises BadInput for what cannot work; `api_key` loses surrounding spaces."""

    http: HttpSettings
    api_key: Secret
    return_url: str
    """Where payers come back to, `{order_id}` in it being our invoice's number; an argument of the same name goes
    before."""
    name: str = "web_gateway"
    """What this account is called in logs and metrics."""
    pay_base_url: str = ""
    """Where payers' browsers find the gateway, when that is not where we find it."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "api_key", Secret(self.api_key.reveal().strip()))
        if not 1 <= len(self.api_key) <= 512 or not self.api_key.reveal().isprintable():
            raise BadInput("api_key must be 1 to 512 printable characters")
        check_return_url(self.return_url)
        if self.pay_base_url:
            HttpSettings(self.pay_base_url)  # the same rules as for the address that we use

    def pay_url(self, invoice_key: str) -> str:
        """The page on which an invoice is paid."""
        return f"{(self.pay_base_url or self.http.base_url).rstrip('/')}{PAY_PATH}/{invoice_key}"


def check_return_url(text: str) -> None:
    """Raises BadInput unless a browser can be sent there. It is written plainly: encoding is done once, by us."""
    try:
        url = URL(text)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host or url.raw_user or len(text) > MOST_URL:
        raise BadInput(f"return_url must be http(s)://host/…, at most {MOST_URL} characters, not encoded")


class WebGateway:
    """One terminal at the gateway; fulfils `ivr.payments.port.Provider`. Made outside, used inside one event loop."""

    operations: Mapping[str, Operation] = OPERATIONS

    def __init__(self, settings: WebGatewaySettings, observe: Observe | None = None) -> None:
        self._settings = settings
        self._observe = observe
        self._http = HttpClient(settings.http, wire.FORM)
        self._asks: Mapping[str, Callable[[Mapping[str, Value], Asked], Awaitable[Reply]]] = {
            "create_invoice": self._create_invoice,
            "check": self._check,
        }

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        """Ask it. Raises ProviderUnreachable, OutcomeUnknown; BadInput for arguments that nothing was sent for.

        `create_invoice` answers with the invoice's key as `tracking_code`, to be stored before anybody is sent to its
        `pay_url`. Order and phone are ours alone: the gateway has no field for them.
        """
        if operation not in OPERATIONS:
            raise BadInput(f"{self._settings.name} has no operation {operation}")
        if operation == "pay_url":
            key = str(checked(OPERATIONS[operation], arguments)["invoice_id"])
            if not _KEY.fullmatch(key):
                raise BadInput("pay_url: invoice_id is no key of this gateway")
            return Reply("ok", {"pay_url": self._settings.pay_url(key)})
        with Asked(self._settings.name, operation, self._observe) as note:
            reply = await self._asks[operation](checked(OPERATIONS[operation], arguments), note)
            note.result = reply.exit
            return reply

    async def inquire(self, payment: Payment) -> Reply:
        """What became of the payment: APPROVED, DECLINED or UNKNOWN. The gateway's key is its transaction id, or its
        invoice id where that came from the gateway.

        Without an amount of our own nothing can be confirmed: UNKNOWN, without asking.
        """
        key = payment.transaction_id or payment.invoice_id
        if payment.amount_rial is None or not _KEY.fullmatch(key):
            return Reply("not_paid", {}, Outcome.UNKNOWN, code=NO_INQUIRY)
        reply = await self.ask("check", {"invoice_id": key, "amount": payment.amount_rial})
        # Each link has a key of its own: of two that were paid, both are.
        return reply if payment.transaction_id is None else replace(reply, of_invoice=False)

    async def check(self) -> None:
        """Any answer to a HEAD of the base address, without our key, will do. Raises Unusable."""
        await check_reachable(self._settings.name, self._http)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def _create_invoice(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        amount = rial(arguments["amount"])
        if amount < LEAST_RIAL:
            return Reply("amount_refused")
        order = quote(str(arguments.get("order_id", "")), safe="")
        return_url = str(arguments.get("return_url", self._settings.return_url.replace(ORDER_PLACE, order)))
        check_return_url(return_url)
        document, codes = await self._post(REQUEST_PATH, {"amount": amount, "return_url": return_url}, note)
        if codes:
            known = next((code for code in codes if code in REQUEST_EXITS), codes[0])
            return Reply(REQUEST_EXITS.get(known, "refused"), code=self._kept(known))
        key = wire.scalar(_one(document, "invoice_key"))
        if key is None or not _KEY.fullmatch(key):
            raise OutcomeUnknown("the answer holds an invoice key that is none")
        return Reply("ok", {"tracking_code": key, "pay_url": self._settings.pay_url(key)})

    async def _check(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        key = str(arguments["invoice_id"])
        if not _KEY.fullmatch(key):
            raise BadInput("check: invoice_id is no key of this gateway")
        document, codes = await self._post(f"{CHECK_PATH}/{key}", {}, note)
        if codes:
            unsaid = ("refused", Outcome.UNKNOWN)
            exit_name, outcome = CHECK_EXITS.get(codes[0], unsaid) if len(set(codes)) == 1 else unsaid
            not_paid = exit_name == "not_paid" and outcome is Outcome.UNKNOWN
            return Reply(exit_name, {}, outcome, code=self._kept(codes[0]), not_paid=not_paid)
        try:
            paid = rial(_one(document, "amount"))
        except BadInput:
            raise OutcomeUnknown("the answer holds an amount that is none") from None
        reference = wire.reference(_one(document, "bank_code"))
        if reference is None:
            raise OutcomeUnknown("the answer says paid and has no reference")
        if paid != arguments["amount"]:
            return Reply(WRONG_AMOUNT, {}, Outcome.UNKNOWN, code=WRONG_AMOUNT, reference=reference)
        if not is_digits(reference):
            return Reply(PAID_UNREADABLE, {}, Outcome.APPROVED, code="1", reference=reference, of_invoice=True)
        return Reply(PAID, {"reference": reference}, Outcome.APPROVED, "1", reference, of_invoice=True)

    async def _post(self, path: str, fields: Mapping[str, str | int], note: Asked) -> tuple[wire.Document, list[str]]:
        """The answer, and its errors: none exactly when it says `status` 1 and nothing against it."""
        sent = wire.sealed_form({"api_key": self._settings.api_key, **fields})
        answer = await self._http.request("POST", path, data=sent)
        note.http_status = answer.status
        document = wire.read(answer)
        return document, _codes(answer, document)

    def _kept(self, code: str) -> str:
        return wire.UNREADABLE if self._settings.api_key.reveal() in code else wire.safe_code(code)


def _codes(answer: HttpAnswer, document: wire.Document) -> list[str]:
    """The answer's error codes. Raises OutcomeUnknown when it says neither yes nor no, or both."""
    said = wire.scalar(_one(document, "errorCode"))  # read by hand: 200 is an error here
    codes = [said] if said not in (None, "", "0") else wire.error_codes({**document, "status": 1})
    match wire.scalar(document.get("status")):
        case "1":
            if codes or answer.status >= 400:
                raise OutcomeUnknown("the answer says both yes and no")
            return []
        case "0":
            return codes or [f"http_{answer.status}" if answer.status >= 400 else NO_ERROR_CODE]
        case _ if answer.status >= 400:
            return [f"http_{answer.status}"]
    raise OutcomeUnknown("the answer says neither yes nor no")


def _one(document: wire.Document, name: str) -> object:
    """A value of the answer, at its top or in `data`. Raises OutcomeUnknown when it stands there twice, differently."""
    found = [record[name] for record in wire.records(document) if record.get(name) is not None]
    if len({wire.scalar(value) for value in found}) > 1:
        raise OutcomeUnknown("the answer holds two values for one key")
    return found[0] if found else None


def read_settings(fields: Fields, name: str, base: Base) -> ProviderSettings:
    """`kind: web_gateway` of the configuration."""
    settings = WebGatewaySettings(
        http=read_http(fields, base),
        api_key=read_secret(fields, "api_key", base),
        return_url=fields.text("return_url"),
        name=name,
        pay_base_url=fields.text("pay_base_url", ""),
    )
    codes = {**REQUEST_EXITS, **{code: exit_name for code, (exit_name, _) in CHECK_EXITS.items()}}
    return ProviderSettings(OPERATIONS, lambda observe: WebGateway(settings, observe), codes)
