"""Reads the books from beside the process that writes them, ready to be printed as JSON.

Law: this never writes and never keeps the writer waiting. Amounts are rial, times ISO 8601 in UTC.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Final, Self

from ivr.domain.registration import Registration
from ivr.payments.audit import Audit, Finding, Numbered, audit
from ivr.payments.state import Entry, EntryKind, Payment, State
from ivr.store.backend import Connection, Reader
from ivr.store.journal import COLUMNS, payment_of
from ivr.store.registrations import COLUMNS as REGISTRATION_COLUMNS
from ivr.store.registrations import registration_of

MOST_LISTED: Final = 100
"""So many payments are listed when nobody says otherwise."""

_PAYMENTS: Final = f"SELECT {COLUMNS} FROM payments"  # noqa: S608 - our own column names
_UNKNOWN: Final = f"{_PAYMENTS} WHERE state = 'unknown' ORDER BY number"
_SHOW: Final = f"{_PAYMENTS} WHERE id = ?"
_AUDIT_PAYMENTS: Final = f"SELECT number, {COLUMNS} FROM payments ORDER BY number"  # noqa: S608
_AUDIT_ENTRIES: Final = "SELECT number, payment_id, kind, at, details FROM entries ORDER BY number"
_REGISTRATIONS: Final = f"SELECT {REGISTRATION_COLUMNS} FROM registrations"  # noqa: S608 - as above
_ENTRIES: Final = "SELECT kind, at, details FROM entries WHERE payment_id = ? ORDER BY number"


class Reading:
    """The journal. Everything raises Unusable, naming the database.

    A payment is a dict: id, state, amount_rial (int or None), provider, invoice_id, transaction_id, call_id, reason,
    code, reference, receipt, payer (text or None), created_at, changed_at (ISO times), for_people (true or false),
    entries (list). An entry is a dict: kind, at (ISO time), details (dict of texts).
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def list_payments(
        self, state: State | None = None, since: float | None = None, limit: int = MOST_LISTED
    ) -> list[dict[str, Any]]:
        """Newest first. `since`: created at or after, seconds since 1970, UTC."""
        where, values = _where(("state = ?", state and state.value), ("created_at >= ?", since))
        with self._reader.snapshot() as connection:
            newest = f"{_PAYMENTS}{where} ORDER BY number DESC LIMIT ?"
            rows = connection.execute(newest, (*values, max(limit, 0))).fetchall()
            return [self._payment(connection, payment_of(row)) for row in rows]

    def for_people(self, without_inquiry: Iterable[str] = ()) -> list[dict[str, Any]]:
        """The unknown ones that only people can find out about, oldest first; all of these providers' are such."""
        silent = frozenset(without_inquiry)
        with self._reader.snapshot() as connection:
            unknown = [payment_of(row) for row in connection.execute(_UNKNOWN)]
            found = [payment for payment in unknown if payment.for_people or payment.provider in silent]
            return [self._payment(connection, payment) for payment in found]

    def each(
        self,
        since: float | None = None,
        until: float | None = None,
        provider: str | None = None,
        state: State | None = None,
    ) -> Iterator[Payment]:
        """Every payment as of one moment, oldest first, created from `since` on and before `until`."""
        where, values = _where(
            ("created_at >= ?", since),
            ("created_at < ?", until),
            ("provider = ?", provider),
            ("state = ?", state and state.value),
        )
        with self._reader.snapshot() as connection:
            for row in self._reader.rows(connection, f"{_PAYMENTS}{where} ORDER BY number", values):
                yield payment_of(row)

    def audit(self) -> Audit:
        """Whether all of it can be true."""
        with self._reader.snapshot() as connection:
            payments = self._reader.rows(connection, _AUDIT_PAYMENTS)
            entries = self._reader.rows(connection, _AUDIT_ENTRIES)
            done = audit(((number, payment_of(row)) for number, *row in payments), (_numbered(*row) for row in entries))
            lost = self._reader.lost_guards(connection)
        for name in lost:
            done.findings.append(Finding("unprotected", "", f"the journal has lost its guard {name}"))
        return done

    def payment(self, payment_id: str) -> dict[str, Any] | None:
        """One payment, or None when there is none of this id."""
        with self._reader.snapshot() as connection:
            row = connection.execute(_SHOW, (payment_id,)).fetchone()
            return None if row is None else self._payment(connection, payment_of(row))

    def entries(self, payment_id: str) -> list[dict[str, Any]]:
        """Every entry of a payment in the order it was written; empty when there is no such payment."""
        with self._reader.snapshot() as connection:
            return _entries(connection, payment_id)

    def registrations(self, word: str | None = None, after: int = 0, limit: int | None = None) -> list[Registration]:
        """Oldest first, those with a larger id than `after`; the newest `limit` of them."""
        where, values = _where(("id > ?", after), ("word = ?", word))
        newest, most = ("", ()) if limit is None else (" LIMIT ?", (limit,))
        with self._reader.snapshot() as connection:
            sql = f"{_REGISTRATIONS}{where} ORDER BY id DESC{newest}"
            rows = self._reader.rows(connection, sql, (*values, *most))
            return [registration_of(row) for row in rows][::-1]

    def close(self) -> None:
        """Let go of the database."""
        self._reader.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _payment(self, connection: Connection, payment: Payment) -> dict[str, Any]:
        return {
            "id": payment.id,
            "state": payment.state.value,
            "amount_rial": payment.amount_rial,
            "provider": payment.provider,
            "invoice_id": payment.invoice_id,
            "transaction_id": payment.transaction_id,
            "call_id": payment.call_id,
            "reason": payment.reason,
            "code": payment.code,
            "reference": payment.reference,
            "receipt": payment.receipt,
            "payer": payment.payer,
            "created_at": _iso(payment.created_at),
            "changed_at": _iso(payment.changed_at),
            "for_people": payment.for_people,
            "entries": _entries(connection, payment.id),
        }


def _where(*conditions: tuple[str, Any]) -> tuple[str, tuple[Any, ...]]:
    """The conditions that have a value, and the values."""
    used = [(text, value) for text, value in conditions if value is not None]
    return " WHERE " + " AND ".join(text for text, _ in used) if used else "", tuple(value for _, value in used)


def _entries(connection: Connection, payment_id: str) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "at": _iso(at), "details": json.loads(details)}
        for kind, at, details in connection.execute(_ENTRIES, (payment_id,))
    ]


def _numbered(number: int, payment_id: str, kind: str, at: float, details: str) -> Numbered:
    try:
        said = json.loads(details)
        entry = Entry(payment_id, EntryKind(kind), at, {str(name): str(value) for name, value in said.items()})
    except (ValueError, AttributeError):
        entry = None
    return Numbered(number, payment_id, entry)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
