"""What fits on the screen of any telephone, and how what does not fit is spread over pages.

Law: nothing is ever cut off. A text that is too long goes on on the next page, broken at a line, a sentence or a word;
a choice stands whole on one page where that is possible at all.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

GSM: Final = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿"
    "abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""GSM 03.38's alphabet of seven bits: a text of nothing else may be longer."""
GSM_EXTENSION: Final = frozenset("^{}\\[~]|€\f")
"""Its characters that count twice."""

USUAL_GSM: Final = 182
"""Characters that 160 octets hold in seven bits each."""
USUAL_UCS2: Final = 80
"""And in sixteen."""
LEAST: Final = 40
"""Of characters of a screen: two ways on, and a word."""

_ENDS: Final = (".", "؟", "!", "?", "؛", ":")


@dataclass(frozen=True, slots=True)
class Limits:
    """Characters of one screen, by how its text can be sent."""

    gsm: int = USUAL_GSM
    ucs2: int = USUAL_UCS2

    def fits(self, text: str) -> bool:
        """Whether the network takes this as one screen."""
        units = length(text)
        return units <= (self.gsm if is_gsm(text) else self.ucs2)


@dataclass(frozen=True, slots=True)
class Screen:
    """What is to be shown. `choices`: what is sent, and what that means."""

    title: str = ""
    body: str = ""
    choices: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """One screen as it is sent, and what may be answered to it beside what the flow asks for."""

    text: str
    forward: str | None = None
    """What leads to the next page."""
    back: str | None = None
    offered: frozenset[str] = field(default_factory=frozenset)
    """Choices that stand here or on a page before it."""


def is_gsm(text: str) -> bool:
    """Whether seven bits a character are enough."""
    return all(letter in GSM or letter in GSM_EXTENSION for letter in text)


def length(text: str) -> int:
    """What counts against the limit: in seven bits some characters count twice; else UTF-16 units."""
    if is_gsm(text):
        return len(text) + sum(letter in GSM_EXTENSION for letter in text)
    return len(text.encode("utf-16-le")) // 2


def paged(
    screen: Screen, limits: Limits, forward_words: str, back_words: str, taken: Callable[[str], bool]
) -> list[Page]:
    """The screen as one page, or as many as it needs. `taken`: whether a line is an answer to what is asked."""
    lines = [f"{line}) {words}" for line, words in screen.choices]
    whole = "\n".join(part for part in (screen.title, screen.body, *lines) if part)
    every = frozenset(line for line, _ in screen.choices)
    if limits.fits(whole):
        return [Page(whole, offered=every)]

    def busy(line: str) -> bool:
        return line in every or taken(line)

    forward, back = _free("9", busy), _free("8", busy)
    footer = (f"{forward}) {forward_words}", f"{back}) {back_words}")
    texts: list[str] = []
    offered: list[frozenset[str]] = []
    held, shown = "", set[str]()

    def room(text: str, *, last: bool) -> bool:
        return limits.fits(_with_footer(text, footer, first=not texts, last=last))

    def turn() -> None:
        nonlocal held
        texts.append(held)
        offered.append(frozenset(shown))
        held = ""

    pieces: list[tuple[str, str, str | None]] = [("\n", screen.title, None)] if screen.title else []
    pieces += [(before, text, None) for before, text in _pieces(screen.body)]
    pieces += [("\n", text, line) for text, (line, _) in zip(lines, screen.choices, strict=True)]
    for number, (before, text, line) in enumerate(pieces):
        last = number == len(pieces) - 1
        joined = held + before + text if held else text
        if not room(joined, last=last):
            if held:
                turn()
            for part in _broken(text, lambda part: room(part, last=False)):
                if held:
                    turn()
                held = part
        else:
            held = joined
        if line is not None:
            shown.add(line)
    turn()
    count = len(texts)
    return [
        Page(
            _with_footer(text, footer, first=number == 0, last=number == count - 1),
            forward if number < count - 1 else None,
            back if number > 0 else None,
            offered[number],
        )
        for number, text in enumerate(texts)
    ]


def _with_footer(text: str, footer: tuple[str, str], *, first: bool, last: bool) -> str:
    forward, back = footer
    return "\n".join((text, *(() if last else (forward,)), *(() if first else (back,))))


def _free(digit: str, taken: Callable[[str], bool]) -> str:
    return next(line for line in (digit * times for times in range(1, 50)) if not taken(line))


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """What may stand on pages of its own, each with what stands before it: sentences, of lines."""
    for line in text.split("\n"):
        before, held = "\n", ""
        for word in line.split(" "):
            held = f"{held} {word}" if held else word
            if word.endswith(_ENDS):
                yield before, held
                before, held = " ", ""
        if held:
            yield before, held


def _broken(text: str, fits: Callable[[str], bool]) -> Iterator[str]:
    """A piece for which one page is too little, by words; and a word by letters."""
    held = ""
    for word in text.split(" "):
        joined = f"{held} {word}" if held else word
        if fits(joined):
            held = joined
            continue
        if held:
            yield held
        held = ""
        for letter in word:
            if held and not fits(held + letter):
                yield held
                held = ""
            held += letter
    if held:
        yield held
