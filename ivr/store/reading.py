"""Reads the journal from beside the process that writes it, ready to be printed as JSON.

Law: this never writes and never keeps the writer waiting. Amounts are rial, times ISO 8601 in UTC.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ivr.payments.audit import Audit, Finding, Numbered, audit
from ivr.payments.state import Entry, EntryKind, Payment, State
from ivr.store.journal import COLUMNS, payment_of
from ivr.store.sqlite import connect_reader, explain

MOST_LISTED: Final = 100
"""So many payments are listed when nobody says otherwise."""

_LIST: Final = (
    f"SELECT {COLUMNS} FROM payments "  # noqa: S608 - our own column names
    "WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR created_at >= ?2) ORDER BY number DESC LIMIT ?3"
)
_FOR_PEOPLE: Final = (
    f"SELECT {COLUMNS} FROM payments WHERE state = 'unknown' "  # noqa: S608
    "AND (for_people = 1 OR provider IN (SELECT value FROM json_each(?))) ORDER BY number"
)
_EACH: Final = (
    f"SELECT {COLUMNS} FROM payments "  # noqa: S608
    "WHERE (?1 IS NULL OR created_at >= ?1) AND (?2 IS NULL OR created_at < ?2) "
    "AND (?3 IS NULL OR provider = ?3) AND (?4 IS NULL OR state = ?4) ORDER BY number"
)
_SHOW: Final = f"SELECT {COLUMNS} FROM payments WHERE id = ?"  # noqa: S608
_AUDIT_PAYMENTS: Final = f"SELECT number, {COLUMNS} FROM payments ORDER BY number"  # noqa: S608
_AUDIT_ENTRIES: Final = "SELECT number, payment_id, kind, at, details FROM entries ORDER BY number"
_TRIGGERS: Final = frozenset(
    {f"entries_are_not_{done}" for done in ("changed", "deleted", "replaced")}
    | {f"payments_are_not_{done}" for done in ("deleted", "replaced")}
    | {"payments_stay_what_they_are"}
)
_ENTRIES: Final = "SELECT kind, at, details FROM entries WHERE payment_id = ? ORDER BY number"


class Reading:
    """The journal in this file (`<data directory>/ivr.sqlite`). Everything raises Unusable, naming the file.

    A payment is a dict: id, state, amount_rial (int or None), provider, invoice_id, transaction_id, call_id, reason,
    code, reference (text or None), created_at, changed_at (ISO times), for_people (true or false), entries (list). An
    entry is a dict: kind, at (ISO time), details (dict of texts).
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect_reader(path, "journal")

    def list_payments(
        self, state: State | None = None, since: float | None = None, limit: int = MOST_LISTED
    ) -> list[dict[str, Any]]:
        """Newest first. `since`: created at or after, seconds since 1970, UTC."""
        with self._snapshot() as connection:
            rows = connection.execute(_LIST, (state and state.value, since, max(limit, 0))).fetchall()
            return [self._payment(connection, payment_of(row)) for row in rows]

    def for_people(self, without_inquiry: Iterable[str] = ()) -> list[dict[str, Any]]:
        """The unknown ones that only people can find out about, oldest first; all of these providers' are such."""
        with self._snapshot() as connection:
            rows = connection.execute(_FOR_PEOPLE, (json.dumps(sorted(without_inquiry)),)).fetchall()
            return [self._payment(connection, payment_of(row)) for row in rows]

    def each(
        self,
        since: float | None = None,
        until: float | None = None,
        provider: str | None = None,
        state: State | None = None,
    ) -> Iterator[Payment]:
        """Every payment as of one moment, oldest first, created from `since` on and before `until`."""
        with self._snapshot() as connection:
            for row in connection.execute(_EACH, (since, until, provider, state and state.value)):
                yield payment_of(row)

    def audit(self) -> Audit:
        """Whether all of it can be true."""
        with self._snapshot() as connection:
            done = audit(
                ((number, payment_of(row)) for number, *row in connection.execute(_AUDIT_PAYMENTS)),
                (_numbered(*row) for row in connection.execute(_AUDIT_ENTRIES)),
            )
            there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        for name in sorted(_TRIGGERS - there):
            done.findings.append(Finding("unprotected", "", f"the file has lost its guard {name}"))
        return done

    def payment(self, payment_id: str) -> dict[str, Any] | None:
        """One payment, or None when there is none of this id."""
        with self._snapshot() as connection:
            row = connection.execute(_SHOW, (payment_id,)).fetchone()
            return None if row is None else self._payment(connection, payment_of(row))

    def entries(self, payment_id: str) -> list[dict[str, Any]]:
        """Every entry of a payment in the order it was written; empty when there is no such payment."""
        with self._snapshot() as connection:
            return _entries(connection, payment_id)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def _snapshot(self) -> Iterator[sqlite3.Connection]:
        """A payment and its entries are read as of one moment, whatever is written meanwhile."""
        try:
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as exc:
            raise explain(self._path, exc) from None

    def _payment(self, connection: sqlite3.Connection, payment: Payment) -> dict[str, Any]:
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
            "created_at": _iso(payment.created_at),
            "changed_at": _iso(payment.changed_at),
            "for_people": payment.for_people,
            "entries": _entries(connection, payment.id),
        }


def _entries(connection: sqlite3.Connection, payment_id: str) -> list[dict[str, Any]]:
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
