"""What a provider, or our own books, are asked on behalf of a call.

Law: a question that moves money is written down before it leaves, and its answer before anybody hears it. Nothing is
sent beside an earlier try of the same invoice that may have taken the money.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import structlog

from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable, Unusable
from ivr.domain.operations import UNKNOWN, UNREACHABLE, Outcome
from ivr.flow.commands import AskProvider, PaymentOrder
from ivr.flow.session import Session
from ivr.flow.steps.base import NEXT
from ivr.flow.steps.invoice import BOOKS, FIND_INVOICE, WHAT_BECAME
from ivr.payments.details import plain
from ivr.payments.port import Provider, Reply
from ivr.payments.state import Payment, State
from ivr.runtime.becoming import inquire, what_became
from ivr.runtime.cashier import Cashier, Go
from ivr.runtime.services import Services

_log = structlog.get_logger("ivr.call")


Keep = Callable[[Session], Awaitable[None]]
"""Returns when the session is kept as it is now: the next process must know of what leaves. Raises Unusable."""


async def ask(
    command: AskProvider, session: Session, services: Services, keep: Keep | None = None
) -> tuple[Reply, bool]:
    """The answer, and whether the books now say what became of the payment that it is about.

    `keep`: where the session is kept, if it is no call. Raises what the store raises when something cannot be written
    down.
    """
    cashier, keep = services.cashier, keep or services.snapshots.flush
    if command.provider == BOOKS and command.payment is not None:
        await keep(session)
        go = await cashier.before_handing_out(command.payment, session.call_id)
        return Reply("being_paid" if go is Go.REFUSED else NEXT), False  # sent before: the same link goes out again
    if command.provider == BOOKS and command.operation == WHAT_BECAME:
        provider, invoice_id = str(command.arguments["provider"]), str(command.arguments["invoice_id"])
        return await what_became(provider, invoice_id, services), False
    if command.provider == BOOKS:
        return await _ask_books(command, cashier), False
    if command.payment is not None:
        await keep(session)
    return await ask_provider(command, session.call_id, cashier, services.providers)


async def ask_provider(
    command: AskProvider, call_id: str, cashier: Cashier, providers: Mapping[str, Provider]
) -> tuple[Reply, bool]:
    """The same for a question to a provider, on behalf of whoever `call_id` says."""
    if command.payment is not None:
        go = await cashier.before_sending(command.payment, call_id)
        if go is not Go.SEND:
            # Sent by an earlier process of this call, or refused because another one pays: then nothing has left.
            return Reply(UNKNOWN if go is Go.SENT_BEFORE else UNREACHABLE), False
        operation = providers[command.provider].operations[command.operation]
        if operation.inquiry is None and await cashier.in_doubt(command.payment):
            await cashier.unsent(command.payment.id, "unresolved")
            return Reply(UNREACHABLE), False
    try:
        reply = await providers[command.provider].ask(command.operation, command.arguments)
    except BadInput as exc:
        # Nothing was sent for it; a flow whose values do not fit is a fault to be mended.
        _log.error("provider_not_asked", operation=command.operation, error=str(exc))
        if command.payment is not None:
            await cashier.insist(partial(cashier.unsent, command.payment.id, "not asked"))
        return Reply(UNKNOWN), False
    except ProviderUnreachable:
        if command.payment is not None:
            await cashier.insist(partial(cashier.unsent, command.payment.id, UNREACHABLE))
        return Reply(UNREACHABLE), False
    except OutcomeUnknown:
        if command.payment is not None:
            await cashier.insist(partial(cashier.unanswered, command.payment.id, UNKNOWN))
        return Reply(UNKNOWN), False
    about = command.payment.id if command.payment else command.payment_id
    if about is None:
        return reply, False
    try:
        return reply, await cashier.insist(partial(cashier.answered, about, reply))
    except Unusable:
        said = plain({"code": reply.code, "reference": reply.reference})  # card numbers masked
        _log.error(  # the only place where it stands now
            "verdict_not_written",
            payment_id=about,
            exit=reply.exit,
            code=said.get("code"),
            reference=said.get("reference"),
        )
        raise


async def may_dial(order: PaymentOrder, services: Services) -> bool:
    """Whether a leg may be dialled for this order, which is written as sent; if not, it is written that nothing left.

    The flow has asked about earlier tries of this invoice, but a caller takes minutes, and another one may have been at
    the bank meanwhile. Whoever is in doubt asks now, and goes on only when the answer is that nothing was paid.
    """
    for payment in await services.cashier.doubts(order):
        if payment.state is State.UNKNOWN and await _is_unpaid(payment, services):
            continue
        _log.warning("earlier_try_in_doubt", payment_id=order.id, provider=order.provider)
        await services.cashier.unsent(order.id, "unresolved")
        return False
    return True


async def _is_unpaid(payment: Payment, services: Services) -> bool:
    """The provider says, now, that this payment has brought nothing."""
    reply = await inquire(payment, services)
    if reply is None:
        return False
    return reply.outcome is Outcome.DECLINED or (reply.outcome is Outcome.UNKNOWN and reply.not_paid)


async def _ask_books(command: AskProvider, cashier: Cashier) -> Reply:
    provider, invoice_id = str(command.arguments["provider"]), str(command.arguments["invoice_id"])
    if command.operation == FIND_INVOICE:
        exit_name, found = await cashier.find_invoice(provider, invoice_id)
        return Reply(exit_name, {} if found is None else {"amount": found})
    amount = command.arguments.get("amount")
    return Reply(await cashier.check_invoice(provider, invoice_id, amount if isinstance(amount, int) else None))
