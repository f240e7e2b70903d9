"""POD's utility bills: paid from the wallet, or by an invoice and a payment link; listed and cancelled.

Law: a bill is paid when POD says so of these two ids and of the amount that the payment id holds; its pay page's word
never counts. Wrong ids and traffic bills are refused here, before anything is asked. A bill's `invoice_id` in our own
books is its barcode (26 digits), so that an inquiry needs nothing else.

`inquire` says declined only for a wallet payment (no transaction id) that the list does not have `absent_after` seconds
later. A bill that was cancelled, or whose file failed, is left to people.
"""

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Final
from urllib.parse import urlencode

import msgspec

from ivr.domain import bills
from ivr.domain.bills import Bill
from ivr.domain.digits import is_digits
from ivr.domain.errors import BadInput, OutcomeUnknown
from ivr.domain.operations import NO_INQUIRY, UNKNOWN, Operation, Outcome
from ivr.domain.reading import Fields
from ivr.payments.port import Reply, Value
from ivr.payments.state import Payment
from ivr.providers import pod_settings, pod_wire, wire
from ivr.providers.pod_operations import OPERATIONS
from ivr.providers.pod_settings import PodSettings, web_address
from ivr.providers.pod_wire import BillRecord, Envelope
from ivr.providers.probe import check_reachable
from ivr.runtime.asking import Asked, Observe, checked
from ivr.runtime.configured import Base, ProviderSettings
from ivr.runtime.http_client import HttpClient

PAY_PATH: Final = "/v1/pbc/payInvoiceByUniqueNumber/"
PAGE: Final = 20
"""Bills asked for at once; more would not fit into the longest answer that is read."""
MOST_PAGES: Final = 5
"""So many pages of one bill's records are read before they are called unclear."""
MOST_LINK: Final = 2000

_STANDS: Final = {
    **dict.fromkeys(pod_wire.PAID, "paid"),
    pod_wire.ISSUED: "not_paid",
    pod_wire.CANCELED: "cancelled",
    pod_wire.SEND_FILE_FAILED: "failed",
}
"""The exit of `bill_status` by POD's status; any other status is `other`."""

_QUERY: Final = {
    "bill_id": "billId",
    "payment_id": "paymentId",
    "id": "id",
    "reference_number": "referenceNumber",
    "from_date": "fromDate",
    "to_date": "toDate",
}


class _Refused(Exception):
    """POD said no to something that moves no money."""

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply


class Pod:
    """One account at POD; fulfils `ivr.payments.port.Provider`. Made outside, used inside one event loop."""

    operations: Mapping[str, Operation] = OPERATIONS

    def __init__(
        self, settings: PodSettings, observe: Observe | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._observe = observe
        self._clock = clock
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "_token_": settings.token.reveal(),
            "_token_issuer_": settings.token_issuer,
        }
        self._http = HttpClient(settings.http, headers)
        self._prober = HttpClient(settings.http)
        """For `check`, which goes to whatever stands at the address: without our credential."""
        self._asks: Mapping[str, Callable[[Mapping[str, Value], Asked], Awaitable[Reply]]] = {
            "pay_bill": self._pay_bill,
            "issue_invoice": self._issue_invoice,
            "payment_link": self._payment_link,
            "bill_status": self._bill_status,
            "list": self._list,
            "cancel": self._cancel,
        }

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        """Ask it. Raises ProviderUnreachable, OutcomeUnknown; BadInput for arguments that nothing was sent for."""
        if operation not in OPERATIONS:
            raise BadInput(f"{self._settings.name} has no operation {operation}")
        good = checked(OPERATIONS[operation], arguments)
        if (known := self._known_before(operation, good)) is not None:
            return known
        with Asked(self._settings.name, operation, self._observe) as note:
            try:
                reply = await self._asks[operation](good, note)
            except _Refused as refused:
                reply = refused.reply
            note.result = reply.exit
            return reply

    async def inquire(self, payment: Payment) -> Reply:
        """What became of a bill's payment; `payment.invoice_id` is the bill's barcode. See above."""
        bill = bills.barcode_bill(payment.invoice_id)
        if bill is None or payment.amount_rial not in (None, bill.amount):
            return Reply("other", {}, Outcome.UNKNOWN, code=NO_INQUIRY)
        reply = await self.ask("bill_status", {"bill_id": bill.bill_id, "payment_id": bill.payment_id})
        sent_at = max(payment.created_at, payment.changed_at)
        late = sent_at > 0 and self._clock() - sent_at >= self._settings.absent_after
        if reply.exit == "not_found" and payment.transaction_id is None and late:
            return Reply("not_found", {}, Outcome.DECLINED, code="absent")
        if reply.exit == "not_paid" and payment.transaction_id is not None:
            return replace(reply, not_paid=True)  # its link may be paid yet
        return reply

    async def check(self) -> None:
        """Any answer to a HEAD of the base address, without our credential, will do. Raises Unusable."""
        await check_reachable(self._settings.name, self._prober)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()
        await self._prober.close()

    # -- the operations -----------------------------------------------------------------------------------------------

    async def _pay_bill(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        bill = _bill(arguments)
        said = await self._call("pay_bill", _ids(bill), note)
        if said.error is not None:
            exit = self._settings.error_exits.get(said.error, UNKNOWN)
            outcome = Outcome.UNKNOWN if exit == UNKNOWN else Outcome.DECLINED
            return Reply(exit, {}, outcome, code=wire.safe_code(said.error))
        record = self._record_of(said, bill)
        if record.status not in pod_wire.PAID:
            return Reply(UNKNOWN, {}, Outcome.UNKNOWN, code=wire.safe_code(record.status))
        return Reply("paid", self._values(record, bill), Outcome.APPROVED, record.status, record.reference or record.id)

    async def _issue_invoice(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        bill = _bill(arguments)
        record = self._record_of(self._well(await self._call("issue_invoice", _ids(bill), note)), bill)
        if record.status in pod_wire.PAID:
            return Reply("already_paid", code=record.status)
        if not record.unique_number:
            raise OutcomeUnknown("the invoice has no unique number")
        values = {"invoice_id": pod_wire.identifier(record.invoice_id), "unique_number": record.unique_number}
        return Reply("ok", {**values, "amount": bill.amount})

    async def _payment_link(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        form = self._link_form(arguments)
        said = self._well(await self._call("payment_link", form, note))
        found = [link for link in pod_wire.links(said.result) if link not in form.values()]
        if len(found) != 1 or len(found[0]) > MOST_LINK or not found[0].isascii() or not found[0].isprintable():
            raise OutcomeUnknown("the answer does not hold one link")
        return Reply("ok", {"url": found[0]})

    async def _bill_status(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        bill = _bill(arguments)
        records = await self._records_of(bill, note)
        if not records:
            return Reply("not_found", {}, Outcome.UNKNOWN)
        by_exit = {_STANDS.get(record.status, "other"): record for record in reversed(records)}
        # A bill may have been cancelled and paid afterwards: what took money counts, then what may have.
        exit = next(name for name in ("paid", "other", "failed", "not_paid", "cancelled") if name in by_exit)
        record = by_exit[exit]
        outcome = Outcome.APPROVED if exit == "paid" else Outcome.UNKNOWN
        reference = (record.reference or record.id) if exit == "paid" else None
        code = wire.safe_code(record.status)
        return Reply(exit, self._values(record, bill), outcome, code, reference, of_invoice=True)

    async def _list(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        offset, size = int(str(arguments.get("offset", 0))), int(str(arguments.get("size", PAGE)))
        if not 1 <= size <= PAGE or offset > 10**9:
            raise BadInput(f"list: size must be 1 to {PAGE}")
        query = {_QUERY[name]: str(value) for name, value in arguments.items() if name in _QUERY}
        count, records = await self._page(query, offset, size, note)
        shown = msgspec.json.encode([asdict(record) for record in records]).decode()
        return Reply("ok", {"count": str(count if count is not None else offset + len(records)), "bills": shown})

    async def _cancel(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        own = str(arguments["id"])
        _, records = await self._page({"id": own}, 0, PAGE, note)
        record = next((each for each in records if each.id == own), None)
        if record is None:
            return Reply("not_found")
        if record.status == pod_wire.CANCELED:
            return Reply("cancelled", code=record.status)
        if not self._can_cancel(record):
            return Reply("not_cancellable", code=wire.safe_code(record.status))
        said = self._well(await self._call("cancel", {"id": own}, note))
        done = pod_wire.bill_records(said.result, self._settings.unique_number_field)
        if [(each.id, each.status) for each in done] != [(own, pod_wire.CANCELED)]:
            raise OutcomeUnknown("the answer does not say that the bill is cancelled")
        return Reply("cancelled", code=pod_wire.CANCELED)

    # -- what they share ----------------------------------------------------------------------------------------------

    def _known_before(self, operation: str, arguments: Mapping[str, Value]) -> Reply | None:
        """The answer that needs no asking: wrong ids, bills that POD does not take, and the pay page's address."""
        if operation == "pay_url":
            query = urlencode(self._link_form(arguments))
            return Reply("ok", {"url": f"{self._settings.pay_host.rstrip('/')}{PAY_PATH}?{query}"})
        if operation not in ("read_bill", "pay_bill", "issue_invoice", "bill_status"):
            return None
        outcome = Outcome.DECLINED if operation == "pay_bill" else None
        if "barcode" in arguments:
            bill = bills.barcode_bill(str(arguments["barcode"]))
        else:
            bill = bills.bill_of(str(arguments.get("bill_id", "")), str(arguments.get("payment_id", "")))
        if bill is None:
            return Reply("invalid_bill", {}, outcome)
        if operation != "bill_status" and bill.kind(self._settings.services) == bills.TRAFFIC:
            return Reply("traffic_bill", {}, outcome)
        if arguments.get("amount", bill.amount) != bill.amount:
            raise BadInput(f"{operation}: amount: is not the bill's")
        return Reply("ok", _read(bill, self._settings.services)) if operation == "read_bill" else None

    async def _call(self, service: str, form: Mapping[str, str], note: Asked) -> Envelope:
        settings = self._settings
        key = settings.api_keys.get(service, settings.api_key)
        body = urlencode({"scProductId": settings.products[service], "scApiKey": key.reveal(), **form}).encode()
        answer = await self._http.request("POST", settings.path, data=body)
        note.http_status = answer.status
        return pod_wire.envelope(answer)

    def _well(self, said: Envelope) -> Envelope:
        """The same when it is no error. Raises _Refused or OutcomeUnknown."""
        if said.error is None:
            return said
        exit = self._settings.error_exits.get(said.error, "refused")
        code = wire.safe_code(said.error)
        if exit == UNKNOWN:
            raise OutcomeUnknown(f"the service answered with code {code}")
        raise _Refused(Reply(exit, code=code))

    def _record_of(self, said: Envelope, bill: Bill) -> BillRecord:
        """The one record of a result, which must be of this bill. Raises OutcomeUnknown."""
        records = pod_wire.bill_records(said.result, self._settings.unique_number_field)
        if len(records) != 1 or not records[0].is_of(bill.bill_id, bill.payment_id):
            raise OutcomeUnknown("the answer is not about this bill")
        _check_amount(records[0], bill)
        return records[0]

    async def _records_of(self, bill: Bill, note: Asked) -> Sequence[BillRecord]:
        """Everything that the list has of this bill, the first as it lists them first. Raises OutcomeUnknown."""
        found: list[BillRecord] = []
        for page in range(MOST_PAGES):
            _, records = await self._page(_ids(bill), page * PAGE, PAGE, note)
            mine = [record for record in records if record.is_of(bill.bill_id, bill.payment_id)]
            for record in mine:
                _check_amount(record, bill)
            found += mine
            if len(records) < PAGE:
                return found
        raise OutcomeUnknown("the list does not end")

    async def _page(
        self, query: Mapping[str, str], offset: int, size: int, note: Asked
    ) -> tuple[int | None, Sequence[BillRecord]]:
        form = {"offset": str(offset), "size": str(size), **query}
        said = self._well(await self._call("list", form, note))
        return said.count, pod_wire.bill_records(said.result, self._settings.unique_number_field)

    def _link_form(self, arguments: Mapping[str, Value]) -> dict[str, str]:
        redirect = str(arguments.get("redirect_uri") or self._settings.redirect_uri)
        call = str(arguments.get("call_uri") or self._settings.call_uri)
        form = {
            "uniqueNumber": str(arguments["unique_number"]),
            "redirectUri": web_address("redirect_uri", redirect),
            "callUri": web_address("call_uri", call),
        }
        return {**form, "gateway": str(arguments["gateway"])} if "gateway" in arguments else form

    def _values(self, record: BillRecord, bill: Bill) -> dict[str, str | int]:
        """What flows know of a bill; `tracking_number` is its reference, or POD's id where that cannot be read out."""
        own = pod_wire.identifier(record.id)
        speakable = is_digits(record.reference) and len(record.reference) <= pod_wire.MOST_ID
        return {
            "id": own,
            "tracking_number": record.reference if speakable else own,
            "amount": bill.amount,
            "company": record.company,
            "reference": record.reference,
            "status": record.status,
            "can_cancel": "yes" if self._can_cancel(record) else "no",
        }

    def _can_cancel(self, record: BillRecord) -> bool:
        return record.status == pod_wire.ACCEPTED and not self._is_never_cancelled(record)

    def _is_never_cancelled(self, record: BillRecord) -> bool:
        """A mobile bill of Hamrah-e Aval, or one that does not say whose it is."""
        own = bills.bill_id(record.bill_id)
        if own is None or bills.kind_of(own, self._settings.services) != "mobile":
            return False
        company = _comparable(f"{record.company} {record.sub_company}")
        return not company or any(_comparable(word) in company for word in self._settings.never_cancelled)


def read_settings(fields: Fields, name: str, base: Base) -> ProviderSettings:
    """`kind: pod` of the configuration."""
    settings = pod_settings.read(fields, name, base)
    return ProviderSettings(OPERATIONS, lambda observe: Pod(settings, observe), settings.error_exits)


def _bill(arguments: Mapping[str, Value]) -> Bill:
    """The bill that is meant; `_known_before` has looked at its ids."""
    bill = bills.bill_of(str(arguments["bill_id"]), str(arguments["payment_id"]))
    assert bill is not None
    return bill


def _read(bill: Bill, services: Mapping[str, str]) -> dict[str, str | int]:
    return {
        "bill_id": bill.bill_id,
        "payment_id": bill.payment_id,
        "barcode": bill.barcode,
        "service": bill.service,
        "kind": bill.kind(services),
        "amount": bill.amount,
    }


def _ids(bill: Bill) -> dict[str, str]:
    return {"billId": bill.bill_id, "paymentId": bill.payment_id}


def _check_amount(record: BillRecord, bill: Bill) -> None:
    """A record without a price is taken at its payment id's word. Raises OutcomeUnknown for another amount."""
    if record.amount_rial not in (None, bill.amount):
        raise OutcomeUnknown("the answer is for another amount than the bill")


def _comparable(text: str) -> str:
    """Without the ways in which one Persian name is written: Arabic letters, joiners, capitals, spaces."""
    plain = text.replace("ي", "ی").replace("ك", "ک").replace("\u200c", "").casefold()
    return "".join(plain.split())
