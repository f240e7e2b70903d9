"""Numbers in words, and as the recorded pieces that say them.

Law: the words are the libraries' own (num2fawords, num2words), but for «صد» and «هزار». A piece is one word, or
one word with the "and" that follows it ("صد و" is spoken as one sound, "sado"), and the pieces' texts, joined by
spaces, are those words again.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Final

from num2fawords import words as persian
from num2words import num2words

from ivr.domain.errors import BadInput

MOST_NUMBER: Final = 10**13 - 1
"""The largest number that can be said; the largest amount that is accepted is the same."""

CACHED_NUMBERS: Final = 4096
"""So many numbers are kept in pieces: a merchant's prices repeat."""

_SMALL: Final = (*range(1, 20), *range(20, 100, 10))
_SCALES: Final = (10**3, 10**6, 10**9, 10**12)
_DIGIT_COUNT: Final = 10


@dataclass(frozen=True, slots=True)
class _Grammar:
    """How a language builds numbers: its words, its "and", and what the names of joined pieces end in."""

    words: Callable[[int], str]
    conjunction: str
    suffix: str
    simple: Mapping[str, int]
    """Word -> the number that names its piece."""
    joined: tuple[int, ...]
    """Which of them are ever followed by the conjunction."""


def number_words(number: int, language: str) -> str:
    """The number as text for a screen: `صد و شصت هزار`, `one hundred and sixty thousand`.

    0 to MOST_NUMBER; raises BadInput for anything else and for a language whose numbers we do not know.
    """
    _in_range(number)
    return _grammar(language).words(number)


@lru_cache(maxsize=CACHED_NUMBERS)
def pieces(number: int, language: str) -> tuple[str, ...]:
    """Names of the recordings that say the number, e.g. `("number/100_o", "number/60", "number/1000")`.

    1 to MOST_NUMBER; raises BadInput as `number_words` does, and for 0.
    """
    _in_range(number)
    if number == 0:
        raise BadInput("nothing is ever said to cost 0")
    grammar = _grammar(language)
    names: list[str] = []
    for word in _plain(grammar.words(number)).split():
        if word == grammar.conjunction:
            names[-1] += grammar.suffix
        else:
            names.append(f"number/{grammar.simple[word]}")
    return tuple(names)


@cache
def needed(language: str) -> Mapping[str, str]:
    """Every number piece and digit that the language's catalogue must hold: name -> its text."""
    grammar = _grammar(language)
    words = {number: word for word, number in grammar.simple.items()}
    texts = {f"number/{number}": word for number, word in words.items()}
    for number in grammar.joined:
        texts[f"number/{number}{grammar.suffix}"] = f"{words[number]} {grammar.conjunction}"
    texts |= {f"digit/{digit}": grammar.words(digit) for digit in range(_DIGIT_COUNT)}
    return texts


def _in_range(number: int) -> None:
    if not 0 <= number <= MOST_NUMBER:
        raise BadInput(f"a number that is said must be between 0 and {MOST_NUMBER}")


def _plain(words: str) -> str:
    """Without the commas and hyphens that are written but not heard."""
    return words.replace(",", "").replace("-", " ")


def _english(number: int) -> str:
    return str(num2words(number, lang="en"))


def _persian(number: int) -> str:
    """As people say it: «صد» and «هزار» where the library writes «یکصد» and, for exactly one thousand, «یک هزار»."""
    written = str(persian(number)).replace("یکصد", "صد")
    return written.replace("یک هزار", "هزار") if number // 1000 % 1000 == 1 else written


def _build_persian() -> _Grammar:
    hundreds = range(100, 1000, 100)
    simple = {_persian(number): number for number in (*_SMALL, *hundreds)}
    simple |= {_persian(scale).split()[-1]: scale for scale in _SCALES}
    return _Grammar(_persian, "و", "_o", simple, joined=(*range(20, 100, 10), *hundreds, *_SCALES))


def _build_english() -> _Grammar:
    simple = {_english(number): number for number in _SMALL}
    simple |= {_english(scale).split()[-1]: scale for scale in (100, *_SCALES)}
    return _Grammar(_english, "and", "_and", simple, joined=(100, *_SCALES))


_BUILDERS: Final[Mapping[str, Callable[[], _Grammar]]] = {"en": _build_english, "fa": _build_persian}

LANGUAGES: Final = tuple(_BUILDERS)
"""The languages whose numbers we can say."""


@cache
def _grammar(language: str) -> _Grammar:
    if language not in _BUILDERS:
        raise BadInput(f"numbers cannot be said in {language!r}; known languages: {', '.join(LANGUAGES)}")
    return _BUILDERS[language]()
