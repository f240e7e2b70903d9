"""Opens everything that is stored in one data directory.

Law: one process at a time writes here; the lock is taken first and let go last. Snapshots of
sessions wait for no disk; the rest does.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivr.domain.errors import Unusable
from ivr.store.database import Database
from ivr.store.deliveries import SqliteDeliveries
from ivr.store.dialplans import SqliteDialplans
from ivr.store.invoices import SqliteInvoices
from ivr.store.journal import SqliteJournal
from ivr.store.lock import Lock
from ivr.store.merchants import SqliteMerchants
from ivr.store.sessions import SqliteSessions
from ivr.store.sqlite import connect

JOURNAL_FILE: Final = "ivr.sqlite"
SESSIONS_FILE: Final = "sessions.sqlite"
DIALPLAN_FILE: Final = "dialplan.sqlite"
LOCK_FILE: Final = "ivr.lock"


@dataclass(frozen=True, slots=True)
class Store:
    """What a data directory holds."""

    journal: SqliteJournal
    invoices: SqliteInvoices
    sessions: SqliteSessions
    dialplans: SqliteDialplans
    merchants: SqliteMerchants
    deliveries: SqliteDeliveries


@asynccontextmanager
async def open_store(directory: Path, clock: Callable[[], float]) -> AsyncIterator[Store]:
    """Lock, migrate and open. `clock` gives seconds since 1970, UTC. On leaving, what waits is written first.

    Raises Unusable, naming the file and what to do, when the directory is missing, another process owns it, a file
    is damaged, from a newer version or not writable, or the disk is full.
    """
    if not directory.is_dir():
        raise Unusable(f"{directory} is no directory; create it (mkdir -p) or name another in the configuration")
    async with AsyncExitStack() as stack:
        stack.enter_context(Lock(directory / LOCK_FILE))
        journal_path, sessions_path = directory / JOURNAL_FILE, directory / SESSIONS_FILE
        money = Database(journal_path, connect(journal_path, "journal", synchronous="FULL"))
        stack.push_async_callback(money.close)
        # NORMAL: no fsync per commit, and still no damage by a power cut, which would keep us from starting
        calls = Database(sessions_path, connect(sessions_path, "sessions", synchronous="NORMAL", alone=True))
        stack.push_async_callback(calls.close)
        dialplan_path = directory / DIALPLAN_FILE
        dialplans = Database(dialplan_path, connect(dialplan_path, "dialplan", synchronous="FULL"))
        stack.push_async_callback(dialplans.close)
        yield Store(
            SqliteJournal(money, clock),
            SqliteInvoices(money, clock),
            SqliteSessions(calls),
            SqliteDialplans(dialplans, clock),
            SqliteMerchants(money, clock),
            SqliteDeliveries(money, clock),
        )


@asynccontextmanager
async def open_journal(directory: Path, clock: Callable[[], float]) -> AsyncIterator[SqliteJournal]:
    """Only the journal, which must be there, while no other process owns the directory. Raises as `open_store` does."""
    path = directory / JOURNAL_FILE
    if not path.exists():
        raise Unusable(f"{path} does not exist; the server writes it when it first starts in this directory")
    with Lock(directory / LOCK_FILE):
        database = Database(path, connect(path, "journal", synchronous="FULL"))
        try:
            yield SqliteJournal(database, clock)
        finally:
            await database.close()


@asynccontextmanager
async def open_invoices(directory: Path, clock: Callable[[], float]) -> AsyncIterator[SqliteInvoices]:
    """Only the invoices, beside the process that owns the directory: they are added and never changed.

    Raises Unusable as `open_store` does.
    """
    if not directory.is_dir():
        raise Unusable(f"{directory} is no directory; create it (mkdir -p) or name another in the configuration")
    path = directory / JOURNAL_FILE
    database = Database(path, connect(path, "journal", synchronous="FULL"))
    try:
        yield SqliteInvoices(database, clock)
    finally:
        await database.close()


@asynccontextmanager
async def open_merchants(
    directory: Path, clock: Callable[[], float]
) -> AsyncIterator[tuple[SqliteMerchants, SqliteDeliveries]]:
    """Only what merchants are told of, beside the process that owns the directory, which must have been there once.
    Raises Unusable as `open_journal` does.
    """
    path = directory / JOURNAL_FILE
    if not path.exists():
        raise Unusable(f"{path} does not exist; the server writes it when it first starts in this directory")
    database = Database(path, connect(path, "journal", synchronous="FULL"))
    try:
        yield SqliteMerchants(database, clock), SqliteDeliveries(database, clock)
    finally:
        await database.close()
