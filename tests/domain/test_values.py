"""Digits, amounts, telephone numbers and secrets: what is taken, what is refused, what never shows."""

import copy
import json
import pickle
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.digits import is_digits, to_ascii
from ivr.domain.errors import BadInput
from ivr.domain.money import MOST_RIAL, rial
from ivr.domain.phone import caller_number, mobile
from ivr.domain.secret import MASK, Secret
from ivr.flow.events import Digit


@pytest.mark.parametrize("text", ["۰۱۲۳۴۵۶۷۸۹", "٠١٢٣٤٥٦٧٨٩", "0123456789"])
def test_every_way_of_writing_digits(text: str) -> None:
    """Persian and Arabic keyboards write the same number."""
    assert to_ascii(text) == "0123456789" and is_digits(to_ascii(text))


@pytest.mark.parametrize("text", ["", "²", "۲", "1 2", "-1", "1.0", "0x1", "1_0", "١", "1\n"])
def test_what_is_no_digits(text: str) -> None:
    """Only 0-9 leave this house as digits."""
    assert not is_digits(text)


@pytest.mark.parametrize("value", [160000, "160000", " 160,000 ", "۱۶۰۰۰۰", "۱۶۰٬۰۰۰", "000160000"])
def test_an_amount_as_people_and_providers_write_it(value: object) -> None:
    """One amount, however it came."""
    assert rial(value) == 160000


@pytest.mark.parametrize(
    "value", [0, -1, MOST_RIAL + 1, "9" * 21, "0" * 21 + "1", "", "-1", "1.5", 1.5, True, None, b"1", "1e3", "١٫٥", "½"]
)
def test_what_is_no_amount(value: object) -> None:
    """Nothing is rounded, guessed or cut."""
    with pytest.raises(BadInput, match="an amount must be"):
        rial(value)


@given(st.one_of(st.integers(), st.text(), st.floats(), st.none(), st.binary()))
def test_an_amount_is_whole_and_within_bounds_or_refused(value: object) -> None:
    """Whatever a provider sends."""
    with suppress(BadInput):
        assert 1 <= rial(value) <= MOST_RIAL


@pytest.mark.parametrize(
    "written", ["09121234567", "9121234567", "+989121234567", "00989121234567", "989121234567", " ۰۹۱۲۱۲۳۴۵۶۷ "]
)
def test_one_mobile_number(written: str) -> None:
    """All ways of writing it are one number."""
    assert mobile(written) == "09121234567"


@pytest.mark.parametrize(
    "written", ["", "0", "09802002580", "02142473000", "091212345678", "+09121234567", "0912*", "0912१२३४५६७"]
)
def test_what_is_no_mobile_number(written: str) -> None:
    """A landline, a digit too many, a star."""
    assert mobile(written) is None


@pytest.mark.parametrize(
    ("raw", "number"),
    [
        (None, None),
        ("", None),
        ("anonymous", None),
        ("Unavailable", None),
        ("+", None),
        ("1", None),
        ("1" * 16, None),
        ("0912*1", None),
        ('0912"<sip:x>', None),
        ("0912\r\nX: y", None),
        ("++98912", None),
        (" 09121234567 ", "09121234567"),
        ("+989121234567", "+989121234567"),
        ("۰۹۱۲", "0912"),
        ("1" * 15, "1" * 15),
    ],
)
def test_the_caller_s_number(raw: str | None, number: str | None) -> None:
    """Digits, or withheld: nothing else goes on into headers, logs and providers."""
    assert caller_number(raw) == number


def test_a_secret_shows_nowhere() -> None:
    """Whoever prints, formats, logs, pickles or serialises it by accident learns nothing."""
    secret = Secret("6037701689095443")
    assert {f"{secret}", f"{secret:>30}", str(secret)} == {MASK} and "6037" not in repr(secret)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps({"card": secret})
    assert copy.deepcopy([secret])[0] is secret
    assert "5" not in repr(Digit("5"))


def test_secrets_are_equal_by_their_text_and_never_to_a_text() -> None:
    """A mistake in comparing fails, and does not match."""
    assert Secret("1") == Secret("1") and hash(Secret("1")) == hash(Secret("1")) and Secret("1") != Secret("2")
    assert Secret("1") != "1" and len(Secret("12")) == 2 and not Secret("") and Secret("12").reveal() == "12"
