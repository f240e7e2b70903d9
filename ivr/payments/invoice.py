"""Our own record of an invoice that we had a provider make.

Law: a payment's result is believed only together with this record: the provider's answer names no amount.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Invoice:
    """What was asked for. `tracking_code` is the provider's, as text, and what the caller keys."""

    provider: str
    tracking_code: str
    amount_rial: int
    order_id: str
    created_at: float = 0.0
    """Seconds since 1970, UTC; 0.0 lets the store's clock say it."""
