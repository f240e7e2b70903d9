"""The shop's program that sends SMS: it takes our notices, and a payer opens the link that came with one."""

import asyncio
from typing import Any, Self

import httpx
from aiohttp import web

from ivr.sandbox.settings import DEMO_CARDS, SandboxCard

PATIENCE = 60.0


class Notifier:
    """A real HTTP server; remembers what it was told, in order. `async with` runs it."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/sms", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        [(host, port, *_)] = self._runner.addresses
        self.url = f"http://{host}:{port}/sms"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def about(self, **values: str) -> list[dict[str, Any]]:
        """Every notice with these values."""
        return [notice for notice in self.told if values.items() <= notice["values"].items()]

    async def link(self, count: int = 1, **values: str) -> str:
        """The newest link with these values, once so many notices have come."""
        async with asyncio.timeout(PATIENCE):
            while len(self.about(**values)) < count:  # noqa: ASYNC110 - the shop's SMS announces itself to nobody
                await asyncio.sleep(0.1)
        return str(self.about(**values)[-1]["values"]["url"])

    async def _take(self, request: web.Request) -> web.Response:
        self.told.append(await request.json())
        return web.Response(status=204)


async def on_the_page(link: str, action: str, card: SandboxCard = DEMO_CARDS[0]) -> str:
    """A browser opens the link, presses a button (`pay`, `cancel`), and comes back; returns what it shows at last."""
    async with httpx.AsyncClient(trust_env=False, follow_redirects=True) as browser:
        page = await browser.get(link)
        assert page.status_code == 200 and "<form" in page.text
        form = {"pan": card.pan.reveal(), "pin": card.pin.reveal(), "action": action}
        if "uniqueNumber" in link:  # POD's page
            form = {"paid": "true" if action == "pay" else "false"}
        back = await browser.post(link, data=form)
        assert back.status_code == 200
        return back.text
