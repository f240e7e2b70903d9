"""The process dies at every step of a payment, and nobody pays twice, hears what is not so, or is forgotten.

The runs are real ones, in processes of their own: see `ivr/lab/chaos`. What they would find is shown by breaking the
product on purpose.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from ivr.lab.chaos.broken import BREAKS
from ivr.lab.chaos.clock import FastClock
from ivr.lab.chaos.plan import throw
from ivr.lab.chaos.scenarios import SCENARIOS
from ivr.lab.chaos.steps import Steps, passed

PATIENCE = 300
"""Seconds for some 200 runs on a machine that has other things to do."""
POINTS = [40] * len(SCENARIOS)


def chaos(tmp_path: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Exit status, figures and what was printed."""
    figures = tmp_path / "chaos.json"
    done = subprocess.run(
        [sys.executable, "-m", "ivr.lab.chaos", *arguments],
        env={**os.environ, "CHAOS_JSON": str(figures)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, json.loads(figures.read_text()) if figures.exists() else {}, done.stdout + done.stderr


def test_whatever_is_cut_off_nobody_loses_money(tmp_path: Path) -> None:
    """Some hundred payments are cut off at writes, requests and prompts; sandbox, journal and callers agree."""
    status, figures, said = chaos(tmp_path, "--short")
    assert status == 0, said
    assert figures["findings"] == [] and figures["total"]["cuts"] > 100
    assert {"journal", "sessions", "connect", "send", "sent", "answer", "prompt", "dial"} <= figures["cuts"].keys()
    assert all(own["charges"] for own in figures["scenarios"].values())  # else nothing was at stake


@pytest.mark.parametrize(
    ("broken", "found"),
    [
        ("sent_after_sending", {"sent_unwritten", "charge_not_approved"}),
        ("charge_sent_again", {"sent_unwritten", "sent_in_doubt"}),
        ("paid_before_written", {"paid_not_written"}),
        ("unanswered_taken_for_unsent", {"charged_unheard", "arrived_unsent"}),
    ],
)
def test_what_would_lose_money_is_found(tmp_path: Path, broken: str, found: set[str]) -> None:
    """A product that is broken on purpose does not pass, and the story says how."""
    status, figures, said = chaos(tmp_path, "--short", "--broken", broken)
    assert status == 1 and found & set(figures["findings"]), said  # it ends at the first run that finds something
    assert "process 1" in said and "FOUND" in said


def test_every_way_to_break_it_is_tried() -> None:
    """A new one in `broken.py` needs its line above."""
    tried = {"sent_after_sending", "charge_sent_again", "paid_before_written", "unanswered_taken_for_unsent"}
    assert set(BREAKS) == tried


def test_a_seed_is_the_same_run_again() -> None:
    """Whoever is told a seed sees what was seen."""
    assert [throw(seed, POINTS) for seed in range(50)] == [throw(seed, POINTS) for seed in range(50)]
    assert {throw(seed, POINTS).scenario.name for seed in range(200)} == {one.name for one in SCENARIOS}


def test_points_are_counted_once_armed(tmp_path: Path) -> None:
    """The start of a process is no step of a payment."""
    steps = Steps(tmp_path / "steps", None)
    steps.at("journal", "a migration")
    steps.arm()
    steps.at("journal", "a line")
    assert [(one.number, one.what) for one in passed(tmp_path / "steps")] == [(1, "a line")]


async def test_a_hurried_clock_sleeps_no_time_and_never_goes_back() -> None:
    """Hours of planned inquiries pass at once when nobody calls any more."""
    clock = FastClock(1000.0)
    clock.hurries = True
    before = clock()
    await clock.sleep(3600.0)
    assert clock() >= before + 3600.0
