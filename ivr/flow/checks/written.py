"""A flow with the places of what it says: what every rule is given."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml

from ivr.domain.legs import LegResult
from ivr.domain.operations import Kind
from ivr.domain.reading import Source
from ivr.flow.engine import TOO_OFTEN
from ivr.flow.model import Flow, Step, Uses, World

MOST_SHOWN: Final = 12
"""Steps of a way that a message names; of a longer one it names the two ends."""

_GOES_ON: Final = frozenset({"next", "ok", LegResult.ENDED.value})


@dataclass(frozen=True, slots=True)
class Way:
    """From one step by one exit to another."""

    step: str
    exit: str
    target: str

    def __str__(self) -> str:
        return self.step if self.named == "next" else f"{self.step} ({self.exit})"

    @property
    def named(self) -> str:
        """The exit as admins write it."""
        return "next" if self.exit in _GOES_ON else self.exit


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """Where one step stands, and what it refers to."""

    place: yaml.Node
    exits: Mapping[str, yaml.Node]
    refers: list[tuple[str, frozenset[Kind], yaml.Node | None]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Written:
    """A whole flow. `begins`: the names that every call knows from its beginning."""

    source: Source
    flow: Flow
    steps: Mapping[str, WrittenStep]
    uses: Uses
    begins: frozenset[str]
    world: World

    @property
    def starts(self) -> tuple[str, ...]:
        """The steps that a call comes to by no exit: the first one, and the one for failures."""
        return tuple(dict.fromkeys((self.flow.first, self.flow.on_failure)))

    def ways(self, allowed: Callable[[Step, str], bool] = lambda step, exit_name: True) -> dict[str, list[Way]]:
        """Step -> its ways on, those that are allowed."""
        return {
            name: [Way(name, by, target) for by, target in step.exits.items() if allowed(step, by)]
            for name, step in self.flow.steps.items()
        }

    def blame(self, way: Way | None, step: str, message: str) -> None:
        """A fault where this way on is written; at the step itself when there is none."""
        place = self.steps[way.step].exits[way.exit] if way is not None else self.steps[step].place
        self.source.blame(place, message)


def reach(
    ways: Mapping[str, Iterable[Way]], starts: Iterable[str], but: frozenset[Way] = frozenset()
) -> dict[str, Way | None]:
    """Every step that the ways (`but` these) lead to, nearest first, each with the way that came there first."""
    found: dict[str, Way | None] = dict.fromkeys(starts)
    todo = list(found)
    for name in todo:
        for way in ways[name]:
            if way.target not in found and way not in but:
                found[way.target] = way
                todo.append(way.target)
    return found


def trail(found: Mapping[str, Way | None], step: str) -> list[Way]:
    """The ways from a start to this step, in order."""
    ways: list[Way] = []
    while (way := found[step]) is not None:
        ways.append(way)
        step = way.step
    return ways[::-1]


def shown(ways: Iterable[Way], last: str) -> str:
    """`a → b (silence) → c`."""
    names = [*map(str, ways), last]
    if len(names) > MOST_SHOWN:
        names = [*names[: MOST_SHOWN // 2], "…", *names[-MOST_SHOWN // 2 :]]
    return " → ".join(names)


def passes(step: Step, exit_name: str) -> bool:
    """Whether nothing is said and nothing is done by the caller on this way."""
    return exit_name == TOO_OFTEN or step.facts.mute
