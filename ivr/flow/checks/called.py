"""What a step that calls another flow does, found out from that flow: for each ending the worst of its ways.

Law: nothing is believed of a called flow but what its own steps tell. It may be broken, and is blamed elsewhere then.
"""

from collections.abc import Callable, Iterator

from ivr.flow.checks.written import Way, passes, reach
from ivr.flow.facts import Facts
from ivr.flow.model import Flow, Step


def facts_of(called: Flow, save: str | None) -> Facts:
    """The facts of a step that calls this flow, whose endings are the step's exits."""
    steps = called.steps.values()
    begins = [called.first, called.on_failure]
    doubtful = [step.exits[by] for step in steps for by in step.facts.undecided if by in step.exits]
    if doubtful:
        doubtful.append(called.on_failure)  # a step may break after money was sent
    unasked = _endings(called, [called.first], lambda step, by: by not in step.facts.chosen)
    doubt = _endings(called, begins, lambda step, by: by not in step.facts.decides)
    makes: dict[str, set[str]] = {ending: set() for ending in called.endings}
    for name in called.gives if save else ():
        for ending in called.endings - _without(called, begins, name):
            makes[ending].add(f"{save}.{name}")
    return Facts(
        chosen=called.endings - unasked,
        heard=called.endings - frozenset(_silent(called)),
        makes={ending: frozenset(names) for ending, names in makes.items()},
        asks=any(step.facts.asks for step in steps),
        pays=any(step.facts.pays for step in steps),
        undecided=_endings(called, doubtful, lambda step, by: by not in step.facts.decides),
        decides=called.endings - doubt,
        keeps=not called.endings,
        how={ending: f"'{called.name}' comes back by '{ending}'" for ending in called.endings},
    )


def _endings(called: Flow, starts: list[str], allowed: Callable[[Step, str], bool]) -> frozenset[str]:
    """The endings that these ways lead to."""
    ways: dict[str, list[Way]] = {name: [] for name in called.steps}
    for name, step in called.steps.items():
        leading = ((by, target) for by, target in step.exits.items() if target in called.steps)
        ways[name] += [Way(name, by, target) for by, target in leading if allowed(step, by)]
    found = reach(ways, [start for start in starts if start in ways])
    return frozenset(ending for name in found if (ending := called.steps[name].facts.ending))


def _without(called: Flow, begins: list[str], name: str) -> frozenset[str]:
    """The endings that some way leads to on which this name is not made known."""
    if name in called.settings or name in called.takes or name in ("dialled_number", "call_id"):
        return frozenset()
    return _endings(called, begins, lambda step, by: name not in (step.facts.makes or {}).get(by, ()))


def _silent(called: Flow) -> Iterator[str]:
    """The endings that a call can come to without a word since the caller last did anything, or since it came here."""
    seen = {(start, False) for start in (called.first, called.on_failure) if start in called.steps}
    todo = list(seen)
    for name, heard in todo:
        step = called.steps[name]
        if step.facts.ending and not heard:
            yield step.facts.ending
        for by, target in step.exits.items():
            state = (target, heard if passes(step, by) else by in step.facts.heard)
            if target in called.steps and state not in seen:
                seen.add(state)
                todo.append(state)
