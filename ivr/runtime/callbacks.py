"""What becomes of a hint from outside: a payer's browser is back, or a provider says that something was paid.

Law: nothing in it is believed, for anybody can send it. At most it names a payment of ours, and then that payment's
provider is asked, once in a while however often the hint comes. A hint that names none costs nobody a request.
"""

import re
from collections.abc import Awaitable, Callable, Collection
from typing import Final

from ivr.payments.port import Journal
from ivr.payments.state import Payment, State

MOST_NAMES: Final = 8
"""Texts of one hint that are looked up."""
LEAST_PAUSE: Final = 10.0
"""Seconds between two inquiries about one payment that hints cause."""
MOST_KNOWN: Final = 1000
"""Payments whose last inquiry is remembered; then the oldest are forgotten."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{4,64}")
_OPEN: Final = (State.SENT, State.UNKNOWN)


class Callbacks:
    """Hints to the payments of one journal. `ask_now` has a payment inquired about; `clock` gives seconds."""

    def __init__(self, journal: Journal, ask_now: Callable[[str], Awaitable[None]], clock: Callable[[], float]) -> None:
        self._journal = journal
        self._ask_now = ask_now
        self._clock = clock
        self._asked: dict[str, float] = {}

    async def heard(self, provider: str, texts: Collection[str]) -> bool:
        """A hint of this provider's with these texts in it. Whether a payment was inquired about. Raises Unusable."""
        names = frozenset([text for text in texts if _NAME.fullmatch(text)][:MOST_NAMES])
        payment = await self._about(provider, names) if names else None
        if payment is None or not self._is_time(payment.id):
            return False
        await self._ask_now(payment.id)
        return True

    async def _about(self, provider: str, names: frozenset[str]) -> Payment | None:
        """The open payment that it may be about; else one that was declined and may have been paid afterwards."""
        open_ = [
            payment
            for payment in await self._journal.open_payments()
            if payment.provider == provider and names & {payment.invoice_id, payment.transaction_id}
        ]
        if open_:
            return min(open_, key=lambda payment: payment.transaction_id not in names)  # a link's own key names it best
        for name in sorted(names):
            tries = await self._journal.for_invoice(provider, name)
            declined = [payment for payment in tries if payment.state is State.DECLINED]
            if declined and not any(payment.state in (*_OPEN, State.APPROVED) for payment in tries):
                return declined[-1]
        return None

    def _is_time(self, payment_id: str) -> bool:
        now = self._clock()
        last = self._asked.get(payment_id)
        if last is not None and now - last < LEAST_PAUSE:
            return False
        self._asked.pop(payment_id, None)
        while len(self._asked) >= MOST_KNOWN:
            del self._asked[next(iter(self._asked))]
        self._asked[payment_id] = now
        return True
