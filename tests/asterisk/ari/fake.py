"""An ARI server on loopback that misbehaves on demand. It knows nothing of telephony."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import WSMsgType, web

from ivr.asterisk.settings import Ari
from ivr.domain.secret import Secret

PASSWORD = "geheim-4711"
Reply = tuple[int, object]
Answer = Callable[[dict[str, Any]], Awaitable[Reply | None]]


async def accept(request: dict[str, Any]) -> Reply | None:
    return 204, None


class FakeAri:
    """`answer` decides every reply; None never replies. `status` other than 101 refuses the websocket."""

    def __init__(self) -> None:
        self.answer: Answer = accept
        self.status = 101
        self.rest_over_websocket = True
        self.drop_at_once = False
        self.requests: list[dict[str, Any]] = []
        self.urls: list[str] = []
        self.sockets: list[web.WebSocketResponse] = []
        self.connects = 0
        self.port = 0
        self._transports: list[asyncio.Transport] = []
        self._news = asyncio.Event()

    def settings(self, password: str = PASSWORD) -> Ari:
        return Ari(f"http://127.0.0.1:{self.port}", "tester", Secret(password), "ivr")

    async def push(self, event: dict[str, object] | str) -> None:
        """Say this over the newest socket."""
        await self.sockets[-1].send_str(event if isinstance(event, str) else json.dumps(event))

    def drop(self) -> None:
        """Cut the newest socket without a word."""
        self._transports[-1].abort()

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not ready():
                self._news.clear()
                await self._news.wait()

    def paths(self) -> list[str]:
        return [f"{one['method']} /{one['uri']}" for one in self.requests]

    async def websocket(self, request: web.Request) -> web.StreamResponse:
        self.urls.append(str(request.rel_url))
        wanted = base64.b64encode(f"tester:{PASSWORD}".encode()).decode()
        if request.headers.get("Authorization") != f"Basic {wanted}":
            return web.Response(status=401)
        if self.status != 101:
            return web.Response(status=self.status)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        assert isinstance(request.transport, asyncio.Transport)
        self._transports.append(request.transport)
        self.connects += 1
        self._news.set()
        async for message in socket:
            if message.type is WSMsgType.TEXT and self.rest_over_websocket:
                await self._reply(socket, json.loads(message.data))
        return socket

    async def plain(self, request: web.Request) -> web.StreamResponse:
        """The same requests over HTTP."""
        self.urls.append(str(request.rel_url))
        uri = str(request.rel_url).removeprefix("/ari/")
        body = await request.text()
        status, reply = await self._answer({"method": request.method, "uri": uri, "message_body": body}) or (500, None)
        return web.Response(status=status, text=json.dumps(reply) if reply is not None else None)

    async def _reply(self, socket: web.WebSocketResponse, request: dict[str, Any]) -> None:
        found = await self._answer(request)
        if found is None:
            return
        status, body = found
        reply = {"type": "RESTResponse", "request_id": request["request_id"], "status_code": status}
        if body is not None:
            reply["message_body"] = json.dumps(body)
        await socket.send_str(json.dumps(reply))
        if self.drop_at_once:
            self.drop()

    async def _answer(self, request: dict[str, Any]) -> Reply | None:
        self.requests.append(request)
        self._news.set()
        return await self.answer(request)


@asynccontextmanager
async def serving() -> AsyncIterator[FakeAri]:
    fake = FakeAri()
    app = web.Application()
    app.router.add_get("/ari/events", fake.websocket)
    app.router.add_route("*", "/ari/{path:.*}", fake.plain)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    fake.port = runner.addresses[0][1]
    try:
        yield fake
    finally:
        await runner.cleanup()
