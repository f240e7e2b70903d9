"""The command line. Each command reads the settings, calls one function, and turns its errors into one line.

Exit status: 0 done, 1 something is wrong (said on stderr), 2 the command was misused.
"""

import asyncio
import json
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
import uvloop
from rich.console import Console
from rich.table import Table

from ivr import app as application
from ivr import dialplans, people_commands, trying
from ivr.asterisk.render import render as render_asterisk
from ivr.asterisk.render import render_numbers
from ivr.config import DEFAULT_FILE, load_settings
from ivr.domain.bills import SERVICES, describe_bill
from ivr.domain.digits import to_ascii
from ivr.domain.errors import BadInput
from ivr.domain.money import rial
from ivr.domain.reading import did_you_mean
from ivr.flow.paths import report
from ivr.loading import load_world, recordings_note, unkept_note
from ivr.merchant_commands import merchants
from ivr.payment_commands import payments
from ivr.prompts.units import Currency
from ivr.recordings.commands import prompts_build, prompts_check, prompts_say
from ivr.registration_commands import registrations
from ivr.runtime.logs import LogLevel, configure_logs
from ivr.sandbox.server import run_sandbox
from ivr.sandbox.settings import SandboxSettings
from ivr.sandbox.ussd_settings import UssdSettings, read_service
from ivr.store.history import ACTIVE, MOST_LISTED
from ivr.terminal import ConfigOption, JsonOption
from ivr.terminal import fail as _fail
from ivr.terminal import one_line_errors as _one_line_errors
from ivr.terminal import say as _say
from ivr.terminal import say_json as _json

try:
    from ivr.lab.commands import lab
except ModuleNotFoundError as missing:
    if missing.name != "numpy":
        raise
    lab = typer.Typer()  # an installation without the developers' tools has no lab

cli = typer.Typer(
    help="Pay by phone and by USSD for Iranian merchants, on Asterisk.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
dialplan = typer.Typer(help="Versions of the dialplan that were in use.", no_args_is_help=True)
prompts = typer.Typer(help="What callers hear.", no_args_is_help=True)
agents = typer.Typer(help="Our own people who talk to callers.", no_args_is_help=True)
invoices = typer.Typer(help="Invoices for callers to pay.", no_args_is_help=True)

_RUN = "Run"
_WRITE = "Call flows and prompts"
_MONEY = "Money"
_TRY = "Try it out"


@cli.command(rich_help_panel=_RUN, epilog="Example: ivr serve --config config/ivr.yaml")
def serve(
    config: ConfigOption = DEFAULT_FILE,
    log_level: Annotated[LogLevel, typer.Option(envvar="IVR_LOG_LEVEL", help="debug: each step too.")] = LogLevel.INFO,
) -> None:
    """Take calls until told to stop."""
    configure_logs(level=log_level)
    with _one_line_errors():
        settings = load_settings(config)
        uvloop.run(application.serve(settings))


@cli.command(rich_help_panel=_RUN, epilog="Example: ivr render /etc/asterisk")
def render(
    directory: Path,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="extensions.conf alone: all that other numbers change. No credentials.")
    ] = False,
    config: ConfigOption = DEFAULT_FILE,
) -> None:
    """Write the Asterisk configuration for this deployment."""
    with _one_line_errors():
        settings = load_settings(config, credentials=not numbers, sip_files=not numbers)
        loaded, _ = load_world(settings)
        ours = sorted({n.number for n in loaded.numbers})
        (render_numbers if numbers else render_asterisk)(settings.asterisk, ours, directory)
        _say(f"written to {directory}")


@cli.command(rich_help_panel=_RUN, epilog="Example: ivr doctor")
def doctor(config: ConfigOption = DEFAULT_FILE) -> None:
    """Say what is missing on this machine, and the command that mends it."""
    from ivr.doctor import diagnose

    findings = diagnose(config)
    for finding in findings:
        _say(str(finding))
    if any(finding.cure for finding in findings):
        raise typer.Exit(1)


@agents.command("list", epilog="Example: ivr agents list")
def agents_list(as_json: JsonOption = False, config: ConfigOption = DEFAULT_FILE) -> None:
    """Our own people, and the state of their phones."""
    with _one_line_errors():
        found = people_commands.agents(load_settings(config, credentials=False))
        _say(json.dumps(found) if as_json else "\n".join(f"{one['name']}  {one['phone']}" for one in found))


@agents.command("queues", epilog="Example: ivr agents queues")
def agents_queues(as_json: JsonOption = False, config: ConfigOption = DEFAULT_FILE) -> None:
    """The queues: who takes calls, and how long each caller has waited."""
    with _one_line_errors():
        found = people_commands.queues(load_settings(config, credentials=False))
        _say(json.dumps(found) if as_json else "\n".join(people_commands.in_words(queue) for queue in found))


@agents.command("attach", epilog="Example: ivr agents attach sara invoice_id=65843148")
def agents_attach(agent: str, values: list[str], config: ConfigOption = DEFAULT_FILE) -> None:
    """The next caller whom this agent sends to one of our numbers brings these values along."""
    with _one_line_errors():
        settings = load_settings(config, credentials=False)
        people_commands.attach(settings, agent, people_commands.read_values(values))


@agents.command("assist", epilog="Example: ivr agents assist sara --number 42473000 invoice_id=65843148")
def agents_assist(
    agent: str,
    values: Annotated[list[str] | None, typer.Argument(help="name=value, for the flow.")] = None,
    number: Annotated[str | None, typer.Option(help="Whose flow begins; else `assist_number`.")] = None,
    config: ConfigOption = DEFAULT_FILE,
) -> None:
    """Let the caller whom this agent is talking to pay, the agent staying on the line. Prints the call."""
    with _one_line_errors():
        settings = load_settings(config, credentials=False)
        _say(people_commands.assist(settings, agent, number, people_commands.read_values(values or [])))


@agents.command("call", epilog="Example: ivr agents call sara")
def agents_call(agent: str, config: ConfigOption = DEFAULT_FILE) -> None:
    """How far the caller is whom this agent helps: what is asked, and how many digits are keyed. JSON."""
    with _one_line_errors():
        _say(people_commands.shown(load_settings(config, credentials=False), agent))


@cli.command(rich_help_panel=_WRITE, epilog="Example: ivr check --paths pay_invoice")
def check(
    path: Annotated[Path | None, typer.Argument(help="A dialplan, or one flow's file.")] = None,
    paths: Annotated[
        bool, typer.Option("--paths", help="The calls that take every way; PATH may be a flow's name.")
    ] = False,
    config: ConfigOption = DEFAULT_FILE,
) -> None:
    """Check the configuration and the dialplan; every fault with file, line and column."""
    with _one_line_errors():
        named = path.name if paths and path is not None and not path.exists() else None
        settings = load_settings(config, credentials=False, sip_files=True)
        loaded, catalogue = load_world(settings, None if named else path)
        if named and named not in loaded.flows:
            raise BadInput(f"there is no flow '{named}'{did_you_mean(named, loaded.flows)}")
        for flow in loaded.flows.values() if paths else ():
            if named in (None, flow.name):
                _say("\n".join(report(flow)) + "\n")
        _say(f"{len(loaded.flows)} flows and {len(loaded.numbers)} numbers: nothing wrong")
        unkept = unkept_note(settings, loaded) if path is None or named else None
        for note in (loaded.set_aside_note, unkept, recordings_note(settings, catalogue)):
            if note is not None:
                _say(f"note: {note}")


@cli.command(rich_help_panel=_WRITE, epilog="Example: ivr reload")
def reload(config: ConfigOption = DEFAULT_FILE) -> None:
    """Let new calls begin on the dialplan as it is now; calls in progress end on the version they began with."""
    with _one_line_errors():
        _tell(*dialplans.reload(load_settings(config, credentials=False)))


@dialplan.command("versions", epilog="Example: ivr dialplan versions --limit 5")
def dialplan_versions(
    config: ConfigOption = DEFAULT_FILE,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = MOST_LISTED,
    as_json: JsonOption = False,
) -> None:
    """Which version was in use since when, the newest first: it is the one in use now."""
    with _one_line_errors():
        settings = load_settings(config, credentials=False)
        uses = dialplans.uses(settings, limit)
        if as_json:
            _json(
                [
                    {"version": u.version, "since": _iso(u.at), "how": u.how, "who": u.who, "changed": [*u.changed]}
                    for u in uses
                ]
            )
            return
        table = Table("version", "in use since", "how", "who", "files changed")
        for column in table.columns:
            column.overflow = "fold"
        for use in uses:
            table.add_row(use.version, _iso(use.at), use.how, use.who, "\n".join(use.changed))
        Console().print(table)
        if uses and (names := dialplans.differs_on_disk(settings, uses[0])):
            _say(f"not in use yet: {', '.join(names)} as on disk; see: ivr dialplan diff")


@dialplan.command("diff", epilog="Example: ivr dialplan diff previous active")
def dialplan_diff(
    was: Annotated[str, typer.Argument(help="The beginning of a version's id, active or previous.")] = ACTIVE,
    now: Annotated[str, typer.Argument(help="The same, or disk: the files as they are.")] = dialplans.ON_DISK,
    config: ConfigOption = DEFAULT_FILE,
) -> None:
    """What is different between two versions; without arguments: what is on disk and not in use yet."""
    with _one_line_errors():
        sys.stdout.write(dialplans.difference(load_settings(config, credentials=False), was, now))


@dialplan.command("rollback", epilog="Example: ivr dialplan rollback previous")
def dialplan_rollback(
    version: Annotated[str, typer.Argument(help="The beginning of a version's id, or previous.")],
    config: ConfigOption = DEFAULT_FILE,
    force: Annotated[bool, typer.Option("--force", help="Also over files that were never in use.")] = False,
) -> None:
    """Write a version's files back and let new calls begin on it."""
    with _one_line_errors():
        _tell(*dialplans.rollback(load_settings(config, credentials=False), version, force=force))


@cli.command(rich_help_panel=_WRITE, epilog="Example: ivr play pay_invoice --language en --record paid.yaml")
def play(
    flow: Annotated[str, typer.Argument(help="A flow's name, or a YAML file.")],
    source: Annotated[
        str | None, typer.Option("--input", metavar="FILE", help="Take the commands from a file; -: from a pipe.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="The number's own if not given.")] = None,
    as_json: JsonOption = False,
    record: Annotated[Path | None, typer.Option(help="Write the call down as a test.")] = None,
    replay: Annotated[Path | None, typer.Option(help="Make the call of such a file; say the first difference.")] = None,
    channel: Annotated[trying.Channel, typer.Option(help="By telephone, or on screens.")] = trying.Channel.VOICE,
    caller: Annotated[str, typer.Option(help="The caller's number, or 'withheld'.")] = trying.CALLER,
    agent: Annotated[str | None, typer.Option(help="One of your own people, who sent the caller here.")] = None,
    given: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="What the call knows from its beginning.")
    ] = None,
    config: ConfigOption = DEFAULT_FILE,
) -> None:
    """Make a call, or a USSD session, in the terminal: read what is said, press keys, answer for providers and banks.

    Exit status: 0 the call is over (or was left with 'quit'), 1 the flow has faults, 2 a line of the input is wrong.
    """
    with _one_line_errors():
        found = trying.find_flow(load_settings(config, credentials=False), flow)
        if replay is not None:
            raise typer.Exit(trying.replay_file(found, replay, language=language, as_json=as_json))
        status = trying.play(
            found,
            source=source,
            language=language,
            as_json=as_json,
            record=record,
            caller=caller,
            agent=agent,
            given=trying.given_values(given or ()),
            channel=channel,
        )
        raise typer.Exit(status)


@cli.command(rich_help_panel=_WRITE, epilog="Example: ivr graph pay_invoice --format svg --output pay_invoice.svg")
def graph(
    flow: Annotated[str, typer.Argument(help="A flow's name, or a YAML file.")],
    form: Annotated[trying.Format, typer.Option("--format")] = trying.Format.MERMAID,
    language: Annotated[str | None, typer.Option(help="The number's own if not given.")] = None,
    output: Annotated[Path | None, typer.Option(help="A file; stdout if not given.")] = None,
    config: ConfigOption = DEFAULT_FILE,
) -> None:
    """Draw a call flow, with its prompts in words."""
    with _one_line_errors():
        found = trying.find_flow(load_settings(config, credentials=False), flow)
        trying.graph(found, form, language=language, output=output)


@invoices.command("create", epilog="Example: ivr invoices create 160000 --order 12345")
def create_invoice(
    amount: Annotated[str, typer.Argument(help="In rial.")],
    order: Annotated[str, typer.Option(help="Your own number for it.")],
    provider: Annotated[str, typer.Option()] = "paystar",
    phone: Annotated[str, typer.Option(help="The customer's number.")] = "",
    config: ConfigOption = DEFAULT_FILE,
    as_json: JsonOption = False,
) -> None:
    """Have a provider make an invoice; prints the number that the caller keys."""
    with _one_line_errors():
        settings = load_settings(config)
        invoice = asyncio.run(application.create_invoice(settings, provider, rial(amount), order, phone))
        if as_json:
            _json({"tracking_code": invoice.tracking_code, "amount_rial": invoice.amount_rial, "order_id": order})
        else:
            _say(invoice.tracking_code)


@cli.command(rich_help_panel=_MONEY, epilog="Example: ivr bill 7748317800142 1770160 --json")
def bill(
    bill_id: Annotated[str, typer.Argument(help="The bill id, or a whole barcode of 26 digits.")],
    payment_id: Annotated[str, typer.Argument(help="The payment id; none with a barcode.")] = "",
    config: ConfigOption = DEFAULT_FILE,
    as_json: JsonOption = False,
) -> None:
    """What the digits of a bill say: its kind, company and amount. Exit status 1: they cannot be right."""
    with _one_line_errors():
        services = load_settings(config, credentials=False).bill_services if config.is_file() else SERVICES
        said = describe_bill(to_ascii(bill_id), to_ascii(payment_id), services)
        if as_json:
            _json(said)
        elif said["valid"]:
            _say(f"{said['kind']}, company {said['company']}, {said['amount_rial']:,} rial")
        else:
            _fail(f"the {said['wrong']} cannot be right")
        if not said["valid"]:
            raise typer.Exit(1)


@prompts.command("build", epilog="Example: ivr prompts build")
def build_prompts(config: ConfigOption = DEFAULT_FILE) -> None:
    """Make every recording that is missing or out of date."""
    with _one_line_errors(), _directories(config) as (texts, recordings):
        raise typer.Exit(prompts_build(texts, recordings))


@prompts.command("check", epilog="Example: ivr prompts check")
def check_prompts(config: ConfigOption = DEFAULT_FILE) -> None:
    """Find recordings that are missing, out of date, silent or too long."""
    with _one_line_errors(), _directories(config) as (texts, recordings):
        raise typer.Exit(prompts_check(texts, recordings))


@prompts.command("say", epilog="Example: ivr prompts say 160000 --language fa --save amount.wav")
def say_amount(
    amount: Annotated[str, typer.Argument(help="In rial.")],
    language: Annotated[str, typer.Option()] = "fa",
    currency: Annotated[Currency, typer.Option()] = Currency.RIAL,
    save: Annotated[Path | None, typer.Option(help="Where to write the WAV file.")] = None,
    config: ConfigOption = DEFAULT_FILE,
) -> None:
    """Say an amount as a caller would hear it."""
    with _one_line_errors(), _directories(config) as (texts, recordings):
        raise typer.Exit(prompts_say(texts, recordings, amount, language, currency, save))


@contextmanager
def _directories(config: Path) -> Iterator[tuple[Path, Path]]:
    """The prompts' texts and the built recordings."""
    settings = load_settings(config, credentials=False)
    yield settings.prompts, settings.recordings


def _tell(well: bool, lines: Sequence[str]) -> None:
    """Results on stdout; what is wrong on stderr, and exit status 1."""
    if not well:
        _fail("\n".join(lines))
    for line in lines:
        _say(line)


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


@cli.command(rich_help_panel=_TRY, epilog="Example: ivr sandbox --paystar-port 8100")
def sandbox(
    host: str = "127.0.0.1",
    paystar_port: Annotated[int, typer.Option(help="0: any free one.")] = 8100,
    bank_port: int = 8101,
    admin_port: int = 8102,
    mellat_port: int = 8103,
    web_gateway_port: int = 8104,
    pod_port: int = 8105,
    inoti_port: int = 8106,
    ussd: Annotated[
        list[str], typer.Option(metavar="CODE=URL", help="A USSD service of the handset; may be repeated.")
    ] = ["*6655*123=http://127.0.0.1:8080/ussd/register_code"],  # noqa: B006 -- typer copies it
) -> None:
    """The providers as real servers, with invoices, cards, faults on demand, and a USSD telephone in the browser."""
    with _one_line_errors():
        services = tuple(map(read_service, ussd))
    settings = SandboxSettings(
        host=host,
        paystar_port=paystar_port,
        bank_port=bank_port,
        admin_port=admin_port,
        mellat_port=mellat_port,
        web_gateway_port=web_gateway_port,
        pod_port=pod_port,
        inoti_port=inoti_port,
        ussd=UssdSettings(services),
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that puts us behind itself has it ignored
    with _one_line_errors():
        asyncio.run(run_sandbox(settings))


cli.add_typer(dialplan, name="dialplan", rich_help_panel=_WRITE)
cli.add_typer(payments, name="payments", rich_help_panel=_MONEY)
cli.add_typer(invoices, name="invoices", rich_help_panel=_MONEY)
cli.add_typer(merchants, name="merchants", rich_help_panel=_MONEY)
cli.add_typer(registrations, name="registrations", rich_help_panel=_MONEY)
cli.add_typer(agents, name="agents", rich_help_panel=_RUN)
cli.add_typer(prompts, name="prompts", rich_help_panel=_WRITE)
if lab.registered_commands:
    cli.add_typer(lab, name="lab", rich_help_panel=_TRY)


def main() -> None:
    """The entry point of `ivr` and `python -m ivr`."""
    configure_logs(level=LogLevel.WARNING)  # stdout is for results
    cli()
