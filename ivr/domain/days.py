"""Days as the books count them: they begin at midnight in Tehran, and are written in the Gregorian or Persian calendar.

Law: the same moment is on the same day for everybody, wherever the machine stands.
"""

import re
from datetime import date, datetime, time
from enum import Enum
from typing import Final
from zoneinfo import ZoneInfo

from persiantools.jdatetime import JalaliDate

from ivr.domain.digits import to_ascii
from ivr.domain.errors import BadInput

TEHRAN: Final = ZoneInfo("Asia/Tehran")

_WRITTEN: Final = re.compile(r"([0-9]{4})([-/])([0-9]{1,2})\2([0-9]{1,2})")


class Calendar(Enum):
    """How days are written."""

    GREGORIAN = "gregorian"
    PERSIAN = "persian"


def local(at: float) -> datetime:
    """The moment (seconds since 1970, UTC) as clocks in Tehran show it."""
    return datetime.fromtimestamp(at, TEHRAN)


def day_of(at: float) -> date:
    """The day in Tehran of a moment (seconds since 1970, UTC)."""
    return local(at).date()


def beginning(day: date) -> float:
    """The first moment of a day in Tehran, seconds since 1970, UTC."""
    return datetime.combine(day, time(), TEHRAN).timestamp()


def write_day(day: date, calendar: Calendar) -> str:
    """Such as 2025-03-21 or 1404-01-01."""
    if calendar is Calendar.GREGORIAN:
        return day.isoformat()
    persian = JalaliDate.to_jalali(day.year, day.month, day.day)
    return f"{persian.year:04}-{persian.month:02}-{persian.day:02}"


def read_day(text: str, calendar: Calendar) -> date:
    """The day that a person wrote, with - or / and any digits. Raises BadInput."""
    found = _WRITTEN.fullmatch(to_ascii(text.strip()))
    if found is None:
        raise BadInput(f"'{text}' is no day: write it as {write_day(date(2025, 3, 21), calendar)}")
    year, month, day = int(found[1]), int(found[3]), int(found[4])
    try:
        read = date(year, month, day) if calendar is Calendar.GREGORIAN else JalaliDate(year, month, day).to_gregorian()
        assert isinstance(read, date)
        beginning(read)
    except (ValueError, OverflowError):
        raise BadInput(f"the {calendar.value} calendar has no day {found[0]}") from None
    return read
