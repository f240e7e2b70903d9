"""`ivr play` as people and programs meet it: what is printed, what is never printed, and how it ends."""

import json
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner, Result

from ivr.cli import cli
from tests.deployment import ROOT, SECONDS, Deployment, fake_recordings
from tests.flow.world import BANK_DIALPLAN

CARD = "6037701689095443"
PIN = "48151"
PAID = "# a paid call\nhear\n65843148#\napprove\napprove\n1\nhear\nanswered\nended\napprove\nhear\nhear\n"
PAYSTAR = {"paystar": {"kind": "paystar_saman", "base_url": "http://127.0.0.1:9", "sequence": {"env": "TEST_SEQUENCE"}}}
BANK_CALL = f'headers "From=<sip:1*2*3@h>" Amount=160000\nhear\n{CARD}\n{PIN}#\napprove\nhear\n'


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Deployment:
    recordings = fake_recordings(tmp_path_factory.mktemp("recordings"))
    bank = {"kind": "sandbox_bank", "base_url": "http://127.0.0.1:9"}
    changes = {"providers": {**PAYSTAR, "bank": bank}}
    return Deployment(tmp_path_factory.mktemp("deployment"), recordings, changes).write()


def play(deployment: Deployment, *arguments: str, text: str | None = None) -> Result:
    """Run it in this process, without credentials in the environment, the text in its pipe."""
    with capture_logs():
        command = ["play", *arguments, "--config", str(deployment.config)]
        return CliRunner(env={"COLUMNS": "200"}).invoke(cli, command, input=text)


def notes(ran: Result) -> list[dict[str, Any]]:
    return [json.loads(line) for line in ran.stdout.splitlines()]


# -- playing -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("language", "said"), [("fa", "صد و شصت هزار ریال"), ("en", "one hundred and sixty thousand")])
def test_a_paid_call_in_words(deployment: Deployment, language: str, said: str) -> None:
    """Steps, prompts in words, what is asked and dialled, and the end."""
    ran = play(deployment, "pay_invoice", "--input", "-", "--language", language, text=PAID)
    assert ran.exit_code == 0, ran.stderr
    for words in (said, "● ask_invoice", "paystar.create_transaction", "on trunk bank", "hangs up", "4 to 12 digits"):
        assert words in ran.stdout


def test_a_card_is_charged(deployment: Deployment, tmp_path: Path) -> None:
    """The amount is what the books are made to say; card and password are dots."""
    mellat = {"kind": "paystar_mellat", "base_url": "http://127.0.0.1:9", "sequence": {"env": "TEST_SEQUENCE"}}
    mine = Deployment(tmp_path, deployment.recordings, {"providers": {**PAYSTAR, "mellat": mellat}}).write()
    keyed = f"hear\n65843148#\napprove amount=25000\n1\n{CARD}\n1\napprove\n{PIN}#\napprove\napprove reference=777\n"
    ran = play(mine, "pay_by_card", "--input", "-", "--language", "en", text=f"{keyed}hear\nhang up\n")
    assert ran.exit_code == 0, ran.stderr
    for words in (
        "twenty-five thousand",
        "Bank Keshavarzi",
        "mellat.request_otp",
        "mellat.pay",
        "reference number is 777",
    ):
        assert words in ran.stdout
    assert CARD not in ran.stdout and PIN not in ran.stdout


def test_one_line_of_json_for_each_thing(deployment: Deployment, tmp_path: Path) -> None:
    """Programs read what was said, asked and dialled."""
    file = tmp_path / "call.txt"
    file.write_text(PAID, "utf-8")
    ran = play(deployment, "pay_invoice", "--input", str(file), "--json")
    told = notes(ran)
    assert (
        ran.exit_code == 0
        and told[0]["note"] == "call_begins"
        and told[-1]
        == {
            "note": "call_ends",
            "at": 0.0,
            "how": "hung_up",
        }
    )
    [dialled] = [note for note in told if note["note"] == "dials"]
    assert dialled["trunk"] == "bank" and dialled["payment"]["amount_rial"] == 160000
    says = [note["say"] for note in told if note["note"] == "says"]
    assert {"amount": 160000} in says[2]


def test_a_pipe_without_any_option(deployment: Deployment) -> None:
    """What is not a terminal is an input."""
    assert play(deployment, "pay_invoice", text="hang up\n").exit_code == 0


def test_the_caller_and_what_is_known(deployment: Deployment) -> None:
    """A withheld number, and a setting of one's own."""
    options = ("--caller", "withheld", "--set", "merchant_phone=555", "--json")
    [first, *rest] = notes(play(deployment, "pay_invoice", *options, text="hear\nquit\n"))
    assert first["knows"] == {"call_id": "call", "dialled_number": "42473000", "merchant_phone": "555"}
    assert any(note.get("step") == "ask_mobile" for note in rest)


def test_a_call_that_an_agent_sent(deployment: Deployment) -> None:
    """The invoice comes along and is not asked for; at the end no goodbye, for the agent is next."""
    options = ("--agent", "sara", "--set", "invoice_id=0065843148", "--json")
    text = "hear\napprove\ndecline\nhear\n"
    told = notes(play(deployment, "pay_invoice", *options, text=text))
    assert (told[0]["knows"]["agent"], told[0]["knows"]["invoice_id"]) == ("sara", "65843148")
    entered = [note["step"] for note in told if note["note"] == "step_entered"]
    assert "ask_invoice" not in entered and entered[-1] == "end" and "say_goodbye" not in entered


def test_a_caller_on_the_way_back_to_the_agent(deployment: Deployment) -> None:
    """What the agent hears first is told in words; what cannot become of an agent's telephone is refused."""
    options = ("--agent", "sara", "--set", "outcome=paid", "--language", "en")
    ran = play(deployment, "back_to_agent", *options, text="hear\nno_answer\nhear\nended\nhear\n")
    assert ran.exit_code == 0, ran.stderr
    assert "to agent sara, waiting up to 30 s" in ran.stdout and "to queue sales, waiting up to 180 s" in ran.stdout
    assert "the agent hears first: «پرداخت این مشتری انجام شد.»" in ran.stdout
    told = notes(play(deployment, "back_to_agent", *options, "--json", text="hear\nended\nhear\n"))
    [transferred] = [note for note in told if note["note"] == "transfers"]
    assert (transferred["agent"], transferred["queue"], transferred["wait"]) == ("sara", None, 30.0)
    refused = play(deployment, "back_to_agent", *options, text="hear\nrejected\n")
    assert refused.exit_code == 2 and "input:2: who is called here is never 'rejected'" in refused.stderr


def test_the_codes_of_a_provider(deployment: Deployment) -> None:
    """`decline 4` is what PayStar means by its code 4."""
    ran = play(deployment, "pay_invoice", "--json", text="hear\n6584#\ndecline 4\nquit\n")
    assert [note["exit"] for note in notes(ran) if note["note"] == "answered"] == ["expired"]


def test_secrets_are_dots(deployment: Deployment) -> None:
    """In words, in JSON and in the recorded file."""
    flow = str(BANK_DIALPLAN / "flows" / "bank_ivr.yaml")
    record = deployment.home / "bank.yaml"
    ran = play(deployment, flow, "--record", str(record), text=BANK_CALL)
    assert ran.exit_code == 0, ran.stderr
    as_json = play(deployment, flow, "--json", text=BANK_CALL)
    for text in (ran.output, as_json.output, record.read_text("utf-8")):
        assert CARD not in text and PIN not in text
    assert "•" * 16 in ran.stdout and "•" * 16 in as_json.stdout


# -- how it ends -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hear\nhaer\n", "input:2: no such command 'haer' (did you mean 'hear'?)"),
        ("approve\n", "input:1: nobody is asked anything now; now: 'hear' the prompt"),
        ("hear\n", "input:1: the input ends here, and the call goes on in step 'ask_invoice'"),
    ],
)
def test_a_wrong_line(deployment: Deployment, text: str, said: str) -> None:
    """Status 2, and the line's number."""
    ran = play(deployment, "pay_invoice", "--json", text=text)
    assert ran.exit_code == 2 and ran.stderr.startswith(said) and len(ran.stderr.splitlines()) == 1
    assert notes(ran)[0]["note"] == "call_begins"


def test_a_flow_with_faults(deployment: Deployment, tmp_path: Path) -> None:
    """Status 1, and the messages of `ivr check`."""
    flow = tmp_path / "mine.yaml"
    flow.write_text("flow: mine\nfirst: a\non_failure: a\nsteps:\n  a: {hang_up: abnormal}\n", "utf-8")
    played = play(deployment, str(flow), text="")
    with capture_logs():
        checked = CliRunner().invoke(cli, ["check", str(flow), "--config", str(deployment.config)])
    assert played.exit_code == checked.exit_code == 1
    assert played.stderr == checked.stderr and f"{flow}:5:" in played.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pay_invoce",), "did you mean 'pay_invoice'?"),
        (
            ("nothing_like_it",),
            "there are all_busy, back_to_agent, link_mobile, closed, merchant_invoice, merchant_order, pay_invoice",
        ),
        (("pay_by_card",), "has no provider mellat, which 'pay_by_card' needs"),
        (("no/such.yaml",), "no such file"),
        (("pay_invoice", "--language", "de"), "there are en, fa"),
        (("pay_invoice", "--set", "x"), "name=value"),
        (("pay_invoice", "--set", "invoice_id=123"), "must be 4 to 12 digits"),
        (("pay_invoice", "--caller", "me"), "withheld"),
        (("pay_invoice", "--input", "/no/such"), "cannot be read"),
        (("pay_invoice", "--record", "/no/such/dir/x.yaml"), "cannot be written"),
        (("pay_invoice", "--replay", "/no/such.yaml"), "cannot be read"),
    ],
)
def test_what_cannot_be_played(deployment: Deployment, arguments: tuple[str, ...], said: str) -> None:
    """One line, status 1."""
    ran = play(deployment, *arguments, text="hang up\n")
    assert ran.exit_code == 1 and said in ran.stderr and len(ran.stderr.splitlines()) == 1


def test_a_directory_is_no_flow(deployment: Deployment) -> None:
    """The dialplan itself cannot be played."""
    ran = play(deployment, f"{ROOT}/dialplan/", text="")
    assert ran.exit_code == 1 and "is not the file of a flow" in ran.stderr


# -- recording and replaying -------------------------------------------------------------------------------------------


def test_recorded_and_replayed(deployment: Deployment, tmp_path: Path) -> None:
    """What was played is a test; once the flow is another, the first difference is said with its line."""
    record = tmp_path / "paid.yaml"
    assert play(deployment, "pay_invoice", "--record", str(record), text=PAID).exit_code == 0
    same = play(deployment, "pay_invoice", "--replay", str(record))
    assert same.exit_code == 0 and same.stdout == f"{record}: goes as written\n"
    changed = record.read_text("utf-8").replace("160000", "170000", 1)
    record.write_text(changed, "utf-8")
    other = play(deployment, "pay_invoice", "--replay", str(record))
    assert other.exit_code == 1 and f"{record}:" in other.stderr and "170000" in other.stderr
    told = play(deployment, "pay_invoice", "--replay", str(record), "--json")
    assert told.exit_code == 1 and json.loads(told.stdout)["same"] is False
    foreign = play(deployment, "merchant_invoice", "--replay", str(record))
    assert foreign.exit_code == 1 and "not of merchant_invoice" in foreign.stderr
    kept = play(deployment, "pay_invoice", "--record", str(record), text=PAID)
    assert kept.exit_code == 1 and "exists already" in kept.stderr and record.read_text("utf-8") == changed


# -- by USSD -----------------------------------------------------------------------------------------------------------

BY_USSD = ("--channel", "ussd", "--language", "en")
LINK = "65843148\napprove amount=250000\n1\napprove\n"


def test_a_link_by_ussd(deployment: Deployment) -> None:
    """Screens in frames, and at the end the line for the network in plain sight."""
    ran = play(deployment, "pay_invoice", *BY_USSD, text=LINK)
    assert ran.exit_code == 0, ran.stderr
    for words in (
        "│ To pay: 250,000 rials",
        "│ 1) Pay by a link in an SMS",
        "│ 0) Cancel",
        "answer  9900|65843148|250000",
    ):
        assert words in ran.stdout
    assert "ask_invoice" in ran.stdout and "create_transaction" not in ran.stdout


def test_a_service(deployment: Deployment) -> None:
    """Its code is what was dialled; the user's own mobile is registered."""
    told = notes(play(deployment, "register_code", "--channel", "ussd", "--json", text="۴۷۱۱\napprove\n"))
    assert told[0]["knows"] == {
        "dialled_number": "*6655*123#",
        "call_id": "call",
        "channel": "ussd",
        "caller_number": "09121234567",
        "ussd_session": "4711",
    }
    [asked] = [note["arguments"] for note in told if note["note"] == "asks"]
    assert asked == {"as": "registration", "code": "4711", "mobile": "09121234567"}
    assert [(note["page"], note["pages"], note["most"]) for note in told if note["note"] == "shows"] == [(1, 1, 80)] * 2
    assert told[-1]["how"] == "hung_up"


def test_the_screen_of_the_configuration(deployment: Deployment, tmp_path: Path) -> None:
    """A network with smaller screens: more pages."""
    small = {"providers": PAYSTAR, "ussd": {"screen": {"gsm": 60, "ucs2": 40}}}
    mine = Deployment(tmp_path, deployment.recordings, small).write()
    told = notes(play(mine, "pay_invoice", *BY_USSD, "--json", text="65843148\napprove\n9\nquit\n"))
    assert [note["page"] for note in told if note["note"] == "shows"] == [1, 1, 2]


def test_a_ussd_session_recorded_and_replayed(deployment: Deployment, tmp_path: Path) -> None:
    """As a call is."""
    record = tmp_path / "link.yaml"
    assert play(deployment, "pay_invoice", *BY_USSD, "--record", str(record), text=LINK).exit_code == 0
    assert record.read_text("utf-8").startswith("# Recorded with `ivr play pay_invoice --channel ussd`")
    again = play(deployment, "pay_invoice", "--channel", "ussd", "--replay", str(record))
    assert again.exit_code == 0 and again.stdout == f"{record}: goes as written\n"
    record.write_text(record.read_text("utf-8").replace('sends: "1"', 'sends: "2"'), "utf-8")
    other = play(deployment, "pay_invoice", "--replay", str(record))
    assert other.exit_code == 1 and f"{record}:" in other.stderr


def test_a_wrong_line_by_ussd(deployment: Deployment) -> None:
    """Status 2, and the line's number."""
    ran = play(deployment, "pay_invoice", *BY_USSD, "--json", text="65843148\n1\n")
    assert ran.exit_code == 2 and ran.stderr.startswith(
        "input:2: nothing can be sent before the answer; now: 'approve'"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("pay_invoice", "--caller", "withheld"), "a USSD user has a mobile number"),
        (("pay_invoice", "--caller", "02188001234"), "a USSD user has a mobile number"),
        (("pay_invoice", "--agent", "sara"), "no agent sends anybody into a USSD session"),
        (("back_to_agent",), "USSD has no 'transfer': let a 'channel' step lead only calls here"),
        (("merchant_order",), "on a screen every key needs words: write 'choices'"),
    ],
)
def test_what_cannot_be_played_by_ussd(deployment: Deployment, arguments: tuple[str, ...], said: str) -> None:
    """Status 1, and every step that stands in the way."""
    ran = play(deployment, *arguments, *BY_USSD, text="hang up\n")
    assert ran.exit_code == 1 and said in ran.stderr and ran.stdout == ""


# -- a person at a terminal --------------------------------------------------------------------------------------------


class Terminal:
    """What a person sees and types."""

    def __init__(self, file: int, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self._file = file
        self._shown = b""
        self._read = 0

    @property
    def shown(self) -> str:
        return self._shown.decode(errors="replace")

    def wait_for(self, words: str) -> None:
        """Read on until these words."""
        while (place := self._shown.find(words.encode(), self._read)) < 0:
            ready, _, _ = select.select([self._file], [], [], SECONDS)
            assert ready, self.shown
            self._shown += os.read(self._file, 4096)
        self._read = place + len(words.encode())

    def answer(self, prompt: str, line: str) -> None:
        """Wait for the prompt, then type."""
        self.wait_for(prompt)
        os.write(self._file, line.encode() + b"\n")


@pytest.fixture
def terminal(deployment: Deployment) -> Iterator[Terminal]:
    """The bank's flow, played at a terminal of its own."""
    ours, theirs = pty.openpty()
    flow = str(BANK_DIALPLAN / "flows" / "bank_ivr.yaml")
    command = [sys.executable, "-m", "ivr", "play", flow, "--language", "en", "--config", str(deployment.config)]
    environment = {**os.environ, "TERM": "dumb", "COLUMNS": "200"}
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    )
    os.close(theirs)
    yield Terminal(ours, process)
    process.kill()
    process.wait()
    os.close(ours)


def test_a_person_at_a_terminal(terminal: Terminal) -> None:
    """Slips are forgiven, values are asked for, and a card that is typed is not even shown while it is typed."""
    terminal.answer("read_headers> ", "haeders")
    terminal.wait_for("did you mean 'headers'")
    terminal.answer("read_headers> ", "help")
    terminal.answer("read_headers> ", 'headers "From=<sip:1*2*3@h>" Amount=160000')
    terminal.answer("welcome> ", "")
    terminal.answer("ask_card> (not shown) ", CARD)
    terminal.answer("ask_pin> (not shown) ", f"{PIN}#")
    terminal.answer("settle> ", "approve")
    terminal.answer("reference [70012345]: ", "123456")
    terminal.answer("paid> ", "")
    terminal.wait_for("hung_up")
    assert terminal.process.wait(timeout=SECONDS) == 0
    assert CARD not in terminal.shown and PIN not in terminal.shown and "•" * 16 in terminal.shown
    assert "the caller hangs up" in terminal.shown and "reference 123456" in terminal.shown


def test_a_person_who_has_had_enough(terminal: Terminal) -> None:
    """Ctrl-D leaves the call, and nothing is complained about."""
    terminal.answer("read_headers> ", "\x04")
    assert terminal.process.wait(timeout=SECONDS) == 0
