"""What the merchant's page answered, checked as strictly as a network could: a screen, or the wish for money.

Law: money is asked for by exactly `9900|<factor>|<rial>`. Whatever else begins like it is a screen, and a mistake.
"""

import re
from dataclasses import dataclass
from typing import Final

from ivr.domain.money import MOST_RIAL
from ivr.sandbox.gsm import Alphabet, Limits, alphabet_of, cut, length

MISTAKES: Final = {
    "not_utf8": "متن پاسخ UTF-8 نیست",
    "charset": "سرایند پاسخ charset دیگری جز UTF-8 می‌گوید",
    "bom": "پاسخ با BOM آغاز می‌شود",
    "empty": "پاسخ خالی است",
    "markup": "پاسخ نشانه‌گذاری HTML دارد",
    "control": "پاسخ نویسهٔ کنترلی دارد",
    "spaces": "پاسخ با فاصله یا سطر خالی آغاز یا تمام می‌شود",
    "almost_payment": "پاسخ مانند درخواست پرداخت است ولی دقیقاً «9900|فاکتور|ریال» نیست",
    "too_long": "متن بلندتر از صفحه است و بریده شد",
    "changed": "پاسخ همان درخواست بار دوم چیز دیگری بود",
}
"""Codes of what a merchant may do wrong, and how the handset says it."""

_PAYMENT: Final = re.compile(r"9900\|([1-9][0-9]{0,19})\|([1-9][0-9]{0,12})")
_ALMOST: Final = re.compile(r"\s*9900\s*\|")
_MARKUP: Final = re.compile(r"</?[a-zA-Z][^<>]*>|<!|&(?:[a-zA-Z]{2,8}|#[0-9]+|#x[0-9a-fA-F]+);")
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
_BOM: Final = "\ufeff"


@dataclass(frozen=True, slots=True)
class Screen:
    """A text on the screen. `length` counts all that came, `text` is what fits; `mistakes` are keys of MISTAKES."""

    text: str
    alphabet: Alphabet
    length: int
    most: int
    mistakes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """The merchant wants this much rial for an invoice of theirs."""

    factor: str
    price: int


def read_answer(raw: bytes, charset: str | None, limits: Limits) -> Screen | Wish:
    """Take apart the body of an answer with HTTP 200. `charset` is what its header says."""
    mistakes: list[str] = []
    if charset is not None and charset.lower().replace("-", "") != "utf8":
        mistakes.append("charset")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("utf-8", "replace")
        mistakes.append("not_utf8")
    asked = _PAYMENT.fullmatch(text)
    if asked and int(asked[2]) <= MOST_RIAL:
        return Wish(asked[1], int(asked[2]))
    if text.startswith(_BOM):
        text = text.removeprefix(_BOM)
        mistakes.append("bom")
    mistakes += _wrong_in(text)
    alphabet = alphabet_of(text)
    long, most = length(text, alphabet), limits.of(alphabet)
    if long > most:
        mistakes.append("too_long")
    return Screen(cut(text, most, alphabet), alphabet, long, most, tuple(mistakes))


def _wrong_in(text: str) -> list[str]:
    found = {
        "empty": not text.strip(),
        "spaces": bool(text.strip()) and text != text.strip(),
        "markup": bool(_MARKUP.search(text)),
        "control": bool(_CONTROL.search(text)),
        "almost_payment": bool(_ALMOST.match(text)),
    }
    return [code for code, is_so in found.items() if is_so]
