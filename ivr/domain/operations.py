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
    results_by_exit: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Which results come with which exit, where they differ; `with_results` means nothing then."""
    may_repeat: bool = True
    """Whether sending it again by itself could do no harm. See `repeatable`."""
    inquiry: str | None = None
    """The operation that says later what became of this one; None: only a person can."""
    unknown_when: str = ""
    """What leaves its outcome unknown, for people, in one sentence."""

    @property
    def asks_later(self) -> bool:
        """Whether it says what became of a payment, or names the operation that does."""
        return self.inquiry is not None or self.role is Role.INQUIRY

    @property
    def repeatable(self) -> bool:
        """Whether a program may send it again by itself when no answer came. Never what moves money."""
        return self.may_repeat and self.role in (Role.QUERY, Role.INQUIRY)

    def comes_with(self, exit_name: str) -> frozenset[str]:
        """The names of the results that an answer with this exit brings for certain."""
        if self.results_by_exit:
            return self.results_by_exit.get(exit_name, frozenset())
        return frozenset(self.results) if exit_name in self.with_results else frozenset()

    @property
    def all_exits(self) -> frozenset[str]:
        """The declared exits and the two that are always possible."""
        return self.exits | ALWAYS_POSSIBLE


NO_INQUIRY = "no_inquiry"
"""The code of an answer to an inquiry that could not be made: only people can find out."""


def can_inquire(operations: Mapping[str, Operation]) -> bool:
    """Whether a provider with these operations can say later what became of a payment; none declared: perhaps."""
    return not operations or any(operation.asks_later for operation in operations.values())
