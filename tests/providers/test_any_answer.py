"""Whatever a provider answers: no crash, no approval that it did not give, and nothing of the card in what is kept."""

import json
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.domain.errors import OutcomeUnknown
from ivr.domain.operations import Outcome
from ivr.domain.secret import Secret
from ivr.providers import wire
from ivr.providers.mellat_answers import of_otp, of_payment
from ivr.providers.mellat_codes import DECLINES
from ivr.runtime.http_client import HttpAnswer

CARD, OTP = Secret("6219861034529007"), Secret("48151623")

TEXTS: Final = st.sampled_from(
    [
        "1",
        "0",
        "۱",
        "51",
        "55",
        "80",
        "99",
        "",
        " 1 ",
        "214365870912",
        "AF82D2",
        CARD.reveal(),
        OTP.reveal(),
        "خطا",
        "1.5",
    ]
)
SCALARS: Final = TEXTS | st.integers(-2, 100) | st.booleans() | st.none() | st.floats(allow_nan=False)
NAMES: Final = st.sampled_from(
    ["status", "status ", "data", "data ", "refID", "refId", "transactionStatus", "errors", "error", "code", "x"]
)
VALUES: Final = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=8
)
ANSWERS: Final = st.builds(
    lambda status, document: HttpAnswer(status, json.dumps(document).encode()),
    st.sampled_from([200, 200, 200, 201, 400, 401, 403, 422, 500, 302]),
    st.dictionaries(NAMES, VALUES, max_size=5) | VALUES,
)


def says_one(answer: HttpAnswer) -> bool:
    """Whether the answer's own `status` is 1, in any of its forms. A body that is doubted says nothing."""
    return wire.is_one(wire.read(answer).get("status"))


@settings(max_examples=400, deadline=None)
@given(ANSWERS)
def test_a_payment_is_approved_or_declined_only_when_the_bank_says_so(answer: HttpAnswer) -> None:
    """Approved: `status` 1. Declined: a code that proves it, or a request that met no bank."""
    try:
        reply = of_payment(answer, CARD, OTP)
    except OutcomeUnknown:
        return
    if reply.outcome is Outcome.APPROVED:
        assert answer.status < 300 and says_one(answer) and reply.reference
    elif reply.outcome is Outcome.DECLINED:
        assert not says_one(answer)
        assert (reply.code in DECLINES and DECLINES[str(reply.code)].exit == reply.exit) or answer.status >= 400
    else:
        assert reply.outcome is Outcome.UNKNOWN and reply.exit == "unknown"
    kept = f"{reply.code} {reply.values} {reply.reference}"
    assert CARD.reveal() not in kept and OTP.reveal() not in kept


@settings(max_examples=200, deadline=None)
@given(ANSWERS)
def test_a_password_is_on_its_way_only_when_the_gateway_says_so(answer: HttpAnswer) -> None:
    """`ok` is `status` 1 without an error."""
    try:
        reply = of_otp(answer, CARD)
    except OutcomeUnknown:
        return
    assert (reply.exit == "ok") == says_one(answer)
    assert CARD.reveal() not in f"{reply.code} {reply.values}"


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200), st.integers(200, 599))
def test_bytes_are_never_an_approval(body: bytes, status: int) -> None:
    """Noise on the line is unknown, or at most a request that was turned away."""
    try:
        reply = of_payment(HttpAnswer(status, body), CARD, OTP)
    except OutcomeUnknown:
        return
    assert reply.outcome is not Outcome.APPROVED
