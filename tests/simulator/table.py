"""A game of a shipped flow, its notes kept in a list."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import StringIO
from typing import Final

from ivr.domain.screens import Limits
from ivr.domain.speech import Say
from ivr.flow.model import Flow
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.showing import show
from ivr.prompts.speaking import words
from ivr.prompts.units import Currency
from ivr.simulator.answers import Providers
from ivr.simulator.game import Game
from ivr.simulator.notes import Note, Shows
from ivr.simulator.orders import read_order
from ivr.simulator.playing import play_lines
from tests.flow.world import ROOT, session_of, shipped, world

CATALOGUE: Final = Catalogue.load(ROOT / "prompts")
CARD: Final = "6037701689095443"
PIN: Final = "48151623"
MINE: Final[dict[str, str | int]] = {"caller_number": "09121234567", "channel": "ussd", "ussd_session": "4711"}
"""What every USSD session knows."""
BANK_HEADERS: Final = 'headers "From=<sip:2191071390*10000005*70012345@h>" Amount=160000'


@dataclass
class Notebook:
    """Shows nothing, keeps everything."""

    notes: list[Note] = field(default_factory=list)

    def tell(self, note: Note) -> None:
        self.notes.append(note)

    def complain(self, sentence: str) -> None:
        raise AssertionError(sentence)

    def help(self) -> None:
        """Nobody asks."""


def providers() -> Providers:
    return Providers(world().providers, {"paystar": {"3": "already_paid", "99": "no_such_exit"}})


def game(name: str | Flow, knows: dict[str, str | int] | None = None) -> tuple[Game, Notebook]:
    """A game that has not begun."""
    flow = shipped(name) if isinstance(name, str) else name
    known: dict[str, str | int] = {"caller_number": "09121234567", "merchant_phone": "2191071390"}
    book = Notebook()
    session = session_of(flow, known if knows is None else knows)

    made = Game(
        flow,
        session,
        words=lambda say, language: words(CATALOGUE, say, language, Currency.RIAL),
        providers=providers(),
        tell=book.tell,
    )
    return made, book


def played(name: str | Flow, *lines: str, knows: dict[str, str | int] | None = None) -> tuple[Game, Notebook]:
    """A game after these lines; it may go on."""
    made, book = game(name, knows)
    made.begin()
    for line in lines:
        made.do(read_order(line))
    return made, book


def on_screen(
    name: str | Flow, *lines: str, limits: Limits | None = None, language: str = "fa"
) -> tuple[Game, Notebook]:
    """A USSD session after these lines; it may go on. What is asked is answered by lines, too."""
    flow = shipped(name) if isinstance(name, str) else name
    book = Notebook()
    session = session_of(flow, {**MINE})
    session.language = language
    made = Game(flow, session, words=shown, providers=providers(), tell=book.tell, limits=limits)
    made.begin()
    for line in lines:
        made.do(read_order(line))
    return made, book


def shown(say: Sequence[Say], language: str) -> str:
    """What a screen shows for it."""
    return show(world().screens, say, language, Currency.RIAL)


def pages(book: Notebook) -> list[str]:
    """Every page that was shown, in order."""
    return [note.text for note in book.notes if isinstance(note, Shows)]


def play_text(name: str, text: str) -> Game:
    """A game played from a whole input."""
    made, book = game(name)
    play_lines(made, StringIO(text), "input", book)
    return made
