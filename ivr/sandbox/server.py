"""The sandbox as a running server: every provider, the bank and the sandbox's own desk, each on a port of its own.

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
from ivr.sandbox.faults import PLACES, Fault, FaultKind, Faults
from ivr.sandbox.inoti import add_inoti_admin, inoti_app
from ivr.sandbox.inoti_books import InotiBooks
from ivr.sandbox.inoti_payer import InotiPayer
from ivr.sandbox.listener import Listener
from ivr.sandbox.mellat import add_mellat_routes, mellat_app
from ivr.sandbox.mellat_books import MellatBooks
from ivr.sandbox.paystar import paystar_app
from ivr.sandbox.phone import add_phone
from ivr.sandbox.pod import add_pod_admin, pod_app
from ivr.sandbox.pod_books import PodBooks
from ivr.sandbox.settings import SandboxSettings
from ivr.sandbox.sms import Outbox, add_sms_routes
from ivr.sandbox.ussd_merchant import Merchant
from ivr.sandbox.ussd_network import UssdNetwork
from ivr.sandbox.web_books import WebBooks
from ivr.sandbox.web_gateway import add_web_gateway_routes, web_gateway_app


class SandboxServer:
    """Start it, use its addresses, stop it; or `async with` it."""

    def __init__(self, settings: SandboxSettings | None = None, now: Callable[[], float] = time.time) -> None:
        settings = settings or SandboxSettings()
        self.books = Books(settings, now)
        self.sms = Outbox()
        self.mellat = MellatBooks(settings, self.books, self.sms, now)
        self.web_gateway = WebBooks(settings, self.books)
        dice = random.SystemRandom() if settings.seed is None else random.Random(settings.seed)  # noqa: S311
        self.pod_books = PodBooks(settings.pod, now, dice)
        self.inoti_books = InotiBooks(settings.inoti, now, dice)
        self._desk = desk = Desk(self.books, now)
        admin = admin_app(desk, now, self.set_fault, self.clear_faults)
        add_sms_routes(admin, self.sms, now)
        add_mellat_routes(admin, self.mellat)
        add_web_gateway_routes(admin, self.web_gateway)
        add_pod_admin(admin, self.pod_books)
        merchant = Merchant(settings.ussd.merchant_seconds, settings.ussd.most_bytes)
        self._merchant = merchant
        self.inoti_payer = InotiPayer(self.inoti_books, self.sms, desk, merchant, now, lambda: self.inoti_url)
        self.ussd = UssdNetwork(settings.ussd, desk, merchant, self.inoti_payer, now, dice)
        add_inoti_admin(admin, self.inoti_payer, self.ussd.directory)
        inoti = inoti_app(desk, self.inoti_payer)
        add_phone(inoti, self.ussd, desk, self.sms)
        host = settings.host
        self._listeners = {
            "paystar": Listener(paystar_app(desk, settings.error_shape), host, settings.paystar_port),
            "bank": Listener(bank_app(desk), host, settings.bank_port),
            "mellat": Listener(mellat_app(desk, self.mellat), host, settings.mellat_port),
            "web_gateway": Listener(web_gateway_app(desk, self.web_gateway), host, settings.web_gateway_port),
            "pod": Listener(pod_app(desk, self.pod_books), host, settings.pod_port),
            "inoti": Listener(inoti, host, settings.inoti_port),
            "admin": Listener(admin, host, settings.admin_port),
        }
        """By the name that `faults.PLACES` has for them."""

    @property
    def paystar_url(self) -> str:
        """PayStar's base address."""
        return self._listeners["paystar"].url

    @property
    def bank_url(self) -> str:
        """The bank's base address."""
        return self._listeners["bank"].url

    @property
    def mellat_url(self) -> str:
        """The base address of PayStar's gateway on the bank Mellat."""
        return self._listeners["mellat"].url

    @property
    def web_gateway_url(self) -> str:
        """The web gateway's base address."""
        return self._listeners["web_gateway"].url

    @property
    def pod_url(self) -> str:
        """POD's base address; its pay page is there too."""
        return self._listeners["pod"].url

    @property
    def inoti_url(self) -> str:
        """iNoti's base address."""
        return self._listeners["inoti"].url

    @property
    def phone_url(self) -> str:
        """The handset's page, for a browser."""
        return f"{self.inoti_url}/phone"

    @property
    def admin_url(self) -> str:
        """The base address of `/_sandbox/`."""
        return self._listeners["admin"].url

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
            for listener in self._listeners.values():
                await listener.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop listening; requests under way get a moment."""
        await self.inoti_payer.close()
        for listener in self._listeners.values():
            await listener.stop()
        await self._merchant.close()

    async def set_fault(self, fault: Fault) -> None:
        """Let something go wrong; `refuse` closes the port of the operation's provider now."""
        if fault.kind is FaultKind.REFUSE:
            await self._listeners[PLACES[fault.operation].provider].refuse(fault.seconds)
        else:
            self._desk.faults.add(fault)

    async def clear_faults(self) -> None:
        """Nothing goes wrong any more."""
        self._desk.faults.clear()
        for listener in self._listeners.values():
            await listener.accept()

    async def __aenter__(self) -> "SandboxServer":
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()


async def run_sandbox(settings: SandboxSettings, say: Callable[[str], object] = sys.stdout.write) -> None:
    """Run until cancelled; says where everything is and which invoices there are."""
    async with SandboxServer(settings) as server:
        say(f"PayStar  {server.paystar_url}\nMellat   {server.mellat_url}\nweb      {server.web_gateway_url}\n")
        say(f"POD      {server.pod_url}\niNoti    {server.inoti_url}\n")
        say(f"bank     {server.bank_url}\nadmin    {server.admin_url}/_sandbox/\n")
        say(f"SMS      {server.admin_url}/_sandbox/sms.html\nphone    {server.phone_url}\n\n")
        for each in server.ussd.directory.all():
            say(f"{each.code}#  {each.url}\n")
        say("\n" if server.ussd.directory.all() else "")
        say("invoice       rial  state\n")
        for demo in settings.invoices:
            say(f"{demo.tracking_code:<10} {demo.amount:>10,}  {demo.state}\n")
        sys.stdout.flush()
        await asyncio.Event().wait()
