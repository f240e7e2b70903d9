"""SIPp as callers and as the bank.

Law: whatever was started is stopped; how many calls failed is SIPp's own count.
"""

import asyncio
import csv
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivr.domain.errors import Unusable
from ivr.lab.bench import scenarios

SIP_PORT: Final = 5060
MEDIA_PORT: Final = 6000
CALLER_NUMBER: Final = 9120000000
"""Of the first caller; each call has its own."""
OVERTIME: Final = 40.0
"""Seconds after which callers that are still there are given up."""


@dataclass(frozen=True, slots=True)
class Called:
    """What callers say of their calls."""

    succeeded: int
    """Calls that went through, as SIP."""
    hung_up: Mapping[str, float]
    """When (seconds since 1970) the caller of which invoice hung up, of those who came so far."""


def ensure_sipp() -> str:
    """SIPp's path. Raises Unusable with the cure when it is missing or cannot send keys."""
    program = shutil.which("sipp")
    if program is None:
        raise Unusable("sipp is missing: apt-get install sip-tester")
    if os.geteuid() != 0:
        raise Unusable("the benchmark must run as root: SIPp sends keys, and delays are measured, at raw sockets")
    return program


async def call(
    home: Path, address: str, target: tuple[str, int], number: str, invoices: Sequence[str], rate: int
) -> Called:
    """One call for each invoice, `rate` new ones a second; returns when all are over."""
    home.mkdir(parents=True, exist_ok=True)
    scenario, listed = home / "caller.xml", home / "invoices.csv"
    counts, log = home / "counts.csv", home / "caller.log"
    scenario.write_text(scenarios.caller(), encoding="utf-8")
    lines = (f"{invoice};0{CALLER_NUMBER + at};" for at, invoice in enumerate(invoices))
    listed.write_text("\n".join(("SEQUENTIAL", *lines)) + "\n", encoding="utf-8")
    counts.unlink(missing_ok=True)
    log.unlink(missing_ok=True)
    process = await _start(
        home / "caller.out",
        *(f"{target[0]}:{target[1]}", "-sf", str(scenario), "-inf", str(listed), "-s", number),
        *("-m", str(len(invoices)), "-r", str(rate), "-l", str(len(invoices))),
        *("-i", address, "-mi", address, "-p", str(SIP_PORT), "-mp", str(MEDIA_PORT)),
        *("-trace_stat", "-stf", str(counts), "-trace_err", "-error_file", str(home / "caller.err")),
        *("-trace_logs", "-log_file", str(log)),
    )
    try:
        async with asyncio.timeout(len(invoices) / rate + OVERTIME):
            await process.wait()
    except TimeoutError:
        pass
    finally:
        await stop(process)
    return Called(_succeeded(counts), _hung_up(log))


async def start_bank(home: Path, address: str) -> tuple[asyncio.subprocess.Process, Path]:
    """Answer calls until stopped. Returns the process and its log: `merchant transaction amount` for each INVITE."""
    home.mkdir(parents=True, exist_ok=True)
    scenario, log = home / "bank.xml", home / "bank.log"
    scenario.write_text(scenarios.bank(), encoding="utf-8")
    process = await _start(
        home / "bank.out",
        *("-sf", str(scenario), "-i", address, "-mi", address, "-p", str(SIP_PORT), "-mp", str(MEDIA_PORT)),
        *("-trace_logs", "-log_file", str(log), "-trace_err", "-error_file", str(home / "bank.err")),
    )
    return process, log


async def stop(process: asyncio.subprocess.Process) -> None:
    """End it, whatever it does."""
    if process.returncode is None:
        process.kill()
        await process.wait()


async def _start(out: Path, *arguments: str) -> asyncio.subprocess.Process:
    with out.open("wb") as screen:
        return await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "--", ensure_sipp(), *arguments, "-nostdin"),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=screen,
            stderr=asyncio.subprocess.STDOUT,
        )


def _succeeded(counts: Path) -> int:
    """From the last line that SIPp wrote."""
    try:
        with counts.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, delimiter=";"))
    except FileNotFoundError:
        return 0
    return int(rows[-1]["SuccessfulCall(C)"]) if rows else 0


def _hung_up(log: Path) -> dict[str, float]:
    try:
        lines = [line.split() for line in log.read_text(encoding="utf-8").splitlines()]
    except FileNotFoundError:
        return {}
    return {line[0]: float(line[1]) + float(line[2]) / 1e6 for line in lines if len(line) == 3}
