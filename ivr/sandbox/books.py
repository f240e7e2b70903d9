"""What PayStar and the bank of the sandbox know: invoices, transactions, cards, settlements. No I/O.

Law: an invoice is paid at most once, whatever is asked how often; a settlement keeps first six and last four of a card.
All of it lives in memory. Every method is one step of the event loop, so nothing is ever seen half done.
"""

import random
from collections.abc import Callable, Container
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ivr.domain.secret import Secret
from ivr.sandbox.settings import DEMO_GATEWAY, Gateway, SandboxSettings

ID_DIGITS: Final = 8
"""Length of the ids we make up, as in the document's samples."""
REFERENCE_DIGITS: Final = 12
MOST_CALLERS: Final = 10_000
"""So many caller numbers with wrong tries are remembered."""


class Refusal(Exception):
    """PayStar says no, with one of the five errors of its document."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


GATEWAY_INVALID: Final = 1
WRONG_INVOICE: Final = 2
ALREADY_PAID: Final = 3
EXPIRED: Final = 4
BLOCKED: Final = 5


class InvoiceState(Enum):
    """Where an invoice stands."""

    OPEN = "open"
    PAID = "paid"
    EXPIRED = "expired"
    BLOCKED = "blocked"


@dataclass(slots=True)
class Invoice:
    """An amount that a merchant asks for."""

    tracking_code: str
    gateway: Gateway
    amount: int
    order_id: str
    expires_at: float
    blocked: bool = False
    reference: str | None = None
    """The bank's reference once it is paid."""
    masked_pan: str | None = None

    def state(self, now: float) -> InvoiceState:
        """Where it stands at this time."""
        if self.reference is not None:
            return InvoiceState.PAID
        if self.blocked:
            return InvoiceState.BLOCKED
        return InvoiceState.EXPIRED if now >= self.expires_at else InvoiceState.OPEN


@dataclass(frozen=True, slots=True)
class Transaction:
    """One try to pay an invoice."""

    id: str
    invoice: Invoice


@dataclass(slots=True)
class Account:
    """A card as the bank sees it."""

    pin: Secret
    balance: int
    wrong_pins: int = 0


@dataclass(frozen=True, slots=True)
class Settlement:
    """The bank's answer: approved, declined, wrong_card, wrong_pin or duplicate."""

    result: str
    reference: str | None = None
    reason: str | None = None


@dataclass(slots=True)
class _WrongTries:
    count: int = 0
    blocked_until: float = 0.0


class Books:
    """The whole state of the sandbox. `now` is seconds since 1970."""

    def __init__(self, settings: SandboxSettings, now: Callable[[], float]) -> None:
        self._settings = settings
        self._now = now
        self.dice = random.SystemRandom() if settings.seed is None else random.Random(settings.seed)  # noqa: S311
        self._gateways = {gateway.sequence: gateway for gateway in settings.gateways}
        self._trunks = {gateway.trunk_id: gateway for gateway in settings.gateways}
        self.invoices: dict[str, Invoice] = {}
        self.transactions: dict[str, Transaction] = {}
        self.settled: dict[str, str] = {}
        """The bank's references by transaction id."""
        self._references: set[str] = set()
        self._callers: dict[str, _WrongTries] = {}
        self.accounts = {card.pan: Account(card.pin, card.balance) for card in settings.cards}
        for demo in settings.invoices:
            self.add_invoice(demo.amount, demo.tracking_code, InvoiceState(demo.state))

    # What PayStar is asked

    def gateway(self, sequence: Secret) -> Gateway | None:
        """The gateway of a Bearer credential."""
        return self._gateways.get(sequence)

    def create_invoice(self, gateway: Gateway, amount: int, order_id: str) -> Invoice:
        """A new open invoice."""
        code = self._fresh(self.invoices)
        invoice = Invoice(code, gateway, amount, order_id, self._now() + self._settings.invoice_lifetime)
        self.invoices[code] = invoice
        return invoice

    def create_transaction(self, gateway: Gateway, invoice_id: str, caller: str) -> Transaction:
        """A new transaction for an open invoice of this gateway. Raises Refusal 2, 3, 4 or 5.

        Wrong ids are counted by caller number; withheld ones are not counted, or they would block each other.
        """
        tries = self._callers.get(caller) if caller else None
        if tries is not None and tries.blocked_until > self._now():
            raise Refusal(BLOCKED)
        invoice = self.invoices.get(invoice_id)
        if invoice is None or invoice.gateway is not gateway:
            self._wrong(caller)
            raise Refusal(WRONG_INVOICE)
        self._callers.pop(caller, None)
        state = invoice.state(self._now())
        if state is not InvoiceState.OPEN:
            raise Refusal(
                {InvoiceState.PAID: ALREADY_PAID, InvoiceState.EXPIRED: EXPIRED, InvoiceState.BLOCKED: BLOCKED}[state]
            )
        return self._transaction(invoice)

    def create_order_transaction(self, trunk_id: str, order_id: str, amount: int) -> Transaction:
        """A new transaction for an order that the merchant's IVR took. Raises Refusal 1."""
        gateway = self._trunks.get(trunk_id)
        if gateway is None:
            raise Refusal(GATEWAY_INVALID)
        return self._transaction(self.create_invoice(gateway, amount, order_id))

    def is_paid(self, gateway: Gateway, tracking_code: str) -> bool:
        """Whether this gateway's invoice is paid. Raises Refusal 2 when there is none."""
        invoice = self.invoices.get(tracking_code)
        if invoice is None or invoice.gateway is not gateway:
            raise Refusal(WRONG_INVOICE)
        return invoice.reference is not None

    # What the bank is asked

    def settle(self, merchant_id: str, transaction_id: str, amount: int, pan: Secret, pin: Secret) -> Settlement:
        """Take the money, once. A settled transaction answers `duplicate` with its first reference."""
        transaction = self.transactions.get(transaction_id)
        if transaction is None or transaction.invoice.gateway.merchant_id != merchant_id:
            return Settlement("declined", reason="no_such_transaction")
        if reference := self.settled.get(transaction_id):
            return Settlement("duplicate", reference)
        invoice = transaction.invoice
        state = invoice.state(self._now())
        if state is not InvoiceState.OPEN:
            return Settlement("declined", reason=f"invoice_{state.value}")
        if invoice.amount != amount:
            return Settlement("declined", reason="wrong_amount")
        account = self.accounts.get(pan)
        if account is None:
            return Settlement("wrong_card")
        if account.wrong_pins >= self._settings.wrong_tries:
            return Settlement("declined", reason="card_blocked")
        if account.pin != pin:
            account.wrong_pins += 1
            return Settlement("wrong_pin")
        account.wrong_pins = 0
        if account.balance < amount:
            return Settlement("declined", reason="insufficient_funds")
        account.balance -= amount
        reference = self.fresh_reference()
        self.settled[transaction_id] = invoice.reference = reference
        invoice.masked_pan = masked(pan)
        return Settlement("approved", reference)

    # What tests and demos may change

    def add_invoice(
        self, amount: int, tracking_code: str | None = None, state: InvoiceState = InvoiceState.OPEN
    ) -> Invoice:
        """An invoice of the first gateway, in any state. It replaces one with the same tracking code."""
        gateway = self._settings.gateways[0] if self._settings.gateways else DEMO_GATEWAY
        invoice = self.create_invoice(gateway, amount, "sandbox")
        if tracking_code is not None:
            del self.invoices[invoice.tracking_code]
            invoice.tracking_code = tracking_code
            self.invoices[tracking_code] = invoice
        invoice.blocked = state is InvoiceState.BLOCKED
        if state is InvoiceState.PAID:
            invoice.reference = self.fresh_reference()
        if state is InvoiceState.EXPIRED:
            invoice.expires_at = self._now()
        return invoice

    def fresh_reference(self) -> str:
        """A reference of the bank's that no other payment has."""
        reference = self._fresh(self._references, REFERENCE_DIGITS)
        self._references.add(reference)
        return reference

    def _transaction(self, invoice: Invoice) -> Transaction:
        transaction = Transaction(self._fresh(self.transactions), invoice)
        self.transactions[transaction.id] = transaction
        return transaction

    def _wrong(self, caller: str) -> None:
        if not caller:
            return
        if len(self._callers) >= MOST_CALLERS:
            self._callers.pop(next(iter(self._callers)))
        tries = self._callers.setdefault(caller, _WrongTries())
        tries.count += 1
        if tries.count >= self._settings.wrong_tries:
            tries.count = 0
            tries.blocked_until = self._now() + self._settings.blocked_for

    def _fresh(self, taken: Container[str], digits: int = ID_DIGITS) -> str:
        """A number of so many digits that is not taken and does not begin with 0."""
        while (made := str(self.dice.randrange(10 ** (digits - 1), 10**digits))) in taken:
            pass
        return made


def masked(pan: Secret) -> str:
    """First six and last four."""
    return f"{pan.reveal()[:6]}******{pan.reveal()[-4:]}"
