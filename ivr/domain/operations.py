"""What a provider can be asked, declared so that a flow can be checked before any caller meets it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum


class Kind(Enum):
    """The kinds of value that flows, providers and prompts hand to each other."""

    TEXT = "text"
    DIGITS = "digits"
    AMOUNT = "amount"
    DATE = "date"
    """A day of the Iranian calendar as eight digits, `14031230`."""
    SECRET = "secret"  # noqa: S105 - the name of a kind


class Role(Enum):
    """What an operation means for money."""

    QUERY = "query"
    """Moves nothing and decides nothing; may be asked again."""
    INQUIRY = "inquiry"
    """Says what became of a payment; may be asked again."""
    CHARGE = "charge"
    """Moves money: written down before it is sent, never sent twice."""
    REVERSAL = "reversal"
    """Gives back money that was taken; never sent again by itself."""


class Outcome(Enum):
    """What became of a payment."""

    APPROVED = "approved"
    DECLINED = "declined"
    UNKNOWN = "unknown"


UNREACHABLE = "unreachable"
UNKNOWN = "unknown"
ALWAYS_POSSIBLE = frozenset({UNREACHABLE, UNKNOWN})
"""Every operation may end so: the request never left, or nobody knows what became of it."""


@dataclass(frozen=True, slots=True)
class Argument:
    """One thing an operation is asked with. `most` is the provider's field length in characters."""

    kind: Kind
    required: bool = True
    most: int = 64


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a provider: what goes in, what comes back, and by which exits it can end."""

    name: str
    arguments: Mapping[str, Argument]
    results: Mapping[str, Kind] = field(default_factory=dict)
    exits: frozenset[str] = frozenset({"ok"})
    role: Role = Role.QUERY
    with_results: frozenset[str] = frozenset({"ok"})
    """The exits that come with every result. With any other, flows know nothing of them."""

    @property
    def all_exits(self) -> frozenset[str]:
        """The declared exits and the two that are always possible."""
        return self.exits | ALWAYS_POSSIBLE
