"""What many runs came to, as a table for people and as JSON for programs."""

import json
import os
import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

from ivr.lab.chaos.run import Result

KINDS = {
    "journal": "at a write of the journal",
    "sessions": "at a write of the snapshots",
    "connect": "before connecting",
    "send": "before the first byte",
    "sent": "after the last byte",
    "answer": "with an answer read",
    "prompt": "at a prompt",
    "dial": "at dialling",
    "link": "at giving a link out",
}


@dataclass(slots=True)
class Sum:
    """All runs, or those of one scenario."""

    runs: int = 0
    cuts: int = 0
    second_cuts: int = 0
    charges: int = 0
    by_call: int = 0
    by_reconciler: int = 0
    for_people: int = 0
    declined: int = 0
    findings: int = 0

    def add(self, result: Result) -> None:
        """One run more."""
        self.runs += 1
        self.cuts += len(result.cut)
        self.second_cuts += len(result.cut) > 1
        self.charges += result.charges
        self.by_call += result.by_call
        self.by_reconciler += result.by_reconciler
        self.for_people += result.for_people
        self.declined += result.declined
        self.findings += len(result.findings)


@dataclass(slots=True)
class Report:
    """Adds up while the runs come in."""

    seconds: float = 0.0
    total: Sum = field(default_factory=Sum)
    by_scenario: dict[str, Sum] = field(default_factory=dict)
    by_kind: Counter[str] = field(default_factory=Counter)
    failed: list[Result] = field(default_factory=list)

    def add(self, results: Iterable[Result], *, stop: bool = False) -> None:
        """These runs more. `stop`: look no further than the first that found something."""
        for result in results:
            self.total.add(result)
            self.by_scenario.setdefault(result.plan.scenario.name, Sum()).add(result)
            self.by_kind.update(cut.kind for cut in result.cut)
            if result.findings:
                self.failed.append(result)
                if stop:
                    return

    def as_json(self) -> str:
        """The figures."""
        figures: dict[str, Any] = {
            "machine": {"processors": os.cpu_count(), "python": platform.python_version(), "system": platform.system()},
            "seconds": round(self.seconds, 1),
            "total": _plain(self.total),
            "scenarios": {name: _plain(own) for name, own in self.by_scenario.items()},
            "cuts": dict(self.by_kind),
            "findings": sorted({kind for result in self.failed for kind, _ in result.findings}),
            "failed": [str(result.plan) for result in self.failed],
        }
        return json.dumps(figures, indent=1)


def show(report: Report, providers: Sequence[tuple[str, str]], console: Console | None = None) -> None:
    """The table. `providers`: each scenario's name and whose money it is."""
    console = console or Console(width=120)
    table = Table(title=f"{report.total.runs} runs in {report.seconds:.0f} seconds")
    for column in (
        *("payment", "provider", "runs", "cuts", "second cuts", "charges"),
        *("approved by the call", "by the reconciler", "declined", "left to people", "findings"),
    ):
        table.add_column(column, justify="left" if column in ("payment", "provider") else "right")
    for name, provider in providers:
        if (own := report.by_scenario.get(name)) is not None:
            table.add_row(name, provider, *map(str, _plain(own).values()))
    table.add_section()
    table.add_row("all", "", *map(str, _plain(report.total).values()))
    console.print(table)
    console.print(
        "cut: " + ", ".join(f"{KINDS.get(kind, kind)} {count}" for kind, count in report.by_kind.most_common())
    )


def _plain(own: Sum) -> dict[str, int]:
    names = ("runs", "cuts", "second_cuts", "charges", "by_call", "by_reconciler", "declined", "for_people", "findings")
    return {name: getattr(own, name) for name in names}
