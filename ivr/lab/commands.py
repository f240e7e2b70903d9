"""`ivr lab demo | up | reload | down | call`: what `make demo` and `make up` run.

Law: progress goes to stderr, results to stdout; `demo` succeeds only when the journal says that the call was paid.
"""

import asyncio
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Coroutine, Sequence
from pathlib import Path
from typing import Annotated, Any, Final

import structlog
import typer
from rich.console import Console

from ivr import dialplans
from ivr.asterisk.settings import Ari
from ivr.config import load_settings
from ivr.domain.errors import IvrError, Unusable
from ivr.domain.secret import Secret
from ivr.lab.asterisk import Installation, Instance, ensure_asterisk
from ivr.lab.phone import Phone
from ivr.lab.story import key_through, pay, transcript
from ivr.lab.town import CHAIN_NUMBER, HOUSE, PAY_NUMBER, SHOP_KEY, Town
from ivr.lab.ussd import CODES, DEMO_BILL, USSD_PROVIDER, tell_services
from ivr.loading import load_world
from ivr.prompts.catalogue import Catalogue
from ivr.recordings.build import build
from ivr.sandbox.settings import DEMO_CARDS

lab = typer.Typer(help="A private real Asterisk and a real calling phone.", no_args_is_help=True)

STATE: Final = HOUSE / "var" / "lab"
RECORDINGS: Final = HOUSE / "var" / "prompts"
PROMPTS: Final = HOUSE / "prompts"
UP_SECONDS: Final = 120.0
DOWN_SECONDS: Final = 20.0
AMOUNT: Final = 160_000


@lab.command(epilog="Example: ivr lab demo")
def demo(chain: Annotated[bool, typer.Option(help="By the chain of three parties.")] = False) -> None:
    """One real paid call, from nothing."""
    _run(_demo(_asterisk(), chain))


@lab.command(epilog="Example: ivr lab up")
def up() -> None:
    """Start the whole chain and leave it running."""
    _run(_up())


@lab.command(epilog="Example: ivr lab down")
def down() -> None:
    """Stop what `up` left running."""
    state = _state()
    if state is None:
        sys.stdout.write("nothing is running\n")
        return
    os.kill(state["pid"], signal.SIGTERM)
    deadline = time.monotonic() + DOWN_SECONDS
    while _alive(state["pid"]):
        if time.monotonic() > deadline:
            os.kill(state["pid"], signal.SIGKILL)
        time.sleep(0.05)
    (STATE / "state.json").unlink(missing_ok=True)
    sys.stdout.write("stopped\n")


@lab.command(epilog="Example: ivr lab call 42473009 --keys 2 --keys 3")
def call(
    number: Annotated[str, typer.Argument()] = PAY_NUMBER,
    invoice: Annotated[str, typer.Option(help="Pay this invoice.")] = "65843148",
    keys: Annotated[
        list[str] | None, typer.Option(help="Press these after a prompt, and pay nothing; again for the next prompt.")
    ] = None,
) -> None:
    """Have the lab's phone call in a running lab, pay an invoice or press keys, and print the transcript."""
    state = _state()
    if state is None:
        raise _complain("no lab is running: ivr lab up")
    _run(_call(state, number, invoice, keys or ()))


@lab.command(epilog="Example: ivr lab reload")
def reload() -> None:
    """Let the running lab's merchant use its dialplan as it is on disk now; its Asterisk and USSD network, too."""
    state = _state()
    if state is None:
        raise _complain("no lab is running: ivr lab up")
    merchant, ussd = state["merchant"], state["ussd"]
    _run(_reload(Path(merchant["config"]), Path(merchant["asterisk"]), ussd["network"], ussd["served_at"]))


@lab.command(hidden=True)
def run() -> None:
    """The process behind `up`: runs until it is told to stop."""
    _run(_stay(_asterisk()))


async def _demo(asterisk: Installation, chain: bool) -> None:
    began = time.monotonic()
    async with Town(asterisk, _recordings(), ussd=True) as town:
        _progress(f"four Asterisks and three applications are up after {time.monotonic() - began:.1f} s")
        code = (await town.merchant.command("invoices", "create", str(AMOUNT), "--order", "demo-1")).strip()
        _progress(f"the agent made invoice {code} of {AMOUNT:,} rial; the customer calls")
        number = CHAIN_NUMBER if chain else PAY_NUMBER
        call = await town.phone.call(number)
        recording = await pay(call, code, DEMO_CARDS[0], _progress)
        _print_transcript(recording, call.keyed)
        await _print_invite(town)
        party = town.switch if chain else town.merchant
        payments = await party.payments()
        sys.stdout.write("\nThe journal's entry\n" + json.dumps(payments, ensure_ascii=False, indent=2) + "\n")
        if [payment["state"] for payment in payments] != ["approved"]:
            raise Unusable("the call was not paid")
        sys.stdout.write(f"\npaid: {AMOUNT:,} rial\n")


def _print_transcript(recording: Path, keyed: list[tuple[float, str]]) -> None:
    sys.stdout.write("\nWhat the phone heard and keyed\n")
    for line in transcript(recording, keyed, RECORDINGS, Catalogue.load(PROMPTS)):
        sys.stdout.write(f"  {line}\n")


async def _print_invite(town: Town) -> None:
    sys.stdout.write("\nThe INVITE that the bank received\n")
    for invite in await town.bank.invites():
        name, number = invite.caller
        sys.stdout.write(f"  {invite.first_line}\n  From: {invite.header('From')}\n")
        sys.stdout.write(f"    caller id, name part:   {name}\n    caller id, number part: {number}\n")
        sys.stdout.write(f"  Amount: {invite.header('Amount')}\n")


async def _up() -> None:
    if _state() is not None:
        raise Unusable("a lab is running already: ivr lab down")
    _asterisk()
    _recordings()
    STATE.mkdir(parents=True, exist_ok=True)
    with (STATE / "lab.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "ivr", "lab", "run"), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    deadline = time.monotonic() + UP_SECONDS
    while (state := _state()) is None:
        if process.returncode is not None or time.monotonic() > deadline:
            words = (STATE / "lab.log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
            raise Unusable(f"the lab did not start: {words[-1] if words else 'without a word'}")
        await asyncio.sleep(0.1)
    sys.stdout.write(state["welcome"])


async def _stay(asterisk: Installation) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    home = _fresh(STATE / "town")
    town_of_all = Town(
        asterisk,
        _recordings(),
        home=home,
        phone=False,
        visitors=["127.0.0.1"],
        all_flows=True,
        queues={"sales": ()},  # the reception's; nobody is in it
        api=True,
        ussd=True,
    )
    async with town_of_all as town:
        make = ("invoices", "create", str(AMOUNT), "--order", "ussd-1", "--provider", USSD_PROVIDER)
        ussd_invoice = (await town.merchant.command(*make)).strip()
        state = {
            "pid": os.getpid(),
            "phone": {"address": town.handset.address, "ari": town.handset.ari_port, "password": town.handset.password},
            "merchant": {"config": str(town.merchant.config), "asterisk": str(town.merchant.instance.home)},
            "ussd": {"network": town.sandbox.admin_url, "served_at": town.ussd_url},
            "welcome": _welcome(town, ussd_invoice),
        }
        path = STATE / "state.json"
        path.touch(mode=0o600)
        path.write_text(json.dumps(state), encoding="utf-8")
        try:
            await stop.wait()
        finally:
            path.unlink(missing_ok=True)


def _welcome(town: Town, ussd_invoice: str) -> str:
    merchant = town.merchant
    at = f"{merchant.address}:{merchant.sip_port}"
    demo_invoices = "  ".join(f"{i.tracking_code} ({i.state})" for i in town.invoices)
    return (
        f"\nIt runs. Call in with any softphone on this machine, without an account or password:\n\n"
        f"  sip:{PAY_NUMBER}@{at}      pay an invoice (one machine)\n"
        f"  sip:{CHAIN_NUMBER}@{at}      pay an invoice (three parties)\n\n"
        f"  invoices  {demo_invoices}\n"
        f"  the sandbox's cards and PINs stand in ivr/sandbox/settings.py\n\n"
        f"  by USSD, on the telephone at {town.sandbox.phone_url} :\n"
        f"    {CODES['register_code']}  register a code\n"
        f"    {CODES['pay_invoice']}  pay an invoice: {ussd_invoice}\n"
        f"    {CODES['pay_bill']}  pay a bill, or {CODES['pay_bill'].removesuffix('#')}*{'*'.join(DEMO_BILL)}#\n"
        f"    {CODES['status']}  what became of the last payment\n\n"
        f"  health    curl {merchant.web_url}/healthz\n"
        f"  metrics   curl {merchant.web_url}/metrics\n"
        f"  API       {merchant.web_url}/api/docs  (Authorization: Bearer {SHOP_KEY})\n"
        f"  sandbox   {town.sandbox.admin_url}/_sandbox/\n"
        f"  payments  .venv/bin/ivr payments list --config {merchant.config}\n"
        f"  logs      {merchant.log}\n\n"
        f"  without a softphone: .venv/bin/ivr lab call\n\n"
        f"  the merchant's call flows, numbers and USSD services are copies in "
        f"{merchant.config.parent.parent / 'dialplan'}:\n"
        f"  edit them there, then .venv/bin/ivr lab reload. For check, play, graph and dialplan say which deployment:\n"
        f"    export IVR_CONFIG={merchant.config}\n\n"
        f"  to stop it:          make down\n"
    )


async def _call(state: dict[str, Any], number: str, invoice: str, keys: Sequence[str]) -> None:
    where = state["phone"]
    ari = Ari(f"http://{where['address']}:{where['ari']}", "ivr", Secret(where["password"]))
    phone = Phone(ari, where["address"], STATE / "heard")
    await phone.start()
    try:
        call = await phone.call(number)
        recording = await (key_through(call, keys, _progress) if keys else pay(call, invoice, DEMO_CARDS[0], _progress))
        _print_transcript(recording, call.keyed)
    finally:
        await phone.stop()


async def _reload(config: Path, asterisk: Path, network: str, served_at: str) -> None:
    """`ivr reload`, and what it leaves to admins of an Asterisk and of a network that are not the lab's own."""
    settings = load_settings(config, credentials=False)
    well, lines = await asyncio.to_thread(dialplans.reload, settings)
    if not well:
        raise Unusable("\n".join(lines))
    sys.stdout.write("\n".join(lines) + "\n")
    loaded, _ = load_world(settings)
    numbers = sorted({number.number for number in loaded.numbers})
    instance = Instance(ensure_asterisk(), "merchant", asterisk)
    instance.configure_numbers(settings.asterisk, numbers)
    await instance.rx("dialplan reload")
    sys.stdout.write(f"the lab's Asterisk leads callers of {', '.join(numbers)} here\n")
    codes = await tell_services(network, served_at, loaded.services)
    sys.stdout.write(f"the sandbox's USSD network knows {', '.join(codes)}\n")


def _asterisk() -> Installation:
    return ensure_asterisk(_progress)


def _recordings() -> Path:
    """The recordings, built if they are not."""
    done = build(Catalogue.load(PROMPTS), PROMPTS, RECORDINGS)
    if done.made:
        _progress(f"{len(done.made)} prompts were made")
    if done.faults:
        raise Unusable(str(done.faults[0]))
    return RECORDINGS


def _fresh(directory: Path) -> Path:
    """A directory for this run; what the one before left is kept beside it, once."""
    if directory.exists():
        before = directory.with_suffix(".before")
        if before.exists():
            shutil.rmtree(before)
        directory.rename(before)
    directory.mkdir(parents=True)
    return directory


def _state() -> dict[str, Any] | None:
    try:
        state: dict[str, Any] = json.loads((STATE / "state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return state if _alive(state["pid"]) else None


def _alive(pid: int) -> bool:
    """Whether that process is a lab of ours; its number may have passed to somebody else, or be a zombie's."""
    try:
        return b"\0lab\0" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _progress(text: str) -> None:
    Console(stderr=True, highlight=False).print(text, markup=False)


def _run(work: Coroutine[Any, Any, None]) -> None:
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    try:
        asyncio.run(work)
    except IvrError as exc:
        raise _complain(str(exc)) from None


def _complain(text: str) -> typer.Exit:
    sys.stderr.write(text + "\n")
    return typer.Exit(1)
