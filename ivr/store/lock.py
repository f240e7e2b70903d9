"""The lock that makes one process the owner of a data directory.

Law: the kernel holds the lock (flock), so it is free again the moment its holder is gone, `kill -9` included.
The file itself stays: deleting it would let two processes lock two files of the same name.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ivr.domain.errors import Unusable

_FILE_MODE: Final = 0o640
_MOST_PID_BYTES: Final = 32


class Lock:
    """Held from construction to `release`. Raises Unusable, naming the file and its holder, when another has it."""

    def __init__(self, path: Path) -> None:
        try:
            # close-on-exec is Python's default: a program that we start must not keep the lock after our death
            self._file = os.open(path, os.O_RDWR | os.O_CREAT, _FILE_MODE)
        except OSError as exc:
            raise Unusable(
                f"{path} cannot be opened: {exc.strerror}; create its directory or mend its rights"
            ) from None
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as exc:
            holder = os.pread(self._file, _MOST_PID_BYTES, 0).decode("ascii", "replace").strip()
            os.close(self._file)
            if not isinstance(exc, BlockingIOError):
                raise Unusable(f"{path} cannot be locked: {exc.strerror}; use a local disk") from None
            who = f"process {holder}" if holder else "another process"
            raise Unusable(f"{path} is held by {who}: only one may write here; end that one first") from None
        try:
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, f"{os.getpid()}\n".encode(), 0)
        except OSError as exc:
            os.close(self._file)
            raise Unusable(f"{path} cannot be written: {exc.strerror}; free some space") from None

    def release(self) -> None:
        """Let another process have it."""
        os.close(self._file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.release()
