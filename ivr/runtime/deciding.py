"""What a person decides about a payment that no program can find out about.

Law: only an unknown payment is decided, once, signed with who and when, and for good. An invoice is approved once, and
there is no way around that. Money that was really taken twice is given back first, and then its payment is declined.
"""

from dataclasses import dataclass
from typing import Final

import structlog

from ivr.domain.errors import AlreadyInPayment, BadInput, Illegal
from ivr.payments.audit import PERSON
from ivr.payments.details import check_details
from ivr.payments.port import Journal
from ivr.payments.state import EntryKind, Payment, State

MOST_WHO: Final = 64
"""Characters of a person's name."""

_log = structlog.get_logger("ivr.deciding")


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person says. `reference` is the bank's, where the person has seen one."""

    payment_id: str
    approved: bool
    who: str
    reason: str
    reference: str | None = None


async def decide(journal: Journal, decision: Decision) -> Payment:
    """Write it down; returns the payment after it.

    Raises BadInput when it is not signed, says no reason or holds a card number, and Illegal when the payment is not
    there, not unknown, or of an invoice that is approved already. Nothing is written then.
    """
    details = _details(decision)
    payment = await journal.get(decision.payment_id)
    if payment is None:
        raise Illegal(f"there is no payment {decision.payment_id}")
    _refuse_unless_unknown(payment)
    kind = EntryKind.APPROVED if decision.approved else EntryKind.DECLINED
    try:
        # UNKNOWN never becomes SENT again: if somebody is quicker than we are, the table refuses this line
        decided = await journal.append(payment.id, kind, details, sole=True)
    except AlreadyInPayment:
        raise Illegal(
            f"payment {payment.id} cannot be approved: another payment of invoice {payment.invoice_id} is; "
            "if the money was taken twice, give it back and decide --declined with that as the reason"
        ) from None
    except Illegal:
        _refuse_unless_unknown(await journal.get(payment.id) or payment)
        raise
    _log.info("payment_decided", payment_id=payment.id, provider=payment.provider, state=decided.state.value)
    return decided


def _details(decision: Decision) -> dict[str, str]:
    given = {"reason": decision.reason, "who": decision.who, "reference": decision.reference or ""}
    clean = {name: " ".join(text.split()) for name, text in given.items()}
    for name, wanted in (("reason", "a reason"), ("who", "a name")):
        if not clean[name]:
            raise BadInput(f"a decision needs {wanted}")
    if not all(text.isprintable() for text in clean.values()):
        raise BadInput("a decision is written in printable characters")
    details = {"by": PERSON, **clean, "who": clean["who"][:MOST_WHO]}
    if not details["reference"]:
        del details["reference"]
    check_details(details)
    return details


def _refuse_unless_unknown(payment: Payment) -> None:
    if payment.state is State.UNKNOWN:
        return
    why = {
        State.CREATED: "nothing of it has left, so there is nothing to decide",
        State.SENT: "it is still being paid; it becomes unknown when nobody answers",
    }.get(payment.state, f"it was decided already{f' ({payment.reason})' if payment.reason else ''}")
    raise Illegal(f"payment {payment.id} is {payment.state.value}: {why}")
