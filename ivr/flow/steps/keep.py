"""keep: registers what the caller has keyed, for the merchant whose word it is.

Law: a caller hears "registered" only after it is on disk, and one visit of the step registers once, however often it
is asked. A secret is never registered.
"""

from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.operations import UNKNOWN, Kind, Role
from ivr.domain.reading import NAME, Fields, read_text
from ivr.domain.registration import MOST_NAME, MOST_VALUE, MOST_VALUES
from ivr.flow.describing import Description
from ivr.flow.facts import MAY_BE_MISSING, Facts
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.steps.invoice import AGAIN, AS, BOOKS, KEEP
from ivr.flow.steps.provider import ProviderStep
from ivr.flow.visit import Visit

HOLD_AFTER: Final = 2.0
"""Seconds after which a caller who waits hears that we are still there."""

_KEEPABLE: Final = frozenset(Kind) - {Kind.SECRET}
_HOW: Final = {
    NEXT: "it is registered now",
    AGAIN: "this caller has registered the same before",
    UNKNOWN: "it cannot be registered now",
}


@dataclass(frozen=True, slots=True)
class KeepStep(ProviderStep):
    """Under which word, and which values: a question to our books, as `invoice` is."""

    @property
    def word(self) -> str:
        """What it is registered as."""
        return self.constants[AS]

    def enter(self, visit: Visit) -> None:
        """Ask; once for this visit, whoever asks it again."""
        known = ((theirs, visit.known(ours)) for theirs, ours in self.arguments.items())
        values = {name: value for name, value in known if value is not None}
        visit.ask(BOOKS, KEEP, {**self.constants, **values}, once=f"{visit.session.call_id}.{visit.session.visit}")
        visit.start_timer(self.hold_after)

    def describe(self) -> Description:
        """What is registered as what."""
        return Description("keep", about=f"{', '.join(self.arguments)} as {self.word}")


def read(body: yaml.Node, reading: Reading) -> Made:
    """`keep: {as: registration, with: {code: code, mobile: caller_mobile}}`."""
    fields = Fields(reading.source, body, "keep")
    word = fields.name(AS)
    if len(word) > MOST_NAME:
        fields.blame(f"'{AS}' has {MOST_NAME} characters at most, not {len(word)}", AS)
    made = KeepStep(
        provider=BOOKS,
        operation=KEEP,
        role=Role.QUERY,
        arguments=_values(fields.fields("with", "the registration's values"), reading),
        constants={AS: word},
        save=None,
        hold_prompt=reading.prompt(fields, "hold_prompt", "common/please_wait"),
        hold_after=HOLD_AFTER,
    )
    fields.done()
    return Made(made, frozenset(_HOW), facts=Facts(mute=True, makes={}, asks=True, how=_HOW))


def _values(fields: Fields, reading: Reading) -> dict[str, str]:
    """The registration's name for a value -> the flow's. Only what a call may come without may be missing."""
    values: dict[str, str] = {}
    for name, key, node in fields.names():
        if not NAME.fullmatch(name):
            reading.source.blame(key, f"'{name}' is not a name: small letters a-z, digits and _ only")
        elif len(name) > MOST_NAME or name == AS:
            reading.source.blame(key, f"a value's name has {MOST_NAME} characters at most, and is not '{AS}'")
        elif (ours := read_text(reading.source, node, f"'{name}'")) is not None:
            reading.uses.refers.append((ours, _KEEPABLE, node))
            reading.uses.fits.append((ours, MOST_VALUE, "a registration", node))
            if ours in MAY_BE_MISSING:
                reading.uses.optional.append(node)
            values[name] = ours
    if len(values) > MOST_VALUES:
        fields.blame(f"a registration holds at most {MOST_VALUES} values, not {len(values)}")
    elif values and MAY_BE_MISSING.issuperset(values.values()):
        fields.blame("a registration needs a value that no call comes without")
    elif fields.node is not None and not list(fields.names()):
        fields.blame("a registration needs a value")
    return values
