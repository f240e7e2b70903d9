"""The sandbox as a running server: PayStar, the bank and the sandbox's own desk, each on a port of its own.

Law: it listens where it is told, loopback unless told otherwise, and what it knows is gone when it stops.
"""

import asyncio
import sys
import time
from collections.abc import Callable

from ivr.sandbox.admin import admin_app
from ivr.sandbox.bank_desk import bank_app
from ivr.sandbox.books import Books
from ivr.sandbox.desk import Desk
from ivr.sandbox.diary import Diary
from ivr.sandbox.faults import Fault, FaultKind, Faults
from ivr.sandbox.listener import Listener
from ivr.sandbox.paystar import paystar_app
from ivr.sandbox.settings import SandboxSettings

_BANK_OPERATIONS = frozenset({"settle", "inquire"})


class SandboxServer:
    """Start it, use its addresses, stop it; or `async with` it."""

    def __init__(self, settings: SandboxSettings | None = None, now: Callable[[], float] = time.time) -> None:
        settings = settings or SandboxSettings()
        self.books = Books(settings, now)
        self._desk = Desk(self.books, now)
        self._paystar = Listener(paystar_app(self._desk, settings.error_shape), settings.host, settings.paystar_port)
        self._bank = Listener(bank_app(self._desk), settings.host, settings.bank_port)
        desk = admin_app(self._desk, now, self.set_fault, self.clear_faults)
        self._admin = Listener(desk, settings.host, settings.admin_port)

    @property
    def paystar_url(self) -> str:
        """PayStar's base address."""
        return self._paystar.url

    @property
    def bank_url(self) -> str:
        """The bank's base address."""
        return self._bank.url

    @property
    def admin_url(self) -> str:
        """The base address of `/_sandbox/`."""
        return self._admin.url

    @property
    def faults(self) -> Faults:
        """The faults that wait."""
        return self._desk.faults

    @property
    def diary(self) -> Diary:
        """What was asked."""
        return self._desk.diary

    async def start(self) -> None:
        """Listen on all three ports. Raises OSError when one is taken; then none is left open."""
        try:
            for listener in self._listeners:
                await listener.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop listening; requests under way get a moment."""
        for listener in self._listeners:
            await listener.stop()

    async def set_fault(self, fault: Fault) -> None:
        """Let something go wrong; `refuse` closes the port of the operation's provider now."""
        if fault.kind is FaultKind.REFUSE:
            await (self._bank if fault.operation in _BANK_OPERATIONS else self._paystar).refuse(fault.seconds)
        else:
            self._desk.faults.add(fault)

    async def clear_faults(self) -> None:
        """Nothing goes wrong any more."""
        self._desk.faults.clear()
        await self._paystar.accept()
        await self._bank.accept()

    async def __aenter__(self) -> "SandboxServer":
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def _listeners(self) -> tuple[Listener, ...]:
        return (self._paystar, self._bank, self._admin)


async def run_sandbox(settings: SandboxSettings, say: Callable[[str], object] = sys.stdout.write) -> None:
    """Run until cancelled; says where everything is and which invoices there are."""
    async with SandboxServer(settings) as server:
        say(f"PayStar  {server.paystar_url}\nbank     {server.bank_url}\nadmin    {server.admin_url}/_sandbox/\n\n")
        say("invoice       rial  state\n")
        for demo in settings.invoices:
            say(f"{demo.tracking_code:<10} {demo.amount:>10,}  {demo.state}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
