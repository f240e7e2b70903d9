"""What a flow is once it has been read: named steps that leave by named exits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, Protocol

import yaml

from ivr.domain.dialled import is_pattern, takes
from ivr.domain.legs import HangupCause
from ivr.domain.operations import Kind, Operation
from ivr.domain.reading import Fault
from ivr.domain.screens import Limits
from ivr.flow.brought import Wanted
from ivr.flow.events import Event
from ivr.flow.facts import NOTHING_TOLD, Facts
from ivr.flow.hours import Hours

if TYPE_CHECKING:
    from ivr.flow.visit import Visit

NOTICE: Final = "notice "
"""Before the name of a notice that a flow lacks; else it is a provider that it lacks."""


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
    facts: Facts = NOTHING_TOLD
    """For the checker and for those who walk through flows on paper; the engine does not look at it."""


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
    brings: Mapping[str, Wanted] = field(default_factory=dict)
    """What whoever sends a call here may send along, an agent or a trusted trunk: known then, and else missing. The
    first ones can be keyed behind the number, each after a `*`."""


@dataclass(frozen=True, slots=True)
class Detour:
    """The flow that a call runs instead of its number's own, e.g. one that says when we are there."""

    flow: str
    settings: Mapping[str, str]


Key = tuple[str, str | None]
"""An entry's number and trunk: no two entries have the same."""

Instead = Detour | HangupCause
"""What a caller gets who cannot be served: words, or a refusal by the network before the call is answered."""


@dataclass(frozen=True, slots=True)
class DialledNumber:
    """A number that callers dial, or a pattern of them, and what it runs."""

    number: str
    flow: str
    language: str
    trunk: str | None
    """Only calls from this trunk; None: from any."""
    settings: Mapping[str, str]
    hours: Hours | None = None
    """None: always open."""
    closed: Instead = HangupCause.UNAVAILABLE
    """Outside of the hours."""
    most_calls: int | None = None
    """At the same time, all numbers of a pattern together; None: as many as the process takes."""
    full: Instead = HangupCause.BUSY
    """When there are so many."""
    afterwards: Detour | None = None
    """What a caller whom an agent sent gets when the flow would hang up: back to the agent, say. None: the hangup."""

    @property
    def key(self) -> Key:
        """What calls are counted by; the same when the dialplan is read anew."""
        return self.number, self.trunk

    @property
    def detours(self) -> Sequence[Detour]:
        """The flows that calls may run instead of its own, or after it."""
        return [way for way in (self.closed, self.full, self.afterwards) if isinstance(way, Detour)]

    @property
    def flows(self) -> frozenset[str]:
        """Every flow that a caller of this number may come to at first."""
        return frozenset((self.flow, *(detour.flow for detour in self.detours)))

    def instead(self, moment: datetime, calls: int) -> tuple[str, Instead] | None:
        """Why a new call cannot be served now (`closed`, `number_full`) and what its caller gets; None: it can.

        `calls`: how many of this number go on. Closed is said before full: who calls again in a minute is not helped.
        """
        if self.hours is not None and not self.hours.open_at(moment):
            return "closed", self.closed
        if self.most_calls is not None and calls >= self.most_calls:
            return "number_full", self.full
        return None


@dataclass(frozen=True, slots=True)
class Service:
    """A USSD service: what its short code runs."""

    name: str
    """It is called by this name: `GET /ussd/<name>`."""
    codes: Sequence[tuple[str, ...]]
    """Each way in which the network may write the code, by what stands between its stars: `("6655", "123")`."""
    flow: str
    language: str
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Dialplan:
    """Everything that admins wrote, checked."""

    flows: Mapping[str, Flow]
    numbers: Sequence[DialledNumber]
    services: Sequence[Service] = ()
    screens: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """`World.screens`, as it was when this was read."""
    version: str = ""
    """The id of the texts that it was read from (`ivr.flow.versions`); empty where nobody keeps versions."""
    set_aside: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Flows that are there and cannot run, each with the providers that it names and this deployment does not have, and
    the notices that its links need (`notice sms`). No number leads to them, and what else may be wrong was not
    looked at."""

    @property
    def set_aside_note(self) -> str | None:
        """What an admin should know of them, in one sentence."""
        if not self.set_aside:
            return None
        which = "; ".join(f"{name} (no {lacking(lacks)})" for name, lacks in self.set_aside.items())
        return f"set aside, because no number runs them and the configuration lacks what they need: {which}"

    def service(self, name: str) -> Service | None:
        """The USSD service of this name."""
        return next((service for service in self.services if service.name == name), None)

    def number(self, dialled: str, trunk: str) -> DialledNumber | None:
        """What runs when this number is dialled on this trunk. A trunk's own entries win, and then exact numbers."""
        found = [n for n in self.numbers if n.trunk in (None, trunk) and takes(n.number, dialled)]
        return max(found, key=lambda n: (n.trunk is not None, not is_pattern(n.number)), default=None)


def lacking(names: Sequence[str]) -> str:
    """What a flow that was set aside lacks, for people: `provider web, notice sms`."""
    return ", ".join(name if name.startswith(NOTICE) else f"provider {name}" for name in names)


@dataclass(frozen=True, slots=True)
class World:
    """What flows may refer to, so that they can be checked without touching any of it."""

    prompts: Mapping[str, frozenset[str]]
    """Language -> the names of its prompts that can be spoken."""
    trunks: frozenset[str]
    providers: Mapping[str, Mapping[str, Operation]]
    characters: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    """Language -> prompt -> the length of its text; a prompt without one is never too long."""
    screens: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Language -> prompt -> what a screen shows for it; those included that are never spoken."""
    screen_limits: Limits = field(default_factory=Limits)
    notices: frozenset[str] = frozenset()
    """Whom notices can go to."""
    agents: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    """Whom callers can be sent to."""


@dataclass(slots=True)
class Uses:
    """What one step refers to and makes known; collected while it is read, checked when the flow is whole."""

    prompts: list[tuple[str, yaml.Node | None]] = field(default_factory=list)
    shown: list[tuple[str, yaml.Node | None]] = field(default_factory=list)
    """Prompts that only screens show."""
    refers: list[tuple[str, frozenset[Kind], yaml.Node | None]] = field(default_factory=list)
    """(name, kinds that may stand here, place)."""
    makes: dict[str, Kind] = field(default_factory=dict)
    made: list[str] = field(default_factory=list)
    """Every name that a step makes known, as often as one does, in the order of the file."""
    optional: list[yaml.Node] = field(default_factory=list)
    """Places of `refers` that may do without their value."""
    sizes: list[tuple[str, int, yaml.Node | None]] = field(default_factory=list)
    """(name, the most digits that it can have, place)."""
    fits: list[tuple[str, int, str, yaml.Node | None]] = field(default_factory=list)
    """(name, the most digits that may be handed over, to whom, place)."""
    languages: set[str] = field(default_factory=set)
    """Languages that a caller may choose here."""
    absent: list[tuple[str, Fault]] = field(default_factory=list)
    """Providers that are named and not there, and notices of links, in the order of the file."""
