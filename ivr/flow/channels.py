"""Which steps a call can come to, and which a USSD session.

Law: a step kind says by `only_on` that one of them cannot have it; every other kind is for both.
"""

from collections.abc import Collection

from ivr.flow.facts import Facts
from ivr.flow.model import Flow, Step
from ivr.flow.visit import CHANNEL, USSD, VOICE

CHANNELS = (VOICE, USSD)


def reached(flow: Flow, channel: str) -> set[str]:
    """The steps that a visitor of this channel can come to."""
    todo = [name for name in dict.fromkeys((flow.first, flow.on_failure)) if name in flow.steps]
    seen = set(todo)
    for name in todo:
        step = flow.steps[name]
        new = {target for target in ways(step, channel) if target in flow.steps} - seen
        new |= {inner for scope, inner in flow.inner_failures.items() if name.startswith(scope)} - seen
        seen |= new
        todo += new
    return seen


def ways(step: Step, channel: str) -> list[str]:
    """Where visitors of this channel can go from a step."""
    return [target for by, target in step.exits.items() if _is_way(step.facts, by, channel)]


def only_reached(flow: Flow, channel: str) -> set[str]:
    """The steps that visitors of no other channel come to."""
    others = [reached(flow, other) for other in CHANNELS if other != channel]
    return reached(flow, channel).difference(*others)


def misplaced(flow: Flow, channel: str, steps: Collection[str]) -> list[Step]:
    """Those of these steps that visitors of this channel cannot have."""
    found = (flow.steps[name] for name in flow.steps if name in steps)
    return [step for step in found if only_on(step) not in (None, channel)]


def only_on(step: Step) -> str | None:
    """The one channel on which this step can be done; None: on both."""
    channel: str | None = getattr(step.kind, "only_on", None)
    return channel


def _is_way(facts: Facts, exit_name: str, channel: str) -> bool:
    """Whether visitors of this channel can leave so."""
    looks_at = (facts.looks_at or "").rpartition("/")[2]
    return looks_at != CHANNEL or exit_name not in CHANNELS or exit_name == channel
