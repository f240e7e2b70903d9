"""`ivr payments …`: the book of payments, for people and for their programs."""

import json
import sys
from collections import Counter
from dataclasses import asdict
from enum import Enum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ivr import books
from ivr.config import DEFAULT_FILE, load_settings
from ivr.domain.days import Calendar, write_day
from ivr.domain.errors import BadInput
from ivr.payments.state import State
from ivr.person import who
from ivr.runtime.deciding import Decision
from ivr.terminal import ConfigOption, JsonOption, fail, one_line_errors, say, say_json

payments = typer.Typer(help="The book of payments.", no_args_is_help=True)

FromOption = Annotated[
    str | None, typer.Option("--from", metavar="DAY", help="Created on this day in Tehran or later.")
]
ToOption = Annotated[str | None, typer.Option("--to", metavar="DAY", help="Created on this day or earlier.")]
ProviderOption = Annotated[str | None, typer.Option(help="Only this provider's.")]
StateOption = Annotated[State | None, typer.Option(help="Only those that stand so.")]
CalendarOption = Annotated[Calendar, typer.Option(help="How days are written, in what you give and what you get.")]


class Format(Enum):
    """What an export is written as."""

    CSV = "csv"
    JSON = "json"


@payments.command("list", epilog="Example: ivr payments list --state unknown --json")
def list_payments(
    config: ConfigOption = DEFAULT_FILE,
    state: StateOption = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
    as_json: JsonOption = False,
) -> None:
    """The newest payments."""
    with one_line_errors(), books.reading(load_settings(config, credentials=False)) as book:
        rows = book.list_payments(state=state, limit=limit)
        if as_json:
            say_json(rows)
            return
        table = table_of("payment", "state", "rial", "invoice", "transaction", "reason", "at")
        for row in rows:
            cells = (row[name] for name in ("id", "state", "amount_rial", "invoice_id", "transaction_id", "reason"))
            table.add_row(*("" if cell is None else str(cell) for cell in cells), str(row["changed_at"]))
        Console().print(table)


@payments.command("show", epilog="Example: ivr payments show 1795330000.12.7 --json")
def show_payment(payment_id: str, config: ConfigOption = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """One payment with every line that the journal has of it."""
    with one_line_errors(), books.reading(load_settings(config, credentials=False)) as book:
        payment = book.payment(payment_id)
        if payment is None:
            raise BadInput(f"there is no payment {payment_id}")
        if as_json:
            say_json(payment)
            return
        for name, value in payment.items():
            if name != "entries":
                say(f"{name:16} {'' if value is None else value}")
        for entry in payment["entries"]:
            say(f"  {entry['at']}  {entry['kind']:12} {json.dumps(entry['details'], ensure_ascii=False)}")


@payments.command(
    "reconcile", epilog='Example: ivr payments reconcile 1795330000.12.7 --approved --reason "in the list"'
)
def reconcile(
    payment_id: Annotated[
        str | None, typer.Argument(help="The payment to decide; without one they are listed.")
    ] = None,
    approved: Annotated[bool, typer.Option("--approved", help="The money has come.")] = False,
    declined: Annotated[bool, typer.Option("--declined", help="It has not, and will not.")] = False,
    reason: Annotated[str, typer.Option(help="How you know.")] = "",
    reference: Annotated[str | None, typer.Option(help="The bank's reference, if you have it.")] = None,
    config: ConfigOption = DEFAULT_FILE,
    as_json: JsonOption = False,
) -> None:
    """What only people can find out; and what they have found out, for good, signed with your name."""
    if payment_id is None:
        if approved or declined or reason or reference is not None:
            raise typer.BadParameter("which payment?")
        _list_for_people(config, as_json)
        return
    if approved and declined:
        raise typer.BadParameter("--approved and --declined: which of them? Nothing was decided")
    if not (approved or declined) or not reason.strip():
        raise typer.BadParameter("a decision needs --approved or --declined, and --reason")
    with one_line_errors():
        decision = Decision(payment_id, approved, who(), reason, reference)
        state = books.decide_payment(load_settings(config, credentials=False), decision)
        if as_json:
            say_json({"id": payment_id, "state": state.value, "who": decision.who})
        else:
            say(f"payment {payment_id} is {state.value}, signed by {decision.who}")


def _list_for_people(config: ConfigOption, as_json: bool) -> None:
    with one_line_errors():
        rows = books.for_people(load_settings(config, credentials=False))
        if as_json:
            say_json(rows)
            return
        if not rows:
            say("nothing waits for people")
            return
        table = table_of("payment", "rial", "provider", "invoice", "reason", "code", "reference", "unknown since")
        for row in rows:
            cells = ("id", "amount_rial", "provider", "invoice_id", "reason", "code", "reference", "changed_at")
            table.add_row(*("" if row[name] is None else str(row[name]) for name in cells))
        Console().print(table)


@payments.command("export", epilog="Example: ivr payments export --from 1404-01-01 --calendar persian --format csv")
def export(
    form: Annotated[Format, typer.Option("--format")] = Format.CSV,
    first: FromOption = None,
    last: ToOption = None,
    provider: ProviderOption = None,
    state: StateOption = None,
    calendar: CalendarOption = Calendar.GREGORIAN,
    config: ConfigOption = DEFAULT_FILE,
) -> None:
    """Every payment for a spreadsheet or a program; days begin at midnight in Tehran."""
    with one_line_errors():
        which = books.Which.of(first, last, provider, state, calendar)
        settings = load_settings(config, credentials=False)
        (books.export_csv if form is Format.CSV else books.export_json)(settings, which, calendar, sys.stdout)


@payments.command("totals", epilog="Example: ivr payments totals --from 2025-03-21 --state approved")
def show_totals(
    first: FromOption = None,
    last: ToOption = None,
    provider: ProviderOption = None,
    state: StateOption = None,
    calendar: CalendarOption = Calendar.GREGORIAN,
    config: ConfigOption = DEFAULT_FILE,
    as_json: JsonOption = False,
) -> None:
    """Sums by day, provider and state, of the payments that were created on the day in Tehran."""
    with one_line_errors():
        which = books.Which.of(first, last, provider, state, calendar)
        found = books.totals_of(load_settings(config, credentials=False), which)
        counts: Counter[str] = Counter()
        sums: Counter[str] = Counter()
        for total in found:
            counts[total.state.value] += total.payments
            sums[total.state.value] += total.amount_rial
        if as_json:
            days = [
                {
                    "day": write_day(total.day, Calendar.GREGORIAN),
                    "persian_day": write_day(total.day, Calendar.PERSIAN),
                    "provider": total.provider,
                    "state": total.state.value,
                    "payments": total.payments,
                    "amount_rial": total.amount_rial,
                    "without_amount": total.without_amount,
                }
                for total in found
            ]
            sum_of = {name: {"payments": counts[name], "amount_rial": sums[name]} for name in counts}
            say_json({"days": days, "sums": sum_of})
            return
        table = table_of("day", "provider", "state", "payments", "rial", "of them without an amount")
        for total in found:
            day = write_day(total.day, calendar)
            count, amount = str(total.payments), f"{total.amount_rial:,}"
            table.add_row(day, total.provider, total.state.value, count, amount, str(total.without_amount or ""))
        table.add_section()
        for name in counts:
            table.add_row("all", "", name, str(counts[name]), f"{sums[name]:,}", "")
        Console().print(table)


@payments.command("audit", epilog="Example: ivr payments audit --json")
def audit(config: ConfigOption = DEFAULT_FILE, as_json: JsonOption = False) -> None:
    """Whether the book can be true. Exit status 1: it cannot, and each fault is a line."""
    with one_line_errors():
        done = books.audit_book(load_settings(config, credentials=False))
        if as_json:
            faults = [asdict(finding) for finding in done.findings]
            say_json({"payments": done.payments, "entries": done.entries, "sums": done.sums, "faults": faults})
            if faults:
                raise typer.Exit(1)
        elif done.findings:
            fail("\n".join(finding.text for finding in done.findings))
        else:
            paid = done.sums[State.APPROVED.value]
            say(f"{done.payments} payments, {done.entries} entries, {paid:,} rial approved: nothing wrong")


def table_of(*names: str) -> Table:
    """A table whose cells are never cut."""
    table = Table(*names)
    for column in table.columns:
        column.overflow = "fold"  # an id that is cut short is of no use
    return table
