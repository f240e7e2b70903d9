"""How long a text is on a telephone's screen: GSM 03.38's seven bits where they can write it, UCS-2 where not.

Law: a text is counted in one alphabet; one letter outside GSM 03.38 brings all of it to UCS-2.
"""

from dataclasses import dataclass
from typing import Final, Literal

Alphabet = Literal["gsm7", "ucs2"]

BASIC: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ"
    " !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""One character each."""
EXTENSION: Final = frozenset("\f^{}\\[~]|€")
"""Two each: the escape, and the character."""


@dataclass(frozen=True, slots=True)
class Limits:
    """The most that a screen holds: 160 octets, written in either alphabet."""

    gsm7: int = 182
    ucs2: int = 80

    def of(self, alphabet: Alphabet) -> int:
        """In characters of this alphabet."""
        return self.gsm7 if alphabet == "gsm7" else self.ucs2


def alphabet_of(text: str) -> Alphabet:
    """The alphabet that the network writes this text in."""
    return "gsm7" if BASIC.union(EXTENSION).issuperset(text) else "ucs2"


def length(text: str, alphabet: Alphabet) -> int:
    """In characters as the network counts them; UCS-2 has two for what lies outside its first plane."""
    if alphabet == "gsm7":
        return len(text) + sum(character in EXTENSION for character in text)
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text: str, most: int, alphabet: Alphabet) -> str:
    """As much of the beginning as a screen of so many characters takes."""
    used = 0
    for place, character in enumerate(text):
        used += length(character, alphabet)
        if used > most:
            return text[:place]
    return text
