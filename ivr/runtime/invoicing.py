"""Making an invoice: at the provider, where callers key its number, else with a number of ours.

Law: an invoice counts once `remember` has it on disk; whoever asks for one opens the books first. To ask a provider
once more does no harm: the first one has no payer.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from ivr.domain.errors import Illegal, Unusable
from ivr.domain.operations import Kind, Operation
from ivr.payments.invoice import Invoice
from ivr.payments.port import Invoices, Provider, Value

OWN_NUMBER_DIGITS: Final = 8
"""Digits of the number of an invoice that no provider makes for us."""

OWN_NUMBER_TRIES: Final = 20
"""Numbers that are thrown for one such invoice before the disk is doubted."""

CREATE: Final = "create_invoice"

Remember = Callable[[Invoice], Awaitable[None]]
"""Writes it down; returns when it is safe. Raises Illegal when the number already stands for another invoice."""


class NotMade(Unusable):
    """The provider refuses to make it. `code` is theirs, as it came."""

    def __init__(self, provider: str, code: str | None) -> None:
        super().__init__(f"{provider} refused to make the invoice (its code: {code})")
        self.code = code


def is_made_there(operations: Mapping[str, Operation]) -> bool:
    """Whether the provider makes invoices whose number a caller can key."""
    create = operations.get(CREATE)
    return create is not None and create.results.get("tracking_code") is Kind.DIGITS


async def ask_for_invoice(
    name: str, provider: Provider, amount: int, order: str, more: Mapping[str, str], remember: Remember
) -> Invoice:
    """Have a provider make one. `more` are further arguments (phone, email …); those it does not take are left out.

    Raises ProviderUnreachable, OutcomeUnknown, NotMade; and BadInput for arguments that nothing was sent for.
    """
    known = provider.operations[CREATE].arguments
    arguments: dict[str, Value] = {"amount": amount, "order_id": order}
    arguments |= {key: value for key, value in more.items() if value and key in known}
    reply = await provider.ask(CREATE, arguments)
    if reply.exit != "ok":
        raise NotMade(name, reply.code)
    invoice = Invoice(name, str(reply.values["tracking_code"]), amount, order)
    await remember(invoice)
    return invoice


async def own_invoice(name: str, invoices: Invoices, amount: int, order: str, remember: Remember) -> Invoice:
    """One whose number is ours to choose: thrown, so that nobody keys a stranger's by counting on. Raises Unusable."""
    for _ in range(OWN_NUMBER_TRIES):
        number = str(secrets.randbelow(9 * 10 ** (OWN_NUMBER_DIGITS - 1)) + 10 ** (OWN_NUMBER_DIGITS - 1))
        if await invoices.invoice(name, number) is None:
            invoice = Invoice(name, number, amount, order)
            try:
                await remember(invoice)
            except Illegal:  # somebody else threw the same a moment ago
                continue
            return invoice
    raise Unusable(f"no free invoice number was found for {name}")
