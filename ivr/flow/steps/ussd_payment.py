"""ussd_payment: the USSD network sends the payer a link, by which an invoice of ours is paid.

Law: from the moment the network is told somebody may pay, so the payment is written down as sent before; the network is
told when the session ends, which is what this step leads to. That a link was sent says nothing of its payment: the
network calls back, and is asked.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import yaml
from msgspec import structs

from ivr.domain.errors import Illegal
from ivr.domain.operations import Kind, Role
from ivr.domain.reading import Fields
from ivr.domain.speech import Prompt
from ivr.domain.ussd import claim
from ivr.flow.commands import PaymentOrder
from ivr.flow.describing import Description
from ivr.flow.events import Event, ProviderReplied
from ivr.flow.facts import Facts
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.steps.invoice import BOOKS, LINK_EXITS, OPEN_LINK
from ivr.flow.steps.payment import PaymentOf
from ivr.flow.steps.provider import ProviderStep
from ivr.flow.visit import USSD, Visit

USSD_SESSION: Final = "ussd_session"
"""The network's name of the session; known in every one of them, and in no call."""


@dataclass(frozen=True, slots=True)
class _Payment(PaymentOf):
    """Its transaction is what the network will say of it: which session, and whose."""

    def order(self, visit: Visit) -> PaymentOrder:
        """The payment with this session's values. Raises Illegal in a call."""
        if not visit.on_screen:
            raise Illegal("only a USSD session can be paid so")
        session = visit.session.answers.get(USSD_SESSION)
        payer = visit.payer  # as the network says it; what somebody keyed would never be found again
        if payer is None:
            raise Illegal("the network has not said whose session this is")
        return structs.replace(PaymentOf.order(self, visit), transaction_id=claim(str(session), str(payer)))


@dataclass(frozen=True, slots=True)
class UssdPaymentStep:
    """Which invoice, and how much."""

    only_on: ClassVar = USSD

    asking: ProviderStep
    """Has the books write the payment down."""
    invoice: str
    amount: str

    def enter(self, visit: Visit) -> None:
        """The books first."""
        self.asking.enter(visit)

    def on(self, visit: Visit, event: Event) -> None:
        """It is written down: now the link may leave."""
        if isinstance(event, ProviderReplied) and event.exit == NEXT:
            visit.request_payment(str(visit.needed(self.invoice)), int(visit.needed(self.amount)))
        self.asking.on(visit, event)

    def resume(self, visit: Visit, leg: int | None) -> None:
        """The books know this payment if it was written, and the network sends the link of the same invoice."""
        self.enter(visit)

    def describe(self) -> Description:
        """Whose link it is, for which invoice and how much."""
        provider = self.asking.constants["to"]
        return Description("ussd_payment", about=f"{provider}: {self.invoice}, {self.amount}")


def read(body: yaml.Node, reading: Reading) -> Made:
    """`ussd_payment: {provider: ussd, invoice: invoice_id, amount: invoice.amount}`."""
    fields = Fields(reading.source, body, "ussd_payment")
    invoice = reading.reference(fields, "invoice", frozenset({Kind.DIGITS})) or ""
    amount = reading.reference(fields, "amount", frozenset({Kind.AMOUNT})) or ""
    provider = reading.provider(fields, "provider")
    reading.can_inquire(fields, "provider", provider)
    asking = ProviderStep(
        provider=BOOKS,
        operation=OPEN_LINK,
        role=Role.CHARGE,
        arguments={},
        constants={"to": provider},
        save=None,
        hold_prompt=Prompt("common/please_wait"),
        hold_after=2.0,
        payment=_Payment(provider, invoice, None, amount),
    )
    fields.done()
    how = {
        NEXT: "our books have the payment, and the network sends a link",
        "being_paid": "another try may be paid already",
    }
    heard = frozenset({NEXT})  # the network's own message comes with the link
    facts = Facts(asks=True, pays=True, undecided=heard, heard=heard, makes={}, how=how)
    return Made(UssdPaymentStep(asking, invoice, amount), LINK_EXITS, facts=facts)
