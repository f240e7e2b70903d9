"""What POD of the sandbox knows: one wallet, bills, invoices. No I/O.

Law: a bill is paid at most once at a time, from the wallet or by an invoice; only a cancelled one may be paid again.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from ivr.domain import bills
from ivr.domain.bills import Bill
from ivr.domain.secret import Secret

ISSUED: Final = "SERVICE_BILL_ISSUE_INVOICE"
ACCEPTED: Final = "SERVICE_BILL_ACCEPTED"
CANCELED: Final = "SERVICE_BILL_CANCELED"
PAID: Final = (ACCEPTED, "SERVICE_BILL_FILE_CONFIRMED", "SERVICE_BILL_SEND_FILE_FAILED", "SERVICE_BILL_SANTA_CONFIRMED")
"""Statuses in which money has been taken and not given back."""
STATUSES: Final = (ISSUED, CANCELED, *PAID)

INVALID_TOKEN: Final = 21
INVALID_NUMBER: Final = 141
INVALID_PAYMENT_ID: Final = 178
INVALID_BILL_ID: Final = 179
ALREADY_PAID: Final = 180
TRAFFIC: Final = 462
BAD_REQUEST: Final = 403
NO_MONEY: Final = 150
NOT_CANCELLABLE: Final = 151
NOT_FOUND: Final = 152
"""The last three are the sandbox's own: the document has no codes for them."""

FIRST_MOBILE: Final = "همراه اول"
_COMPANIES: Final = {
    "water": "آب و فاضلاب",
    "electricity": "توزیع برق",
    "gas": "گاز",
    "landline": "مخابرات",
    "mobile": "تلفن همراه",
    "municipality": "شهرداری",
}


@dataclass(frozen=True, slots=True)
class PodAccount:
    """The sandbox's one customer of POD."""

    token: Secret = field(default_factory=lambda: Secret("sandbox-pod-token"))
    api_key: Secret = field(default_factory=lambda: Secret("sandbox-pod-api-key"))
    balance: int = 10**10
    """What the wallet holds, in rial."""
    first_mobile_company: str = "091"
    """The company code of Hamrah-e Aval, whose bills cannot be cancelled."""


class PodError(Exception):
    """POD says no, with a code of its document (or one of the sandbox's own)."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class PodBill:
    """One bill in POD's list. Times are milliseconds since 1970."""

    id: int
    bill: Bill
    status: str
    requested_at: int
    invoice_id: int
    unique_number: str
    reference: str = ""
    cancelled_at: int | None = None


class PodBooks:
    """The state of the sandbox's POD. `now` is seconds since 1970."""

    def __init__(self, account: PodAccount, now: Callable[[], float], dice: random.Random) -> None:
        self.account = account
        self.balance = account.balance
        self.bills: dict[int, PodBill] = {}
        self._now = now
        self._dice = dice

    def read(self, bill_id: str, payment_id: str) -> Bill:
        """The bill of two ids as the document wants them: digits, no zeros in front. Raises PodError."""
        for text in (bill_id, payment_id):
            if not (text.isascii() and text.isdigit()) or text.startswith("0"):
                raise PodError(INVALID_NUMBER)
        if bills.bill_id(bill_id) is None:
            raise PodError(INVALID_BILL_ID)
        bill = bills.bill_of(bill_id, payment_id)
        if bill is None:
            raise PodError(INVALID_PAYMENT_ID)
        if bill.kind() == bills.TRAFFIC:
            raise PodError(TRAFFIC)
        return bill

    def pay(self, bill: Bill) -> PodBill:
        """Take it from the wallet. Raises PodError."""
        self._must_be_open(bill)
        if self.balance < bill.amount:
            raise PodError(NO_MONEY)
        self.balance -= bill.amount
        record = self._new(bill, ACCEPTED)
        record.reference = self._digits(12)
        return record

    def issue(self, bill: Bill) -> PodBill:
        """The invoice of a bill: the same one again when it is asked for again. Raises PodError."""
        self._must_be_open(bill)
        open_one = next((each for each in self._of(bill) if each.status == ISSUED), None)
        return open_one or self._new(bill, ISSUED)

    def invoice(self, unique_number: str) -> PodBill | None:
        """The bill whose invoice has this unique number."""
        return next((each for each in self.bills.values() if each.unique_number == unique_number), None)

    def pay_invoice(self, record: PodBill) -> None:
        """The payer paid at the bank. Raises PodError."""
        self._must_be_open(record.bill)
        record.status = ACCEPTED
        record.reference = self._digits(12)

    def cancel(self, number: int) -> PodBill:
        """Give the money back. Raises PodError."""
        record = self.bills.get(number)
        if record is None:
            raise PodError(NOT_FOUND)
        if record.status != ACCEPTED or self.company(record.bill) == FIRST_MOBILE:
            raise PodError(NOT_CANCELLABLE)
        record.status, record.cancelled_at = CANCELED, int(self._now() * 1000)
        self.balance += record.bill.amount
        return record

    def listed(self, wanted: Mapping[str, str]) -> list[PodBill]:
        """What fits every filter that is given, the newest first; names as in the document."""

        def fits(record: PodBill) -> bool:
            own = {
                "billId": record.bill.bill_id,
                "paymentId": record.bill.payment_id,
                "id": str(record.id),
                "referenceNumber": record.reference,
            }
            if any(own[name] != value for name, value in wanted.items() if name in own):
                return False
            first, last = int(wanted.get("fromDate", 0)), int(wanted.get("toDate", 10**15))
            return first <= record.requested_at <= last

        return [record for record in reversed(self.bills.values()) if fits(record)]

    def company(self, bill: Bill) -> str:
        """The name of the company that the bill is of."""
        if bill.kind() == "mobile" and bill.company == self.account.first_mobile_company:
            return FIRST_MOBILE
        return _COMPANIES.get(bill.kind(), "")

    def _of(self, bill: Bill) -> list[PodBill]:
        return [record for record in self.bills.values() if record.bill == bill]

    def _must_be_open(self, bill: Bill) -> None:
        if any(record.status in PAID for record in self._of(bill)):
            raise PodError(ALREADY_PAID)

    def _new(self, bill: Bill, status: str) -> PodBill:
        while (number := int(self._digits(8))) in self.bills:
            pass
        record = PodBill(number, bill, status, int(self._now() * 1000), int(self._digits(9)), self._unique())
        self.bills[number] = record
        return record

    def _unique(self) -> str:
        return "".join(self._dice.choice("0123456789abcdef") for _ in range(16))

    def _digits(self, count: int) -> str:
        return str(self._dice.randrange(10 ** (count - 1), 10**count))
