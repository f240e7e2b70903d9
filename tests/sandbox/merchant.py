"""A merchant's USSD pages over real HTTP: the document's sample, one that asks for money, one that says anything."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from ivr.sandbox.server import SandboxServer
from ivr.sandbox.ussd_network import UssdNetwork
from ivr.sandbox.ussd_settings import Service

ASK = "لطفا کد ثبت نام خود را وارد نمایید"
SAVED = "کد ثبت نام شما با موفقیت در سیستم ثبت شد"
AGREE = "قابل پرداخت: 160000 ریال\n1. پرداخت\n2. انصراف"
REGISTER = "*6655*123"
PAY = "*6655*124"
ODD = "*6655*125"
MOBILE = "09121234567"


@dataclass
class MerchantPages:
    """Listens at `url`. `seen`: the addresses it was asked; `codes`: what was registered; `paid`: the RRNs it heard."""

    url: str = ""
    seen: list[str] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    paid: list[str] = field(default_factory=list)
    says: web.Response = field(default_factory=web.Response)
    """What the odd page says."""
    counts: bool = False
    """The odd page says how often it was asked."""

    @property
    def services(self) -> tuple[Service, ...]:
        """What iNoti is told of them."""
        return (
            Service(REGISTER, f"{self.url}/register"),
            Service(PAY, f"{self.url}/pay?shop=1"),
            Service(ODD, f"{self.url}/odd"),
        )

    async def register(self, request: web.Request) -> web.Response:
        """The document's sample."""
        self.seen.append(request.raw_path)
        call = request.query["call"]
        if call == REGISTER:
            return _plain(ASK)
        self.codes.append(call.split("*")[3])
        return _plain(SAVED)

    async def pay(self, request: web.Request) -> web.Response:
        """Agree, and pay."""
        self.seen.append(request.raw_path)
        if "RRN" in request.query:
            self.paid.append(request.query["RRN"])
            return _plain("OK")
        call = request.query["call"]
        if call == PAY:
            return _plain(AGREE)
        return _plain("9900|42|160000" if call.endswith("*1") else "هر وقت خواستید بپردازید.")

    async def odd(self, request: web.Request) -> web.Response:
        """Whatever the test wants."""
        self.seen.append(request.raw_path)
        return _plain(f"screen {len(self.seen)}") if self.counts else self.says


@asynccontextmanager
async def open_pages() -> AsyncIterator[MerchantPages]:
    """Listen while inside."""
    pages = MerchantPages()
    app = web.Application()
    app.router.add_get("/register", pages.register)
    app.router.add_get("/pay", pages.pay)
    app.router.add_get("/odd", pages.odd)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    pages.url = f"http://{host}:{port}"
    try:
        yield pages
    finally:
        await runner.cleanup()


def _plain(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/plain", charset="utf-8")


@dataclass
class Line:
    """A sandbox, a merchant whose pages it knows, and the network between them."""

    sandbox: SandboxServer
    merchant: MerchantPages

    @property
    def network(self) -> UssdNetwork:
        return self.sandbox.ussd

    def calls(self) -> list[str]:
        """The `call` of every request that the merchant got."""
        return [parse_qs(urlsplit(target).query)["call"][0] for target in self.merchant.seen]

    def results(self) -> list[str]:
        return [line.result for line in self.sandbox.diary.lines]
