"""Which keys were a secret: every key of a call, and which step took it.

Law: a key is held in a Secret, and is plain only once a step that asks for no secret has taken it. A key that nobody
has taken yet may become part of a card number, so in a flow that asks for a secret it counts as one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from ivr.domain.card import CARD_DIGITS, is_card_number
from ivr.domain.issuers import PREFIX_DIGITS
from ivr.domain.secret import Secret
from ivr.flow.describing import Description, describe
from ivr.flow.engine import MOST_KEYS_AHEAD
from ivr.flow.events import Event
from ivr.flow.model import Flow, Step, StepKind
from ivr.flow.session import Session
from ivr.flow.visit import Visit

LAST_FOUR: Final = 4

DOT: Final = "•"
"""Stands for one secret key."""


@dataclass(slots=True, eq=False)
class Key:
    """One key that was pressed."""

    key: Secret
    secret: bool
    """As far as is known by now."""
    visit: int = 0
    """Which visit of a secret step took it; 0: none."""
    closes: bool = False
    """The number was whole with it, or was thrown away after it."""


@dataclass(frozen=True, slots=True)
class _Taken:
    """A secret step found so many keys and left so many."""

    before: int
    after: int
    visit: int


class KeyWatch:
    """Follows the keys of one call. Play the call with `flow`, and tell about every key before and every turn after."""

    def __init__(self, flow: Flow) -> None:
        self._taken: list[_Taken] = []
        self._waiting: list[Key] = []
        self._last: Key | None = None
        secret = {name for name, step in flow.steps.items() if describe(step.kind).secret}
        self._secrets = bool(secret)
        steps = {name: self._watched(step) if name in secret else step for name, step in flow.steps.items()}
        self.flow = replace(flow, steps=steps)
        """The same flow, its secret steps watched."""

    def pressed(self, session: Session, key: str) -> Key:
        """This key comes next; `session` is the call before it."""
        pressed = Key(Secret(key), self._secrets)
        overlooked = session.overlooked == key
        if overlooked:
            pressed.secret = False
        elif session.ended is None and len(session.typed) < MOST_KEYS_AHEAD:
            self._waiting.append(pressed)
        return pressed

    def turned(self, session: Session, *, fault: bool) -> None:
        """A turn is over; `session` is the call after it."""
        taken, self._taken = self._taken, []
        left = len(session.typed)
        found = len(self._waiting)
        if fault:  # the turn was undone: who took what cannot be told
            self._waiting = self._waiting[:left]
            return
        for place, key in enumerate(self._waiting[: found - left]):
            key.visit = next((t.visit for t in taken if found - t.before <= place < found - t.after), 0)
            key.secret = key.visit != 0
            self._last = key
        if self._last is not None and not session.collected:
            self._last.closes = True
        self._waiting = self._waiting[found - left :]

    def _watched(self, step: Step) -> Step:
        return replace(step, kind=_Watched(step.kind, self._taken_by))

    def _taken_by(self, before: int, after: int, visit: int) -> None:
        self._taken.append(_Taken(before, after, visit))


class _Watched:
    """A secret step that tells how many keys it found and left."""

    __slots__ = ("_kind", "_tell")

    def __init__(self, kind: StepKind, tell: Callable[[int, int, int], None]) -> None:
        self._kind = kind
        self._tell = tell

    def enter(self, visit: Visit) -> None:
        self._watch(visit, lambda: self._kind.enter(visit))

    def on(self, visit: Visit, event: Event) -> None:
        self._watch(visit, lambda: self._kind.on(visit, event))

    def resume(self, visit: Visit, leg: int | None) -> None:
        self._watch(visit, lambda: self._kind.resume(visit, leg))

    def describe(self) -> Description:
        return describe(self._kind)

    def _watch(self, visit: Visit, act: Callable[[], None]) -> None:
        before = len(visit.session.typed)
        act()
        self._tell(before, len(visit.session.typed), visit.session.visit)


def shown(keys: Iterable[Key]) -> str:
    """The keys for a screen: a dot for each one that is or may be secret."""
    return "".join(DOT if key.secret else key.key.reveal() for key in keys)


class StandIns:
    """Other digits of the same shape for every secret that was keyed, so that a recorded call holds none.

    The same secret always gets the same digits. A card number that is valid becomes another valid one of the same
    bank with the same last four digits, an invalid one another invalid one; leading zeros stay.
    """

    def __init__(self, keys: Iterable[Key]) -> None:
        self._keys = list(keys)
        self._others: dict[str, str] = {}
        self._keyed: dict[int, str] = {}
        for run in _runs(self._keys):
            other = self.of("".join(key.key.reveal() for key in run))
            self._keyed |= {id(key): digit for key, digit in zip(run, other, strict=True)}

    def keyed(self, keys: Iterable[Key]) -> str:
        """These keys, with other digits for those that are secret."""
        return "".join(self._keyed.get(id(key), key.key.reveal()) for key in keys)

    def of(self, secret: str) -> str:
        """Other digits for this secret."""
        if secret not in self._others:
            self._others[secret] = _other(secret, len(self._others))
        return self._others[secret]

    @property
    def known(self) -> Mapping[str, str]:
        """Every secret that has its stand-in."""
        return self._others


def _runs(keys: Iterable[Key]) -> list[list[Key]]:
    """Digits that one visit of a secret step took without another key between them."""
    runs: list[list[Key]] = []
    last: Key | None = None
    for key in keys:
        digit = key.secret and key.key.reveal().isdigit()
        if digit and last is not None and last.visit == key.visit and not last.closes:
            runs[-1].append(key)
        elif digit:
            runs.append([key])
        last = key if digit else None
    return runs


def _other(secret: str, number: int) -> str:
    """Digits like these, different for each number."""
    zeros = len(secret) - len(secret.lstrip("0"))
    length = len(secret) - zeros
    if length == 0:
        return secret
    body = (str(number + 1) + "0123456789" * length)[:length]
    made = "0" * zeros + body
    if len(made) < CARD_DIGITS:
        return made
    if is_card_number(secret):  # its bank and its last four digits are no secret, and are said as they are
        issuer, tail = secret[:PREFIX_DIGITS], secret[-LAST_FOUR:]
        middle = body[: CARD_DIGITS - PREFIX_DIGITS - LAST_FOUR - 1]
        if secret.startswith(issuer + middle):
            middle = middle[::-1]
        head = issuer + middle
        return next(candidate for digit in "0123456789" if is_card_number(candidate := head + digit + tail))
    return next(candidate for digit in "0123456789" if not is_card_number(candidate := made[:-1] + digit))
