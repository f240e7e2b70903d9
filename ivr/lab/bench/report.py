"""The figures as a table for people and as JSON for programs.

Law: nothing is rounded away in the JSON, and the table says what each figure is. A median of rounds hides no failed
call: those are added up.
"""

import json
import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from ivr.lab.bench import settings
from ivr.lab.bench.run import Results, Round
from ivr.lab.bench.ways import WAYS

APPLICATION_MS: Final = 8.0
RATIO: Final = 1.6
ADDED_MS: Final = 20.0
WIDTH: Final = 120
OURS: Final = "c"
MEASURE: Final = "a"


@dataclass(frozen=True, slots=True)
class Figures:
    """One way's figures. Milliseconds; None where nothing was seen."""

    way: str
    calls: int
    failed: int
    asterisk_ms: float
    """CPU of Asterisk per paid call."""
    application_ms: float
    menu: Sequence[float]
    invoice: Sequence[float]
    keys: int
    holds: int
    """Calls a second, the highest rate without a failed call; 0 when there is none."""

    @property
    def total_ms(self) -> float:
        """CPU of both per paid call."""
        return self.asterisk_ms + self.application_ms


def figures(results: Results, letter: str) -> Figures:
    """What all rounds of one way come to: CPU is the median of the measured rounds, delays are taken together."""
    own = [one for one in results.rounds if one.way == letter]
    measured = [one for one in own if one.delays is not None]
    heard = [one.delays for one in measured if one.delays is not None]
    return Figures(
        way=letter,
        calls=sum(one.calls for one in own),
        failed=sum(one.failed for one in own),
        asterisk_ms=median(_per_call(one, one.asterisk_cpu) for one in measured),
        application_ms=median(_per_call(one, one.application_cpu) for one in measured),
        menu=sorted(1000 * delay for one in heard for delay in one.menu),
        invoice=sorted(1000 * delay for one in heard for delay in one.invoice),
        keys=sum(one.keys for one in heard),
        holds=_holds(own),
    )


def percentile(ordered: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all does not exceed; NaN of nothing."""
    if not ordered:
        return float("nan")
    return ordered[max(0, -(-int(share * 100) * len(ordered) // 100) - 1)]


def show(results: Results, console: Console | None = None) -> None:
    """Print everything."""
    console = console or Console(width=max(WIDTH, Console().width))
    all_ = [figures(results, kind.letter) for kind in WAYS]
    base = next(one for one in all_ if one.way == MEASURE)
    table = Table(
        "",
        "Asterisk",
        "application",
        "both",
        "ratio to (a)",
        "key 1",
        "key #",
        "failed",
        "holds",
        title=_title(results),
    )
    for kind, one in zip(WAYS, all_, strict=True):
        table.add_row(
            f"({kind.letter}) {kind.what}",
            f"{one.asterisk_ms:.1f}",
            f"{one.application_ms:.1f}",
            f"{one.total_ms:.1f}",
            f"{one.total_ms / base.total_ms:.2f} x",
            _both(one.menu),
            _both(one.invoice),
            f"{one.failed}/{one.calls}",
            f"{one.holds}/s",
        )
    console.print(table)
    for line in (_LEGEND, *verdicts(all_)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def verdicts(all_: Sequence[Figures]) -> list[str]:
    """Our own targets, and whether they are met."""
    ours = next(one for one in all_ if one.way == OURS)
    base = next(one for one in all_ if one.way == MEASURE)
    menu, invoice = added(ours, base)
    return [
        verdict("CPU of the application per paid call", ours.application_ms, APPLICATION_MS, "ms"),
        verdict("CPU of both, against (a)", ours.total_ms / base.total_ms, RATIO, "times"),
        verdict("delay added after key 1, p99 (c) - p99 (a)", menu, ADDED_MS, "ms"),
        verdict("delay added after key #, p99 (c) - p99 (a)", invoice, ADDED_MS, "ms"),
        verdict("failed calls of (c)", float(ours.failed), 0.0, ""),
    ]


def added(ours: Figures, base: Figures) -> tuple[float, float]:
    """How much later than (a) we are at p99, after the key 1 and after #."""
    return (
        percentile(ours.menu, 0.99) - percentile(base.menu, 0.99),
        percentile(ours.invoice, 0.99) - percentile(base.invoice, 0.99),
    )


def as_json(results: Results) -> str:
    """Everything, for programs."""
    all_ = [figures(results, kind.letter) for kind in WAYS]
    base = next(one for one in all_ if one.way == MEASURE)
    content = {
        "asterisk": results.asterisk,
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "rate": results.plan.rate,
        "ways": {kind.letter: _way(kind.what, one, base) for kind, one in zip(WAYS, all_, strict=True)},
        "rounds": [_round(one) for one in results.rounds],
        "targets": verdicts(all_),
    }
    return json.dumps(content, indent=2) + "\n"


def _way(what: str, one: Figures, base: Figures) -> dict[str, Any]:
    menu, invoice = added(one, base)
    return {
        "what": what,
        "calls": one.calls,
        "failed": one.failed,
        "cpu_ms_per_paid_call": {
            "asterisk": one.asterisk_ms,
            "application": one.application_ms,
            "both": one.total_ms,
            "ratio_to_a": one.total_ms / base.total_ms,
        },
        "post_key_ms": {
            "menu": _spread(one.menu, menu),
            "invoice": _spread(one.invoice, invoice),
            "keys": one.keys,
        },
        "holds_calls_per_second": one.holds,
    }


def _spread(delays: Sequence[float], added_p99: float) -> dict[str, float | int]:
    return {
        "seen": len(delays),
        "p50": percentile(delays, 0.5),
        "p99": percentile(delays, 0.99),
        "added_p99": added_p99,
    }


def _round(one: Round) -> dict[str, Any]:
    return {
        "way": one.way,
        "rate": one.rate,
        "calls": one.calls,
        "failed": one.failed,
        "asterisk_cpu_ms_per_paid_call": _per_call(one, one.asterisk_cpu),
        "application_cpu_ms_per_paid_call": _per_call(one, one.application_cpu),
    }


def _per_call(one: Round, cpu: float) -> float:
    return 1000 * cpu / one.paid if one.paid else float("nan")


def _holds(rounds: Sequence[Round]) -> int:
    fallen = min((one.rate for one in rounds if one.failed), default=None)
    return max((one.rate for one in rounds if fallen is None or one.rate < fallen), default=0)


def _both(delays: Sequence[float]) -> str:
    return f"{percentile(delays, 0.5):.0f} / {percentile(delays, 0.99):.0f}"


def verdict(what: str, value: float, limit: float, unit: str) -> str:
    """A line that says whether a target is met."""
    met = "met" if value <= limit else "MISSED"
    return f"{met:>6}  {what}: {value:.4g} {unit}".rstrip() + f" (at most {limit:g})"


def _title(results: Results) -> str:
    plan = results.plan
    return (
        f"One paid call, Asterisk {results.asterisk}, {os.cpu_count()} processors: "
        f"{plan.rounds} x {plan.calls} calls at {plan.rate}/s by each way"
    )


_LEGEND: Final = f"""
Asterisk, application, both   Milliseconds of CPU per paid call (user and system, from /proc, children included), the
  median of the rounds. Callers and bank (SIPp) and the provider (a process of its own) are not counted.
key 1   Milliseconds, p50 / p99, from the end of the key that agrees (its first RTP packet with the end bit) to the
  first RTP packet of the next prompt; nobody is asked in between. Seen on the loopback interface, kernel's clock.
key #   The same from the end of # after the invoice number to the amount's first packet. The provider is asked in
  between, and its time is part of the figure for all three alike; (c) also looks into its books.
failed   Of all calls, those not paid by everybody's books: the caller had the whole call, the provider has the money,
  the way was told so before the caller hung up, and the journal of (c) says approved.
holds   The highest rate tried without a failed call, callers, bank and provider on the same machine.
(a) and (b) keep no books and cannot say later what became of a payment. All prompts are cut to
  {settings.PROMPT_SECONDS:g} s.
"""
