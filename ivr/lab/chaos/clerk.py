"""Pays by a page: an invoice is made at the provider, written down as sent, and only then is its link given out.

What a flow does that sends a payer a link; here without a call, so that the reconciler alone finds out the rest.
"""

from collections.abc import Callable
from typing import Final

from ivr.domain.bills import barcode_bill
from ivr.domain.errors import OutcomeUnknown, Unusable
from ivr.flow.commands import PaymentOrder
from ivr.lab.chaos.broken import Parts
from ivr.lab.chaos.line import Wire
from ivr.lab.chaos.scenarios import Scenario
from ivr.lab.chaos.steps import Steps
from ivr.payments.invoice import Invoice
from ivr.runtime.cashier import Go
from ivr.store.opening import Store

PAYMENT: Final = "1700000000.0.1"


async def hand_out_link(
    scenario: Scenario,
    parts: Parts,
    store: Store,
    nudge: Callable[[str, str], None],
    wire: Wire,
    steps: Steps,
) -> None:
    """Make the invoice and give its link to the payer. A provider that does not answer ends it: nobody has the link."""
    try:
        made = await (_page(scenario, parts, store) if scenario.link == "web" else _bill(scenario, parts))
    except (Unusable, OutcomeUnknown):
        made = None
    if made is None:
        wire.say("no_link")
        return
    invoice_id, transaction_id, link = made
    order = PaymentOrder(PAYMENT, scenario.provider, invoice_id, transaction_id, scenario.amount)
    if await parts.cashier.before_handing_out(order, "1700000000.0") is Go.SEND:
        steps.at("link", "before the link is given out")
        wire.say("link", link)
        steps.at("link", "after the link was given out")
        nudge(PAYMENT, "link given out")


async def _page(scenario: Scenario, parts: Parts, store: Store) -> tuple[str, str | None, str] | None:
    reply = await parts.providers["web"].ask("create_invoice", {"amount": scenario.amount})
    if reply.exit != "ok":
        return None
    key = str(reply.values["tracking_code"])
    await store.invoices.remember_invoice(Invoice("web", key, scenario.amount, "chaos"))
    return key, None, str(reply.values["pay_url"])


async def _bill(scenario: Scenario, parts: Parts) -> tuple[str, str | None, str] | None:
    bill = barcode_bill(scenario.invoice_id)
    if bill is None:
        return None
    ids = {"bill_id": bill.bill_id, "payment_id": bill.payment_id}
    reply = await parts.providers["pod"].ask("issue_invoice", ids)
    if reply.exit != "ok":
        return None
    unique = str(reply.values["unique_number"])
    link = await parts.providers["pod"].ask("payment_link", {"unique_number": unique})
    return (scenario.invoice_id, unique, str(link.values["url"])) if link.exit == "ok" else None
