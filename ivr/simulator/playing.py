"""Plays one call from lines: typed by a person, or read from a file.

Law: a person who errs is told so and goes on; a file that errs stops the call at that line. What a person types while
a secret is asked for is not shown on the terminal.
"""

import getpass
from pathlib import Path
from typing import Final, Protocol, TextIO

from ivr.domain.errors import BadInput
from ivr.domain.operations import Kind
from ivr.flow.describing import describe
from ivr.simulator import orders
from ivr.simulator.answers import DEFAULTS, Providers, results
from ivr.simulator.call import NotNow
from ivr.simulator.game import Game
from ivr.simulator.notes import Note

MOST_LINES: Final = 100_000
"""Lines of one input."""


class WrongInput(BadInput):
    """A line of the input cannot be carried out, or the input ends before the call does; the message names the line."""


class Front(Protocol):
    """Shows a call to somebody."""

    def tell(self, note: Note) -> None:
        """Something happened."""
        ...

    def complain(self, sentence: str) -> None:
        """A line could not be carried out."""
        ...

    def help(self) -> None:
        """What can be said."""
        ...


def play_lines(game: Game, source: TextIO, name: str, front: Front) -> None:
    """Carry out the lines of a file or a pipe; empty ones mean nothing. Raises WrongInput."""
    game.begin()
    number = 0
    try:
        for number, line in enumerate(source, start=1):
            if number > MOST_LINES:
                raise NotNow(f"more than {MOST_LINES} lines")
            if not line.strip():
                continue
            order = orders.read_order(line)
            if isinstance(order, orders.Quit):
                return
            if isinstance(order, orders.Comment):
                continue
            if game.over:
                raise NotNow("the call is over")
            _carry_out(game, order, front)
    except BadInput as exc:
        raise WrongInput(f"{name}:{number}: {exc}") from None
    except UnicodeDecodeError:
        raise WrongInput(f"{name}:{number + 1}: not UTF-8 text") from None
    if not game.over:
        raise WrongInput(f"{name}:{number}: the input ends here, and the call goes on in step '{game.session.step}'")


def play_by_hand(game: Game, front: Front, providers: Providers) -> None:
    """Ask a person at the terminal, until the call is over or the person has had enough."""
    import readline  # noqa: F401 - lines can be edited and called back; only where somebody types them

    game.begin()
    while not game.over:
        try:
            order = orders.read_order(_typed(game))
            if isinstance(order, orders.Quit):
                return
            if isinstance(order, orders.Approve | orders.Answer):
                order = _with_values(order, game, providers)
            _carry_out(game, order, front)
        except EOFError:
            return
        except BadInput as exc:
            front.complain(str(exc))


def open_lines(path: Path) -> TextIO:
    """The file of the input. Raises BadInput."""
    try:
        return path.open(encoding="utf-8")
    except OSError as exc:
        raise BadInput(f"{path}: cannot be read: {exc.strerror}") from None


def _carry_out(game: Game, order: orders.Order, front: Front) -> None:
    match order:
        case orders.Help():
            front.help()
        case orders.Look():
            game.look()
        case _:
            game.do(order)


def _typed(game: Game) -> str:
    prompt = f"{game.clock:g}s {game.session.step}> "
    if describe(game.step.kind).secret:
        return getpass.getpass(f"{prompt}(not shown) ")
    return input(prompt)


def _with_values(order: orders.Approve | orders.Answer, game: Game, providers: Providers) -> orders.Answer:
    """The answer with the values that a person wants it to have."""
    exit_name = game.exit_of(order)
    values = dict(order.values)
    kinds = results(exit_name, game.question, providers)
    for name, kind in kinds.items():
        if name not in values:
            default = DEFAULTS.get(kind, "text")
            unit = " (rial)" if kind is Kind.AMOUNT else ""
            values[name] = input(f"  {name}{unit} [{default}]: ").strip() or default
    return orders.Answer(exit_name, values)
