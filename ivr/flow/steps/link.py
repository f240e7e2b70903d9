"""link: sends a payment link to the caller's mobile, by whoever sends our notices.

Law: from the moment the link leaves us somebody may pay, so the payment is written down as sent before; the notice
leaves after that. Both are named by the call and the visit: a process that takes the call over writes nothing twice,
and sends the same notice once more. That a link was sent says nothing of its payment: `inquire` finds that out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.operations import UNKNOWN, Kind, Role
from ivr.domain.reading import Fields
from ivr.flow.describing import Description
from ivr.flow.events import Event, ProviderReplied
from ivr.flow.facts import Facts
from ivr.flow.model import NOTICE
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.steps.invoice import BOOKS, LINK_EXITS, OPEN_LINK
from ivr.flow.steps.notify import read_target, read_values, told
from ivr.flow.steps.payment import read_payment
from ivr.flow.steps.provider import ProviderStep
from ivr.flow.visit import Visit

EVENT: Final = "payment_link"
"""What the notice is called; one that sends the link again had better be called so, too."""
OWN_VALUES: Final = ("url", "mobile")


@dataclass(frozen=True, slots=True)
class LinkStep:
    """Which link goes to whom, and the payment that it stands for."""

    asking: ProviderStep
    """Has the books write the payment down."""
    target: str
    values: Mapping[str, str]
    """The notice's name for a value -> the flow's; `url` and `mobile` among them."""

    def enter(self, visit: Visit) -> None:
        """The books first."""
        self.asking.enter(visit)

    def on(self, visit: Visit, event: Event) -> None:
        """It is written down: now the link may leave."""
        if isinstance(event, ProviderReplied) and event.exit == NEXT:
            visit.notify(self.target, EVENT, told(self.values, visit))
        self.asking.on(visit, event)

    def resume(self, visit: Visit, leg: int | None) -> None:
        """The books know this payment if it was written; the notice is the same one, by its id."""
        self.enter(visit)

    def describe(self) -> Description:
        """Who sends the link, and whose payment it is."""
        payment = self.asking.payment
        return Description("link", about=f"{payment.provider if payment else ''} to {self.target}")


def read(body: yaml.Node, reading: Reading) -> Made:
    """`link: {url: made.pay_url, mobile: mobile, to: sms, with: {amount: x}, payment: {provider: web, …}}`."""
    fields = Fields(reading.source, body, "link")
    own = {
        "url": reading.reference(fields, "url", frozenset({Kind.TEXT})) or "",
        "mobile": reading.reference(fields, "mobile", frozenset({Kind.DIGITS})) or "",
    }
    target = read_target(fields, reading)
    if target and target not in reading.world.notices:
        reading.lacks(f"{NOTICE}{target}")
    values = read_values(fields, reading)
    for name in OWN_VALUES:
        if name in values:
            fields.blame(f"the notice's '{name}' is the link's own field '{name}'", "with")
    payment_fields = fields.fields("payment", "the payment")
    payment = read_payment(payment_fields, reading)
    for name in ("transaction", "amount"):
        if fields.has("payment") and not payment_fields.has(name):
            payment_fields.blame(f"the payment of a link needs '{name}': it is inquired about by that")
    reading.can_inquire(payment_fields, "provider", payment.provider)
    asking = ProviderStep(
        provider=BOOKS,
        operation=OPEN_LINK,
        role=Role.CHARGE,
        arguments={},
        constants={"to": target},
        save=None,
        hold_prompt=reading.prompt(fields, "hold_prompt", "common/please_wait"),
        hold_after=2.0,
        payment=payment,
    )
    fields.done()
    how = {NEXT: "our books have the payment, and the link is sent", "being_paid": "another try may be paid already"}
    how[UNKNOWN] = "our books cannot be written"
    inquired = (payment.provider, payment.transaction) if payment.transaction else None
    facts = Facts(asks=True, pays=True, undecided=frozenset({NEXT}), makes={}, inquired=inquired, how=how)
    return Made(LinkStep(asking, target, {**own, **values}), LINK_EXITS, facts=facts)
