"""POD's envelope and its bills, read.

Law: keys in any case, `cancelDate` spelt either way, numbers as texts and in any digits, `result` as an object, a list
or JSON inside a text; but an envelope that says both yes and no, or neither, is OutcomeUnknown.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ivr.domain.digits import is_digits, to_ascii
from ivr.domain.errors import OutcomeUnknown
from ivr.providers import wire
from ivr.runtime.http_client import HttpAnswer

ISSUED: Final = "SERVICE_BILL_ISSUE_INVOICE"
ACCEPTED: Final = "SERVICE_BILL_ACCEPTED"
CANCELED: Final = "SERVICE_BILL_CANCELED"
FILE_CONFIRMED: Final = "SERVICE_BILL_FILE_CONFIRMED"
SEND_FILE_FAILED: Final = "SERVICE_BILL_SEND_FILE_FAILED"
CONFIRMED: Final = "SERVICE_BILL_SANTA_CONFIRMED"
PAID: Final = frozenset({ACCEPTED, FILE_CONFIRMED, CONFIRMED})
"""The statuses in which the payer's money has been taken for the bill."""

MOST_ID: Final = 20
"""Digits of POD's own ids."""
MOST_DEPTH: Final = 4
"""Envelopes inside envelopes."""

_NO: Final = frozenset({"false", "0", "no"})
_YES: Final = frozenset({"true", "1", "yes"})
_NO_CODE: Final = frozenset({"", "0"})


@dataclass(frozen=True, slots=True)
class Envelope:
    """What one call of the gateway said: an error's code as it came, or a result."""

    error: str | None
    result: object = None
    count: int | None = None
    """How many records there are in all, where it says so."""


@dataclass(frozen=True, slots=True)
class BillRecord:
    """One bill as POD lists it. What is missing or cannot be read is empty or None; a status is kept as it came."""

    id: str
    bill_id: str
    payment_id: str
    amount_rial: int | None
    company: str
    sub_company: str
    requested_at: str
    reference: str
    status: str
    invoice_id: str
    settlement_id: str
    cancelled_at: str
    unique_number: str

    def is_of(self, bill_id: str, payment_id: str) -> bool:
        """Whether both ids are these; leading zeros do not count."""
        return (self.bill_id.lstrip("0"), self.payment_id.lstrip("0")) == (bill_id, payment_id)


def envelope(answer: HttpAnswer) -> Envelope:
    """The answer's envelope, and those inside it. Raises OutcomeUnknown when it is none, or not a clear one."""
    document = _folded(wire.read(answer))
    if not document and answer.status in (401, 403):
        return Envelope(f"http_{answer.status}")
    opened = _open(document, MOST_DEPTH)
    if answer.status >= 400 and opened.error is None:
        raise OutcomeUnknown(f"the answer is a result with HTTP {answer.status}")
    return opened


def bill_records(result: object, unique_number_field: str) -> list[BillRecord]:
    """The bills of a result: one object, or a list of them. Raises OutcomeUnknown when it is neither."""
    if result is None:
        return []
    items = result if isinstance(result, list) else [result]
    found = [_record(item, unique_number_field) for item in items if isinstance(item, dict)]
    if len(found) != len(items):
        raise OutcomeUnknown("the result is neither a bill nor a list of bills")
    return found


def links(result: object) -> list[str]:
    """Every web address in a result, in order, each once."""
    found: dict[str, None] = {}
    _find_links(result, found, MOST_DEPTH)
    return list(found)


def _open(document: Mapping[str, object], depth: int) -> Envelope:
    failed, code = _truth(document.get("haserror")), _code(document.get("errorcode"))
    if failed is None:
        failed = code is not None
        if not failed and "result" not in document:
            raise OutcomeUnknown("the answer says neither yes nor no")
    if failed:
        return Envelope(code or "0")
    if code is not None:
        raise OutcomeUnknown("the answer says both yes and no")
    result = _unpacked(document.get("result"))
    if isinstance(result, dict) and depth and "result" in result and "billid" not in result:
        # The gateway hands the service's own answer on inside its own: {statusCode, result}, or an envelope again.
        status = _code(result.get("statuscode"))
        if status is not None and status != "200":
            return Envelope(status)
        return _open(result, depth - 1)
    count = wire.scalar(document.get("count"))
    return Envelope(None, result, int(count) if count is not None and is_digits(count) and len(count) < 10 else None)


def _record(item: Mapping[str, object], unique_number_field: str) -> BillRecord:
    def text(*names: str) -> str:
        return next((found for name in names if (found := wire.text_for_people(item.get(name)))), "")

    return BillRecord(
        id=text("id"),
        bill_id=text("billid"),
        payment_id=text("paymentid"),
        amount_rial=None if item.get("price") is None else wire.amount(item["price"]),
        company=text("utilitycompanyname"),
        sub_company=text("subutilitycompanyname"),
        requested_at=text("requestdate"),
        reference=text("referencenumber"),
        status=text("status").upper(),
        invoice_id=text("invoiceid"),
        settlement_id=text("settlementrequestid"),
        cancelled_at=text("canceldate", "caceldate"),
        unique_number=_deep(item, unique_number_field.casefold(), MOST_DEPTH),
    )


def identifier(text: str) -> str:
    """One of POD's ids, digits. Raises OutcomeUnknown."""
    if not is_digits(text) or len(text) > MOST_ID:
        raise OutcomeUnknown("the answer holds an identifier that is none")
    return text


def _truth(value: object) -> bool | None:
    """A truth however it is written; None when nothing is. Raises OutcomeUnknown when it is none."""
    if value is None:
        return None
    word = str(value).strip().casefold() if isinstance(value, bool) else (wire.scalar(value) or "").casefold()
    if word not in _YES | _NO:
        raise OutcomeUnknown("the answer does not clearly say yes or no")
    return word in _YES


def _code(value: object) -> str | None:
    """An error's code; None when there is none. Raises OutcomeUnknown when it cannot be read."""
    if value is None or value is False:
        return None
    text = wire.scalar(value)
    if text is None:
        raise OutcomeUnknown("the answer holds an error that cannot be read")
    return None if text in _NO_CODE else text


def _unpacked(result: object) -> object:
    """JSON inside a text becomes what it says; every other text stays one."""
    if not isinstance(result, str) or not result.lstrip().startswith(("{", "[")):
        return result
    try:
        return json.loads(result, object_pairs_hook=_pairs, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        raise OutcomeUnknown("the result is not clear JSON") from None


def _folded(document: wire.Document) -> wire.Document:
    """The same with every key in small letters. Raises OutcomeUnknown when one key then says two things."""
    try:
        return _pairs([(key, _fold(item)) for key, item in document.items()])
    except (ValueError, RecursionError):
        raise OutcomeUnknown("the answer says one thing twice, or is nested too deep") from None


def _fold(value: object) -> object:
    if isinstance(value, list):
        return [_fold(item) for item in value]
    if isinstance(value, dict):
        return _pairs([(key, _fold(item)) for key, item in value.items()])
    return value


def _pairs(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made: dict[str, object] = {}
    for key, value in pairs:
        plain = key.strip().casefold()
        if plain in made and made[plain] != value:
            raise ValueError("one key, two values")
        made[plain] = value
    return made


def _deep(value: object, name: str, depth: int) -> str:
    """The first text of this name in an object or the objects inside it."""
    if not isinstance(value, dict):
        return ""
    if found := wire.text_for_people(value.get(name)):
        return found
    inner = (_deep(item, name, depth - 1) for item in value.values()) if depth else ()
    return next((found for found in inner if found), "")


def _find_links(value: object, found: dict[str, None], depth: int) -> None:
    if isinstance(value, str) and value.strip().startswith(("http://", "https://")):
        found[to_ascii(value.strip())] = None
    elif isinstance(value, dict | list) and depth:
        for item in value.values() if isinstance(value, dict) else value:
            _find_links(item, found, depth - 1)
