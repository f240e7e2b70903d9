"""Two workers on the same books, as they are after a takeover that went wrong, or where a database is shared.

To try another kind of store, add what makes it to `MAKERS`: a context of two journals, and of a reader beside them.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from ivr.payments.port import Invoices, Journal
from ivr.store.database import Database
from ivr.store.invoices import SqliteInvoices
from ivr.store.journal import SqliteJournal
from ivr.store.opening import JOURNAL_FILE
from ivr.store.reading import Reading
from ivr.store.sqlite import connect


@dataclass(frozen=True, slots=True)
class Books:
    """One worker's hand in the books."""

    journal: Journal
    invoices: Invoices


@dataclass(frozen=True, slots=True)
class Shared:
    """Two workers, and somebody who only reads."""

    workers: tuple[Books, Books]
    reading: Callable[[], Reading]


Make = Callable[[Callable[[], float]], AbstractAsyncContextManager[Shared]]
"""Given a clock: new and empty books."""


@asynccontextmanager
async def sqlite_books(clock: Callable[[], float]) -> AsyncIterator[Shared]:
    """Two connections to one file, each with a thread of its own."""
    async with AsyncExitStack() as stack:
        path = Path(stack.enter_context(TemporaryDirectory())) / JOURNAL_FILE

        def worker() -> Books:
            database = Database(path, connect(path, "journal", synchronous="NORMAL"))
            stack.push_async_callback(database.close)
            return Books(SqliteJournal(database, clock), SqliteInvoices(database, clock))

        yield Shared((worker(), worker()), lambda: Reading(path))


MAKERS: Final[Mapping[str, Make]] = {"sqlite": sqlite_books}
"""By the name of the database."""
