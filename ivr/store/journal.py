"""The journal of payments.

Law: every line is checked by the state table inside the transaction that writes it, and is on disk before its
writer goes on. What is said here of a payment is what its lines make of it.
"""

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ivr.domain.errors import AlreadyInPayment, BadInput, Illegal
from ivr.domain.money import MOST_RIAL
from ivr.domain.phone import mobile
from ivr.payments.audit import identity
from ivr.payments.details import check_details, is_storable
from ivr.payments.state import Entry, EntryKind, Payment, State, apply
from ivr.store.backend import Connection
from ivr.store.database import Database

MOST_TEXT: Final = 128
"""Characters of an id, a provider's name, an invoice id."""

LONGEST_CALL: Final = 4.25 * 3600
"""Seconds that a call can last at most, whatever is configured."""

COLUMNS: Final = (
    "id, call_id, provider, invoice_id, transaction_id, amount_rial, "
    "state, reason, code, reference, created_at, changed_at, for_people, payer, receipt"
)
_BY_ID: Final = f"SELECT {COLUMNS} FROM payments WHERE id = ?"  # noqa: S608 - our own column names
_OPEN: Final = f"SELECT {COLUMNS}, worker FROM payments WHERE state IN ('sent', 'unknown') ORDER BY number"  # noqa: S608
_OF_INVOICE: Final = f"SELECT {COLUMNS} FROM payments WHERE provider = ? AND invoice_id = ? ORDER BY number"  # noqa: S608
_NAMED: Final = (
    f"SELECT {COLUMNS} FROM payments "  # noqa: S608
    "WHERE provider = ? AND (invoice_id = ? OR transaction_id = ?) ORDER BY number"
)
_LAST_OF_PAYER: Final = (
    f"SELECT {COLUMNS} FROM payments "  # noqa: S608
    "WHERE payer = ? AND state <> 'created' ORDER BY number DESC LIMIT 1"
)
_RIVAL: Final = (
    "SELECT id, state FROM payments "
    "WHERE provider = ? AND invoice_id = ? AND id <> ? AND state IN ('sent', 'approved') LIMIT 1"
)
_APPROVED_RIVAL: Final = (
    "SELECT id, state FROM payments WHERE provider = ? AND invoice_id = ? AND id <> ? AND state = 'approved' LIMIT 1"
)
_ADD_PAYMENT: Final = f"INSERT INTO payments ({COLUMNS}, worker) VALUES ({', '.join('?' * 16)})"  # noqa: S608
_ADD_ENTRY: Final = "INSERT INTO entries (payment_id, kind, at, details) VALUES (?, ?, ?, ?)"
_SAID: Final = "SELECT 1 FROM entries WHERE payment_id = ? AND kind = ? AND details = ? LIMIT 1"
_NEWEST: Final = "SELECT max(at) FROM entries WHERE payment_id = ?"
_STAND: Final = (
    "UPDATE payments SET state = ?, reason = ?, code = ?, reference = ?, receipt = ?, changed_at = ?, for_people = ? "
    "WHERE id = ?"
)


class StoredJournal:
    """`ivr.payments.port.Journal`. Raises Unusable when the database fails: nothing is written then, or nobody can say
    whether it was; both are safe to ask for again.

    `clock` gives seconds since 1970, UTC. `worker` is whose calls these payments belong to; `longest_call` is how many
    seconds a payment of another one may still have its caller at the bank, though that worker is gone.
    """

    def __init__(
        self, database: Database, clock: Callable[[], float], worker: str = "", longest_call: float = LONGEST_CALL
    ) -> None:
        self._database = database
        self._clock = clock
        self._worker = worker
        self._longest_call = longest_call

    def create(self, payment: Payment) -> Awaitable[bool]:
        """See the port. `created_at` is kept when it is set. Raises BadInput for texts or amounts out of bounds."""
        if payment.state is not State.CREATED:
            raise Illegal(f"payment {payment.id} is {payment.state.value}: only a created one can be new")
        _check(payment)
        at = payment.created_at or self._clock()
        new = replace(payment, reason=None, code=None, reference=None, receipt=None, created_at=at, changed_at=at)

        def job(connection: Connection) -> bool:
            there = _find(connection, new.id)
            if there is not None:
                if (there.provider, there.invoice_id) != (new.provider, new.invoice_id):
                    raise Illegal(f"payment {new.id} is already there, for another invoice")
                return False
            connection.execute(_ADD_PAYMENT, (*_row(new), self._worker))
            born = json.dumps(identity(new), ensure_ascii=False)
            connection.execute(_ADD_ENTRY, (new.id, EntryKind.CREATED.value, at, born))
            return True

        return self._database.run(job)

    def append(
        self, payment_id: str, kind: EntryKind, details: Mapping[str, str] | None = None, *, sole: bool = False
    ) -> Awaitable[Payment]:
        """See the port. Raises BadInput when a detail is too long or looks like a card number."""
        details = details or {}
        if details:
            check_details(details)
        asked = Entry(payment_id, kind, self._clock(), dict(details))
        written = json.dumps(asked.details, ensure_ascii=False) if details else "{}"

        def job(connection: Connection) -> Payment:
            before = _find(connection, payment_id)
            if before is None:
                raise Illegal(f"there is no payment {payment_id}")
            [newest] = connection.execute(_NEWEST, (payment_id,)).fetchone()
            entry = replace(
                asked, at=max(asked.at, newest or 0.0)
            )  # a clock that was set back does not turn the lines around
            after = apply(before, entry)
            if (
                kind is EntryKind.CONTRADICTED
                and connection.execute(_SAID, (payment_id, kind.value, written)).fetchone()
            ):
                return before  # another worker, or an earlier process, has said so
            if kind is EntryKind.SENT:
                _refuse_rivals(connection, after, _RIVAL)
            if kind is EntryKind.APPROVED and sole:
                _refuse_rivals(connection, after, _APPROVED_RIVAL)
            connection.execute(_ADD_ENTRY, (payment_id, kind.value, entry.at, written))
            connection.execute(
                _STAND,
                (
                    after.state.value,
                    after.reason,
                    after.code,
                    after.reference,
                    after.receipt,
                    after.changed_at,
                    int(after.for_people),
                    payment_id,
                ),
            )
            return after

        return self._database.run(job)

    async def check(self) -> None:
        """Return when a write was taken. Raises Unusable."""
        await self._database.check()

    def get(self, payment_id: str) -> Awaitable[Payment | None]:
        """See the port."""
        return self._database.read(lambda connection: _find(connection, payment_id))

    def open_payments(self) -> Awaitable[Sequence[Payment]]:
        """See the port. Those of other workers that are alive are theirs to look after."""

        def job(connection: Connection) -> list[Payment]:
            others = self._database.backend.others(connection)
            found = [(payment_of(row), row[-1]) for row in connection.execute(_OPEN) if row[-1] not in others]
            return [payment for payment, worker in found if worker == self._worker or not self._may_be_paying(payment)]

        return self._database.read(job)

    def _may_be_paying(self, payment: Payment) -> bool:
        return payment.state is State.SENT and self._clock() - payment.changed_at < self._longest_call

    def for_invoice(self, provider: str, invoice_id: str) -> Awaitable[Sequence[Payment]]:
        """See the port."""
        return self._database.read(
            lambda connection: [payment_of(row) for row in connection.execute(_OF_INVOICE, (provider, invoice_id))]
        )

    def find(self, provider: str, name: str) -> Awaitable[Sequence[Payment]]:
        """See the port."""
        return self._database.read(
            lambda connection: [payment_of(row) for row in connection.execute(_NAMED, (provider, name, name))]
        )

    def last_of_payer(self, payer: str) -> Awaitable[Payment | None]:
        """See the port."""

        def job(connection: Connection) -> Payment | None:
            row = connection.execute(_LAST_OF_PAYER, (payer,)).fetchone()
            return None if row is None else payment_of(row)

        return self._database.read(job)


def payment_of(row: Sequence[object]) -> Payment:
    """The payment of a row that begins with `COLUMNS`."""
    return Payment(*row[:6], State(row[6]), *row[7:12], bool(row[12]), *row[13:15])  # type: ignore[arg-type, call-arg]  # the table is STRICT


def _find(connection: Connection, payment_id: str) -> Payment | None:
    row = connection.execute(_BY_ID, (payment_id,)).fetchone()
    return None if row is None else payment_of(row)


def _refuse_rivals(connection: Connection, payment: Payment, which: str) -> None:
    """An UNKNOWN rival does not stand in the way: whoever pays again has inquired about it first."""
    rival = connection.execute(which, (payment.provider, payment.invoice_id, payment.id)).fetchone()
    if rival is not None:
        raise AlreadyInPayment(
            f"payment {payment.id} cannot be {payment.state.value}: {rival[0]} of the same invoice is {rival[1]}"
        )


def _row(payment: Payment) -> tuple[object, ...]:
    return (
        payment.id,
        payment.call_id,
        payment.provider,
        payment.invoice_id,
        payment.transaction_id,
        payment.amount_rial,
        payment.state.value,
        payment.reason,
        payment.code,
        payment.reference,
        payment.created_at,
        payment.changed_at,
        int(payment.for_people),
        payment.payer,
        payment.receipt,
    )


def _check(payment: Payment) -> None:
    for name in ("id", "call_id", "provider", "invoice_id", "transaction_id"):
        text = getattr(payment, name) or ""
        if len(text) > MOST_TEXT or not is_storable(text):
            raise BadInput(f"a payment's {name} has {MOST_TEXT} whole characters at most")
    if payment.payer is not None and mobile(payment.payer) != payment.payer:
        raise BadInput("a payment's payer is a mobile number, 09 and nine digits more")
    if payment.amount_rial is not None and not 1 <= payment.amount_rial <= MOST_RIAL:
        raise BadInput(f"a payment's amount must be between 1 and {MOST_RIAL} rial")
