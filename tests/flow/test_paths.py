"""The ways through a flow that `ivr check --paths` prints are real: the engine goes each of them."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.flow.engine import MOST_VISITS
from ivr.flow.facts import Facts
from ivr.flow.paths import Home, Paper, Walk, describe, never_on_screens, report, walk_home, walks
from tests.flow.walker import walk_through
from tests.flow.world import SHIPPED, shipped, small_flow

ALL = [
    pytest.param(name, walk, id=f"{name}-{n}") for name in SHIPPED for n, walk in enumerate(walks(shipped(name)).walks)
]


@pytest.mark.parametrize(("name", "walk"), ALL)
def test_the_engine_goes_as_written(name: str, walk: Walk) -> None:
    """The caller is never left in silence or in a loop, nothing breaks, and a payment in doubt is never forgotten."""
    walker = walk_through(shipped(name), walk)
    assert walker.session.ended == "hung_up" and not walker.faults
    assert walker.session.visit == len(walk.ways) + 1


@pytest.mark.parametrize("name", SHIPPED)
def test_every_exit_of_every_step_is_walked(name: str) -> None:
    """No exit but those of the failure step's own way is left out."""
    flow = shipped(name)
    found = walks(flow)
    taken = frozenset[tuple[str, str]]().union(*(walk.exits for walk in found.walks))
    reached = {step for step, _ in taken}
    assert found.untaken == ()
    handed = {step for step in reached if "/" in step and flow.steps[step].facts.looks_at is not None}
    never = never_on_screens(flow)
    assert {(step, by) for step in reached - handed for by in flow.steps[step].exits} - never <= taken
    assert not never & taken


@cache
def _drawn(name: str) -> tuple[Paper, Home]:
    """A shipped flow on paper, and the way home from everywhere; drawn once for all walks."""
    paper = Paper(shipped(name))
    return paper, paper.home(paper.explore())


@pytest.mark.parametrize("name", SHIPPED)
@given(turns=st.lists(st.integers(0, 2**8), max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_walk_goes_as_written(name: str, turns: list[int]) -> None:
    """Whoever wanders through the flow before it ends: never in silence, never without a way on."""
    flow = shipped(name)
    paper, home = _drawn(name)
    place = paper.begin(paper.channels[sum(turns) % len(paper.channels)])
    ways: list[tuple[str, str]] = []
    for turn in turns:
        ways_on = list(paper.ways(place))
        if not ways_on or len(ways) > MOST_VISITS // 2:
            break
        exit_name, after = ways_on[turn % len(ways_on)]
        ways.append((place.step, exit_name))
        place = after
    onward, end = walk_home(home, place)
    walker = walk_through(flow, Walk((*ways, *onward), end))  # without a channel step it is a call
    assert walker.session.ended == "hung_up" and not walker.faults


# -- what a walk minds -------------------------------------------------------------------------------------------------

CHOOSING = """  a:
    menu: {prompt: pay/press_keys, keys: {"1": b, "2": c}}
    exits: {silence: sorry, invalid: sorry}
  b: {choose: {value: caller_number, present: d, missing: sorry, cases: {"0912": d}}}
  c: {choose: {value: caller_number, present: d, missing: d, cases: {"0913": d}}}
  d: {choose: {value: caller_number, present: e, missing: e, cases: {"0912": e, "0913": e, "0914": e}}}
  e: {choose: {value: y, present: sorry, missing: f}}
  f:
    ask: {prompt: pay/is, save: y}
    next: g
    exits: {silence: sorry, invalid: sorry}
  g: {choose: {value: y, present: sorry, missing: sorry, cases: {"7": sorry}}}"""


def test_a_walk_minds_what_is_known(tmp_path: Path) -> None:
    """A number that was 0912 is not 0913 a moment later, nor missing; what was never asked for is never there."""
    found = walks(small_flow(tmp_path, CHOOSING))
    assert found.untaken == (("e", "present"), ("g", "missing"))
    numbers = {tuple(by for step, by in walk.ways if step in "bcd") for walk in found.walks}
    allowed = {(), *((b, b) for b in ("present", "missing", "case 0912", "case 0913"))}
    later = {("present", "case 0913"), ("present", "case 0912"), ("present", "case 0914")}
    assert numbers <= allowed | later | {("missing",)} and numbers & later
    assert ("case 0912", "case 0913") not in numbers and ("missing", "present") not in numbers


def test_a_flow_with_many_loops_is_walked_too(tmp_path: Path) -> None:
    """Ten loops of three rounds each can be mixed in a million ways; each is walked once."""
    asks = "".join(
        f"  {'a' if not n else f's{n}'}:\n    ask: {{prompt: pay/is, save: x}}\n    next: s{n + 1}\n    at_most: 3\n"
        f"    exits: {{silence: {'a' if not n else f's{n}'}, invalid: sorry, too_often: sorry}}\n"
        for n in range(10)
    )
    assert walks(small_flow(tmp_path, asks + "  s10: {say: pay/is, next: sorry}")).untaken == ()


def test_a_flow_of_one_step_is_walked(tmp_path: Path) -> None:
    """Nothing can happen but its end."""
    assert walks(small_flow(tmp_path, "  a: {hang_up: busy}")).walks == (Walk((), "a"),)


def test_a_walk_that_cannot_be_made_is_not_made() -> None:
    """The tests above would notice."""
    wrong = Walk((("welcome", "next"), ("caller_known", "missing"), ("ask_invoice", "next")), "end")
    with pytest.raises(AssertionError, match="does not go this way"):
        walk_through(shipped("pay_invoice"), wrong)


BOTH = """  a: {choose: {value: agent, present: b, missing: b}}
  b:
    ask: {prompt: pay/is, save: x, min: 4, max: 4, cancel_key: "*"}
    next: c
    exits: {silence: bye, invalid: bye, cancelled: bye}
  c: {channel: {voice: d, ussd: e}}
  d: {menu: {prompt: pay/is, keys: {"1": bye, "*": bye}}, exits: {silence: bye, invalid: bye}}
  e:
    menu:
      prompt: pay/is
      keys: {"1": f, "0": f, "*": bye}
      choices: {"1": screen/pay, "0": screen/yes, "*": screen/cancel}
      attempts: 1
    exits: {silence: bye, invalid: bye}
  f: {channel: {voice: d, ussd: bye}}
  bye: {say: common/goodbye, next: end}"""


def test_a_walk_by_ussd(tmp_path: Path) -> None:
    """What is sent from a screen, in its words. Nobody is silent there, and no agent has sent anybody."""
    flow = small_flow(tmp_path, BOTH)
    found = walks(flow)
    assert found.untaken == (("f", "voice"),) and never_on_screens(flow) == {("e", "silence")}
    told = {name: [how for walk in found.walks for how in describe(flow, walk) if how[0] == name] for name in "abde"}
    assert set(told["e"]) == {"e: send 1", "e: send 0", "e: send 00", "e: send something wrong, once"}
    assert "d: press nothing, 3 times" in told["d"] and "d: press *" in told["d"]
    assert {"b: send x: 4 digits", "b: key x: 4 digits", "b: press *"} <= set(told["b"])
    by_ussd = [walk for walk in found.walks if ("c", "ussd") in walk.ways]
    assert by_ussd and all(("a", "missing") in walk.ways for walk in by_ussd)


def test_a_called_flow_is_met_on_the_same_channel(tmp_path: Path) -> None:
    """Who has come by telephone does not read a screen in it."""
    inner = """flow: inner
first: a
on_failure: b
steps:
  a: {channel: {voice: b, ussd: c}}
  b: {say: pay/is, next: d}
  c: {say: pay/paid, next: d}
  d: {return: done}
"""
    (tmp_path / "inner.yaml").write_text(inner, "utf-8")
    steps = """  a: {channel: {voice: b, ussd: b}}
  b: {call: {flow: inner}, exits: {done: sorry}}"""
    found = walks(small_flow(tmp_path, steps))
    ways = {tuple(by for step, by in walk.ways if step in ("a", "b/a")) for walk in found.walks}
    assert ways == {("voice", "voice"), ("ussd", "ussd")}


def test_a_walk_in_plain_words(tmp_path: Path) -> None:
    """What an admin does to hear an ending, and the steps that follow of themselves."""
    flow = small_flow(
        tmp_path,
        """  a:
    ask: {prompt: pay/is, save: x, max: 4, attempts: 2, cancel_key: "*"}
    next: b
    exits: {silence: end, invalid: sorry, cancelled: bye}
  b:
    provider: {ask: paystar.result, with: {invoice_id: x}}
    exits: {paid: bye, not_confirmed: again, unreachable: sorry, unknown: sorry}
  again: {say: pay/is, next: a, at_most: 1, exits: {too_often: bye}}
  bye: {say: common/goodbye, next: end}""",
    )
    assert list(report(flow)) == [
        "small: 7 calls take every way",
        "   1. end",
        "      a: press nothing, 2 times",
        "   2. bye → end",
        "      a: press *",
        "   3. sorry → end",
        "      a: press something wrong, 2 times",
        "   4. bye → end",
        "      a: key x: 1 to 4 digits, then #",
        "      b: paystar.result answers 'paid'",
        "   5. sorry → end",
        "      a: key x: 1 to 4 digits, then #",
        "      b: nobody knows what paystar.result did",
        "   6. sorry → end",
        "      a: key x: 1 to 4 digits, then #",
        "      b: paystar.result cannot be reached",
        "   7. bye → end",
        "      a: key x: 1 to 4 digits, then #",
        "      b: paystar.result answers 'not_confirmed'",
        "      a: key x: 1 to 4 digits, then #",
        "      b: paystar.result answers 'not_confirmed'",
        "      again: for the 2nd time",
    ]


def test_a_kind_without_words_names_its_exits(tmp_path: Path) -> None:
    """A step kind that does not say how it is left is still walked, by its exits' names."""
    flow = small_flow(tmp_path, CHOOSING)
    plain = replace(flow, steps={name: replace(step, facts=Facts()) for name, step in flow.steps.items()})
    assert "      a: it leaves by 'key 1'" in list(report(plain))
