"""What a USSD network and we call things between us."""

from typing import Final

from ivr.domain.errors import BadInput

BETWEEN: Final = "|"
"""Stands between the parts of a claim."""
MOST_SESSION_ID: Final = 64
PAYMENT: Final = "9900"
"""How a network is told to take money."""


def payment_line(invoice_id: str, amount_rial: int) -> str:
    """What is answered to have the payer of this invoice sent a link; it ends the session."""
    return f"{PAYMENT}|{invoice_id}|{amount_rial}"


def is_payment_line(text: str) -> bool:
    """Whether this is such an answer."""
    return text.startswith(f"{PAYMENT}|")


def claim(session: str, mobile: str) -> str:
    """How our books name a payment that a payer has been sent a link for: `session|09121234567`.

    Raises BadInput for a session's name that cannot be told from the rest.
    """
    if not is_session_id(session):
        raise BadInput("a USSD session's name cannot be kept")
    return f"{session}{BETWEEN}{mobile}"


def is_session_id(text: str) -> bool:
    """Whether it is a name that can be kept: printable ASCII without spaces and without `|`."""
    return 1 <= len(text) <= MOST_SESSION_ID and all("!" <= letter <= "~" and letter != BETWEEN for letter in text)
