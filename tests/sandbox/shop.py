"""A merchant's web site that payers come back to, and a browser that fills in forms."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from html.parser import HTMLParser

import aiohttp

from tests.providers.raw_server import Exchange, RawServer


@dataclass
class Shop:
    """Where payers come back to; `visits` are the addresses they came with."""

    url: str
    visits: list[str] = field(default_factory=list)


@asynccontextmanager
async def open_shop() -> AsyncIterator[Shop]:
    """Listens while inside."""

    async def welcome(exchange: Exchange) -> None:
        shop.visits.append(exchange.seen.target)
        await exchange.send(b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nwelcome")

    async with RawServer(welcome) as server:
        shop = Shop(server.url)
        yield shop


class Form(HTMLParser):
    """The page's form: its fields, its buttons, and every word that stands outside."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.method = ""
        self.fields: list[str] = []
        self.actions: list[str] = []
        self.words = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form":
            self.method = given.get("method") or "get"
        elif tag == "input":
            self.fields.append(str(given["name"]))
        elif tag == "button":
            self.actions.append(str(given["value"]))

    def handle_data(self, data: str) -> None:
        self.words += data


async def see(web: aiohttp.ClientSession, url: str) -> Form:
    """Open a page."""
    async with web.get(url) as answer:
        return Form(await answer.text())


async def press(web: aiohttp.ClientSession, url: str, action: str, pan: str = "", pin: str = "") -> str:
    """Fill in the form and press a button; returns the words of the page where the browser ends."""
    async with web.post(url, data={"pan": pan, "pin": pin, "action": action}) as answer:
        return Form(await answer.text()).words
