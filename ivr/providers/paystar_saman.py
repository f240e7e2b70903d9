"""PayStar's telephone gateway on the bank Saman: invoices, transactions, and what became of them.

Law: only `status` 1 of the result service, with no error beside it, says that a payment is approved; nothing here ever
says declined, for the service knows "paid" and "not confirmed" only. What goes on into a SIP caller id (transaction,
merchant, amount) is checked to be short and digits; an answer that fails this is OutcomeUnknown.

How an error arrives is not documented. Codes are looked for as `wire.error_codes` says, and the first that
`error_exits` knows decides; any other is `refused` and keeps its code. An answer with both a transaction and an error
contradicts itself: OutcomeUnknown.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Literal

from ivr.domain.digits import is_digits
from ivr.domain.errors import BadInput, OutcomeUnknown
from ivr.domain.money import rial
from ivr.domain.operations import NO_INQUIRY, Argument, Kind, Operation, Outcome, Role
from ivr.domain.phone import MOST_DIGITS, caller_number
from ivr.domain.reading import Fields
from ivr.domain.secret import Secret
from ivr.payments.port import Reply, Value
from ivr.payments.state import Payment
from ivr.providers import wire
from ivr.providers.probe import check_reachable
from ivr.runtime.asking import Asked, Observe, checked
from ivr.runtime.configured import Base, ProviderSettings, read_http, read_secret
from ivr.runtime.http_client import HttpAnswer, HttpClient, HttpSettings

MOST_ID_DIGITS: Final = 20
"""The longest invoice, transaction or merchant id: three of them still fit into a caller id."""
MOST_SEQUENCE: Final = 512
"""The longest gateway sequence, in characters."""

_TRANSACTION_EXITS: Final = frozenset(
    {"ok", "gateway_invalid", "wrong_invoice", "already_paid", "expired", "blocked", "refused"}
)
_TRANSACTION_RESULTS: Final = MappingProxyType(
    {"transaction_id": Kind.DIGITS, "merchant_id": Kind.DIGITS, "amount": Kind.AMOUNT}
)
_TRANSACTION_UNKNOWN: Final = "no whole answer, or one that holds neither a transaction nor an error, or both"
_CALLER: Final = Argument(Kind.DIGITS, required=False, most=MOST_DIGITS)
_INVOICE: Final = Argument(Kind.DIGITS, most=MOST_ID_DIGITS)
_OPTIONAL_TEXT: Final = Argument(Kind.TEXT, required=False, most=128)

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        operation.name: operation
        for operation in (
            Operation(
                "create_invoice",
                {
                    "amount": Argument(Kind.AMOUNT),
                    "order_id": Argument(Kind.TEXT),
                    "customer_name": _OPTIONAL_TEXT,
                    "email": _OPTIONAL_TEXT,
                    "phone": _OPTIONAL_TEXT,
                },
                {"tracking_code": Kind.DIGITS},
                frozenset({"ok", "refused"}),
                inquiry="result",
                unknown_when="no whole answer: an invoice may have been made whose tracking code nobody has",
            ),
            Operation(
                "create_transaction",
                {"invoice_id": _INVOICE, "caller": _CALLER},
                _TRANSACTION_RESULTS,
                _TRANSACTION_EXITS,
                inquiry="result",
                unknown_when=f"{_TRANSACTION_UNKNOWN}; nothing is paid by it: the bank takes the money later",
            ),
            Operation(
                "create_order_transaction",
                {
                    "order_id": Argument(Kind.TEXT),
                    "caller": _CALLER,
                    "amount": Argument(Kind.AMOUNT),
                    "trunk_id": Argument(Kind.TEXT, required=False),
                },
                _TRANSACTION_RESULTS,
                _TRANSACTION_EXITS,
                unknown_when=f"{_TRANSACTION_UNKNOWN}, or it is for another amount; an order has no inquiry",
            ),
            Operation(
                "result",
                {"invoice_id": _INVOICE},
                {"text": Kind.TEXT},
                frozenset({"paid", "not_confirmed"}),
                Role.INQUIRY,
                frozenset({"paid", "not_confirmed"}),
                unknown_when="no whole answer, or any other than paid: the service never says declined",
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class PaystarSamanSettings:
    """One gateway. Raises BadInput for what cannot work; `sequence` and `trunk_id` lose surrounding spaces."""

    http: HttpSettings
    sequence: Secret
    """The gateway's sequence: sent as `Authorization: Bearer`."""
    name: str = "paystar_saman"
    """What this account is called in logs and metrics."""
    trunk_id: Secret | None = None
    """The gateway id that PayStar gave the merchant's trunk, for orders; an argument of the same name goes before."""
    create_factor_path: str = "/api/ivr/create-factor"
    create_transaction_path: str = "/api/ivr/create-transaction"
    """The document names no address for this one."""
    result_path: str = "/api/ivr/get-transaction-result"
    invoice_wire_type: Literal["int", "text"] = "int"
    """How an invoice id is written in JSON. As a number it loses leading zeros."""
    result_as_query: bool = False
    """Send the tracking code as a query parameter as well: some servers drop the body of a GET."""
    error_exits: Mapping[str, str] = field(
        default_factory=lambda: {
            "1": "gateway_invalid",
            "2": "wrong_invoice",
            "3": "already_paid",
            "4": "expired",
            "5": "blocked",
            "http_401": "gateway_invalid",
            "http_403": "gateway_invalid",
        }
    )
    """Exits of the transaction operations by code, as it came; `http_<status>` stands for a 4xx without a code."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sequence", Secret(self.sequence.reveal().strip()))
        if self.trunk_id is not None:
            object.__setattr__(self, "trunk_id", Secret(self.trunk_id.reveal().strip()))
        sequence = self.sequence.reveal()
        if not sequence or len(sequence) > MOST_SEQUENCE or not sequence.isascii() or not sequence.isprintable():
            raise BadInput(f"sequence must be 1 to {MOST_SEQUENCE} printable ASCII characters")
        for path in (self.create_factor_path, self.create_transaction_path, self.result_path):
            if not path.startswith("/"):
                raise BadInput("a path must begin with /")
        if self.invoice_wire_type not in ("int", "text"):
            raise BadInput("invoice_wire_type must be int or text")
        if wrong := set(self.error_exits.values()) - _TRANSACTION_EXITS | set(self.error_exits.values()) & {"ok"}:
            raise BadInput(f"error_exits: no such exit: {', '.join(sorted(wrong))}")


class PaystarSaman:
    """One gateway at PayStar; fulfils `ivr.payments.port.Provider`. Made outside, used inside one event loop."""

    operations: Mapping[str, Operation] = OPERATIONS

    def __init__(self, settings: PaystarSamanSettings, observe: Observe | None = None) -> None:
        self._settings = settings
        self._observe = observe
        self._http = HttpClient(settings.http, {"Authorization": f"Bearer {settings.sequence.reveal()}"})
        self._prober = HttpClient(settings.http)
        """For `check`, which goes to whatever stands at the address: without our credential."""
        self._asks: Mapping[str, Callable[[Mapping[str, Value], Asked], Awaitable[Reply]]] = {
            "create_invoice": self._create_invoice,
            "create_transaction": self._create_transaction,
            "create_order_transaction": self._create_order_transaction,
            "result": self._result,
        }

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        """Ask it. Raises ProviderUnreachable, OutcomeUnknown; BadInput for arguments that nothing was sent for.

        A caller number that is none is left out: it must not keep anybody from paying. An invoice id that is too long
        to be one is answered `wrong_invoice` without asking.
        """
        if operation not in OPERATIONS:
            raise BadInput(f"{self._settings.name} has no operation {operation}")
        given = dict(arguments)
        if "caller" in given:
            given["caller"] = (caller_number(str(given["caller"])) or "").removeprefix("+")
        if operation == "create_transaction" and len(str(given.get("invoice_id", ""))) > MOST_ID_DIGITS:
            return Reply("wrong_invoice")
        with Asked(self._settings.name, operation, self._observe) as note:
            reply = await self._asks[operation](checked(OPERATIONS[operation], given), note)
            note.result = reply.exit
            return reply

    async def inquire(self, payment: Payment) -> Reply:
        """What became of the payment's invoice: APPROVED or UNKNOWN.

        An order (type 2) has no invoice id and the document no inquiry for it: always UNKNOWN. Asking with the
        transaction id instead could find somebody else's invoice.
        """
        if not is_digits(payment.invoice_id) or len(payment.invoice_id) > MOST_ID_DIGITS:
            return Reply("not_confirmed", {"text": ""}, Outcome.UNKNOWN, code=NO_INQUIRY)
        return await self.ask("result", {"invoice_id": payment.invoice_id})

    async def check(self) -> None:
        """Any answer to a HEAD of the base address, without our credential, will do. Raises Unusable."""
        await check_reachable(self._settings.name, self._prober)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()
        await self._prober.close()

    async def _create_invoice(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        body = {name: arguments.get(name, "") for name in OPERATIONS["create_invoice"].arguments}
        answer = await self._post(self._settings.create_factor_path, body, note)
        document = wire.read(answer)
        if not wire.is_one(document.get("status")) or answer.status >= 400:
            codes = _codes(answer, document)
            if not codes:
                raise OutcomeUnknown("the answer says neither yes nor no")
            return Reply("refused", code=wire.safe_code(codes[0]))
        data = document.get("data")
        if isinstance(data, list) and data:
            data = data[0]
        code = data.get("tracking_code") if isinstance(data, dict) else data
        return Reply("ok", {"tracking_code": wire.digits(code, MOST_ID_DIGITS)})

    async def _create_transaction(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        body = {
            "invoice_id": self._on_the_wire(arguments["invoice_id"]),
            "merchant_cid": arguments.get("caller", ""),
            "ivr": 0,
            "type": 1,
        }
        return self._transaction(await self._post(self._settings.create_transaction_path, body, note))

    async def _create_order_transaction(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        trunk_id = arguments.get("trunk_id") or (self._settings.trunk_id and self._settings.trunk_id.reveal())
        if not trunk_id:
            raise BadInput("create_order_transaction needs trunk_id, as a setting or as an argument")
        body = {
            "order_id": arguments["order_id"],
            "merchant_cid": arguments.get("caller", ""),
            "amount": arguments["amount"],
            "trunk_id": trunk_id,
            "ivr": 1,
            "type": 1,
        }
        reply = self._transaction(await self._post(self._settings.create_transaction_path, body, note))
        if reply.exit == "ok" and reply.values["amount"] != arguments["amount"]:
            raise OutcomeUnknown("the transaction is for another amount than the order")
        return reply

    async def _result(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        code = self._on_the_wire(arguments["invoice_id"])
        query = {"tracking_code": str(code)} if self._settings.result_as_query else None
        answer = await self._http.request("GET", self._settings.result_path, json={"tracking_code": code}, query=query)
        note.http_status = answer.status
        document = wire.read(answer)
        values = {"text": wire.text_for_people(document.get("data"))}
        codes = _codes(answer, document)
        if wire.is_one(document.get("status")) and not codes:
            return Reply("paid", values, Outcome.APPROVED, code="1", of_invoice=True)
        said = wire.safe_code(codes[0]) if codes else None
        faults = wire.error_codes({**document, "status": 1})
        clear = wire.scalar(document.get("status")) == "0" and not faults and answer.status < 400
        return Reply("not_confirmed", values, Outcome.UNKNOWN, code=said, not_paid=clear)

    async def _post(self, path: str, body: Mapping[str, object], note: Asked) -> HttpAnswer:
        answer = await self._http.request("POST", path, json=body)
        note.http_status = answer.status
        return answer

    def _on_the_wire(self, invoice_id: Value) -> str | int:
        text = str(invoice_id)
        return int(text) if self._settings.invoice_wire_type == "int" else text

    def _transaction(self, answer: HttpAnswer) -> Reply:
        document = wire.read(answer)
        codes = _codes(answer, document)
        found = next((record for record in wire.records(document) if "transactionId" in record), None)
        if found is None:
            if not codes:
                raise OutcomeUnknown("the answer holds neither a transaction nor an error")
            known = next((code for code in codes if code in self._settings.error_exits), codes[0])
            return Reply(self._settings.error_exits.get(known, "refused"), code=wire.safe_code(known))
        if codes:
            raise OutcomeUnknown("the answer holds both a transaction and an error")
        return Reply(
            "ok",
            {
                "transaction_id": wire.digits(found["transactionId"], MOST_ID_DIGITS),
                "merchant_id": wire.digits(found.get("merchantId"), MOST_ID_DIGITS),
                "amount": _amount(found.get("price")),
            },
        )


def _codes(answer: HttpAnswer, document: wire.Document) -> list[str]:
    """The answer's error codes; a 4xx without any is a code by itself."""
    return wire.error_codes(document) or ([f"http_{answer.status}"] if answer.status >= 400 else [])


def _amount(value: object) -> int:
    """The amount in rial. Raises OutcomeUnknown when it is none."""
    try:
        return rial(value)
    except BadInput:
        raise OutcomeUnknown("the answer holds an amount that is none") from None


def read_settings(fields: Fields, name: str, base: Base) -> ProviderSettings:
    """`kind: paystar_saman` of the configuration."""
    defaults = PaystarSamanSettings(HttpSettings("https://localhost"), Secret("x"))
    error_fields = fields.fields("error_exits", "'error_exits'", required=False)
    errors = {code: error_fields.text(code) for code, _, _ in error_fields.names()}
    settings = PaystarSamanSettings(
        http=read_http(fields, base),
        sequence=read_secret(fields, "sequence", base),
        name=name,
        trunk_id=read_secret(fields, "trunk_id", base) if fields.has("trunk_id") else None,
        create_factor_path=fields.text("create_factor_path", defaults.create_factor_path),
        create_transaction_path=fields.text("create_transaction_path", defaults.create_transaction_path),
        result_path=fields.text("result_path", defaults.result_path),
        invoice_wire_type="text" if fields.one_of("invoice_wire_type", ("int", "text"), "int") == "text" else "int",
        result_as_query=fields.truth("result_as_query", False),
        error_exits={**defaults.error_exits, **errors},
    )
    return ProviderSettings(OPERATIONS, lambda observe: PaystarSaman(settings, observe), settings.error_exits)
