"""Books that several workers share: what one of them sees of the others, and what a server's end does to them."""

import asyncio
import json
import random
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.domain.errors import AlreadyInPayment, Unusable
from ivr.domain.secret import Secret
from ivr.lab.postgres import Server, running
from ivr.payments.state import EntryKind, State
from ivr.runtime.callbacks import Callbacks
from ivr.store import postgres as module
from ivr.store.database import Database
from ivr.store.journal import LONGEST_CALL, StoredJournal
from ivr.store.opening import Store, open_reading, open_store
from ivr.store.postgres import ORPHAN_AFTER, Postgres
from ivr.store.shared import Shared
from tests.clock import Clock
from tests.store.conftest import Books, new_books, payment

SENT, APPROVED, UNANSWERED = EntryKind.SENT, EntryKind.APPROVED, EntryKind.UNANSWERED


@pytest.fixture
def books(request: pytest.FixtureRequest, tmp_path: Path) -> Books:
    return new_books("postgres", tmp_path, request)


@pytest.fixture
async def workers(books: Books, clock: Clock) -> AsyncIterator[tuple[Store, Store]]:
    """Two of them, each with a directory of its own."""
    async with AsyncExitStack() as stack:
        yield (
            await stack.enter_async_context(worker(books, "a", clock)),
            await stack.enter_async_context(worker(books, "b", clock)),
        )


def worker(books: Books, name: str, clock: Clock) -> AbstractAsyncContextManager[Store]:
    directory = books.directory / name
    directory.mkdir(exist_ok=True)
    assert books.shared is not None
    return open_store(directory, clock, replace(books.shared, worker=name))


async def test_one_invoice_at_two_workers(workers: tuple[Store, Store], books: Books) -> None:
    """Two callers, two machines, the same moment, fifty times: one of them pays, the other one is told."""
    for number in range(50):
        names = (f"a{number}", f"b{number}")
        for store, name in zip(workers, names, strict=True):
            await store.journal.create(payment(name, f"invoice {number}"))
        results = await asyncio.gather(
            *(store.journal.append(name, SENT) for store, name in zip(workers, names, strict=True)),
            return_exceptions=True,
        )
        assert sorted(type(result).__name__ for result in results) == [AlreadyInPayment.__name__, "Payment"]
    with books.reading() as book:
        assert book.audit().findings == []


async def test_an_answer_that_comes_to_both(workers: tuple[Store, Store], books: Books) -> None:
    """A callback to one, an inquiry's answer to the other: it is written once."""
    one, other = workers
    await one.journal.create(payment())
    await one.journal.append("p1", SENT)
    await one.journal.append("p1", UNANSWERED)
    results = await asyncio.gather(
        one.journal.append("p1", APPROVED), other.journal.append("p1", APPROVED), return_exceptions=True
    )
    assert sorted(type(result).__name__ for result in results) == ["Illegal", "Payment"]
    with books.reading() as book:
        assert [entry["kind"] for entry in book.entries("p1")] == ["created", "sent", "unanswered", "approved"]


async def test_a_worker_that_is_there_looks_after_its_own(workers: tuple[Store, Store]) -> None:
    """Nobody asks the bank about a caller who is just paying at another machine."""
    one, other = workers
    await one.journal.create(payment())
    await one.journal.append("p1", SENT)
    assert [found.id for found in await one.journal.open_payments()] == ["p1"]
    assert list(await other.journal.open_payments()) == []
    assert [found.state for found in await other.journal.for_invoice("paystar", "invoice-p1")] == [State.SENT]


async def test_a_browser_comes_back_to_any_worker(workers: tuple[Store, Store], clock: Clock) -> None:
    """The one that made the link and the other both find its payment, by number and by the gateway's key. A charge that
    the other one waits for just now is left alone.
    """
    one, other = workers
    await one.journal.create(replace(payment("by-link"), transaction_id="KeyOfTheLink"))
    await one.journal.create(replace(payment("by-card"), transaction_id="KeyOfTheCard"))
    for name in ("by-link", "by-card"):
        await one.journal.append(name, SENT)
    await one.journal.append("by-link", UNANSWERED)
    for store, found in ((one, ["by-link", "by-link", "by-card"]), (other, ["by-link", "by-link"])):
        asked: list[str] = []

        async def ask_now(payment_id: str, asked: list[str] = asked) -> None:
            asked.append(payment_id)

        for name in ("invoice-by-link", "KeyOfTheLink", "KeyOfTheCard"):
            await Callbacks(store.journal, ask_now, clock).heard("paystar", [name])
        assert asked == found


async def is_gone(books: Books) -> None:
    """The server has seen that worker a has hung up: b's name alone is held."""
    assert books.server is not None
    names = f"SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = {module._WORKER}"  # noqa: S608 - our own number
    async with asyncio.timeout(20):
        while books.server.sql(names) != "1":  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.02)


async def test_a_worker_that_is_gone_leaves_them_to_the_others(books: Books, clock: Clock) -> None:
    """But not at once: it may be starting again, and its callers may be at the bank for as long as a call lasts."""
    assert books.shared is not None
    async with worker(books, "a", clock) as one:
        for name in ("p1", "p2"):
            await one.journal.create(payment(name))
            await one.journal.append(name, SENT)
        await one.journal.append("p1", UNANSWERED)
    patience = Clock()
    database = Database(Postgres(books.shared.conninfo, "b", patience))
    await is_gone(books)
    other = StoredJournal(database, clock, "b")
    assert list(await other.open_payments()) == []
    patience.now += ORPHAN_AFTER - 1
    assert list(await other.open_payments()) == []
    async with worker(books, "a", clock) as one:
        patience.now += 10 * ORPHAN_AFTER
        assert list(await other.open_payments()) == []
        assert [found.id for found in await one.journal.open_payments()] == ["p1", "p2"]
    await is_gone(books)
    assert list(await other.open_payments()) == []
    patience.now += ORPHAN_AFTER
    assert [found.id for found in await other.open_payments()] == ["p1"]
    clock.now += LONGEST_CALL
    assert [found.id for found in await other.open_payments()] == ["p1", "p2"]
    await database.close()


async def test_a_name_is_taken_once(workers: tuple[Store, Store], books: Books, clock: Clock, tmp_path: Path) -> None:
    """Two machines that were given the same configuration do not take each other's callers for their own."""
    assert books.shared is not None
    (tmp_path / "c").mkdir()
    with pytest.raises(Unusable, match="a worker named 'b' writes here already"):
        async with open_store(tmp_path / "c", clock, replace(books.shared, worker="b")):
            pass


# -- a server that goes away -------------------------------------------------------------------------------------------


async def test_a_server_without_power(tmp_path: Path) -> None:
    """Calls hear an apology while it is away; what was promised is there afterwards; it goes on without a restart."""
    with running() as server:
        books = Books(tmp_path, Shared(Secret(server.new_books()), "a"), server)
        async with open_store(tmp_path, time.time, books.shared) as store:
            promised: set[str] = set()
            told, enough = 0, asyncio.Event()

            async def write(number: int) -> None:
                nonlocal told
                for turn in range(10_000):
                    name = f"p{number}-{turn}"
                    try:
                        await store.journal.create(payment(name))
                    except Unusable as exc:
                        told += 1
                        assert str(exc).startswith("PostgreSQL postgres at")
                        if told > 20:
                            return
                        await asyncio.sleep(0.01)
                    else:
                        promised.add(name)
                        if len(promised) >= 200:
                            enough.set()

            writers = asyncio.gather(*(write(number) for number in range(10)))
            await enough.wait()
            await asyncio.to_thread(server.kill)
            await writers
            await asyncio.to_thread(server.start)
            assert await store.journal.create(payment("afterwards"))
            for name in promised:
                assert await store.journal.get(name) is not None
        with books.reading() as book:
            assert book.audit().findings == []


async def test_who_only_reads_finds_the_server_again(tmp_path: Path, clock: Clock) -> None:
    """After its restart the first question is answered, though nobody has written anything."""
    with running() as server:
        books = Books(tmp_path, Shared(Secret(server.new_books()), "a"), server)
        async with open_store(tmp_path, clock, books.shared) as store:
            await store.journal.create(payment())
            await asyncio.to_thread(server.kill)
            with pytest.raises(Unusable):
                await store.journal.get("p1")
            await asyncio.to_thread(server.start)
            assert await store.journal.get("p1") is not None
            await asyncio.to_thread(server.stop)
            await asyncio.to_thread(server.start)
            assert len(await store.journal.for_invoice("paystar", "invoice-p1")) == 1


async def test_a_server_that_says_nothing(
    postgres: Server, books: Books, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waits is told, and when it speaks again the work goes on."""
    monkeypatch.setattr(module, "LONGEST_GROUP", 0.5)
    with wire(postgres) as between:
        async with open_store(books.directory, clock, between.books(books)) as store:
            await store.journal.create(payment())
            between.mute = True
            with pytest.raises(Unusable):
                await store.journal.append("p1", SENT)
            between.mute = False
            assert (await store.journal.append("p1", SENT)).state is State.SENT


class Wire:
    """Between us and the server. `cut` says when it breaks: `before` a commit reaches the server, `after` the server
    has answered it, None: never. While it is `mute` nothing gets through.
    """

    def __init__(self, server: Server) -> None:
        self.cut: str | None = None
        self.cuts = 0
        self.mute = False
        self._near = Path(tempfile.mkdtemp(prefix="w"))  # short, for the socket's name
        self._far = server.url.partition("host=")[2]
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._near / ".s.PGSQL.5432"))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def books(self, books: Books) -> Shared:
        """These books, reached through us."""
        assert books.shared is not None
        return replace(
            books.shared, conninfo=Secret(books.shared.conninfo.reveal().replace(self._far, str(self._near)))
        )

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        shutil.rmtree(self._near)

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                threading.Thread(target=self._between, args=(near,), daemon=True).start()

    def _between(self, near: socket.socket) -> None:
        """One connection, until either side ends it."""
        with near, socket.socket(socket.AF_UNIX) as far, suppress(OSError):
            far.connect(f"{self._far}/.s.PGSQL.5432")
            while True:
                for one in select.select([near, far], [], [])[0]:
                    data = one.recv(65536)
                    if not data or self._breaks(data, at="before" if one is near else "after"):
                        return
                    if not self.mute:
                        (far if one is near else near).sendall(data)

    def _breaks(self, data: bytes, at: str) -> bool:
        if self.cut != at or b"COMMIT\0" not in data:
            return False
        self.cut = None
        self.cuts += 1
        return True


@contextmanager
def wire(postgres: Server) -> Iterator[Wire]:
    made = Wire(postgres)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_connection_that_breaks_at_a_commit(postgres: Server, books: Books, clock: Clock, cut: str) -> None:
    """What the server had taken is told as written, what it had not as not written; nobody guesses."""
    with wire(postgres) as between:
        async with open_store(books.directory, clock, between.books(books)) as store:
            assert await store.journal.create(payment())
            between.cut = cut
            if cut == "after":
                assert (await store.journal.append("p1", SENT)).state is State.SENT
            else:
                with pytest.raises(Unusable):
                    await store.journal.append("p1", SENT)
            assert between.cuts == 1
            found = await store.journal.get("p1")
            assert found is not None
            assert found.state is (State.SENT if cut == "after" else State.CREATED)


# -- several processes, killed -----------------------------------------------------------------------------------------


def test_three_workers_killed_at_random(books: Books, seed: int) -> None:
    """Every line that one of them was promised is there, none twice, numbers without a gap, and the audit is clean."""
    assert books.shared is not None
    dice = random.Random(seed)
    promised: set[tuple[str, str]] = set()
    for _ in range(2):
        children = []
        for name in "abc":
            (books.directory / name).mkdir(exist_ok=True)
            command = ["-m", "tests.store.children", "write", str(books.directory / name)]
            children.append(
                subprocess.Popen([sys.executable, *command, books.shared.conninfo.reveal(), name], stdout=-1)
            )
        for child in children:
            assert child.stdout is not None
            seen = [child.stdout.readline() for _ in range(dice.randrange(50, 300))]
            child.kill()
            seen += child.stdout.readlines()
            child.stdout.close()
            assert child.wait() == -9
            lines = [line.decode().split() for line in seen if line.endswith(b"\n")]
            promised |= {(name, value) for kind, name, value in lines if kind == "entry"}
    with books.reading() as reading:
        shown = {p["id"]: p for p in reading.list_payments(limit=10**6)}
        assert reading.audit().findings == []
    assert promised <= {(name, entry["kind"]) for name, p in shown.items() for entry in p["entries"]}


# -- what is wrong with a server ---------------------------------------------------------------------------------------


async def refusal(directory: Path, url: str) -> str:
    """Why it cannot be opened; a password never stands in it."""
    with pytest.raises(Unusable) as caught:
        async with open_store(directory, time.time, Shared(Secret(url), "a")):
            pass
    with pytest.raises(Unusable):
        open_reading(directory, Shared(Secret(url), "a"))
    assert "hunter2" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://ivr:hunter2@127.0.0.1:1/books", "PostgreSQL books at 127.0.0.1: it cannot be reached"),
        ("postgresql://ivr:hunter2@", None),
        ("postgresql://ivr:hunter2%@x/books", "'database' cannot be read as a PostgreSQL address"),
        ("nonsense hunter2", "'database' cannot be read as a PostgreSQL address"),
    ],
)
async def test_a_server_that_cannot_be_used(tmp_path: Path, url: str, said: str | None) -> None:
    """One sentence that says where and what."""
    found = await refusal(tmp_path, url)
    assert said is None or said in found


async def test_a_database_that_is_not_there(tmp_path: Path, postgres: Server) -> None:
    """It is named."""
    found = await refusal(tmp_path, postgres.url.replace("/postgres?", "/nowhere?"))
    assert "PostgreSQL nowhere at" in found


async def test_books_of_a_newer_program(books: Books, clock: Clock) -> None:
    """An older program keeps its hands off."""
    assert books.shared is not None
    async with open_store(books.directory, clock, books.shared):
        pass
    books.sql("UPDATE schema_version SET version = 99")
    assert "newer version" in await refusal(books.directory, books.shared.conninfo.reveal())


async def test_a_server_that_is_careless(books: Books) -> None:
    """A power cut there would lose payments, so it is not used."""
    assert books.shared is not None
    url = books.shared.conninfo.reveal()
    careless = url.replace("options=", "options=-csynchronous_commit%3Doff%20")
    assert "'synchronous_commit' is off there" in await refusal(books.directory, careless)


async def test_reading_before_anything_was_written(books: Books) -> None:
    """`ivr payments list` before the first start makes nothing."""
    with pytest.raises(Unusable, match="does not exist yet"):
        books.reading()


async def test_a_worker_that_stands_still_does_not_keep_the_others(
    books: Books, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped in the middle of a write, it is thrown out by the server, and nothing of it is kept."""
    assert books.shared is not None
    monkeypatch.setitem(module._SETTINGS, "idle_in_transaction_session_timeout", "300ms")
    stopped = Postgres(books.shared.conninfo, "stopped")
    stopped.begin()
    async with worker(books, "b", clock) as other:
        assert await other.journal.create(payment())
    with pytest.raises(Exception) as caught:
        stopped.commit()
    assert stopped.is_own(caught.value) or isinstance(caught.value, Unusable)
    stopped.close()
    with books.reading() as book:
        assert json.dumps([row["id"] for row in book.list_payments()]) == '["p1"]'
