"""What the sandbox is made of: ports, gateways, invoices and cards. Nothing here is worth money.

Law: the sequences, cards and PINs below belong to the sandbox alone. The cards pass Luhn and were never issued.
"""

from dataclasses import dataclass, field
from typing import Literal

from ivr.domain.secret import Secret
from ivr.sandbox.inoti_books import InotiAccount
from ivr.sandbox.pod_books import PodAccount
from ivr.sandbox.ussd_settings import UssdSettings

ErrorShape = Literal["errors", "error", "code", "status"]
"""How create-transaction writes an error, which the document leaves open: `errors: [2]`, `error: 2`, `code: "2"` or
`status: 2`."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """A merchant's gateway at PayStar."""

    sequence: Secret
    merchant_id: str
    trunk_id: str


@dataclass(frozen=True, slots=True)
class SandboxCard:
    """A card of the sandbox's bank, its one-time password (PIN), and what it holds, in rial."""

    pan: Secret
    pin: Secret
    balance: int


@dataclass(frozen=True, slots=True)
class DemoInvoice:
    """An invoice that is there from the start. `state` is open, paid, expired or blocked."""

    tracking_code: str
    amount: int
    state: str = "open"


@dataclass(frozen=True, slots=True)
class Terminal:
    """A merchant's terminal at the web gateway."""

    api_key: Secret


DEMO_GATEWAY = Gateway(Secret("sandbox-gateway-sequence"), "10000005", "TkdpUQngERd1apGJvoHB")

DEMO_TERMINAL = Terminal(Secret("sandbox-terminal-key"))

DEMO_CARDS = (
    SandboxCard(Secret("6037990000000006"), Secret("12345"), 10**12),
    SandboxCard(Secret("6273530000000011"), Secret("54321"), 10**12),
    SandboxCard(Secret("5022290000000026"), Secret("11111"), 1_000),  # never enough
)

DEMO_INVOICES = (
    DemoInvoice("65843148", 160_000),
    DemoInvoice("65843149", 2_500_000),
    DemoInvoice("65843150", 1_234_567),
    DemoInvoice("65843151", 160_000, "paid"),
    DemoInvoice("65843152", 160_000, "expired"),
    DemoInvoice("65843153", 160_000, "blocked"),
)


@dataclass(frozen=True, slots=True)
class SandboxSettings:
    """Where it listens (port 0: any free one) and what it starts with."""

    host: str = "127.0.0.1"
    paystar_port: int = 0
    bank_port: int = 0
    admin_port: int = 0
    mellat_port: int = 0
    web_gateway_port: int = 0
    pod_port: int = 0
    inoti_port: int = 0
    gateways: tuple[Gateway, ...] = (DEMO_GATEWAY,)
    terminals: tuple[Terminal, ...] = (DEMO_TERMINAL,)
    cards: tuple[SandboxCard, ...] = DEMO_CARDS
    invoices: tuple[DemoInvoice, ...] = DEMO_INVOICES
    pod: PodAccount = field(default_factory=PodAccount)
    inoti: InotiAccount = field(default_factory=InotiAccount)
    ussd: UssdSettings = field(default_factory=UssdSettings)
    error_shape: ErrorShape = "errors"
    invoice_lifetime: float = 24 * 3600.0
    """Seconds until an invoice expires."""
    wrong_tries: int = 5
    """So many wrong invoice ids in a row and a caller number is blocked; so many wrong PINs and a card is."""
    blocked_for: float = 600.0
    """Seconds that a caller number stays blocked."""
    otp_digits: int = 6
    otp_lifetime: float = 120.0
    """Seconds that a one-time password of Mellat's is good for."""
    otp_tries: int = 3
    """So many wrong tries, and a one-time password is dead."""
    seed: int | None = None
    """Makes the ids repeatable; None: unpredictable."""
