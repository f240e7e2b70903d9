"""The ways through a flow that `ivr check --paths` prints are real: the engine goes each of them."""

import pytest

from ivr.flow.paths import Walk, walks
from tests.flow.walker import walk_through
from tests.flow.world import SHIPPED, shipped

ALL = [
    pytest.param(name, walk, id=f"{name}-{n}") for name in SHIPPED for n, walk in enumerate(walks(shipped(name)).walks)
]


@pytest.mark.parametrize(("name", "walk"), ALL)
def test_the_engine_goes_as_written(name: str, walk: Walk) -> None:
    """The caller is never left in silence or in a loop, nothing breaks, and a payment in doubt is never forgotten."""
    walker = walk_through(shipped(name), walk)
    assert walker.session.ended == "hung_up" and not walker.faults
    assert walker.session.visit == len(walk.ways) + 1


@pytest.mark.parametrize("name", SHIPPED)
def test_every_exit_of_every_step_is_walked(name: str) -> None:
    """No exit but those of the failure step's own way is left out."""
    flow = shipped(name)
    found = walks(flow)
    taken = frozenset[tuple[str, str]]().union(*(walk.exits for walk in found.walks))
    reached = {step for step, _ in taken}
    assert found.untaken == ()
    assert {(step, by) for step in reached for by in flow.steps[step].exits} == taken
