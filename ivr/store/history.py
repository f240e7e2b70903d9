"""What people read of the dialplan's versions, beside the process that keeps them.

Law: it only reads. The newest use is the one of now, whether or not a process runs.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from ivr.domain.errors import BadInput
from ivr.flow.versions import Files, changed
from ivr.store.dialplans import digest, files_of
from ivr.store.sqlite import connect_reader, explain

MOST_LISTED: Final = 20
"""So many uses are listed when nobody says otherwise."""
ACTIVE: Final = "active"
PREVIOUS: Final = "previous"
"""Words for the version in use, and for the one that was before it."""

_USES: Final = "SELECT version, at, how, who FROM uses ORDER BY number DESC LIMIT ?"


@dataclass(frozen=True, slots=True)
class Use:
    """A version that was taken into use at `at` (seconds since 1970, UTC), until the next one was."""

    version: str
    at: float
    how: str
    who: str
    changed: tuple[str, ...]
    """The files that differ from the version in use before; for the first, all of them."""


class History:
    """The versions in this file (`<data directory>/dialplan.sqlite`). Everything raises Unusable, naming the file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection = connect_reader(path, "dialplan")

    def uses(self, limit: int = MOST_LISTED) -> list[Use]:
        """Newest first."""
        rows = self._rows(_USES, limit + 1)
        texts = [self._files(version) for version, *_ in rows] + [{}]
        found = [
            Use(*row, tuple(changed(before, after))) for row, after, before in zip(rows, texts, texts[1:], strict=False)
        ]
        return found[:limit]

    def find(self, name: str) -> str:
        """The id that a person means: the beginning of one, `active` or `previous`. Raises BadInput."""
        if name in (ACTIVE, PREVIOUS):
            rows = self._rows(_USES, 2)
            wanted = (ACTIVE, PREVIOUS).index(name)
            if len(rows) <= wanted:
                raise BadInput("there is no earlier version" if rows else "no version was ever in use")
            return str(rows[wanted][0])
        ids = {str(row[0]) for row in self._rows("SELECT DISTINCT version FROM uses")}
        found = sorted(one for one in ids if name and one.startswith(name))
        if len(found) != 1:
            which = f"{' and '.join(found)} both begin with '{name}'" if found else f"there is no version '{name}'"
            raise BadInput(f"{which}; see: ivr dialplan versions")
        return found[0]

    def files(self, version: str) -> Files:
        """The texts of a version whose id `find` gave."""
        return self._files(version)

    def unknown(self, texts: Iterable[str]) -> list[str]:
        """Those of these texts that no version has: nobody could bring them back."""
        known = "SELECT 1 FROM texts WHERE digest = ?"
        return [text for text in texts if not self._rows(known, digest(text))]

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _files(self, version: str) -> dict[str, str]:
        try:
            return files_of(self._connection, version) or {}
        except sqlite3.Error as exc:
            raise explain(self._path, exc) from None

    def _rows(self, query: str, *values: object) -> list[tuple[str, float, str, str]]:
        try:
            return self._connection.execute(query, values).fetchall()
        except sqlite3.Error as exc:
            raise explain(self._path, exc) from None
