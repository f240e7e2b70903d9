"""Whose an invoice is, and requests that must not be carried out twice. Beside the journal in the same database.

Law: a request is on disk before anybody is asked about it, and its invoice comes to be together with its end. A hold
falls when nobody works on it any more: with its process where that one owns the data directory, when a worker of the
same name has begun anew, and else when its lease is over. Who works on what in this process, the process knows itself.
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
NEWEST: Final = "SELECT coalesce(max(number), 0) FROM entries"
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
    held is free. `worker`: our name among those who are; no other one has it while we are there, so what an earlier
    process of this name held is free, too.
    """

    def __init__(self, database: Database, clock: Callable[[], float], *, alone: bool = True, worker: str = "") -> None:
        self._database = database
        self._clock = clock
        self._alone = alone
        self._worker = f"{worker} " if worker else ""
        self._me = f"{self._worker}{secrets.token_hex(8)}"
        self._under_way: dict[tuple[str, str, str], object] = {}
        """Requests that are being carried out here, and who began each. The books may say so for longer: while they
        could not be written, nobody could be let in again."""

    async def begin(self, ticket: Ticket) -> Begun | Ended | Held | Different:
        """See the port."""
        me, now, mine, under_way = self._me, self._clock(), object(), self._under_way
        name = _name(ticket)

        def job(connection: Connection) -> Begun | Ended | Held | Different:
            new = connection.execute(_ADD_REQUEST, (*name, ticket.digest, ticket.subject, now, me, now + LEASE))
            if new.rowcount == 1:
                under_way[name] = mine
                return Begun(ticket.subject, again=False)
            digest, subject, held_by, held_until, ended = connection.execute(_REQUEST, name).fetchone()
            if digest != ticket.digest:
                return Different()
            if ended:
                return Ended(subject)
            if held_until > now and self._is_held(held_by, under_way.get(name, mine) is not mine):
                return Held()
            taken = connection.execute(_HOLD, (me, now + LEASE, *name, held_by, held_until))
            if taken.rowcount != 1:
                return Held()
            under_way[name] = mine
            return Begun(subject, again=True)

        begun = False
        try:
            answer = await self._database.run(job)
            begun = isinstance(answer, Begun)
            return answer
        finally:
            if not begun and under_way.get(name) is mine:  # noted, and then not written
                del under_way[name]

    def _is_held(self, held_by: str, by_us: bool) -> bool:
        """Whether somebody may be at work. `by_us`: whether that is so in this process."""
        if held_by == self._me:
            return by_us
        return not self._alone and not (self._worker and held_by.startswith(self._worker))

    async def release(self, ticket: Ticket) -> None:
        """See the port. Also when it cannot be written nobody is at work any more."""
        values = (*_name(ticket), self._me)
        try:
            await self._database.run(lambda connection: _done(connection.execute(_RELEASE, values)))
        finally:
            self._under_way.pop(_name(ticket), None)

    async def end(self, ticket: Ticket) -> None:
        """See the port. Also when it cannot be written nobody is at work any more."""
        try:
            await self._database.run(lambda connection: _done(connection.execute(_END, _name(ticket))))
        finally:
            self._under_way.pop(_name(ticket), None)

    async def keep_invoice(self, ticket: Ticket, made: MerchantInvoice) -> None:
        """See the port."""
        invoice, at = made.invoice, made.invoice.created_at or self._clock()
        number = (invoice.provider, invoice.tracking_code)

        def job(connection: Connection) -> None:
            first = connection.execute(_ADD_INVOICE, (*number, invoice.amount_rial, invoice.order_id, at))
            owner = connection.execute(_ADD_OWNER, (made.id, made.merchant, *number))
            if first.rowcount != 1 or owner.rowcount != 1:
                raise Illegal(f"number {invoice.tracking_code} of {invoice.provider} already stands for an invoice")
            connection.execute(_END, _name(ticket))

        await self._database.run(job)
        self._under_way.pop(_name(ticket), None)

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
        [newest] = await self._database.read(lambda connection: connection.execute(NEWEST).fetchone())
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


def _name(ticket: Ticket) -> tuple[str, str, str]:
    return ticket.merchant, ticket.operation, ticket.key


def _done(_: object) -> None:
    """A job whose result nobody needs."""
