"""The payment that a step tries to make: which values it is made of.

Law: its id is made from the call and the visit, so that a process that takes the call over finds the same payment and
never sends it a second time.
"""

from dataclasses import dataclass
from typing import Final

from ivr.domain.errors import Illegal
from ivr.domain.operations import Kind
from ivr.domain.reading import Fields
from ivr.flow.commands import PaymentOrder
from ivr.flow.steps.base import Reading
from ivr.flow.visit import Visit

_NAMES: Final = frozenset({Kind.DIGITS, Kind.TEXT})


@dataclass(frozen=True, slots=True)
class PaymentOf:
    """Which values make the payment, by name."""

    provider: str
    invoice: str
    transaction: str | None
    amount: str | None

    def begin(self, visit: Visit) -> None:
        """Choose the payment's id, once for this visit."""
        visit.data.setdefault("payment", f"{visit.session.call_id}.{visit.session.visit}")

    def order(self, visit: Visit) -> PaymentOrder:
        """The payment with this call's values."""
        amount = visit.known(self.amount) if self.amount else None
        if amount is not None and not isinstance(amount, int):
            raise Illegal("a payment's amount must be whole rial")
        return PaymentOrder(
            id=str(visit.data["payment"]),
            provider=self.provider,
            invoice_id=str(visit.needed(self.invoice)),
            transaction_id=str(visit.needed(self.transaction)) if self.transaction else None,
            amount_rial=amount,
            payer=visit.payer,
        )


def read_payment(fields: Fields, reading: Reading) -> PaymentOf:
    """`payment: {provider: paystar, invoice: value, transaction: value, amount: value}`."""
    payment = PaymentOf(
        provider=reading.provider(fields, "provider"),
        invoice=reading.reference(fields, "invoice", _NAMES) or "",
        transaction=reading.reference(fields, "transaction", _NAMES, required=False),
        amount=reading.reference(fields, "amount", frozenset({Kind.AMOUNT}), required=False),
    )
    fields.done()
    return payment
