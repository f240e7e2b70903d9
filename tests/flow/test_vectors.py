"""Every call in tests/vectors/ goes as written, and together they take every way that the shipped flows have."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from ivr.flow.model import Flow
from tests.flow.vectors import VECTORS, all_calls, finish, run
from tests.flow.world import SHIPPED, shipped

FAULTS_MEANT = {"strange_answer", "half_an_answer", "broken"}
"""Calls whose flow breaks on purpose."""


@pytest.mark.parametrize(
    ("path", "flow"),
    [pytest.param(path, flow, id=f"{path.parent.name}/{path.stem}-{flow}") for path, flow in all_calls()],
)
def test_call(path: Path, flow: str) -> None:
    """The caller hears what the file says, in this order, and nothing else."""
    caller = run(path, shipped(flow))
    finish(caller, path)
    assert bool(caller.faults) == (path.stem in FAULTS_MEANT), caller.faults


def test_every_file_says_what_the_caller_notices() -> None:
    """A vector without its sentence is a riddle for the next engineer."""
    files = list(VECTORS.rglob("*.yaml"))
    assert files and all(path.read_text(encoding="utf-8").startswith("# ") for path in files)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_way_of_every_step_is_taken(name: str) -> None:
    """No ending of a shipped flow goes unheard before a caller meets it."""
    ways: set[tuple[str, str]] = set()
    flow = shipped(name)
    watched = replace(
        flow, steps={step: replace(made, exits=_Watched(step, made.exits, ways)) for step, made in flow.steps.items()}
    )
    for path, whose in all_calls():
        if whose == name:
            run(path, watched)
    assert set(_ways(flow)) - ways == set()


def _ways(flow: Flow) -> Iterator[tuple[str, str]]:
    for step in flow.steps.values():
        if "/" in step.name:
            continue  # a called flow's own calls take its ways
        for exit_name in step.exits:
            yield step.name, exit_name


class _Watched(dict[str, str]):
    """A step's exits that note which of them were taken."""

    def __init__(self, step: str, exits: Mapping[str, str], taken: set[tuple[str, str]]) -> None:
        super().__init__(exits)
        self._step = step
        self._taken = taken

    def get(self, name: str, default: object = None) -> str | None:  # type: ignore[override]
        self._taken.add((self._step, name))
        return super().get(name)
