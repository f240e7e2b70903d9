"""last_payment: what became of the last payment of whoever calls, at whichever provider, by telephone, link or USSD.

Law: the caller is known by their mobile alone, as the network says it. So nothing is told that somebody else's number
must not open: an outcome, an amount, a reference; never what was paid for. Our books and the provider decide it.
"""

from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.operations import UNKNOWN
from ivr.domain.reading import Fields
from ivr.domain.speech import Prompt
from ivr.flow.describing import Description
from ivr.flow.events import Event, PromptFinished, ProviderReplied, TimerFired
from ivr.flow.facts import Facts
from ivr.flow.steps.base import Made, Reading
from ivr.flow.steps.invoice import BECAME_EXITS, BOOKS, LAST_PAYMENT, OPERATIONS
from ivr.flow.visit import Visit

NONE: Final = "none"
"""The exit for whoever has paid nothing here yet, and for whoever is not known."""
HOLD_AFTER: Final = 1.5
"""Seconds after which a caller who waits for an answer hears that we are still there."""

_PAID: Final = frozenset({"paid", "paid_unreadable"})


@dataclass(frozen=True, slots=True)
class LastPaymentStep:
    """Where the answer is kept, and what is said to who waits for it."""

    save: str
    hold_prompt: Prompt

    def enter(self, visit: Visit) -> None:
        """Ask the books; of a caller without a mobile they know nothing."""
        payer = visit.payer
        if payer is None:
            visit.leave(NONE)
            return
        visit.ask(BOOKS, LAST_PAYMENT, {"payer": payer})
        visit.start_timer(HOLD_AFTER)

    def on(self, visit: Visit, event: Event) -> None:
        """The answer, or a moment of waiting."""
        match event:
            case ProviderReplied(_, exit_name, values):
                for name, value in values.items():
                    visit.save(f"{self.save}.{name}", value)
                visit.leave(exit_name)
            case TimerFired():
                visit.play((self.hold_prompt,))
            case PromptFinished():
                visit.start_timer(HOLD_AFTER)
            case _:
                pass  # keys wait for the step that asks for them

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Ask again: it changes nothing."""
        self.enter(visit)

    def describe(self) -> Description:
        """Whose."""
        return Description("last_payment", about="the caller's")


def read(body: yaml.Node, reading: Reading) -> Made:
    """`last_payment: {save: last}`."""
    fields = Fields(reading.source, body, "last_payment")
    operation = OPERATIONS[LAST_PAYMENT]
    save = fields.name("save")
    for name, kind in operation.results.items() if save else ():
        reading.make(f"{save}.{name}", kind, fields.value("save", required=False))
    made = LastPaymentStep(save, reading.prompt(fields, "hold_prompt", "common/please_wait"))
    fields.done()
    exits = BECAME_EXITS | {UNKNOWN}
    how = {by: f"our books and the provider say '{by}'" for by in BECAME_EXITS} | {UNKNOWN: "nobody can say"}
    makes = {by: frozenset(f"{save}.{name}" for name in operation.comes_with(by)) for by in exits}
    amount, receipt = f"{save}.amount", f"{save}.receipt"
    perhaps = {"paid": frozenset({receipt}), "paid_unreadable": frozenset({amount, receipt})}
    perhaps |= dict.fromkeys(("declined", "not_paid", UNKNOWN), frozenset({amount}))
    # which payment it was about nobody can know from here: it decides none that this call has in doubt
    facts = Facts(mute=True, makes=makes, perhaps=perhaps, paid=_PAID, how=how)
    return Made(made, exits, facts=facts)
