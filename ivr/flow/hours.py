"""Opening hours: the days of a week, holidays of the Iranian and the Gregorian calendar, in one time zone.

Law: pure. The moment comes in and has a time zone; what is open is said to the minute, and a span's last minute is the
one before its end. A span belongs to the day on which it begins, also past midnight and into a holiday.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo

from persiantools.jdatetime import JalaliDate

from ivr.domain.errors import Illegal

DAY: Final = 24 * 60
"""Minutes."""

_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Span:
    """From a minute of the day until, and without, another; an end above DAY is past midnight."""

    begin: int
    end: int


class Calendar(Enum):
    """Which one a date is written in. The value is the word that admins write."""

    JALALI = "jalali"
    GREGORIAN = "date"


@dataclass(frozen=True, slots=True)
class Holiday:
    """So many days from this one on, of every year or of one. A day that a year does not have is left out in it."""

    calendar: Calendar
    year: int | None
    month: int
    day: int
    days: int = 1

    def includes(self, day: date) -> bool:
        """Whether this day is one of it."""
        return any(self._begins(day - n * _ONE_DAY) for n in range(self.days))

    def _begins(self, day: date) -> bool:
        year, month, day_of_month = _jalali(day) if self.calendar is Calendar.JALALI else (day.year, day.month, day.day)
        return (month, day_of_month) == (self.month, self.day) and self.year in (None, year)


@dataclass(frozen=True, slots=True)
class Hours:
    """When somebody is there."""

    zone: ZoneInfo
    week: Mapping[int, Sequence[Span]]
    """By `date.weekday()`: Monday is 0. A day that is missing is closed."""
    holidays: Sequence[Holiday] = ()
    on_holidays: Sequence[Span] | None = ()
    """The spans of every holiday; None: of its day of the week, as usual."""

    def open_at(self, moment: datetime) -> bool:
        """Whether it is open. Raises Illegal for a moment without a time zone."""
        if moment.tzinfo is None:
            raise Illegal("a moment without its time zone is no moment")
        local = moment.astimezone(self.zone)
        today, minute = local.date(), local.hour * 60 + local.minute
        return self._is_open(today, minute) or self._is_open(today - _ONE_DAY, minute + DAY)

    def _is_open(self, day: date, minute: int) -> bool:
        """`minute` counts from this day's midnight; above DAY it is of the day after."""
        return any(span.begin <= minute < span.end for span in self._spans(day))

    def _spans(self, day: date) -> Sequence[Span]:
        if self.on_holidays is not None and any(holiday.includes(day) for holiday in self.holidays):
            return self.on_holidays
        return self.week.get(day.weekday(), ())


def exists(calendar: Calendar, year: int, month: int, day: int) -> bool:
    """Whether the calendar has this day."""
    if calendar is Calendar.JALALI:
        return JalaliDate.check_date(year, month, day)
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=256)
def _jalali(day: date) -> tuple[int, int, int]:
    there = JalaliDate.to_jalali(day)
    return there.year, there.month, there.day
