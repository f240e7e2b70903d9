"""Two workers on the same books: two connections to one file, or two processes that share a database."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from ivr.domain.secret import Secret
from ivr.lab.postgres import Server
from ivr.payments.port import Invoices, Journal
from ivr.store.database import Database
from ivr.store.invoices import StoredInvoices
from ivr.store.journal import StoredJournal
from ivr.store.opening import JOURNAL_FILE, open_reading, open_store
from ivr.store.reading import Reading
from ivr.store.shared import Shared
from ivr.store.sqlite import connect
from ivr.store.sqlite_backend import SqliteBackend


@dataclass(frozen=True, slots=True)
class Hand:
    """One worker's hand in the books."""

    journal: Journal
    invoices: Invoices


@dataclass(frozen=True, slots=True)
class Both:
    """Two workers, and somebody who only reads."""

    workers: tuple[Hand, Hand]
    reading: Callable[[], Reading]


Make = Callable[[Callable[[], float]], AbstractAsyncContextManager[Both]]
"""Given a clock: new and empty books."""


@asynccontextmanager
async def in_a_file(clock: Callable[[], float]) -> AsyncIterator[Both]:
    """Two connections to one file, each with a thread of its own."""
    async with AsyncExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory()))
        path = directory / JOURNAL_FILE

        def hand() -> Hand:
            database = Database(SqliteBackend(path, connect(path, "journal", synchronous="NORMAL")))
            stack.push_async_callback(database.close)
            return Hand(StoredJournal(database, clock), StoredInvoices(database, clock))

        yield Both((hand(), hand()), lambda: open_reading(directory))


def in_a_database(server: Server) -> Make:
    """Two processes, each with a directory of its own."""

    @asynccontextmanager
    async def make(clock: Callable[[], float]) -> AsyncIterator[Both]:
        async with AsyncExitStack() as stack:
            where = Secret(server.new_books())

            async def hand(worker: str) -> Hand:
                directory = Path(stack.enter_context(TemporaryDirectory()))
                store = await stack.enter_async_context(open_store(directory, clock, Shared(where, worker)))
                return Hand(store.journal, store.invoices)

            yield Both((await hand("a"), await hand("b")), lambda: open_reading(Path(), Shared(where, "a")))

    return make
