"""What a step wants said, as prompts to play or as text to read.

Law: what is read equals what is heard, except that digits stay digits on a screen. This runs while a caller waits:
amounts are cached, and nothing here looks at a disk.
"""

from collections.abc import Sequence
from functools import lru_cache

from ivr.domain.digits import to_ascii
from ivr.domain.money import rial
from ivr.domain.speech import Amount, Digits, Prompt, Say
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.numbers import CACHED_NUMBERS, number_words, pieces
from ivr.prompts.units import Currency


def speak(say: Sequence[Say], language: str, currency: Currency) -> list[str]:
    """Names of the prompts to play in order: `["pay/amount_payable", "number/100_o", …, "unit/rial"]`.

    Digits are read one by one. A character that is none is passed over: a caller who has just paid is not cut off
    because a provider wrote a dash into a reference. Raises BadInput for an amount that is none (0, or more than
    `MOST_RIAL`) and for a language whose numbers we do not know.
    """
    names: list[str] = []
    for part in say:
        match part:
            case Prompt(name):
                names.append(name)
            case Amount(amount):
                names.extend(_amount(amount, language, currency)[0])
            case Digits(text):
                names.extend(f"digit/{digit}" for digit in to_ascii(text) if digit in "0123456789")
    return names


def words(catalogue: Catalogue, say: Sequence[Say], language: str, currency: Currency) -> str:
    """The same as one line of text, for a transcript, a screen or the simulator.

    Digits are shown as they came. Raises BadInput as `speak` does, and for a prompt that the catalogue does not have.
    """
    texts: list[str] = []
    for part in say:
        match part:
            case Prompt(name):
                texts.append(catalogue.text(language, name))
            case Amount(amount):
                _, number, unit = _amount(amount, language, currency)
                texts.append(f"{number} {catalogue.text(language, unit)}")
            case Digits(text):
                texts.append(text)
    return " ".join(texts)


@lru_cache(maxsize=CACHED_NUMBERS)
def _amount(amount: int, language: str, currency: Currency) -> tuple[tuple[str, ...], str, str]:
    """The pieces with the unit, the number in words, and the unit's prompt."""
    number, unit = currency.of(rial(amount))
    return (*pieces(number, language), unit), number_words(number, language), unit
