"""What is wrong with what a person wrote, and where. All of it at once, never only the first."""

from collections.abc import Iterable
from dataclasses import dataclass

from ivr.domain.errors import BadInput


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One fault as `file:line: message`, or `file:line:column: message` where a column is known (both from 1)."""

    file: str
    line: int
    message: str
    column: int | None = None

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.column is None else f"{self.file}:{self.line}:{self.column}"
        return f"{place}: {self.message}"


class CatalogueFaults(BadInput):
    """A catalogue that cannot be used; `faults` holds every reason, in the order of the files."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(faults, key=lambda fault: (fault.file, fault.line, fault.column or 0)))
        super().__init__("\n".join(map(str, self.faults)))
