"""Finds and runs the calls in `tests/vectors/`; what their entries mean stands in the README there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ivr.flow.model import Flow
from ivr.simulator.vectors import finish, read_vector, replay
from tests.flow.caller import Caller
from tests.flow.world import session_of

__all__ = ["VECTORS", "all_calls", "finish", "run"]

VECTORS: Final = Path(__file__).parents[1] / "vectors"


def all_calls() -> Iterator[tuple[Path, str]]:
    """Every file and each flow that it is for."""
    for path in sorted(VECTORS.glob("*/*.yaml")):
        for flow in read_vector(path).flows:
            yield path, flow


def run(path: Path, flow: Flow) -> Caller:
    """Make the call of this file. Raises Difference naming the file and the entry."""
    return replay(path, flow, lambda flow, knows: Caller(flow, session_of(flow, knows)))
