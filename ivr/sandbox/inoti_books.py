"""What iNoti of the sandbox knows: payment links, who paid, and what GetPayments finds. No I/O.

Law: a payment is found as paid only after somebody paid it.
"""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo

from persiantools.jdatetime import JalaliDate

from ivr.domain.digits import is_digits
from ivr.domain.secret import Secret

TEHRAN: Final = ZoneInfo("Asia/Tehran")
DENIED: Final = "نام کاربری، کلمه عبور یا کد نامعتبر است"


@dataclass(frozen=True, slots=True)
class InotiAccount:
    """The sandbox's one USSD code."""

    username: Secret = field(default_factory=lambda: Secret("sandbox-inoti-user"))
    password: Secret = field(default_factory=lambda: Secret("sandbox-inoti-password"))
    code_name: str = "*6655*123#"


@dataclass(slots=True)
class UssdPayment:
    """One payment link. `paid_at` is seconds since 1970, None while nobody paid."""

    pay_id: int
    token: str
    session: str
    mobile: str
    price: int
    our_factor: str
    """The merchant's."""
    their_factor: int
    """iNoti's."""
    rrn: int = 0
    paid_at: float | None = None
    is_cancelled: bool = False
    dialled: str = ""
    """What the payer dialled so far, `*6655*123*1`; empty when it did not come by a USSD session."""
    page: str = ""
    """The merchant's page that is called once it is paid; empty: none."""


class InotiBooks:
    """The state of the sandbox's iNoti."""

    def __init__(self, account: InotiAccount, now: Callable[[], float], dice: random.Random) -> None:
        self.account = account
        self.payments: list[UssdPayment] = []
        self._now = now
        self._dice = dice

    def ask_for(
        self, session: str, number: str, price: int, our_factor: str, *, dialled: str = "", page: str = ""
    ) -> UssdPayment:
        """A new link."""
        token = "".join(self._dice.choice("0123456789abcdef") for _ in range(16))
        made = UssdPayment(
            len(self.payments) + 1,
            token,
            session,
            number,
            price,
            our_factor,
            self._dice.randrange(10**6, 10**7),
            dialled=dialled,
            page=page,
        )
        self.payments.append(made)
        return made

    def pay(self, payment: UssdPayment) -> bool:
        """The payer paid: True. Again, or after cancelling, changes nothing: False."""
        if payment.paid_at is not None or payment.is_cancelled:
            return False
        payment.paid_at, payment.rrn = self._now(), self._dice.randrange(10**11, 10**12)
        return True

    def cancel(self, payment: UssdPayment) -> None:
        """The payer does not want to pay; what is paid stays paid."""
        payment.is_cancelled = payment.is_cancelled or payment.paid_at is None

    def by_token(self, token: str) -> UssdPayment | None:
        """The payment of a link."""
        return next((each for each in self.payments if each.token == token), None)


def get_payments(books: InotiBooks, asked: Mapping[str, str]) -> tuple[str, str]:
    """The text that GetPayments returns to these fields (see `day` for dates), and in a word how it went."""
    account = books.account
    given = (Secret(asked.get("Username", "")), Secret(asked.get("Password", "")), asked.get("CodeName"))
    if given != (account.username, account.password, account.code_name):
        return DENIED, "denied"
    found = [payment for payment in books.payments if _fits(payment, asked)]
    if not found:
        return asked.get("NullResult") or "[]", "none"
    return json.dumps([_record(payment) for payment in found], ensure_ascii=False), "ok"


def _fits(payment: UssdPayment, asked: Mapping[str, str]) -> bool:
    if payment.paid_at is None and asked["IsAll"] in ("false", "0"):
        return False
    own = {
        "SessionID": payment.session,
        "Mobile": payment.mobile,
        "iNotiFactorID": str(payment.their_factor),
        "YourFactorID": payment.our_factor,
        "RRN": str(payment.rrn),
    }
    if any(asked.get(name) not in (None, "", text) for name, text in own.items()):
        return False
    least, most = int(asked.get("PriceFrom") or 0), int(asked.get("PriceTo") or 10**15)
    paid_on = datetime.fromtimestamp(payment.paid_at or 0, TEHRAN).date()
    first, last = day(asked.get("DateFrom", "")) or date.min, day(asked.get("DateTo", "")) or date.max
    return least <= payment.price <= most and (payment.paid_at is None or first <= paid_on <= last)


def _record(payment: UssdPayment) -> dict[str, object]:
    paid_at = None if payment.paid_at is None else datetime.fromtimestamp(payment.paid_at, TEHRAN)
    return {
        "PayID": payment.pay_id,
        "SessionID": payment.session,
        "RefKeyBank": f"ref-{payment.pay_id}",
        "Mobile": payment.mobile,
        "Price": float(payment.price),
        "Result": "OK" if paid_at else "",
        "PayDateTime": paid_at.replace(tzinfo=None).isoformat(timespec="milliseconds") if paid_at else None,
        "InotiFactorID": payment.their_factor,
        "YourFactorID": payment.our_factor,
        "RRN": payment.rrn,
    }


def day(text: str) -> date | None:
    """YYYY/MM/DD or YYYY-MM-DD in either calendar."""
    parts = text.replace("-", "/").split("/")
    if len(parts) != 3 or not all(map(is_digits, parts)) or len(parts[0]) != 4:
        return None
    year, month, day = map(int, parts)
    try:
        found = date(year, month, day) if year >= 1700 else JalaliDate(year, month, day).to_gregorian()
    except ValueError:
        return None
    return date(found.year, found.month, found.day)
