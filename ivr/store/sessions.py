"""Snapshots of sessions in SQLite, in a file of their own that waits for no disk.

Law: a saved snapshot survives the death of the process. A power cut may lose the newest ones: the calls are gone
then too.
"""

from collections.abc import Mapping
from typing import Final

from ivr.domain.errors import BadInput
from ivr.store.backend import Connection
from ivr.store.database import Database

MOST_SNAPSHOT: Final = 256 * 1024
"""Characters of one snapshot."""

_SAVE: Final = (
    "INSERT INTO sessions (call_id, snapshot) VALUES (?, ?) "
    "ON CONFLICT (call_id) DO UPDATE SET snapshot = excluded.snapshot"
)
_FORGET: Final = "DELETE FROM sessions WHERE call_id = ?"


class SqliteSessions:
    """`ivr.runtime.ports.SessionStore`. Raises Unusable when the disk or the file fail."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, snapshots: Mapping[str, str | None]) -> None:
        """See the port. Raises BadInput for a snapshot of more than `MOST_SNAPSHOT` characters; the others are kept."""
        long = max((len(snapshot) for snapshot in snapshots.values() if snapshot is not None), default=0)

        def job(connection: Connection) -> None:
            for call_id, snapshot in snapshots.items():
                if snapshot is None:
                    connection.execute(_FORGET, (call_id,))
                elif len(snapshot) <= MOST_SNAPSHOT:
                    connection.execute(_SAVE, (call_id, snapshot))

        await self._database.run(job)
        if long > MOST_SNAPSHOT:
            raise BadInput(f"a session's snapshot has {long} characters, {MOST_SNAPSHOT} at most")

    async def load_all(self) -> Mapping[str, str]:
        """See the port."""
        return await self._database.run(
            lambda connection: dict(connection.execute("SELECT call_id, snapshot FROM sessions").fetchall())
        )
