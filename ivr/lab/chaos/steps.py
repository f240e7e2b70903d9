"""Counts what a process does on its way to a payment, and ends it at one of these points.

Law: a point is counted and written down before it is passed, so the file says how far a killed process came. The end
is SIGKILL: nothing is flushed, nothing is said.
"""

import itertools
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

LATER: Final = 5.0
"""A thread that has killed its own process waits so long for it, at most."""


@dataclass(frozen=True, slots=True)
class Passed:
    """One point that a process came to. `kind` is what it was about, `what` is for people."""

    number: int
    kind: str
    what: str


class Steps:
    """One for each process. `cut`: the number of the point at which it ends; None: nowhere."""

    def __init__(self, file: Path, cut: int | None) -> None:
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._cut = cut
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._armed = False

    def arm(self) -> None:
        """Count from now on: what comes before is the start of a process, and no payment's."""
        self._armed = True

    def at(self, kind: str, what: str) -> None:
        """This point is reached. Safe from every thread."""
        if not self._armed:
            return
        with self._lock:
            number = next(self._numbers)
            os.write(self._file, f"{number}\t{kind}\t{what}\n".encode())
            if number == self._cut:
                os.kill(os.getpid(), signal.SIGKILL)
                signal.sigtimedwait(set(), LATER)


def passed(file: Path) -> list[Passed]:
    """The points that this process came to, the last one first to last."""
    if not file.exists():
        return []
    lines = [line.split("\t") for line in file.read_text(encoding="utf-8").splitlines()]
    return [Passed(int(number), kind, what) for number, kind, what in lines]
