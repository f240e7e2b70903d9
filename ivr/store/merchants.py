"""Whose an invoice is, and requests that must not be carried out twice. Beside the journal in the same database.

Law: a request is on disk before anybody is asked about it, and its invoice comes to be together with its end. A hold
falls with its process where that process owns the data directory, and else when its lease is over.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from ivr.domain.errors import Illegal
from ivr.payments.invoice import Invoice
from ivr.payments.merchant_port import (
    EVENT_TYPES,
    Begun,
    Different,
    Ended,
    Held,
    Link,
    MerchantEvent,
    MerchantInvoice,
    Ticket,
)
from ivr.payments.state import EntryKind
from ivr.store.backend import Connection
from ivr.store.database import Database

LEASE: Final = 330.0
"""Seconds for which a request is believed to be at work: longer than any provider is waited for."""
WINDOW: Final = 5_000
"""Lines of the journal that one look goes through: calls' own writes wait no longer than for that."""

KINDS: Final = ", ".join(f"'{kind.value}'" for kind in EVENT_TYPES)
"""For SQL: the kinds of lines that merchants are told of."""
_EVENT: Final = (
    "e.number, e.kind, e.at, e.payment_id, m.id, i.order_id, p.provider, p.invoice_id, p.amount_rial, e.details "
    "FROM entries e JOIN payments p ON p.id = e.payment_id "
    "JOIN merchant_invoices m ON m.provider = p.provider AND m.tracking_code = p.invoice_id "
    "JOIN invoices i ON i.provider = p.provider AND i.tracking_code = p.invoice_id"
)
ONE_EVENT: Final = f"SELECT {_EVENT} WHERE e.number = ?"
_EVENTS: Final = (
    f"SELECT {_EVENT} WHERE e.number > ? AND e.number <= ? AND m.merchant = ? "
    f"AND e.kind IN ({KINDS}) ORDER BY e.number LIMIT ?"
)
_NEWEST: Final = "SELECT coalesce(max(number), 0) FROM entries"
_ADD_REQUEST: Final = (
    "INSERT INTO merchant_requests (merchant, operation, key, digest, subject, at, held_by, held_until, ended) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0) ON CONFLICT (merchant, operation, key) DO NOTHING"
)
_REQUEST: Final = (
    "SELECT digest, subject, held_by, held_until, ended FROM merchant_requests "
    "WHERE merchant = ? AND operation = ? AND key = ?"
)
_HOLD: Final = (
    "UPDATE merchant_requests SET held_by = ?, held_until = ? "
    "WHERE merchant = ? AND operation = ? AND key = ? AND held_by = ? AND held_until = ?"
)
_RELEASE: Final = (
    "UPDATE merchant_requests SET held_until = 0 WHERE merchant = ? AND operation = ? AND key = ? AND held_by = ?"
)
_END: Final = "UPDATE merchant_requests SET ended = 1, held_until = 0 WHERE merchant = ? AND operation = ? AND key = ?"
_INVOICE: Final = (
    "SELECT m.id, m.merchant, i.provider, i.tracking_code, i.amount_rial, i.order_id, i.created_at "
    "FROM merchant_invoices m JOIN invoices i ON i.provider = m.provider AND i.tracking_code = m.tracking_code "
    "WHERE m.id = ? AND m.merchant = ?"
)
_ADD_INVOICE: Final = (
    "INSERT INTO invoices (provider, tracking_code, amount_rial, order_id, created_at) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (provider, tracking_code) DO NOTHING"
)
_ADD_OWNER: Final = (
    "INSERT INTO merchant_invoices (id, merchant, provider, tracking_code) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
)
_LINK: Final = "SELECT invoice_id, payment_id, transaction_id, url FROM merchant_links WHERE invoice_id = ?"
_KEEP_LINK: Final = (
    "INSERT INTO merchant_links (invoice_id, payment_id, transaction_id, url) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (invoice_id) DO UPDATE SET payment_id = excluded.payment_id, "
    "transaction_id = excluded.transaction_id, url = excluded.url"
)


class StoredMerchants:
    """`ivr.payments.merchant_port.MerchantBooks`. Raises Unusable when the database fails.

    `clock` gives seconds since 1970, UTC. `alone`: no other process can be at work on these books, so what another one
    held is free.
    """

    def __init__(self, database: Database, clock: Callable[[], float], *, alone: bool = True) -> None:
        self._database = database
        self._clock = clock
        self._alone = alone
        self._me = secrets.token_hex(8)

    def begin(self, ticket: Ticket) -> Awaitable[Begun | Ended | Held | Different]:
        """See the port."""
        me, alone, now = self._me, self._alone, self._clock()
        name = (ticket.merchant, ticket.operation, ticket.key)

        def job(connection: Connection) -> Begun | Ended | Held | Different:
            new = connection.execute(_ADD_REQUEST, (*name, ticket.digest, ticket.subject, now, me, now + LEASE))
            if new.rowcount == 1:
                return Begun(ticket.subject, again=False)
            digest, subject, held_by, held_until, ended = connection.execute(_REQUEST, name).fetchone()
            if digest != ticket.digest:
                return Different()
            if ended:
                return Ended(subject)
            if held_until > now and (held_by == me or not alone):
                return Held()
            taken = connection.execute(_HOLD, (me, now + LEASE, *name, held_by, held_until))
            return Begun(subject, again=True) if taken.rowcount == 1 else Held()

        return self._database.run(job)

    async def release(self, ticket: Ticket) -> None:
        """See the port."""
        values = (ticket.merchant, ticket.operation, ticket.key, self._me)
        await self._database.run(lambda connection: _done(connection.execute(_RELEASE, values)))

    async def end(self, ticket: Ticket) -> None:
        """See the port."""
        values = (ticket.merchant, ticket.operation, ticket.key)
        await self._database.run(lambda connection: _done(connection.execute(_END, values)))

    async def keep_invoice(self, ticket: Ticket, made: MerchantInvoice) -> None:
        """See the port."""
        invoice, at = made.invoice, made.invoice.created_at or self._clock()
        number = (invoice.provider, invoice.tracking_code)

        def job(connection: Connection) -> None:
            first = connection.execute(_ADD_INVOICE, (*number, invoice.amount_rial, invoice.order_id, at))
            owner = connection.execute(_ADD_OWNER, (made.id, made.merchant, *number))
            if first.rowcount != 1 or owner.rowcount != 1:
                raise Illegal(f"number {invoice.tracking_code} of {invoice.provider} already stands for an invoice")
            connection.execute(_END, (ticket.merchant, ticket.operation, ticket.key))

        await self._database.run(job)

    def invoice_of(self, merchant: str, invoice_id: str) -> Awaitable[MerchantInvoice | None]:
        """See the port."""

        def job(connection: Connection) -> MerchantInvoice | None:
            row = connection.execute(_INVOICE, (invoice_id, merchant)).fetchone()
            return None if row is None else MerchantInvoice(row[0], row[1], Invoice(*row[2:]))

        return self._database.read(job)

    def link(self, invoice_id: str) -> Awaitable[Link | None]:
        """See the port."""

        def job(connection: Connection) -> Link | None:
            row = connection.execute(_LINK, (invoice_id,)).fetchone()
            return None if row is None else Link(*row)

        return self._database.read(job)

    async def keep_link(self, link: Link) -> None:
        """See the port."""
        values = (link.invoice_id, link.payment_id, link.transaction_id, link.url)
        await self._database.run(lambda connection: _done(connection.execute(_KEEP_LINK, values)))

    async def events(self, merchant: str, after: int, limit: int) -> Sequence[MerchantEvent]:
        """See the port. A window at a time, so that calls' own writes come in between."""
        found: list[MerchantEvent] = []
        [newest] = await self._database.read(lambda connection: connection.execute(_NEWEST).fetchone())
        while after < newest and len(found) < limit:
            asked = (after, after + WINDOW, merchant, limit - len(found))
            found += await self._database.read(
                lambda connection, asked=asked: [event_of(row) for row in connection.execute(_EVENTS, asked)]  # type: ignore[misc]
            )
            after += WINDOW
        return found


def event_of(row: Sequence[Any]) -> MerchantEvent:
    """The event of a row of `ONE_EVENT`."""
    number, kind, at, payment_id, invoice_id, order_id, provider, tracking_code, amount, details = row
    return MerchantEvent(
        number,
        EntryKind(kind),
        at,
        payment_id,
        invoice_id,
        order_id,
        provider,
        tracking_code,
        amount,
        json.loads(details),
    )


def _done(_: object) -> None:
    """A job whose result nobody needs."""
