"""Writes into the journal what a provider says of a payment; calls and the reconciler both do it here.

Law: an answer about an invoice approves one try to pay it, never two: the others are closed as what they are, paid by
another one. An answer about the try itself is written as it came, and two approved tries of an invoice raise an alarm.
"""

from collections.abc import Mapping
from typing import Final

from ivr.domain.errors import AlreadyInPayment
from ivr.domain.operations import Outcome
from ivr.payments.details import plain
from ivr.payments.port import Journal, Reply
from ivr.payments.state import EntryKind, Payment

PAID_BY_ANOTHER: Final = "paid_by_another"
"""The reason of a try that ended without money because another try of the same invoice brought it."""

DECIDES: Final = {Outcome.APPROVED: EntryKind.APPROVED, Outcome.DECLINED: EntryKind.DECLINED}


async def write_verdict(
    journal: Journal, payment_id: str, reply: Reply, details: Mapping[str, str | None] | None = None
) -> Payment:
    """Write an answer whose outcome is approved or declined. Raises Illegal when the payment is decided already."""
    assert reply.outcome is not None
    said = plain({"reason": reply.exit, "code": reply.code, "reference": reply.reference, **(details or {})})
    try:
        return await journal.append(payment_id, DECIDES[reply.outcome], said, sole=reply.of_invoice)
    except AlreadyInPayment:
        return await journal.append(payment_id, EntryKind.DECLINED, {**said, "reason": PAID_BY_ANOTHER})
