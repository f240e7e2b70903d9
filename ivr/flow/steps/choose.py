"""choose: the way on depends on what is known, without asking the caller."""

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from ivr.domain.operations import Kind
from ivr.domain.reading import Fields, read_text
from ivr.flow.describing import Description
from ivr.flow.events import Event
from ivr.flow.facts import MISSING, PRESENT, Facts
from ivr.flow.steps.base import Made, Reading
from ivr.flow.visit import Visit

_ANY = frozenset(Kind) - {Kind.SECRET}


@dataclass(frozen=True, slots=True)
class ChooseStep:
    """Looks at one value."""

    value: str
    cases: Mapping[str, str]
    """The value as text -> exit."""

    def enter(self, visit: Visit) -> None:
        """Leave at once."""
        value = visit.known(self.value)
        if value is None:
            visit.leave(MISSING)
        else:
            visit.leave(self.cases.get(str(value), PRESENT))

    def on(self, visit: Visit, event: Event) -> None:
        """Nothing can happen here."""

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Look again."""
        self.enter(visit)

    def describe(self) -> Description:
        """Which value it looks at."""
        return Description("choose", about=self.value)


def read(body: yaml.Node, reading: Reading) -> Made:
    """`choose: {value: name, present: step, missing: step, cases: {"text": step}}`."""
    fields = Fields(reading.source, body, "choose")
    name = reading.reference(fields, "value", _ANY) or ""
    inline: dict[str, tuple[str, yaml.Node]] = {}
    for way in (PRESENT, MISSING):
        node = fields.value(way)
        if node is not None and (target := read_text(reading.source, node, f"'{way}'")) is not None:
            inline[way] = (target, node)
    cases = {}
    for text, key_node, value in fields.fields("cases", "the cases", required=False).names():
        if key_node.tag != "tag:yaml.org,2002:str":
            reading.source.blame(key_node, f'the case must be quoted: "{text}"')
        if (target := read_text(reading.source, value, f"the step of case {text}")) is not None:
            cases[text] = f"case {text}"
            inline[f"case {text}"] = (target, value)
    fields.done()
    if (node := fields.value("value", required=False)) is not None:
        reading.uses.optional.append(node)
    known = dict.fromkeys(inline.keys() - {MISSING}, frozenset({name}))
    how = {MISSING: f"'{name}' is missing", PRESENT: f"'{name}' is known"}
    how |= {by: f"'{name}' is \"{text}\"" for text, by in cases.items()}
    return Made(ChooseStep(name, cases), inline=inline, facts=Facts(mute=True, makes=known, looks_at=name, how=how))
