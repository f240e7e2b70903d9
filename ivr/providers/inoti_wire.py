"""What iNoti's GetPayments returns: a text that holds JSON, read into records.

Law: keys in any case, digits in any script, a whole number as a number, a text or `160000.0`. What is missing or
cannot be read is empty and so matches nothing. A text that is neither JSON nor the agreed word for "nothing" is
OutcomeUnknown.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from persiantools.jdatetime import JalaliDate

from ivr.domain.digits import is_digits, to_ascii
from ivr.domain.errors import OutcomeUnknown
from ivr.domain.phone import mobile
from ivr.providers import wire

MOST_RECORDS: Final = 200
TEHRAN: Final = ZoneInfo("Asia/Tehran")
FIRST_GREGORIAN: Final = 1700
"""A smaller year is one of the Iranian calendar."""

_DOTNET: Final = re.compile(r"/Date\((-?[0-9]{1,15})(?:[+-][0-9]{4})?\)/")
_WRITTEN: Final = re.compile(
    r"([0-9]{4})[-/]([0-9]{1,2})[-/]([0-9]{1,2})"
    r"(?:[T ]+([0-9]{1,2}):([0-9]{2})(?::([0-9]{2})(?:\.[0-9]{1,9})?)?)?(Z|[+-][0-9]{2}:?[0-9]{2})?"
)


@dataclass(frozen=True, slots=True)
class PaymentRecord:
    """One payment as iNoti has it. Numbers are texts without leading zeros."""

    pay_id: str
    session: str
    mobile: str
    amount_rial: int | None
    result: str
    paid_at: str
    """ISO 8601 with its offset; empty when it cannot be read."""
    their_factor: str
    our_factor: str
    rrn: str
    receipt: str
    """The bank's digital receipt (RefKeyBank); it may hold letters."""


def payment_records(text: object, nothing: str) -> list[PaymentRecord]:
    """Every record of the returned text; `nothing` is what we asked to be told when there is none."""
    if not isinstance(text, str):
        raise OutcomeUnknown("the answer holds no result")
    plain = text.strip().removeprefix("\ufeff")
    if plain in (nothing.strip(), "", "null"):
        return []
    try:
        found = json.loads(plain, object_pairs_hook=_folded, parse_float=str, parse_constant=str)
    except (ValueError, RecursionError):
        found = None
    items = [found] if isinstance(found, dict) else found
    if not isinstance(items, list) or len(items) > MOST_RECORDS:
        raise OutcomeUnknown("the result is not a list of payments")
    records = [_record(item) for item in items if isinstance(item, dict)]
    if len(records) != len(items):
        raise OutcomeUnknown("the result is not a list of payments")
    return records


def number(value: object) -> str:
    """A whole number as text without leading zeros; empty when it is none."""
    text = (wire.scalar(value) or "").removesuffix(".0")
    return text.lstrip("0") if is_digits(text) and len(text) <= 20 else ""


def paid_at(value: object) -> str:
    """A moment as .NET, ISO 8601 or a person writes it, in either calendar; without an offset it is Tehran's."""
    text = to_ascii(value).strip() if isinstance(value, str) else ""
    try:
        if ticks := _DOTNET.fullmatch(text):
            moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(ticks[1]))
            return moment.astimezone(TEHRAN).isoformat(timespec="seconds")
        if not (written := _WRITTEN.fullmatch(text)):
            return ""
        year, month, day = (int(part) for part in written.groups()[:3])
        when = date(year, month, day) if year >= FIRST_GREGORIAN else JalaliDate(year, month, day).to_gregorian()
        hour, minute, second = (int(part or 0) for part in written.groups()[3:6])
        zone = datetime.fromisoformat(f"2000-01-01T00:00:00{written[7]}").tzinfo if written[7] else TEHRAN
        return datetime(when.year, when.month, when.day, hour, minute, second, tzinfo=zone).isoformat()
    except (ValueError, OverflowError):
        return ""


def day_text(day: date, calendar: str, form: str) -> str:
    """A day as DateFrom and DateTo are written: `form` with its YYYY, MM and DD filled in."""
    shown = JalaliDate(day) if calendar == "jalali" else day
    return form.replace("YYYY", f"{shown.year:04}").replace("MM", f"{shown.month:02}").replace("DD", f"{shown.day:02}")


def _record(item: Mapping[str, object]) -> PaymentRecord:
    try:
        amount: int | None = wire.amount(item.get("price"))
    except OutcomeUnknown:
        amount = None
    return PaymentRecord(
        pay_id=number(item.get("payid")),
        session=wire.text_for_people(item.get("sessionid")),
        mobile=mobile(wire.text_for_people(item.get("mobile"))) or "",
        amount_rial=amount,
        result=wire.text_for_people(item.get("result")),
        paid_at=paid_at(item.get("paydatetime")),
        their_factor=number(item.get("inotifactorid")),
        our_factor=wire.text_for_people(item.get("yourfactorid")),
        rrn=number(item.get("rrn")),
        receipt=wire.text_for_people(item.get("refkeybank")),
    )


def _folded(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made: dict[str, object] = {}
    for key, value in pairs:
        plain = key.strip().casefold()
        if plain in made and made[plain] != value:
            raise ValueError("one key, two values")
        made[plain] = value
    return made
