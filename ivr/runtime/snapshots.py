"""Keeps every living call's newest snapshot in the store, many calls in one write.

Law: the last thing said of a call wins, and a call never waits for its snapshot unless it asks to (`flush`, before
money moves).
"""

import asyncio
from typing import Final

import structlog

from ivr.domain.errors import BadInput, IvrError
from ivr.flow.session import Session
from ivr.runtime.ports import SessionStore

RETRY_AFTER: Final = 1.0
"""Seconds before a failed write is tried again; calls go on meanwhile."""

GATHER: Final = 0.25
"""Seconds in which the snapshots of all calls are gathered into one write; so much is repeated after a crash."""

_log = structlog.get_logger("ivr.snapshots")


class Snapshots:
    """Writes behind the calls' backs, and at once when asked to."""

    def __init__(self, store: SessionStore, gather: float = GATHER) -> None:
        self._store = store
        self._gather = gather
        self._dirty: dict[str, Session | None] = {}
        self._wake = asyncio.Event()
        self._writing: frozenset[str] = frozenset()
        """The calls of the write under way."""
        self._at_rest = asyncio.Event()
        self._at_rest.set()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._write_behind(), name="snapshots")

    async def stop(self) -> None:
        """Write what is left, and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._write()

    def put(self, session: Session) -> None:
        """This is the call now. The session must not be changed afterwards; `advance` never does."""
        self._dirty[session.call_id] = session
        self._wake.set()

    def forget(self, call_id: str) -> None:
        """The call is over."""
        self._dirty[call_id] = None
        self._wake.set()

    async def flush(self, session: Session) -> None:
        """Return when this state of the call is kept. Raises Unusable when it cannot be."""
        while session.call_id in self._writing:
            await self._at_rest.wait()  # what is being written is older: it must not arrive after this
        self._dirty.pop(session.call_id, None)
        await self._store.keep({session.call_id: session.snapshot()})

    async def _write_behind(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._gather)
            self._wake.clear()
            try:
                await self._write()
            except IvrError as exc:
                _log.error("snapshots_not_written", error=str(exc))
                await asyncio.sleep(RETRY_AFTER)
                self._wake.set()
            except Exception:  # noqa: BLE001 - a bug for once must not end the snapshots of every call
                _log.exception("snapshots_not_written")
                await asyncio.sleep(RETRY_AFTER)
                self._wake.set()

    async def _write(self) -> None:
        batch, self._dirty = self._dirty, {}
        if not batch:
            return
        self._writing = frozenset(batch)
        self._at_rest.clear()
        try:
            await self._store.keep({call_id: _written(session) for call_id, session in batch.items()})
        except BadInput:  # one of them will never fit; the others are kept
            raise
        except BaseException:  # also when cancelled: what is left is written by `stop`
            self._dirty = {**batch, **self._dirty}
            raise
        finally:
            self._writing = frozenset()
            self._at_rest.set()


def _written(session: Session | None) -> str | None:
    """The snapshot; None, as for a call that is over, where it cannot be written down: better none than an old one."""
    if session is None:
        return None
    try:
        return session.snapshot()
    except Exception:  # noqa: BLE001 - one call's odd value must not cost the others theirs
        _log.exception("snapshot_not_made", call_id=session.call_id)
        return None
