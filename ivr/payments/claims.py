"""How the books name a payment that was asked for in a USSD session, and what its provider's callback says of it.

Law: made before the provider calls back, of what we know ourselves; what a callback brings is said beside it.
"""

from typing import Final

BETWEEN: Final = "|"
"""Stands between the parts of such a payment's transaction id."""

THEIR_FACTOR: Final = "their_factor"
RRN: Final = "rrn"
"""What a callback says, by name: the provider's own id of the factor, and the bank's number of the payment."""


def ussd_transaction(session: str, mobile: str) -> str:
    """The transaction id of a payment of this session; `mobile` is 09…"""
    return f"{session}{BETWEEN}{mobile}"
