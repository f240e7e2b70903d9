"""notify: tells another program something, while the call goes on.

Law: a notice holds what it names and nothing else, never a secret; nobody waits for it and nothing depends on it. What
must not be lost belongs into the journal, not into a notice.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.operations import Kind
from ivr.domain.reading import NAME, Fields, did_you_mean, read_text
from ivr.domain.secret import Secret
from ivr.flow.describing import Description
from ivr.flow.events import Event
from ivr.flow.facts import Facts
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.visit import Visit

MOST_VALUES: Final = 30

_TELLABLE: Final = frozenset(Kind) - {Kind.SECRET}


@dataclass(frozen=True, slots=True)
class NotifyStep:
    """Whom to tell, what has happened, and with which values."""

    target: str
    event: str
    values: Mapping[str, str]
    """The notice's name for a value -> the flow's."""

    def enter(self, visit: Visit) -> None:
        """Tell, and go on. A value that is not known is left out."""
        visit.notify(self.target, self.event, told(self.values, visit))
        visit.leave(NEXT)

    def on(self, visit: Visit, event: Event) -> None:
        """Nothing can happen here."""

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Tell again: the same notice, by the same id."""
        self.enter(visit)

    def describe(self) -> Description:
        """What is told to whom."""
        return Description("notify", about=f"{self.event} to {self.target}")


def read(body: yaml.Node, reading: Reading) -> Made:
    """`notify: {to: shop, event: paid, with: {invoice: invoice_id}}`."""
    fields = Fields(reading.source, body, "notify")
    target = read_target(fields, reading)
    event = fields.name("event")
    values = read_values(fields, reading)
    fields.done()
    return Made(NotifyStep(target, event, values), frozenset({NEXT}), facts=Facts(mute=True))


def told(values: Mapping[str, str], visit: Visit) -> dict[str, str | int]:
    """A notice's values with this call's; one that is not known is left out."""
    known = ((theirs, visit.known(ours)) for theirs, ours in values.items())
    return {name: value for name, value in known if value is not None and not isinstance(value, Secret)}


def read_target(fields: Fields, reading: Reading) -> str:
    """`to`: a notice of the configuration."""
    target = fields.text("to")
    targets = reading.world.notices
    if target and target not in targets:
        fields.blame(f"the configuration has no notice '{target}'{did_you_mean(target, targets)}", "to")
    return target


def read_values(fields: Fields, reading: Reading) -> dict[str, str]:
    """`with`: the notice's name for a value -> the flow's."""
    values: dict[str, str] = {}
    value_fields = fields.fields("with", "the notice's values", required=False)
    for name, key, node in value_fields.names():
        if not NAME.fullmatch(name):
            reading.source.blame(key, f"'{name}' is not a name: small letters a-z, digits and _ only")
        elif (ours := read_text(reading.source, node, f"'{name}'")) is not None:
            reading.uses.refers.append((ours, _TELLABLE, node))
            reading.uses.optional.append(node)
            values[name] = ours
    if len(values) > MOST_VALUES:
        value_fields.blame(f"a notice holds at most {MOST_VALUES} values, not {len(values)}")
    return values
