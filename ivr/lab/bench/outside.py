"""The world outside of the merchant, as a process of its own: the provider's sandbox, and the bank taking the money.

Law: the bank takes the money of a leg as soon as its INVITE is there, and only for the transaction, merchant and amount
that the INVITE carries. Run as `python -m ivr.lab.bench.outside HOST INVOICES BANK_LOG`; it says where it listens in
one line of JSON and ends with its standard input.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Final, TextIO

from ivr.lab.bench.settings import AMOUNT
from ivr.sandbox.books import Books
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_CARDS, DemoInvoice, SandboxSettings

FIRST_INVOICE: Final = 60_000_001
POLL_SECONDS: Final = 0.005
"""SIPp tells nobody when it has written a line, so it is looked for."""


def invoice_ids(count: int) -> list[str]:
    """The invoices that are there from the start."""
    return [str(FIRST_INVOICE + number) for number in range(count)]


def settle(books: Books, line: str) -> str:
    """Take the money for a line of the bank's log: `merchant transaction amount`. Returns the bank's result."""
    merchant, transaction, amount = line.split()
    card = DEMO_CARDS[0]
    return books.settle(merchant, transaction, int(amount), card.pan, card.pin).result


async def main(host: str, invoices: int, bank_log: Path) -> None:
    """Run until standard input ends."""
    there = tuple(DemoInvoice(code, AMOUNT) for code in invoice_ids(invoices))
    async with SandboxServer(SandboxSettings(host=host, invoices=there)) as server:
        sys.stdout.write(json.dumps({"paystar": server.paystar_url, "admin": server.admin_url}) + "\n")
        sys.stdout.flush()
        settling = asyncio.create_task(_follow(bank_log, server.books))
        await asyncio.to_thread(sys.stdin.read)
        settling.cancel()


async def _follow(log: Path, books: Books) -> None:
    while not log.exists():  # noqa: ASYNC110 - another program's file
        await asyncio.sleep(POLL_SECONDS)
    with log.open(encoding="utf-8") as lines:
        while True:
            for line in _whole(lines):
                settle(books, line)
            await asyncio.sleep(POLL_SECONDS)


def _whole(lines: TextIO) -> list[str]:
    """The lines that are there now; half a one stays for the next time."""
    found: list[str] = []
    while True:
        at = lines.tell()
        line = lines.readline()
        if not line.endswith("\n"):
            lines.seek(at)
            return found
        found.append(line)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
