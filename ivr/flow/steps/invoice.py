"""invoice: look the invoice up in our own books before any money can move.

Law: an amount must be the one that the invoice was made with, and an invoice that was paid, or is being paid in another
call, is not paid again.
"""

from typing import Final

import yaml

from ivr.domain.operations import Kind, Role
from ivr.domain.reading import Fields
from ivr.flow.facts import Facts
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.steps.provider import ProviderStep

BOOKS: Final = "books"
CHECK_INVOICE: Final = "check_invoice"
EXITS: Final = frozenset({NEXT, "amount_mismatch", "already_paid", "being_paid", "unresolved"})
"""`unresolved`: an earlier try whose outcome nobody knows yet; ask the provider before trying again."""


def read(body: yaml.Node, reading: Reading) -> Made:
    """`invoice: {provider: paystar, id: invoice_id, amount: transaction.amount}`."""
    fields = Fields(reading.source, body, "invoice")
    arguments = {"invoice_id": reading.reference(fields, "id", frozenset({Kind.DIGITS, Kind.TEXT})) or ""}
    amount = reading.reference(fields, "amount", frozenset({Kind.AMOUNT}), required=False)
    if amount is not None:
        arguments["amount"] = amount
    made = ProviderStep(
        provider=BOOKS,
        operation=CHECK_INVOICE,
        role=Role.QUERY,
        arguments=arguments,
        constants={"provider": reading.provider(fields, "provider")},
        save=None,
        hold_prompt=reading.prompt(fields, "hold_prompt", "common/please_wait"),
        hold_after=2.0,
    )
    fields.done()
    how = {NEXT: "our books have nothing against it"} | {by: f"our books say '{by}'" for by in EXITS - {NEXT}}
    return Made(made, EXITS, facts=Facts(mute=True, asks=True, decides=frozenset({NEXT}), how=how))
