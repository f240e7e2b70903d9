"""When somebody is there: to the minute, over midnight, on the holidays of two calendars."""

from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.errors import Illegal
from ivr.domain.reading import Fields, Source
from ivr.flow.hours import DAY, Calendar, Holiday, Hours, Span
from ivr.flow.hours_reading import read_hours

TEHRAN = ZoneInfo("Asia/Tehran")

OFFICE = """
holidays:
  - {jalali: "01-01", days: 4, name: Nowruz}
  - {jalali: "12-30"}
  - {jalali: "1405-04-04", name: one that moves with the moon}
  - {date: "12-25"}
  - {date: "2026-11-24"}
hours:
  office: {sat-wed: ["08:00-12:00", "13:00-17:00"], thu: "08:00-13:00"}
  lunch_on_holidays: {sat-fri: "08:00-17:00", holidays: "12:00-14:00"}
  always_the_same: {sat-fri: "08:00-17:00", holidays: as_usual}
  night: {thu: "20:00-02:00", fri: "22:00-24:00"}
  round_the_clock: {sat-fri: "00:00-24:00", holidays: as_usual}
  weekend: {fri-sun: "8:00-9:00"}
  never: {sat-fri: closed}
"""


def read(text: str) -> dict[str, Hours]:
    """The hours of a numbers.yaml without a fault."""
    source = Source("numbers.yaml")
    hours = read_hours(Fields(source, yaml.compose(text, yaml.SafeLoader), "numbers.yaml"))
    assert source.faults == []
    return dict(hours)


HOURS = read(OFFICE)


def is_open(name: str, text: str, zone: ZoneInfo = TEHRAN) -> bool:
    """Whether it is open at this moment of Tehran's clocks."""
    return HOURS[name].open_at(datetime.fromisoformat(text).replace(tzinfo=zone))


@pytest.mark.parametrize(
    ("moment", "is_there"),
    [
        ("2026-11-21T07:59:59", False),  # a Saturday
        ("2026-11-21T08:00:00", True),
        ("2026-11-21T11:59:59", True),
        ("2026-11-21T12:00:00", False),
        ("2026-11-21T13:00:00", True),
        ("2026-11-21T16:59:59.999999", True),
        ("2026-11-21T17:00:00", False),
        ("2026-11-26T12:59", True),  # a Thursday
        ("2026-11-26T13:00", False),
        ("2026-11-27T10:00", False),  # a Friday: not written, so closed
    ],
)
def test_hours_to_the_minute(moment: str, is_there: bool) -> None:
    """Open from the first second on, closed at the very time that is written as the end."""
    assert is_open("office", moment) == is_there


def test_only_the_moment_counts() -> None:
    """The server's own zone does not matter: half past four in the morning of London is eight in Tehran."""
    moment = datetime(2026, 11, 21, 4, 30, tzinfo=UTC)
    assert HOURS["office"].open_at(moment)
    assert HOURS["office"].open_at(moment.astimezone(timezone(timedelta(hours=-8))))
    assert not HOURS["office"].open_at(moment - timedelta(seconds=1))


def test_no_summer_time_in_iran() -> None:
    """Since 2022 Tehran's clocks stay: an office that opens at eight opens at 4:30 UTC in July too."""
    assert is_open("office", "2026-07-04T08:00") and not is_open("office", "2026-07-04T07:59")
    assert TEHRAN.utcoffset(datetime(2026, 7, 4)) == TEHRAN.utcoffset(datetime(2026, 1, 4)) == timedelta(minutes=210)


def test_another_time_zone() -> None:
    """A deployment elsewhere, with its summer time."""
    berlin = read("timezone: Europe/Berlin\nhours: {office: {sat-fri: '08:00-17:00'}}")["office"]
    assert berlin.open_at(datetime(2026, 7, 4, 6, 0, tzinfo=UTC))
    assert not berlin.open_at(datetime(2026, 1, 4, 6, 0, tzinfo=UTC))


def test_a_moment_must_say_where() -> None:
    """Without its zone 08:00 would be the server's eight o'clock."""
    with pytest.raises(Illegal):
        HOURS["office"].open_at(datetime(2026, 11, 21, 8, 0))


@pytest.mark.parametrize(
    ("moment", "is_there"),
    [
        ("2026-11-26T19:59", False),  # Thursday
        ("2026-11-26T20:00", True),
        ("2026-11-27T00:00", True),  # Friday's small hours are Thursday's night
        ("2026-11-27T01:59", True),
        ("2026-11-27T02:00", False),
        ("2026-11-27T23:59", True),
        ("2026-11-28T00:00", False),
        ("2026-11-26T01:00", False),  # Wednesday has no night
    ],
)
def test_past_midnight(moment: str, is_there: bool) -> None:
    """A night belongs to the day on which it begins."""
    assert is_open("night", moment) == is_there


def test_a_night_ends_as_it_began() -> None:
    """Thursday's night goes on into a holiday, and a holiday's night is closed to its end."""
    night = Hours(TEHRAN, dict.fromkeys(range(7), (Span(1200, 1560),)), (Holiday(Calendar.GREGORIAN, None, 12, 25),))
    open_at = {
        day: night.open_at(datetime(2026, 12, day, hour, 0, tzinfo=TEHRAN)) for day, hour in ((25, 1), (26, 1), (27, 1))
    }
    assert open_at == {25: True, 26: False, 27: True}


@pytest.mark.parametrize(
    ("day", "closed"),
    [
        ("2024-03-19", False),  # 29 Esfand 1402, and no 30th follows: 1402 is no leap year
        ("2024-03-20", True),  # 1 Farvardin 1403
        ("2024-03-23", True),
        ("2024-03-24", False),
        ("2025-03-19", False),  # 29 Esfand 1403
        ("2025-03-20", True),  # 30 Esfand 1403: a leap year
        ("2025-03-21", True),  # 1 Farvardin 1404, a day later than the year before
        ("2025-03-24", True),
        ("2025-03-25", False),
        ("2026-03-20", False),  # 29 Esfand 1404
        ("2026-06-25", True),  # 4 Tir 1405, in that year only
        ("2027-06-25", False),
        ("2025-12-25", True),
        ("2026-12-25", True),
        ("2026-11-24", True),
        ("2027-11-24", False),
    ],
)
def test_holidays_of_two_calendars(day: str, closed: bool) -> None:
    """Nowruz moves in the Gregorian calendar, the leap day is there once in four or five years, others once at all."""
    name = "lunch_on_holidays"
    assert is_open(name, f"{day}T09:00") != closed
    assert is_open(name, f"{day}T12:00")
    assert is_open("always_the_same", f"{day}T09:00")


def test_a_holiday_begins_and_ends_at_tehran_s_midnight() -> None:
    """Christmas in Tehran, while London still has the day before."""
    shop = Hours(
        TEHRAN, dict.fromkeys(range(7), (Span(0, DAY),)), (Holiday(Calendar.GREGORIAN, None, 12, 25),), on_holidays=()
    )
    midnight = datetime(2026, 12, 24, 20, 30, tzinfo=UTC)
    times = [midnight - timedelta(seconds=1), midnight, midnight + timedelta(days=1, seconds=-1)]
    assert [shop.open_at(moment) for moment in (*times, midnight + timedelta(days=1))] == [True, False, False, True]


def test_a_range_of_days_may_pass_the_week_s_end() -> None:
    """The week begins on Saturday, and `fri-sun` is three days."""
    assert sorted(HOURS["weekend"].week) == [4, 5, 6]
    assert [is_open("weekend", f"2026-11-{day}T08:30") for day in range(26, 31)] == [False, True, True, True, False]


@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_always_and_never(moment: datetime) -> None:
    """At any time at all."""
    assert HOURS["round_the_clock"].open_at(moment)
    assert not HOURS["never"].open_at(moment)


@given(st.integers(0, DAY - 1), st.integers(1, DAY), st.integers(0, 2 * DAY))
def test_a_span_is_open_for_as_long_as_it_says(begin: int, length: int, minute: int) -> None:
    """Any span of one day, looked at from any minute of that day and the next."""
    monday = datetime(2026, 11, 23, tzinfo=TEHRAN)
    hours = Hours(TEHRAN, {monday.weekday(): (Span(begin, begin + length),)})
    assert hours.open_at(monday + timedelta(minutes=minute)) == (begin <= minute < begin + length)


@given(st.dates(date(2011, 1, 1), date(2099, 12, 31)), st.integers(1, 31))
def test_a_holiday_has_as_many_days_as_it_says(first: date, days: int) -> None:
    """Also over the end of a month or a year."""
    holiday = Holiday(Calendar.GREGORIAN, first.year, first.month, first.day, days)
    included = [n for n in range(-40, 40) if holiday.includes(first + timedelta(days=n))]
    assert included == list(range(days))


@pytest.mark.parametrize("year", [1402, 1403, 1404, 1405, 1408])
def test_every_iranian_year_has_its_new_year_s_day_once(year: int) -> None:
    """And the days before it are the old year's last."""
    new_year = Holiday(Calendar.JALALI, year, 1, 1)
    found = [d for n in range(40) if new_year.includes(d := date(year + 621, 3, 1) + timedelta(days=n))]
    assert len(found) == 1 and found[0].day in (20, 21)
