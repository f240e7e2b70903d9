"""Dates of the Iranian calendar as callers key them: digits only. Kept as eight digits, `14031230`.

Law: a date that the calendar does not have (30 Esfand of a common year) is none.
"""

from typing import Final

from persiantools.jdatetime import JalaliDate

from ivr.domain.digits import is_digits

DIGITS: Final = 8
"""Year, month and day: YYYYMMDD."""

SHORT_DIGITS: Final = 6
"""YYMMDD."""

YEARS: Final = range(1200, 1500)
"""Years that a caller can mean."""


def jalali(keyed: str, first_year: int = 1350) -> str | None:
    """The date as YYYYMMDD, or None when there is no such day.

    YYMMDD is a year of the hundred that begin with `first_year`.
    """
    if not is_digits(keyed):
        return None
    if len(keyed) == SHORT_DIGITS:
        year = first_year + (int(keyed[:2]) - first_year) % 100
    elif len(keyed) == DIGITS:
        year = int(keyed[:4])
    else:
        return None
    month, day = int(keyed[-4:-2]), int(keyed[-2:])
    if year not in YEARS:
        return None
    try:
        JalaliDate(year, month, day)
    except ValueError:
        return None
    return f"{year}{month:02}{day:02}"
