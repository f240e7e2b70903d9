"""What became of an invoice that may be paid elsewhere: asked by the call that began it, or by a later one.

Law: what the books have decided is said as it stands. Else the provider is asked about the one try that is open, by
what the books keep of it, and only a clear answer is written. A try that may still be paid stays as it is: nothing here
makes way for another one.
"""

from collections.abc import Sequence

import structlog

from ivr.domain.digits import is_digits
from ivr.domain.errors import BadInput, OutcomeUnknown, Unusable
from ivr.domain.operations import UNKNOWN
from ivr.payments.port import Reply
from ivr.payments.state import UNDECIDED, Payment, State
from ivr.runtime.services import Services
from ivr.runtime.verdict import DECIDES

_log = structlog.get_logger("ivr.becoming")


async def what_became(provider: str, invoice_id: str, services: Services) -> Reply:
    """An answer to an `inquire` step; `payment` is the try that it is about. Raises what the store raises."""
    tries = await services.cashier.tries(provider, invoice_id)
    open_ = [payment for payment in tries if payment.state in UNDECIDED]
    if len(open_) == 1 and not _approved(tries):
        reply = await inquire(open_[0], services)
        if reply is None or reply.outcome not in DECIDES:
            return _undecided(open_[0], reply)
        await services.cashier.answered(open_[0].id, reply)
        tries = await services.cashier.tries(provider, invoice_id)
    return _as_it_stands(tries)


def _as_it_stands(tries: Sequence[Payment]) -> Reply:
    """What the books say by themselves."""
    if approved := _approved(tries):
        paid = approved[-1]
        if paid.reference is not None and is_digits(paid.reference):
            return Reply("paid", {"reference": paid.reference, "payment": paid.id})
        return Reply("paid_unreadable", {"payment": paid.id})
    if any(payment.state in UNDECIDED for payment in tries):
        return Reply(UNKNOWN)  # several at once, or the book did not take the answer
    return Reply("declined" if tries else "none")


def _undecided(payment: Payment, reply: Reply | None) -> Reply:
    if reply is None or not reply.not_paid or payment.transaction_id is None or payment.amount_rial is None:
        return Reply(UNKNOWN)
    values: dict[str, str | int] = {
        "transaction": payment.transaction_id,
        "amount": payment.amount_rial,
        "payment": payment.id,
    }
    return Reply("not_paid", values)


def _approved(tries: Sequence[Payment]) -> list[Payment]:
    return [payment for payment in tries if payment.state is State.APPROVED]


async def inquire(payment: Payment, services: Services) -> Reply | None:
    """The provider's answer, or None when it could not be had."""
    provider = services.providers.get(payment.provider)
    if provider is None:
        return None
    try:
        return await provider.inquire(payment)
    except (Unusable, OutcomeUnknown, BadInput) as exc:
        _log.warning("inquiry_failed", payment_id=payment.id, provider=payment.provider, error=type(exc).__name__)
        return None
