"""A payment attempt: its states, and the only ways from one to another.

Law: an entry that the table does not allow raises Illegal and changes nothing. A payment is what its entries
in the journal make of it; there is no other truth.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from ivr.domain.errors import Illegal


class State(Enum):
    """Where a payment stands."""

    CREATED = "created"
    """Written down; nothing has left yet."""
    SENT = "sent"
    """It may be with the bank."""
    APPROVED = "approved"
    DECLINED = "declined"
    UNKNOWN = "unknown"
    """Nobody could say; leaves only by an inquiry or a person."""


UNDECIDED: Final = frozenset({State.SENT, State.UNKNOWN})
"""Where it has left us, and somebody still has to find out what became of it."""


class EntryKind(Enum):
    """What the journal can say of a payment. One line each, never changed afterwards."""

    CREATED = "created"
    SENT = "sent"
    UNSENT = "unsent"
    """It turned out that nothing had left: the far side was never reached."""
    APPROVED = "approved"
    DECLINED = "declined"
    UNANSWERED = "unanswered"
    HANDED_OVER = "handed_over"
    """Only people can find out what became of it. It stays unknown."""
    CONTRADICTED = "contradicted"
    """The provider says otherwise, after it was decided. The decision stays; people must look."""


TRANSITIONS: Final[Mapping[State, Mapping[EntryKind, State]]] = {
    State.CREATED: {EntryKind.SENT: State.SENT},
    State.SENT: {
        EntryKind.UNSENT: State.CREATED,
        EntryKind.APPROVED: State.APPROVED,
        EntryKind.DECLINED: State.DECLINED,
        EntryKind.UNANSWERED: State.UNKNOWN,
    },
    State.UNKNOWN: {
        EntryKind.APPROVED: State.APPROVED,
        EntryKind.DECLINED: State.DECLINED,
        EntryKind.HANDED_OVER: State.UNKNOWN,
    },
    State.APPROVED: {EntryKind.CONTRADICTED: State.APPROVED},
    State.DECLINED: {EntryKind.CONTRADICTED: State.DECLINED},
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal. `at` is seconds since 1970, UTC; `details` are plain, short and never secret."""

    payment_id: str
    kind: EntryKind
    at: float
    details: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Payment:
    """One try to pay. `amount_rial` is None only where another party knows it (the merchant's side of a chain)."""

    id: str
    call_id: str
    provider: str
    invoice_id: str
    transaction_id: str | None
    amount_rial: int | None
    state: State
    reason: str | None = None
    """Why it stands where it stands: a decline reason, a leg result, an error's name."""
    code: str | None = None
    """The provider's own code, as it came."""
    reference: str | None = None
    created_at: float = 0.0
    changed_at: float = 0.0
    """Since when it stands so."""
    for_people: bool = False
    """It is unknown, and only people can find out."""
    payer: str | None = None
    """The mobile (09…) that pays: the caller's own, as the network said it. None: nobody said one. Never changed."""
    receipt: str | None = None
    """The bank's digital receipt, where the provider says one beside the reference. It may hold letters."""


def apply(payment: Payment, entry: Entry) -> Payment:
    """The payment after this entry. Raises Illegal where the table has no such way."""
    if entry.payment_id != payment.id:
        raise Illegal(f"the entry belongs to payment {entry.payment_id}, not to {payment.id}")
    state = TRANSITIONS[payment.state].get(entry.kind)
    if state is None:
        raise Illegal(f"payment {payment.id} is {payment.state.value}: it cannot become {entry.kind.value}")
    if state is payment.state:  # a remark: what it stands for, and since when, stays as it was
        return replace(payment, for_people=payment.for_people or entry.kind is EntryKind.HANDED_OVER)
    return replace(
        payment,
        state=state,
        reason=entry.details.get("reason", payment.reason),
        code=entry.details.get("code", payment.code),
        reference=entry.details.get("reference", payment.reference),
        receipt=entry.details.get("receipt", payment.receipt),
        changed_at=entry.at,
        for_people=False,
    )
