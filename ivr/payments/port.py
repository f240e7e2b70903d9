"""What every provider client offers, and what the journal offers. Only shapes: nothing here does anything.

A provider answers with a Reply, declines included. It raises ProviderUnreachable when nothing left (may be sent
again) and OutcomeUnknown when the request may have arrived (inquire, never resend).
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, runtime_checkable

from ivr.domain.operations import Operation, Outcome
from ivr.domain.secret import Secret
from ivr.payments.invoice import Invoice
from ivr.payments.state import EntryKind, Payment

THEIR_FACTOR: Final = "their_factor"
RRN: Final = "rrn"
"""What a USSD network's callback says, by name: its own id of the factor, and the bank's number of the payment."""

Value = str | int | Secret
"""What goes to a provider: text, digits, an amount in rial, or a secret."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A provider's answer. `exit` is one of the operation's exits; `code` is theirs, as it came."""

    exit: str
    values: Mapping[str, str | int] = field(default_factory=dict)
    outcome: Outcome | None = None
    code: str | None = None
    reference: str | None = None
    of_invoice: bool = False
    """The answer is about the invoice and not about this one try to pay it: of several tries it approves one only."""
    not_paid: bool = False
    """It is unknown only because it may still be paid: once the invoice has expired, it never will be."""
    receipt: str | None = None
    """The bank's digital receipt, where there is one beside the reference."""


class Provider(Protocol):
    """One account at one provider."""

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What it can be asked, by name."""
        ...

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        """Ask it. Raises ProviderUnreachable or OutcomeUnknown; never anything else of the wire's."""
        ...

    async def inquire(self, payment: Payment) -> Reply:
        """What became of a payment that was sent. `Reply.outcome` is set; UNKNOWN means: ask again later."""
        ...

    async def check(self) -> None:
        """Return when the provider can be reached; raise Unusable with one clear sentence when not."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class Verifier(Protocol):
    """A provider that calls back, and can be asked whether what the call brought is so."""

    async def verify(self, payment: Payment, said: Mapping[str, str]) -> Reply:
        """What became of a payment that was sent, which must agree with what was `said` as well: texts of an outsider,
        by names that are the provider's. APPROVED or UNKNOWN; what cannot be so is UNKNOWN without asking.

        Raises as `ask` does.
        """
        ...


class Journal(Protocol):
    """The append-only book of payments. What a call returns comes true after the line is safe on disk.

    Lines asked for one after the other are written in that order, without waiting in between.
    """

    def create(self, payment: Payment) -> Awaitable[bool]:
        """Write a new payment down (its state must be CREATED).

        False when a payment with this id is already there: nothing is written then.
        """
        ...

    def append(
        self, payment_id: str, kind: EntryKind, details: Mapping[str, str] | None = None, *, sole: bool = False
    ) -> Awaitable[Payment]:
        """Write a line; returns the payment after it. Raises Illegal, having written nothing.

        SENT raises AlreadyInPayment while another payment of the same invoice stands SENT or APPROVED; so does APPROVED
        with `sole` while another one stands APPROVED. A line's time is never before that of the line above it. The
        same CONTRADICTED line once more is not written again.
        """
        ...

    def get(self, payment_id: str) -> Awaitable[Payment | None]:
        """The payment as its lines make it."""
        ...

    def open_payments(self) -> Awaitable[Sequence[Payment]]:
        """Those that are SENT or UNKNOWN, oldest first."""
        ...

    def for_invoice(self, provider: str, invoice_id: str) -> Awaitable[Sequence[Payment]]:
        """Every payment of this invoice, oldest first."""
        ...

    def find(self, provider: str, name: str) -> Awaitable[Sequence[Payment]]:
        """Every payment whose invoice id or transaction id this is, oldest first, whoever looks after it."""
        ...

    def last_of_payer(self, payer: str) -> Awaitable[Payment | None]:
        """The newest payment of this payer that has left us, at whichever provider; None when there is none."""
        ...


class Invoices(Protocol):
    """Our own record of the invoices that we had providers make."""

    async def remember_invoice(self, invoice: Invoice) -> None:
        """Write it down; returns when it is safe on disk. The same one again changes nothing.

        Raises Illegal when the provider's tracking code already stands for another amount or order.
        """
        ...

    def invoice(self, provider: str, tracking_code: str) -> Awaitable[Invoice | None]:
        """The record of this tracking code, or None when we never had it made."""
        ...
