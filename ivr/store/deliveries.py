"""Which lines of the journal merchants have been told of.

Law: whoever delivers an event has moved its `next_at` first, and only one can. A later event of a payment waits for the
earlier one; a delivered one becomes undelivered only when somebody asks for it again. Lines are numbered in the order
in which they became safe, so that whoever has seen one has seen those before it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from ivr.payments.merchant_port import Claimed, Waiting
from ivr.store.backend import Connection
from ivr.store.database import Database
from ivr.store.merchants import KINDS, NEWEST, ONE_EVENT, WINDOW, event_of

_NAME: Final = "webhooks"

_SEEN: Final = "SELECT entry FROM deliveries_seen WHERE name = ?"
_NOTE_SEEN: Final = (
    "INSERT INTO deliveries_seen (name, entry) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET entry = excluded.entry"
)
_ENROL: Final = (
    "INSERT INTO deliveries (entry, merchant, payment_id, at, tries, next_at) "  # noqa: S608 - our own names
    "SELECT e.number, m.merchant, e.payment_id, e.at, 0, 0 "
    "FROM entries e JOIN payments p ON p.id = e.payment_id "
    "JOIN merchant_invoices m ON m.provider = p.provider AND m.tracking_code = p.invoice_id "
    f"WHERE e.number > ? AND e.number <= ? AND e.kind IN ({KINDS}) ON CONFLICT (entry) DO NOTHING"
)
_DUE: Final = (
    "SELECT d.entry, d.tries, d.next_at FROM deliveries d "
    "WHERE d.merchant = ? AND d.delivered_at IS NULL AND d.next_at <= ? AND NOT EXISTS ("
    "SELECT 1 FROM deliveries b WHERE b.payment_id = d.payment_id AND b.entry < d.entry AND b.delivered_at IS NULL"
    ") ORDER BY d.entry LIMIT ?"
)
_CLAIM: Final = (
    "UPDATE deliveries SET next_at = ?, tries = tries + 1 WHERE entry = ? AND next_at = ? AND delivered_at IS NULL"
)
_DELIVERED: Final = "UPDATE deliveries SET delivered_at = ? WHERE entry = ?"
_AGAIN: Final = "UPDATE deliveries SET next_at = ? WHERE entry = ? AND delivered_at IS NULL"
_REPLAY: Final = (
    "UPDATE deliveries SET delivered_at = NULL, tries = 0, next_at = 0 "
    "WHERE merchant = ? AND entry > ? AND delivered_at IS NOT NULL"
)
_WAITING: Final = "SELECT count(*), min(at) FROM deliveries WHERE merchant = ? AND delivered_at IS NULL"


class StoredDeliveries:
    """`ivr.payments.merchant_port.Deliveries`. Raises Unusable when the database fails.

    `clock` gives seconds since 1970, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.database = database
        self._clock = clock

    async def enrol(self) -> None:
        """See the port. Writes nothing while there is no new line; a long journal is gone through in windows."""
        while True:
            newest, seen = await self.database.read(_progress)
            if newest <= seen:
                return

            def job(connection: Connection) -> None:
                newest, seen = _progress(connection)
                until = min(newest, seen + WINDOW)
                connection.execute(_ENROL, (seen, until))
                connection.execute(_NOTE_SEEN, (_NAME, until))

            await self.database.run(job)

    async def claim(self, room: Mapping[str, int], until: float) -> Sequence[Claimed]:
        """See the port."""
        now = self._clock()

        def due(connection: Connection) -> bool:
            return any(connection.execute(_DUE, (merchant, now, most)).fetchone() for merchant, most in room.items())

        def job(connection: Connection) -> list[Claimed]:
            found = []
            for merchant, most in room.items():
                for entry, tries, next_at in connection.execute(_DUE, (merchant, now, most)).fetchall():
                    if connection.execute(_CLAIM, (until, entry, next_at)).rowcount == 1:
                        event = event_of(connection.execute(ONE_EVENT, (entry,)).fetchone())
                        found.append(Claimed(merchant, event, tries + 1))
            return found

        return await self.database.run(job) if await self.database.read(due) else ()

    async def delivered(self, event_id: int) -> None:
        """See the port."""
        values = (self._clock(), event_id)
        await self.database.run(lambda connection: connection.execute(_DELIVERED, values).rowcount)

    async def again(self, event_id: int, at: float) -> None:
        """See the port."""
        await self.database.run(lambda connection: connection.execute(_AGAIN, (at, event_id)).rowcount)

    async def replay(self, merchant: str, after: int) -> int:
        """See the port."""
        await self.enrol()
        return await self.database.run(lambda connection: connection.execute(_REPLAY, (merchant, after)).rowcount)

    def waiting(self, merchants: Sequence[str]) -> Awaitable[Waiting]:
        """See the port."""

        def job(connection: Connection) -> Waiting:
            rows = [connection.execute(_WAITING, (merchant,)).fetchone() for merchant in merchants]
            return Waiting(sum(row[0] for row in rows), min((row[1] for row in rows if row[0]), default=None))

        return self.database.read(job)


def _progress(connection: Connection) -> tuple[int, int]:
    """The newest line, and up to which one the journal was looked through."""
    [newest] = connection.execute(NEWEST).fetchone()
    row = connection.execute(_SEEN, (_NAME,)).fetchone()
    return newest, 0 if row is None else row[0]
