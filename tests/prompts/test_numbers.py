"""Amounts are said in the libraries' own words, whatever the amount."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from num2fawords import words as persian
from num2words import num2words

from ivr.domain.errors import BadInput
from ivr.domain.money import MOST_RIAL
from ivr.prompts.numbers import LANGUAGES, MOST_NUMBER, needed, number_words, pieces

AMOUNTS = st.one_of(
    st.integers(1, 9_999),
    st.integers(1, MOST_NUMBER),
    st.builds(lambda digits, power: digits * 10**power, st.integers(1, 9_999), st.integers(0, 9)),
)

PERSIAN_VALUES = {"صد": 100} | {
    persian(number): number for number in (*range(1, 20), *range(20, 100, 10), *range(100, 1000, 100))
}
PERSIAN_SCALES = {"هزار": 10**3, "میلیون": 10**6, "میلیارد": 10**9, "بیلیون": 10**12}


@given(AMOUNTS)
def test_persian_pieces_together_are_the_words(amount: int) -> None:
    """The caller hears exactly the amount that a screen shows."""
    assert " ".join(needed("fa")[piece] for piece in pieces(amount, "fa")) == number_words(amount, "fa")


@pytest.mark.parametrize(
    ("amount", "said"),
    [
        (160_000, "صد و شصت هزار"),
        (1_000, "هزار"),
        (1_001_000, "یک میلیون و هزار"),
        (21_000, "بیست و یک هزار"),
        (101_000, "صد و یک هزار"),
    ],
)
def test_a_persian_amount_is_said_as_people_say_it(amount: int, said: str) -> None:
    """«صد» and «هزار», not a ledger's «یکصد» and «یک هزار»; "twenty-one thousand" keeps its one."""
    assert number_words(amount, "fa") == said


@given(AMOUNTS)
def test_english_pieces_together_are_the_words(amount: int) -> None:
    """The same in English, where commas and hyphens are written and not heard."""
    heard = " ".join(needed("en")[piece] for piece in pieces(amount, "en"))
    assert heard == num2words(amount).replace(",", "").replace("-", " ")


@given(AMOUNTS)
def test_persian_words_mean_the_number(amount: int) -> None:
    """The library says the amount it was given, read back by an independent reader."""
    total = group = 0
    for word in number_words(amount, "fa").replace(" و ", " ").split():
        if word in PERSIAN_SCALES:
            total, group = total + (group or 1) * PERSIAN_SCALES[word], 0
        else:
            group += PERSIAN_VALUES[word]
    assert total + group == amount


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_number_below_ten_thousand_and_every_scale_can_be_said(language: str) -> None:
    """No small amount, and no round one, meets a piece that does not exist."""
    used = {piece for number in range(1, 10_000) for piece in pieces(number, language)}
    for power in range(13):
        for digits in (1, 11, 21, 101, 999):
            if (number := digits * 10**power) <= MOST_NUMBER:
                used.update(pieces(number, language))
                used.update(pieces(min(number + 1, MOST_NUMBER), language))
    numbers = {name for name in needed(language) if name.startswith("number/")}
    assert used == numbers, "and no piece is asked of the speaker that is never played"


def test_a_persian_amount_joins_the_and_to_the_word_before() -> None:
    """«صد و» is one sound, sado."""
    assert pieces(160_000, "fa") == ("number/100_o", "number/60", "number/1000")


def test_the_largest_amount_that_is_accepted_can_be_said() -> None:
    """No amount gets past the door that the voice cannot say."""
    assert MOST_NUMBER == MOST_RIAL
    assert all(pieces(MOST_RIAL, language) for language in LANGUAGES)


@pytest.mark.parametrize("number", [0, -1, MOST_NUMBER + 1])
def test_what_is_no_amount_is_refused(number: int) -> None:
    """Nothing is said rather than something wrong."""
    with pytest.raises(BadInput):
        pieces(number, "fa")


def test_an_unknown_language_is_refused_with_the_known_ones() -> None:
    """The admin who wrote it sees what is possible."""
    with pytest.raises(BadInput, match="en, fa"):
        number_words(1, "xx")
