"""A flow with the flows that it calls, as one flow.

Law: the steps of a called flow stand in the calling one under the call step's name (`pay/ask_card`), so the engine, a
session and whoever walks through a flow need to know nothing of calls. Flows that call each other in a circle are
refused before this; what is called is itself linked already.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ivr.flow.engine import TOO_OFTEN
from ivr.flow.facts import Facts
from ivr.flow.model import Flow, Step
from ivr.flow.steps.call import INTO, CallStep, ReturnStep

MOST_STEPS: Final = 2000
"""Steps of a flow together with those of all flows that it calls."""


def size(flow: Flow) -> int:
    """Steps of the flow once it is linked."""
    called = (step.kind.flow for step in flow.steps.values() if isinstance(step.kind, CallStep))
    return len(flow.steps) + sum(len(other.steps) for other in called)


def link(flow: Flow) -> Flow:
    """The flow with what it calls. Its version changes with theirs."""
    called = {name: step.kind.flow for name, step in flow.steps.items() if isinstance(step.kind, CallStep)}
    if not called:
        return flow
    steps = dict(flow.steps)
    failures: dict[str, str] = {}
    for name, other in called.items():
        steps[name] = _into(flow.steps[name], other)
        steps.update((step.name, step) for step in _inner(flow.steps[name], other))
        failures[f"{name}/"] = f"{name}/{other.on_failure}"
        failures |= {f"{name}/{scope}": f"{name}/{step}" for scope, step in other.inner_failures.items()}
    versions = "".join([flow.version, *(other.version for other in called.values())])
    digest = hashlib.sha256(versions.encode()).hexdigest()[: len(flow.version)]
    return replace(flow, version=digest, steps=steps, inner_failures=failures)


def _into(step: Step, called: Flow) -> Step:
    exits = {INTO: f"{step.name}/{called.first}"}
    if TOO_OFTEN in step.exits:
        exits[TOO_OFTEN] = step.exits[TOO_OFTEN]
    assert isinstance(step.kind, CallStep)
    copies = {f"{step.name}/{theirs}": ours for theirs, ours in step.kind.copied.items()}
    return replace(step, exits=exits, facts=Facts(mute=True, copies=copies))


def _inner(caller: Step, called: Flow) -> Iterator[Step]:
    """The called flow's steps under the caller's name; its endings lead where the caller says."""
    kind = caller.kind
    assert isinstance(kind, CallStep)
    for step in called.steps.values():
        name = f"{caller.name}/{step.name}"
        kind_here = step.kind
        exits = {exit_name: f"{caller.name}/{target}" for exit_name, target in step.exits.items()}
        if isinstance(kind_here, ReturnStep) and "/" not in step.name:
            kind_here = replace(kind_here, gives=tuple(called.gives), save=kind.save)
            exits |= {by: target for by, target in caller.exits.items() if by == kind_here.ending}
        facts = replace(_scoped(step.facts, f"{caller.name}/"), ending=None)
        yield replace(step, name=name, kind=kind_here, exits=exits, facts=facts)


def _scoped(facts: Facts, scope: str) -> Facts:
    """The facts with the names that the values have here."""
    makes = {by: frozenset(scope + name for name in names) for by, names in (facts.makes or {}).items()}
    looks_at = scope + facts.looks_at if facts.looks_at else None
    copies = {scope + new: scope + old for new, old in facts.copies.items()}
    return replace(facts, makes=makes, looks_at=looks_at, copies=copies)
