"""Whatever POD or iNoti answers: no crash, and no bill and no payment that it did not name."""

import json
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.domain.errors import OutcomeUnknown
from ivr.providers import pod_wire
from ivr.providers.inoti import Claim
from ivr.providers.inoti_wire import payment_records
from ivr.runtime.http_client import HttpAnswer

SCALARS: Final = st.one_of(
    st.sampled_from(
        ["false", "true", "0", "180", "۱۸۰", "7748317800142", "1770160", "SERVICE_BILL_ACCEPTED", "{", "[]"]
    ),
    st.sampled_from(["123", "09121234567", "160000.0", "42", "7654321", "123456789012"]),
    st.integers(-2, 10**19),
    st.booleans(),
    st.none(),
    st.floats(),
    st.text(max_size=8),
)
NAMES: Final = st.sampled_from(
    [
        *("hasError", "HASERROR ", "errorCode", "result", "Result", "statusCode", "count"),
        *("id", "billId", "paymentId", "price", "status", "cancelDate", "cacelDate", "uniqueNumber", "invoice"),
        *("PayID", "SessionID", "Mobile", "Price", "PayDateTime", "InotiFactorID", "YourFactorID", "RRN", "rrn"),
    ]
)
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES, inner, max_size=6)
        | st.dictionaries(NAMES, inner, max_size=4).map(json.dumps)
    ),
    max_leaves=12,
)
STATUSES: Final = st.sampled_from([200, 200, 200, 400, 401, 403, 500])


@settings(max_examples=400, deadline=None)
@given(st.dictionaries(NAMES, VALUES, max_size=6) | VALUES, STATUSES)
def test_pod_says_yes_only_without_an_error(document: object, status: int) -> None:
    """A result is one that no error stands beside, outside or inside; its bills are read or refused whole."""
    try:
        said = pod_wire.envelope(HttpAnswer(status, json.dumps(document).encode()))
        records = pod_wire.bill_records(said.result, "uniqueNumber")
    except OutcomeUnknown:
        return
    assert said.error is None or not records
    if records:
        assert status == 200 and isinstance(document, dict)
        failed = next((value for name, value in document.items() if name.strip().lower() == "haserror"), False)
        assert failed in (False, 0, "false", "0", None)
    for record in records:
        assert record.amount_rial is None or record.amount_rial > 0
        assert all(isinstance(text, str) for text in (record.id, record.status, record.unique_number))
    assert all(link.startswith("http") for link in pod_wire.links(said.result))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(200, 599))
def test_bytes_are_no_bill(body: bytes, status: int) -> None:
    """Noise on the line is unknown, or at most a request that was turned away at the door."""
    try:
        said = pod_wire.envelope(HttpAnswer(status, body))
    except OutcomeUnknown:
        return
    assert said.error is not None


@settings(max_examples=400, deadline=None)
@given(VALUES.map(json.dumps) | st.text(max_size=60))
def test_inoti_proves_a_payment_only_with_every_value(text: str) -> None:
    """Each of the six stands in the answer, or nothing is proven."""
    claim = Claim("123", "09121234567", 160000, "42", "7654321", "123456789012")
    try:
        records = payment_records(text, "[]")
    except OutcomeUnknown:
        return
    if any(claim.is_of(record) for record in records):
        assert all(each in text for each in ("123", "9121234567", "160000", "42", "7654321", "123456789012"))
