"""The USSD network on a bad day, and payers: sessions of `pay_invoice`, each request to whichever worker the dice say.

Law: what a request brought once it brings again; whatever else it brings is written down as a finding. Only connections
are tried again, as the network does: an answer is an answer.
"""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from ivr.lab.ussd_load.workers import PAY, Worker
from ivr.sandbox.inoti_books import UssdPayment
from ivr.sandbox.inoti_payer import callback
from ivr.sandbox.server import SandboxServer

PRICE: Final = 160_000
REPEATED: Final = 0.10
"""Share of the requests that come once more, at the same time or afterwards."""
REORDERED: Final = 0.05
"""Share of the requests behind which the one before comes once more."""
MOST_LOOKS: Final = 40
"""A user who is asked for patience looks so often."""
NETWORK_SECONDS: Final = 15.0
"""So long the network waits for an answer; then, or where nobody is there, it asks again."""
MOST_TRIES: Final = 60
PAUSE: Final = 0.25


@dataclass
class Tally:
    """What happened."""

    requests: int = 0
    repeated: int = 0
    reordered: int = 0
    tried_again: int = 0
    looks: int = 0
    callbacks: int = 0
    callbacks_lost: int = 0
    """Found nobody there."""
    findings: list[str] = field(default_factory=list)


@dataclass
class Traffic:
    """`sessions` users pay one invoice each, `at_once` at the same time. `uncalled`: share of the payments after which
    nobody calls back. `half_way`: done once, when half of the users have come.
    """

    workers: Sequence[Worker]
    sandbox: SandboxServer
    web: aiohttp.ClientSession
    dice: random.Random
    wait_words: str
    """How the screen begins that asks for patience."""
    tally: Tally = field(default_factory=Tally)
    uncalled: float = 0.0
    paid: dict[str, str] = field(default_factory=dict)
    """Invoice -> the network's reference of its payment."""
    cancelled: set[str] = field(default_factory=set)

    async def run(self, invoices: Sequence[str], at_once: int, half_way: Callable[[], None]) -> None:
        """Every user to the end."""
        waiting = list(enumerate(invoices))[::-1]
        dice = [random.Random(self.dice.random()) for _ in invoices]  # noqa: S311 - a user's own: seeds repeat themselves

        async def users() -> None:
            while waiting:
                number, invoice = waiting.pop()
                if number == len(invoices) // 2:
                    half_way()
                try:
                    await _User(self, dice[number], number, invoice).pays()
                except _GaveUpError as exc:
                    self.tally.findings.append(f"invoice {invoice}: {exc}")

        await asyncio.gather(*(users() for _ in range(at_once)))


class _GaveUpError(Exception):
    """A user came to no end."""


class _User:
    def __init__(self, traffic: Traffic, dice: random.Random, number: int, invoice: str) -> None:
        self._traffic = traffic
        self._dice = dice
        self._invoice = invoice
        self._mobile = f"0912{number:07d}"
        self._session = str(10_000_000 + number)
        self._lines: list[str] = []
        self._shown: dict[int, str] = {}
        self._story: list[str] = []
        """What was asked of whom, and what came."""

    async def pays(self) -> None:
        """Dials, sends the number, agrees; the link comes, and most pay."""
        await self._next()
        await self._next(self._invoice)
        text = await self._next("1")
        wanted = f"9900|{self._invoice}|{PRICE}"
        if text != wanted:
            raise _GaveUpError(f"{text!r} instead of {wanted!r}: {'; '.join(self._story)}")
        payer = self._traffic.sandbox.inoti_payer
        dialled = "*" + "*".join((*PAY, *self._lines))
        payment = payer.ask_for(self._session, self._mobile, PRICE, self._invoice, dialled=dialled)
        await asyncio.sleep(self._dice.random() * PAUSE)
        if self._dice.random() < 0.05:
            payer.books.cancel(payment)
            self._traffic.cancelled.add(self._invoice)
            return
        payer.pay(payment)
        self._traffic.paid[self._invoice] = str(payment.rrn)
        await self._is_called_back(payment)

    async def _next(self, *line: str) -> str:
        """The next screen, whatever the network does on the way; who is asked for patience looks again."""
        self._lines += line
        text = await self._asked()
        for _ in range(MOST_LOOKS):
            if not text.startswith(self._traffic.wait_words):
                return text
            self._traffic.tally.looks += 1
            await asyncio.sleep(PAUSE)
            self._lines.append("1")
            text = await self._asked()
        raise _GaveUpError("asked for patience again and again")

    async def _asked(self) -> str:
        tally, count = self._traffic.tally, len(self._lines)
        thrown = self._dice.random()
        if thrown < REPEATED / 2:
            tally.repeated += 1
            text, again = await asyncio.gather(self._ask(count), self._ask(count))
            text = again if text.startswith(self._traffic.wait_words) else text
            self._must_be(count, text, again)
        else:
            text = await self._ask(count)
            if thrown < REPEATED:
                tally.repeated += 1
                self._must_be(count, text, await self._ask(count))
        if self._dice.random() < REORDERED and count and count - 1 in self._shown:
            tally.reordered += 1
            self._must_be(count - 1, self._shown[count - 1], await self._ask(count - 1))
        self._shown[count] = text
        return text

    def _must_be(self, count: int, text: str, again: str) -> None:
        wait = self._traffic.wait_words
        if text != again and not text.startswith(wait) and not again.startswith(wait):
            self._traffic.tally.findings.append(f"invoice {self._invoice}: {count} lines gave {text!r}, then {again!r}")

    async def _ask(self, count: int) -> str:
        call = "*" + "*".join((*PAY, *self._lines[:count]))
        query = {"mobile": self._mobile, "sessionid": self._session, "call": call}
        for _ in range(MOST_TRIES):
            worker = self._dice.choice(self._traffic.workers)
            text = await self._get(worker, query)
            self._story.append(f"{count} lines to {worker.name}: {text!r}")
            if text is not None:
                return text
            self._traffic.tally.tried_again += 1
            await asyncio.sleep(PAUSE * self._dice.random())
        raise _GaveUpError("nobody answered")

    async def _get(self, worker: Worker, query: Mapping[str, str]) -> str | None:
        self._traffic.tally.requests += 1
        patience = aiohttp.ClientTimeout(total=NETWORK_SECONDS)
        try:
            async with self._traffic.web.get(
                f"{worker.url}/ussd/pay_invoice", params=query, timeout=patience
            ) as answer:
                text = await answer.text()
                if answer.status != 200:
                    self._traffic.tally.findings.append(f"HTTP {answer.status} to {query['call']}")
                return text
        except (aiohttp.ClientError, TimeoutError, OSError):
            return None

    async def _is_called_back(self, payment: UssdPayment) -> None:
        """Twice, by both workers in either order, at once or one after the other."""
        if self._dice.random() < self._traffic.uncalled:
            return
        brings = callback(self._traffic.sandbox.inoti_books, payment)
        workers = self._dice.sample(list(self._traffic.workers), 2)

        async def call(worker: Worker) -> None:
            self._traffic.tally.callbacks += 1
            if await self._get(worker, brings) is None:
                self._traffic.tally.callbacks_lost += 1

        if self._dice.random() < 0.5:
            await asyncio.gather(*map(call, workers))
        else:
            for worker in workers:
                await call(worker)
                await asyncio.sleep(self._dice.random() * PAUSE)
