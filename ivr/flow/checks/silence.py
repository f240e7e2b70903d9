"""A call that ends without a word.

Law: between the last thing that the caller did (or the beginning of the call) and its end, something is said. A leg
that was dialled counts as something the caller did: whoever comes back from it to a dead line was left alone.
"""

from ivr.flow.checks.written import Way, Written, passes


def check(written: Written) -> None:
    """Blame each way that leads to an end in silence, and say since when nothing was said."""
    steps = written.flow.steps
    since: dict[tuple[str, bool], str] = {(written.flow.on_failure, False): "since something broke"}
    since[written.flow.first, False] = "since the call began"
    for start in written.starts:
        if not steps[start].exits:
            written.blame(None, start, f"the call ends here, and nothing is said {since[start, False]}")
    blamed: set[Way] = set()
    todo = list(since)
    for name, heard in todo:
        step = steps[name]
        for by, target in step.exits.items():
            way = Way(name, by, target)
            told = heard if passes(step, by) else by in step.facts.heard
            if (target, told) not in since:
                since[target, told] = since[name, heard] if passes(step, by) and not told else f"since {way}"
                todo.append((target, told))
            if not told and not steps[target].exits and way not in blamed:
                blamed.add(way)
                when = since[name, heard] if passes(step, by) else f"since '{name}' was left by '{by}'"
                written.blame(way, name, f"the call ends here, and nothing is said {when}")
