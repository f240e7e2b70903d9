"""What people do with the book of payments: look for what needs them, decide, export, add up, audit.

Law: everything but a decision only reads, beside a running `ivr serve` or without one. A decision is written by the
process that owns the data directory; where none runs, by us, holding its lock while we write.
"""

import asyncio
import csv
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final, TextIO

from ivr.config import Settings
from ivr.domain.days import Calendar, beginning, day_of, local, read_day, write_day
from ivr.domain.errors import BadInput
from ivr.domain.operations import can_inquire
from ivr.domain.spreadsheet import cell
from ivr.payments.audit import Audit
from ivr.payments.state import Payment, State
from ivr.payments.totals import Total, totals
from ivr.runtime.deciding import Decision, decide
from ivr.store.opening import open_journal, open_reading
from ivr.store.reading import Reading
from ivr.web.control import MayNotSpeak, NotRunning
from ivr.web.deciding import ask_decide

COLUMNS: Final = (
    *("id", "day", "time", "state", "amount_rial", "provider", "invoice_id", "transaction_id", "call_id"),
    *("reason", "code", "reference", "receipt", "created_at", "changed_at"),
)
"""Of an export. `day` and `time` are Tehran's, of the creation; the last two are UTC. Who paid is left out: a telephone
number is nobody's business who only adds up.
"""

_FIRST_YEAR: Final = 1900
"""A Gregorian year before it was meant to be a Persian one, which are six hundred less."""


@dataclass(frozen=True, slots=True)
class Which:
    """Which payments are meant. Both days are inside; None: without a bound."""

    first: date | None = None
    last: date | None = None
    provider: str | None = None
    state: State | None = None

    @classmethod
    def of(
        cls, first: str | None, last: str | None, provider: str | None, state: State | None, calendar: Calendar
    ) -> "Which":
        """As a person wrote it. Raises BadInput."""
        began, ended = (None if text is None else read_day(text, calendar) for text in (first, last))
        for text, day in ((first, began), (last, ended)):
            if day is not None and calendar is Calendar.GREGORIAN and day.year < _FIRST_YEAR:
                raise BadInput(f"{text}: nobody paid here before {_FIRST_YEAR}; a Persian day wants --calendar persian")
        if began is not None and ended is not None and ended < began:
            raise BadInput(f"{last} is before {first}")
        return cls(began, ended, provider, state)


def reading(settings: Settings) -> Reading:
    """The book. Raises Unusable."""
    return open_reading(settings.storage, settings.shared)


def for_people(settings: Settings) -> list[dict[str, Any]]:
    """The payments that only people can find out about, oldest first. Also before the process has said so of them,
    where their provider has no inquiry.
    """
    silent = [name for name, provider in settings.providers.items() if not can_inquire(provider.operations)]
    with reading(settings) as book:
        return book.for_people(silent)


def decide_payment(settings: Settings, decision: Decision) -> State:
    """Write a person's decision down; returns the payment's state after it.

    Raises BadInput or Illegal with why it is refused, Unusable when it cannot be written.
    """
    try:
        return ask_decide(settings.storage, decision)
    except MayNotSpeak:
        raise
    except NotRunning:
        return asyncio.run(_decide_alone(settings, decision))


async def _decide_alone(settings: Settings, decision: Decision) -> State:
    async with open_journal(settings.storage, time.time, settings.shared) as journal:
        return (await decide(journal, decision)).state


def audit_book(settings: Settings) -> Audit:
    """Whether the book can be true."""
    with reading(settings) as book:
        return book.audit()


def totals_of(settings: Settings, which: Which) -> list[Total]:
    """What the chosen payments add up to."""
    with reading(settings) as book:
        return totals(_chosen(book, which), day_of)


def export_csv(settings: Settings, which: Which, calendar: Calendar, out: TextIO) -> None:
    """The chosen payments, oldest first, for a spreadsheet: nothing in it can run."""
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC)
    with reading(settings) as book:
        writer.writerow(COLUMNS)
        writer.writerows([cell(row[name]) for name in COLUMNS] for row in _rows(_chosen(book, which), calendar))


def export_json(settings: Settings, which: Which, calendar: Calendar, out: TextIO) -> None:
    """The same as a JSON list of objects, one a line."""
    between = "[\n"
    with reading(settings) as book:
        for row in _rows(_chosen(book, which), calendar):
            out.write(between + json.dumps(row, ensure_ascii=False))
            between = ",\n"
    out.write("[]\n" if between.startswith("[") else "\n]\n")


def _chosen(book: Reading, which: Which) -> Iterator[Payment]:
    since = None if which.first is None else beginning(which.first)
    until = None if which.last is None else beginning(which.last + timedelta(days=1))
    return book.each(since, until, which.provider, which.state)


def _rows(payments: Iterable[Payment], calendar: Calendar) -> Iterator[dict[str, str | int | None]]:
    for payment in payments:
        created = local(payment.created_at)
        yield {
            "id": payment.id,
            "day": write_day(created.date(), calendar),
            "time": created.strftime("%H:%M:%S"),
            "state": payment.state.value,
            "amount_rial": payment.amount_rial,
            "provider": payment.provider,
            "invoice_id": payment.invoice_id,
            "transaction_id": payment.transaction_id,
            "call_id": payment.call_id,
            "reason": payment.reason,
            "code": payment.code,
            "reference": payment.reference,
            "receipt": payment.receipt,
            "created_at": _utc(payment.created_at),
            "changed_at": _utc(payment.changed_at),
        }


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
