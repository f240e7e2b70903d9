"""No recording after a secret: proved on the whole flow, called flows included, before any caller meets it."""

from collections.abc import Iterator

from ivr.domain.operations import Kind
from ivr.flow.model import Flow
from ivr.flow.steps.ask import AskStep
from ivr.flow.steps.record import RecordStep


def recorded_secrets(flow: Flow) -> Iterator[str]:
    """The record steps of a linked flow that a call can come to after it was asked for a secret, or was handed one.

    Whatever the answer was: a caller who keyed half a card number and gave up has keyed half a card number. Any step
    can break, so a failure step comes after every other one.
    """
    begin = [name for name, step in flow.steps.items() if isinstance(step.kind, AskStep) and step.kind.secret]
    if Kind.SECRET in flow.takes.values():
        begin.append(flow.first)
    if not begin:
        return
    todo = [*begin, flow.on_failure, *flow.inner_failures.values()]
    seen: set[str] = set()
    while todo:
        name = todo.pop()
        if name in flow.steps and name not in seen:
            seen.add(name)
            todo += flow.steps[name].exits.values()
    yield from (name for name in flow.steps if name in seen and isinstance(flow.steps[name].kind, RecordStep))
