"""The versions of the dialplan that were in use, in a file of their own: a long text holds up no payment's line.

Law: what was in use is kept for ever, as it was; the last use is the one of now.
"""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Final

from ivr.domain.errors import Illegal
from ivr.flow.versions import Files
from ivr.store.backend import Connection
from ivr.store.database import Database

MOST_WHO: Final = 64
"""Characters of the name of who had it done."""

_LAST: Final = "SELECT version FROM uses ORDER BY number DESC LIMIT 1"
_FILES: Final = "SELECT name, text FROM files JOIN texts USING (digest) WHERE version = ? ORDER BY name"


class SqliteDialplans:
    """`ivr.runtime.ports.DialplanStore`. Raises Unusable when the disk or the file fail.

    `clock` gives seconds since 1970, UTC.
    """

    def __init__(self, database: Database, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock

    def use(self, version: str, files: Files, how: str, who: str) -> Awaitable[None]:
        """See the port."""
        at = self._clock()

        def job(connection: Connection) -> None:
            kept = files_of(connection, version)
            if kept is None:
                _keep(connection, version, files)
            elif kept != dict(files):
                raise Illegal(f"version {version} is already kept, with other texts")
            last = connection.execute(_LAST).fetchone()
            if last is None or last[0] != version:
                connection.execute(
                    "INSERT INTO uses (version, at, how, who) VALUES (?, ?, ?, ?)", (version, at, how, who[:MOST_WHO])
                )

        return self._database.run(job)

    def in_use(self) -> Awaitable[str | None]:
        """See the port."""

        def job(connection: Connection) -> str | None:
            row = connection.execute(_LAST).fetchone()
            return None if row is None else str(row[0])

        return self._database.run(job)

    def files(self, version: str) -> Awaitable[Files | None]:
        """See the port."""
        return self._database.run(lambda connection: files_of(connection, version))


def files_of(connection: Connection, version: str) -> dict[str, str] | None:
    """The texts of a kept version, by file name; None when there is none of this id."""
    return dict(connection.execute(_FILES, (version,)).fetchall()) or None


def digest(text: str) -> str:
    """What a text is known by here."""
    return hashlib.sha256(text.encode()).hexdigest()


def _keep(connection: Connection, version: str, files: Files) -> None:
    for name, text in files.items():
        connection.execute("INSERT OR IGNORE INTO texts (digest, text) VALUES (?, ?)", (digest(text), text))
        connection.execute("INSERT INTO files (version, name, digest) VALUES (?, ?, ?)", (version, name, digest(text)))
