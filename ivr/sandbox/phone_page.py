"""The handset's page and the pay page, put together from the files beside this one.

Law: a page is one file that loads nothing; the browser is told so, and runs no script and no style but ours.
"""

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from aiohttp import web

FILES: Final = Path(__file__).with_name("phone")


def phone_page(choices: str) -> web.Response:
    """The handset. `choices` are the options of its select, HTML of ours."""
    style, script = _file("look.css") + _file("phone.css"), _file("phone.js")
    text = _file("phone.html").replace("<!--choices-->", choices)
    return _page(text.replace("/*style*/", style).replace("/*script*/", script), style, script)


def small_page(title: str, body: str, status: int = 200) -> web.Response:
    """A page with a heading, for whoever opened a link. `body` is HTML, `title` plain text of ours."""
    style = _file("look.css")
    text = _file("pay.html").replace("/*style*/", style).replace("<!--title-->", title).replace("<!--body-->", body)
    return _page(text, style, "", status)


@cache
def _file(name: str) -> str:
    return (FILES / name).read_text("utf-8")


def _page(text: str, style: str, script: str, status: int = 200) -> web.Response:
    scripts = _hash(script) if script else "'none'"
    allowed = (
        f"default-src 'none'; connect-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; "
        f"frame-ancestors 'none'; style-src {_hash(style)}; script-src {scripts}"
    )
    headers = {"Content-Security-Policy": allowed, "Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
    return web.Response(status=status, text=text, content_type="text/html", charset="utf-8", headers=headers)


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
