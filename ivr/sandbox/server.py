"""The sandbox as a running server: each provider, the bank and the sandbox's own desk on a port of its own.

Law: it listens where it is told, loopback unless told otherwise, and what it knows is gone when it stops.
"""

import asyncio
import random
import sys
import time
from collections.abc import Callable

from ivr.sandbox.admin import admin_app
from ivr.sandbox.bank_desk import bank_app
from ivr.sandbox.books import Books
from ivr.sandbox.desk import Desk
from ivr.sandbox.diary import Diary
from ivr.sandbox.faults import Fault, FaultKind, Faults
from ivr.sandbox.inoti import OPERATIONS as INOTI_OPERATIONS
from ivr.sandbox.inoti import add_inoti_admin, inoti_app
from ivr.sandbox.inoti_books import InotiBooks
from ivr.sandbox.listener import Listener
from ivr.sandbox.paystar import paystar_app
from ivr.sandbox.pod import OPERATIONS as POD_OPERATIONS
from ivr.sandbox.pod import add_pod_admin, pod_app
from ivr.sandbox.pod_books import PodBooks
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
        dice = random.SystemRandom() if settings.seed is None else random.Random(settings.seed)  # noqa: S311
        self.pod_books = PodBooks(settings.pod, now, dice)
        self._pod = Listener(pod_app(self._desk, self.pod_books), settings.host, settings.pod_port)
        self.inoti_books = InotiBooks(settings.inoti, now, dice)
        self._inoti = Listener(inoti_app(self._desk, self.inoti_books), settings.host, settings.inoti_port)
        desk = admin_app(self._desk, now, self.set_fault, self.clear_faults)
        add_pod_admin(desk, self.pod_books)
        add_inoti_admin(desk, self.inoti_books, lambda: self.inoti_url)
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
    def pod_url(self) -> str:
        """POD's base address; its pay page is there too."""
        return self._pod.url

    @property
    def inoti_url(self) -> str:
        """iNoti's base address."""
        return self._inoti.url

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
        """Listen on every port. Raises OSError when one is taken; then none is left open."""
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
            await self._provider_of(fault.operation).refuse(fault.seconds)
        else:
            self._desk.faults.add(fault)

    async def clear_faults(self) -> None:
        """Nothing goes wrong any more."""
        self._desk.faults.clear()
        for listener in self._listeners:
            await listener.accept()

    async def __aenter__(self) -> "SandboxServer":
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def _listeners(self) -> tuple[Listener, ...]:
        return (self._paystar, self._bank, self._pod, self._inoti, self._admin)

    def _provider_of(self, operation: str) -> Listener:
        if operation in _BANK_OPERATIONS:
            return self._bank
        if operation in POD_OPERATIONS:
            return self._pod
        return self._inoti if operation in INOTI_OPERATIONS else self._paystar


async def run_sandbox(settings: SandboxSettings, say: Callable[[str], object] = sys.stdout.write) -> None:
    """Run until cancelled; says where everything is and which invoices there are."""
    async with SandboxServer(settings) as server:
        say(f"PayStar  {server.paystar_url}\nbank     {server.bank_url}\nadmin    {server.admin_url}/_sandbox/\n")
        say(f"POD      {server.pod_url}\niNoti    {server.inoti_url}\n\n")
        say("invoice       rial  state\n")
        for demo in settings.invoices:
            say(f"{demo.tracking_code:<10} {demo.amount:>10,}  {demo.state}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
