"""Whatever a flow says fits the screen of any telephone, whole."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.screens import GSM, GSM_EXTENSION, LEAST, Limits, Page, Screen, is_gsm, length, paged

FORWARD, BACK = "ادامه", "برگشت"
LATIN = ("more", "back")


def pages(screen: Screen, limits: Limits = Limits(), words: tuple[str, str] = (FORWARD, BACK)) -> list[Page]:  # noqa: B008
    return paged(screen, limits, *words, lambda line: False)


def content(found: list[Page], words: tuple[str, str]) -> list[str]:
    """What stands on each page but for the ways on and back."""
    texts = []
    for page in found:
        lines = page.text.split("\n")
        if page.back is not None:
            assert lines.pop() == f"{page.back}) {words[1]}"
        if page.forward is not None:
            assert lines.pop() == f"{page.forward}) {words[0]}"
        texts.append("\n".join(lines))
    return texts


def squeezed(text: str) -> str:
    """Without the blanks and line breaks at which it may be broken."""
    return text.replace(" ", "").replace("\n", "")


# -- characters --------------------------------------------------------------------------------------------------------


def test_the_alphabet_of_seven_bits() -> None:
    """Each of its 127 characters (the escape is none) counts once; those behind the escape twice."""
    assert len(GSM) == 127 and not GSM & GSM_EXTENSION and len(GSM_EXTENSION) == 10
    assert length("".join(GSM)) == 127 and length("".join(GSM_EXTENSION)) == 20
    assert length("10 €") == 5 and is_gsm("[a|b]") and length("[a|b]") == 8


def test_one_persian_letter_makes_the_screen_short() -> None:
    """Then every character takes sixteen bits, and one outside of the first plane twice that."""
    limits = Limits()
    assert limits.fits("a" * 182) and not limits.fits("a" * 183)
    assert limits.fits("€" * 91) and not limits.fits("€" * 91 + "a")
    assert limits.fits("س" * 80) and not limits.fits("س" * 81)
    assert limits.fits("a" * 79 + "س") and not limits.fits("a" * 80 + "س")
    assert length("س€") == 2 and length("😀") == 2 and limits.fits("😀" * 40) and not limits.fits("😀" * 41)


# -- pages -------------------------------------------------------------------------------------------------------------


def test_what_fits_is_one_page() -> None:
    """Title, text and choices, a line each; nothing leads on."""
    [page] = pages(Screen("فاکتور", "۱۶۰,۰۰۰ ریال", [("1", "پرداخت"), ("0", "انصراف")]))
    assert page.text == "فاکتور\n۱۶۰,۰۰۰ ریال\n1) پرداخت\n0) انصراف"
    assert (page.forward, page.back, page.offered) == (None, None, frozenset({"1", "0"}))


def test_long_texts_are_broken_between_sentences() -> None:
    """And where a sentence is too long, between words; where a word is, between its letters."""
    first, second = "The first sentence stands here.", "And the second one stands on the next page."
    found = pages(Screen(body=f"{first} {second}"), Limits(60, 60), LATIN)
    assert [page.text for page in found] == [f"{first}\n9) more", f"{second}\n8) back"]
    words = content(pages(Screen(body="some words " * 20), Limits(60, 60), LATIN), LATIN)
    assert all(set(text.split()) == {"some", "words"} for text in words)
    assert "".join(content(pages(Screen(body="x" * 200), Limits(60, 60), LATIN), LATIN)) == "x" * 200


def test_a_choice_is_taken_only_where_it_was_read() -> None:
    """It stands whole on one page; what stands on later pages is not offered yet, what was read before still is."""
    choices = [(str(number), f"choice number {number}") for number in range(1, 8)]
    found = pages(Screen("Choose", "", choices), Limits(60, 60), LATIN)
    assert len(found) > 2
    for number, page in enumerate(found):
        for line, text in choices:
            read = any(f"{line}) {text}" in before.text.split("\n") for before in found[: number + 1])
            assert (line in page.offered) == read
    assert found[-1].offered == {line for line, _ in choices}


@pytest.mark.parametrize(
    ("taken", "forward", "back"),
    [(set[str](), "9", "8"), ({"9"}, "99", "8"), ({"9", "99", "8"}, "999", "88")],
)
def test_the_ways_on_are_no_answers(taken: set[str], forward: str, back: str) -> None:
    """What means an answer to the question, or is a choice, turns no page."""
    for screen, asked in (
        (Screen(body="text " * 50), taken),
        (Screen("", "text " * 50, [(line, "x") for line in taken]), set[str]()),
    ):
        found = paged(screen, Limits(60, 60), *LATIN, asked.__contains__)
        assert (found[0].forward, found[0].back, found[1].forward, found[1].back) == (forward, None, forward, back)
        assert found[-1].forward is None and found[-1].back == back


LETTERS = st.sampled_from([*"abc. \n\n  ؟!سلام‌۱۲€[]^😀é", "word ", "واژه ", "جمله‌ای بلند است. ", "A sentence. "])
TEXTS = st.lists(LETTERS, max_size=200).map("".join)
WORDS = st.lists(LETTERS, max_size=60).map("".join).map(lambda text: " ".join(text.split()))
CHOICES = st.lists(WORDS, max_size=9).map(lambda all_: [(str(number + 1), text) for number, text in enumerate(all_)])


@given(
    TEXTS, WORDS, CHOICES, st.integers(LEAST, 200), st.integers(LEAST, 200), st.sampled_from([LATIN, (FORWARD, BACK)])
)
def test_nothing_is_ever_cut(
    body: str, title: str, choices: list[tuple[str, str]], gsm: int, ucs2: int, words: tuple[str, str]
) -> None:
    """Whatever is said: every page fits, together they say all of it in its order, and each page can be reached."""
    limits, screen = Limits(gsm, ucs2), Screen(title, body, choices)
    found = paged(screen, limits, *words, lambda line: False)
    for page in found:
        assert limits.fits(page.text), page.text
    whole = "\n".join([title, body, *(f"{line}) {text}" for line, text in choices)])
    assert squeezed("".join(content(found, words))) == squeezed(whole)
    assert all((page.forward is None) == (page is found[-1]) for page in found)
    assert all((page.back is None) == (page is found[0]) for page in found)


@given(TEXTS, CHOICES, st.sampled_from([LATIN, (FORWARD, BACK)]))
def test_choices_stand_whole(body: str, choices: list[tuple[str, str]], words: tuple[str, str]) -> None:
    """One that fits a page at all with both ways on is on one page, in a line of its own."""
    limits = Limits()
    found = paged(Screen("", body, choices), limits, *words, lambda line: False)
    ways = "\n".join(("999) " + words[0], "888) " + words[1]))
    for line, text in choices:
        shown = f"{line}) {text}"
        if limits.fits(f"{shown}\n{ways}"):
            assert any(shown in page.text.split("\n") for page in found)
