"""Snapshots: the newest state of every living call is what a next process finds."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ivr.domain.errors import Unusable
from ivr.flow.session import Session
from ivr.runtime import snapshots as module
from ivr.runtime.snapshots import Snapshots
from tests.fakes import FakeSessionStore

OLD = Session("c1", "pay_invoice", "v", "fa", "welcome")
NEW = replace(OLD, step="bank")
DISK_FULL = Unusable("the disk is full")


@pytest.fixture
def store() -> FakeSessionStore:
    return FakeSessionStore()


@pytest.fixture
async def snapshots(store: FakeSessionStore) -> AsyncIterator[Snapshots]:
    running = Snapshots(store, gather=0)
    running.start()
    yield running
    store.door.set()
    await running.stop()


async def test_written_behind_the_calls_back(store: FakeSessionStore, snapshots: Snapshots) -> None:
    """A call does not wait; only its newest state is written."""
    snapshots.put(OLD)
    snapshots.put(NEW)
    await store.changes.until(lambda: store.kept)
    assert store.kept == {"c1": NEW.snapshot()} and len(store.written) == 1


async def test_forgotten_when_the_call_is_over(store: FakeSessionStore, snapshots: Snapshots) -> None:
    """Nothing is left to be taken over."""
    snapshots.put(OLD)
    await store.changes.until(lambda: store.kept)
    snapshots.forget("c1")
    await store.changes.until(lambda: not store.kept)


async def test_kept_before_money_moves(store: FakeSessionStore, snapshots: Snapshots) -> None:
    """`flush` returns when it is safe, and says so when it cannot be."""
    await snapshots.flush(NEW)
    assert store.kept == {"c1": NEW.snapshot()}
    store.breaks.on("keep", DISK_FULL)
    with pytest.raises(Unusable):
        await snapshots.flush(NEW)


async def test_an_older_state_never_arrives_last(store: FakeSessionStore, snapshots: Snapshots) -> None:
    """A write that is under way is let finish first: else a crash would bring the caller back before the payment."""
    store.door.clear()
    snapshots.put(OLD)
    await store.changes.until(lambda: store.written)
    flushing = asyncio.ensure_future(snapshots.flush(NEW))
    await asyncio.sleep(0)
    assert not flushing.done() and len(store.written) == 1
    store.door.set()
    await flushing
    assert store.kept == {"c1": NEW.snapshot()}


async def test_a_write_that_failed_does_not_bring_the_old_back(store: FakeSessionStore, snapshots: Snapshots) -> None:
    """The disk was full for a moment: what was said later wins over the retry."""
    store.door.clear()
    store.breaks.on("keep", DISK_FULL)
    snapshots.put(OLD)
    await store.changes.until(lambda: store.written)
    flushing = asyncio.ensure_future(snapshots.flush(NEW))
    await asyncio.sleep(0)
    store.door.set()
    await flushing
    await snapshots.stop()
    assert store.kept == {"c1": NEW.snapshot()}


async def test_another_calls_money_does_not_wait(store: FakeSessionStore, snapshots: Snapshots) -> None:
    """Only a call's own older state is waited for."""
    store.door.clear()
    snapshots.put(OLD)
    await store.changes.until(lambda: store.written)
    flushing = asyncio.ensure_future(snapshots.flush(replace(NEW, call_id="c2")))
    await store.changes.until(lambda: len(store.written) == 2)
    store.door.set()
    await flushing


async def test_a_full_disk_is_tried_again(store: FakeSessionStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls go on, operators read of it, and the snapshots are there when the disk is."""
    monkeypatch.setattr(module, "RETRY_AFTER", 0.0)
    store.breaks.on("keep", DISK_FULL, DISK_FULL)
    snapshots = Snapshots(store, gather=0)
    with capture_logs() as lines:
        snapshots.start()
        snapshots.put(OLD)
        await store.changes.until(lambda: store.kept)
    assert [line["event"] for line in lines] == ["snapshots_not_written"] * 2
    await snapshots.stop()


async def test_a_process_that_goes_writes_what_is_left(store: FakeSessionStore) -> None:
    """SIGTERM in the middle of a write: nothing of it is lost."""
    store.door.clear()
    snapshots = Snapshots(store, gather=0)
    snapshots.start()
    snapshots.put(OLD)
    await store.changes.until(lambda: store.written)
    snapshots.put(replace(OLD, call_id="c2"))
    asyncio.get_running_loop().call_later(0.01, store.door.set)
    await snapshots.stop()
    assert set(store.kept) == {"c1", "c2"}


async def test_stopping_what_never_began(store: FakeSessionStore) -> None:
    """A start that failed half-way is no second error."""
    await Snapshots(store, gather=0).stop()
    assert store.written == []


async def test_one_call_s_odd_value_does_not_cost_the_others_theirs(
    store: FakeSessionStore, snapshots: Snapshots
) -> None:
    """A session that cannot be written down is left out, and said in the log."""
    snapshots.put(replace(OLD, answers={"odd": object()}))
    snapshots.put(replace(OLD, call_id="c2"))
    await store.changes.until(lambda: store.kept)
    assert set(store.kept) == {"c2"}
