"""Which lines of the journal merchants have been told of.

Law: a later event of a payment waits for the earlier one. Lines are numbered in the order in which they became safe, so
that whoever has seen one has seen those before it.
"""

from collections.abc import Callable
from typing import Final

from ivr.payments.merchant_port import MerchantEvent
from ivr.store.backend import Connection
from ivr.store.database import Database
from ivr.store.merchants import KINDS, NEWEST, ONE_EVENT, WINDOW, event_of
from ivr.store.told import Told, note_position, position

_NAME: Final = "webhooks"

_ENROL: Final = (
    "INSERT INTO deliveries (entry, merchant, payment_id, at, tries, next_at) "  # noqa: S608 - our own names
    "SELECT e.number, m.merchant, e.payment_id, e.at, 0, 0 "
    "FROM entries e JOIN payments p ON p.id = e.payment_id "
    "JOIN merchant_invoices m ON m.provider = p.provider AND m.tracking_code = p.invoice_id "
    f"WHERE e.number > ? AND e.number <= ? AND e.kind IN ({KINDS}) ON CONFLICT (entry) DO NOTHING"
)
_EARLIER: Final = (
    "SELECT 1 FROM deliveries b WHERE b.payment_id = d.payment_id AND b.entry < d.entry AND b.delivered_at IS NULL"
)


class StoredDeliveries(Told):
    """`ivr.payments.merchant_port.Deliveries`. Raises Unusable when the database fails.

    `clock` gives seconds since 1970, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        super().__init__(database, clock, "deliveries", "entry", unless=_EARLIER)

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
                note_position(connection, _NAME, until)

            await self.database.run(job)

    def _one(self, connection: Connection, number: int) -> MerchantEvent:
        return event_of(connection.execute(ONE_EVENT, (number,)).fetchone())


def _progress(connection: Connection) -> tuple[int, int]:
    """The newest line, and up to which one the journal was looked through."""
    [newest] = connection.execute(NEWEST).fetchone()
    return newest, position(connection, _NAME)
