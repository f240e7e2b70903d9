"""One run: two workers before one PostgreSQL, many users, a worker that is killed, and what the books say afterwards.

Law: it is well only when each payment that the network took stands in the books as approved once, with its reference,
no invoice has two, nothing else is approved, and the audit finds nothing.
"""

import asyncio
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import aiohttp

from ivr.domain.secret import Secret
from ivr.lab.postgres import Server
from ivr.lab.town import HOUSE
from ivr.lab.ussd_load.traffic import PRICE, Tally, Traffic
from ivr.lab.ussd_load.workers import PROVIDER, Worker
from ivr.payments.invoice import Invoice
from ivr.payments.state import Payment, State
from ivr.prompts.catalogue import Catalogue
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import SandboxSettings
from ivr.store.opening import open_invoices, open_reading
from ivr.store.shared import Shared
from ivr.ussd import words

FIRST_INVOICE: Final = 70_000_001
SETTLED_SECONDS: Final = 120.0
"""A payment whose callback was lost is found by the reconciler within so long."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How much, and which dice."""

    sessions: int = 1000
    at_once: int = 25
    seed: int = 1
    uncalled: float = 0.02
    """Share of the payments after which the network calls nobody back."""


@dataclass(slots=True)
class Outcome:
    """What was seen. Well when `findings` is empty."""

    plan: Plan
    tally: Tally
    paid: int = 0
    approved: int = 0
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)


async def run(server: Server, plan: Plan, home: Path | None = None) -> Outcome:
    """Run it against a PostgreSQL. `home`: workers' files are kept there; None: a temporary one, removed."""
    began = time.monotonic()
    async with AsyncExitStack() as stack:
        if home is None:
            home = Path(tempfile.mkdtemp(prefix="ivr-ussd-load-"))
            stack.callback(shutil.rmtree, home, ignore_errors=True)
        database = server.new_books()
        shared = Shared(Secret(database), "load")
        sandbox = await stack.enter_async_context(SandboxServer(SandboxSettings(seed=plan.seed)))
        workers = [Worker(home / name, name, sandbox.inoti_url, database) for name in ("a", "b")]
        for worker in workers:
            stack.push_async_callback(worker.stop)
            await worker.start()
        invoices = [str(FIRST_INVOICE + number) for number in range(plan.sessions)]
        async with open_invoices(home / "a" / "var", time.time, shared) as till:
            for invoice in invoices:
                await till.remember_invoice(Invoice(PROVIDER, invoice, PRICE, "", time.time()))
        web = await stack.enter_async_context(aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)))
        dice = random.Random(plan.seed)  # noqa: S311 - dice
        wait = Catalogue.load(HOUSE / "prompts").screens("fa")[words.WAIT.name]
        traffic = Traffic(workers, sandbox, web, dice, wait, uncalled=plan.uncalled)
        killing: list[asyncio.Task[None]] = []

        async def kill_one() -> None:
            await asyncio.sleep(dice.random())
            await workers[0].kill()
            await workers[0].start()

        await traffic.run(invoices, plan.at_once, lambda: killing.append(asyncio.create_task(kill_one())))
        await asyncio.gather(*killing)
        outcome = Outcome(plan, traffic.tally, len(traffic.paid))
        outcome.findings += traffic.tally.findings
        found = await _settled(home, shared, traffic)
        outcome.approved = sum(payment.state is State.APPROVED for payment in found)
        outcome.findings += judge(traffic.paid, traffic.cancelled, found)
        with open_reading(home / "a" / "var", shared) as reading:
            outcome.findings += [f"audit: {finding}" for finding in reading.audit().findings]
        outcome.seconds = time.monotonic() - began
        return outcome


async def _settled(home: Path, shared: Shared, traffic: Traffic) -> Sequence[Payment]:
    """All payments, once as many are approved as were paid, or the time is over."""
    deadline = time.monotonic() + SETTLED_SECONDS
    while True:
        with open_reading(home / "a" / "var", shared) as reading:
            found = list(reading.each(provider=PROVIDER))
        approved = {payment.invoice_id for payment in found if payment.state is State.APPROVED}
        if traffic.paid.keys() <= approved or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.5)


def judge(paid: dict[str, str], cancelled: set[str], found: Sequence[Payment]) -> list[str]:
    """What the books say that cannot be. `paid`: invoice -> reference, as the network has it."""
    findings = []
    approved = Counter(payment.invoice_id for payment in found if payment.state is State.APPROVED)
    for invoice, times in approved.items():
        if times > 1:
            findings.append(f"invoice {invoice} has {times} approved payments")
        if invoice not in paid:
            findings.append(f"invoice {invoice} is approved, and nobody paid it")
    findings += [
        f"invoice {payment.invoice_id} is approved with another reference"
        for payment in found
        if payment.state is State.APPROVED and payment.reference != paid.get(payment.invoice_id)
    ]
    findings += [f"invoice {invoice} was paid, and is not approved" for invoice in paid if not approved[invoice]]
    links = Counter(payment.invoice_id for payment in found)
    findings += [f"invoice {invoice} has {links[invoice]} payments" for invoice in links if links[invoice] > 1]
    findings += [f"invoice {invoice} has no payment" for invoice in (*paid, *cancelled) if not links[invoice]]
    return findings
