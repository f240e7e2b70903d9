"""One database and the one thread that works on it.

Law: a job's result reaches its caller after the transaction that holds it is safe, never before. All jobs that wait
share one transaction and so one wait for the disk. A job that raises is undone alone; when disk, file or server fail,
nothing of the whole group is kept (or, after a commit whose answer was lost, nobody can say so), everyone in it gets
Unusable, and the next group tries again.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any, Final, TypeVar

from ivr.domain.errors import Unusable
from ivr.store.backend import Backend, Connection

T = TypeVar("T")

MOST_IN_GROUP: Final = 256
"""So many jobs share a commit at most: none waits for ever behind the others."""
MOST_WAITING: Final = 10_000
"""More than this are refused: the disk has stopped, and memory is finite."""

Job = Callable[[Connection], T]
"""Runs in the thread, inside a transaction, and once more if the transaction is begun anew. Reads and writes; never
begins, commits or waits."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A job of one statement; its result is the first row as a tuple, or None. Those that wait together go to the
    database together, each row's in the order of `row`: two processes that change the same rows then never wait for
    each other in a circle.
    """

    sql: str
    parameters: Sequence[Any]
    row: tuple[str, ...]

    def __call__(self, connection: Connection) -> Any:
        """As every job."""
        return connection.execute(self.sql, self.parameters).fetchone()


_Asked = tuple[Job[Any], asyncio.Future[Any], bool]
"""The job, who waits for it, and whether it only reads."""
_Answer = tuple[Any, BaseException | None]


class Database:
    """Owns the backend from now on. Made, used and closed on one event loop."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.name = backend.name
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Asked | None] = SimpleQueue()
        self._handed: list[_Asked] = []
        self._waiting = 0
        self._ended: asyncio.Future[None] | None = None
        threading.Thread(target=self._work, name=f"store {self.name}", daemon=True).start()

    def run(self, job: Job[T]) -> asyncio.Future[T]:
        """Have the job done; await the result. Jobs are done in the order they were handed over.

        Raises what the job raises, or Unusable. A caller who stops waiting does not stop the job.
        """
        return self._hand_over(job, False)

    def read(self, job: Job[T]) -> asyncio.Future[T]:
        """The same for a job that only reads: alone, it waits for no other process's writes."""
        return self._hand_over(job, True)

    def _hand_over(self, job: Job[T], reads: bool) -> asyncio.Future[T]:
        if self._ended is not None:
            raise Unusable(f"{self.name} is closed")
        if self._waiting >= MOST_WAITING:
            raise Unusable(f"{self.name}: {self._waiting} writes wait for the disk; look at the disk")
        self._waiting += 1
        future: asyncio.Future[T] = self._loop.create_future()
        self._handed.append((job, future, reads))
        if len(self._handed) == 1:
            self._loop.call_soon(self._hand_on)
        return future

    def _hand_on(self) -> None:
        """What was handed over in one turn of the loop wakes the thread once: they share the interpreter, and each
        waking takes it from the loop.
        """
        for asked in self._handed:
            self._queue.put(asked)
        self._handed.clear()

    async def check(self) -> None:
        """Return when a write was taken. Raises Unusable."""
        await self.run(self.backend.touch)

    async def close(self) -> None:
        """Do what waits, then let go of the database."""
        if self._ended is None:
            self._ended = self._loop.create_future()
            self._hand_on()
            self._queue.put(None)
        await asyncio.shield(self._ended)

    def _work(self) -> None:
        open_ = True
        while open_:
            group: list[_Asked] = []
            if (first := self._queue.get()) is None:
                break
            group.append(first)
            for _ in range(min(self._queue.qsize(), MOST_IN_GROUP - 1)):
                if (asked := self._queue.get()) is None:
                    open_ = False
                    break
                group.append(asked)
            self._tell(self._deliver, group, self._carry_out(group))
        with suppress(Exception):  # what was promised is safe; a goodbye that fails harms nobody
            self.backend.close()
        self._tell(self._end)

    def _carry_out(self, group: Sequence[_Asked]) -> Sequence[_Answer]:
        backend = self.backend
        try:
            if all(reads for _, _, reads in group):
                answers = self._read_all(group)
            else:
                backend.begin()
                answers = self._all(group) or [self._answer(job) for job, _, _ in group]
                backend.commit()
            backend.check()
        except Exception as exc:  # noqa: BLE001 - the thread must live on: callers wait for it
            return [(None, self._undo(exc)) for _ in group]
        return answers

    def _all(self, group: Sequence[_Asked]) -> list[_Answer]:
        """Every job's answer; empty, and nothing is changed, if one of them raises."""
        connection = self.backend.connection
        try:
            return [(job(connection), None) for job, _, _ in group]
        except Exception as exc:
            if self.backend.is_outside(exc):
                raise
            self.backend.rollback()
            self.backend.begin()
            return []

    def _read_all(self, group: Sequence[_Asked]) -> list[_Answer]:
        """Once more if the connection turns out to be lost: that reads nothing twice."""
        self.backend.ready()
        try:
            return list(self._together(group)) or [self._read(job) for job, _, _ in group]
        except Exception as exc:
            if not self.backend.is_lost(exc):
                raise
        self.backend.ready()
        return [self._read(job) for job, _, _ in group]

    def _together(self, group: Sequence[_Asked]) -> Sequence[_Answer]:
        """All answers at once, where all are statements; empty where they are to be done one by one, and nothing is
        changed.
        """
        statements = [(job, at) for at, (job, _, _) in enumerate(group) if isinstance(job, Statement)]
        if len(statements) < max(2, len(group)):
            return []
        statements.sort(key=lambda each: each[0].row)
        rows = self.backend.together([(job.sql, job.parameters) for job, _ in statements])
        answers: list[_Answer] = [(None, None)] * len(rows)
        for row, (_, at) in zip(rows, statements, strict=False):
            answers[at] = (row, None)
        return answers

    def _read(self, job: Job[Any]) -> _Answer:
        try:
            return job(self.backend.connection), None
        except Exception as exc:
            if self.backend.is_own(exc):
                raise
            return None, exc

    def _answer(self, job: Job[Any]) -> _Answer:
        connection = self.backend.connection
        connection.execute("SAVEPOINT job")
        try:
            value = job(connection)
        except Exception as exc:
            if self.backend.is_outside(exc):
                raise
            connection.execute("ROLLBACK TO SAVEPOINT job")
            connection.execute("RELEASE SAVEPOINT job")
            return None, exc
        connection.execute("RELEASE SAVEPOINT job")
        return value, None

    def _undo(self, exc: Exception) -> Unusable:
        try:
            self.backend.rollback()
        except Exception as worse:  # noqa: BLE001 - told like the first one
            exc = worse if self.backend.is_own(worse) else exc
        if isinstance(exc, Unusable):
            return Unusable(*exc.args)
        if self.backend.is_own(exc):
            return self.backend.explain(exc)
        return Unusable(f"{self.name}: {type(exc).__name__}; this is a fault in the program, please report it")

    def _tell(self, what: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to hear it
            self._loop.call_soon_threadsafe(what, *arguments)

    def _deliver(self, group: Sequence[_Asked], answers: Sequence[_Answer]) -> None:
        self._waiting -= len(group)
        for (_, future, _), (value, error) in zip(group, answers, strict=True):
            if future.done():  # its caller stopped waiting
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)

    def _end(self) -> None:
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
