"""What the web gateway's role knows: invoices with a way back, paid on its page. No I/O.

Law: an invoice is paid at most once, and once it is paid, cancelled or failed it stays so.
"""

import string
from dataclasses import dataclass
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from ivr.domain.secret import Secret
from ivr.sandbox.books import Books, masked
from ivr.sandbox.settings import SandboxSettings, Terminal

KEY_LENGTH: Final = 20
LEAST_RIAL: Final = 1000

NOT_POST: Final = "100"
WRONG_API_KEY: Final = "101"
WRONG_AMOUNT: Final = "102"
NO_RETURN_URL: Final = "103"
WRONG_KEY: Final = "200"
NOT_PAID: Final = "201"
CANCELLED: Final = "202"
NO_BANK: Final = "301"

DESCRIPTIONS: Final = {
    NOT_POST: "نوع درخواست باید POST باشد",
    WRONG_API_KEY: "api_key ارسال نشده است یا صحیح نیست",
    WRONG_AMOUNT: "مبلغ ارسال نشده است یا کمتر از ۱۰۰۰ ریال است",
    NO_RETURN_URL: "آدرس بازگشت ارسال نشده است",
    NO_BANK: "خطایی در برقراری با سرور بانک رخ داده است",
    WRONG_KEY: "شناسه پرداخت صحیح نیست",
    NOT_PAID: "پرداخت انجام نشده است",
    CANCELLED: "پرداخت کنسل شده است یا خطایی در مراحل پرداخت رخ داده است",
}
"""The document's words."""

_LETTERS: Final = string.ascii_letters + string.digits


class Refused(Exception):
    """The gateway says no, with an error of its table."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class WebState(Enum):
    """Where an invoice stands."""

    OPEN = "open"
    PAID = "paid"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(slots=True)
class WebInvoice:
    """An amount that a merchant's payer is to pay on the page."""

    key: str
    terminal: Terminal
    amount: int
    return_url: str
    state: WebState = WebState.OPEN
    bank_code: str | None = None
    masked_pan: str | None = None
    wrong_tries: int = 0


class WebBooks:
    """The cards are those of `Books`."""

    def __init__(self, settings: SandboxSettings, books: Books) -> None:
        self._settings = settings
        self._books = books
        self._terminals = {terminal.api_key: terminal for terminal in settings.terminals}
        self.invoices: dict[str, WebInvoice] = {}

    def terminal(self, api_key: str) -> Terminal:
        """The terminal of a key. Raises Refused 101."""
        terminal = self._terminals.get(Secret(api_key))
        if terminal is None:
            raise Refused(WRONG_API_KEY)
        return terminal

    def request(self, terminal: Terminal, amount: int | None, return_url: str) -> WebInvoice:
        """A new open invoice. Raises Refused 102 or 103."""
        if amount is None or amount < LEAST_RIAL:
            raise Refused(WRONG_AMOUNT)
        if not _can_be_returned_to(return_url):
            raise Refused(NO_RETURN_URL)
        key = "".join(self._books.dice.choices(_LETTERS, k=KEY_LENGTH))
        self.invoices[key] = invoice = WebInvoice(key, terminal, amount, return_url)
        return invoice

    def pay(self, invoice: WebInvoice, pan: Secret, pin: Secret) -> None:
        """Take the money of an open invoice, once. It stays open when card or password is wrong, or the money too
        little; too many of these, and it has failed.
        """
        if invoice.state is not WebState.OPEN:
            return
        account = self._books.accounts.get(pan)
        if account is None or account.pin != pin or account.balance < invoice.amount:
            invoice.wrong_tries += 1
            if invoice.wrong_tries >= self._settings.wrong_tries:
                invoice.state = WebState.FAILED
            return
        account.balance -= invoice.amount
        invoice.bank_code = self._books.fresh_reference()
        invoice.masked_pan = masked(pan)
        invoice.state = WebState.PAID

    def end(self, invoice: WebInvoice, state: WebState) -> None:
        """Cancel an open invoice, or let it fail."""
        if invoice.state is WebState.OPEN:
            invoice.state = state

    def check(self, terminal: Terminal, key: str) -> WebInvoice:
        """A paid invoice of this terminal. Raises Refused 200, 201 or 202."""
        invoice = self.invoices.get(key)
        if invoice is None or invoice.terminal is not terminal:
            raise Refused(WRONG_KEY)
        if invoice.state is WebState.OPEN:
            raise Refused(NOT_PAID)
        if invoice.state is not WebState.PAID:
            raise Refused(CANCELLED)
        return invoice


def _can_be_returned_to(text: str) -> bool:
    """An address for a browser. One that was encoded twice is none."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and text.isprintable()
