"""`ivr registrations`: what callers have registered. Only reads, beside a running `ivr serve` or without one."""

import csv
import sys
from collections.abc import Iterable
from typing import Annotated, Any, Final, TextIO

import typer
from rich.console import Console

from ivr.books import reading
from ivr.config import DEFAULT_FILE, load_settings
from ivr.domain.days import Calendar, local, write_day
from ivr.domain.registration import Registration
from ivr.domain.spreadsheet import cell
from ivr.payment_commands import CalendarOption, table_of
from ivr.runtime.merchant_views import registration_body
from ivr.store.reading import MOST_LISTED
from ivr.terminal import ConfigOption, JsonOption, one_line_errors, say_json

registrations = typer.Typer(help="What callers have registered.", no_args_is_help=True)

COLUMNS: Final = ("id", "day", "time", "word", "mobile", "dialled", "flow")
"""Of an export, before the values (`values.code`) and `created_at`. `day` and `time` are Tehran's, the last is UTC."""


@registrations.command("list", epilog="Example: ivr registrations list --word registration --csv")
def list_registrations(
    word: Annotated[str | None, typer.Option(help="Only what was registered under this word.")] = None,
    after: Annotated[int, typer.Option(min=0, help="Only those with a larger id.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help=f"The newest so many; {MOST_LISTED}, in a CSV all.")] = None,
    as_json: JsonOption = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="For a spreadsheet; nothing in it can run.")] = False,
    calendar: CalendarOption = Calendar.GREGORIAN,
    config: ConfigOption = DEFAULT_FILE,
) -> None:
    """What callers have registered, oldest first."""
    if as_json and as_csv:
        raise typer.BadParameter("--json and --csv: which of them?")
    with one_line_errors(), reading(load_settings(config, credentials=False)) as book:
        found = book.registrations(word, after, None if as_csv and limit is None else limit or MOST_LISTED)
        if as_csv:
            write_csv(found, calendar, sys.stdout)
            return
        if as_json:
            say_json([registration_body(one) for one in found])
            return
        table = table_of("id", "at", "word", "mobile", "dialled", "values")
        for one in found:
            values = ", ".join(f"{name}: {value}" for name, value in one.values.items())
            table.add_row(str(one.id), _time(one, calendar), one.word, one.mobile or "", one.dialled, values)
        Console().print(table)


def write_csv(found: Iterable[Registration], calendar: Calendar, out: TextIO) -> None:
    """A column for each name that any of their values has."""
    found = list(found)
    names = sorted({name for one in found for name in one.values})
    writer = csv.writer(out, quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow([*COLUMNS, *(f"values.{name}" for name in names), "created_at"])
    for one in found:
        row: dict[str, Any] = registration_body(one)
        day, _, time = _time(one, calendar).partition(" ")
        row |= {"day": day, "time": time}
        cells = [*(row[name] for name in COLUMNS), *(one.values.get(name) for name in names), row["created_at"]]
        writer.writerow([cell(value) for value in cells])


def _time(one: Registration, calendar: Calendar) -> str:
    at = local(one.at)
    return f"{write_day(at.date(), calendar)} {at:%H:%M:%S}"
