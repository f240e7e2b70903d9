"""Books in each kind of database, and a clock that is turned by hand."""

import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.domain.secret import Secret
from ivr.lab.postgres import Server
from ivr.payments.state import Payment, State
from ivr.store.opening import JOURNAL_FILE, Store, open_reading, open_store
from ivr.store.reading import Reading
from ivr.store.shared import Shared
from tests.clock import Clock

KINDS = ("sqlite", "postgres")


@dataclass(frozen=True)
class Books:
    """Where they are, and what a person at the database can do to them."""

    directory: Path
    shared: Shared | None
    server: Server | None

    def reading(self) -> Reading:
        """As `ivr payments` reads them."""
        return open_reading(self.directory, self.shared)

    def sql(self, script: str) -> None:
        """What a person types into sqlite3 or psql."""
        if self.shared is None or self.server is None:
            connection = sqlite3.connect(self.directory / JOURNAL_FILE, isolation_level=None)
            try:
                connection.executescript(script)
            finally:
                connection.close()
        else:
            self.server.sql(script, self.shared.conninfo.reveal())

    @contextmanager
    def unguarded(self) -> Iterator[None]:
        """That person takes the guards away first, and puts them back."""
        if self.shared is not None:
            for done in ("DISABLE", "ENABLE"):
                self.sql(f"ALTER TABLE payments {done} TRIGGER ALL; ALTER TABLE entries {done} TRIGGER ALL")
                if done == "DISABLE":
                    yield
            return
        connection = sqlite3.connect(self.directory / JOURNAL_FILE, isolation_level=None)
        guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        yield
        for _, sql in guards:
            connection.execute(sql)
        connection.close()


def new_books(kind: str, directory: Path, request: pytest.FixtureRequest, worker: str = "a") -> Books:
    """Books that nobody has written in yet; a server runs from the first test on that needs one."""
    if kind == "sqlite":
        return Books(directory, None, None)
    server: Server = request.getfixturevalue("postgres")
    return Books(directory, Shared(Secret(server.new_books()), worker), server)


@pytest.fixture(params=KINDS)
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Books:
    return new_books(request.param, tmp_path, request)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(books: Books, clock: Clock) -> AsyncIterator[Store]:
    async with open_store(books.directory, clock, books.shared) as opened:
        yield opened


def payment(name: str = "p1", invoice_id: str | None = None, provider: str = "paystar") -> Payment:
    """A new payment of an invoice of its own."""
    return Payment(name, f"call-{name}", provider, invoice_id or f"invoice-{name}", "77", 160000, State.CREATED)
