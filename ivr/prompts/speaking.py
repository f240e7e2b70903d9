"""What a step wants said, as prompts to play or as text to read.

Law: what is read equals what is heard, except that digits stay digits on a screen. This runs while a caller waits:
amounts are cached, and nothing here looks at a disk.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from ivr.domain.digits import is_digits, to_ascii
from ivr.domain.errors import BadInput
from ivr.domain.jalali import jalali
from ivr.domain.money import rial
from ivr.domain.speech import Amount, Date, Digits, In, Mobile, Prompt, Say
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.numbers import CACHED_NUMBERS, number_words, pieces
from ivr.prompts.units import Currency, month_prompt


def speak(say: Sequence[Say], language: str, currency: Currency) -> list[str]:
    """Names of the prompts to play in order: `["pay/amount_payable", "number/100_o", …, "unit/rial"]`.

    Digits are read one by one. A character that is none is passed over: a caller who has just paid is not cut off
    because a provider wrote a dash into a reference. Raises BadInput for an amount that is none (0, or more than
    `MOST_RIAL`), for a date that is none, and for a language whose numbers we do not know.
    """
    names: list[str] = []
    for part in say:
        match part:
            case Prompt(name):
                names.append(name)
            case Amount(amount):
                names.extend(_amount(amount, language, currency)[0])
            case Digits(text):
                names.extend(_one_by_one(text))
            case Mobile(text):
                names.extend(_mobile(text, language))
            case Date(text):
                names.extend(_date(text, language))
            case In(other, prompt):
                names.extend(speak((prompt,), other, currency))
    return names


def media(say: Sequence[Say], language: str, currency: Currency) -> list[str]:
    """The same with each prompt's language in front: `["fa/pay/is", …]`, as the files are laid out."""
    if not any(isinstance(part, In) for part in say):
        return [f"{language}/{name}" for name in speak(say, language, currency)]
    files: list[str] = []
    for part in say:
        spoken = part.language if isinstance(part, In) else language
        files += [f"{spoken}/{name}" for name in speak((part,), spoken, currency)]
    return files


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
            case Digits(text) | Mobile(text):
                texts.append(text)
            case Date(text):
                year, month, day = _parts(text)
                texts.append(f"{day} {catalogue.text(language, month_prompt(month))} {year}")
            case In(other, prompt):
                texts.append(catalogue.text(other, prompt.name))
    return " ".join(texts)


@lru_cache(maxsize=CACHED_NUMBERS)
def _amount(amount: int, language: str, currency: Currency) -> tuple[tuple[str, ...], str, str]:
    """The pieces with the unit, the number in words, and the unit's prompt."""
    number, unit = currency.of(rial(amount))
    return (*pieces(number, language), unit), number_words(number, language), unit


def _one_by_one(text: str) -> list[str]:
    return [f"digit/{digit}" for digit in to_ascii(text) if digit in "0123456789"]


_GROUPED: Final = {"fa": (1, 3, 3, 2, 2)}
"""Languages in which a mobile number is read in groups (0, 912, 123, 45, 67); in others digit by digit."""


def _mobile(text: str, language: str) -> list[str]:
    digits = to_ascii(text)
    groups = _GROUPED.get(language, ())
    if not (is_digits(digits) and len(digits) == sum(groups)):
        return _one_by_one(text)
    names: list[str] = []
    for length in groups:
        group, digits = digits[:length], digits[length:]
        value = group.lstrip("0")
        names += ["digit/0"] * (length - len(value))
        names += pieces(int(value), language) if value else ()
    return names


def _parts(text: str) -> tuple[int, int, int]:
    if jalali(text) != text:
        raise BadInput("a date that is said must be a day as eight digits")
    return int(text[:4]), int(text[4:6]), int(text[6:])


def _date(text: str, language: str) -> list[str]:
    year, month, day = _parts(text)
    return [*pieces(day, language), month_prompt(month), *pieces(year, language)]
