"""The books in PostgreSQL, for several workers: transactions, migrations, and its errors in words a person can act on.

Laws:
- One worker writes at a time: a transaction begins by taking the book's lock. So the state table is checked against
  what is there now, whoever wrote it, and lines are numbered without a gap in the order in which they became safe.
- When the answer to a COMMIT is lost, the server is asked what became of it before anybody is told.
- A worker's name is held by a lock of its connection: it falls with the worker, and others then look after its
  payments. One that may still be at the bank is left alone for as long as a call can last.
- Nobody waits for ever for a server that says nothing: the connection is broken off, and then made anew.
"""

import os
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import TransactionStatus

from ivr.domain.errors import Unusable
from ivr.domain.secret import Secret
from ivr.store.backend import GUARDS, Connection
from ivr.store.scripts import scripts

SCHEMA: Final = "postgres"
"""The folder of its scripts."""

CONNECT_SECONDS: Final = 5
"""How long we wait for a server that does not answer, at most, before this try is given up."""
LOCK_SECONDS: Final = 10
"""How long a writer waits for the others. A worker that stands still in the middle of a transaction is thrown out by
the server after as long."""
STATEMENT_SECONDS: Final = 20
LEAST_VERSION: Final = 13_00_00
ORPHAN_AFTER: Final = 60.0
"""Seconds that another worker must be gone before its payments are looked after: it may be starting again, and its
callers may still be at the bank."""
LONGEST_GROUP: Final = float(STATEMENT_SECONDS + LOCK_SECONDS + CONNECT_SECONDS)
"""Seconds after which work that does not end is broken off: the server would have answered or refused by then."""
WATCH_EVERY: Final = 1.0
ASK_PAUSES: Final = (0.0, 0.2, 1.0, 3.0)
"""Seconds before each question what became of a commit."""

_SETTINGS: Final = {
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "idle_in_transaction_session_timeout": f"{LOCK_SECONDS}s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "TimeZone": "UTC",
}
_CLIENT: Final = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 1000 * (LOCK_SECONDS + CONNECT_SECONDS),
}
"""How a host that is gone is noticed from our side; the settings above are for the server's."""
_BOOK: Final = 0x697672
"""The class of our advisory locks of a database; which schema's follows."""
_WORKER: Final = 0x697773

_OWN_GUARDS: Final = GUARDS | {
    "entries_are_not_emptied",
    "payments_are_not_emptied",
    "payments_stay_what_they_are",
    "registrations_are_not_emptied",
}

_CURES: Final = (
    (errors.DiskFull, "its disk is full; free some space there, a restart is not needed"),
    (errors.LockNotAvailable, "another worker keeps it locked; look for one that stands still"),
    (errors.QueryCanceled, "it did not answer in time; look at its load"),
    (errors.IdleInTransactionSessionTimeout, "we stood still for too long in the middle of a write; look at our load"),
    (errors.ReadOnlySqlTransaction, "it takes no writes; is it a standby? name the primary"),
    (errors.InsufficientPrivilege, "this user may not do that; make the user the owner of the schema"),
    (errors.InvalidAuthorizationSpecification, "it does not let this user in; look at user, password and pg_hba.conf"),
    (errors.InvalidCatalogName, "there is no such database; create it (createdb)"),
    (errors.TooManyConnections, "it has too many connections; raise max_connections"),
    (errors.InvalidSchemaName, "there is no such schema; create it"),
    (psycopg.OperationalError, "it cannot be reached; see that it runs and that host and port are right"),
    (psycopg.InterfaceError, "it cannot be reached; see that it runs and that host and port are right"),
)


class Postgres:
    """`ivr.store.backend.Backend`. Raises Unusable when the server cannot be used at first; later it connects anew.

    `worker` is this process' name among those who write here; None for one that makes no payments.
    `guest`: beside workers: an older database is then refused, for they know it as it is.
    `must_be`: nothing is made or changed there.
    `lazy`: what is written need not be safe from a power cut at once.
    """

    def __init__(
        self,
        conninfo: Secret,
        worker: str | None,
        clock: Callable[[], float] = time.monotonic,
        *,
        guest: bool = False,
        must_be: bool = False,
        lazy: bool = False,
    ) -> None:
        self._conninfo = conninfo
        self._worker = worker
        self._clock = clock
        self._lazy = lazy
        self.name = _name(conninfo)
        self._xid = ""
        self._gone_since: dict[str, float] = {}
        self._busy_since: float | None = None
        self._closed = threading.Event()
        self._raw: psycopg.Connection[Any]
        self._connect()
        try:
            if not must_be and (not guest or _version(self._raw, self.name) == 0):
                _migrate(self._raw, self.name)
            _check_version(self._raw, self.name)
        except psycopg.Error as exc:
            self._raw.close()
            raise self.explain(exc) from None
        except Unusable:
            self._raw.close()
            raise
        threading.Thread(target=self._watch, name="store watch", daemon=True).start()

    @property
    def connection(self) -> Connection:
        """See the port."""
        return _Translated(self._raw)

    def ready(self) -> None:
        """See the port."""
        self._busy_since = time.monotonic()
        if self._raw.closed:
            self._connect()
        self.rollback()
        self._busy_since = time.monotonic()

    def together(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> Sequence[Any]:
        """See the port. One journey for all of them, which the server takes as one transaction."""
        try:
            with self._raw.pipeline():
                cursors = [self._raw.execute(_translated(sql), values) for sql, values in statements]
            return [cursor.fetchone() for cursor in cursors]
        except psycopg.Error:
            if self._raw.closed:
                raise
            return ()

    def is_lost(self, exc: BaseException) -> bool:
        """See the port."""
        return self.is_own(exc) and self._raw.closed

    def begin(self) -> None:
        """See the port. A connection that was lost meanwhile is made anew: nothing is under way on it."""
        self._busy_since = time.monotonic()
        try:
            self._begin()
        except (psycopg.OperationalError, psycopg.InterfaceError):
            if not self._raw.closed:
                raise
            self._connect()
            self._begin()

    def commit(self) -> None:
        """See the port."""
        if not self._raw.closed and self._raw.info.transaction_status is not TransactionStatus.INTRANS:
            raise Unusable(
                f"{self.name}: a job ended its transaction; this is a fault in the program, please report it"
            )
        try:
            self._raw.execute("COMMIT")
        except psycopg.Error:
            if not self._raw.closed or not self._became_safe():
                raise

    def rollback(self) -> None:
        """See the port."""
        if not self._raw.closed and self._raw.info.transaction_status is not TransactionStatus.IDLE:
            self._raw.execute("ROLLBACK")
        self._busy_since = None

    def check(self) -> None:
        """The server keeps its own files: only note that this work has ended."""
        self._busy_since = None

    def touch(self, connection: Connection) -> None:
        """See the port."""
        connection.execute("UPDATE touched SET times = times + 1")

    def is_own(self, exc: BaseException) -> bool:
        """See the port."""
        return isinstance(exc, psycopg.Error)

    def is_outside(self, exc: BaseException) -> bool:
        """See the port."""
        return any(isinstance(exc, kind) for kind, _ in _CURES)

    def explain(self, exc: BaseException) -> Unusable:
        """See the port."""
        return _explain(self.name, exc)

    def others(self, connection: Connection) -> frozenset[str]:
        """Workers that are there, or were until a moment ago."""
        now, found = self._clock(), set()
        for worker, is_there in connection.execute(_WORKERS, (_WORKER,)):
            if worker in (self._worker, ""):
                continue
            if is_there:
                self._gone_since.pop(worker, None)
                found.add(worker)
            elif now - self._gone_since.setdefault(worker, now) < ORPHAN_AFTER:
                found.add(worker)
        return frozenset(found)

    def close(self) -> None:
        """Let go of the server."""
        self._closed.set()
        self._raw.close()

    def _watch(self) -> None:
        """Break the connection off under work that does not end: who waits for it hears so, and others go on."""
        while not self._closed.wait(WATCH_EVERY):
            began = self._busy_since
            if began is not None and time.monotonic() - began > LONGEST_GROUP:
                with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(self._raw.fileno())) as line:
                    line.shutdown(socket.SHUT_RDWR)

    def _begin(self) -> None:
        self.rollback()
        self._busy_since = time.monotonic()
        self._raw.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        row = self._raw.execute(_TAKE_PEN, (_BOOK,)).fetchone()
        self._xid = str(row[1]) if row else ""

    def _connect(self) -> None:
        self._raw = connect(self._conninfo, self.name)
        if self._lazy:
            self._raw.execute("SET synchronous_commit TO off")
        if self._worker is None:
            return
        try:
            mine = self._raw.execute(_TAKE_NAME, (_WORKER, self._worker)).fetchone()
        except psycopg.Error as exc:
            self._raw.close()
            raise self.explain(exc) from None
        if not (mine and mine[0]):
            self._raw.close()
            raise Unusable(
                f"{self.name}: a worker named '{self._worker}' writes here already; end it, or give this one another "
                "name (worker: …)"
            )

    def _became_safe(self) -> bool:
        """What became of a commit whose answer was lost. Raises Unusable when nobody can say."""
        for pause in ASK_PAUSES:
            time.sleep(pause)
            with suppress(psycopg.Error, Unusable):
                if self._raw.closed:
                    self._connect()
                row = self._raw.execute("SELECT pg_xact_status(%s::xid8)", (self._xid,)).fetchone()
                if row and row[0] in ("committed", "aborted"):
                    return bool(row[0] == "committed")
        raise Unusable(
            f"{self.name}: the connection broke while it wrote, and nobody can say whether it was written; "
            "see that it runs"
        )


class PostgresReader:
    """`ivr.store.backend.Reader`. Raises Unusable."""

    def __init__(self, conninfo: Secret) -> None:
        self.name = _name(conninfo)
        self._raw = connect(conninfo, self.name)
        try:
            _check_version(self._raw, self.name)
        except psycopg.Error as exc:
            self._raw.close()
            raise _explain(self.name, exc) from None
        except Unusable:
            self._raw.close()
            raise

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """See the port."""
        try:
            self._raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            try:
                yield _Translated(self._raw)
            finally:
                self._raw.execute("ROLLBACK")
        except psycopg.Error as exc:
            raise _explain(self.name, exc) from None

    def rows(self, connection: Connection, sql: str, parameters: Sequence[Any] = ()) -> Iterator[Any]:
        """See the port."""
        with self._raw.cursor(name=f"rows_{zlib.crc32(sql.encode())}") as cursor:
            yield from cursor.execute(_translated(sql), parameters)

    def lost_guards(self, connection: Connection) -> Sequence[str]:
        """See the port."""
        there = {name for (name,) in connection.execute(_TRIGGERS)}
        return sorted(_OWN_GUARDS - there)

    def close(self) -> None:
        """Let go of the server."""
        self._raw.close()


def connect(conninfo: Secret, name: str) -> psycopg.Connection[Any]:
    """A connection on which each statement counts at once. Raises Unusable, never saying more than `name`."""
    try:
        known = conninfo_to_dict(conninfo.reveal())
        options = " ".join(f"-c {key}={value}" for key, value in _SETTINGS.items())
        made = make_conninfo(
            conninfo.reveal(),
            connect_timeout=known.get("connect_timeout") or CONNECT_SECONDS,
            application_name=known.get("application_name") or "ivr",
            **{name: known.get(name) or value for name, value in _CLIENT.items()},
            options=f"{options} {known.get('options') or ''}".strip(),
        )
    except psycopg.Error:
        raise Unusable("'database' cannot be read as a PostgreSQL address (postgresql://user@host/database)") from None
    try:
        connection = psycopg.connect(made, autocommit=True)
        if connection.info.server_version < LEAST_VERSION:
            connection.close()
            raise Unusable(f"{name}: PostgreSQL {LEAST_VERSION // 10_000} or newer is needed")
        for setting in ("fsync", "synchronous_commit"):
            value = connection.execute("SELECT current_setting(%s)", (setting,)).fetchone()
            if value and value[0] == "off":
                connection.close()
                raise Unusable(f"{name}: '{setting}' is off there, and a power cut would lose payments; switch it on")
    except psycopg.Error as exc:
        raise _explain(name, exc) from None
    return connection


class _Translated:
    """A connection that takes our statements."""

    __slots__ = ("_raw",)

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self._raw = raw

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        """See the port."""
        return self._raw.execute(_translated(sql), parameters)


@lru_cache(maxsize=256)
def _translated(sql: str) -> bytes:
    return sql.replace("%", "%%").replace("?", "%s").encode()


_HERE: Final = "hashtext(current_schema())"
_TAKE_PEN: Final = f"SELECT pg_advisory_xact_lock(%s, {_HERE}), pg_current_xact_id()::text"
_NAMED: Final = "hashtext(current_schema() || '/' || {})"
"""A worker's lock: of its name among those who keep the same books."""
_TAKE_NAME: Final = f"SELECT pg_try_advisory_lock(%s, {_NAMED.format('%s')})"
_WORKERS: Final = (
    "SELECT worker, EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND granted AND classid = ? "  # noqa: S608
    f"AND objid::bigint = ({_NAMED.format('worker')}::bigint & 4294967295) "
    "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())) "
    "FROM (SELECT DISTINCT worker FROM payments WHERE state IN ('sent', 'unknown')) AS workers"
)
_TRIGGERS: Final = (
    "SELECT tgname FROM pg_trigger JOIN pg_class ON pg_class.oid = tgrelid "
    "WHERE relnamespace = current_schema()::regnamespace AND NOT tgisinternal AND tgenabled IN ('O', 'A')"
)


def _migrate(connection: psycopg.Connection[Any], name: str) -> None:
    with connection.transaction():
        connection.execute(_TAKE_PEN, (_BOOK,))  # two workers that start together
        version = _version(connection, name)
        if version == 0:
            connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
            connection.execute("INSERT INTO schema_version (version) VALUES (0)")
        for script in scripts(SCHEMA)[version:]:
            connection.execute(script.encode())
        if version < len(scripts(SCHEMA)):
            connection.execute("UPDATE schema_version SET version = %s", (len(scripts(SCHEMA)),))


def _check_version(connection: psycopg.Connection[Any], name: str) -> None:
    version = _version(connection, name)
    if version == 0:
        raise Unusable(f"{name} does not exist yet as books of ours; the server makes them when it first starts")
    if version != len(scripts(SCHEMA)):
        raise Unusable(f"{name} is of version {version}, an older one; start the server once to bring it up to date")


def _version(connection: psycopg.Connection[Any], name: str) -> int:
    """0 when there is nothing yet. Raises Unusable for a newer one than ours."""
    there = connection.execute("SELECT to_regclass('schema_version')").fetchone()
    if there is None or there[0] is None:
        return 0
    row = connection.execute("SELECT version FROM schema_version").fetchone()
    version = int(row[0]) if row else 0
    if version > (known := len(scripts(SCHEMA))):
        raise Unusable(
            f"{name} was written by a newer version of this program (its version is {version}, we know up to {known}); "
            "install the newer program again"
        )
    return version


def _name(conninfo: Secret) -> str:
    try:
        known = conninfo_to_dict(conninfo.reveal())
    except psycopg.Error:
        return "PostgreSQL"
    return f"PostgreSQL {known.get('dbname') or '(default)'} at {known.get('host') or 'this machine'}"


def _explain(name: str, exc: BaseException) -> Unusable:
    cure = next((cure for kind, cure in _CURES if isinstance(exc, kind)), None)
    state = getattr(exc, "sqlstate", None) or type(exc).__name__
    if cure is None:
        return Unusable(f"{name}: {type(exc).__name__}; this is a fault in the program, please report it ({state})")
    return Unusable(f"{name}: {cure} ({state})")
