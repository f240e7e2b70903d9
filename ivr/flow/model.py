"""What a flow is once it has been read: named steps that leave by named exits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import yaml

from ivr.domain.operations import Kind, Operation
from ivr.flow.events import Event

if TYPE_CHECKING:
    from ivr.flow.visit import Visit


class StepKind(Protocol):
    """What a step does. An instance is one step's settings; it is immutable and serves every call."""

    def enter(self, visit: "Visit") -> None:
        """The caller comes to this step."""
        ...

    def on(self, visit: "Visit", event: Event) -> None:
        """Something happened here. Only events that are meant for this visit arrive."""
        ...

    def resume(self, visit: "Visit", leg: int | None) -> None:
        """A new process took the call over in this step; `leg` is the token of a leg that is still up."""
        ...


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its settings, its exits, and how often a call may come to it."""

    name: str
    kind: StepKind
    exits: Mapping[str, str]
    at_most: int | None = None
    """The visits of one call; one more leaves by `too_often` at once."""


@dataclass(frozen=True, slots=True)
class Flow:
    """A whole flow. `version` is a digest of its text: equal texts are equal flows."""

    name: str
    version: str
    first: str
    on_failure: str
    steps: Mapping[str, Step]
    settings: frozenset[str] = frozenset()
    """What a number must say for this flow to work, e.g. the merchant's phone."""
    takes: Mapping[str, Kind] = field(default_factory=dict)
    """What a calling flow must hand over; no number can run such a flow."""
    gives: Mapping[str, Kind] = field(default_factory=dict)
    """What a calling flow knows afterwards, as far as it is known here."""
    endings: frozenset[str] = frozenset()
    """The names by which it comes back to a calling flow; no number can run a flow that has one."""
    inner_failures: Mapping[str, str] = field(default_factory=dict)
    """Scope of a called flow (`pay/`) -> its own failure step."""


@dataclass(frozen=True, slots=True)
class DialledNumber:
    """A number that callers dial, and what it runs."""

    number: str
    flow: str
    language: str
    trunk: str | None
    """Only calls from this trunk; None: from any."""
    settings: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Dialplan:
    """Everything that admins wrote, checked."""

    flows: Mapping[str, Flow]
    numbers: Sequence[DialledNumber]

    def number(self, dialled: str, trunk: str) -> DialledNumber | None:
        """What runs when this number is dialled on this trunk; a trunk's own entry wins."""
        found = [n for n in self.numbers if n.number == dialled and n.trunk in (None, trunk)]
        return max(found, key=lambda n: n.trunk is not None, default=None)


@dataclass(frozen=True, slots=True)
class World:
    """What flows may refer to, so that they can be checked without touching any of it."""

    prompts: Mapping[str, frozenset[str]]
    """Language -> the names of its prompts."""
    trunks: frozenset[str]
    providers: Mapping[str, Mapping[str, Operation]]
    notices: frozenset[str] = frozenset()
    """Whom notices can go to."""


@dataclass(slots=True)
class Uses:
    """What one step refers to and makes known; collected while it is read, checked when the flow is whole."""

    prompts: list[tuple[str, yaml.Node | None]] = field(default_factory=list)
    refers: list[tuple[str, frozenset[Kind], yaml.Node | None]] = field(default_factory=list)
    """(name, kinds that may stand here, place)."""
    makes: dict[str, Kind] = field(default_factory=dict)
    languages: set[str] = field(default_factory=set)
    """Languages that a caller may choose here."""
