"""Starting: who may own a data directory, what its files must look like, and what a person is told otherwise."""

import os
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from ivr.domain.errors import Unusable
from ivr.payments.invoice import Invoice
from ivr.store.lock import Lock
from ivr.store.opening import Store, open_invoices, open_reading, open_store
from ivr.store.scripts import scripts
from ivr.store.sqlite import connect, connect_reader
from tests.clock import Clock
from tests.store.conftest import Books, payment


async def refusal(directory: Path) -> str:
    with pytest.raises(Unusable) as refused:
        async with open_store(directory, Clock()):
            pass
    return str(refused.value)


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """A second start finds the payments of the first."""
    async with open_store(tmp_path, Clock()) as store:
        await store.journal.create(payment())
        await store.sessions.keep({"call": "{}"})
        await store.dialplans.use("v1", {"numbers.yaml": ""}, "start", "")
    async with open_store(tmp_path, Clock()) as store:
        assert await store.journal.get("p1") is not None
        assert await store.sessions.load_all() == {"call": "{}"}
        assert await store.dialplans.files("v1") == {"numbers.yaml": ""}


async def test_others_on_the_machine_cannot_read_it(store: Store, tmp_path: Path) -> None:
    """Who paid what is not for everyone."""
    assert {stat.S_IMODE(path.stat().st_mode) & 0o007 for path in tmp_path.iterdir()} == {0}


async def test_the_journal_waits_for_the_disk_and_the_sessions_do_not(tmp_path: Path) -> None:
    """Money survives a power cut; snapshots need only survive us."""
    money = connect(tmp_path / "a", "journal", synchronous="FULL")
    assert money.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert money.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    money.close()


async def test_a_missing_directory(tmp_path: Path) -> None:
    """The message says which and what to do."""
    assert await refusal(tmp_path / "none") == (
        f"{tmp_path / 'none'} is no directory; create it (mkdir -p) or name another in the configuration"
    )


async def test_a_directory_that_cannot_be_written() -> None:
    """Neither root nor anyone else can create a file in /proc."""
    said = await refusal(Path("/proc"))
    assert "/proc/ivr.lock cannot be opened" in said


@pytest.mark.parametrize("name", ["ivr.sqlite", "sessions.sqlite", "dialplan.sqlite"])
async def test_a_file_that_is_no_database(tmp_path: Path, name: str) -> None:
    """A damaged file stops the start, names itself, and is left as it is for a person to look at."""
    (tmp_path / name).write_bytes(b"not a database at all" * 500)
    said = await refusal(tmp_path)
    assert f"{tmp_path / name}: it is damaged" in said
    assert (tmp_path / name).read_bytes().startswith(b"not a database")
    (tmp_path / name).unlink()
    async with open_store(tmp_path, Clock()):
        pass


async def test_a_directory_in_the_files_place(tmp_path: Path) -> None:
    """No traceback, whatever stands there."""
    (tmp_path / "ivr.sqlite").mkdir()
    assert f"{tmp_path / 'ivr.sqlite'} cannot be opened" in await refusal(tmp_path)


@pytest.mark.parametrize("name", ["ivr.sqlite", "sessions.sqlite"])
async def test_a_file_of_a_newer_version(tmp_path: Path, name: str) -> None:
    """An old program never works on a newer program's books."""
    async with open_store(tmp_path, Clock()):
        pass
    with sqlite3.connect(tmp_path / name) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    said = await refusal(tmp_path)
    assert str(tmp_path / name) in said
    assert "newer version" in said
    assert "99" in said


def test_a_migration_counts_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script that breaks half-way leaves the file as it was; mended, it goes through."""
    good = "CREATE TABLE one (a);"
    monkeypatch.setattr("ivr.store.sqlite.scripts", lambda _: [good, "CREATE TABLE two (a); CREATE TABLE one (a);"])
    with pytest.raises(Unusable, match=r"a\.sqlite"):
        connect(tmp_path / "a.sqlite", "journal", synchronous="FULL")
    monkeypatch.setattr("ivr.store.sqlite.scripts", lambda _: [good])
    connection = connect(tmp_path / "a.sqlite", "journal", synchronous="FULL")
    assert [row[0] for row in connection.execute("SELECT name FROM sqlite_master")] == ["one"]
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
    connection.close()
    monkeypatch.setattr("ivr.store.sqlite.scripts", lambda _: [good, "CREATE TABLE two (a);"])
    with pytest.raises(Unusable, match="of version 1, an older one"):
        connect_reader(tmp_path / "a.sqlite", "journal")
    connection = connect(tmp_path / "a.sqlite", "journal", synchronous="FULL")
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 2
    connection.close()


@pytest.mark.parametrize("books", ["sqlite"], indirect=True)
async def test_one_process_at_a_time(store: Store, tmp_path: Path) -> None:
    """A second server in the same directory is told who is there; reading is allowed at the same time."""
    await store.journal.create(payment())
    script = f"""
import asyncio, sys
from pathlib import Path
from ivr.domain.errors import Unusable
from ivr.store.opening import open_reading, open_store
async def main():
    try:
        async with open_store(Path({str(tmp_path)!r}), lambda: 1.0):
            print("opened")
    except Unusable as exc:
        print(exc)
    with open_reading(Path({str(tmp_path)!r})) as reading:
        print(len(reading.list_payments()))
asyncio.run(main())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)  # noqa: ASYNC221
    assert done.stdout.splitlines() == [
        f"{tmp_path / 'ivr.lock'} is held by process {os.getpid()}: only one may write here; end that one first",
        "1",
    ]


async def test_an_invoice_made_beside_the_server(store: Store, books: Books) -> None:
    """A sales agent's command writes an invoice while the server runs, and the server finds it at once."""
    async with open_invoices(books.directory, Clock(), books.shared) as invoices:
        await invoices.remember_invoice(Invoice("paystar", "1", 1000, "order-1", 5.0))
        await store.journal.create(payment())
    assert await store.invoices.invoice("paystar", "1") == Invoice("paystar", "1", 1000, "order-1", 5.0)
    with pytest.raises(Unusable, match="no directory"):
        async with open_invoices(books.directory / "none", Clock(), books.shared):
            pass


def test_the_lock_is_free_again_when_it_is_let_go(tmp_path: Path) -> None:
    """A restart need not wait or clean up."""
    with Lock(tmp_path / "lock"), pytest.raises(Unusable, match="is held by process"):
        Lock(tmp_path / "lock")
    Lock(tmp_path / "lock").release()


def test_two_processes_that_migrate_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever comes second finds the work done and goes on."""
    script, asked = "CREATE TABLE one (a);", 0

    def scripts(_: str) -> list[str]:
        nonlocal asked
        asked += 1
        if asked == 2:  # the version has been read, the script has not begun
            other = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
            other.executescript(f"BEGIN; {script} PRAGMA user_version = 1; COMMIT;")
            other.close()
        return [script]

    monkeypatch.setattr("ivr.store.sqlite.scripts", scripts)
    connection = connect(tmp_path / "a.sqlite", "journal", synchronous="FULL")
    assert asked > 2
    assert connection.execute("PRAGMA user_version").fetchone()[0] == 1
    connection.close()


def test_reading_where_nothing_was_ever_written(tmp_path: Path) -> None:
    """`ivr payments list` before the first start says so and makes no file."""
    with pytest.raises(Unusable, match="does not exist"):
        open_reading(tmp_path)
    assert not list(tmp_path.iterdir())


def test_reading_a_damaged_file(tmp_path: Path) -> None:
    """The reader names the file, too."""
    (tmp_path / "ivr.sqlite").write_bytes(b"x" * 5000)
    with pytest.raises(Unusable, match=r"ivr\.sqlite: it is damaged"):
        open_reading(tmp_path)


async def test_a_command_beside_an_older_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer program's `ivr invoices create` does not change the books under a server that knows them as they are."""
    real = scripts("journal")
    monkeypatch.setattr("ivr.store.sqlite.scripts", lambda name: real[:-1] if name == "journal" else scripts(name))
    async with open_store(tmp_path, Clock()):
        monkeypatch.setattr("ivr.store.sqlite.scripts", scripts)
        with pytest.raises(Unusable, match="an older one; start the server once"):
            async with open_invoices(tmp_path, Clock()):
                pass
    async with open_store(tmp_path, Clock()), open_invoices(tmp_path, Clock()) as invoices:
        assert await invoices.invoice("paystar", "1") is None
