"""What a step wants said becomes prompts to play and text to read."""

from pathlib import Path

import pytest

from ivr.domain.errors import BadInput
from ivr.domain.speech import Amount, Date, Digits, In, Mobile, Prompt, Say
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.speaking import media, speak, words
from ivr.prompts.units import Currency

CATALOGUE = Catalogue.load(Path(__file__).parents[2] / "prompts")

TOTAL: list[Say] = [Prompt("pay/amount_payable"), Amount(160_000), Prompt("pay/is")]


def test_the_amount_is_said_between_its_words() -> None:
    """«مبلغ قابل پرداخت صد و شصت هزار ریال می‌باشد.»"""
    assert speak(TOTAL, "fa", Currency.RIAL) == [
        "pay/amount_payable",
        "number/100_o",
        "number/60",
        "number/1000",
        "unit/rial",
        "pay/is",
    ]
    assert words(CATALOGUE, TOTAL, "fa", Currency.RIAL) == "مبلغ قابل پرداخت صد و شصت هزار ریال می‌باشد."
    assert (
        words(CATALOGUE, TOTAL, "en", Currency.RIAL) == "Amount payable: one hundred and sixty thousand rials in total."
    )


def test_an_amount_in_toman_is_a_tenth() -> None:
    """160000 rial are sixteen thousand toman."""
    assert speak([Amount(160_000)], "fa", Currency.TOMAN) == ["number/16", "number/1000", "unit/toman"]
    assert words(CATALOGUE, [Amount(160_000)], "fa", Currency.TOMAN) == "شانزده هزار تومان"


def test_an_amount_that_is_no_whole_toman_is_said_in_rial() -> None:
    """No rial is lost by rounding."""
    assert speak([Amount(15)], "en", Currency.TOMAN) == ["number/15", "unit/rial"]


def test_digits_are_read_one_by_one_and_shown_as_they_are() -> None:
    """A reference with a dash or in Persian digits is read out, and not cut off."""
    reference = Digits("۱2-3٤")
    assert speak([reference], "fa", Currency.RIAL) == ["digit/1", "digit/2", "digit/3", "digit/4"]
    assert words(CATALOGUE, [reference], "fa", Currency.RIAL) == "۱2-3٤"


def test_everything_spoken_is_in_the_catalogue() -> None:
    """No playback asks for a file that is never built."""
    say: list[Say] = [Amount(9_876_543_212_345), Amount(1_001_001), Digits("0123456789")]
    for language in CATALOGUE.languages:
        for currency in Currency:
            assert set(speak(say, language, currency)) <= CATALOGUE.names(language)


def test_an_amount_of_nothing_is_refused() -> None:
    """Nobody is asked to pay 0 rial."""
    with pytest.raises(BadInput):
        speak([Amount(0)], "fa", Currency.RIAL)


def test_a_prompt_that_is_not_there_is_named() -> None:
    """The simulator says which."""
    with pytest.raises(BadInput, match="pay/nothing"):
        words(CATALOGUE, [Prompt("pay/nothing")], "fa", Currency.RIAL)


@pytest.mark.parametrize(
    ("number", "language", "names"),
    [
        (
            "09121030045",
            "fa",
            "digit/0 number/900_o number/12 number/100_o number/3 digit/0 digit/0 number/40_o number/5",
        ),
        ("09120", "fa", "digit/0 digit/9 digit/1 digit/2 digit/0"),
        ("0912-1", "en", "digit/0 digit/9 digit/1 digit/2 digit/1"),
    ],
)
def test_a_mobile_number_is_read_as_people_read_it(number: str, language: str, names: str) -> None:
    """In Persian in groups, in English digit by digit; what is no mobile number is read digit by digit as well."""
    assert speak([Mobile(number)], language, Currency.RIAL) == names.split()


def test_a_day() -> None:
    """Day, month, year; and as a text."""
    assert speak([Date("14031230")], "fa", Currency.RIAL) == [
        *("number/30", "month/12", "number/1000_o", "number/400_o", "number/3")
    ]

    assert words(CATALOGUE, [Date("14031230")], "fa", Currency.RIAL) == "30 اسفند 1403"
    assert words(CATALOGUE, [Date("14040101")], "en", Currency.RIAL) == "1 Farvardin 1404"
    with pytest.raises(BadInput, match="a date that is said"):
        speak([Date("14021230")], "fa", Currency.RIAL)


def test_a_prompt_in_another_language() -> None:
    """Each language of a choice is offered in itself, beside words in the call's own."""
    say: list[Say] = [Prompt("pay/is"), In("en", Prompt("language/choose_en")), Mobile("1")]
    assert media(say, "fa", Currency.RIAL) == ["fa/pay/is", "en/language/choose_en", "fa/digit/1"]
    assert media(say[:1], "fa", Currency.RIAL) == ["fa/pay/is"]
    assert speak(say, "fa", Currency.RIAL) == ["pay/is", "language/choose_en", "digit/1"]
    assert words(CATALOGUE, say[1:], "fa", Currency.RIAL) == "For English, press two. 1"
