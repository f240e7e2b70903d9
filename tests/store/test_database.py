"""The writing thread: one commit for many, and what happens when the disk does not play along."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from threading import Event

import psycopg
import pytest

from ivr.domain.errors import Unusable
from ivr.store import database as module
from ivr.store.backend import Connection
from ivr.store.database import Database
from ivr.store.journal import StoredJournal
from ivr.store.postgres import Postgres
from ivr.store.sqlite import connect
from ivr.store.sqlite_backend import SqliteBackend
from tests.clock import Clock
from tests.store.conftest import Books, payment


@pytest.fixture
async def file(tmp_path: Path) -> AsyncIterator[Database]:
    opened = Database(sqlite(tmp_path / "ivr.sqlite"))
    yield opened
    await opened.close()


@pytest.fixture
async def database(books: Books) -> AsyncIterator[Database]:
    shared = books.shared
    opened = Database(Postgres(shared.conninfo, "a") if shared else sqlite(books.directory / "ivr.sqlite"))
    yield opened
    await opened.close()


def sqlite(path: Path) -> SqliteBackend:
    return SqliteBackend(path, connect(path, "journal", synchronous="FULL"))


def remember(number: int) -> module.Job[int]:
    def job(connection: Connection) -> int:
        connection.execute("INSERT INTO invoices VALUES ('p', ?, 1, 'o', 0.0)", (str(number),))
        return number

    return job


def remembered(connection: Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM invoices").fetchone()[0])


async def test_those_who_wait_share_a_commit(file: Database) -> None:
    """A hundred callers at once do not wait for a hundred fsyncs."""
    commits = 0

    def count(statement: str) -> None:
        nonlocal commits
        commits += statement == "COMMIT"

    hold = Event()
    backend = file.backend
    assert isinstance(backend, SqliteBackend)
    await file.run(lambda _: backend.connection.set_trace_callback(count))
    held = file.run(lambda _: hold.wait())
    together = [file.run(remember(number)) for number in range(100)]
    hold.set()
    await held
    assert await asyncio.gather(*together) == list(range(100))
    await file.run(lambda _: backend.connection.set_trace_callback(None))
    assert commits <= 3


async def test_a_job_that_raises_is_undone_alone(database: Database) -> None:
    """One caller's mistake takes back its own writes and nobody else's."""

    def wrong(connection: Connection) -> int:
        remember(2)(connection)
        raise ValueError("mine")

    results = await asyncio.gather(
        database.run(remember(1)), database.run(wrong), database.run(remember(3)), return_exceptions=True
    )
    assert (results[0], repr(results[1]), results[2]) == (1, "ValueError('mine')", 3)
    assert await database.run(remembered) == 2


async def test_a_full_disk_and_then_space_again(file: Database, tmp_path: Path) -> None:
    """Everyone in the group hears it, nothing is half-written, and it goes on as soon as there is space."""
    path = tmp_path / "ivr.sqlite"
    await file.run(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone())

    def big(connection: Connection) -> None:
        connection.execute("INSERT INTO invoices VALUES ('p', 'big', 1, ?, 0.0)", ("x" * 100_000,))

    results = await asyncio.gather(file.run(remember(1)), file.run(big), file.run(remember(2)), return_exceptions=True)
    assert [type(result) for result in results if not isinstance(result, int)].count(Unusable) >= 1
    failed = results[1]
    assert isinstance(failed, Unusable)
    assert str(path) in str(failed)
    assert "the disk is full" in str(failed)
    kept = [result for result in results if isinstance(result, int)]
    assert await file.run(remembered) == len(kept)
    await file.run(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchone())
    await file.run(big)
    assert await file.run(remembered) == len(kept) + 1


async def test_a_journal_on_a_full_disk_says_so_to_its_writers(file: Database) -> None:
    """A payment whose line is not on disk is never sent: its writer gets the error, not silence."""
    journal = StoredJournal(file, Clock())
    await file.run(lambda connection: connection.execute("PRAGMA max_page_count = 1").fetchone())
    written = 0
    with pytest.raises(Unusable, match="disk is full"):
        while written < 10_000:
            assert await journal.create(payment(f"p{written}"))
            written += 1
    assert await journal.get(f"p{written}") is None
    assert await journal.get(f"p{written - 1}") is not None
    await file.run(lambda connection: connection.execute("PRAGMA max_page_count = 100000").fetchone())
    assert await journal.create(payment(f"p{written}"))


async def test_a_bug_in_a_statement_is_its_callers_alone(database: Database) -> None:
    """A wrong statement is told as it is, not as a fault of the disk."""
    with pytest.raises((sqlite3.OperationalError, psycopg.errors.UndefinedTable), match="missing"):
        await database.run(lambda connection: connection.execute("SELECT * FROM missing"))
    assert await database.run(remember(1)) == 1


async def test_a_job_that_spoils_the_transaction_does_not_end_the_thread(database: Database) -> None:
    """Whatever a job does, later callers are served."""
    with pytest.raises(Unusable):
        await database.run(lambda connection: connection.execute("ROLLBACK"))
    assert await database.run(remember(1)) == 1


async def test_a_file_that_is_taken_away_is_noticed(file: Database, tmp_path: Path) -> None:
    """Without this the day's payments would be written into a deleted file and be gone after the next start."""
    path = tmp_path / "ivr.sqlite"
    path.rename(path.with_suffix(".away"))
    with pytest.raises(Unusable, match="moved or deleted"):
        await file.run(remember(1))
    path.touch()
    with pytest.raises(Unusable, match="moved or deleted"):
        await file.run(remember(2))


async def test_a_caller_who_stops_waiting_leaves_the_write_in_place(database: Database) -> None:
    """A hang-up in the wrong moment does not tear a line out of the journal."""
    hold = Event()
    held = database.run(lambda _: hold.wait())
    gone = database.run(remember(1))
    gone.cancel()
    hold.set()
    await held
    assert await database.run(remembered) == 1


async def test_too_many_waiting_are_refused(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk stops, calls end with an apology and memory does not run out."""
    monkeypatch.setattr(module, "MOST_WAITING", 10)
    hold = Event()
    waiting = [database.run(lambda _: hold.wait()) for _ in range(10)]
    with pytest.raises(Unusable, match="10 writes wait"):
        database.run(remember(1))
    hold.set()
    await asyncio.gather(*waiting)
    assert await database.run(remember(1)) == 1


async def test_groups_are_bounded(database: Database) -> None:
    """The first of very many waits for a part of them only."""
    hold = Event()
    held = database.run(lambda _: hold.wait())
    sizes: list[int] = []
    many = [database.run(remember(number)) for number in range(2 * module.MOST_IN_GROUP)]
    many[0].add_done_callback(lambda _: sizes.append(sum(f.done() for f in many)))
    hold.set()
    await asyncio.gather(held, *many)
    assert sizes[0] <= module.MOST_IN_GROUP


async def test_closing_writes_what_waits(tmp_path: Path) -> None:
    """A stop in the middle of a busy minute loses nothing, and later writers hear that it is over."""
    path = tmp_path / "ivr.sqlite"
    database = Database(sqlite(path))
    waiting = [database.run(remember(number)) for number in range(50)]
    await database.close()
    await database.close()
    assert [future.result() for future in waiting] == list(range(50))
    with pytest.raises(Unusable, match="is closed"):
        database.run(remember(51))


async def test_another_program_that_keeps_the_file_locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's sqlite3 with an open transaction: the error names the file, and all is well when it ends."""
    monkeypatch.setattr("ivr.store.sqlite.BUSY_SECONDS", 0.05)
    path = tmp_path / "ivr.sqlite"
    database = Database(sqlite(path))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unusable, match="another program keeps it locked"):
        await database.run(remember(1))
    other.execute("ROLLBACK")
    other.close()
    assert await database.run(remember(1)) == 1
    await database.close()
