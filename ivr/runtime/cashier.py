"""Every line that a call writes into the journal, and the questions it asks the books.

Law: write before send; write the outcome before the caller hears it. A payment that was sent once is never sent again
by anyone.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Final, TypeVar

import structlog

from ivr.domain.errors import AlreadyInPayment, Illegal, Unusable
from ivr.domain.operations import Outcome
from ivr.flow.commands import PaymentOrder
from ivr.payments.details import plain
from ivr.payments.port import Invoices, Journal, Reply
from ivr.payments.state import UNDECIDED, EntryKind, Payment, State
from ivr.runtime.verdict import Late, write_verdict

T = TypeVar("T")

_log = structlog.get_logger("ivr.cashier")


_OUTCOMES: Final = {
    State.CREATED: "not_tried",
    State.SENT: "unknown",
    State.UNKNOWN: "unknown",
    State.APPROVED: "paid",
    State.DECLINED: "declined",
}
"""What an agent is told."""


PAUSES: Final = (0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""Seconds between the tries to write a provider's answer down while the books are away: a minute, all together."""


class Go(Enum):
    """What may be done with a payment order."""

    SEND = auto()
    """It is written down as sent: send it now."""
    SENT_BEFORE = auto()
    """An earlier process of this call sent it already: only ask what became of it."""
    REFUSED = auto()
    """Another payment of the same invoice is under way or approved."""


class Cashier:
    """The calls' hand in the books."""

    def __init__(
        self,
        journal: Journal,
        invoices: Invoices,
        clock: Callable[[], float],
        late: Late | None = None,
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        """`late` gets the answers that the book does not take any more. `pauses`: see `insist`."""
        self._pauses = tuple(pauses)
        self._late = late or Late(journal)
        self._journal = journal
        self._invoices = invoices
        self._clock = clock

    async def before_sending(self, order: PaymentOrder, call_id: str) -> Go:
        """Write the payment down as created and sent."""
        amount = order.amount_rial
        if amount is None:
            invoice = await self._invoices.invoice(order.provider, order.invoice_id)
            amount = invoice.amount_rial if invoice else None
        now = self._clock()
        payment = Payment(
            id=order.id,
            call_id=call_id,
            provider=order.provider,
            invoice_id=order.invoice_id,
            transaction_id=order.transaction_id,
            amount_rial=amount,
            state=State.CREATED,
            created_at=now,
            changed_at=now,
            payer=order.payer,
        )
        # Handed over together, both lines share one wait for the disk; the book keeps their order.
        created, sent = await asyncio.gather(
            self._journal.create(payment), self._journal.append(order.id, EntryKind.SENT), return_exceptions=True
        )
        if isinstance(created, BaseException):
            raise created
        match sent:
            case AlreadyInPayment():
                _log.warning("already_in_payment", payment_id=order.id)
                return Go.REFUSED
            case Illegal() if not created:
                return Go.SENT_BEFORE
            case BaseException():
                raise sent
            case _:
                return Go.SEND

    async def before_handing_out(self, order: PaymentOrder, call_id: str) -> Go:
        """The same for a link, which somebody may pay at any time from now on: refused also while nobody knows what
        became of another try, and for one that was handed out under another name, or is decided: nobody would find out
        what becomes of it.
        """
        before = await self._journal.get(order.id)
        if before is None and await self.in_doubt(order):
            return Go.REFUSED
        if before is not None and before.transaction_id != order.transaction_id:
            return Go.REFUSED
        if before is not None and before.state not in UNDECIDED | {State.CREATED}:
            return Go.REFUSED
        go = await self.before_sending(order, call_id)
        if go is Go.SEND and await self.in_doubt(order):  # another one has become so in between
            await self.unsent(order.id, "unresolved")
            return Go.REFUSED
        return go

    async def tries(self, provider: str, invoice_id: str) -> Sequence[Payment]:
        """Every try to pay this invoice that has left us, oldest first."""
        payments = await self._journal.for_invoice(provider, invoice_id)
        return [payment for payment in payments if payment.state is not State.CREATED]

    async def last_of(self, payer: str) -> Payment | None:
        """The newest payment of this payer that has left us."""
        return await self._journal.last_of_payer(payer)

    async def in_doubt(self, order: PaymentOrder) -> bool:
        """Whether another payment of this invoice has taken money, or nobody knows whether it has.

        Ask once the order is written as sent: from then on no other one can be, and an unknown one only be decided.
        """
        return bool(await self.doubts(order))

    async def doubts(self, order: PaymentOrder) -> Sequence[Payment]:
        """Those payments."""
        payments = await self._journal.for_invoice(order.provider, order.invoice_id)
        taken = (State.UNKNOWN, State.APPROVED)
        return [payment for payment in payments if payment.state in taken and payment.id != order.id]

    async def insist(self, write: Callable[[], Awaitable[T]]) -> T:
        """Have written down what only we know, and try again for a while where the books are away.

        Raises what the last try raised. Whoever is on the line hears meanwhile that it takes longer.
        """
        for pause in self._pauses:
            try:
                return await write()
            except Unusable as exc:
                _log.warning("books_away", error=str(exc), seconds=pause)
                await asyncio.sleep(pause)
        return await write()

    async def answered(self, payment_id: str, reply: Reply) -> bool:
        """A provider's answer about this payment. True when the book now says what became of it."""
        match reply.outcome:
            case Outcome.APPROVED | Outcome.DECLINED:
                if await self._write(payment_id, write_verdict(self._journal, payment_id, reply)):
                    return True
                await self._late.too_late(payment_id, reply)
            case Outcome.UNKNOWN:
                await self.unanswered(payment_id, reply.exit, reply.code, reply.reference)
            case None:
                pass
        return False

    async def unanswered(
        self, payment_id: str, reason: str, code: str | None = None, reference: str | None = None
    ) -> None:
        """Nobody can say what became of it, for now. `code` and `reference` are the provider's, where it gave any."""
        payment = await self._journal.get(payment_id)
        if payment is not None and payment.state is State.SENT:
            await self._note(payment_id, EntryKind.UNANSWERED, {"reason": reason, "code": code, "reference": reference})

    async def unsent(self, payment_id: str, reason: str) -> None:
        """It turned out that nothing had left: nobody was reached, or nobody answered."""
        await self._note(payment_id, EntryKind.UNSENT, {"reason": reason})

    async def undecided(self, payment_id: str) -> bool:
        """Whether somebody still has to find out what became of it."""
        payment = await self._journal.get(payment_id)
        return payment is not None and payment.state in UNDECIDED

    async def outcome(self, payment_id: str) -> str:
        """`paid`, `declined`, `unknown`, or `not_tried` when it turned out that nothing had left."""
        payment = await self._journal.get(payment_id)
        return _OUTCOMES[payment.state] if payment is not None else _OUTCOMES[State.CREATED]

    async def find_invoice(self, provider: str, invoice_id: str) -> tuple[str, int | None]:
        """An exit of an `invoice` step that saves, and the invoice's amount in rial with `next`."""
        invoice, said = await asyncio.gather(
            self._invoices.invoice(provider, invoice_id), self.check_invoice(provider, invoice_id, None)
        )
        if invoice is None:
            return "not_found", None
        return said, invoice.amount_rial if said == "next" else None

    async def check_invoice(self, provider: str, invoice_id: str, amount_rial: int | None) -> str:
        """May this invoice be paid now? Returns an exit of the `invoice` step."""
        # Asked together, both share one turn of the book: a caller is waiting.
        invoice, payments = await asyncio.gather(
            self._invoices.invoice(provider, invoice_id), self._journal.for_invoice(provider, invoice_id)
        )
        if invoice is not None and amount_rial is not None and invoice.amount_rial != amount_rial:
            _log.error("amount_mismatch", provider=provider, invoice_id=invoice_id)
            return "amount_mismatch"
        states = {payment.state for payment in payments}
        if State.APPROVED in states:
            return "already_paid"
        if State.SENT in states:
            return "being_paid"
        if State.UNKNOWN in states:
            return "unresolved"
        return "next"

    async def _note(self, payment_id: str, kind: EntryKind, details: Mapping[str, str | None]) -> None:
        await self._write(payment_id, self._journal.append(payment_id, kind, plain(details)))

    async def _write(self, payment_id: str, writing: Awaitable[Payment]) -> bool:
        try:
            payment = await writing
        except Illegal as exc:
            # Somebody was quicker (the reconciler, or the provider's answer came twice): the book stands as it is.
            _log.info("entry_not_needed", payment_id=payment_id, error=str(exc))
            return False
        _log.info("payment", payment_id=payment_id, state=payment.state.value)
        return True
