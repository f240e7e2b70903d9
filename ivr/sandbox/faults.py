"""What can be made to go wrong, on demand and a counted number of times.

Law: a fault that has happened as often as was asked clears itself. `commit` says whether the work was done all the
same: then the client knows nothing, and the books know.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Literal

from ivr.domain.errors import BadInput

MOST_SECONDS: Final = 3600.0
"""No delay and no refusal is longer."""
MOST_TIMES: Final = 1_000_000
MOST_WAITING: Final = 100
"""So many faults may wait for one operation."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a fault can happen: whose operation it is, and what its answer is like."""

    provider: str
    """The listener's name."""
    is_json: bool = True
    """False for a page."""
    has_amount: bool = False
    has_codes: bool = False
    """The provider has error codes of its own for it."""
    calls_back: bool = False
    """It sends somebody back to the merchant."""
    asks: Literal["", "screen", "callback"] = ""
    """What the provider asks the merchant here; "": it is asked itself, and what can go wrong is its answer."""


PLACES: Final[Mapping[str, Place]] = {
    "create_factor": Place("paystar"),
    "create_transaction": Place("paystar", has_amount=True),
    "result": Place("paystar"),
    "settle": Place("bank"),
    "inquire": Place("bank"),
    "bpm_otp": Place("mellat", has_codes=True),
    "bpm_pay": Place("mellat", has_codes=True),
    "web_request": Place("web_gateway", has_codes=True),
    "web_page": Place("web_gateway", is_json=False),
    "web_pay": Place("web_gateway", is_json=False, calls_back=True),
    "web_check": Place("web_gateway", has_amount=True, has_codes=True),
    "pod_pay_bill": Place("pod", has_amount=True, has_codes=True),
    "pod_issue_invoice": Place("pod", has_amount=True, has_codes=True),
    "pod_payment_link": Place("pod", has_codes=True),
    "pod_list": Place("pod", has_amount=True, has_codes=True),
    "pod_cancel": Place("pod", has_codes=True),
    "pod_page": Place("pod", is_json=False),
    "pod_pay": Place("pod", is_json=False, calls_back=True),
    "inoti_payments": Place("inoti", has_amount=True),
    "inoti_page": Place("inoti", is_json=False),
    "inoti_pay": Place("inoti", is_json=False),
    "ussd_request": Place("inoti", is_json=False, asks="screen"),
    "ussd_callback": Place("inoti", is_json=False, calls_back=True, asks="callback"),
}
"""What a fault can be set for."""

_ABOUT: Final = (
    "invoice_id",
    "tracking_code",
    "transaction_id",
    "order_id",
    "invoice_key",
    *("billId", "id", "YourFactorID", "mobile", "sessionid"),
)
_NOTHING: Final[Mapping[str, object]] = {}
_CODE: Final = re.compile(r"[0-9]{1,4}")


class FaultKind(Enum):
    """What goes wrong."""

    DELAY = "delay"
    """The right answer, `seconds` late; the work is done after the wait, with `commit` before it."""
    REFUSE = "refuse"
    """The provider's listening socket is closed for `seconds`, and its open connections are. `times` means nothing."""
    DROP = "drop"
    """The connection is reset without an answer."""
    HTTP_ERROR = "http_error"
    """An HTML page with HTTP `status`."""
    GARBAGE = "garbage"
    """HTTP 200 and a body that is no JSON."""
    HALF_BODY = "half_body"
    """The right answer breaks off in the middle. The work is done."""
    PERSIAN_DIGITS = "persian_digits"
    """The right answer with every number as a text in Persian digits. The work is done."""
    WRONG_TYPE = "wrong_type"
    """The right answer under `Content-Type: text/html`. The work is done."""
    SLOW_DRIP = "slow_drip"
    """The right answer, a byte at a time over `seconds`. The work is done."""
    WRONG_AMOUNT = "wrong_amount"
    """The right answer with 1,000 rial more in it. The work is done."""
    CODE = "code"
    """The provider's own error `code`; with `commit` the work is done all the same."""
    DUPLICATE_CALLBACK = "duplicate_callback"
    """The merchant is called back twice: once by us, once by the payer's browser; by USSD both times by iNoti."""
    RESEND = "resend"
    """The merchant is asked the same again at once; the second answer is shown."""
    LOST = "lost"
    """The merchant answers, and nobody sees it; the session goes on."""
    REORDER = "reorder"
    """The request before this one comes again after it, and nobody sees its answer; the first waits for the next."""
    NO_CALLBACK = "no_callback"
    """The merchant is never called."""
    WRONG_RRN = "wrong_rrn"
    """The merchant is called with an RRN that no payment has."""


_FITS: Final[Mapping[FaultKind, Callable[[Place], bool]]] = {
    FaultKind.PERSIAN_DIGITS: lambda place: place.is_json,
    FaultKind.WRONG_AMOUNT: lambda place: place.has_amount,
    FaultKind.CODE: lambda place: place.has_codes,
    FaultKind.DUPLICATE_CALLBACK: lambda place: place.calls_back,
    **dict.fromkeys((FaultKind.RESEND, FaultKind.LOST, FaultKind.REORDER), lambda place: place.asks == "screen"),
    **dict.fromkeys((FaultKind.NO_CALLBACK, FaultKind.WRONG_RRN), lambda place: place.asks == "callback"),
    **dict.fromkeys(
        (
            *(FaultKind.REFUSE, FaultKind.DROP, FaultKind.HTTP_ERROR, FaultKind.GARBAGE),
            *(FaultKind.HALF_BODY, FaultKind.WRONG_TYPE, FaultKind.SLOW_DRIP),
        ),
        lambda place: not place.asks,
    ),
}
"""Where the kinds make sense that do not everywhere."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of one operation. Raises BadInput for one that cannot be."""

    operation: str
    kind: FaultKind
    times: int = 1
    seconds: float = 0.0
    status: int = 503
    commit: bool = False
    only: str | None = None
    """Only for requests about this invoice, order, transaction, mobile or USSD session; None: whichever comes first."""
    code: str = ""
    """The error code of a `code` fault."""

    def __post_init__(self) -> None:
        if self.operation not in PLACES:
            raise BadInput(f"operation must be one of {', '.join(PLACES)}")
        fits = _FITS.get(self.kind)
        if fits is not None and not fits(PLACES[self.operation]):
            raise BadInput(f"{self.kind.value} makes no sense for {self.operation}")
        if (self.kind is FaultKind.CODE) != bool(_CODE.fullmatch(self.code)):
            raise BadInput("code must be 1 to 4 digits, for a fault of the kind code only")
        if not 1 <= self.times <= MOST_TIMES:
            raise BadInput(f"times must be 1 to {MOST_TIMES}")
        if not 0 <= self.seconds <= MOST_SECONDS:
            raise BadInput(f"seconds must be 0 to {MOST_SECONDS:g}")
        if not 400 <= self.status <= 599:
            raise BadInput("status must be 400 to 599")


class Faults:
    """The faults that wait, oldest first."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Fault]] = {}

    def add(self, fault: Fault) -> None:
        """Let it happen from now on; after those already waiting for the same operation."""
        waiting = self._waiting.setdefault(fault.operation, [])
        if len(waiting) >= MOST_WAITING:
            raise BadInput(f"at most {MOST_WAITING} faults may wait for one operation")
        waiting.append(fault)

    def take(self, operation: str, body: Mapping[str, object] = _NOTHING) -> Fault | None:
        """The fault that this request meets, if any; it counts down."""
        waiting = self._waiting.get(operation, [])
        about = {None, *(str(body[name]) for name in _ABOUT if name in body)}
        for place, fault in enumerate(waiting):
            if fault.only in about:
                waiting[place : place + 1] = [replace(fault, times=fault.times - 1)] if fault.times > 1 else []
                return fault
        return None

    def clear(self) -> None:
        """Nothing goes wrong any more."""
        self._waiting.clear()

    def forget(self, only: str) -> None:
        """Nothing that waits for this one alone goes wrong any more."""
        for operation, waiting in self._waiting.items():
            self._waiting[operation] = [fault for fault in waiting if fault.only != only]

    def all(self) -> list[Fault]:
        """Those that wait."""
        return [fault for waiting in self._waiting.values() for fault in waiting]
