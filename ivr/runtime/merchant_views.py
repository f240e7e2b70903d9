"""What merchants are shown of invoices, payments and events; and what they are refused.

Law: nothing here holds a secret, and nothing that an operator wrote for colleagues. Times are ISO 8601, UTC.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from ivr.domain.errors import IvrError
from ivr.domain.registration import Registration
from ivr.payments.merchant_port import EVENT_TYPES, MerchantEvent, MerchantInvoice
from ivr.payments.state import Payment, State

BY_A_PERSON: Final = "decided_by_a_person"
"""The reason of what somebody found out by hand: their own words are not for merchants."""
REGISTERED: Final = "registration.created"
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")


@dataclass(frozen=True, slots=True)
class Words:
    """Why a payment was declined, in our name for it and in words for people."""

    reason: str
    fa: str
    en: str


Explain = Callable[[str, str | None], Words]
"""(the reason in the books, the provider's code) -> words."""


class Why(Enum):
    """What stands in the way of a request."""

    NOT_FOUND = "not_found"
    NOT_YOURS = "provider_not_yours"
    KEY_REUSED = "idempotency_key_reused"
    IN_PROGRESS = "in_progress"
    ALREADY_PAID = "already_paid"
    BEING_PAID = "being_paid"
    UNRESOLVED = "unresolved"
    NOT_POSSIBLE = "not_possible"
    REFUSED = "provider_refused"
    SILENT = "provider_silent"
    """It may have arrived, and no whole answer came."""
    UNREACHABLE = "provider_unreachable"
    """Nothing was sent."""
    CLOSING = "closing"
    """The process ends, and begins nothing any more."""


class Refusal(IvrError):
    """A request that is not carried out. The message is one sentence for the merchant's developer."""

    def __init__(self, why: Why, text: str) -> None:
        super().__init__(text)
        self.why = why


@dataclass(frozen=True, slots=True)
class OtpView:
    """What became of a request for a one-time password. `state`: sent, declined or unknown."""

    state: str
    reason: str | None
    code: str | None
    text: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class PaymentView:
    """One try to pay."""

    id: str
    state: str
    amount_rial: int | None
    reason: str | None
    code: str | None
    reference: str | None
    receipt: str | None
    """The bank's digital receipt, where the provider says one."""
    text: Mapping[str, str] | None
    """Why it was declined, by language."""
    created_at: str
    changed_at: str


@dataclass(frozen=True, slots=True)
class InvoiceView:
    """An invoice as its merchant sees it. `state`: open, being_paid, paid or unknown."""

    id: str
    state: str
    provider: str
    number: str
    """What a caller keys."""
    amount_rial: int
    order_id: str
    created_at: str
    payments: tuple[PaymentView, ...] = ()


def iso(at: float) -> str:
    """A time as merchants read it."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def payment_view(payment: Payment, explain: Explain) -> PaymentView:
    """A payment without what only operators need."""
    reason = payment.reason if payment.reason is None or _NAME.fullmatch(payment.reason) else BY_A_PERSON
    text = None
    if payment.state is State.DECLINED and reason not in (None, BY_A_PERSON):
        words = explain(reason or "", payment.code)
        reason, text = words.reason, {"fa": words.fa, "en": words.en}
    return PaymentView(
        payment.id,
        payment.state.value,
        payment.amount_rial,
        reason,
        payment.code,
        payment.reference,
        payment.receipt,
        text,
        iso(payment.created_at),
        iso(payment.changed_at),
    )


def invoice_view(made: MerchantInvoice, state: str, payments: tuple[PaymentView, ...] = ()) -> InvoiceView:
    """An invoice as its merchant sees it."""
    invoice = made.invoice
    return InvoiceView(
        made.id,
        state,
        invoice.provider,
        invoice.tracking_code,
        invoice.amount_rial,
        invoice.order_id,
        iso(invoice.created_at),
        payments,
    )


def told_body(event: MerchantEvent | Registration) -> dict[str, Any]:
    """What a webhook gets of it."""
    return registration_event(event) if isinstance(event, Registration) else event_body(event)


def registration_event(registration: Registration) -> dict[str, Any]:
    """A registration as an event. Its id is a text, so that nobody takes it for a payment's event of that number."""
    return {
        "id": f"reg_{registration.id}",
        "type": REGISTERED,
        "created_at": iso(registration.at),
        "data": registration_body(registration),
    }


def registration_body(registration: Registration) -> dict[str, Any]:
    """A registration as plain data, the same whenever it is told."""
    return {
        "id": registration.id,
        "word": registration.word,
        "dialled": registration.dialled,
        "flow": registration.flow,
        "mobile": registration.mobile,
        "values": dict(registration.values),
        "created_at": iso(registration.at),
    }


def event_body(event: MerchantEvent) -> dict[str, Any]:
    """An event as plain data, the same whenever it is told: it comes from the journal's line and from what never
    changes.
    """
    said = event.details
    reason = said.get("reason")
    return {
        "id": event.id,
        "type": EVENT_TYPES[event.kind],
        "created_at": iso(event.at),
        "data": {
            "invoice": event.invoice_id,
            "order_id": event.order_id,
            "provider": event.provider,
            "number": event.number,
            "payment": event.payment_id,
            "amount_rial": event.amount_rial,
            "reason": BY_A_PERSON if "who" in said else reason if reason and _NAME.fullmatch(reason) else None,
            "code": said.get("code"),
            "reference": said.get("reference"),
            "receipt": said.get("receipt"),
        },
    }
