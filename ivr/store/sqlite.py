"""Opening SQLite files: rights, pragmas, migrations; and SQLite's errors in words a person can act on.

Law: a file is brought to this program's version before anyone uses it, whole or not at all; a file from a newer
version is refused. Whatever SQLite says of disks and files becomes one Unusable that names the file and the cure.
"""

import os
import sqlite3
from pathlib import Path
from typing import Final, Literal

from ivr.domain.errors import Unusable
from ivr.store.scripts import scripts

Schema = Literal["journal", "sessions", "dialplan"]

BUSY_SECONDS: Final = 5.0
"""How long we wait for another program (a backup, a person's sqlite3) to let go of the file."""
WAL_PAGES: Final = 1000
"""The log is folded into the database when it has grown to so many pages (4 MB), and then written over from its
beginning: an fsync of a file that does not grow costs less."""
_FILE_MODE: Final = 0o640

_CURES: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, a restart is not needed",
    sqlite3.SQLITE_IOERR: "reading or writing failed; look at the disk's free space and health, no restart is needed",
    sqlite3.SQLITE_READONLY: "it cannot be written; give this user the right to write it and its directory",
    sqlite3.SQLITE_PERM: "it cannot be opened; give this user the right to read and write it",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; see that its directory exists and that this user may write there",
    sqlite3.SQLITE_CORRUPT: "it is damaged; keep a copy of it and its -wal file, then restore a backup",
    sqlite3.SQLITE_NOTADB: "it is damaged or no database of ours; keep a copy of it, then restore a backup",
    sqlite3.SQLITE_BUSY: "another program keeps it locked; end that program",
    sqlite3.SQLITE_LOCKED: "another program keeps it locked; end that program",
    sqlite3.SQLITE_PROTOCOL: "another program keeps it locked; end that program",
    sqlite3.SQLITE_NOMEM: "memory ran out; give this machine more",
}


def connect(
    path: Path, schema: Schema, *, synchronous: Literal["FULL", "NORMAL"], alone: bool = False, guest: bool = False
) -> sqlite3.Connection:
    """Open for writing, creating and migrating as needed.

    `guest`: beside a process that owns the file: an older file is then refused, for that process knows it as it is.
    `alone`: nobody else may look into the file while it is open, and so no transaction asks the kernel for its locks.
    They fall with the process, however it ends. Raises Unusable. The connection commits only when told to, and may be
    handed to another thread.
    """
    try:
        # made by us first: SQLite would make it readable by everyone, and its -wal and -shm files copy these rights
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE))
    except OSError as exc:
        cure = "create its directory, free some space or mend its rights"
        raise Unusable(f"{path} cannot be opened: {exc.strerror}; {cure}") from None
    connection = None
    try:
        connection = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        if alone:
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")  # first: the log's index then is ordinary memory
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute(f"PRAGMA wal_autocheckpoint = {WAL_PAGES}")
        connection.execute("PRAGMA foreign_keys = ON")
        if not guest or _version(connection, path, schema) == 0:
            _migrate(connection, path, schema)
        _check_version(connection, path, schema)
    except (sqlite3.Error, Unusable) as exc:
        if connection is not None:
            connection.close()
        raise (explain(path, exc) if isinstance(exc, sqlite3.Error) else exc) from None
    return connection


def connect_reader(path: Path, schema: Schema) -> sqlite3.Connection:
    """Open for reading only, beside the process that writes. Raises Unusable."""
    if not path.exists():
        raise Unusable(f"{path} does not exist; the server writes it when it first starts in this directory")
    connection = None
    try:
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode=ro", BUSY_SECONDS, uri=True, isolation_level=None
        )
        _check_version(connection, path, schema)
    except (sqlite3.Error, Unusable) as exc:
        if connection is not None:
            connection.close()
        raise (explain(path, exc) if isinstance(exc, sqlite3.Error) else exc) from None
    return connection


def explain(path: Path, exc: BaseException) -> Unusable:
    """What to tell the person who can mend it."""
    cure = _CURES.get(_primary_code(exc), f"{exc}; this is a fault in the program, please report it")
    return Unusable(f"{path}: {cure} ({getattr(exc, 'sqlite_errorname', type(exc).__name__)})")


def is_outside(exc: BaseException) -> bool:
    """True when disk, file or another program is at fault, and not the statement."""
    return isinstance(exc, sqlite3.Error) and _primary_code(exc) in _CURES


def _primary_code(exc: BaseException) -> int:
    return getattr(exc, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _migrate(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    version = _version(connection, path, schema)
    for number, script in enumerate(scripts(schema)[version:], start=version + 1):
        try:
            # the version stands in the same transaction: a script counts whole or not at all
            connection.executescript(f"BEGIN IMMEDIATE;\n{script}\nPRAGMA user_version = {number};\nCOMMIT;")
        except sqlite3.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if _version(connection, path, schema) < number:  # else another process did it a moment before us
                raise


def _check_version(connection: sqlite3.Connection, path: Path, schema: Schema) -> None:
    if (version := _version(connection, path, schema)) != len(scripts(schema)):
        raise Unusable(f"{path} is of version {version}, an older one; start the server once to bring it up to date")


def _version(connection: sqlite3.Connection, path: Path, schema: Schema) -> int:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > (known := len(scripts(schema))):
        raise Unusable(
            f"{path} was written by a newer version of this program (its version is {version}, "
            f"we know up to {known}); install the newer program again"
        )
    return version
