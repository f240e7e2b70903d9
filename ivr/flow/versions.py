"""A version of the dialplan: the texts of its files taken together, named by a digest of them.

Law: equal texts are the same version, whoever wrote them and whenever. Nothing here touches a file.
"""

import difflib
import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from ivr.flow.model import Dialplan

ID_LENGTH: Final = 12
"""Hexadecimal digits of a version's id."""

Files = Mapping[str, str]
"""File name below the dialplan's directory (`numbers.yaml`, `flows/pay.yaml`) -> its text."""


class Loaded(NamedTuple):
    """A dialplan without faults, and the very texts that it was read from."""

    dialplan: Dialplan
    files: Files


def version_of(files: Files) -> str:
    """The id of these texts."""
    return hashlib.sha256(json.dumps(sorted(files.items())).encode()).hexdigest()[:ID_LENGTH]


def changed(before: Files, after: Files) -> list[str]:
    """The names of files that were added, removed or changed, sorted."""
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def diff(before: Files, after: Files, was: str, now: str) -> str:
    """A unified diff of everything that differs; `was` and `now` are what both are called. Empty when nothing does."""
    return "".join(line for name in changed(before, after) for line in _of_one(name, before, after, was, now))


def _of_one(name: str, before: Files, after: Files, was: str, now: str) -> Iterator[str]:
    old = f"{was}/{name}" if name in before else "/dev/null"
    new = f"{now}/{name}" if name in after else "/dev/null"
    was_lines, now_lines = (files.get(name, "").splitlines(keepends=True) for files in (before, after))
    for line in difflib.unified_diff(was_lines, now_lines, old, new):
        yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
