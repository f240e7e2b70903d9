"""What callers register, beside the journal in the same database.

Law: a registration is written once for its key, and never changed. It has bounds, and holds no card number.
"""

import json
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from ivr.domain.errors import BadInput, Illegal
from ivr.domain.registration import MOST_NAME, MOST_VALUE, MOST_VALUES, Registration
from ivr.payments.details import holds_card_number, is_storable
from ivr.payments.registrations import Kept
from ivr.store.backend import Connection
from ivr.store.database import Database

MOST_KEY: Final = 128
"""Characters of a key, a dialled number and a flow's name."""

COLUMNS: Final = "id, key, dialled, flow, word, mobile, content, created_at"
ONE: Final = f"SELECT {COLUMNS} FROM registrations WHERE id = ?"  # noqa: S608 - our own column names
_BY_KEY: Final = "SELECT word, mobile, content FROM registrations WHERE key = ?"
_SAME: Final = "SELECT 1 FROM registrations WHERE mobile = ? AND word = ? AND content = ? LIMIT 1"
_ADD: Final = (
    "INSERT INTO registrations (key, dialled, flow, word, mobile, content, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)"
)


class StoredRegistrations:
    """`ivr.payments.registrations.Registrations`. Raises Unusable when the database fails.

    `clock` gives seconds since 1970, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self.database = database
        self._clock = clock

    def keep(self, asked: Registration) -> Awaitable[Kept]:
        """See the port. A caller whose mobile nobody knows never registers `AGAIN`."""
        _check(asked)
        content = json.dumps(asked.values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        at = asked.at or self._clock()

        def job(connection: Connection) -> Kept:
            there = connection.execute(_BY_KEY, (asked.key,)).fetchone()
            if there is not None:
                if tuple(there) != (asked.word, asked.mobile, content):
                    raise Illegal("this visit has registered something else already")
                return Kept.NEW
            same = (asked.mobile, asked.word, content)
            if asked.mobile is not None and connection.execute(_SAME, same).fetchone() is not None:
                return Kept.AGAIN
            values = (asked.key, asked.dialled, asked.flow, asked.word, asked.mobile, content, at)
            connection.execute(_ADD, values)
            return Kept.NEW

        return self.database.run(job)

    def under(self, words: Sequence[str], after: int, limit: int) -> Awaitable[Sequence[Registration]]:
        """See the port."""
        marks = ", ".join("?" for _ in words)
        found = f"SELECT {COLUMNS} FROM registrations WHERE word IN ({marks}) AND id > ? ORDER BY id LIMIT ?"  # noqa: S608 - marks only

        def job(connection: Connection) -> Sequence[Registration]:
            if not words:
                return []
            return [registration_of(row) for row in connection.execute(found, (*words, after, limit))]

        return self.database.read(job)


def registration_of(row: Sequence[Any]) -> Registration:
    """The registration of a row of `COLUMNS`."""
    number, key, dialled, flow, word, mobile, content, at = row
    return Registration(key, dialled, flow, word, mobile, json.loads(content), number, at)


def _check(asked: Registration) -> None:
    """Raises BadInput, naming the value and never what stands in it."""
    for text, most in (
        (asked.key, MOST_KEY),
        (asked.dialled, MOST_KEY),
        (asked.flow, MOST_KEY),
        (asked.word, MOST_NAME),
    ):
        if len(text) > most or not is_storable(text):
            raise BadInput(f"a registration's texts have {most} whole characters at most")
    if not 1 <= len(asked.values) <= MOST_VALUES:
        raise BadInput(f"a registration has 1 to {MOST_VALUES} values, not {len(asked.values)}")
    for name, value in asked.values.items():
        if len(name) > MOST_NAME:
            raise BadInput(f"a value's name has {MOST_NAME} characters at most, not {len(name)}")
        if not isinstance(value, str | int):
            raise BadInput(f"the value {name} is neither a text nor a whole number")
        text = str(value)
        if len(text) > MOST_VALUE or not is_storable(text):
            raise BadInput(f"the value {name} has {MOST_VALUE} whole characters at most")
        if holds_card_number(text):
            raise BadInput(f"the value {name} looks like a card number")
