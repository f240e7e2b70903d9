"""CPU time of processes, from the kernel's own books.

Law: what a process's ended children used counts; a process that ended before it was asked is an error, never 0.
"""

import os
from pathlib import Path
from typing import Final

from ivr.domain.errors import Unusable

_UTIME: Final = 11
"""Index of utime after the program's name in /proc/<pid>/stat; stime, cutime and cstime follow."""


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and of its ended and living children. Raises Unusable when it is gone."""
    return _own(pid) + sum(cpu_seconds(child) for child in _children(pid))


def _own(pid: int) -> float:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        raise Unusable(f"process {pid} ended while it was being measured") from None
    fields = stat.rpartition(")")[2].split()
    return sum(int(field) for field in fields[_UTIME : _UTIME + 4]) / os.sysconf("SC_CLK_TCK")


def _children(pid: int) -> list[int]:
    try:
        listed = [task.joinpath("children").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return []
    return [int(child) for children in listed for child in children.split()]
