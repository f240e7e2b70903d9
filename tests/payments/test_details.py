"""What may stand beside a line of the journal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.errors import BadInput
from ivr.payments.details import MOST_DETAILS, MOST_NAME, MOST_VALUE, check_details, is_storable, plain

CARD = "6037701689095443"
GROUPED = "6037-7016-8909-5443"


@pytest.mark.parametrize("value", [CARD, f"card {CARD}.", GROUPED, "6037 7016 8909 5443", "۶۰۳۷۷۰۱۶۸۹۰۹۵۴۴۳"])
def test_a_card_number_is_refused_and_not_repeated(value: str) -> None:
    """However it came there: it reaches neither the disk nor the error's text."""
    with pytest.raises(BadInput) as refused:
        check_details({"reason": value})
    assert "reason" in str(refused.value)
    assert "7016" not in str(refused.value)


@pytest.mark.parametrize("value", ["6219861034529008", "1" + CARD, "65843148", "۱۶۰۰۰۰", ""])
def test_other_numbers_are_not_card_numbers(value: str) -> None:
    """References, invoice ids and longer numbers stay as they came."""
    check_details({"reference": value})
    assert plain({"reference": value}) == {"reference": value}


@pytest.mark.parametrize(
    "details",
    [
        {str(n): "" for n in range(MOST_DETAILS + 1)},
        {"n" * (MOST_NAME + 1): ""},
        {"reason": "x" * (MOST_VALUE + 1)},
        {"reason": "\ud800"},
        {"code": 51},
    ],
)
def test_details_are_few_short_texts(details: dict[str, str]) -> None:
    """The journal does not grow by what a provider likes to say."""
    with pytest.raises(BadInput):
        check_details(details)


def test_the_longest_is_allowed() -> None:
    """The bounds themselves are inside."""
    check_details({"n" * (MOST_NAME - 1) + str(n): "x" * MOST_VALUE for n in range(MOST_DETAILS)})


def test_plain_keeps_first_six_and_last_four() -> None:
    """A card number in a provider's text leaves what may be kept of it."""
    assert plain({"reason": f"a {GROUPED} b", "code": None}) == {"reason": "a 603770••••••5443 b"}


@given(st.dictionaries(st.text(), st.none() | st.text() | st.sampled_from([CARD, CARD * 20, "\ud800", GROUPED * 12])))
def test_what_is_plain_is_always_accepted(details: dict[str, str | None]) -> None:
    """No answer of a provider, however strange, keeps an approved payment out of the journal."""
    check_details(plain(details))
    assert all(is_storable(value) for value in plain(details).values())
