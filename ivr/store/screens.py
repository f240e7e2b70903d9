"""USSD sessions, in the file of sessions or in the books' PostgreSQL.

Law: who holds a session is decided by one statement, so that of two processes one wins. Sessions are not money: a power
cut may lose the newest screens, and whoever dials again begins anew.
"""

from typing import Final

import msgspec

from ivr.domain.errors import BadInput
from ivr.runtime.screens import MOST_STATE, Earlier, Kept, Key, Taken
from ivr.store.database import Database, Job, Statement, T

_TAKE: Final = (
    "INSERT INTO ussd_sessions (service, session_id, mobile, state, over, waits, touched_at, holder, held_until) "
    "VALUES (?, ?, ?, ?, 0, -1, ?, ?, ?) ON CONFLICT (service, session_id) DO UPDATE SET "
    "state = CASE WHEN ussd_sessions.touched_at < ? THEN excluded.state ELSE ussd_sessions.state END, "
    "over = CASE WHEN ussd_sessions.touched_at < ? THEN 0 ELSE ussd_sessions.over END, "
    "waits = CASE WHEN ussd_sessions.touched_at < ? THEN -1 ELSE ussd_sessions.waits END, "
    "mobile = excluded.mobile, touched_at = excluded.touched_at, holder = excluded.holder, "
    "held_until = excluded.held_until WHERE ussd_sessions.held_until < ? RETURNING state, waits, over, "
    "EXISTS (SELECT 1 FROM ussd_sessions AS other WHERE other.mobile = ? AND other.service || '' = ? "
    "AND other.session_id <> ? AND other.over = 0)"  # || '': else SQLite would look through all of the service's
)
_LOOK: Final = "SELECT state, waits, over, held_until FROM ussd_sessions WHERE service = ? AND session_id = ?"
_PUT: Final = (
    "UPDATE ussd_sessions SET state = ?, over = ?, touched_at = ?, held_until = ? "
    "WHERE service = ? AND session_id = ? AND holder = ? RETURNING waits"
)
_HOLD: Final = (
    "UPDATE ussd_sessions SET held_until = ? WHERE service = ? AND session_id = ? AND holder = ? AND held_until > ?"
)
_WAIT: Final = "UPDATE ussd_sessions SET waits = ? WHERE service = ? AND session_id = ? AND (waits < ? OR ? < 0)"
_LEFT: Final = (
    "SELECT session_id, state, waits, over FROM ussd_sessions WHERE mobile = ? AND service = ? AND session_id <> ? "
    "AND over = 0 AND touched_at >= ? AND held_until < ? ORDER BY touched_at DESC LIMIT 1"
)
_CLOSE: Final = (
    "UPDATE ussd_sessions SET over = 1, holder = '' "
    "WHERE service = ? AND session_id = ? AND over = 0 AND held_until < ? RETURNING state, waits, 0"
)
_LET_GO: Final = "UPDATE ussd_sessions SET held_until = 0 WHERE holder = ? AND held_until > 0"
_FORGET: Final = "DELETE FROM ussd_sessions WHERE touched_at < ? AND held_until < ?"

_NOBODY: Final = 0.0
_DECODER: Final = msgspec.json.Decoder(Kept)
_ENCODER: Final = msgspec.json.Encoder()


class StoredScreens:
    """`ivr.runtime.screens.ScreenStore`. `holder` is this process' name among those that share the sessions.

    `apart`: without the books' pen, so that processes never wait for each other's sessions; else many share one write,
    which is what one process wants that has the file alone.
    """

    def __init__(self, database: Database, holder: str, *, apart: bool) -> None:
        self._database = database
        self._holder = holder
        self._apart = apart

    async def take(self, key: Key, mobile: str, fresh: Kept, *, now: float, until: float, since: float) -> Taken:
        """See the port."""
        new = _written(fresh)
        values = (*key, mobile, new, now, self._holder, until, since, since, since, now, mobile, *key)

        while True:
            if (row := await self._do(Statement(_TAKE, values, key))) is not None:
                return Taken(_read(*row[:3]), True, row[0] == new, bool(row[3]))
            if (row := await self._do(Statement(_LOOK, key, key))) is not None:
                return Taken(_read(*row[:3]), False, False, False)
            # It was there and held, and is gone: between two statements another process has dropped it.

    async def look(self, key: Key) -> tuple[Kept, float] | None:
        """See the port."""
        row = await self._do(Statement(_LOOK, key, key))
        return None if row is None else (_read(*row[:3]), row[3])

    async def put(self, key: Key, kept: Kept, *, now: float, until: float | None) -> bool:
        """See the port. Raises BadInput for one that is too long to be kept."""
        state = _written(kept)
        values = (state, int(kept.over), now, _NOBODY if until is None else until, *key, self._holder)
        row = await self._do(Statement(_PUT, values, key))
        if row is not None:
            kept.waits = row[0]
        return row is not None

    async def hold(self, key: Key, until: float) -> None:
        """See the port."""
        await self._do(lambda connection: _none(connection.execute(_HOLD, (until, *key, self._holder, _NOBODY))))

    async def wait(self, key: Key, lines: int) -> None:
        """See the port."""
        await self._do(lambda connection: _none(connection.execute(_WAIT, (lines, *key, lines, lines))))

    async def left(self, service: str, mobile: str, but: str, since: float, now: float) -> Earlier | None:
        """See the port."""
        values = (mobile, service, but, since, now)
        row = await self._do(Statement(_LEFT, values, (service, but)))
        return None if row is None else Earlier(Key(service, row[0]), _read(*row[1:]))

    async def close(self, key: Key, now: float) -> Kept | None:
        """See the port."""
        row = await self._do(Statement(_CLOSE, (*key, now), key))
        return None if row is None else _read(*row)

    async def forget(self, before: float, now: float) -> int:
        """See the port."""
        return await self._do(lambda connection: int(connection.execute(_FORGET, (before, now)).rowcount))

    async def let_go(self) -> None:
        """What the process of this name before this one held, nobody holds: it is gone. Once, at the start."""
        await self._do(lambda connection: _none(connection.execute(_LET_GO, (self._holder,))))

    async def _do(self, job: Job[T]) -> T:
        return await (self._database.read(job) if self._apart else self._database.run(job))


def _written(kept: Kept) -> str:
    text = _ENCODER.encode(kept).decode()
    if len(text) > MOST_STATE:
        raise BadInput(f"a USSD session has {len(text)} characters, {MOST_STATE} at most")
    return text


def _read(state: str, waits: int, over: int) -> Kept:
    """What others say of a session while it is held stands beside its state."""
    kept = _DECODER.decode(state)
    kept.waits = waits
    kept.over = kept.over or bool(over)
    return kept


def _none(_: object) -> None:
    return None
