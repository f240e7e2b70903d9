"""A call that ends without a word.

Law: between the last thing that the caller did (or the beginning of the call) and its end, something is said. A leg
that was dialled counts as something the caller did: whoever comes back from it to a dead line was left alone.
"""

from ivr.flow.checks.written import Way, Written, passes
from ivr.flow.model import Step


def check(written: Written) -> None:
    """Blame each way that leads to an end in silence, and say since when nothing was said."""
    steps = written.flow.steps
    since = {(written.flow.on_failure, False): "something broke"}
    since[written.flow.first, False] = "the call began"
    for start in written.starts:
        if _ends(steps[start]):
            written.blame(None, start, f"the call ends here, and nothing was said since {since[start, False]}")
    todo = list(since)
    blamed: set[Way] = set()
    for name, heard in todo:
        for by, target in steps[name].exits.items():
            way, passed = Way(name, by, target), passes(steps[name], by)
            told = heard if passed else by in steps[name].facts.heard
            when = since[name, heard] if passed and not told else _when(written, way)
            if (target, told) not in since:
                since[target, told] = when
                todo.append((target, told))
            if not told and _ends(steps[target]) and way not in blamed:
                blamed.add(way)
                written.blame(way, name, f"the call ends here, and nothing was said since {when}")


def _ends(step: Step) -> bool:
    return not step.exits and step.facts.ending is None and not step.facts.keeps


def _when(written: Written, way: Way) -> str:
    facts = written.flow.steps[way.step].facts
    swallowed = facts.says.parts and facts.cut_short and not facts.chosen
    why = " (a key that was pressed before cuts its words short: no barge_in here)" if swallowed else ""
    return f"'{way.step}' was left by '{way.named}'{why}"
