"""A value that a step needs, and that a call may come to it without.

Law: whatever a step needs is made known on every way that leads to it. At the call's beginning its settings and the
dialled number are known; the caller's number may be withheld.
"""

from collections.abc import Mapping

from ivr.flow.checks.written import Way, Written, reach, shown, trail
from ivr.flow.facts import MAY_BE_MISSING


def check(written: Written) -> None:
    """Blame each place that refers to a value which some way to it does not make known, and show that way."""
    optional = {id(node) for node in written.uses.optional}
    needed: dict[str, None] = {}
    for step in written.steps.values():
        needed.update({name: None for name, _, node in step.refers if id(node) not in optional})
    ways = written.ways()
    making: dict[str, set[Way]] = {}
    for way in (way for leading in ways.values() for way in leading):
        for name in (written.flow.steps[way.step].facts.makes or {}).get(way.exit, ()):
            making.setdefault(name, set()).add(way)
    for name in needed.keys() - written.begins:
        found = reach(ways, written.starts, but=frozenset(making.get(name, ())))
        _blame(written, name, found, optional)


def _blame(written: Written, name: str, found: Mapping[str, Way | None], optional: set[int]) -> None:
    for step_name in found:
        for refers, _, node in written.steps[step_name].refers:
            if refers == name and id(node) not in optional:
                ways = trail(found, step_name)
                start = ways[0].step if ways else step_name
                broke = "when something breaks, " if start != written.flow.first else ""
                hint = _hint(written, name)
                way = f"a call can come here by {shown(ways, step_name)}" if ways else f"a call begins at '{step_name}'"
                written.source.blame(
                    node, f"'{name}' may not be known here: {broke}{way}, and nothing has made it known{hint}"
                )


def _hint(written: Written, name: str) -> str:
    look = "look with 'choose' first"
    if name == "caller_number":
        return f"; a number can be withheld: {look}"
    return f"; not every call brings it: {look}" if name in MAY_BE_MISSING | written.flow.brings.keys() else ""
