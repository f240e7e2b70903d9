"""Every way through a flow, on paper: the shortest walk to each ending and over each exit of each step.

Law: a walk can be made. It minds what a call remembers: how often it came to a step with `at_most`, what it knows of
the values that `choose` looks at, and whether it is a call or a USSD session, where nobody waits for silence. What a
provider, a trunk or a caller does is free.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Final

from ivr.flow.channels import CHANNELS, only_reached
from ivr.flow.engine import TOO_OFTEN
from ivr.flow.facts import MAY_BE_MISSING, MISSING, OTHERWISE, PRESENT
from ivr.flow.loader import BUILT_IN
from ivr.flow.model import Flow, Step
from ivr.flow.questions import question
from ivr.flow.steps.ask import CANCELLED, INVALID, SILENCE, AskStep
from ivr.flow.steps.base import NEXT
from ivr.flow.visit import CHANNEL, USSD, VOICE

MOST_PLACES: Final = 20_000
"""Places that a walk can be at, counted with what the call remembers there. Of a flow with more, the nearest
that come again to one step only."""

_EITHER: Final = "either"
"""A value that a call may know from its beginning."""

_Seen = str | frozenset[str]
"""What is known of a value: the exit that it was found by, _EITHER, or that it is there and none of these cases."""


@dataclass(frozen=True, slots=True)
class Walk:
    """One call: each step with the exit that it was left by, and the step that ended it."""

    ways: tuple[tuple[str, str], ...]
    end: str

    @property
    def exits(self) -> frozenset[tuple[str, str]]:
        """Every (step, exit) that it takes."""
        return frozenset(self.ways)


@dataclass(frozen=True, slots=True)
class Walks:
    """Walks that together take every exit that can be taken; `untaken` are those that no walk of ours takes.

    A step of a called flow that looks at a value leaves by what the calling flow lets it find: its other exits are
    taken where that flow is walked by itself, and are not counted here.
    """

    walks: tuple[Walk, ...]
    untaken: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """A step, and what a call remembers when it comes there."""

    step: str
    visits: tuple[tuple[str, int], ...]
    """Of steps with `at_most`: how often it came there, this time included."""
    seen: frozenset[tuple[str, _Seen]]
    """What is known of each value that some step looks at; of others that they are missing."""


def walks(flow: Flow) -> Walks:
    """Few walks, each as short as can be, that together take every exit of every step, failures set aside."""
    paper = Paper(flow)
    came = paper.explore()
    if len(came) == MOST_PLACES:
        paper = Paper(flow, most_repeated=1)
        came = paper.explore()
    leaving: dict[tuple[str, str], tuple[Place, Place]] = {}
    for place in came:
        for exit_name, after in paper.ways(place):
            if after in came:
                leaving.setdefault((place.step, exit_name), (place, after))
    home = paper.home(came)
    endings: list[Walk] = []
    others: list[Walk] = []
    taken: set[tuple[str, str]] = set()
    for way, (place, after) in reversed(leaving.items()):  # the farthest first: they take the others along
        ends = not flow.steps[after.step].exits
        if after in home and (ends or way not in taken):
            onward, end = walk_home(home, after)
            walk = Walk((*_back(came, place), way, *onward), end)
            taken |= walk.exits
            (endings if ends else others).append(walk)
    every = _could_take(flow, leaving.keys())
    chosen = sorted({*endings, *_needed(others, endings)}, key=lambda walk: (len(walk.ways), walk.ways))
    untaken = tuple(way for way in every if way not in taken)
    return Walks(tuple(chosen) or (Walk((), flow.first),), untaken)


def report(flow: Flow) -> Iterator[str]:
    """Every walk as lines for an admin to read, or to dial."""
    found = walks(flow)
    yield f"{flow.name}: {len(found.walks)} calls take every way"
    for number, walk in enumerate(found.walks, start=1):
        yield f"{number:4}. {describe_end(flow, walk)}"
        yield from (f"      {line}" for line in describe(flow, walk))
    yield from (f"   no call was found that leaves '{step}' by '{exit_name}'" for step, exit_name in found.untaken)


def describe(flow: Flow, walk: Walk) -> list[str]:
    """What has to happen for this walk, step by step, in plain words; nothing for a step that just goes on."""
    here = on_screen(flow, walk)
    lines = ((step, _how(flow.steps[step], exit_name, here)) for step, exit_name in walk.ways)
    return [f"{step}: {how}" for step, how in lines if how]


def describe_end(flow: Flow, walk: Walk) -> str:
    """The steps that follow of themselves, once all this has happened: `not_confirmed → goodbye → end`."""
    tail = [walk.end]
    for step, exit_name in reversed(walk.ways):
        if _how(flow.steps[step], exit_name, on_screen(flow, walk)):
            break
        tail.append(step)
    return " → ".join(reversed(tail))


def on_screen(flow: Flow, walk: Walk) -> bool:
    """Whether this is a USSD session; what no step asks about counts as a call."""
    return any(by == USSD and _looked_at(flow.steps[step]) == CHANNEL for step, by in walk.ways)


def never_on_screens(flow: Flow) -> set[tuple[str, str]]:
    """The exits that are written and never taken: of steps that only USSD users come to, those by silence."""
    steps = [flow.steps[name] for name in only_reached(flow, USSD)]
    return {(step.name, SILENCE) for step in steps if SILENCE in step.exits and question(step.kind) is not None}


def _looked_at(step: Step) -> str | None:
    """The value that the step looks at; the channel is one and the same in a flow and in those that it calls."""
    name = step.facts.looks_at
    return CHANNEL if name is not None and name.rpartition("/")[2] == CHANNEL else name


def _how(step: Step, exit_name: str, here: bool) -> str:
    """What makes a call leave this step so; empty when it needs nobody's doing."""
    if exit_name == TOO_OFTEN:
        return f"for the {_ordinal((step.at_most or 0) + 1)} time"
    if len(step.exits.keys() - {TOO_OFTEN}) == 1:
        return step.facts.how.get(exit_name, "")
    sent = _sent(step, exit_name) if here else ""
    return sent or step.facts.how.get(exit_name, f"it leaves by '{exit_name}'")


def _sent(step: Step, exit_name: str) -> str:
    """What is sent from a screen for this; empty where it is something else that happens."""
    asked = question(step.kind)
    if asked is None:
        return ""
    if exit_name == INVALID:
        return f"send something wrong, {'once' if asked.attempts == 1 else f'{asked.attempts} times'}"
    if isinstance(asked, AskStep):
        digits = str(asked.least) if asked.least == asked.most else f"{asked.least} to {asked.most}"
        return {NEXT: f"send {asked.save}: {digits} digits", CANCELLED: f"send {asked.cancel_line}"}.get(exit_name, "")
    if exit_name == SILENCE:
        return ""
    leads = asked.keys.values()
    meant = {exit_name} if exit_name in leads else {*leads}  # a language is chosen by each of them
    return " or ".join(f"send {line}" for line, key in asked.lines.items() if asked.keys[key] in meant)


def _ordinal(number: int) -> str:
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


class Paper:
    """A flow on paper: where a call can come to, and how it can leave."""

    def __init__(self, flow: Flow, most_repeated: int | None = None) -> None:
        """`most_repeated`: so many steps with `at_most` may be come to again; None: all of them."""
        self._flow = flow
        self._most_repeated = most_repeated
        self._looked_at = {_looked_at(step) for step in flow.steps.values()}
        copies = [copied for step in flow.steps.values() for copied in step.facts.copies.items()]
        for _ in copies:
            self._looked_at |= {old for new, old in copies if new in self._looked_at}

    @property
    def channels(self) -> tuple[str, ...]:
        """How this flow can be come to: by USSD only where it asks."""
        return CHANNELS if CHANNEL in self._looked_at else (VOICE,)

    def begin(self, channel: str = VOICE) -> Place:
        """Where every call begins, or every USSD session: that one brings nothing along, but its user's mobile."""
        flow = self._flow
        brought = flow.brings.keys() | {"agent"}
        doubtful = MAY_BE_MISSING | brought if channel == VOICE else frozenset[str]()
        known = (flow.settings | flow.takes.keys() | BUILT_IN.keys() | brought) & self._looked_at
        known -= frozenset() if channel == VOICE else brought - flow.takes.keys()
        seen: dict[str, _Seen] = {name: _EITHER if name in doubtful else frozenset() for name in known if name}
        if CHANNEL in self._looked_at:
            seen[CHANNEL] = channel
        return self._enter(self._flow.first, {}, seen)

    def explore(self) -> dict[Place, tuple[Place, str] | None]:
        """Every place a call can come to, nearest first, each with the place and the exit it is come to from first."""
        came: dict[Place, tuple[Place, str] | None] = {self.begin(channel): None for channel in self.channels}
        todo = list(came)
        for place in todo:
            for exit_name, after in self.ways(place):
                if after not in came and len(came) < MOST_PLACES:
                    came[after] = (place, exit_name)
                    todo.append(after)
        return came

    def ways(self, place: Place) -> Iterator[tuple[str, Place]]:
        """The exits that this call can take here, and where each leads."""
        for exit_name, after in self._ways(place):
            if self._most_repeated is None or sum(n > 1 for _, n in after.visits) <= self._most_repeated:
                yield exit_name, after

    def _ways(self, place: Place) -> Iterator[tuple[str, Place]]:
        step, visits, seen = self._flow.steps[place.step], dict(place.visits), dict(place.seen)
        full = step.at_most is not None and visits[step.name] > step.at_most
        looked_at = _looked_at(step)
        hasty = seen.get(CHANNEL) == USSD and question(step.kind) is not None
        for exit_name, target in step.exits.items():
            if full or exit_name == TOO_OFTEN:
                if full and exit_name == TOO_OFTEN:
                    yield exit_name, self._enter(target, visits, seen)
            elif hasty and exit_name == SILENCE:
                continue
            elif looked_at is not None:
                found = _found(step, exit_name, seen.get(looked_at, MISSING))
                if found is not None:
                    yield exit_name, self._enter(target, visits, {**seen, looked_at: found})
            else:
                if step.facts.copies:
                    seen = _copied(step, dict(place.seen), self._looked_at)
                made = (step.facts.makes or {}).get(exit_name, frozenset()) & self._looked_at
                fresh: dict[str, _Seen] = {name: frozenset() for name in made if name}
                fresh |= dict.fromkeys(step.facts.perhaps.get(exit_name, frozenset()) & self._looked_at, _EITHER)
                yield exit_name, self._enter(target, visits, {**seen, **fresh})

    def home(self, came: Mapping[Place, object]) -> "Home":
        """For every place from which the call can end, the first exit of the shortest way there."""
        into: dict[Place, list[tuple[str, Place]]] = {place: [] for place in came}
        for place in came:
            for exit_name, after in self.ways(place):
                if after in came:
                    into[after].append((exit_name, place))
        home: Home = {place: None for place in came if not self._flow.steps[place.step].exits}
        todo = list(home)
        for place in todo:
            for exit_name, before in into[place]:
                if before not in home:
                    home[before] = (exit_name, place)
                    todo.append(before)
        return home

    def _enter(self, name: str, visits: Mapping[str, int], seen: Mapping[str, _Seen]) -> Place:
        most = self._flow.steps[name].at_most
        if most is not None:
            visits = {**visits, name: min(visits.get(name, 0) + 1, most + 1)}
        return Place(name, tuple(sorted(visits.items())), frozenset(seen.items()))


def _copied(step: Step, seen: dict[str, _Seen], looked_at: set[str | None]) -> dict[str, _Seen]:
    """What is known once a step has taken values over into a scope of its own."""
    new = {name: found for name, found in seen.items() if not name.startswith(f"{step.name}/")}
    taken = {name: seen[old] for name, old in step.facts.copies.items() if name in looked_at and old in seen}
    return {**new, **taken}


Home = dict[Place, tuple[str, Place] | None]


def _found(step: Step, exit_name: str, before: _Seen) -> _Seen | None:
    """What is known of a value after this exit of a step that looks at it; None when it cannot leave so."""
    other = OTHERWISE if OTHERWISE in step.exits else PRESENT
    cases = frozenset(step.exits) - {MISSING, other, TOO_OFTEN}
    if MISSING in (exit_name, before):
        return MISSING if exit_name == MISSING and before in (MISSING, _EITHER) else None
    if not step.facts.texts_apart:
        return frozenset() if before == _EITHER else before
    if isinstance(before, frozenset) or before == _EITHER:
        excluded = before if isinstance(before, frozenset) else frozenset()
        return excluded | cases if exit_name == other else None if exit_name in excluded else exit_name
    return before if exit_name == (before if before in cases else other) else None


def _back(came: Mapping[Place, tuple[Place, str] | None], place: Place) -> list[tuple[str, str]]:
    ways = []
    while (step := came[place]) is not None:
        place, exit_name = step
        ways.append((place.step, exit_name))
    return ways[::-1]


def walk_home(home: Home, place: Place) -> tuple[list[tuple[str, str]], str]:
    """The shortest way from here to an ending, and that ending."""
    ways = []
    while (step := home[place]) is not None:
        ways.append((place.step, step[0]))
        place = step[1]
    return ways, place.step


def _could_take(flow: Flow, found: Set[tuple[str, str]]) -> list[tuple[str, str]]:
    """The exits on calls that do not fail, in the order of the file. `found`: those that a place on paper leaves by."""
    never = never_on_screens(flow)
    exits = {
        name: [
            by
            for by in step.exits
            if (name, by) in found or (("/" not in name or step.facts.looks_at is None) and (name, by) not in never)
        ]
        for name, step in flow.steps.items()
    }
    seen = {flow.first}
    todo = [flow.first]
    for name in todo:
        new = {flow.steps[name].exits[by] for by in exits[name]} - seen
        seen |= new
        todo += new
    return [(name, by) for name in flow.steps if name in seen for by in exits[name]]


def _needed(chosen: list[Walk], beside: list[Walk]) -> Iterator[Walk]:
    """Without the walks whose every exit others take too, the nearest first."""
    times = Counter(way for walk in (*chosen, *beside) for way in walk.exits)
    for walk in reversed(chosen):
        if all(times[way] > 1 for way in walk.exits):
            times.subtract(walk.exits)
        else:
            yield walk
