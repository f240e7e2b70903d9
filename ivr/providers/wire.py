"""Reading what a provider answered, and writing what it is asked. Law: tolerant of form, never of doubt.

Keys lose their spaces, digits may be Persian or Arabic, a number may be a text. But an answer that is not one JSON
object, says one thing twice, or cannot hold what it should is OutcomeUnknown. No float ever comes out of here.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import urlencode

import msgspec

from ivr.domain.digits import is_digits, to_ascii
from ivr.domain.errors import BadInput, OutcomeUnknown
from ivr.domain.money import rial
from ivr.domain.secret import Secret
from ivr.runtime.http_client import HttpAnswer

MOST_TEXT: Final = 200
"""A text for people is cut after so many characters."""
MOST_CODES: Final = 20
"""No more codes than this are read out of one answer."""
UNREADABLE: Final = "unreadable"
"""Stands for a provider's code that is not fit to be written down."""
FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
"""The header that goes with `sealed_form`."""

Document = Mapping[str, object]

_CODE_KEYS: Final = ("error", "code", "error_code", "errorCode")
_NO_ERROR: Final = frozenset({"", "0", "200"})
_REFERENCE: Final = re.compile(r"[A-Za-z0-9-]{1,40}")
_WHOLE: Final = re.compile(r"([0-9]{1,20})\.0{1,9}")
_CODE: Final = re.compile(r"(?!.*\d{7})[A-Za-z0-9_.-]{1,32}")


def read(answer: HttpAnswer) -> Document:
    """The answer as one JSON object, keys stripped, fractions as text.

    401 and 403 are answers even without a JSON body: they come back empty. Raises OutcomeUnknown for 5xx, for a
    redirect, and for everything that is not one clear JSON object.
    """
    if not (200 <= answer.status < 300 or 400 <= answer.status < 500):
        raise OutcomeUnknown(f"the provider answered with HTTP {answer.status}")
    try:
        document = json.loads(
            answer.body.decode("utf-8-sig"), object_pairs_hook=_object, parse_float=str, parse_constant=str
        )
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict):
        return document
    if answer.status in (401, 403):
        return {}
    raise OutcomeUnknown("the answer is not a clear JSON object")


def is_one(value: object) -> bool:
    """True for 1 and "1", in whichever digits; for nothing else, `true` included."""
    return scalar(value) == "1"


def scalar(value: object) -> str | None:
    """A whole number or a text as plain text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    return to_ascii(str(value)).strip()


def digits(value: object, most: int) -> str:
    """An identifier of 1 to `most` digits. Raises OutcomeUnknown: what is not one must not travel on."""
    text = scalar(value)
    if text is None or not is_digits(text) or len(text) > most:
        raise OutcomeUnknown("the answer holds an identifier that is none")
    return text


def amount(value: object) -> int:
    """Whole rial; a fraction that is none (`160000.0`) does not hurt. Raises OutcomeUnknown when it is no amount."""
    text = scalar(value) or ""
    whole = _WHOLE.fullmatch(text)
    try:
        return rial(whole[1] if whole else text)
    except BadInput:
        raise OutcomeUnknown("the answer holds an amount that is none") from None


def text_for_people(value: object) -> str:
    """A text from the answer, cut and without line breaks; empty when it is none."""
    text = scalar(value) or ""
    return "".join(letter for letter in text if letter.isprintable())[:MOST_TEXT]


def records(document: Document) -> Iterator[Document]:
    """The objects that may hold the answer's values: itself, its `data`, and the first of a list in `data`."""
    yield document
    data = document.get("data")
    if isinstance(data, list) and data:
        data = data[0]
    if isinstance(data, dict):
        yield data


def error_codes(document: Document) -> list[str]:
    """Every error code in the answer, as it came, in order. Empty when it speaks of no error.

    Looked for in `error`, `code`, `error_code`, `errorCode` and `errors` (number, text, list, object, or Laravel's
    object of lists of texts); then a `status` other than 0 and 1; then, with status 0, `data`; then the 0 itself.
    """
    found = [code for key in (*_CODE_KEYS, "errors") for code in _codes(document.get(key))]
    status = scalar(document.get("status"))
    if not found and status is not None and status != "1":
        found = list(_codes(status)) or list(_codes(document.get("data"))) or [status]
    return found[:MOST_CODES]


def safe_code(code: str) -> str:
    """The code, or `unreadable` when it is long, holds odd characters, or digits enough to be somebody's number."""
    return code if _CODE.fullmatch(code) else UNREADABLE


def _codes(value: object, depth: int = 3) -> Iterator[str]:
    if value is True:
        yield "true"
    elif isinstance(value, list) and depth:
        for item in value:
            yield from _codes(item, depth - 1)
    elif isinstance(value, dict) and depth:
        keys = [key for key in _CODE_KEYS if key in value] or list(value)
        for key in keys:
            yield from _codes(value[key], depth - 1)
    elif (text := scalar(value)) is not None and text not in _NO_ERROR:
        yield text


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object with stripped keys. Raises ValueError when two pairs claim the same key with different values."""
    made: dict[str, object] = {}
    for key, value in pairs:
        plain = key.strip()
        if plain in made and made[plain] != value:
            raise ValueError("one key, two values")
        made[plain] = value
    return made


def sealed_json(fields: Mapping[str, object]) -> bytes:
    """A JSON body. A Secret at its top stays one until it is these bytes."""
    return msgspec.json.encode(fields, enc_hook=_opened)


def sealed_form(fields: Mapping[str, str | int | Secret]) -> bytes:
    """A form as a body, each value encoded once; `FORM` is its header. A Secret stays one until it is these bytes."""
    opened = {name: value.reveal() if isinstance(value, Secret) else value for name, value in fields.items()}
    return urlencode(opened).encode()


def reference(value: object) -> str | None:
    """A bank's reference: 1 to 40 letters, digits and dashes. None when there is none: absent, empty, or only zeros.

    Raises OutcomeUnknown for anything else.
    """
    if value is None:
        return None
    text = scalar(value)
    if text is None or not (text == "" or _REFERENCE.fullmatch(text)):
        raise OutcomeUnknown("the answer holds a reference that is none")
    return text if text.strip("0") else None


def _opened(value: object) -> str:
    if not isinstance(value, Secret):
        raise TypeError(f"{type(value).__name__} cannot be sent")
    return value.reveal()
