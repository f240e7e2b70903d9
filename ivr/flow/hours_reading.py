"""`timezone`, `holidays` and `hours` of numbers.yaml -> named opening hours.

Law: what an admin might have meant otherwise is a fault and no guess: spans that overlap, a night of 21 hours, a
Gregorian year in an Iranian date, hours without a day.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from zoneinfo import ZoneInfo

import yaml

from ivr.domain.reading import Fields, Source, did_you_mean, read_text
from ivr.flow.hours import DAY, Calendar, Holiday, Hours, Span, exists

TIMEZONE: Final = "Asia/Tehran"

WEEK: Final = ("sat", "sun", "mon", "tue", "wed", "thu", "fri")
CLOSED: Final = "closed"
AS_USUAL: Final = "as_usual"

LONGEST_NIGHT: Final = 16 * 60
"""Minutes that a span past midnight may last: 08:00-05:00 was meant to end at 17:00."""

MOST_HOLIDAY_DAYS: Final = 31

YEARS: Final = {Calendar.JALALI: (1390, 1500), Calendar.GREGORIAN: (2010, 2121)}
"""A year outside of them was written in the other calendar."""

_LEAP_YEARS: Final = {Calendar.JALALI: 1403, Calendar.GREGORIAN: 2024}
_SPAN: Final = re.compile(r"([01]?[0-9]|2[0-3]):([0-5][0-9])\s*-\s*(?:([01]?[0-9]|2[0-3]):([0-5][0-9])|24:00)")
_DATE: Final = re.compile(r"(?:([0-9]{4})-)?([0-9]{2})-([0-9]{2})")


def read_hours(top: Fields) -> Mapping[str, Hours]:
    """The opening hours by name. Faults go to the fields' source."""
    zone = _zone(top)
    holidays = tuple(_holidays(top))
    named = top.fields("hours", "'hours'", required=False)
    return {
        name: _hours(Fields(top.source, node, f"the hours '{name}'"), zone, holidays) for name, _, node in named.names()
    }


def _zone(top: Fields) -> ZoneInfo:
    name = top.text("timezone") if top.has("timezone") else TIMEZONE
    try:
        return ZoneInfo(name or TIMEZONE)
    except (KeyError, ValueError, OSError):  # unknown, no name at all, a directory of names
        top.blame(f"there is no time zone '{name}'; they are called like {TIMEZONE}", "timezone")
        return ZoneInfo(TIMEZONE)


# -- holidays ----------------------------------------------------------------------------------------------------------


def _holidays(top: Fields) -> Iterator[Holiday]:
    node = top.value("holidays", required=False)
    if node is not None and not isinstance(node, yaml.SequenceNode):
        top.source.blame(node, "'holidays' must be a list, each entry with '- jalali: \"…\"' or '- date: \"…\"'")
        return
    for item in node.value if node is not None else ():
        fields = Fields(top.source, item, "a holiday")
        fields.text("name", "")
        days = fields.whole("days", 1, least=1, most=MOST_HOLIDAY_DAYS)
        given = [calendar for calendar in Calendar if fields.has(calendar.value)]
        if len(given) == 1:
            found = _date(fields, given[0])
            if found is not None:
                yield Holiday(given[0], *found, days)
        elif isinstance(item, yaml.MappingNode):
            fields.blame("a holiday has one date: 'jalali' for the Iranian calendar, or 'date'")
        fields.done()


def _date(fields: Fields, calendar: Calendar) -> tuple[int | None, int, int] | None:
    """Year (None: every year), month and day."""
    name = calendar.value
    text = fields.text(name)
    match = _DATE.fullmatch(text)
    if match is None:
        if text:
            fields.blame(f"'{name}' must be month-day such as \"01-13\", or year-month-day, not '{text}'", name)
        return None
    year, month, day = int(match[1]) if match[1] else None, int(match[2]), int(match[3])
    first, last = YEARS[calendar]
    if year is not None and not first <= year <= last:
        fields.blame(f"'{name}' is a date of a year from {first} to {last}, not {year}", name)
    elif not exists(calendar, year or _LEAP_YEARS[calendar], month, day):
        fields.blame(f"there is no such day: {text}", name)
    return year, month, day


# -- the week ----------------------------------------------------------------------------------------------------------


def _hours(fields: Fields, zone: ZoneInfo, holidays: tuple[Holiday, ...]) -> Hours:
    week: dict[int, tuple[Span, ...]] = {}
    on_holidays: tuple[Span, ...] | None = ()
    for name, key, node in fields.names():
        if name == "holidays":
            usual = isinstance(node, yaml.ScalarNode) and node.value == AS_USUAL
            on_holidays = None if usual else _spans(fields.source, name, node, (CLOSED, AS_USUAL))
            continue
        spans = _spans(fields.source, name, node, (CLOSED,))
        for day in _days(fields.source, name, key):
            if day in week:
                fields.source.blame(key, f"'{WEEK[(day + 2) % 7]}' stands twice in {fields.what}")
            week[day] = spans
    if not week and isinstance(fields.node, yaml.MappingNode):
        fields.blame(f"{fields.what} name no day of the week")
    return Hours(zone, week, holidays, on_holidays)


def _days(source: Source, name: str, key: yaml.Node) -> list[int]:
    """`wed`, or `sat-wed`, as `date.weekday()` counts. The week begins on Saturday, and a range may pass its end."""
    first, dash, last = name.partition("-")
    unknown = [word for word in (first, *([last] if dash else [])) if word not in WEEK]
    if unknown:
        word, known = unknown[0], (*WEEK, "holidays")
        short = word[:3].lower()
        hint = f" (did you mean '{short}'?)" if short in WEEK else did_you_mean(word, known)
        source.blame(key, f"'{word}' is no day: {', '.join(WEEK)}, a range such as sat-wed, or holidays{hint}")
        return []
    begin, end = WEEK.index(first), WEEK.index(last) if dash else WEEK.index(first)
    if dash and begin == end:
        source.blame(key, f"'{name}' begins and ends on the same day; the whole week is sat-fri")
    return [(begin + n + 5) % 7 for n in range((end - begin) % 7 + 1)]


def _spans(source: Source, name: str, node: yaml.Node, words: Sequence[str]) -> tuple[Span, ...]:
    """One span or a list of them, in order. `words`: what may stand here instead."""
    if isinstance(node, yaml.ScalarNode) and node.value == CLOSED:
        return ()
    items = node.value if isinstance(node, yaml.SequenceNode) else [node]
    if not items:
        source.blame(node, f"'{name}' is empty: write {_wanted(words)}")
    found: list[Span] = []
    for item in items:
        text = read_text(source, item, f"'{name}'")
        span = _span(source, text, item, words) if text is not None else None
        if span is None:
            continue
        if any(span.begin < other.end and other.begin < span.end for other in found):
            source.blame(item, f"{text} overlaps hours that stand before it")
        found.append(span)
    return tuple(sorted(found, key=lambda span: span.begin))


def _wanted(words: Sequence[str]) -> str:
    return ", or ".join(("hours such as 08:00-17:00", *words))


def _span(source: Source, text: str, node: yaml.Node, words: Sequence[str]) -> Span | None:
    match = _SPAN.fullmatch(text)
    if match is None:
        source.blame(node, f"'{text}' must be {_wanted(words)}{did_you_mean(text, words)}")
        return None
    begin = int(match[1]) * 60 + int(match[2])
    end = int(match[3]) * 60 + int(match[4]) if match[3] else DAY
    if begin == end:
        source.blame(node, f"{text} begins and ends at the same time; a whole day is 00:00-24:00")
    if end > begin:
        return Span(begin, end)
    end += DAY
    if DAY > end - begin > LONGEST_NIGHT:
        hours = (end - begin) // 60
        source.blame(node, f"{text} goes on past midnight for {hours} hours in all: was the afternoon meant?")
    return Span(begin, end)
