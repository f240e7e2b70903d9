"""Statements that wait together go to the database together, and each gets its own answer."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ivr.domain.errors import Unusable
from ivr.runtime.screens import Kept, Key
from ivr.store.database import Database, Statement
from ivr.store.opening import Store, open_store
from ivr.store.shared import Shared
from tests.clock import Clock
from tests.store.conftest import Books


@pytest.fixture
async def database(store: Store) -> AsyncIterator[Database]:
    """That of the sessions on screens."""
    yield store.screens._database


async def test_each_gets_its_own_answer(database: Database) -> None:
    """In whatever order they went."""
    asked = [database.read(Statement("SELECT CAST(? AS INTEGER)", (number,), (str(-number),))) for number in range(50)]
    assert [row[0] for row in await asyncio.gather(*asked)] == list(range(50))


async def test_a_fault_among_them_is_told(database: Database) -> None:
    """To whoever waits with it, as always; the next ones are answered."""
    bad = database.read(Statement("SELECT no_such_column", (), ("b",)))
    good = database.read(Statement("SELECT 1", (), ("c",)))
    results = await asyncio.gather(bad, good, return_exceptions=True)
    assert isinstance(results[0], Unusable)
    assert (await database.read(Statement("SELECT 1", (), ("c",))))[0] == 1


@pytest.mark.parametrize("books", ["postgres"], indirect=True)
async def test_two_workers_take_the_same_sessions(books: Books, clock: Clock, store: Store) -> None:
    """Many at once, each in another order: every session is one's, and nobody waits for the other in a circle."""
    assert books.shared is not None
    (books.directory / "b").mkdir()
    async with open_store(books.directory / "b", clock, Shared(books.shared.conninfo, "b")) as other:
        names = [f"s{number}" for number in range(200)]
        now = clock()
        takes = [
            screens.take(Key("x", name), "09121234567", Kept(name), now=now, until=now + 9, since=0)
            for screens, order in ((store.screens, names), (other.screens, names[::-1]))
            for name in order
        ]
        taken = await asyncio.gather(*takes)
        mine, theirs = taken[:200], taken[200:][::-1]
        assert all(one.mine is not two.mine for one, two in zip(mine, theirs, strict=True))
