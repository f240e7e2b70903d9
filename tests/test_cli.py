"""The command line as people and other programs meet it: what is printed, and how each command ends."""

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer.main
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from ivr.cli import cli
from ivr.payments.state import EntryKind, Payment, State
from ivr.store.opening import open_store
from tests.deployment import ROOT, Deployment, fake_recordings

PAYMENT = Payment("1700000000.1.6", "1700000000.1", "paystar", "65843148", "70012345", 160_000, State.CREATED)


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("recordings"))


@pytest.fixture
def deployment(tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch) -> Deployment:
    monkeypatch.setenv("TEST_ARI_PASSWORD", "x")
    monkeypatch.setenv("TEST_SEQUENCE", "x")
    return Deployment(tmp_path, recordings).write()


def ivr(deployment: Deployment, *arguments: str) -> Result:
    """Run a command in this process, its log lines set aside."""
    with capture_logs():
        return CliRunner(env={"COLUMNS": "200"}).invoke(cli, [*arguments, "--config", str(deployment.config)])


@pytest.fixture
async def book(deployment: Deployment) -> Deployment:
    """Two payments: one approved, one only written down."""
    deployment.storage.mkdir()
    async with open_store(deployment.storage, lambda: 1_700_000_000.0) as store:
        await store.journal.create(PAYMENT)
        await store.journal.append(PAYMENT.id, EntryKind.SENT)
        await store.journal.append(PAYMENT.id, EntryKind.APPROVED, {"reference": "123"})
        await store.journal.create(Payment("b.1", "b", "paystar", "65843149", None, None, State.CREATED))
    return deployment


# -- bills -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "ids", [("7748317800142", "1770160"), ("77483178001420000001770160",), ("۷۷۴۸۳۱۷۸۰۰۱۴۲", "1770160")]
)
def test_a_bill_says_what_it_is(deployment: Deployment, ids: tuple[str, ...]) -> None:
    """By its two ids or its barcode, to people and to programs."""
    said = ivr(deployment, "bill", *ids)
    assert (said.exit_code, said.stdout) == (0, "landline, company 001, 17,000 rial\n")
    found = json.loads(ivr(deployment, "bill", *ids, "--json").stdout)
    assert (found["valid"], found["kind"], found["company"], found["amount_rial"]) == (True, "landline", "001", 17_000)


@pytest.mark.parametrize(
    ("ids", "wrong"),
    [
        (("2234322344613", "1770160"), "bill id"),
        (("1117753200140", "1770165"), "payment id"),
        (("7748317800142",), "barcode"),
        (("x", "y"), "bill id"),
    ],
)
def test_a_bill_that_cannot_be(deployment: Deployment, ids: tuple[str, ...], wrong: str) -> None:
    """One line that says which number; exit status 1, with the JSON all the same."""
    said = ivr(deployment, "bill", *ids)
    assert (said.exit_code, said.stderr) == (1, f"the {wrong} cannot be right\n")
    as_json = ivr(deployment, "bill", *ids, "--json")
    found = json.loads(as_json.stdout)
    assert (as_json.exit_code, found["valid"], found["wrong"]) == (1, False, wrong)


def test_a_bill_needs_no_deployment(tmp_path: Path) -> None:
    """Without a configuration the usual kinds hold."""
    nowhere = str(tmp_path / "none.yaml")
    said = CliRunner().invoke(cli, ["bill", "7748317800142", "1770160", "--config", nowhere])
    assert (said.exit_code, said.stdout) == (0, "landline, company 001, 17,000 rial\n")


# -- help --------------------------------------------------------------------------------------------------------------


def _commands(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    if hasattr(command, "commands"):
        for name, inner in command.commands.items():
            yield from _commands(inner, (*path, name))
    elif not command.hidden:
        yield " ".join(path), command


COMMANDS = dict(_commands(typer.main.get_command(cli)))


def test_help_is_grouped() -> None:
    """People find a command by what they want to do."""
    shown = CliRunner(env={"COLUMNS": "120"}).invoke(cli, ["--help"])
    assert shown.exit_code == 0
    for group in ("Run", "Call flows and prompts", "Money", "Try it out"):
        assert group in shown.output


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_words_and_an_example(name: str) -> None:
    """The example begins with the command itself and names only options that exist."""
    command = COMMANDS[name]
    assert command.help
    example = command.epilog or ""
    assert example.startswith(f"Example: ivr {name}")
    known = {option for parameter in command.params for option in parameter.opts}
    assert [word for word in example.split() if word.startswith("--") and word not in known] == []
    shown = CliRunner().invoke(cli, [*name.split(), "--help"])
    assert shown.exit_code == 0 and "Example" in shown.output


# -- check and render --------------------------------------------------------------------------------------------------


def test_check(deployment: Deployment) -> None:
    """What is well is said in one line."""
    ran = ivr(deployment, "check")
    assert ran.exit_code == 0 and re.fullmatch(r"\d+ flows and \d+ numbers: nothing wrong\n(note: .*\n)*", ran.stdout)


def test_check_tells_what_is_set_aside(deployment: Deployment) -> None:
    """A shipped flow whose provider is not there is named in a note; it is a fault where a number runs it."""
    said = ivr(deployment, "check").stdout
    assert (
        "note: set aside" in said
        and "pay_by_card (no provider mellat)" in said
        and "pay_bill (no provider pod, notice sms)" in said
    )
    ran = ivr(deployment, "check", str(ROOT / "dialplan" / "flows" / "pay_by_card.yaml"))
    assert ran.exit_code == 1 and "there is no provider 'mellat'" in ran.stderr
    ran = ivr(deployment, "check", "--paths", "pay_by_card")
    assert ran.exit_code == 1 and "there is no flow 'pay_by_card'" in ran.stderr


def test_check_of_one_file(deployment: Deployment, tmp_path: Path) -> None:
    """A flow that is being written can be checked alone."""
    flow = tmp_path / "mine.yaml"
    flow.write_text("flow: mine\nfirst: a\non_failure: a\nsteps:\n  a: {hang_up: abnormal}\n", encoding="utf-8")
    ran = ivr(deployment, "check", str(flow))
    assert ran.exit_code == 1
    assert ran.stderr.startswith(f"{flow}:5:") and "did you mean 'normal'" in ran.stderr


def test_paths_of_one_flow_and_of_all(deployment: Deployment) -> None:
    """What to do on the telephone to hear each ending, for the flow that is asked for or for all."""
    ran = ivr(deployment, "check", "--paths", "pay_invoice")
    assert ran.exit_code == 0 and "caller_known: 'caller_number' is missing" in ran.stdout
    assert [line.partition(":")[0] for line in ran.stdout.splitlines() if line.endswith("every way")] == ["pay_invoice"]
    every = ivr(deployment, "check", "--paths").stdout
    assert ran.stdout.splitlines()[0] in every and "merchant_invoice: " in every
    ran = ivr(deployment, "check", "--paths", "pay_invoic")
    assert ran.exit_code == 1 and ran.stderr == "there is no flow 'pay_invoic' (did you mean 'pay_invoice'?)\n"


def test_render(deployment: Deployment, tmp_path: Path) -> None:
    """Asterisk's files are written; a second time too; a file that is not ours stays as it is and stops it."""
    out = tmp_path / "etc"
    assert ivr(deployment, "render", str(out)).exit_code == 0
    assert (out / "pjsip.conf").stat().st_mode & 0o077 == 0, "it holds passwords"
    assert ivr(deployment, "render", str(out)).exit_code == 0
    (out / "extensions.conf").write_text("[mine]\n", encoding="utf-8")
    ran = ivr(deployment, "render", str(out))
    assert ran.exit_code == 1 and "extensions.conf" in ran.stderr and len(ran.stderr.splitlines()) == 1
    assert (out / "extensions.conf").read_text(encoding="utf-8") == "[mine]\n"


def test_render_where_nothing_can_be_made(deployment: Deployment, tmp_path: Path) -> None:
    """One line, no traceback."""
    (tmp_path / "file").touch()
    ran = ivr(deployment, "render", str(tmp_path / "file" / "etc"))
    assert ran.exit_code == 1 and len(ran.stderr.splitlines()) == 1 and "Not a directory" in ran.stderr


# -- money -------------------------------------------------------------------------------------------------------------


def test_payments_for_programs(book: Deployment) -> None:
    """JSON on stdout and nothing else; amounts in rial, times in UTC."""
    newest, oldest = json.loads(ivr(book, "payments", "list", "--json").stdout)
    assert (newest["id"], newest["amount_rial"], newest["state"]) == ("b.1", None, "created")
    assert (oldest["amount_rial"], oldest["state"], oldest["created_at"]) == (
        160_000,
        "approved",
        "2023-11-14T22:13:20.000Z",
    )
    (found,) = json.loads(ivr(book, "payments", "list", "--json", "--state", "approved").stdout)
    assert found["id"] == PAYMENT.id
    assert len(json.loads(ivr(book, "payments", "list", "--json", "--limit", "1").stdout)) == 1
    shown = json.loads(ivr(book, "payments", "show", PAYMENT.id, "--json").stdout)
    assert [entry["kind"] for entry in shown["entries"]] == ["created", "sent", "approved"]


def test_payments_for_people(book: Deployment) -> None:
    """A table, and every line of one payment."""
    table = ivr(book, "payments", "list").stdout
    assert PAYMENT.id in table and "approved" in table and "160000" in table
    shown = ivr(book, "payments", "show", PAYMENT.id).stdout
    assert "approved" in shown and '"reference": "123"' in shown


def test_a_payment_that_is_not_there(book: Deployment) -> None:
    """Status 1 and one line; nothing on stdout that a program could take for an answer."""
    ran = ivr(book, "payments", "show", "no.such", "--json")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (1, "", "there is no payment no.such\n")


def test_a_book_that_was_never_begun(deployment: Deployment) -> None:
    """Before the first call there is no book: that is said, and none is made."""
    ran = ivr(deployment, "payments", "list")
    assert ran.exit_code == 1 and "does not exist" in ran.stderr
    assert not deployment.storage.exists()


@pytest.mark.parametrize("limit", ["0", "10001", "many"])
def test_limits_of_the_list(book: Deployment, limit: str) -> None:
    """A misused option is status 2."""
    assert ivr(book, "payments", "list", "--limit", limit).exit_code == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("160000", "--order", "1", "--provider", "nobody"), "no provider 'nobody'"),
        (("lots", "--order", "1"), "digits only"),
        (("0", "--order", "1"), "between 1 and"),
        (("160000", "--order", "1"), "ConnectionRefusedError"),
    ],
)
def test_an_invoice_that_cannot_be_made(deployment: Deployment, arguments: tuple[str, ...], said: str) -> None:
    """One line says why; nothing is printed that could be keyed."""
    ran = ivr(deployment, "invoices", "create", *arguments)
    assert ran.exit_code == 1 and ran.stdout == ""
    assert said in ran.stderr and len(ran.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"kind": "paystar_mellat", "sequence": {"env": "TEST_SEQUENCE"}},
        {"kind": "web_gateway", "api_key": {"env": "TEST_SEQUENCE"}, "return_url": "https://shop.test/back"},
    ],
    ids=lambda settings: settings["kind"],
)
def test_an_invoice_of_our_own(deployment: Deployment, settings: dict[str, object]) -> None:
    """One that makes no invoices, or only when a link is wanted: nobody is asked, and every number is another."""
    nobody = {**settings, "base_url": "http://127.0.0.1:9"}
    mine = replace(deployment, changes={"providers": {"nobody": nobody}}).write()
    made = [ivr(mine, "invoices", "create", "160000", "--order", "1", "--provider", "nobody") for _ in range(2)]
    first, second = (ran.stdout.strip() for ran in made)
    assert len(first) == len(second) == 8 and first.isdigit() and first[0] != "0" and first != second


# -- prompts -----------------------------------------------------------------------------------------------------------


def test_silent_recordings_are_found(deployment: Deployment) -> None:
    """Files without a sound are faults."""
    assert ivr(deployment, "prompts", "check").exit_code == 1


def test_an_amount_that_is_none(deployment: Deployment) -> None:
    """Nothing is said for it."""
    ran = ivr(deployment, "prompts", "say", "12.5")
    assert ran.exit_code == 1 and "digits only" in ran.stderr
