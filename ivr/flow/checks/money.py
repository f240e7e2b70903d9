"""Money that may have moved, and nobody knows.

Law: after a try to pay whose outcome is not known, nothing tries to take money before a provider was asked what
became of it (or our own books were). And a caller whose outcome is unknown is not told what a caller with a known one
is told, nor is anybody told "paid" by an inquiry that says anything else.
"""

from ivr.domain.operations import UNKNOWN
from ivr.flow.checks.written import Way, Written, reach, shown, trail
from ivr.flow.model import Flow, Step


def check(written: Written) -> None:
    """Blame the way on by which a payment is left undecided."""
    for step in written.flow.steps.values():
        if step.facts.paid:
            _never_told_paid(written, step)
        if not step.facts.pays:
            continue
        for exit_name in sorted(step.facts.undecided & step.exits.keys()):
            way = Way(step.name, exit_name, step.exits[exit_name])
            _never_paid_twice(written, way)
            if exit_name == UNKNOWN:
                _never_told_a_guess(written, step, way)


def _never_paid_twice(written: Written, way: Way) -> None:
    found = reach(written.ways(_undecided), [way.target])
    again = next((name for name in found if written.flow.steps[name].facts.pays), None)
    if again is not None:
        written.blame(
            way,
            way.step,
            f"money may have moved in '{way.step}', and '{again}' would take it again: "
            f"{shown([way, *trail(found, again)], again)}; ask the provider what became of it first",
        )


def _undecided(step: Step, exit_name: str) -> bool:
    """A way on which a payment that was undecided stays so."""
    return exit_name not in step.facts.decides


def _never_told_a_guess(written: Written, step: Step, way: Way) -> None:
    flow = written.flow
    words = _first_words(flow, way.target)
    for other in sorted(step.exits.keys() - {UNKNOWN, *step.facts.undecided}):
        if same := sorted(words & _first_words(flow, step.exits[other])):
            written.blame(
                way,
                way.step,
                f"'{same[0]}' tells a caller whose payment is unknown the same as after '{other}': "
                "nobody knows yet whether money moved; say so, or ask the provider first",
            )
            return


def _never_told_paid(written: Written, step: Step) -> None:
    """Of an inquiry: each exit but those that say "paid" has words of its own."""
    paid = {by: _first_words(written.flow, step.exits[by]) for by in sorted(step.facts.paid & step.exits.keys())}
    for exit_name in sorted(step.exits.keys() - step.facts.paid):
        way = Way(step.name, exit_name, step.exits[exit_name])
        words = _first_words(written.flow, way.target)
        for by, told in paid.items():
            if same := sorted(words & told):
                written.blame(
                    way,
                    way.step,
                    f"'{same[0]}' tells a caller of whom '{step.name}' says '{exit_name}' the same as after '{by}': "
                    "nobody said that it is paid; give this exit words of its own",
                )
                break


def _first_words(flow: Flow, start: str) -> set[str]:
    """The steps by which the caller hears the first word from here on, unless a provider decides before."""
    seen = {start}
    todo = [start]
    words = set()
    for name in todo:
        facts = flow.steps[name].facts
        if facts.decides:
            continue
        if not facts.mute:
            words.add(name)
            continue
        todo += (targets := set(flow.steps[name].exits.values()) - seen)
        seen |= targets
    return words
