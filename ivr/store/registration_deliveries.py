"""Which registrations merchants have been told of: a stream of its own beside the journal's, with its own numbers.

Law: no registration waits for another one. Up to where they were looked through is noted for each merchant's word: a
word that a merchant gets later is told from its beginning, and takes along what was another merchant's.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ivr.domain.registration import Registration
from ivr.store.backend import Connection
from ivr.store.database import Database
from ivr.store.merchants import WINDOW
from ivr.store.registrations import ONE, registration_of
from ivr.store.told import Told, note_position, position

_NEWEST: Final = "SELECT coalesce(max(id), 0) FROM registrations"
_ENROL: Final = (
    "INSERT INTO registration_deliveries (registration, merchant, at, tries, next_at) "
    "SELECT id, CAST(? AS TEXT), created_at, 0, 0 FROM registrations WHERE word = ? AND id > ? AND id <= ? "
    "ON CONFLICT (registration) DO UPDATE SET merchant = excluded.merchant, tries = 0, next_at = 0, "
    "delivered_at = NULL WHERE registration_deliveries.merchant <> excluded.merchant"
)


class StoredRegistrationDeliveries(Told):
    """`ivr.payments.merchant_port.Deliveries`. Raises Unusable when the database fails.

    `clock` gives seconds since 1970, UTC; `words` by merchant.
    """

    def __init__(self, database: Database, clock: Callable[[], float], words: Mapping[str, Sequence[str]]) -> None:
        super().__init__(database, clock, "registration_deliveries", "registration")
        self._words = [(merchant, word) for merchant, its in words.items() for word in its]

    async def enrol(self) -> None:
        """See the port. Writes nothing while there is no new one; many are gone through in windows."""
        while await self.database.read(self._is_behind):
            await self.database.run(self._enrol)

    def _one(self, connection: Connection, number: int) -> Registration:
        return registration_of(connection.execute(ONE, (number,)).fetchone())

    def _is_behind(self, connection: Connection) -> bool:
        [newest] = connection.execute(_NEWEST).fetchone()
        return any(position(connection, _name(*one)) < newest for one in self._words)

    def _enrol(self, connection: Connection) -> None:
        [newest] = connection.execute(_NEWEST).fetchone()
        for merchant, word in self._words:
            name = _name(merchant, word)
            seen = position(connection, name)
            if seen < newest:
                until = min(newest, seen + WINDOW)
                connection.execute(_ENROL, (merchant, word, seen, until))
                note_position(connection, name, until)


def _name(merchant: str, word: str) -> str:
    return f"registrations {merchant} {word}"
