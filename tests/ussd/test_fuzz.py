"""Whoever reaches our address may send any bytes: never a traceback, never a session for what is no code of ours.

Raw sockets to a real uvicorn, as `ivr serve` runs it, in front of a real store.
"""

import asyncio
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ivr.app import serve_web
from ivr.runtime.observer import Observer
from ivr.store.opening import open_store
from ivr.ussd.request import SaidPaid
from ivr.ussd.routes import UssdRoutes
from ivr.ussd.settings import UssdSettings
from ivr.web.operations import operations_app
from tests.clock import Clock
from tests.ussd.test_routes import PAY, REGISTER
from tests.ussd.world import Network, shipped_dialplan

GOOD = b"mobile=09121234567&sessionid=1&call=*6655*123"
ASK = "لطفا کد ثبت نام خود را وارد نمایید".encode()


@dataclass
class Door:
    """Where bytes go in."""

    port: int
    opened: list[str]
    """Sessions that the store was asked for, by their names."""

    async def sends(self, raw: bytes) -> bytes:
        """All that comes back until the server closes, or has answered once."""
        async with asyncio.timeout(60):
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            try:
                writer.write(raw)
                await writer.drain()
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
                )
                return head + await reader.readexactly(length)
            except (asyncio.IncompleteReadError, ConnectionError) as exc:
                return exc.partial if isinstance(exc, asyncio.IncompleteReadError) else b""
            finally:
                writer.close()

    async def asks(self, query: bytes, path: bytes = b"/ussd/register_code") -> tuple[int, bytes]:
        """Status and body of a GET; 0 where the server hung up."""
        answer = await self.sends(b"GET " + path + b"?" + query + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, body = answer.partition(b"\r\n\r\n")
        return int(head.split()[1]) if head else 0, body

    async def is_well(self) -> None:
        """The next user gets a screen."""
        assert await self.asks(GOOD) == (200, ASK)


@pytest.fixture
async def door(tmp_path: Path) -> AsyncIterator[Door]:
    clock, observer = Clock(), Observer()
    usual = UssdSettings(most_a_minute=100_000)
    async with open_store(tmp_path, clock) as store:
        network = Network(store, shipped_dialplan(REGISTER, PAY), clock, REGISTER, usual)
        opened: list[str] = []

        async def settle(provider: str, said: SaidPaid) -> bool | None:
            return None

        class Watched:
            def __getattr__(self, name: str) -> object:
                real = getattr(store.screens, name)
                if name != "take":
                    return real

                async def take(key: object, *arguments: object, **named: object) -> object:
                    opened.append(str(key))
                    return await real(key, *arguments, **named)

                return take

        desk = network.desk(Watched())  # type: ignore[arg-type]
        routes = UssdRoutes(desk, lambda: network.dialplan, usual, settle, observer, clock)
        app = operations_app({}, observer.registry, more=routes.routes)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            task = asyncio.create_task(serve_web(listener, app))
            try:
                yield Door(listener.getsockname()[1], opened)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)


NASTY = {
    "a megabyte": GOOD + b"&x=" + b"a" * 1_000_000,
    "a megabyte of stars": b"mobile=09121234567&sessionid=1&call=" + b"*" * 1_000_000,
    "ten thousand stars": GOOD + b"*" * 10_000,
    "ten thousand stars before it": b"mobile=09121234567&sessionid=1&call=" + b"*" * 10_000 + b"6655*123",
    "stars that are escaped": b"mobile=09121234567&sessionid=1&call=" + b"%2A" * 10_000,
    "nulls": b"mobile=09121234567%00&sessionid=1%00&call=*6655*123%00*%00",
    "a null in a name": b"mobile%00=09121234567&sessionid=1&call=*6655*123",
    "half an escape": b"mobile=09121234567&sessionid=1&call=*6655*12%",
    "an escape that is none": b"mobile=0912123456%zz&sessionid=1&call=*6655*123",
    "overlong UTF-8": b"mobile=%C0%B09121234567&sessionid=1&call=*6655*123",
    "a surrogate": b"mobile=09121234567&sessionid=1&call=*6655*123*%ED%A0%80",
    "UTF-8 cut off": b"mobile=09121234567&sessionid=1&call=*6655*123*%D9",
    "no UTF-8": b"mobile=09121234567&sessionid=1&call=*6655*123*%FF%FE",
    "bytes as they are": b"mobile=09121234567&sessionid=1&call=*6655*123*\xff\xfe\x80",
    "two codes": GOOD + b"&call=*1*2",
    "two users": GOOD + b"&MOBILE=09131234567",
    "ten thousand parameters": b"&".join(b"p%d=1" % number for number in range(10_000)) + b"&" + GOOD,
    "nothing but ampersands": b"&" * 100_000,
    "other signs between": GOOD.replace(b"&", b";"),
    "brackets": b"mobile[]=09121234567&sessionid[$ne]=1&call[0]=*6655*123",
    "a statement": b"mobile=09121234567&sessionid=1'%20OR%20'1'='1&call=*6655*123'--",
    "another code": b"mobile=09121234567&sessionid=1&call=*6655*999",
    "a number that never ends": b"mobile=09121234567&sessionid=1&call=*6655*123" + b"1" * 1000,
    "a callback of nothing": b"mobile=09121234567&sessionid=1&call=*6655*123&RRN=" + b"9" * 1000,
}


@pytest.mark.parametrize("what", NASTY)
async def test_nasty_queries(door: Door, what: str) -> None:
    """Refused, in an answer without a word; nothing is kept; the server goes on."""
    status, body = await door.asks(NASTY[what])
    assert status in (0, 400, 404, 414) and (body == b"" or body == b"Invalid HTTP request received.")
    assert not door.opened
    await door.is_well()


@pytest.mark.parametrize(
    "line",
    [b"%E2%80%AE1", b"%00", b"1" * 400, b"%", b"%4", b"%zz", b"%D9%81", b"+", b"1%2B1", b"'--", b"{{7*7}}", b"%25s"],
)
async def test_odd_lines_are_lines(door: Door, line: bytes) -> None:
    """Behind our own code they are a user's wrong answer, and nothing worse."""
    status, body = await door.asks(GOOD + b"*" + line)
    assert status == 200 and body.endswith(ASK)


@pytest.mark.parametrize(
    "path",
    [b"/ussd/" + b"a" * 100_000, b"/ussd/%00", b"/ussd/%FF", b"/ussd/\xff", b"/ussd/../ussd/register_code/..",
     b"/ussd/x//register_code", b"/ussd/register_code%2f", b"/ussd/%72egister_code%00", b"http://x/ussd/nobody", b"*"],
)  # fmt: skip
async def test_nasty_paths(door: Door, path: bytes) -> None:
    status, _ = await door.asks(GOOD, path)
    assert status in (0, 400, 404)
    assert not door.opened
    await door.is_well()


@pytest.mark.parametrize(
    "raw",
    [b"\x00" * 1000 + b"\r\n\r\n", b"GET\r\n\r\n",
     b"POST /ussd/register_code?" + GOOD + b" HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
     b"GET /ussd/register_code HTTP/9.9\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n"],
)  # fmt: skip
async def test_what_is_no_http(door: Door, raw: bytes) -> None:
    """It is told so, or hung up on."""
    answer = await door.sends(raw)
    assert not answer or answer.startswith(b"HTTP/1.1 4")
    await door.is_well()


async def test_thrown_bytes(door: Door, seed: int) -> None:
    """A thousand queries: good ones in which the dice have changed, doubled, cut out and put in bytes."""
    dice = random.Random(seed)
    for _ in range(1000):
        query = bytearray(GOOD + dice.choice([b"", b"*4711", b"*4711*1", b"&RRN=12", b"*42*77001&RRN=123"]))
        for _ in range(dice.randrange(1, 6)):
            at = dice.randrange(len(query))
            change = dice.randrange(4)
            if change == 0:
                query[at] = dice.randrange(256)
            elif change == 1:
                query[at:at] = query[at : at + dice.randrange(20)]
            elif change == 2:
                del query[at : at + dice.randrange(5)]
            else:
                query[at:at] = dice.choice([b"%", b"%00", b"*", b"&", b"=", b"%D9%81", b"+", b"#", b"\x00", b" "])
        status, _ = await door.asks(bytes(query))
        assert status in (0, 200, 400), query
    status, _ = await door.asks(GOOD.replace(b"sessionid=1", b"sessionid=last"))
    assert status == 200


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(call=st.text(max_size=40), session=st.text(max_size=10), service=st.text(max_size=10))
async def test_a_session_is_opened_for_our_code_only(door: Door, call: str, session: str, service: str) -> None:
    """Whatever stands in the parameters, properly escaped."""
    query = urlencode({"mobile": "09121234567", "sessionid": session, "call": call}).encode()
    before = len(door.opened)
    status, _ = await door.asks(query, b"/ussd/" + quote(service).encode())
    assert status in (400, 404) and len(door.opened) == before
    status, _ = await door.asks(query)
    plain = "".join(call.replace("#", "").split()).removeprefix("*")
    if len(door.opened) > before:
        assert plain.split("*")[:2] in (["6655", "123"], ["123", "6655"])
    else:
        assert status == 400
