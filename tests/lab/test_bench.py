"""The benchmark counts what it says it counts."""

import json
import os
import struct
import subprocess
import sys
import time
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from ivr.domain.errors import Unusable
from ivr.lab.bench import handmade, scenarios, settings, sipp
from ivr.lab.bench.cpu import cpu_seconds
from ivr.lab.bench.outside import invoice_ids, settle
from ivr.lab.bench.report import as_json, figures, percentile, show, verdicts
from ivr.lab.bench.run import Results, Round
from ivr.lab.bench.settings import AMOUNT, Plan
from ivr.lab.bench.wire import ALAW, EVENT, FRAME, Delays, Packet, Sounds, delays
from ivr.sandbox.books import Books
from ivr.sandbox.settings import DEMO_GATEWAY, DemoInvoice, SandboxSettings

SILENCE = b"\xd5" * FRAME
AMOUNT_SOUND = SILENCE * 2 + b"a" * FRAME + b"b" * FRAME
CONNECTING_SOUND = SILENCE + b"c" * FRAME
SOUNDS = Sounds({"amount": AMOUNT_SOUND, "connecting": CONNECTING_SOUND})


def key(at: float, digit: int, line: int = 20000, *, ended: bool = True) -> Packet:
    return Packet(at, line, EVENT, struct.pack("!BBH", digit, 0x8A if ended else 0x0A, 800))


def sound(at: float, frame: bytes, line: int = 20000) -> Packet:
    return Packet(at, line, ALAW, frame)


def test_a_delay_counts_from_the_key_s_end_to_the_next_prompt_s_first_packet() -> None:
    """A prompt that begins with silence begins with that silence; the end of a key said three times is one end."""
    packets = [
        key(9.9, 11, ended=False),
        *(key(10.0 + i / 1000, 11) for i in range(3)),
        sound(10.030, SILENCE),
        sound(10.070, b"a" * FRAME),  # the third packet of the amount: its first was due at 10.030
        *(key(12.0 + i / 1000, 1) for i in range(3)),
        sound(12.010, b"b" * FRAME),  # the amount goes on until it is stopped
        sound(12.025, b"c" * FRAME),
    ]
    seen = delays(packets, SOUNDS, "amount", "connecting")
    assert seen.invoice == pytest.approx([0.030]) and seen.menu == pytest.approx([0.005]) and seen.keys == 2


def test_a_1_in_the_invoice_number_is_no_answer_and_calls_do_not_mix() -> None:
    """Each line is a call of its own, and only the 1 after # agrees."""
    packets = [key(1.0, 1), key(1.4, 11), key(1.5, 11, 20002), sound(1.6, b"a" * FRAME, 20002)]
    seen = delays(packets, SOUNDS, "amount", "connecting")
    assert seen.menu == [] and seen.invoice == pytest.approx([0.06]) and seen.keys == 2


def test_the_bank_takes_the_money_of_the_invite_and_of_no_other() -> None:
    """A way that sends another amount or merchant to the bank has not been paid."""
    codes = invoice_ids(2)
    books = Books(SandboxSettings(invoices=tuple(DemoInvoice(code, AMOUNT) for code in codes)), time.time)
    made = books.create_transaction(DEMO_GATEWAY, codes[0], "")
    assert settle(books, f"10000006 {made.id} {AMOUNT}\n") == "declined"
    assert settle(books, f"10000005 {made.id} {AMOUNT + 1}\n") == "declined"
    assert settle(books, f"10000005 {made.id} {AMOUNT}\n") == "approved"
    assert books.is_paid(DEMO_GATEWAY, codes[0]) and not books.is_paid(DEMO_GATEWAY, codes[1])


def test_cpu_time_is_that_of_the_process_and_its_children() -> None:
    """A way cannot hide its work in another process."""
    work = "import time\nwhile time.process_time() < 0.3: pass\n"
    run = f"subprocess.run([sys.executable, '-c', {work!r}])"
    parent = f"import subprocess, sys; {run}; print('done', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", parent], stdin=-1, stdout=-1, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert 0.3 <= cpu_seconds(process.pid) < 5
        process.communicate("\n")
    with pytest.raises(Unusable, match="ended while it was being measured"):
        cpu_seconds(process.pid)
    assert cpu_seconds(os.getpid()) > 0


def results(*, failed: int = 0) -> Results:
    heard = Delays([0.010] * 99 + [0.040], [0.020] * 100, 200)
    measured = [
        Round("a", 10, 100, 100, 2.5, 0.0, Delays([0.005] * 100, [0.010] * 100, 200)),
        Round("b", 10, 100, 100, 2.6, 0.5, heard),
        Round("c", 10, 100, 100, 3.0, 0.7, heard),
    ]
    ladder = [Round("c", 20, 160, 160, 1.0, 1.0, None), Round("c", 30, 240, 240 - failed, 1.0, 1.0, None)]
    return Results("22.10.1", Plan(), [*measured, *ladder])


def test_the_table_says_whether_the_targets_are_met() -> None:
    """Figures per paid call, what was added to (a), and the rate that held."""
    ours = figures(results(), "c")
    assert (ours.asterisk_ms, ours.application_ms) == pytest.approx((30.0, 7.0)) and ours.holds == 30
    told = verdicts([figures(results(), letter) for letter in "abc"])
    assert all(line.startswith("   met") for line in told) and "5 ms" in told[2] and "10 ms" in told[3]
    screen = StringIO()
    show(results(), Console(file=screen, width=120))
    assert "this application" in screen.getvalue() and "1.48 x" in screen.getvalue()
    written = json.loads(as_json(results()))
    assert written["ways"]["c"]["cpu_ms_per_paid_call"]["ratio_to_a"] == pytest.approx(1.48)
    assert len(written["rounds"]) == 5


def test_one_failed_call_ends_a_rate_and_is_told() -> None:
    """A rate at which a single call failed does not count as held."""
    ours = figures(results(failed=1), "c")
    assert ours.failed == 1 and ours.holds == 20
    assert verdicts([figures(results(failed=1), letter) for letter in "abc"])[-1].startswith("MISSED")


def test_percentiles_are_values_that_were_seen() -> None:
    """p99 of a hundred is the ninety-ninth."""
    hundred = [float(number) for number in range(1, 101)]
    assert (percentile(hundred, 0.5), percentile(hundred, 0.99), percentile([3.0], 0.99)) == (50.0, 99.0, 3.0)


def test_the_caller_agrees_only_after_the_amount_has_begun() -> None:
    """Keys and pauses are the same whichever way answers, and the caller stays until it should be paid."""
    keys = len(invoice_ids(1)[0]) + 1
    pause = round((settings.keying_seconds(keys) + settings.LISTEN_SECONDS - settings.LEAD_SECONDS) * 1000)
    assert f'<pause milliseconds="{pause}"/>' in scenarios.caller() and "$" not in scenarios.caller().replace("[$", "")
    assert settings.HANGS_UP_AFTER > settings.PROMPT_SECONDS + settings.BANK_SECONDS + 1


def test_invoices_suffice_for_every_call() -> None:
    """No invoice is paid twice."""
    plan = Plan(rounds=2, calls=100, ladder=(20, 30), ladder_seconds=8)
    assert plan.invoices == 1 + 200 + 160 + 240


def test_the_handmade_dialplan_plays_what_the_flow_plays(tmp_path: Path) -> None:
    """The same prompts in the same order as the shipped flow."""
    text = handmade.dialplan(tmp_path, "http://127.0.0.1:1", "sequence")
    order = ["invoice/enter_number", "pay/amount_payable", "pay/connecting_to_bank", "pay/paid", "common/goodbye"]
    places = [text.index(f"{tmp_path}/fa/{name}") for name in order]
    assert places == sorted(places) and "{" not in handmade.agi_dialplan("127.0.0.1", 4573).replace("${", "")


def test_without_sipp_the_cure_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The benchmark says what to install."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unusable, match="apt-get install sip-tester"):
        sipp.ensure_sipp()
