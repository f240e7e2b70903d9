"""What a database must be able to do so that the books can be kept in it. Only shapes; SQLite and PostgreSQL have them.

Law: statements are written once, in the SQL that both speak, with `?` for each value.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any, Final, Protocol

from ivr.domain.errors import Unusable

GUARDS: Final = frozenset(
    {
        "entries_are_not_changed",
        "entries_are_not_deleted",
        "payments_are_not_deleted",
        "registrations_are_not_changed",
        "registrations_are_not_deleted",
    }
)
"""Triggers that keep journal and registrations append-only in every database; each has more of its own."""


class Cursor(Protocol):
    """What a statement gives."""

    @property
    def rowcount(self) -> int:
        """Rows that were changed."""
        ...

    def fetchone(self) -> Any:
        """The next row as a tuple, or None."""
        ...

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Row by row."""
        ...


class Connection(Protocol):
    """An open database, inside a transaction or between two."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor:
        """Carry one statement out."""
        ...


class Backend(Protocol):
    """One connection that writes, and how transactions are made on it. Used by one thread."""

    @property
    def name(self) -> str:
        """What people know the database by, without credentials: it begins every error."""
        ...

    @property
    def connection(self) -> Connection:
        """The open one. Between transactions each statement counts at once."""
        ...

    def ready(self) -> None:
        """Before reading: a connection that was lost is made anew, and what was left open is undone."""
        ...

    def together(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> Sequence[Any]:
        """Several statements and their values in one go, all or none: the first row of each as a tuple, or None. Empty,
        and nothing was done, where they are to be done one by one: because one failed, or that is as quick here.
        """
        ...

    def is_lost(self, exc: BaseException) -> bool:
        """Whether the connection broke, and `ready` may help. Nothing is known of a write then."""
        ...

    def begin(self) -> None:
        """Begin to write: nobody else writes until `commit` or `rollback`. What was left open is undone first."""
        ...

    def commit(self) -> None:
        """Return when it is safe. Raises when it is not, or when nobody can know: `explain` says which."""
        ...

    def rollback(self) -> None:
        """Undo what was not committed; nothing happens when there is nothing."""
        ...

    def check(self) -> None:
        """Return when what was read or written so far is what the next process will find. Raises Unusable."""
        ...

    def touch(self, connection: Connection) -> None:
        """Write something that changes nothing, inside a transaction: the database takes writes."""
        ...

    def is_own(self, exc: BaseException) -> bool:
        """Whether it is an error of this database's, whoever is at fault."""
        ...

    def is_outside(self, exc: BaseException) -> bool:
        """Whether disk, network, server or another program is at fault, and not the statement."""
        ...

    def explain(self, exc: BaseException) -> Unusable:
        """What to tell the person who can mend it."""
        ...

    def others(self, connection: Connection) -> frozenset[str]:
        """Names of the workers whose payments are not ours to look after now."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


class Reader(Protocol):
    """A connection that only reads, beside those who write."""

    @property
    def name(self) -> str:
        """What people know the database by."""
        ...

    def snapshot(self) -> AbstractContextManager[Connection]:
        """Everything that is read inside is as of one moment. Raises Unusable."""
        ...

    def rows(self, connection: Connection, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        """Row by row, however many there are."""
        ...

    def lost_guards(self, connection: Connection) -> Sequence[str]:
        """Names of the triggers that should keep the journal append-only and are gone or switched off."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...
