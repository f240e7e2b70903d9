"""inquire: what became of an invoice that may be paid elsewhere, by a link say, in this call or an earlier one.

Law: our books and the provider decide it, by what the books keep of the payment; nothing that anybody brings along
does. Whoever waits here is told so every so often, and not for ever: `looks` are so many, `every` so far apart.
"""

from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.operations import UNKNOWN, Kind
from ivr.domain.reading import Fields
from ivr.domain.speech import Prompt
from ivr.flow.describing import Description
from ivr.flow.events import Event, PromptFinished, ProviderReplied, TimerFired
from ivr.flow.facts import Facts
from ivr.flow.steps.base import Made, Reading
from ivr.flow.steps.invoice import BECAME_EXITS, BOOKS, OPERATIONS, WHAT_BECAME
from ivr.flow.visit import Visit

MOST_LOOKS: Final = 60
LEAST_PAUSE: Final = 5.0
"""Seconds between two looks: a provider is asked at each of them."""
MOST_PAUSE: Final = 60.0
WORDS_EVERY: Final = 2
"""After so many looks who waits hears a word."""
HOLD_AFTER: Final = 1.5
"""Seconds after which a caller who waits for an answer hears that we are still there."""

_PAID: Final = frozenset({"paid", "paid_unreadable"})
_NOT_YET: Final = frozenset({"not_paid", UNKNOWN})
"""Answers after which it is worth looking again."""


@dataclass(frozen=True, slots=True)
class InquireStep:
    """One invoice, and how long its outcome is waited for."""

    provider: str
    invoice: str
    """The name of the value that is its id."""
    save: str
    looks: int
    every: float
    words: Prompt
    hold_prompt: Prompt

    def enter(self, visit: Visit) -> None:
        """The first look, at once."""
        looks = int(visit.data.get("looks", 0)) + 1
        visit.data["looks"] = looks
        which = {"provider": self.provider, "invoice_id": visit.needed(self.invoice)}
        visit.ask(BOOKS, WHAT_BECAME, which)
        visit.start_timer(HOLD_AFTER)

    def on(self, visit: Visit, event: Event) -> None:
        """The answer, or a moment of waiting for it or for the next look."""
        asking = visit.session.asking is not None
        match event:
            case ProviderReplied():
                self._told(visit, event)
            case TimerFired() if asking:
                visit.play((self.hold_prompt,))
            case TimerFired():
                self.enter(visit)
            case PromptFinished():
                visit.start_timer(HOLD_AFTER if asking else self.every)
            case _:
                pass

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Look again: it changes nothing."""
        visit.data.pop("looks", None)
        self.enter(visit)

    def describe(self) -> Description:
        """Whose invoice, and for how long."""
        waits = f", {self.looks} times every {self.every:g} s" if self.looks > 1 else ""
        return Description("inquire", about=f"{self.provider}: {self.invoice}{waits}")

    def _told(self, visit: Visit, answer: ProviderReplied) -> None:
        if "payment" in answer.values:  # whatever becomes of it, this call has to do with it
            visit.session.payment = str(answer.values["payment"])
        looks = int(visit.data["looks"])
        if answer.exit in _NOT_YET and looks < self.looks and not visit.on_screen:  # a screen cannot wait
            visit.stop_timer()
            if looks % WORDS_EVERY == 0:
                visit.play((self.words,))
            elif visit.session.playing is None:
                visit.start_timer(self.every)
            return
        for name, value in answer.values.items():
            visit.save(f"{self.save}.{name}", value)
        if self.looks > 1:
            visit.forget_keys()  # keyed into the wait, for nobody
        visit.leave(answer.exit)


def read(body: yaml.Node, reading: Reading) -> Made:
    """`inquire: {provider: web, invoice: invoice_id, save: found, looks: 8, every: 15s}`."""
    fields = Fields(reading.source, body, "inquire")
    operation = OPERATIONS[WHAT_BECAME]
    save = fields.name("save")
    for name, kind in operation.results.items() if save else ():
        reading.make(f"{save}.{name}", kind, fields.value("save", required=False))
    made = InquireStep(
        provider=reading.provider(fields, "provider"),
        invoice=reading.reference(fields, "invoice", frozenset({Kind.DIGITS, Kind.TEXT})) or "",
        save=save,
        looks=fields.whole("looks", 1, least=1, most=MOST_LOOKS),
        every=fields.seconds("every", 15, least=LEAST_PAUSE, most=MOST_PAUSE),
        words=reading.prompt(fields, "prompt", "link/still_waiting"),
        hold_prompt=reading.prompt(fields, "hold_prompt", "common/please_wait"),
    )
    reading.can_inquire(fields, "provider", made.provider)
    fields.done()
    exits = BECAME_EXITS | {UNKNOWN}
    how = {by: f"{made.provider} and our books say '{by}'" for by in BECAME_EXITS} | {UNKNOWN: "nobody can say"}
    makes = {by: frozenset(f"{save}.{name}" for name in operation.comes_with(by)) for by in exits}
    facts = Facts(mute=True, makes=makes, asks=True, decides=exits - {UNKNOWN, "not_paid"}, paid=_PAID, how=how)
    return Made(made, exits, facts=facts)
