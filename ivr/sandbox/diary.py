"""What the sandbox was asked, for tests and demos to look at.

Law: only the fields named here are kept. No credential, no card, no PIN, no name of a customer ever gets in.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

MOST_KEPT: Final = 10_000
"""The oldest go first."""
MOST_VALUE: Final = 64
"""A longer value is cut."""

KEPT_FIELDS: Final = (
    "amount",
    "order_id",
    "invoice_id",
    "merchant_cid",
    "ivr",
    "type",
    "tracking_code",
    "merchant_id",
    "transaction_id",
    "invoice_key",
    "action",
    *("billId", "paymentId", "uniqueNumber", "id"),  # POD's
    *("SessionID", "Mobile", "iNotiFactorID", "YourFactorID", "RRN"),  # iNoti's
    *("mobile", "sessionid", "call"),  # what iNoti asks a merchant
)


@dataclass(slots=True)
class Line:
    """One request and how it was answered: `ok`, an error code, a settlement's result, or `invalid`."""

    number: int
    at: float
    operation: str
    fields: Mapping[str, str]
    result: str = ""
    fault: str | None = None


class Diary:
    """The requests, oldest first."""

    def __init__(self) -> None:
        self.lines: deque[Line] = deque(maxlen=MOST_KEPT)
        self._count = 0

    def write(self, at: float, operation: str, body: Mapping[str, object], fault: str | None) -> Line:
        """Note a request; its result is set when it is known."""
        self._count += 1
        fields = {name: str(body[name])[:MOST_VALUE] for name in KEPT_FIELDS if name in body}
        line = Line(self._count, at, operation, fields, fault=fault)
        self.lines.append(line)
        return line
