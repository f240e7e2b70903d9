"""A call's own id, where flows write it into headers and order numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.call_id import MOST_CALL_ID, safe_call_id


@pytest.mark.parametrize(
    ("call_id", "safe"),
    [
        ("1613848397.81207", "1613848397.81207"),
        ("pbx-2_a.1613848397.81207", "pbx-2_a.1613848397.81207"),
        ("my pbx; x=1\r\nX: 1*2/3", "my-pbx--x-1--X--1-2-3"),
        ("۱.2", "-.2"),
        ("a" * 50 + ".1", "a" * 38 + ".1"),
    ],
)
def test_what_is_left(call_id: str, safe: str) -> None:
    """Asterisk's own form stays as it is; of one that is too long the end stays, which tells calls apart."""
    assert safe_call_id(call_id) == safe


@given(st.text(max_size=100))
def test_whatever_it_was(call_id: str) -> None:
    """It fits into a SIP header and an order's number."""
    safe = safe_call_id(call_id)
    assert safe.isascii() and len(safe) <= MOST_CALL_ID and all(c.isalnum() or c in ".-_" for c in safe)
