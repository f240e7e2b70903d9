"""Utility bills with good check digits, a new one each time."""

import itertools
from typing import Final

from ivr.domain.bills import Bill, bill_of, check_digit

_numbers: Final = itertools.count(30_971_030)


def bill(bill_id: str, payment_id: str) -> Bill:
    """The bill of these ids, which must fit."""
    found = bill_of(bill_id, payment_id)
    assert found is not None
    return found


def new_bill(thousands: int = 17) -> Bill:
    """A water bill of so many thousand rial that nobody has paid."""
    bill_id = _closed(f"{next(_numbers)}0021")
    period = _closed(f"{thousands}701")
    return bill(bill_id, period + str(check_digit(bill_id + period)))


def _closed(digits: str) -> str:
    return f"{digits}{check_digit(digits)}"
