"""What was told of one stream and what was not: a row for each thing that a merchant is told of.

Law: whoever delivers something has moved its `next_at` first, and only one can. What is delivered becomes undelivered
only when somebody asks for it again. Both streams' tables have the same columns, but for the one that numbers them.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from ivr.domain.registration import Registration
from ivr.payments.merchant_port import Claimed, MerchantEvent, Waiting
from ivr.store.backend import Connection
from ivr.store.database import Database

_POSITION: Final = "SELECT entry FROM deliveries_seen WHERE name = ?"
_NOTE_POSITION: Final = (
    "INSERT INTO deliveries_seen (name, entry) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET entry = excluded.entry"
)


class Told(ABC):
    """`ivr.payments.merchant_port.Deliveries` but for `enrol`. Raises Unusable when the database fails."""

    def __init__(
        self, database: Database, clock: Callable[[], float], table: str, number: str, unless: str = ""
    ) -> None:
        """`table` and the column with the stream's own number. `clock` gives seconds since 1970, UTC.

        `unless`: a query that finds something that is to be delivered before the row `d`.
        """
        self.database = database
        self._clock = clock
        waits = f"AND NOT EXISTS ({unless}) " if unless else ""
        self._due = (
            f"SELECT d.{number}, d.tries, d.next_at FROM {table} d "  # noqa: S608 - our own names, here and below
            f"WHERE d.merchant = ? AND d.delivered_at IS NULL AND d.next_at <= ? {waits}ORDER BY d.{number} LIMIT ?"
        )
        self._claim = (
            f"UPDATE {table} SET next_at = ?, tries = tries + 1 "  # noqa: S608
            f"WHERE {number} = ? AND next_at = ? AND delivered_at IS NULL"
        )
        self._delivered = f"UPDATE {table} SET delivered_at = ? WHERE {number} = ?"  # noqa: S608
        self._again = f"UPDATE {table} SET next_at = ? WHERE {number} = ? AND delivered_at IS NULL"  # noqa: S608
        self._replay = (
            f"UPDATE {table} SET delivered_at = NULL, tries = 0, next_at = 0 "  # noqa: S608
            f"WHERE merchant = ? AND {number} > ? AND delivered_at IS NOT NULL"
        )
        self._waiting = f"SELECT count(*), min(at) FROM {table} WHERE merchant = ? AND delivered_at IS NULL"  # noqa: S608

    @abstractmethod
    async def enrol(self) -> None:
        """See the port."""

    @abstractmethod
    def _one(self, connection: Connection, number: int) -> MerchantEvent | Registration:
        """What this number stands for."""

    async def claim(self, room: Mapping[str, int], until: float) -> Sequence[Claimed]:
        """See the port."""
        now = self._clock()

        def due(connection: Connection) -> bool:
            return any(
                connection.execute(self._due, (merchant, now, most)).fetchone() for merchant, most in room.items()
            )

        def job(connection: Connection) -> list[Claimed]:
            found = []
            for merchant, most in room.items():
                for number, tries, next_at in connection.execute(self._due, (merchant, now, most)).fetchall():
                    if connection.execute(self._claim, (until, number, next_at)).rowcount == 1:
                        found.append(Claimed(merchant, self._one(connection, number), tries + 1))
            return found

        return await self.database.run(job) if await self.database.read(due) else ()

    async def delivered(self, event_id: int) -> None:
        """See the port."""
        values = (self._clock(), event_id)
        await self.database.run(lambda connection: connection.execute(self._delivered, values).rowcount)

    async def again(self, event_id: int, at: float) -> None:
        """See the port."""
        await self.database.run(lambda connection: connection.execute(self._again, (at, event_id)).rowcount)

    async def replay(self, merchant: str, after: int) -> int:
        """See the port."""
        await self.enrol()
        return await self.database.run(lambda connection: connection.execute(self._replay, (merchant, after)).rowcount)

    def waiting(self, merchants: Sequence[str]) -> Awaitable[Waiting]:
        """See the port."""

        def job(connection: Connection) -> Waiting:
            rows = [connection.execute(self._waiting, (merchant,)).fetchone() for merchant in merchants]
            return Waiting(sum(row[0] for row in rows), min((row[1] for row in rows if row[0]), default=None))

        return self.database.read(job)


def position(connection: Connection, name: str) -> int:
    """Up to which number a stream was looked through, by this name; 0 at first."""
    row = connection.execute(_POSITION, (name,)).fetchone()
    return 0 if row is None else int(row[0])


def note_position(connection: Connection, name: str, number: int) -> None:
    """It was looked through up to here."""
    connection.execute(_NOTE_POSITION, (name, number))
