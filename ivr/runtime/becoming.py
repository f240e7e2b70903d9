"""What became of an invoice that may be paid elsewhere: asked by the call that began it, or by a later one. And the
same of whatever somebody paid last, who is known by nothing but their mobile.

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
from ivr.runtime.verdict import DECIDES, PAID_BY_ANOTHER

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


async def last_payment(payer: str, services: Services) -> Reply:
    """An answer to a `last_payment` step, with the amount where the books have it. Raises what the store raises."""
    payment = await services.cashier.last_of(payer)
    if payment is None:
        return Reply("none")
    tries = await services.cashier.tries(payment.provider, payment.invoice_id)
    if payment.state in UNDECIDED:
        # another try that was paid, or may be, is in the way: an answer could be about that one
        alone = all(other.state is State.DECLINED for other in tries if other.id != payment.id)
        reply = await inquire(payment, services) if alone else None
        if reply is None or reply.outcome not in DECIDES:
            return Reply("not_paid" if reply is not None and reply.not_paid else UNKNOWN, _amount(payment))
        await services.cashier.answered(payment.id, reply)
        tries = await services.cashier.tries(payment.provider, payment.invoice_id)
        payment = next(each for each in tries if each.id == payment.id)
    if payment.reason == PAID_BY_ANOTHER:
        paid = [each for each in _approved(tries) if each.payer == payer]
        payment = paid[-1] if paid else payment
    match payment.state:
        case State.APPROVED:
            readable = payment.reference is not None and is_digits(payment.reference)
            by = "paid" if readable and payment.amount_rial is not None else "paid_unreadable"
            values = {"reference": payment.reference or ""} if by == "paid" else {}
            return Reply(by, {**values, **_receipt(payment), **_amount(payment)})
        case State.DECLINED:
            return Reply("declined", _amount(payment))
        case _:
            return Reply(UNKNOWN, _amount(payment))  # the book did not take the answer


def _amount(payment: Payment) -> dict[str, int]:
    return {} if payment.amount_rial is None else {"amount": payment.amount_rial}


def _receipt(payment: Payment) -> dict[str, str]:
    return {} if payment.receipt is None else {"receipt": payment.receipt}


def _as_it_stands(tries: Sequence[Payment]) -> Reply:
    """What the books say by themselves."""
    if approved := _approved(tries):
        paid = approved[-1]
        known = {**_receipt(paid), "payment": paid.id}
        if paid.reference is not None and is_digits(paid.reference):
            return Reply("paid", {"reference": paid.reference, **known})
        return Reply("paid_unreadable", known)
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
