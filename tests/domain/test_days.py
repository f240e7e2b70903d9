"""Days as the books count them, and cells that people open."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.days import Calendar, beginning, day_of, read_day, write_day
from ivr.domain.errors import BadInput
from ivr.domain.spreadsheet import FORMULAS, cell

G, P = Calendar.GREGORIAN, Calendar.PERSIAN


@pytest.mark.parametrize(
    ("day", "gregorian", "persian"),
    [
        (date(2025, 3, 21), "2025-03-21", "1404-01-01"),
        (date(2025, 3, 20), "2025-03-20", "1403-12-30"),
        (date(2024, 3, 19), "2024-03-19", "1402-12-29"),
    ],
)
def test_both_calendars(day: date, gregorian: str, persian: str) -> None:
    """The turn of leap and common years."""
    assert (write_day(day, G), write_day(day, P)) == (gregorian, persian)
    assert read_day(gregorian, G) == read_day(persian, P) == day


@pytest.mark.parametrize("text", ["1404/1/1", " ۱۴۰۴/۰۱/۰۱ ", "1404-1-01"])
def test_days_as_people_write_them(text: str) -> None:
    """With slashes, without zeros, in Persian digits."""
    assert read_day(text, P) == date(2025, 3, 21)


@pytest.mark.parametrize(
    ("text", "calendar"),
    [
        ("1402-12-30", P),
        ("1404-13-01", P),
        ("2025-02-29", G),
        ("0000-01-01", G),
        ("0000-01-01", P),
        ("9999-12-31", P),
        ("1404/01-01", P),
        ("yesterday", G),
        ("", G),
        ("14040101", P),
    ],
)
def test_days_that_there_are_not(text: str, calendar: Calendar) -> None:
    """One sentence, no traceback."""
    with pytest.raises(BadInput):
        read_day(text, calendar)


@given(st.dates(date(1980, 1, 1), date(2090, 1, 1)))
def test_a_day_begins_where_the_one_before_ends(day: date) -> None:
    """Summer time, which Iran had until 2022, loses no moment and counts none twice."""
    assert day_of(beginning(day)) == day
    assert day_of(beginning(day) - 0.001) == day - timedelta(days=1)
    assert read_day(write_day(day, P), P) == day


@pytest.mark.parametrize("first", FORMULAS)
@pytest.mark.parametrize("space", ["", " ", "\u200f", "\ufeff "])
def test_a_cell_never_runs(first: str, space: str) -> None:
    """A provider's text with a formula in it is only a text."""
    assert cell(f"{space}{first}cmd|' /C calc'!A0") == f"'{space}{first}cmd|' /C calc'!A0"


@given(st.text())
def test_other_texts_stay_readable(text: str) -> None:
    """Nothing is taken out of a text but what no file can hold."""
    assert str(cell(text)).removeprefix("'") == text.replace("\x00", "").removeprefix("'")
    assert not str(cell(text)).startswith(FORMULAS)


def test_cells_of_other_kinds() -> None:
    """Amounts stay numbers, and what is absent is empty."""
    assert (cell(160_000), cell(None), cell("1-2")) == (160_000, "", "1-2")
