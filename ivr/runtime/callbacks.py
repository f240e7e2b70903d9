"""What becomes of a hint from outside: a payer's browser is back, or a provider says that something was paid.

Law: nothing in it is believed, for anybody can send it. At most it names a payment of ours, and then that payment's
provider is asked, once in a while however often the hint comes. A hint that names none costs nobody a request, and
takes nothing of what all hints together may cost.
"""

import re
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from ivr.payments.port import Journal
from ivr.payments.state import UNDECIDED, Payment, State
from ivr.runtime.bucket import Bucket

MOST_NAMES: Final = 8
"""Texts of one hint that are looked up."""
LEAST_PAUSE: Final = 10.0
"""Seconds between two inquiries about one payment that hints cause."""
MOST_KNOWN: Final = 1000
"""Payments whose last inquiry is remembered; then the oldest are forgotten."""
MOST_AT_ONCE: Final = 40
"""Inquiries that hints cause in one go; then so many a second:"""
A_SECOND: Final = 4.0

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{4,64}")


def possible_names(texts: Collection[str]) -> list[str]:
    """Those of a hint's texts that a payment of ours could have as a name, in their order, each once."""
    return list(dict.fromkeys(text for text in texts if _NAME.fullmatch(text)))[:MOST_NAMES]


class Allowance:
    """How often hints may have a provider asked: once in a while about one payment, so many a second about all.

    `clock` gives seconds. `in_a_row`: so many about one payment at first; `at_once` and `a_second`: about all of them.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        in_a_row: int = 1,
        at_once: int = MOST_AT_ONCE,
        a_second: float = A_SECOND,
    ) -> None:
        self._clock = clock
        self._in_a_row = in_a_row
        self._at_once = at_once
        self._a_second = a_second
        self._of: dict[str, Bucket] = {}
        self._all = Bucket(at_once, clock())

    def take(self, payment_id: str) -> bool:
        """Whether its provider may be asked now; that is used up then."""
        now = self._clock()
        mine = self._of.pop(payment_id, None) or Bucket(self._in_a_row, now)
        while len(self._of) >= MOST_KNOWN:
            del self._of[next(iter(self._of))]
        self._of[payment_id] = mine
        if not mine.take(self._in_a_row, 1 / LEAST_PAUSE, now):
            return False
        if self._all.take(self._at_once, self._a_second, now):
            return True
        mine.tokens += 1  # it was not asked about this one
        return False


class Callbacks:
    """Hints to the payments of one journal. `ask_now` has a payment inquired about; `clock` gives seconds."""

    def __init__(self, journal: Journal, ask_now: Callable[[str], Awaitable[None]], clock: Callable[[], float]) -> None:
        self._journal = journal
        self._ask_now = ask_now
        self._allowance = Allowance(clock)

    async def heard(self, provider: str, texts: Collection[str]) -> bool:
        """A hint of this provider's with these texts in it. Whether a payment was inquired about. Raises Unusable."""
        names = possible_names(texts)
        payment = await self._about(provider, names) if names else None
        if payment is None or not self._allowance.take(payment.id):
            return False
        await self._ask_now(payment.id)
        return True

    async def _about(self, provider: str, names: Collection[str]) -> Payment | None:
        """The open payment that it may be about; else one that was declined and may have been paid afterwards."""
        found = {name: await self._journal.find(provider, name) for name in names}
        each = {payment.id: payment for tries in found.values() for payment in tries}
        open_ = await self._to_ask_about([payment for payment in each.values() if payment.state in UNDECIDED])
        if open_:
            # a link's own key names it best, then the oldest
            return min(open_, key=lambda payment: (payment.transaction_id not in names, payment.created_at))
        for name, named in sorted(found.items()):
            tries = [payment for payment in named if payment.invoice_id == name]
            declined = [payment for payment in tries if payment.state is State.DECLINED]
            if declined and not any(payment.state in UNDECIDED | {State.APPROVED} for payment in tries):
                return declined[-1]
        return None

    async def _to_ask_about(self, open_: list[Payment]) -> list[Payment]:
        """Whoever looks after them: the browser comes back to any worker. But one that another living worker has sent
        is being waited for there, and to ask here would be to give it up.
        """
        if all(payment.state is State.UNKNOWN for payment in open_):
            return open_
        ours = {payment.id for payment in await self._journal.open_payments()}
        return [payment for payment in open_ if payment.state is State.UNKNOWN or payment.id in ours]
