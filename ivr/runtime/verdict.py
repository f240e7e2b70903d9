"""Writes into the journal what a provider says of a payment; calls, callbacks and the reconciler all do it here.

Law: an answer about an invoice approves one try to pay it, never two: the others are closed as what they are, paid by
another one. An answer about the try itself is written as it came, and two approved tries of an invoice raise an alarm.
An answer to a payment that is decided already never changes it: when it says otherwise, that is written beside it.
"""

from collections.abc import Mapping
from enum import Enum
from typing import Final

import structlog

from ivr.domain.errors import AlreadyInPayment, Illegal
from ivr.domain.operations import Outcome
from ivr.payments.details import plain
from ivr.payments.port import Journal, Reply
from ivr.payments.state import UNDECIDED, EntryKind, Payment, State

PAID_BY_ANOTHER: Final = "paid_by_another"
"""The reason of a try that ended without money because another try of the same invoice brought it."""

DECIDES: Final = {Outcome.APPROVED: EntryKind.APPROVED, Outcome.DECLINED: EntryKind.DECLINED}

_STATES: Final = {Outcome.APPROVED: State.APPROVED, Outcome.DECLINED: State.DECLINED}

_log = structlog.get_logger("ivr.verdict")


class Came(Enum):
    """What became of an answer."""

    DECIDES = "decides"
    """It is written, and the payment stands as it says."""
    AGREES = "agrees"
    """The payment stood so already."""
    CONTRADICTS = "contradicts"
    """The payment was decided otherwise, and stays so."""
    SAYS_NOTHING = "says nothing"
    """It decides nothing, or there is no payment that it can be about."""


async def write_verdict(
    journal: Journal, payment_id: str, reply: Reply, details: Mapping[str, str | None] | None = None
) -> Payment:
    """Write an answer whose outcome is approved or declined. Raises Illegal when the payment is decided already."""
    assert reply.outcome is not None
    known = {"code": reply.code, "reference": reply.reference, "receipt": reply.receipt}
    said = plain({"reason": reply.exit, **known, **(details or {})})
    try:
        return await journal.append(payment_id, DECIDES[reply.outcome], said, sole=reply.of_invoice)
    except AlreadyInPayment:
        return await journal.append(payment_id, EntryKind.DECLINED, {**said, "reason": PAID_BY_ANOTHER})


class Late:
    """Answers that come when nobody waits for them any more. One per journal."""

    def __init__(self, journal: Journal) -> None:
        self.contradictions = 0
        """How many payments were contradicted since the start."""
        self._journal = journal
        self._known: set[tuple[str, Outcome]] = set()
        self._twice: set[tuple[str, str]] = set()

    async def take(
        self,
        provider: str,
        invoice_id: str,
        reply: Reply,
        *,
        transaction_id: str | None = None,
        by: str = "late answer",
    ) -> Came:
        """An answer that names no payment of ours: it is about the one try to pay this invoice that it can be about.

        That is, with a transaction id, a try of that transaction; the oldest that is open, else the newest.
        """
        tries = [
            payment
            for payment in await self._journal.for_invoice(provider, invoice_id)
            if transaction_id is None or payment.transaction_id in (None, transaction_id)
        ]
        sent = [payment for payment in tries if payment.state is not State.CREATED]
        open_ = [payment for payment in sent if payment.state in UNDECIDED]
        if not sent or (len(open_) > 1 and not reply.of_invoice):
            _log.warning("answer_not_matched", provider=provider, invoice_id=invoice_id)
            return Came.SAYS_NOTHING
        return await self.answered((open_ or sent[-1:])[0].id, reply, by=by)

    async def answered(self, payment_id: str, reply: Reply, *, by: str = "late answer") -> Came:
        """An answer about this payment, whatever has become of it meanwhile."""
        if reply.outcome not in DECIDES:
            return Came.SAYS_NOTHING
        try:
            payment = await write_verdict(self._journal, payment_id, reply, {"by": by})
        except Illegal:
            return await self.too_late(payment_id, reply)
        _log.info("payment_resolved", payment_id=payment_id, provider=payment.provider, state=payment.state.value)
        return Came.DECIDES

    async def paid_again(self, payment: Payment, reply: Reply) -> bool:
        """Its provider confirms a second payment by another reference: a refund is due. False: that was said before."""
        news = (payment.id, reply.reference or "")
        if news in self._twice:
            return False
        self._twice.add(news)
        _log.error("payment_made_twice", payment_id=payment.id, provider=payment.provider, reference=reply.reference)
        await self._contradict(payment.id, reply, "paid_again")
        return True

    async def too_late(self, payment_id: str, reply: Reply) -> Came:
        """The journal has refused this answer. Say so where it is not what the payment stands for."""
        payment = await self._journal.get(payment_id)
        if payment is None or reply.outcome not in DECIDES or payment.state not in _STATES.values():
            return Came.SAYS_NOTHING
        if payment.state is _STATES[reply.outcome] or await self._is_about_another(payment, reply):
            return Came.AGREES
        if (payment_id, reply.outcome) not in self._known:  # the same answer once more is no news
            self._known.add((payment_id, reply.outcome))
            _log.error(
                "answer_contradicts", payment_id=payment_id, provider=payment.provider, state=payment.state.value
            )
            await self._contradict(payment_id, reply, reply.exit)
        return Came.CONTRADICTS

    async def _contradict(self, payment_id: str, reply: Reply, how: str) -> None:
        """Write down beside a decided payment what was said against it."""
        self.contradictions += 1
        known = {"code": reply.code, "reference": reply.reference, "receipt": reply.receipt}
        said = plain({"says": reply.outcome.value if reply.outcome else None, "exit": how, **known})
        await self._journal.append(payment_id, EntryKind.CONTRADICTED, said)

    async def _is_about_another(self, payment: Payment, reply: Reply) -> bool:
        """It says that the invoice is paid, and it is, by another try."""
        if not reply.of_invoice or reply.outcome is not Outcome.APPROVED:
            return False
        tries = await self._journal.for_invoice(payment.provider, payment.invoice_id)
        return any(other.state is State.APPROVED for other in tries)
