"""invoice: look the invoice up in our own books before any money can move.

Law: an amount must be the one that the invoice was made with, and an invoice that was paid, or is being paid in another
call, is not paid again. With `save` the amount is the books' own, and an invoice that they do not have is not found.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import yaml

from ivr.domain.operations import Argument, Kind, Operation, Role
from ivr.domain.reading import Fields
from ivr.flow.facts import Facts
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.steps.provider import ProviderStep

BOOKS: Final = "books"
CHECK_INVOICE: Final = "check_invoice"
FIND_INVOICE: Final = "find_invoice"
OPEN_LINK: Final = "open_link"
"""Asked by a `link` step, with its payment: write it down, for somebody may pay from now on."""
WHAT_BECAME: Final = "what_became"
"""Asked by an `inquire` step: what became of this invoice; the provider is asked where our books do not know yet."""
LAST_PAYMENT: Final = "last_payment"
"""Asked by a `last_payment` step: the same of the newest payment of this payer, whichever invoice it was for."""
KEEP: Final = "keep"
"""Asked by a `keep` step: write down what the caller registers. Besides `as` its arguments are the values, by their
names there."""
AS: Final = "as"

_IN_THE_WAY: Final = frozenset({"already_paid", "being_paid", "unresolved"})
EXITS: Final = frozenset({NEXT, "amount_mismatch"}) | _IN_THE_WAY
"""`unresolved`: an earlier try whose outcome nobody knows yet; ask the provider before trying again."""
FINDING_EXITS: Final = frozenset({NEXT, "not_found"}) | _IN_THE_WAY
"""With `save`. `not_found`: the books have no such invoice."""

LINK_EXITS: Final = frozenset({NEXT, "being_paid"})
BECAME_EXITS: Final = frozenset({"paid", "paid_unreadable", "declined", "not_paid", "none"})
"""`paid_unreadable`: its reference holds letters, or there is none. `not_paid`: not yet, but somebody still may.
`none`: our books have no try to pay it."""
AGAIN: Final = "again"
KEEP_EXITS: Final = frozenset({NEXT, AGAIN})
"""`again`: this caller has registered the same before, and nothing was written."""

_WHICH: Final = MappingProxyType({"provider": Argument(Kind.TEXT), "invoice_id": Argument(Kind.TEXT)})
OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        CHECK_INVOICE: Operation(
            CHECK_INVOICE,
            {**_WHICH, "amount": Argument(Kind.AMOUNT, required=False)},
            {},
            EXITS,
            with_results=frozenset(),
        ),
        FIND_INVOICE: Operation(
            FIND_INVOICE, _WHICH, {"amount": Kind.AMOUNT}, FINDING_EXITS, with_results=frozenset({NEXT})
        ),
        OPEN_LINK: Operation(
            OPEN_LINK, {"to": Argument(Kind.TEXT)}, {}, LINK_EXITS, Role.CHARGE, with_results=frozenset()
        ),
        WHAT_BECAME: Operation(
            WHAT_BECAME,
            _WHICH,
            {
                "reference": Kind.DIGITS,
                "receipt": Kind.TEXT,
                "transaction": Kind.TEXT,
                "amount": Kind.AMOUNT,
                "payment": Kind.TEXT,
            },
            BECAME_EXITS,
            Role.INQUIRY,
            results_by_exit={
                "paid": frozenset({"reference", "payment"}),
                "paid_unreadable": frozenset({"payment"}),
                "not_paid": frozenset({"transaction", "amount", "payment"}),
            },
        ),
        LAST_PAYMENT: Operation(
            LAST_PAYMENT,
            {"payer": Argument(Kind.DIGITS)},
            {"reference": Kind.DIGITS, "receipt": Kind.TEXT, "amount": Kind.AMOUNT},
            BECAME_EXITS,
            Role.INQUIRY,
            results_by_exit={"paid": frozenset({"reference", "amount"})},
        ),
        KEEP: Operation(KEEP, {AS: Argument(Kind.TEXT)}, {}, KEEP_EXITS, with_results=frozenset()),
    }
)
"""What the books can be asked, declared as a provider's questions are."""


def read(body: yaml.Node, reading: Reading) -> Made:
    """`invoice: {provider: paystar, id: invoice_id, amount: transaction.amount}`, or `save: invoice` for its amount."""
    fields = Fields(reading.source, body, "invoice")
    arguments = {"invoice_id": reading.reference(fields, "id", frozenset({Kind.DIGITS, Kind.TEXT})) or ""}
    amount = reading.reference(fields, "amount", frozenset({Kind.AMOUNT}), required=False)
    save = fields.name("save", "") or None
    if amount is not None:
        arguments["amount"] = amount
    if amount is not None and save is not None:
        fields.blame(
            "the books say the amount ('save'), or one is compared with theirs ('amount'): leave one out", "save"
        )
    operation = OPERATIONS[FIND_INVOICE if save is not None else CHECK_INVOICE]
    if save is not None:
        for name, kind in operation.results.items():
            reading.make(f"{save}.{name}", kind, fields.value("save"))
    made = ProviderStep(
        provider=BOOKS,
        operation=operation.name,
        role=Role.QUERY,
        arguments=arguments,
        constants={"provider": reading.provider(fields, "provider")},
        save=save,
        hold_prompt=reading.prompt(fields, "hold_prompt", "common/please_wait"),
        hold_after=2.0,
    )
    fields.done()
    how = {by: f"our books say '{by}'" for by in operation.exits} | {NEXT: "our books have nothing against it"}
    makes = {by: frozenset(f"{save}.{name}" for name in operation.comes_with(by)) for by in operation.exits}
    facts = Facts(mute=True, makes=makes, asks=True, decides=frozenset({NEXT}), how=how)
    return Made(made, operation.exits, facts=facts)
