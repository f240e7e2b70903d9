"""The SMS that the sandbox sends: nobody has its telephones, so they are shown on a page and by API.

Law: these are one-time passwords and links of the sandbox's own cards and invoices, worth nothing anywhere else. Here
alone a password is shown; a card is shown by its first six and last four.

GET /_sandbox/sms        {about?}  -> every SMS, newest last; `about` is an order or an invoice
GET /_sandbox/sms.html             -> the same for people, newest first
"""

from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final

from aiohttp import web

from ivr.sandbox.desk import say

MOST_KEPT: Final = 1000
"""The oldest go first."""


@dataclass(frozen=True, slots=True)
class Sms:
    """One SMS. `to` is a masked card or a telephone number, `code` what has to be keyed (empty: nothing)."""

    number: int
    at: float
    to: str
    about: str
    text: str
    code: str = ""

    def __repr__(self) -> str:
        return f"Sms({self.number}, {self.about!r})"


class Outbox:
    """What was sent, oldest first."""

    def __init__(self) -> None:
        self.sent: deque[Sms] = deque(maxlen=MOST_KEPT)
        self._count = 0

    def send(self, at: float, to: str, about: str, text: str, code: str = "") -> None:
        """Send one."""
        self._count += 1
        self.sent.append(Sms(self._count, at, to, about, text, code))

    def last(self, about: str) -> Sms | None:
        """The newest about this order or invoice."""
        return next((sms for sms in reversed(self.sent) if sms.about == about), None)


def add_sms_routes(app: web.Application, outbox: Outbox) -> None:
    """Show the SMS at the sandbox's own desk."""

    async def listed(request: web.Request) -> web.Response:
        about = request.query.get("about")
        return say({"sms": [asdict(sms) for sms in outbox.sent if about in (None, sms.about)]})

    async def page(request: web.Request) -> web.Response:
        rows = "".join(map(_row, reversed(outbox.sent)))
        return web.Response(text=_PAGE.format(rows=rows), content_type="text/html", charset="utf-8")

    app.router.add_get("/_sandbox/sms", listed)
    app.router.add_get("/_sandbox/sms.html", page)


def _row(sms: Sms) -> str:
    at = datetime.fromtimestamp(sms.at, UTC).strftime("%H:%M:%S")
    cells = (at, sms.to, sms.about, sms.text, sms.code)
    return "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>\n"


_PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3"><title>SMS of the sandbox</title>
<style>body {{ font: 16px sans-serif; margin: 2em }} td, th {{ padding: .3em 1em; text-align: start }}
td:last-child {{ font-weight: bold }}</style></head>
<body><h1>SMS of the sandbox</h1>
<table><tr><th>time (UTC)</th><th>to</th><th>about</th><th>text</th><th>code</th></tr>
{rows}</table></body></html>
"""
