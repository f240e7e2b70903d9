"""set: gives values to names, from constants and from what is known already.

Law: no code; a text with values in named formats, and no value grows beyond MOST_TEXT, however often the step is taken.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.digits import is_digits
from ivr.domain.errors import Illegal
from ivr.domain.money import MOST_RIAL
from ivr.domain.operations import Kind
from ivr.domain.reading import NAME, Fields, read_text
from ivr.flow.describing import Description
from ivr.flow.events import Event
from ivr.flow.facts import Facts
from ivr.flow.saying import Template
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.steps.forms import RIAL_PER
from ivr.flow.visit import Visit

MOST_TEXT: Final = 256
"""Characters of a value that is put together."""


@dataclass(frozen=True, slots=True)
class TextOf:
    """A text with values in it."""

    template: Template
    digits_only: bool

    def value(self, visit: Visit) -> str:
        """With this call's values. Raises Illegal when it is not what the flow was checked for."""
        text = self.template.fill(visit)
        if len(text) > MOST_TEXT:
            raise Illegal(f"a value of more than {MOST_TEXT} characters")
        if self.digits_only and not is_digits(text):
            raise Illegal("a value that must be digits is none")
        return text


@dataclass(frozen=True, slots=True)
class SameAmount:
    """An amount that is known by another name."""

    name: str

    def value(self, visit: Visit) -> int:
        """In rial."""
        amount = visit.needed(self.name)
        if not isinstance(amount, int):
            raise Illegal(f"'{self.name}' is not an amount")
        return amount


@dataclass(frozen=True, slots=True)
class FixedAmount:
    """An amount that stands in the flow, in rial."""

    rial: int

    def value(self, visit: Visit) -> int:
        """In rial."""
        return self.rial


@dataclass(frozen=True, slots=True)
class SetStep:
    """Makes values known and goes on."""

    values: Mapping[str, TextOf | SameAmount | FixedAmount]

    def enter(self, visit: Visit) -> None:
        """All of them, in their order: a later one may refer to an earlier one."""
        for name, source in self.values.items():
            visit.save(name, source.value(visit))
        visit.leave(NEXT)

    def on(self, visit: Visit, event: Event) -> None:
        """Nothing can happen here."""

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Set them again."""
        self.enter(visit)

    def describe(self) -> Description:
        """Which values are made known."""
        return Description("set", about=", ".join(self.values))


def read(body: yaml.Node, reading: Reading) -> Made:
    """`set: {kind: sale, order: {digits: "{a}{b}"}, fee: {amount: 5000, unit: toman}}`."""
    fields = Fields(reading.source, body, "set")
    values: dict[str, TextOf | SameAmount | FixedAmount] = {}
    for name, key, node in fields.names():
        if not NAME.fullmatch(name):
            reading.source.blame(key, f"'{name}' is not a name: small letters a-z, digits and _ only")
            continue
        if not isinstance(node, yaml.MappingNode):
            values[name], kind = _text(reading, node, f"'{name}'"), Kind.TEXT
        else:
            values[name], kind = _typed(Fields(reading.source, node, f"the value of '{name}'"), reading)
        reading.make(name, kind, key)
    if isinstance(body, yaml.MappingNode) and not body.value:
        fields.blame("'set' sets nothing")
    return Made(SetStep(values), frozenset({NEXT}), facts=Facts(mute=True))


def _text(reading: Reading, node: yaml.Node, what: str) -> TextOf:
    template = Template(read_text(reading.source, node, what) or "")
    reading.check_template(template, node)
    return TextOf(template, digits_only=False)


def _typed(fields: Fields, reading: Reading) -> tuple[TextOf | SameAmount | FixedAmount, Kind]:
    found: tuple[TextOf | SameAmount | FixedAmount, Kind] = (FixedAmount(1), Kind.AMOUNT)
    if fields.has("amount"):
        found = _amount(fields, reading), Kind.AMOUNT
    elif fields.has("digits"):
        found = _digits(fields, reading), Kind.DIGITS
    elif fields.has("text"):
        template = reading.template(fields, "text")
        found = TextOf(template, digits_only=False), Kind.TEXT
    else:
        fields.blame(f"{fields.what} is a text, {{digits: …}} or {{amount: …}}")
    fields.done()
    return found


def _amount(fields: Fields, reading: Reading) -> SameAmount | FixedAmount:
    node = fields.value("amount")
    if node is not None and node.tag == "tag:yaml.org,2002:str":
        return SameAmount(reading.reference(fields, "amount", frozenset({Kind.AMOUNT})) or "")
    per = RIAL_PER[fields.one_of("unit", tuple(RIAL_PER))]
    return FixedAmount(fields.whole("amount", least=1, most=MOST_RIAL // per) * per)


def _digits(fields: Fields, reading: Reading) -> TextOf:
    template = Template(fields.text("digits"))
    node = fields.value("digits", required=False)
    reading.check_template(template, node, frozenset({Kind.DIGITS, Kind.AMOUNT, Kind.DATE}))
    if template.fixed and not is_digits(template.fixed):
        fields.blame("'digits' may hold digits and values only", "digits")
    return TextOf(template, digits_only=True)
