"""What the books add up to: by day, provider and state.

Law: whole rial, and every payment counts exactly once, on the day on which it was created. A payment whose amount only
another party knows is counted and adds nothing.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date

from ivr.payments.state import Payment, State


@dataclass(frozen=True, slots=True)
class Total:
    """Of one day, provider and state: how many payments, their sum, and how many of them have no amount."""

    day: date
    provider: str
    state: State
    payments: int
    amount_rial: int
    without_amount: int


def totals(payments: Iterable[Payment], day_of: Callable[[float], date]) -> list[Total]:
    """By day, then provider, then state in the order of a payment's life."""
    found: dict[tuple[date, str, State], tuple[int, int, int]] = {}
    for payment in payments:
        key = day_of(payment.created_at), payment.provider, payment.state
        count, amount, without = found.get(key, (0, 0, 0))
        found[key] = count + 1, amount + (payment.amount_rial or 0), without + (payment.amount_rial is None)
    order = {state: place for place, state in enumerate(State)}
    return [Total(*key, *found[key]) for key in sorted(found, key=lambda key: (key[0], key[1], order[key[2]]))]
