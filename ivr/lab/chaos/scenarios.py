"""The payments that are cut off, one entry each.

To add one: say which flow is called and what the caller keys, which of the sandbox's operations may go wrong, and how
its charges are counted in the sandbox's own books. Everything else is the same for all of them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ivr.domain.bills import barcode_bill
from ivr.domain.secret import Secret
from ivr.sandbox.settings import SandboxCard

AMOUNT: Final = 160_000
"""Rial, of every invoice."""
INVOICE: Final = "65843148"
"""It is open in the sandbox from the start."""
ORDER: Final = "1613848397.81207-9050-1"
MERCHANT: Final = "2191071390"
BARCODE: Final = "7748317800142".zfill(13) + "1770160".zfill(13)
CARD: Final = SandboxCard(Secret("6037990000000006"), Secret("482915637028"), 10**12)
"""The callers' card. Its PIN is long, so that no other number in a file is it by chance."""

Books = Mapping[str, Any]
"""What the sandbox's desk says, by what was asked: `invoices`, `mellat`, `web`, `pod`, `requests`."""

OTP: Final = "otp"
"""Stands for the one-time password that the last SMS brought."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """One way to pay."""

    name: str
    provider: str
    """Whose money it is, as the journal calls it."""
    flow: str
    invoice_id: str
    """As the journal calls it."""
    charges: Callable[[Books], int]
    """How often the sandbox took money for it."""
    faults: tuple[str, ...]
    """The sandbox's operations that may go wrong."""
    keys: Mapping[str, str] = field(default_factory=dict)
    """What a caller keys once this prompt is said, where it is not as for all (`KEYS`)."""
    settings: Mapping[str, str] = field(default_factory=dict)
    trunk: str = "public"
    headers: Mapping[str, str] = field(default_factory=dict)
    charge: str | None = None
    """The sandbox's operation that takes the money; None: a leg to the bank does, or a page."""
    inquiry: bool = True
    """Whether the provider can be asked what became of it."""
    amount: int = AMOUNT


KEYS: Final[Mapping[str, str]] = {
    "invoice/enter_number": f"{INVOICE}#",
    "pay/press_keys": "1",
    "card/enter": CARD.pan.reveal(),
    "confirm/press_keys": "1",
    "otp/enter": OTP,
    "otp/still_waiting": "*",
    "card/hear_again": "9",
    "card/unreachable_try_again": "1",
    "link/agree_keys": "1",
    "link/number_keys": "1",
    "link/again_keys": "1",
    "link/declined_new_keys": "1",
    "link/wait_on": "*",
}
"""What callers key when a prompt ends with this."""


def _paid_invoices(books: Books) -> int:
    return sum(one["tracking_code"] == INVOICE and one["state"] == "paid" for one in books["invoices"])


def _paid_orders(books: Books) -> int:
    return sum(one["order_id"] == ORDER and one["state"] == "paid" for one in books["invoices"])


def _by_card(books: Books) -> int:
    return sum(one["order_id"] == INVOICE for one in books["mellat"])


def _order_by_card(books: Books) -> int:
    return sum(one["order_id"] == ORDER for one in books["mellat"])


def _bills(books: Books) -> int:
    return sum(bool(one["referenceNumber"]) for one in books["pod"])


def _pages(books: Books) -> int:
    return sum(one["state"] == "paid" for one in books["web"])


_BILL = barcode_bill(BARCODE)
_BILL_AMOUNT: Final = _BILL.amount if _BILL is not None else 0
_OF_MERCHANT: Final = {"merchant_phone": MERCHANT}
_ORDER: Final = {"X-Order-Id": ORDER, "X-Order-Amount": str(AMOUNT)}
_PAYSTAR: Final = ("create_transaction", "result")
_MELLAT: Final = ("bpm_otp", "bpm_pay")

SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario("invoice", "paystar", "pay_invoice", INVOICE, _paid_invoices, _PAYSTAR, settings=_OF_MERCHANT),
    Scenario(
        "order",
        "paystar",
        "switch_order",
        f"{MERCHANT}-{ORDER}",
        _paid_orders,
        ("create_transaction",),
        settings=_OF_MERCHANT,
        trunk="merchant",
        headers=_ORDER,
        inquiry=False,
    ),
    Scenario("card", "mellat", "pay_by_card", INVOICE, _by_card, _MELLAT, charge="bpm_pay", inquiry=False),
    Scenario("panel", "mellat", "panel_payment", INVOICE, _by_card, _MELLAT, charge="bpm_pay", inquiry=False),
    Scenario(
        "wallet",
        "pod",
        "pay_bill",
        BARCODE,
        _bills,
        ("pod_pay_bill", "pod_list"),
        keys={"bill/pay_or_status": "1", "bill/enter_id": BARCODE, "bill/unreachable_try_again": "1"},
        charge="pod_pay_bill",
        amount=_BILL_AMOUNT,
    ),
    Scenario("page", "web", "pay_by_link", INVOICE, _pages, ("web_request", "web_check")),
    Scenario(
        "bill_page",
        "pod",
        "bill_by_link",
        BARCODE,
        _bills,
        ("pod_issue_invoice", "pod_payment_link", "pod_list"),
        keys={"link/bill_how": "2", "link/bill_barcode": BARCODE},
        amount=_BILL_AMOUNT,
    ),
    Scenario(
        "card_order",
        "mellat",
        "order_by_card",
        ORDER,
        _order_by_card,
        _MELLAT,
        trunk="merchant",
        headers=_ORDER,
        charge="bpm_pay",
        inquiry=False,
    ),
)


def by_name(name: str) -> Scenario:
    """The scenario of this name."""
    return next(one for one in SCENARIOS if one.name == name)
