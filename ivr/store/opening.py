"""Opens everything that is stored: a data directory, and the books, which may be in PostgreSQL instead.

Law: one process at a time writes in a directory; the lock is taken first and let go last. Snapshots of sessions wait
for no disk; the rest does. What belongs to one process' calls (sessions, its dialplan's versions) stays in its
directory, wherever the books are.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ivr.domain.errors import Unusable
from ivr.store.backend import Backend, Reader
from ivr.store.database import Database
from ivr.store.deliveries import StoredDeliveries
from ivr.store.dialplans import SqliteDialplans
from ivr.store.invoices import StoredInvoices
from ivr.store.journal import LONGEST_CALL, StoredJournal
from ivr.store.lock import Lock
from ivr.store.merchants import StoredMerchants
from ivr.store.reading import Reading
from ivr.store.registrations import StoredRegistrations
from ivr.store.screens import StoredScreens
from ivr.store.sessions import SqliteSessions
from ivr.store.shared import Shared
from ivr.store.sqlite import Schema, connect
from ivr.store.sqlite_backend import SqliteBackend, SqliteReader

JOURNAL_FILE: Final = "ivr.sqlite"
SESSIONS_FILE: Final = "sessions.sqlite"
DIALPLAN_FILE: Final = "dialplan.sqlite"
LOCK_FILE: Final = "ivr.lock"


@dataclass(frozen=True, slots=True)
class Store:
    """Everything that one process keeps."""

    journal: StoredJournal
    invoices: StoredInvoices
    sessions: SqliteSessions
    dialplans: SqliteDialplans
    merchants: StoredMerchants
    deliveries: StoredDeliveries
    registrations: StoredRegistrations
    screens: StoredScreens


@asynccontextmanager
async def open_store(
    directory: Path, clock: Callable[[], float], shared: Shared | None = None, longest_call: float = LONGEST_CALL
) -> AsyncIterator[Store]:
    """Lock, migrate and open. `clock` gives seconds since 1970, UTC; `longest_call`: see `StoredJournal`. On
    leaving, what waits is written first.

    Raises Unusable, naming the file or the database and what to do, when the directory is missing, another process owns
    it, a file is damaged, from a newer version or not writable, the disk is full, or the server cannot be used.
    """
    _must_be(directory)
    async with AsyncExitStack() as stack:
        stack.enter_context(Lock(directory / LOCK_FILE))
        money = Database(_books(directory, shared, shared.worker if shared is not None else None))
        stack.push_async_callback(money.close)
        # NORMAL: no fsync per commit, and still no damage by a power cut, which would keep us from starting
        calls = Database(_file(directory / SESSIONS_FILE, "sessions", synchronous="NORMAL", alone=True))
        stack.push_async_callback(calls.close)
        dialplans = Database(_file(directory / DIALPLAN_FILE, "dialplan"))
        stack.push_async_callback(dialplans.close)
        screens = calls if shared is None else Database(_lazily(shared))
        worker = shared.worker if shared is not None else ""
        if shared is not None:
            stack.push_async_callback(screens.close)
        kept_screens = StoredScreens(screens, worker, apart=shared is not None)
        await kept_screens.let_go()
        yield Store(
            StoredJournal(money, clock, worker, longest_call),
            StoredInvoices(money, clock),
            SqliteSessions(calls),
            SqliteDialplans(dialplans, clock),
            StoredMerchants(money, clock, alone=shared is None, worker=worker),
            StoredDeliveries(money, clock),
            StoredRegistrations(money, clock),
            kept_screens,
        )


@asynccontextmanager
async def open_journal(
    directory: Path, clock: Callable[[], float], shared: Shared | None = None
) -> AsyncIterator[StoredJournal]:
    """Only the journal, which must be there. A file is opened while no other process owns the directory; shared books
    beside those who write there. Raises as `open_store` does.
    """
    path = directory / JOURNAL_FILE
    with ExitStack() as stack:
        if shared is None:
            if not path.exists():
                raise Unusable(f"{path} does not exist; the server writes it when it first starts in this directory")
            stack.enter_context(Lock(directory / LOCK_FILE))
        database = Database(_books(directory, shared, None, must_be=True))
        try:
            yield StoredJournal(database, clock)
        finally:
            await database.close()


@asynccontextmanager
async def open_invoices(
    directory: Path, clock: Callable[[], float], shared: Shared | None = None
) -> AsyncIterator[StoredInvoices]:
    """Only the invoices, beside the process that owns the directory: they are added and never changed.

    Raises Unusable as `open_store` does.
    """
    _must_be(directory)
    database = Database(_books(directory, shared, None, guest=True))
    try:
        yield StoredInvoices(database, clock)
    finally:
        await database.close()


@asynccontextmanager
async def open_merchants(
    directory: Path, clock: Callable[[], float], shared: Shared | None = None
) -> AsyncIterator[tuple[StoredMerchants, StoredDeliveries, StoredRegistrations]]:
    """Only what merchants are told of, beside the process that owns the directory; the books must be there.

    Raises Unusable as `open_store` does.
    """
    path = directory / JOURNAL_FILE
    if shared is None and not path.exists():
        raise Unusable(f"{path} does not exist; the server writes it when it first starts in this directory")
    database = Database(_books(directory, shared, None, guest=True, must_be=True))
    try:
        yield (
            StoredMerchants(database, clock, alone=False),
            StoredDeliveries(database, clock),
            StoredRegistrations(database, clock),
        )
    finally:
        await database.close()


def open_reading(directory: Path, shared: Shared | None = None) -> Reading:
    """The journal for reading, beside those who write. Raises Unusable."""
    if shared is None:
        return Reading(SqliteReader(directory / JOURNAL_FILE))
    from ivr.store.postgres import PostgresReader  # only who uses it pays for it

    reader: Reader = PostgresReader(shared.conninfo)
    return Reading(reader)


def _must_be(directory: Path) -> None:
    if not directory.is_dir():
        raise Unusable(f"{directory} is no directory; create it (mkdir -p) or name another in the configuration")


def _books(
    directory: Path, shared: Shared | None, worker: str | None, *, guest: bool = False, must_be: bool = False
) -> Backend:
    if shared is None:
        return _file(directory / JOURNAL_FILE, "journal", guest=guest)
    from ivr.store.postgres import Postgres  # only who uses it pays for it

    return Postgres(shared.conninfo, worker, guest=guest, must_be=must_be)


def _lazily(shared: Shared) -> Backend:
    """What need not be safe from a power cut, beside the books."""
    from ivr.store.postgres import Postgres  # only who uses it pays for it

    return Postgres(shared.conninfo, None, must_be=True, lazy=True)


def _file(
    path: Path,
    schema: Schema,
    *,
    synchronous: Literal["FULL", "NORMAL"] = "FULL",
    alone: bool = False,
    guest: bool = False,
) -> SqliteBackend:
    return SqliteBackend(path, connect(path, schema, synchronous=synchronous, alone=alone, guest=guest))
