"""The SMS that the sandbox sends: nobody has its telephones, so they are shown on a page and by API.

Law: these are one-time passwords and links of the sandbox's own cards and invoices, worth nothing anywhere else. Here
alone a password is shown; a card is shown by its first six and last four.

GET /_sandbox/sms        {about?}  -> every SMS, newest last; `about` is an order or an invoice
GET /_sandbox/sms.html             -> the same for people, newest first
POST /_sandbox/sms                 -> a notice `payment_link` of ours: its link is sent by SMS (204), once for each `id`
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from html import escape
from typing import Final

import msgspec
from aiohttp import web

from ivr.sandbox.desk import say

MOST_KEPT: Final = 1000
"""The oldest go first."""
PAYMENT_LINK: Final = "payment_link"


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


class Notice(msgspec.Struct, frozen=True):
    """What a flow's `link` tells whoever sends SMS; the rest of it says nothing here."""

    id: str
    event: str
    values: Mapping[str, str | int]


class Outbox:
    """What was sent, oldest first."""

    def __init__(self) -> None:
        self.sent: deque[Sms] = deque(maxlen=MOST_KEPT)
        self._count = 0
        self._noticed: deque[str] = deque(maxlen=MOST_KEPT)

    def send(self, at: float, to: str, about: str, text: str, code: str = "") -> None:
        """Send one."""
        self._count += 1
        self.sent.append(Sms(self._count, at, to, about, text, code))

    def notice(self, at: float, notice: Notice) -> None:
        """Send the link that a notice brings; one that comes again sends nothing."""
        if notice.event != PAYMENT_LINK or notice.id in self._noticed:
            return
        self._noticed.append(notice.id)
        values = notice.values
        self.send(at, str(values.get("mobile", "")), "", f"پیوند پرداخت: {values.get('url', '')}")

    def last(self, about: str) -> Sms | None:
        """The newest about this order or invoice."""
        return next((sms for sms in reversed(self.sent) if sms.about == about), None)


def add_sms_routes(app: web.Application, outbox: Outbox, now: Callable[[], float]) -> None:
    """Show the SMS at the sandbox's own desk."""

    async def listed(request: web.Request) -> web.Response:
        about = request.query.get("about")
        return say({"sms": [asdict(sms) for sms in outbox.sent if about in (None, sms.about)]})

    async def page(request: web.Request) -> web.Response:
        rows = "".join(map(_row, reversed(outbox.sent)))
        return web.Response(text=_PAGE.format(rows=rows), content_type="text/html", charset="utf-8")

    async def take(request: web.Request) -> web.Response:
        try:
            outbox.notice(now(), msgspec.json.decode(await request.read(), type=Notice))
        except msgspec.DecodeError as error:
            return say({"error": str(error)}, 400)
        return web.Response(status=204)

    app.router.add_get("/_sandbox/sms", listed)
    app.router.add_post("/_sandbox/sms", take)
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
