"""call and return: another flow takes the caller over, and comes back by one of its named endings.

Law: the called flow knows what it was handed and nothing else of the calling one, and the calling one learns what was
given and nothing else. Every entry begins with a clean slate: nothing of an earlier visit is left.

When a flow is read, the flows it calls become part of it (`ivr.flow.linking`): the step `ask_card` of the flow that
step `pay` calls is the step `pay/ask_card`, and its names are kept as `pay/card`. So a session is in one step of one
flow, whatever calls what, and is restored like any other.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeVar

import yaml

from ivr.domain.errors import Illegal
from ivr.domain.operations import Kind
from ivr.domain.reading import NAME, Fields, did_you_mean, read_text
from ivr.domain.secret import Secret
from ivr.flow.checks.called import facts_of
from ivr.flow.describing import Description
from ivr.flow.engine import TOO_OFTEN
from ivr.flow.events import Event
from ivr.flow.facts import Facts
from ivr.flow.model import Flow
from ivr.flow.session import Session
from ivr.flow.steps.base import FITS, Made, Reading
from ivr.flow.visit import CHANNEL, Visit, scope_of

T = TypeVar("T")

INTO: Final = "into"
"""The exit of a call step once the called flow is part of the flow."""

EVERYWHERE: Final = ("caller_number", "caller_mobile", "dialled_number", "call_id", "agent", CHANNEL)
"""What every flow knows without being told."""

RESERVED_ENDINGS: Final = frozenset({INTO, TOO_OFTEN})


@dataclass(frozen=True, slots=True)
class CallStep:
    """Which flow, and what it is handed."""

    flow: Flow
    handed: Mapping[str, str]
    """Its name for a value -> ours."""
    save: str | None
    """What it gives is known as `<save>.<name>`."""

    @property
    def copied(self) -> dict[str, str]:
        """Its name -> ours, with what every flow knows."""
        return {**{name: name for name in EVERYWHERE}, **self.handed}

    def enter(self, visit: Visit) -> None:
        """Hand over what is known; what is not known here is not known there."""
        session = visit.session
        inner = session.step + "/"
        forget(session, inner)
        values = {theirs: (ours, visit.known(ours)) for theirs, ours in self.copied.items()}
        outer = scope_of(session.step)
        answers, secrets, steps = dict(session.answers), dict(session.secrets), dict(session.secret_steps)
        for theirs, (ours, value) in values.items():
            if isinstance(value, Secret):
                secrets[inner + theirs] = value
                steps[inner + theirs] = steps[outer + ours]
            elif value is not None:
                answers[inner + theirs] = value
        session.answers, session.secrets, session.secret_steps = answers, secrets, steps
        visit.leave(INTO)

    def on(self, visit: Visit, event: Event) -> None:
        """Nothing can happen here: the called flow's steps wait, not this one."""

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Begin the called flow."""
        self.enter(visit)

    def describe(self) -> Description:
        """Which flow takes the caller over."""
        return Description("call", about=f"flow {self.flow.name}")


@dataclass(frozen=True, slots=True)
class ReturnStep:
    """One ending of a called flow. `gives` and `save` are filled in where it is called."""

    ending: str
    gives: tuple[str, ...] = ()
    save: str | None = None

    def enter(self, visit: Visit) -> None:
        """Give, forget, go back."""
        session = visit.session
        inner = scope_of(session.step)
        if not inner:
            raise Illegal(f"step '{session.step}' returns, and nobody called this flow")
        called_from = inner[:-1]
        outer = scope_of(called_from)
        given = {name: visit.known(name) for name in self.gives} if self.save is not None else {}
        forget(session, inner)
        answers, secrets, steps = dict(session.answers), dict(session.secrets), dict(session.secret_steps)
        for name, value in given.items():
            kept = f"{outer}{self.save}.{name}"
            if isinstance(value, Secret):
                secrets[kept], steps[kept] = value, called_from
            elif value is not None:
                answers[kept] = value
            else:
                answers.pop(kept, None)
        session.answers, session.secrets, session.secret_steps = answers, secrets, steps
        visit.leave(self.ending)

    def on(self, visit: Visit, event: Event) -> None:
        """Nothing can happen here."""

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Go back."""
        self.enter(visit)

    def describe(self) -> Description:
        """The ending."""
        return Description("return", about=self.ending)


def forget(session: Session, scope: str) -> None:
    """Everything that is known by a name of this scope."""

    session.answers = _others(session.answers, scope)
    session.secrets = _others(session.secrets, scope)
    session.secret_steps = _others(session.secret_steps, scope)


def _others(names: Mapping[str, T], scope: str) -> dict[str, T]:
    return {name: value for name, value in names.items() if not name.startswith(scope)}


def read(body: yaml.Node, reading: Reading) -> Made:
    """`call: {flow: pay, with: {their_name: our_name}, save: name}`; its exits are the endings of that flow."""
    fields = Fields(reading.source, body, "call")
    name = fields.text("flow")
    called = reading.call(name, fields.value("flow", required=False)) if name else None
    save = fields.name("save", "") or None
    if called is None:
        fields.has("with")
        fields.done()
        nobody = Flow(name, "", "", "", {})
        return Made(CallStep(nobody, {}, save), exits_unknown=True)
    wanted = {**dict.fromkeys(called.settings, Kind.DIGITS), **called.takes}
    handed = _handed(fields.fields("with", "what the flow gets", required=False), called.name, wanted, reading)
    if save is not None:
        for given, kind in called.gives.items():
            reading.make(f"{save}.{given}", kind, fields.value("save"))
        if not called.gives:
            fields.blame(f"flow '{name}' gives nothing: leave 'save' out", "save")
    fields.done()
    return Made(CallStep(called, handed, save), called.endings, facts=facts_of(called, save))


def _handed(fields: Fields, flow: str, wanted: Mapping[str, Kind], reading: Reading) -> dict[str, str]:
    handed: dict[str, str] = {}
    for theirs, key, node in fields.names():
        if theirs not in wanted:
            reading.source.blame(key, f"flow '{flow}' takes no '{theirs}'{did_you_mean(theirs, wanted)}")
        elif (ours := read_text(reading.source, node, f"'{theirs}'")) is not None:
            reading.uses.refers.append((ours, FITS[wanted[theirs]], node))
            handed[theirs] = ours
    for theirs in wanted:
        if not fields.has(theirs):
            fields.blame(f"flow '{flow}' needs '{theirs}'")
    return handed


def read_return(body: yaml.Node, reading: Reading) -> Made:
    """`return: paid`."""
    ending = read_text(reading.source, body, "'return'")
    if ending is not None and (not NAME.fullmatch(ending) or ending in RESERVED_ENDINGS):
        reading.source.blame(body, f"'{ending}' cannot be an ending's name: small letters a-z, digits and _ only")
    return Made(ReturnStep(ending or "next"), facts=Facts(mute=True, ending=ending))
