"""A value that a step needs, and that a call may come to it without.

Law: whatever a step needs is made known on every way that leads to it. At the call's beginning its settings and the
dialled number are known; the caller's number may be withheld.
"""

from ivr.flow.checks.written import Written, reach, shown, trail
from ivr.flow.facts import MAY_BE_MISSING
from ivr.flow.model import Step


def check(written: Written) -> None:
    """Blame each place that refers to a value which some way to it does not make known, and show that way."""
    optional = {id(node) for node in written.uses.optional}
    needed: dict[str, None] = {}
    for step in written.steps.values():
        needed.update({name: None for name, _, node in step.refers if id(node) not in optional})
    for name in needed.keys() - written.begins:
        _check_name(written, name, optional)


def _check_name(written: Written, name: str, optional: set[int]) -> None:
    def without_it(step: Step, exit_name: str) -> bool:
        return name not in (step.facts.makes or {}).get(exit_name, ())

    found = reach(written.ways(without_it), written.starts)
    for step_name in found:
        for refers, _, node in written.steps[step_name].refers:
            if refers == name and id(node) not in optional:
                ways = trail(found, step_name)
                start = ways[0].step if ways else step_name
                broke = "when something breaks, " if start != written.flow.first else ""
                hint = "; a number can be withheld: look with 'choose' first" if name in MAY_BE_MISSING else ""
                way = f"a call can come here by {shown(ways, step_name)}" if ways else f"a call begins at '{step_name}'"
                written.source.blame(
                    node, f"'{name}' may not be known here: {broke}{way}, and nothing has made it known{hint}"
                )
