"""Our own record of invoices, beside the journal in the same database.

Law: a tracking code stands for one amount and one order for ever.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from ivr.domain.errors import Illegal
from ivr.payments.invoice import Invoice
from ivr.store.backend import Connection
from ivr.store.database import Database

_FIND: Final = (
    "SELECT provider, tracking_code, amount_rial, order_id, created_at FROM invoices "
    "WHERE provider = ? AND tracking_code = ?"
)
_ADD: Final = "INSERT INTO invoices (provider, tracking_code, amount_rial, order_id, created_at) VALUES (?, ?, ?, ?, ?)"


class StoredInvoices:
    """`ivr.payments.port.Invoices`. Raises Unusable when the database fails.

    `clock` gives seconds since 1970, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    async def remember_invoice(self, invoice: Invoice) -> None:
        """See the port."""
        at = invoice.created_at or self._clock()

        def job(connection: Connection) -> None:
            known = _find(connection, invoice.provider, invoice.tracking_code)
            if known is None:
                connection.execute(
                    _ADD, (invoice.provider, invoice.tracking_code, invoice.amount_rial, invoice.order_id, at)
                )
            elif (known.amount_rial, known.order_id) != (invoice.amount_rial, invoice.order_id):
                raise Illegal(
                    f"{invoice.provider}'s tracking code {invoice.tracking_code} already stands for another invoice"
                )

        await self._database.run(job)

    def invoice(self, provider: str, tracking_code: str) -> Awaitable[Invoice | None]:
        """See the port."""
        return self._database.read(lambda connection: _find(connection, provider, tracking_code))


def _find(connection: Connection, provider: str, tracking_code: str) -> Invoice | None:
    row = connection.execute(_FIND, (provider, tracking_code)).fetchone()
    return None if row is None else Invoice(*row)
