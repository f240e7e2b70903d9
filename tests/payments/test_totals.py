"""What the books add up to."""

from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.days import day_of
from ivr.payments.state import Payment, State
from ivr.payments.totals import Total, totals


def payment(at: float, amount: int | None, state: State = State.APPROVED, provider: str = "a") -> Payment:
    return Payment("p", "c", provider, "i", None, amount, state, created_at=at)


def test_by_day_provider_and_state() -> None:
    """Days as in Tehran, states in the order of a payment's life; an unknown amount counts and adds nothing."""
    midnight = 1_742_502_600.0  # 2025-03-21 in Tehran, the first day of 1404
    found = totals(
        [
            payment(midnight, 500, State.UNKNOWN),
            payment(midnight, 1000),
            payment(midnight - 0.001, 70),
            payment(midnight, None),
            payment(midnight, 5, provider="b"),
        ],
        day_of,
    )
    assert found == [
        Total(date(2025, 3, 20), "a", State.APPROVED, 1, 70, 0),
        Total(date(2025, 3, 21), "a", State.APPROVED, 2, 1000, 1),
        Total(date(2025, 3, 21), "a", State.UNKNOWN, 1, 500, 0),
        Total(date(2025, 3, 21), "b", State.APPROVED, 1, 5, 0),
    ]


_PAYMENTS = st.builds(
    payment,
    st.floats(0, 2e9),
    st.none() | st.integers(1, 10**13 - 1),
    st.sampled_from(State),
    st.sampled_from(["a", "b"]),
)


@given(st.lists(_PAYMENTS))
def test_nothing_is_lost_or_counted_twice(payments: list[Payment]) -> None:
    """To the last rial, however large."""
    found = totals(payments, day_of)
    assert sum(total.payments for total in found) == len(payments)
    assert sum(total.amount_rial for total in found) == sum(payment.amount_rial or 0 for payment in payments)
