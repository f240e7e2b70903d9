"""Loops that a caller cannot leave, or can stay in for ever.

Law: a caller who does nothing is always led out. So of a loop's ways only those that the caller chooses (a menu's key,
a number that was keyed) may close it; `silence`, and the last of too many wrong keys, may not. And what somebody else
has to look at (a provider) may not be tried without end, not even by choice: that is guessing.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from ivr.flow.checks.written import Way, Written, reach, shown, trail
from ivr.flow.engine import TOO_OFTEN
from ivr.flow.model import Step

MOST_ROUNDS: Final = 10
"""A loop that goes round without the caller ends after so many rounds; more is nothing that anybody listens to."""


def check(written: Written) -> None:
    """Blame each loop once, at its first step, with its steps in order."""
    steps = written.flow.steps
    blamed: set[str] = set()
    for loop in _loops(written.ways(_without_the_caller)):
        late = next((way.step for way in loop if _late(steps, way)), None)
        end = "nothing ends it"
        if late is not None:
            end = f"'{late}' ends it only after {steps[late].at_most} rounds, and {MOST_ROUNDS} are the most"
        written.blame(
            None,
            loop[0].step,
            f"a loop that goes round without the caller: {shown(loop, loop[0].step)}; {end}: give one of these steps "
            f"an at_most of {MOST_ROUNDS} or less",
        )
        blamed |= {way.step for way in loop}
    for loop in _loops(written.ways(_unbounded), through=lambda step: steps[step].facts.asks):
        if blamed.isdisjoint(way.step for way in loop):
            asked = next(way.step for way in loop if steps[way.step].facts.asks)
            written.blame(
                None,
                loop[0].step,
                f"a caller can try '{asked}' again without end: {shown(loop, loop[0].step)}; "
                "give one of these steps an at_most",
            )


def _without_the_caller(step: Step, exit_name: str) -> bool:
    if step.at_most is not None and step.at_most <= MOST_ROUNDS:
        return exit_name == TOO_OFTEN
    return exit_name not in step.facts.chosen


def _unbounded(step: Step, exit_name: str) -> bool:
    return step.at_most is None or exit_name == TOO_OFTEN


def _late(steps: Mapping[str, Step], way: Way) -> bool:
    return steps[way.step].at_most is not None and way.exit != TOO_OFTEN


def _loops(
    ways: Mapping[str, Sequence[Way]], through: Callable[[str], bool] = lambda step: True
) -> Iterator[list[Way]]:
    """One shortest loop of each knot of loops, through the first step that is asked for."""
    back: dict[str, list[Way]] = {name: [] for name in ways}
    for way in (way for leading in ways.values() for way in leading):
        back[way.target].append(Way(way.target, way.exit, way.step))
    done: set[str] = set()
    for name in ways:
        if name in done or not through(name) or not ways[name] or not back[name]:
            continue
        found = reach(ways, [name])
        knot = found.keys() & reach(back, [name]).keys()
        last = next((way for step in found for way in ways[step] if way.target == name), None)
        if last is not None:
            done |= knot
            loop = [*trail(found, last.step), last]
            first = min(range(len(loop)), key=lambda i: list(ways).index(loop[i].step))
            yield loop[first:] + loop[:first]
