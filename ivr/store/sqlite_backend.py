"""The books in a SQLite file.

Law: it is owned by one process; what is written into a file that was moved away is told, not lost.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from ivr.domain.errors import Unusable
from ivr.store.backend import GUARDS, Connection
from ivr.store.sqlite import connect_reader, explain, is_outside

_OWN_GUARDS: Final = GUARDS | {
    "entries_are_not_replaced",
    "payments_are_not_replaced",
    "payments_stay_what_they_are",
    "registrations_are_not_replaced",
}


class SqliteBackend:
    """`ivr.store.backend.Backend` for a file and the connection that `connect` gave for it."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.name = str(path)
        self.connection = connection
        self._inode = path.stat().st_ino

    def ready(self) -> None:
        """See the port: what failed before was never committed."""
        self.rollback()

    def together(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> Sequence[Any]:
        """None of them: no network is in between."""
        return ()

    def is_lost(self, exc: BaseException) -> bool:
        """Never: a file has no connection."""
        return False

    def begin(self) -> None:
        """See the port."""
        self.rollback()
        self.connection.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """See the port."""
        self.connection.execute("COMMIT")

    def rollback(self) -> None:
        """See the port."""
        if self.connection.in_transaction:
            self.connection.execute("ROLLBACK")

    def check(self) -> None:
        """SQLite would go on writing into a deleted file, and all of it would be gone at the next start."""
        try:
            if os.stat(self.path).st_ino == self._inode:  # noqa: PTH116 - a third of Path.stat's time
                return
        except FileNotFoundError:
            pass
        raise Unusable(f"{self.path} was moved or deleted while in use; put it back and restart")

    def touch(self, connection: Connection) -> None:
        """See the port."""
        [version] = connection.execute("PRAGMA user_version").fetchone()
        connection.execute(f"PRAGMA user_version = {version:d}")  # the same: a page is written all the same

    def is_own(self, exc: BaseException) -> bool:
        """See the port."""
        return isinstance(exc, sqlite3.Error)

    def is_outside(self, exc: BaseException) -> bool:
        """See the port."""
        return is_outside(exc)

    def explain(self, exc: BaseException) -> Unusable:
        """See the port."""
        return explain(self.path, exc)

    def others(self, connection: Connection) -> frozenset[str]:
        """Nobody: one process owns the file."""
        return frozenset()

    def close(self) -> None:
        """Let go of the file."""
        self.connection.close()


class SqliteReader:
    """`ivr.store.backend.Reader`. Raises Unusable."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._path = path
        self._connection = connect_reader(path, "journal")

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """See the port."""
        try:
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as exc:
            raise explain(self._path, exc) from None

    def rows(self, connection: Connection, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        """See the port."""
        return iter(connection.execute(sql, parameters))

    def lost_guards(self, connection: Connection) -> Sequence[str]:
        """See the port."""
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'")}
        return sorted(_OWN_GUARDS - there)

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()
