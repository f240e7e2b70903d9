"""What the merchants' API needs of the books: whose an invoice is, which requests were made, what was delivered.

Law: an event is a line of the journal or a registration, and its id is that one's number. So nothing can be lost
between the books and what a merchant is told, and whoever is told twice can know. The two are streams apart, each with
its own numbers.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from ivr.domain.registration import Registration
from ivr.payments.invoice import Invoice
from ivr.payments.state import EntryKind

EVENT_TYPES: Final[Mapping[EntryKind, str]] = {
    EntryKind.APPROVED: "payment.approved",
    EntryKind.DECLINED: "payment.declined",
    EntryKind.UNANSWERED: "payment.unknown",
    EntryKind.CONTRADICTED: "payment.contradicted",
}
"""The lines that a merchant is told of, by what they are called there."""


@dataclass(frozen=True, slots=True)
class MerchantInvoice:
    """An invoice that a merchant's program had made. `id` is ours and says nothing."""

    id: str
    merchant: str
    invoice: Invoice


@dataclass(frozen=True, slots=True)
class Link:
    """Where an invoice's payer pays with a browser. `payment_id` is that of the payment it began."""

    invoice_id: str
    payment_id: str
    transaction_id: str
    url: str


@dataclass(frozen=True, slots=True)
class Ticket:
    """One request of a merchant that must not be carried out twice: its idempotency key, and what the body digests to.

    `subject` is the id of what the request makes, chosen by whoever came first with this key.
    """

    merchant: str
    operation: str
    key: str
    digest: str
    subject: str


@dataclass(frozen=True, slots=True)
class Held:
    """Somebody is carrying the same request out just now."""


@dataclass(frozen=True, slots=True)
class Different:
    """The key was used for another request."""


@dataclass(frozen=True, slots=True)
class Begun:
    """It is ours to carry out; nobody else will before `release` or the end of the lease. `again`: it was begun before,
    and ended by nobody.
    """

    subject: str
    again: bool


@dataclass(frozen=True, slots=True)
class Ended:
    """It was carried out."""

    subject: str


@dataclass(frozen=True, slots=True)
class MerchantEvent:
    """A line of the journal that a merchant is told of. `invoice_id` is the merchant's id of it, `number` what callers
    key; `details` are the line's.
    """

    id: int
    kind: EntryKind
    at: float
    payment_id: str
    invoice_id: str
    order_id: str
    provider: str
    number: str
    amount_rial: int | None
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event to be delivered now, and for which time it is tried (from 1)."""

    merchant: str
    event: MerchantEvent | Registration
    tries: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is not delivered yet: how many events, and when the oldest came to be (None: there is none)."""

    events: int
    oldest_at: float | None


class MerchantBooks(Protocol):
    """Fulfilled by the store. What a call returns comes true after it is safe on disk."""

    def begin(self, ticket: Ticket) -> Awaitable[Begun | Ended | Held | Different]:
        """Write a request down, or find what became of it; see the four answers."""
        ...

    def release(self, ticket: Ticket) -> Awaitable[None]:
        """It could not be ended: the same key may try again."""
        ...

    def end(self, ticket: Ticket) -> Awaitable[None]:
        """It was carried out."""
        ...

    def keep_invoice(self, ticket: Ticket, made: MerchantInvoice) -> Awaitable[None]:
        """Remember the invoice and whose it is, and end the request, all or nothing.

        Raises Illegal when its number already stands for another invoice.
        """
        ...

    def invoice_of(self, merchant: str, invoice_id: str) -> Awaitable[MerchantInvoice | None]:
        """A merchant's own invoice; None for everybody else's."""
        ...

    def link(self, invoice_id: str) -> Awaitable[Link | None]:
        """The newest link of an invoice."""
        ...

    def keep_link(self, link: Link) -> Awaitable[None]:
        """In place of the one before."""
        ...

    def events(self, merchant: str, after: int, limit: int) -> Awaitable[Sequence[MerchantEvent]]:
        """Those with a larger id, oldest first."""
        ...


class Deliveries(Protocol):
    """What was delivered of one stream. Several processes may ask; none gets what another one is delivering."""

    def enrol(self) -> Awaitable[None]:
        """Note everything new that a merchant is to be told of."""
        ...

    def claim(self, room: Mapping[str, int], until: float) -> Awaitable[Sequence[Claimed]]:
        """Events that are due, at most so many of each merchant; nobody else gets them before `until`.

        Never one whose payment has an earlier event that is not delivered.
        """
        ...

    def delivered(self, event_id: int) -> Awaitable[None]:
        """The merchant has it."""
        ...

    def again(self, event_id: int, at: float) -> Awaitable[None]:
        """It was not taken: due again then."""
        ...

    def replay(self, merchant: str, after: int) -> Awaitable[int]:
        """Let every delivered event with a larger id be delivered again; returns how many."""
        ...

    def waiting(self, merchants: Sequence[str]) -> Awaitable[Waiting]:
        """What these merchants do not have yet."""
        ...
