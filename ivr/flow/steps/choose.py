"""choose: the way on depends on what is known, without asking the caller.

Law: the cases are looked at in their order and the first one that fits is taken; a value that no case fits, whatever
it is, has its way on (`otherwise`), and so has a value that is not known (`missing`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.digits import is_digits
from ivr.domain.operations import Kind
from ivr.domain.reading import Fields, read_text
from ivr.flow.describing import Description
from ivr.flow.events import Event
from ivr.flow.facts import MISSING, OTHERWISE, PRESENT, Facts
from ivr.flow.steps.base import Made, Reading
from ivr.flow.visit import Visit

_ANY: Final = frozenset(Kind) - {Kind.SECRET}

MOST_CASES: Final = 50
MOST_NUMBER: Final = 10**40
"""No value that can be keyed is larger."""


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that is said must be so. Numbers are compared as numbers: whole ones, an amount in rial."""

    exit: str
    texts: frozenset[str] | None = None
    begins: tuple[str, ...] | None = None
    least: int | None = None
    most: int | None = None

    def fits(self, value: str | int) -> bool:
        """Whether this case is the value's."""
        text = str(value)
        if self.texts is not None and text not in self.texts:
            return False
        if self.begins is not None and not text.startswith(self.begins):
            return False
        if self.least is None and self.most is None:
            return True
        if not is_digits(text) or len(text) > len(str(MOST_NUMBER)):
            return False
        return (self.least is None or int(text) >= self.least) and (self.most is None or int(text) <= self.most)


@dataclass(frozen=True, slots=True)
class ChooseStep:
    """Looks at one value."""

    value: str
    texts: Mapping[str, str]
    """The value as text -> exit."""
    cases: Sequence[Case]
    otherwise: str

    def enter(self, visit: Visit) -> None:
        """Leave at once."""
        value = visit.known(self.value)
        if value is None:
            visit.leave(MISSING)
            return
        found = self.texts.get(str(value))
        if found is None and isinstance(value, str | int):
            found = next((case.exit for case in self.cases if case.fits(value)), None)
        visit.leave(found or self.otherwise)

    def on(self, visit: Visit, event: Event) -> None:
        """Nothing can happen here."""

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Look again."""
        self.enter(visit)

    def describe(self) -> Description:
        """Which value it looks at."""
        return Description("choose", about=self.value)


def read(body: yaml.Node, reading: Reading) -> Made:
    """`choose: {value: name, cases: …, otherwise: step, missing: step}`.

    `cases` is a mapping `"text": step`, or a list of `{is: …, begins: …, from: 1, to: 9, then: step}`.
    """
    fields = Fields(reading.source, body, "choose")
    name = reading.reference(fields, "value", _ANY) or ""
    inline: dict[str, tuple[str, yaml.Node]] = {}
    otherwise = OTHERWISE if fields.has(OTHERWISE) else PRESENT
    if fields.has("otherwise") and fields.has("present"):
        fields.blame("'present' and 'otherwise' are two words for one way: leave one out", "present")
    for way in (otherwise, MISSING):
        node = fields.value(way)
        if node is not None and (target := read_text(reading.source, node, f"'{way}'")) is not None:
            inline[way] = (target, node)
    texts: dict[str, str] = {}
    cases: list[Case] = []
    node = fields.value("cases", required=False)
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value, start=1):
            cases.append(_case(Fields(reading.source, item, "a case"), f"case {number}", inline, reading))
        if not 1 <= len(cases) <= MOST_CASES:
            fields.blame(f"'cases' holds 1 to {MOST_CASES} cases, not {len(cases)}", "cases")
    else:
        for text, key_node, value in fields.fields("cases", "the cases", required=False).names():
            if key_node.tag != "tag:yaml.org,2002:str":
                reading.source.blame(key_node, f'the case must be quoted: "{text}"')
            if (target := read_text(reading.source, value, f"the step of case {text}")) is not None:
                texts[text] = f"case {text}"
                inline[f"case {text}"] = (target, value)
    fields.done()
    if (value_node := fields.value("value", required=False)) is not None:
        reading.uses.optional.append(value_node)
    facts = Facts(
        mute=True,
        makes=dict.fromkeys(inline.keys() - {MISSING}, frozenset({name})),
        looks_at=name,
        texts_apart=not cases,
        how={MISSING: f"'{name}' is missing", otherwise: f"'{name}' is known, and none of the cases"}
        | {by: f"'{name}' is \"{text}\"" for text, by in texts.items()}
        | {case.exit: f"'{name}' is of {case.exit}" for case in cases},
    )
    return Made(ChooseStep(name, texts, cases, otherwise), inline=inline, facts=facts)


def _case(fields: Fields, exit_name: str, inline: dict[str, tuple[str, yaml.Node]], reading: Reading) -> Case:
    bounds = ("is", "begins", "from", "to")
    least = fields.whole("from", most=MOST_NUMBER) if fields.has("from") else None
    most = fields.whole("to", most=MOST_NUMBER) if fields.has("to") else None
    if isinstance(fields.node, yaml.MappingNode) and not any([fields.has(bound) for bound in bounds]):
        fields.blame(f"a case needs one of {', '.join(bounds)}")
    if least is not None and most is not None and least > most:
        fields.blame(f"no number is from {least} to {most}", "from")
    case = Case(
        exit_name,
        frozenset(text for text, _ in fields.texts("is")) if fields.has("is") else None,
        tuple(text for text, _ in fields.texts("begins")) if fields.has("begins") else None,
        least,
        most,
    )
    then = fields.value("then")
    if then is not None and (target := read_text(reading.source, then, "'then'")) is not None:
        inline[exit_name] = (target, then)
    fields.done()
    return case
