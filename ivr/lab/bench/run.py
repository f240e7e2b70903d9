"""One run of the benchmark, from nothing to its figures.

Law: a call is paid when four say so: the caller (SIPp) had the whole call, the provider's books hold the money, the
way asked for the result and was told "paid" before the caller hung up, and the way's own journal, where it keeps one,
says approved. Every other call has failed. CPU time counts from before a round's first call until Asterisk has no call
any more.
"""

import asyncio
import json
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from ivr.domain.errors import Unusable
from ivr.lab.addresses import Block
from ivr.lab.asterisk import Installation
from ivr.lab.bench import sipp
from ivr.lab.bench.cpu import cpu_seconds
from ivr.lab.bench.handmade import CONNECTING, LANGUAGE
from ivr.lab.bench.outside import invoice_ids
from ivr.lab.bench.settings import NUMBER, PROMPT_SECONDS, Plan
from ivr.lab.bench.ways import WAYS, Surroundings, Way
from ivr.lab.bench.wire import Delays, Sounds, Wire, delays
from ivr.lab.town import HOUSE
from ivr.recordings.tools import RATE

QUIET_SECONDS: Final = 20.0
"""After a round, Asterisk's last call must have ended within so long; then the figures are taken all the same."""
REST_SECONDS: Final = 0.5
READY_SECONDS: Final = 20.0
AMOUNT_BEGINS: Final = "pay/amount_payable"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Round:
    """What one way did with one batch of calls."""

    way: str
    rate: int
    calls: int
    paid: int
    asterisk_cpu: float
    """Seconds of CPU, of the whole round."""
    application_cpu: float
    delays: Delays | None
    """Only measured rounds have them."""

    @property
    def failed(self) -> int:
        """Calls that were not paid."""
        return self.calls - self.paid


@dataclass(frozen=True, slots=True)
class Results:
    """All rounds, in the order in which they ran."""

    asterisk: str
    plan: Plan
    rounds: list[Round]


async def run(asterisk: Installation, recordings: Path, plan: Plan, progress: Progress, home: Path | None) -> Results:
    """Run the plan. `recordings`: built prompts. `home`: kept afterwards; None: a temporary one, removed."""
    sipp.ensure_sipp()
    async with AsyncExitStack() as stack:
        if home is None:
            home = Path(tempfile.mkdtemp(prefix="ivr-bench-"))
            stack.callback(shutil.rmtree, home, ignore_errors=True)
        bench = await stack.enter_async_context(_bench(asterisk, recordings, plan, home))
        return Results(asterisk.version, plan, await bench.all_rounds(progress))


@asynccontextmanager
async def _bench(asterisk: Installation, recordings: Path, plan: Plan, home: Path) -> AsyncIterator["_Bench"]:
    async with AsyncExitStack() as stack:
        block = stack.enter_context(Block())
        caller, bank, outside = block.address(), block.address(), block.address()
        cut = home / "recordings"
        _cut(recordings, cut)
        process, log = await sipp.start_bank(home / "bank", bank)
        stack.push_async_callback(sipp.stop, process)
        urls = await stack.enter_async_context(_outside(outside, len(WAYS) * plan.invoices, log))
        around = Surroundings(
            asterisk=asterisk,
            trunks={
                name: {"host": address, "port": sipp.SIP_PORT, "match": [address]}
                for name, address in (("public", caller), ("bank", bank))
            },
            provider_url=urls["paystar"],
            recordings=cut,
            prompts=HOUSE / "prompts",
            dialplan=HOUSE / "dialplan",
        )
        ways = [kind(around, block.address(), home / kind.letter) for kind in WAYS]
        for way in ways:
            stack.push_async_callback(way.stop)
            await way.start()
        admin = await stack.enter_async_context(httpx.AsyncClient(base_url=urls["admin"], trust_env=False))
        yield _Bench(plan, ways, caller, admin, home, Sounds.of(cut / LANGUAGE))


class _Bench:
    def __init__(
        self, plan: Plan, ways: list[Way], caller: str, admin: httpx.AsyncClient, home: Path, sounds: Sounds
    ) -> None:
        self._plan = plan
        self._ways = ways
        self._caller = caller
        self._admin = admin
        self._home = home
        self._sounds = sounds
        self._invoices: Iterator[str] = iter(invoice_ids(len(ways) * plan.invoices))

    async def all_rounds(self, progress: Progress) -> list[Round]:
        """Measured rounds in turn, so that a busy moment of the machine meets all ways; then the ladder."""
        plan = self._plan
        for way in self._ways:
            progress(f"({way.letter}) {way.what}: a first call")
            first = await self._round(way, 1, 1)
            if first.failed:
                raise Unusable(f"({way.letter}) could not pay a single invoice: see {self._home} (--home keeps it)")
        rounds = []
        for number in range(1, plan.rounds + 1):
            for way in self._ways:
                progress(f"({way.letter}) {plan.calls} calls at {plan.rate}/s, round {number} of {plan.rounds}")
                rounds.append(await self._round(way, plan.calls, plan.rate, listen=True))
        fallen = {one.way for one in rounds if one.failed}
        for rate in plan.ladder:
            for way in self._ways:
                if way.letter not in fallen:
                    progress(f"({way.letter}) {rate}/s for {plan.ladder_seconds:g} s")
                    rounds.append(one := await self._round(way, round(rate * plan.ladder_seconds), rate))
                    fallen |= {way.letter} if one.failed else set()
        return rounds

    async def _round(self, way: Way, calls: int, rate: int, *, listen: bool = False) -> Round:
        invoices = [next(self._invoices) for _ in range(calls)]
        before = _cpu(way)
        heard = None
        if listen:
            with Wire(self._caller, sipp.MEDIA_PORT) as wire:
                called = await self._call(way, invoices, rate)
            heard = delays(wire.packets(), self._sounds, AMOUNT_BEGINS, CONNECTING[0])
        else:
            called = await self._call(way, invoices, rate)
        after = _cpu(way)
        paid = min(called.succeeded, len(await self._paid(way, set(invoices), called.hung_up)))
        return Round(way.letter, rate, calls, paid, after[0] - before[0], after[1] - before[1], heard)

    async def _call(self, way: Way, invoices: list[str], rate: int) -> sipp.Called:
        called = await sipp.call(self._home / "callers", self._caller, way.target, NUMBER, invoices, rate)
        await asyncio.sleep(REST_SECONDS)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + QUIET_SECONDS
        while not await way.quiet() and loop.time() < deadline:  # noqa: ASYNC110 - Asterisk tells nobody
            await asyncio.sleep(REST_SECONDS)
        return called

    async def _paid(self, way: Way, invoices: set[str], hung_up: Mapping[str, float]) -> set[str]:
        """Those that are paid by everybody's books."""
        there = (await self._admin.get("/_sandbox/invoices")).json()["invoices"]
        requests = (await self._admin.get("/_sandbox/requests")).json()["requests"]
        paid = {invoice["tracking_code"] for invoice in there if invoice["state"] == "paid"}
        told = {
            code
            for line in requests
            if line["operation"] == "result" and line["result"] == "paid"
            if (code := line["fields"].get("tracking_code")) in hung_up and line["at"] < hung_up[code]
        }
        approved = await way.approved()
        return invoices & paid & told & (invoices if approved is None else approved)


def _cpu(way: Way) -> tuple[float, float]:
    """Seconds that Asterisk and the process beside it have used."""
    return cpu_seconds(way.asterisk_pid), 0.0 if way.application_pid is None else cpu_seconds(way.application_pid)


def _cut(recordings: Path, to: Path) -> None:
    """The same recordings, their beginnings only."""
    for file in recordings.rglob("*"):
        if file.suffix in (".alaw", ".ulaw"):
            short = to / file.relative_to(recordings)
            short.parent.mkdir(parents=True, exist_ok=True)
            short.write_bytes(file.read_bytes()[: round(PROMPT_SECONDS * RATE)])


@asynccontextmanager
async def _outside(host: str, invoices: int, bank_log: Path) -> AsyncIterator[dict[str, Any]]:
    process = await asyncio.create_subprocess_exec(
        *("setpriv", "--pdeathsig", "KILL", "--", sys.executable, "-m", "ivr.lab.bench.outside"),
        *(host, str(invoices), str(bank_log)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(READY_SECONDS):
            line = await process.stdout.readline()
        if not line:
            raise Unusable("the sandbox did not start")
        yield json.loads(line)
    finally:
        await sipp.stop(process)
