"""What the checker finds right, what it makes of step kinds that tell nothing, and how long it takes.

What it finds wrong stands in tests/bad_flows/.
"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
import yaml

from ivr.domain.operations import Argument, Kind, Operation
from ivr.domain.reading import Faults
from ivr.flow.checks import speech
from ivr.flow.checks.written import MOST_SHOWN, Way, shown
from ivr.flow.events import Event
from ivr.flow.facts import Facts
from ivr.flow.loader import KINDS, load_dialplan
from ivr.flow.model import World
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.visit import Visit
from tests.flow.world import world

MOST_SECONDS_OF_500_STEPS: Final = 5.0
"""Many times what it takes here; only a way of checking that grows with the square of the steps takes longer."""

ENDS: Final = """  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""


def messages(directory: Path, steps: str, where: World | None = None, settings: str = "") -> list[str]:
    """What is wrong with a flow of these steps, without places."""
    path = directory / "small.yaml"
    head = f"flow: small\nfirst: a\non_failure: sorry\nsettings: [{settings}]\nsteps:\n"
    path.write_text(head + steps + "\n" + ENDS, encoding="utf-8")
    try:
        load_dialplan(path, where or world())
    except Faults as exc:
        return [fault.message for fault in exc.faults]
    return []


GOOD: Final = {
    "hear it again as often as you like": """
  a:
    menu: {prompt: pay/press_keys, keys: {"1": sorry, "2": a}}
    exits: {silence: sorry, invalid: sorry}""",
    "another number as often as you like, for nobody looks at it": """
  a:
    ask: {prompt: pay/is, save: x}
    next: b
    exits: {silence: sorry, invalid: sorry}
  b: {say: [pay/is, {digits: x}], next: a}""",
    "words between the last key and the end": """
  a:
    menu: {prompt: pay/press_keys, keys: {"1": b}}
    exits: {silence: end, invalid: sorry}
  b: {say: pay/paid, next: c}
  c: {choose: {value: caller_number, present: end, missing: end}}""",
    "a withheld number that was asked for": """
  a: {choose: {value: caller_number, present: c, missing: b}}
  b:
    ask: {prompt: caller/enter_mobile, form: mobile, save: caller_number}
    next: c
    exits: {silence: sorry, invalid: sorry}
  c: {say: [pay/is, {digits: caller_number}], next: end}""",
    "a value that was looked at, and a special one": """
  a: {choose: {value: caller_number, present: b, missing: sorry, cases: {"1": b}}}
  b: {say: [pay/is, {digits: caller_number}], next: end}""",
    "a number that the provider can do without": """
  a:
    ask: {prompt: pay/is, save: x, max: 20}
    next: b
    exits: {silence: sorry, invalid: sorry}
  b:
    provider: {ask: paystar.create_transaction, with: {invoice_id: x, caller: caller_number}}
    next: sorry
    exits: {wrong_invoice: sorry, already_paid: sorry, expired: sorry, blocked: sorry, gateway_invalid: sorry,
      refused: sorry, unreachable: sorry, unknown: sorry}""",
    "an inquiry between two tries": """
  a:
    dial: {trunk: bank, number: "1", caller_id: "2", payment: {provider: paystar, invoice: dialled_number}}
    at_most: 2
    next: b
    exits: {busy: a, no_answer: sorry, rejected: sorry, unreachable: sorry, being_paid: sorry, too_often: sorry}
  b:
    provider: {ask: paystar.result, with: {invoice_id: dialled_number}}
    exits: {paid: sorry, not_confirmed: a, unreachable: sorry, unknown: sorry}""",
    "our own books between two tries": """
  a:
    dial: {trunk: bank, number: "1", caller_id: "2", payment: {provider: paystar, invoice: dialled_number}}
    at_most: 2
    next: b
    exits: {busy: sorry, no_answer: sorry, rejected: sorry, unreachable: sorry, being_paid: sorry, too_often: sorry}
  b:
    invoice: {provider: paystar, id: dialled_number}
    next: a
    exits: {amount_mismatch: sorry, already_paid: sorry, being_paid: sorry, unresolved: sorry}""",
}


@pytest.mark.parametrize("steps", GOOD.values(), ids=GOOD.keys())
def test_what_is_right(tmp_path: Path, steps: str) -> None:
    """An admin is not troubled with what no caller would be troubled by."""
    assert messages(tmp_path, steps) == []


# -- kinds that tell nothing -------------------------------------------------------------------------------------------


class _Nothing:
    """A step that leaves at once."""

    def enter(self, visit: Visit) -> None:
        visit.leave(NEXT)

    def on(self, visit: Visit, event: Event) -> None:
        """Nothing."""

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Nothing."""


def silent_kind(facts: Facts | None) -> dict[str, object]:
    """`mystery: name`: makes `name` known, and tells these facts, or none."""

    def read(body: yaml.Node, reading: Reading) -> Made:
        reading.make(str(body.value), Kind.DIGITS, body)
        exits = frozenset({NEXT, "other"})
        return Made(_Nothing(), exits) if facts is None else Made(_Nothing(), exits, facts=facts)

    return {**KINDS, "mystery": read}


MYSTERY: Final = """
  a: {say: [pay/is], next: b}
  b: {mystery: x, next: c, exits: {other: d}}
  c: {choose: {value: x, present: end, missing: d}}
  d: {say: [pay/is, {digits: x}], next: b}"""


def test_a_kind_that_tells_nothing_is_taken_for_the_worst(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves its caller in silence and in loops, and makes its value known by the exit that goes on alone."""
    monkeypatch.setattr("ivr.flow.loader.KINDS", silent_kind(None))
    assert messages(tmp_path, MYSTERY) == [
        "a loop that goes round without the caller: b (other) → d → b; nothing ends it: "
        "give one of these steps an at_most of 10 or less",
        "the call ends here, and nothing was said since 'b' was left by 'next'",
        "'x' may not be known here: a call can come here by a → b (other) → d, and nothing has made it known",
    ]


def test_one_line_of_facts_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told that the caller chooses, hears the last word and makes the value known, it is as good as any."""
    exits = frozenset({NEXT, "other"})
    facts = Facts(chosen=exits, heard=exits, makes=dict.fromkeys(exits, frozenset({"x"})))
    monkeypatch.setattr("ivr.flow.loader.KINDS", silent_kind(facts))
    assert messages(tmp_path, MYSTERY) == []


# -- words, secrets, trails --------------------------------------------------------------------------------------------


def test_a_prompt_that_is_too_long(tmp_path: Path) -> None:
    """Named where it is used, in each language in which it is; nothing is said of one whose length nobody knows."""
    longest = int(speech.MOST_PROMPT_SECONDS * speech.CHARACTERS_A_SECOND)
    steps = "  a: {say: pay/is, next: sorry}"
    fits = replace(world(), characters={"fa": {"pay/is": longest}})
    assert messages(tmp_path, steps, fits) == []
    fits = replace(world(), characters={"fa": {"pay/is": 2 * longest}, "en": {}})
    assert messages(tmp_path, steps, fits) == [
        "'a' can speak for about 40 seconds in 'fa' before the caller can do anything, and 30 are the most",
        "'pay/is' takes about 40 seconds in 'fa', and 20 are the most: shorten it, or make two of it",
    ]


def test_a_secret_answer_is_not_saved(tmp_path: Path) -> None:
    """What a provider answers is kept in the session's snapshot, and a snapshot holds no secret."""
    operation = Operation("tell", {"id": Argument(Kind.DIGITS)}, {"pin": Kind.SECRET})
    steps = """
  a:
    provider: {ask: oracle.tell, with: {id: dialled_number}, save: told}
    next: sorry
    exits: {unreachable: sorry, unknown: sorry}"""
    where = replace(world(), providers={"oracle": {"tell": operation}})
    assert messages(tmp_path, steps, where) == [
        "'oracle.tell' answers with a secret ('pin'), and that cannot be saved",
    ]


def test_a_long_way_is_named_by_its_ends() -> None:
    """A message stays one line that can be read."""
    ways = [Way(f"s{n}", "next", f"s{n + 1}") for n in range(40)]
    words = shown(ways, "s40").split(" → ")
    assert len(words) == MOST_SHOWN + 1 and words[0] == "s0" and words[-1] == "s40" and "…" in words


# -- speed -------------------------------------------------------------------------------------------------------------


def large_flow(steps: int) -> str:
    """Questions and answers one after the other, with loops, and each value needed at the end."""
    lines = ["flow: large", "first: s0", "on_failure: sorry", "steps:"]
    for n in range(0, steps, 2):
        lines += [
            f"  s{n}:",
            f"    ask: {{prompt: pay/is, save: x{n}, max: 12}}",
            f"    next: s{n + 1}",
            "    at_most: 3",
            "    exits: {silence: sorry, invalid: sorry, too_often: sorry}",
            f"  s{n + 1}:",
            f"    provider: {{ask: paystar.result, with: {{invoice_id: x{n}}}, save: r{n}}}",
            f"    exits: {{paid: s{n + 2}, not_confirmed: s{n}, unreachable: s{n}, unknown: sorry}}",
        ]
    said = ", ".join(f"{{digits: x{n}}}" for n in range(0, steps, 2))
    return "\n".join([*lines, f"  s{steps}: {{say: [pay/is], next: sorry}}", f"  unused: {{say: [{said}], next: end}}"])


def test_a_flow_of_500_steps_is_checked_at_once(tmp_path: Path) -> None:
    """An admin who saves and checks does not wait."""
    path = tmp_path / "large.yaml"
    text = large_flow(500).replace("s500: {say: [pay/is], next: sorry}", "s500: {say: [pay/is], next: unused}")
    path.write_text(f"{text}\n{ENDS}", encoding="utf-8")
    begun = time.perf_counter()
    with pytest.raises(Faults, match="before the caller can do anything"):
        load_dialplan(path, world())
    assert time.perf_counter() - begun < MOST_SECONDS_OF_500_STEPS
