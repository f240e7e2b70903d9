"""A USSD provider calls back: a payer has paid, it says.

Law: nothing of it is believed, for anybody can send it. It must name a payment of ours, by session, mobile and our own
factor, and then the provider is asked for exactly what the callback says. Only an approval is written, once, however
often and wherever it comes; what cannot be verified now is left to the reconciler, which needs no callback.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol

import structlog

from ivr.domain.digits import is_digits
from ivr.domain.ussd import claim, is_session_id
from ivr.payments.port import RRN, THEIR_FACTOR, Journal, Reply
from ivr.payments.state import UNDECIDED, Payment, State
from ivr.runtime.callbacks import Allowance

MOST_DIGITS: Final = 20
"""Of a factor: ours have fewer, and a longer one is nobody's."""
IN_A_ROW: Final = 3
"""Verifications of one payment that callbacks may cause at first, so that a forged one does not keep a true one out;
then one every `ivr.runtime.callbacks.LEAST_PAUSE`."""
AT_ONCE: Final = 200
A_SECOND: Final = 50.0
"""Verifications that callbacks cause in one go, and then in a second. More than elsewhere: only the network's own
addresses come so far, each callback must name a payment of ours whole, and payers need not wait for the reconciler on a
busy day.
"""


_log = structlog.get_logger("ivr.ussd_callback")


@dataclass(frozen=True, slots=True)
class Heard:
    """What a callback says: digits as they are written, `mobile` as 09…"""

    provider: str
    """As the configuration calls it."""
    session: str
    mobile: str
    our_factor: str
    their_factor: str
    rrn: str


class Settled(Enum):
    """How the payment stands for whoever called back."""

    PAID = "paid"
    NOT_CONFIRMED = "not_confirmed"
    """It is not approved: not verified, not now, or too late for our books (people look then)."""
    UNKNOWN_PAYMENT = "unknown_payment"
    """We never asked for it."""


class Reconciling(Protocol):
    """Of the reconciler."""

    async def verify_now(self, payment_id: str, said: Mapping[str, str]) -> Reply | None:
        """Have it verified, and an approval written. None: no answer could be had."""
        ...

    def nudge(self, payment_id: str, reason: str = ...) -> None:
        """Inquire soon."""
        ...


class UssdCallbacks:
    """For the payments of one journal. `clock` gives seconds that never go back."""

    def __init__(self, journal: Journal, reconciler: Reconciling, clock: Callable[[], float]) -> None:
        self._journal = journal
        self._reconciler = reconciler
        self._allowance = Allowance(clock, IN_A_ROW, AT_ONCE, A_SECOND)

    async def settle(self, heard: Heard) -> Settled:
        """Take one callback. Raises Unusable when our own books fail: then it is to come again."""
        is_ours = is_digits(heard.our_factor) and len(heard.our_factor) <= MOST_DIGITS
        if not is_ours or not is_session_id(heard.session):
            return Settled.UNKNOWN_PAYMENT
        payment = _named(await self._journal.for_invoice(heard.provider, heard.our_factor), heard)
        if payment is None:
            return Settled.UNKNOWN_PAYMENT
        if not _is_settled(payment, heard) and self._allowance.take(payment.id):
            payment = await self._verified(payment, heard)  # of one that is approved: by another RRN, it is paid twice
        return Settled.PAID if _is_settled(payment, heard) else Settled.NOT_CONFIRMED

    async def _verified(self, payment: Payment, heard: Heard) -> Payment:
        """The payment after its provider was asked."""
        reply = await self._reconciler.verify_now(payment.id, {THEIR_FACTOR: heard.their_factor, RRN: heard.rrn})
        if reply is None:
            _log.warning("callback_not_verified", payment_id=payment.id, provider=payment.provider)
            if payment.state is State.UNKNOWN:
                self._reconciler.nudge(payment.id)  # one that was sent is looked after already
        return await self._journal.get(payment.id) or payment


def _named(tries: Sequence[Payment], heard: Heard) -> Payment | None:
    """The payment that it is about: one that is open, else the newest. One that never left us is none."""
    name = claim(heard.session, heard.mobile)
    own = [each for each in tries if each.transaction_id == name and each.state is not State.CREATED]
    open_ = [each for each in own if each.state in UNDECIDED]
    found = open_ or own
    return found[-1] if found else None


def _is_settled(payment: Payment, heard: Heard) -> bool:
    """Whether it is approved, and by what is said now."""
    same = payment.reference is None or _number(payment.reference) == _number(heard.rrn)
    return payment.state is State.APPROVED and same


def _number(text: str) -> str:
    return text.lstrip("0")
