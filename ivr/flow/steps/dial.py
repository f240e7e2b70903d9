"""dial: connect the caller to a trunk, and go on when that leg has ended.

Law: with `payment` the leg is a try to pay: it is written down before it is dialled, and dialled once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import yaml

from ivr.domain.legs import LegResult
from ivr.domain.privacy import Privacy
from ivr.domain.reading import Fields, did_you_mean
from ivr.domain.sip import CALLER_ID_CHARACTERS, RESERVED_HEADERS
from ivr.flow.describing import Description
from ivr.flow.events import Event, LegEnded, PromptFinished
from ivr.flow.facts import Facts
from ivr.flow.saying import Saying, Template
from ivr.flow.steps.base import Made, Reading
from ivr.flow.steps.payment import PaymentOf, read_payment
from ivr.flow.visit import VOICE, Visit

MOST_HEADERS: Final = 10
"""SIP headers that a leg may carry."""


@dataclass(frozen=True, slots=True)
class DialStep:
    """Whom to dial, and what to send along."""

    only_on: ClassVar = VOICE

    saying: Saying
    trunk: str
    number: Template
    caller_id: Template
    headers: Mapping[str, Template]
    answer_timeout: float
    payment: PaymentOf | None

    @property
    def privacy(self) -> Privacy:
        """Who pays at the bank keys a card there."""
        return Privacy.RECORDINGS if self.payment is not None else Privacy.OPEN

    def enter(self, visit: Visit) -> None:
        """Say what comes next, then dial."""
        if self.payment is not None:
            self.payment.begin(visit)
        if self.saying.parts:
            visit.play(self.saying.resolve(visit))
        else:
            self._dial(visit)

    def on(self, visit: Visit, event: Event) -> None:
        """The words are said, or the leg is over. Keys belong to whom the caller is talking to."""
        match event:
            case PromptFinished() if visit.session.leg is None:
                self._dial(visit)
            case LegEnded(_, result):
                visit.forget_keys()
                visit.leave(result.value)
            case _:
                visit.forget_keys()

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Go on talking if the leg is still up; else it has ended, one way or another."""
        if visit.session.leg is None:
            if "dialled" in visit.data:
                visit.leave(LegResult.ENDED.value)
            else:
                self.enter(visit)
        elif leg != visit.session.leg:
            visit.session.leg = None
            visit.leave(LegResult.ENDED.value)

    def describe(self) -> Description:
        """What is said before, and which trunk is dialled."""
        paying = " (to pay)" if self.payment is not None else ""
        return Description("dial", self.saying, about=f"trunk {self.trunk}{paying}")

    def _dial(self, visit: Visit) -> None:
        visit.forget_keys()
        visit.data["dialled"] = True
        visit.dial(
            trunk=self.trunk,
            number=self.number.fill(visit),
            caller_id=self.caller_id.fill(visit),
            headers={name: template.fill(visit) for name, template in self.headers.items()},
            answer_timeout=self.answer_timeout,
            payment=self.payment.order(visit) if self.payment else None,
        )


def read(body: yaml.Node, reading: Reading) -> Made:
    """The fields of `dial`; see the admins' reference."""
    fields = Fields(reading.source, body, "dial")
    trunk = fields.text("trunk")
    if trunk and trunk not in reading.world.trunks:
        fields.blame(f"there is no trunk '{trunk}'{did_you_mean(trunk, reading.world.trunks)}", "trunk")
    header_fields = fields.fields("headers", "the SIP headers", required=False)
    headers = {}
    for name, key, value in header_fields.names():
        if not _is_token(name):
            reading.source.blame(key, f"'{name}' is not a SIP header's name")
        elif name.lower() in RESERVED_HEADERS:
            reading.source.blame(key, f"'{name}' belongs to SIP itself and cannot be added")
        headers[name] = reading.template(header_fields, name)
        if not (headers[name].fixed.isascii() and headers[name].fixed.isprintable()):
            reading.source.blame(value, f"'{name}' may hold printable ASCII only")
    if len(headers) > MOST_HEADERS:
        header_fields.blame(f"a leg may carry {MOST_HEADERS} SIP headers, not {len(headers)}")
    payment = read_payment(fields.fields("payment", "the payment"), reading) if fields.has("payment") else None
    made = DialStep(
        saying=reading.say(fields, "prompt", required=False),
        trunk=trunk,
        number=reading.template(fields, "number"),
        caller_id=_caller_id(fields, reading),
        headers=headers,
        answer_timeout=fields.seconds("answer_timeout", 30, least=1, most=300),
        payment=payment,
    )
    fields.done()
    possible = set(LegResult) if payment is not None else set(LegResult) - {LegResult.BEING_PAID}
    return Made(made, frozenset(result.value for result in possible), facts=_facts(made))


def _facts(made: DialStep) -> Facts:
    """Whoever comes back from a leg has heard others than us; with `payment` they may have paid there."""
    pays = made.payment is not None
    how = {
        LegResult.ENDED.value: f"'{made.trunk}' answers, and later that leg ends",
        LegResult.BUSY.value: f"'{made.trunk}' is busy",
        LegResult.NO_ANSWER.value: f"'{made.trunk}' does not answer",
        LegResult.REJECTED.value: f"'{made.trunk}' rejects the call",
        LegResult.UNREACHABLE.value: f"'{made.trunk}' cannot be reached",
        LegResult.BEING_PAID.value: "another caller is paying this very invoice",
    }
    undecided = frozenset({LegResult.ENDED.value}) if pays else frozenset[str]()
    return Facts(pays=pays, undecided=undecided, says=made.saying, cut_short=False, how=how)


def _caller_id(fields: Fields, reading: Reading) -> Template:
    template = reading.template(fields, "caller_id")
    if not set(template.fixed) <= CALLER_ID_CHARACTERS:
        fields.blame("a caller id may hold letters, digits, *, # and + only: Asterisk drops the rest", "caller_id")
    return template


def _is_token(name: str) -> bool:
    return bool(name) and name.isascii() and all(c.isalnum() or c in "-_." for c in name)
