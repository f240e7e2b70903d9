"""The pages that a payer's browser sees at the sandbox's providers. Whatever is not ours is escaped."""

from html import escape
from typing import Final

from aiohttp import web

_STYLE: Final = (
    "body{font:18px sans-serif;max-width:26em;margin:3em auto;padding:0 1em}"
    "label{display:block;margin:1em 0}input{font:inherit;width:100%;direction:ltr}"
    "button{font:inherit;padding:.4em 1.2em;margin:.3em}.wrong{color:#b00}"
)


def pay_page(provider: str, amount: int, about: str, wrong: str = "", status: int = 200) -> web.Response:
    """A form that is sent to its own address: `pan`, `pin`, and `action` = pay, cancel or fail."""
    said = f'<p class="wrong" role="alert">{escape(wrong)}</p>' if wrong else ""
    return _page(
        f"پرداخت – {provider}",
        f"""<p>مبلغ: <strong id="amount">{amount:,}</strong> ریال</p>
<p>شناسه: <bdi id="about">{escape(about)}</bdi></p>{said}
<form method="post">
<label>شمارهٔ کارت <input name="pan" inputmode="numeric" autocomplete="off" maxlength="19" autofocus></label>
<label>رمز پویا <input name="pin" type="password" inputmode="numeric" autocomplete="off" maxlength="12"></label>
<button name="action" value="pay">پرداخت</button>
<button name="action" value="cancel">انصراف</button>
<button name="action" value="fail">خطا در پرداخت</button>
</form>""",
        status,
    )


def ended_page(provider: str, text: str, return_url: str | None = None, status: int = 200) -> web.Response:
    """An invoice that cannot be paid (any more), and the way back to the merchant."""
    back = f'<p><a href="{escape(return_url)}">بازگشت به فروشگاه</a></p>' if return_url else ""
    return _page(f"پرداخت – {provider}", f"<p>{escape(text)}</p>{back}", status)


def go_back(return_url: str) -> web.Response:
    """Send the browser back to the merchant."""
    return web.Response(status=303, headers={"Location": return_url, "Cache-Control": "no-store"})


def _page(title: str, body: str, status: int) -> web.Response:
    return web.Response(
        status=status,
        text=f'<!doctype html>\n<html lang="fa" dir="rtl"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>\n{body}</body></html>\n",
        content_type="text/html",
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )
