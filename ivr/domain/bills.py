"""Iranian bills: a bill id and a payment id (شناسه قبض، شناسه پرداخت), and what their digits say.

Law: an id is kept without leading zeros, and only when its check digits are right. The payment id's last digit covers
both ids, so a payment id is only ever looked at together with its bill's.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ivr.domain.digits import is_digits

LEAST_DIGITS: Final = 6
MOST_DIGITS: Final = 13
"""Both ids have so many digits, leading zeros not counted; on paper they are padded to MOST_DIGITS."""

BARCODE_DIGITS: Final = 2 * MOST_DIGITS
"""A bill's barcode: both ids, each padded with zeros to MOST_DIGITS."""

RIAL_PER_UNIT: Final = 1000
"""A payment id holds its amount in thousands of rial."""

OTHER: Final = "other"
"""The kind of a service that nobody has named."""
TRAFFIC: Final = "traffic"
KINDS: Final = ("water", "electricity", "gas", "landline", "mobile", "municipality", "tax", TRAFFIC, OTHER)
"""Every kind of bill."""

SERVICES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "1": "water",
        "2": "electricity",
        "3": "gas",
        "4": "landline",
        "5": "mobile",
        "6": "municipality",
        "7": OTHER,
        "8": "tax",
        "9": TRAFFIC,
    }
)
"""The kind by the service's digit. Sources differ about 7 to 9: a deployment may say otherwise."""

_WEIGHTS: Final = (2, 3, 4, 5, 6, 7)
_NOT_AMOUNT: Final = 5
"""Digits behind the amount: the year, two for the period, two to check."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A bill whose ids are right. `amount` is in rial, `company` three digits, `service` one."""

    bill_id: str
    payment_id: str

    @property
    def amount(self) -> int:
        """What is to be paid, in rial."""
        return amount_of(self.payment_id)

    @property
    def company(self) -> str:
        """The company within its service, three digits."""
        return company_of(self.bill_id)

    @property
    def service(self) -> str:
        """The kind of bill as one digit."""
        return service_of(self.bill_id)

    @property
    def barcode(self) -> str:
        """Both ids as one text of 26 digits."""
        return self.bill_id.rjust(MOST_DIGITS, "0") + self.payment_id.rjust(MOST_DIGITS, "0")

    def kind(self, services: Mapping[str, str] = SERVICES) -> str:
        """One of KINDS."""
        return kind_of(self.bill_id, services)


def bill_of(bill_keyed: str, payment_keyed: str) -> Bill | None:
    """The bill of these two ids, or None when one of them cannot be right."""
    own = bill_id(bill_keyed)
    payment = None if own is None else payment_id(payment_keyed, own)
    return None if own is None or payment is None else Bill(own, payment)


def barcode_bill(keyed: str) -> Bill | None:
    """The bill of a barcode (26 digits, no more and no fewer), or None when it is none."""
    if not is_digits(keyed) or len(keyed) != BARCODE_DIGITS:
        return None
    return bill_of(keyed[:MOST_DIGITS], keyed[MOST_DIGITS:])


def describe_bill(
    bill_keyed: str, payment_keyed: str = "", services: Mapping[str, str] = SERVICES
) -> dict[str, str | int | bool | None]:
    """All that the digits say, for people and programs; without a payment id the first is a barcode.

    `wrong` names what cannot be right: `barcode`, `bill id`, `payment id`; None when all is right. What a wrong id
    would have said is None.
    """
    found = bill_of(bill_keyed, payment_keyed) if payment_keyed else barcode_bill(bill_keyed)
    own = found.bill_id if found else bill_id(bill_keyed) if payment_keyed else None
    wrong = None if found else "barcode" if not payment_keyed else "payment id" if own else "bill id"
    return {
        "valid": found is not None,
        "wrong": wrong,
        "bill_id": own,
        "payment_id": found.payment_id if found else None,
        "kind": kind_of(own, services) if own else None,
        "service": service_of(own) if own else None,
        "company": company_of(own) if own else None,
        "amount_rial": found.amount if found else None,
        "barcode": found.barcode if found else None,
    }


def check_digit(digits: str) -> int:
    """Modulo 11 with the weights 2 to 7 from the right, again and again; remainders 0 and 1 give 0."""
    total = sum(int(digit) * _WEIGHTS[place % len(_WEIGHTS)] for place, digit in enumerate(reversed(digits)))
    return 0 if total % 11 < 2 else 11 - total % 11


def bill_id(keyed: str) -> str | None:
    """The bill id without leading zeros, or None when it cannot be one."""
    text = _plain(keyed)
    return text if text is not None and check_digit(text[:-1]) == int(text[-1]) else None


def payment_id(keyed: str, bill: str) -> str | None:
    """The payment id of this bill (a `bill_id`) without leading zeros, or None when it cannot be one."""
    text = _plain(keyed)
    if text is None or check_digit(text[:-2]) != int(text[-2]):
        return None
    return text if check_digit(bill + text[:-1]) == int(text[-1]) else None


def service_of(bill: str) -> str:
    """The kind of bill as one digit: 1 water, 2 electricity, 3 gas, 4 landline, 5 mobile, 6 municipality, 9 traffic."""
    return bill[-2]


def company_of(bill: str) -> str:
    """The company within its service as three digits."""
    return bill[-5:-2]


def kind_of(bill: str, services: Mapping[str, str] = SERVICES) -> str:
    """The kind of bill as a word of KINDS; `other` for a service that the table does not have."""
    return services.get(service_of(bill), OTHER)


def amount_of(payment: str) -> int:
    """The amount of a payment id, in rial."""
    return int(payment[:-_NOT_AMOUNT]) * RIAL_PER_UNIT


def _plain(keyed: str) -> str | None:
    text = keyed.lstrip("0")
    return text if is_digits(text) and LEAST_DIGITS <= len(text) <= MOST_DIGITS else None
