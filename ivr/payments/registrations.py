"""What calls and the merchants' API need of the books for what callers register. Only shapes; the store has them."""

from collections.abc import Awaitable, Sequence
from enum import Enum
from typing import Protocol

from ivr.domain.registration import Registration


class Kept(Enum):
    """What became of a registration."""

    NEW = "new"
    """It is in the books, written now or by an earlier request with its key."""
    AGAIN = "again"
    """The same caller has registered the same under this word before: nothing was written."""


class Registrations(Protocol):
    """Fulfilled by the store. What a call returns comes true after it is safe on disk."""

    def keep(self, asked: Registration) -> Awaitable[Kept]:
        """Write it down once for its key; `id` and `at` are the books' to give.

        Raises BadInput for what is out of bounds or holds a card number, Illegal when the key stands for another
        registration, Unusable when it cannot be written or nobody can say whether it was.
        """
        ...

    def under(self, words: Sequence[str], after: int, limit: int) -> Awaitable[Sequence[Registration]]:
        """Those under these words with a larger id, oldest first."""
        ...
