"""`ivr payments …` as operators and other programs meet it; and once beside a real `ivr serve`."""

import csv
import io
import json
import signal
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from ivr.cli import cli
from ivr.domain.secret import Secret
from ivr.lab.addresses import free_port
from ivr.lab.postgres import Server
from ivr.payments.state import EntryKind, Payment, State
from ivr.store.lock import Lock
from ivr.store.opening import JOURNAL_FILE, LOCK_FILE, open_store
from ivr.store.shared import Shared
from ivr.web.control import SOCKET_FILE
from tests.clock import Clock
from tests.deployment import Deployment, ended, fake_recordings

SENT, APPROVED, UNANSWERED = EntryKind.SENT, EntryKind.APPROVED, EntryKind.UNANSWERED
NOROOZ = 1_742_502_600.0
"""The first moment of 1404 in Tehran: 2025-03-20T20:30:00Z."""
MELLAT = {
    "kind": "paystar_mellat",
    "base_url": "http://127.0.0.1:9",
    "sequence": {"env": "TEST_SEQUENCE"},
}
PAYSTAR = {**MELLAT, "kind": "paystar_saman", "invoice_lifetime": "24h"}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fake_recordings(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(params=["sqlite", "postgres"])
def books(request: pytest.FixtureRequest) -> str | None:
    """The address of books in PostgreSQL; None: they are a file."""
    if request.param == "sqlite":
        return None
    server: Server = request.getfixturevalue("postgres")
    return server.new_books()


@pytest.fixture
def deployment(tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch, books: str | None) -> Deployment:
    for name in ("SUDO_USER", "LOGNAME"):
        monkeypatch.setenv(name, "maryam")
    asterisk = {
        "agi": {"listen": f"127.0.0.1:{free_port('127.0.0.1', 0)}"},  # serves without an Asterisk to connect to
        "sounds": str(recordings),
    }
    providers: dict[str, Any] = {"providers": {"paystar": PAYSTAR, "mellat": MELLAT}, "asterisk": asterisk}
    if books is not None:
        providers |= {"database": books, "worker": "a"}
    return Deployment(tmp_path, recordings, providers).write()


def ivr(deployment: Deployment, *arguments: str) -> Result:
    """Run `ivr payments` in this process, its log lines set aside."""
    with capture_logs():
        runner = CliRunner(env={"COLUMNS": "200"})
        return runner.invoke(cli, ["payments", *arguments, "--config", str(deployment.config)])


def said(deployment: Deployment, *arguments: str) -> Any:
    """What a command that does well prints as JSON."""
    ran = ivr(deployment, *arguments, "--json")
    assert ran.exit_code == 0, ran.stderr
    return json.loads(ran.stdout)


@pytest.fixture
async def book(deployment: Deployment, books: str | None) -> Deployment:
    """Around Norooz: p1 paid the day before; p2 (mellat) and p3 (paystar) unknown; p4 given to people; p5 sent."""
    deployment.storage.mkdir()
    clock = Clock(NOROOZ - 60)
    shared = Shared(Secret(books), "a") if books is not None else None
    async with open_store(deployment.storage, clock, shared) as store:

        async def pay(name: str, provider: str, amount: int | None, *kinds: EntryKind, reason: str = "timeout") -> None:
            new = Payment(name, f"call-{name}", provider, f"i-{name}", None, amount, State.CREATED)
            await store.journal.create(new)
            for kind in kinds:
                clock.now += 1
                details = {"reason": reason, "code": "91", "reference": "7788"} if kind is UNANSWERED else {}
                await store.journal.append(name, kind, {"reference": "123"} if kind is APPROVED else details)

        await pay("p1", "paystar", 160_000, SENT, APPROVED)
        clock.now = NOROOZ
        await pay("p2", "mellat", 250_000, SENT, UNANSWERED, reason="=HYPERLINK(1)")
        await pay("p3", "paystar", 7_000, SENT, UNANSWERED)
        await pay("p4", "paystar", None, SENT, UNANSWERED)
        await store.journal.append("p4", EntryKind.HANDED_OVER)
        await pay("p5", "mellat", 1_000, SENT)
    return deployment


# -- what needs people, and what they decide ---------------------------------------------------------------------------


def test_what_needs_people(book: Deployment) -> None:
    """What was handed to them, and what no inquiry can ever find out; with the provider's own code and reference."""
    rows = said(book, "reconcile")
    assert [row["id"] for row in rows] == ["p2", "p4"]
    assert (rows[0]["code"], rows[0]["reference"], rows[0]["state"]) == ("91", "7788", "unknown")
    table = ivr(book, "reconcile").stdout
    assert "p2" in table and "91" in table and "7788" in table and "p3" not in table


def test_a_decision_when_nobody_serves(book: Deployment) -> None:
    """It is written at once, signed, stands as a line of the book, and the audit stays clean."""
    ran = ivr(book, "reconcile", "p2", "--approved", "--reason", "در فهرست بانک", "--reference", "5566")
    assert (ran.exit_code, ran.stdout) == (0, "payment p2 is approved, signed by maryam\n")
    shown = said(book, "show", "p2")
    line = shown["entries"][-1]
    assert (line["kind"], line["details"]) == (
        "approved",
        {"by": "person", "reason": "در فهرست بانک", "who": "maryam", "reference": "5566"},
    )
    assert line["at"] > "2025" and (shown["state"], shown["reference"]) == ("approved", "5566")
    assert said(book, "reconcile", "p4", "--declined", "--reason", "not in the list") == {
        "id": "p4",
        "state": "declined",
        "who": "maryam",
    }
    assert ivr(book, "reconcile").stdout == "nothing waits for people\n"
    assert ivr(book, "audit").exit_code == 0


@pytest.mark.parametrize(
    ("payment", "complaint"),
    [
        ("p1", "payment p1 is approved: it was decided already"),
        ("p5", "payment p5 is sent: it is still being paid"),
        ("p9", "there is no payment p9"),
    ],
)
def test_what_cannot_be_decided(book: Deployment, payment: str, complaint: str) -> None:
    """One clear sentence, exit status 1, and nothing is written."""
    before = said(book, "list")
    ran = ivr(book, "reconcile", payment, "--declined", "--reason", "x")
    assert (ran.exit_code, ran.stdout, len(ran.stderr.splitlines())) == (1, "", 1)
    assert complaint in ran.stderr
    assert said(book, "list") == before


@pytest.mark.parametrize(
    "arguments",
    [("p2",), ("p2", "--approved"), ("p2", "--reason", "x"), ("p2", "--approved", "--reason", " "), ("--declined",)]
    + [("p2", *both, "--reason", "x") for both in (("--approved", "--declined"), ("--declined", "--approved"))],
)
def test_half_a_decision_or_two(book: Deployment, arguments: tuple[str, ...]) -> None:
    """The command was misused: nothing is guessed."""
    assert ivr(book, "reconcile", *arguments).exit_code == 2
    assert len(said(book, "reconcile")) == 2


@pytest.mark.parametrize("books", ["sqlite"], indirect=True)
def test_a_process_that_holds_the_book_and_does_not_answer(book: Deployment) -> None:
    """`ivr serve` is just starting or ending: nothing is written past it."""
    with Lock(book.storage / LOCK_FILE):
        ran = ivr(book, "reconcile", "p2", "--approved", "--reason", "x")
    assert ran.exit_code == 1 and "is held by process" in ran.stderr
    assert said(book, "show", "p2")["state"] == "unknown"


def test_no_book_yet(deployment: Deployment) -> None:
    """That is said, and none is made."""
    for arguments in (("reconcile",), ("reconcile", "p1", "--approved", "--reason", "x"), ("export",), ("audit",)):
        ran = ivr(deployment, *arguments)
        assert ran.exit_code == 1 and "does not exist" in ran.stderr
    assert not deployment.storage.exists()


# -- export and totals -------------------------------------------------------------------------------------------------


def test_a_spreadsheet(book: Deployment) -> None:
    """Every payment, days as in Tehran; what an outsider wrote is text and never a formula."""
    ran = ivr(book, "export", "--calendar", "persian")
    assert ran.exit_code == 0
    rows = list(csv.DictReader(io.StringIO(ran.stdout)))
    assert [(row["id"], row["day"], row["time"], row["amount_rial"]) for row in rows[:2]] == [
        ("p1", "1403-12-30", "23:59:00", "160000"),
        ("p2", "1404-01-01", "00:00:00", "250000"),
    ]
    assert rows[1]["reason"] == "'=HYPERLINK(1)"
    assert (rows[3]["amount_rial"], rows[3]["transaction_id"]) == ("", "")
    assert rows[0]["created_at"] == "2025-03-20T20:29:00.000Z"


@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        ((), ["p1", "p2", "p3", "p4", "p5"]),
        (("--to", "2025-03-20"), ["p1"]),
        (("--from", "۱۴۰۴/۱/۱", "--calendar", "persian"), ["p2", "p3", "p4", "p5"]),
        (("--from", "2025-03-20", "--to", "2025-03-20", "--provider", "mellat"), []),
        (("--provider", "mellat"), ["p2", "p5"]),
        (("--state", "unknown", "--provider", "paystar"), ["p3", "p4"]),
    ],
)
def test_an_export_for_programs(book: Deployment, arguments: tuple[str, ...], ids: list[str]) -> None:
    """The chosen ones, both days inside; amounts are whole numbers or null."""
    ran = ivr(book, "export", "--format", "json", *arguments)
    rows = json.loads(ran.stdout)
    assert [row["id"] for row in rows] == ids
    assert all(row["amount_rial"] is None or isinstance(row["amount_rial"], int) for row in rows)


@pytest.mark.parametrize(
    "arguments", [("--from", "2025-02-30"), ("--to", "norooz"), ("--from", "2025-03-21", "--to", "2025-03-20")]
)
@pytest.mark.parametrize("command", ["export", "totals"])
def test_days_that_cannot_be(book: Deployment, command: str, arguments: tuple[str, ...]) -> None:
    """One line, and nothing on stdout."""
    ran = ivr(book, command, *arguments)
    assert (ran.exit_code, ran.stdout, len(ran.stderr.splitlines())) == (1, "", 1)


@pytest.mark.parametrize("arguments", [("--from", "1404-01-01"), ("--from", "2025-03-20", "--to", "1404/1/1")])
@pytest.mark.parametrize("command", ["export", "totals"])
def test_a_persian_day_without_its_calendar(book: Deployment, command: str, arguments: tuple[str, ...]) -> None:
    """Taken for a day six hundred years ago it would be a sum that looks right: it is refused with what was meant."""
    ran = ivr(book, command, *arguments)
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "--calendar persian" in ran.stderr and len(ran.stderr.splitlines()) == 1


def test_totals(book: Deployment) -> None:
    """By day in both calendars, provider and state; they add up to what the export has."""
    found = said(book, "totals")
    assert found["days"][0] == {
        "day": "2025-03-20",
        "persian_day": "1403-12-30",
        "provider": "paystar",
        "state": "approved",
        "payments": 1,
        "amount_rial": 160_000,
        "without_amount": 0,
    }
    assert found["sums"] == {
        "approved": {"payments": 1, "amount_rial": 160_000},
        "sent": {"payments": 1, "amount_rial": 1_000},
        "unknown": {"payments": 3, "amount_rial": 257_000},
    }
    table = ivr(book, "totals", "--calendar", "persian").stdout
    assert "1404-01-01" in table and "250,000" in table and "2025-03" not in table


# -- audit -------------------------------------------------------------------------------------------------------------


def test_an_audit(book: Deployment, books: str | None, request: pytest.FixtureRequest) -> None:
    """Clean books in one line; a fault is a line on stderr, status 1, and programs get it with its kind."""
    ran = ivr(book, "audit")
    assert (ran.exit_code, ran.stdout) == (0, "5 payments, 15 entries, 160,000 rial approved: nothing wrong\n")
    assert said(book, "audit")["faults"] == []
    by_hand = "UPDATE payments SET reference = '1' WHERE id = 'p1'"
    if books is not None:
        request.getfixturevalue("postgres").sql(by_hand, books)
    else:
        connection = sqlite3.connect(book.storage / JOURNAL_FILE, isolation_level=None)
        connection.execute(by_hand)
        connection.close()
    ran = ivr(book, "audit")
    complaint = "payment p1: its entries make its reference 123, it stands as 1"
    assert (ran.exit_code, ran.stdout, ran.stderr) == (1, "", f"{complaint}\n")
    ran = ivr(book, "audit", "--json")
    assert ran.exit_code == 1
    assert json.loads(ran.stdout)["faults"] == [{"kind": "payment_differs", "about": "p1", "text": complaint}]


# -- beside a real process ---------------------------------------------------------------------------------------------


def until(what: Callable[[], Any]) -> Any:
    """What it returns, once that is true."""
    ends = time.monotonic() + 30
    while not (found := what()):
        assert time.monotonic() < ends
        time.sleep(0.2)
    return found


def figure(deployment: Deployment, name: str) -> float:
    """One of the process's figures."""
    with urllib.request.urlopen(f"http://127.0.0.1:{deployment.web_port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line.split()[-1] for line in lines if line.startswith(f"{name} ")))


def test_deciding_beside_a_process_that_takes_calls(book: Deployment) -> None:
    """A payment that was lost with its process comes to people at once where nobody can be asked; they decide it while
    calls are taken; the process knows it in the same moment; and afterwards the books are clean.
    """
    process = book.start("serve")
    try:
        until(lambda: process.poll() is None and (book.storage / SOCKET_FILE).exists())
        handed_over = until(lambda: [row for row in said(book, "reconcile") if row["id"] == "p5" and row["for_people"]])
        assert handed_over[0]["reason"] == "process died"
        until(lambda: figure(book, "ivr_payments_for_people") >= 2)
        ran = [ended(one) for one in [_start(book, "p5", how) for how in ("--approved", "--declined") * 2]]
        assert sorted(one.status for one in ran) == [0, 1, 1, 1], "of four people at once one decides"
        refused = {one.err.partition(":")[2].strip() for one in ran if one.status == 1}
        assert refused == {"it was decided already (in the list)"}
        decided = said(book, "show", "p5")
        assert [entry["details"].get("who") for entry in decided["entries"]][-1] == "maryam"
        until(lambda: "p5" not in {row["id"] for row in said(book, "reconcile")})
        assert ivr(book, "audit").exit_code == 0
    finally:
        process.send_signal(signal.SIGTERM)
        log = ended(process)
    assert log.status == 0
    assert [json.loads(line)["event"] for line in log.err.splitlines()].count("payment_decided") == 1
    assert "maryam" not in log.err and "in the list" not in log.err


def _start(deployment: Deployment, payment: str, how: str) -> "subprocess.Popen[str]":
    return deployment.start("payments", "reconcile", payment, how, "--reason", "in the list")
