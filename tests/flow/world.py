"""The shipped flows, and what they may refer to: the shipped prompts and the operations of the real providers."""

from functools import cache
from pathlib import Path
from typing import Final

from ivr.domain.operations import Kind, Operation
from ivr.flow.events import Answered
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Dialplan, Flow, World
from ivr.flow.session import Session
from ivr.flow.steps.invoice import BOOKS
from ivr.flow.steps.invoice import OPERATIONS as OF_BOOKS
from ivr.flow.visit import scope_of
from ivr.prompts.catalogue import Catalogue
from ivr.providers import inoti, paystar_mellat, paystar_saman, pod_operations, web_gateway
from ivr.sandbox import bank
from tests.flow.caller import Caller

ROOT: Final = Path(__file__).parents[2]
DIALPLAN: Final = ROOT / "dialplan"
BANK_DIALPLAN: Final = ROOT / "ivr" / "sandbox" / "bank_dialplan"

SHIPPED: Final = (
    *("pay_invoice", "merchant_invoice", "switch_invoice", "merchant_order", "switch_order", "reception"),
    *("pay_by_card", "pay_by_link", "bill_by_link", "bill_link"),
    *("order_by_card", "card_payment", "pay_bill", "bill_status"),
    *("bank_ivr", "closed", "all_busy", "back_to_agent"),
    *("register_code", "status"),
)

KNOWN: Final[dict[str, str | int]] = {
    "caller_number": "09121234567",
    "caller_mobile": "09121234567",
    "caller": "09121234567",
    "dialled_number": "42473000",
    "call_id": "1613848397.81207",
    "merchant_phone": "2191071390",
    "switch_number": "42474000",
    "operator_number": "42473999",
    "agent": "sara",
    "outcome": "paid",
    "invoice_id": "65843148",
    "item": "9050-1",
    "price": 2_500_000,
    "order_id": "1613848397.81207-9050-1",
    "claimed_amount": 160000,
    "booked_as": "2191071390-1613848397.81207-9050-1",
    "transaction.transaction_id": "70012345",
    "transaction.merchant_id": "10000005",
    "transaction.amount": 160000,
    "merchant_id": "10000005",
    "transaction_id": "70012345",
    "amount": 160000,
    "invoice.amount": 160000,
    "card.last_four": "5443",
    "card.bank": "keshavarzi",
    "answer.reference": "200100300",
    "made.tracking_code": "Ab3kLm9xQ2",
    "made.pay_url": "https://pay.example/invoice/pay/Ab3kLm9xQ2",
    "made.url": "https://pay.example/pay?uniqueNumber=ab12",
    "same.pay_url": "https://pay.example/invoice/pay/Ab3kLm9xQ2",
    "mobile": "09121234567",
    "to.mobile": "09121234567",
    "earlier.transaction": "Ab3kLm9xQ2",
    "earlier.amount": 160000,
    "earlier.reference": "200100300",
    "found.reference": "200100300",
    "code": "4711",
    "last.reference": "200100300",
    "last.amount": 160000,
    "last.receipt": "INT-7Q",
    "bill_id": "7748317800142",
    "issued.invoice_id": "880011",
    "issued.unique_number": "ab12cd34",
    "barcode": "77483178001420000001770160",
    "keyed": "7748317800142",
    "payment_id": "1770160",
    "bill.bill_id": "7748317800142",
    "bill.payment_id": "1770160",
    "bill.barcode": "77483178001420000001770160",
    "bill.kind": "landline",
    "bill.amount": 17000,
    "answer.tracking_number": "140300112233",
    "found.tracking_number": "140300112233",
    "found.id": "5501",
    "found.can_cancel": "yes",
    "found.status": "SERVICE_BILL_ACCEPTED",
}
"""Everything that a call of a shipped flow may know by some step, secrets excepted."""


def known_in(flow: Flow) -> dict[str, str | int]:
    """The same, and once more for each flow that this one calls, by the names it has there."""
    scopes = {scope_of(name) for name in flow.steps}
    return {scope + name: value for scope in sorted(scopes) for name, value in KNOWN.items()}


SECRETS: Final = {"card": "6037701689095443", "pin": "48151623", "otp": "48151623"}


@cache
def world() -> World:
    """All shipped prompts, the trunks of the shipped configuration, PayStar, POD and the sandbox's bank."""
    catalogue = Catalogue.load(ROOT / "prompts")
    return World(
        prompts={language: catalogue.names(language) for language in catalogue.languages},
        screens={language: catalogue.screens(language) for language in catalogue.languages},
        characters={language: catalogue.lengths(language) for language in catalogue.languages},
        trunks=frozenset({"public", "bank", "paystar", "merchant"}),
        providers={
            "paystar": paystar_saman.OPERATIONS,
            "mellat": paystar_mellat.OPERATIONS,
            "bank": bank.OPERATIONS,
            "web": web_gateway.OPERATIONS,
            "pod": pod_operations.OPERATIONS,
            "ussd": inoti.OPERATIONS,
        },
        notices=frozenset({"shop", "sms"}),
        agents=frozenset({"sara"}),
        queues=frozenset({"sales"}),
    )


@cache
def shipped_dialplan() -> Dialplan:
    """`dialplan/`, as it is shipped."""
    return load_dialplan(DIALPLAN, world())


@cache
def shipped(name: str) -> Flow:
    """A shipped flow by name."""
    return {**shipped_dialplan().flows, **load_dialplan(BANK_DIALPLAN, world()).flows}[name]


def small_flow(directory: Path, steps: str, on_failure: str = "sorry") -> Flow:
    """A flow called `small` of these steps, indented by two; its first step is `a`, `sorry` says that it broke.

    It need not be fit for callers: the engine must stand what the checker would refuse.
    """
    text = f"""flow: small
first: a
on_failure: {on_failure}
steps:
{steps}
  sorry: {{say: common/technical_problem, next: end}}
  end: {{hang_up: normal}}
"""
    path = directory / "small.yaml"
    path.write_text(text, encoding="utf-8")
    return load_dialplan(path, world(), verified=False).flows["small"]


def at_first(flow: Flow) -> dict[str, str | int]:
    """What a call of this flow may know, when nobody sent it here; one that is handed something has it."""
    brought = (flow.brings.keys() | {"agent", "outcome"}) - flow.takes.keys()
    return {name: value for name, value in KNOWN.items() if name not in brought}


def session_of(flow: Flow, answers: dict[str, str | int], call_id: str = "call") -> Session:
    """A call of this flow before it was answered."""
    return Session(call_id, flow.name, flow.version, "fa", flow.first, answers=answers)


def answered(flow: Flow, answers: dict[str, str | int] | None = None) -> Caller:
    """A caller whose call was just answered; knows everything unless told otherwise."""
    caller = Caller(flow, session_of(flow, at_first(flow) if answers is None else answers))
    caller.send(Answered())
    return caller


def operation(provider: str, name: str) -> Operation:
    """What a provider, or our own books, declare of a question."""
    return (OF_BOOKS if provider == BOOKS else world().providers[provider])[name]


def operation_results(provider: str, name: str) -> dict[str, str | int]:
    """Values that this question may be answered with."""
    results = operation(provider, name).results
    return {result: 160000 if kind is Kind.AMOUNT else "70012345" for result, kind in results.items()}
