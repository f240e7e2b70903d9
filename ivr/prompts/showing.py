"""What is said, as a screen shows it: short, and numbers in digits."""

from collections.abc import Mapping, Sequence

from ivr.domain.errors import BadInput
from ivr.domain.money import rial
from ivr.domain.speech import Amount, Date, Digits, In, Mobile, Prompt, Say, Text
from ivr.prompts.units import Currency

Texts = Mapping[str, Mapping[str, str]]
"""Language -> prompt -> what a screen shows for it."""


def show(texts: Texts, say: Sequence[Say], language: str, currency: Currency) -> str:
    """One line. Raises BadInput for a prompt that has no text."""
    return " ".join(word for part in say if (word := _shown(texts, part, language, currency)))


def _shown(texts: Texts, part: Say, language: str, currency: Currency) -> str:
    match part:
        case Prompt(name):
            return _text(texts, name, language)
        case Amount(amount):
            number, unit = currency.of(rial(amount))
            return f"{number:,} {_text(texts, unit, language)}"
        case Digits(text) | Mobile(text) | Text(text):
            return text
        case Date(text):
            return f"{text[:4]}/{text[4:6]}/{text[6:]}"
        case In(other, Prompt(name)):
            return _text(texts, name, other)


def _text(texts: Texts, name: str, language: str) -> str:
    text = texts.get(language, {}).get(name)
    if text is None:
        raise BadInput(f"there is no prompt {name!r} in language {language!r} for a screen")
    return text
