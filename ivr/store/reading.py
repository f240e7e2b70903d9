"""Reads the journal from beside the process that writes it, ready to be printed as JSON.

Law: this never writes and never keeps the writer waiting. Amounts are rial, times ISO 8601 in UTC.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from ivr.payments.state import Payment, State
from ivr.store.journal import COLUMNS, payment_of
from ivr.store.sqlite import connect_reader, explain

MOST_LISTED: Final = 100
"""So many payments are listed when nobody says otherwise."""

_LIST: Final = (
    f"SELECT {COLUMNS} FROM payments "  # noqa: S608 - our own column names
    "WHERE (?1 IS NULL OR state = ?1) AND (?2 IS NULL OR created_at >= ?2) ORDER BY number DESC LIMIT ?3"
)
_SHOW: Final = f"SELECT {COLUMNS} FROM payments WHERE id = ?"  # noqa: S608
_ENTRIES: Final = "SELECT kind, at, details FROM entries WHERE payment_id = ? ORDER BY number"


class Reading:
    """The journal in this file (`<data directory>/ivr.sqlite`). Everything raises Unusable, naming the file.

    A payment is a dict: id, state, amount_rial (int or None), provider, invoice_id, transaction_id, call_id, reason,
    code, reference (text or None), created_at, changed_at (ISO times), entries (list). An entry is a dict: kind, at
    (ISO time), details (dict of texts).
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
            "entries": _entries(connection, payment.id),
        }


def _entries(connection: sqlite3.Connection, payment_id: str) -> list[dict[str, Any]]:
    return [
        {"kind": kind, "at": _iso(at), "details": json.loads(details)}
        for kind, at, details in connection.execute(_ENTRIES, (payment_id,))
    ]


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
