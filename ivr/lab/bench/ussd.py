"""USSD requests a second on one worker with the store on, beside a bare FastAPI endpoint on the same machine in the
same minute.

Law: the ways take turns, round by round, so that a busy moment of the machine meets all of them; a ratio is the median
of the rounds' own ratios. A client that was busy itself, or one wrong answer, is told and never hidden.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.table import Table

from ivr.domain.errors import Unusable
from ivr.lab.addresses import free_port
from ivr.lab.bench.cpu import cpu_seconds
from ivr.lab.bench.report import WIDTH, percentile, verdict
from ivr.lab.bench.ussd_client import Heard, Order
from ivr.lab.postgres import running
from ivr.lab.ussd_load.workers import REGISTER, Worker

BARE, SQLITE, POSTGRES = "bare FastAPI endpoint", "USSD, SQLite", "USSD, PostgreSQL"
BOOKED_SQLITE, BOOKED_POSTGRES = "… registering, SQLite", "… registering, PostgreSQL"
SCREENS: Final = ("1", "2")
"""A session's lines, each a code that is too short: three screens, and nothing to be booked."""
REGISTERS: Final = ("4711",)
"""A code: two screens, and a line in the books that is safe from a power cut before the second one is shown."""
ALL: Final = (BARE, SQLITE, POSTGRES, BOOKED_SQLITE, BOOKED_POSTGRES)
LEAST_SHARE: Final = 1 / 3
MOST_ADDED_MS: Final = 50.0
MOST_CLIENT: Final = 0.7
"""Of one processor; a client that is busier measures itself."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is run."""

    rounds: int = 3
    seconds: float = 4.0


SHORT: Final = Plan(1, 1.0)
"""To see that everything works."""


@dataclass(slots=True)
class Measured:
    """One way. `full`: as much as it answers; `half`: at half of the median of that."""

    what: str
    full: list[Heard] = field(default_factory=list)
    half: list[Heard] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Microseconds of the server's CPU per request, round by round of `full`."""

    @property
    def a_second(self) -> float:
        """The median round."""
        return median(one.a_second for one in self.full)

    @property
    def wrong(self) -> int:
        """Answers that were not what they should be."""
        return sum(one.wrong for one in (*self.full, *self.half))

    @property
    def client(self) -> float:
        """The busiest client's share of a processor."""
        return max(one.cpu for one in (*self.full, *self.half))

    def at_half(self, share: float) -> float:
        """A percentile of all rounds at half load, ms."""
        return percentile(sorted(one for heard in self.half for one in heard.latencies), share)


@dataclass(slots=True)
class _Way:
    measured: Measured
    port: int
    pid: int
    lines: Sequence[str]
    sessions: list[int]
    """How many there were; shared by those who share a store."""


async def run(plan: Plan, progress: Callable[[str], None], home: Path | None = None) -> list[Measured]:
    """Every way, in turns. `home`: logs and books are kept there."""
    async with AsyncExitStack() as stack:
        if home is None:
            home = Path(tempfile.mkdtemp(prefix="ivr-bench-ussd-"))
            stack.callback(shutil.rmtree, home, ignore_errors=True)
        server = stack.enter_context(running())
        ways = [await _bare(stack)]
        for name, database, kinds in (
            ("sqlite", None, (SQLITE, BOOKED_SQLITE)),
            ("postgres", server.new_books(), (POSTGRES, BOOKED_POSTGRES)),
        ):
            worker = Worker(home / name, "a", "http://127.0.0.1:9", database)
            stack.push_async_callback(worker.stop)
            await worker.start()
            sessions = [0]
            for kind, lines in zip(kinds, (SCREENS, REGISTERS), strict=True):
                ways.append(_Way(Measured(kind), worker.port, worker.pid, lines, sessions))
        ways.sort(key=lambda way: ALL.index(way.measured.what))
        for way in ways:
            progress(f"{way.measured.what}: warming up")
            await _send(way, 1.0, 0.0)
        for number in range(1, plan.rounds + 1):
            for way in ways:
                progress(f"{way.measured.what}: as much as it answers, round {number} of {plan.rounds}")
                before = cpu_seconds(way.pid)
                heard = await _send(way, plan.seconds, 0.0)
                way.measured.full.append(heard)
                way.measured.cpu.append(1e6 * (cpu_seconds(way.pid) - before) / max(1, heard.requests))
        for number in range(1, plan.rounds + 1):
            for way in ways:
                progress(f"{way.measured.what}: half of that, round {number} of {plan.rounds}")
                way.measured.half.append(await _send(way, plan.seconds, way.measured.a_second / 2))
        return [way.measured for way in ways]


async def _bare(stack: AsyncExitStack) -> _Way:
    port = free_port("127.0.0.1", 0)
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "ivr.lab.bench.ussd_bare", str(port)),
        stdout=asyncio.subprocess.PIPE,
    )

    async def stop() -> None:
        process.kill()
        await process.wait()

    stack.push_async_callback(stop)
    assert process.stdout is not None
    async with asyncio.timeout(60):
        await process.stdout.readline()
    return _Way(Measured(BARE), port, process.pid, SCREENS, [0])


async def _send(way: _Way, seconds: float, rate: float) -> Heard:
    order = Order(way.port, "register_code", f"*{'*'.join(REGISTER)}", way.lines, seconds, rate, way.sessions[0])
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "ivr.lab.bench.ussd_client"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await process.communicate(msgspec.json.encode(order))
    if process.returncode:
        raise Unusable("the benchmark's USSD client broke")
    heard = msgspec.json.decode(out, type=Heard)
    way.sessions[0] += heard.sessions + 1
    return heard


# -- what is told ------------------------------------------------------------------------------------------------------


def share(one: Measured, bare: Measured) -> float:
    """Of the bare endpoint's throughput: the median of the rounds' own."""
    return median(mine.a_second / its.a_second for mine, its in zip(one.full, bare.full, strict=True))


def show(all_: Sequence[Measured], console: Console | None = None) -> None:
    """Print everything."""
    console = console or Console(width=max(WIDTH, Console().width))
    table = Table("", "requests/s", "share", "CPU", "p50 / p99 at half", "wrong", "client", title="USSD on one worker")
    for one in all_:
        table.add_row(
            one.what,
            f"{one.a_second:.0f}",
            f"{share(one, all_[0]):.2f}",
            f"{median(one.cpu):.0f}",
            f"{one.at_half(0.5):.1f} / {one.at_half(0.99):.1f}",
            str(one.wrong),
            f"{one.client:.2f}",
        )
    console.print(table)
    for line in (_LEGEND, *verdicts(all_)):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


_LEGEND: Final = (
    "share: of the bare endpoint's throughput, the median of the rounds' own; CPU: of the server, microseconds per "
    "request; p50 / p99 in ms at half of the way's own throughput, counted from when a request was due; client: the "
    "sender's own share of a processor. 'Registering' writes the books as well, safe from a power cut."
)


def verdicts(all_: Sequence[Measured]) -> list[str]:
    """Our own targets, and whether they are met."""
    bare, named = all_[0], {one.what: one for one in all_}
    lines = []
    for what in (SQLITE, POSTGRES):
        one = named[what]
        lines.append(verdict(f"{BARE} against {what}", 1 / share(one, bare), 1 / LEAST_SHARE, "times"))
        added = one.at_half(0.99) - bare.at_half(0.99)
        lines.append(verdict(f"p99 added at half load, {what}", added, MOST_ADDED_MS, "ms"))
    lines.append(verdict("wrong answers", float(sum(one.wrong for one in all_)), 0.0, ""))
    lines.append(verdict("the client's share of a processor", max(one.client for one in all_), MOST_CLIENT, ""))
    return lines


def as_dict(all_: Sequence[Measured]) -> dict[str, Any]:
    """Everything but the single latencies, for programs."""
    return {
        "ways": {
            one.what: {
                "requests_a_second": [heard.a_second for heard in one.full],
                "share": share(one, all_[0]),
                "cpu_us_per_request": one.cpu,
                "half_load_ms": {"p50": one.at_half(0.5), "p99": one.at_half(0.99)},
                "full_load_p99_ms": [percentile(heard.latencies, 0.99) for heard in one.full],
                "wrong": one.wrong,
                "client_cpu": one.client,
            }
            for one in all_
        },
        "targets": verdicts(all_),
    }


def main() -> int:
    """`python -m ivr.lab.bench.ussd`: this alone."""

    def progress(line: str) -> None:
        sys.stderr.write(f"{line}\n")

    measured = asyncio.run(run(Plan(), progress))
    show(measured)
    sys.stdout.write(json.dumps(as_dict(measured), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
