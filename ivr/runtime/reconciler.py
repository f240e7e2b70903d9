"""Finds out what became of payments that nobody looks after any more.

Law: a payment that is SENT without a living call is first written down as UNANSWERED, then inquired about, never sent
again. What a provider says for certain is written; everything else is asked again later, and after the last planned
try it stays UNKNOWN and is left to people, which is written too. Where no inquiry can be made that is at once. Where
unpaid invoices expire, an invoice that is clearly not paid after its end is declined.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from itertools import accumulate
from typing import Final

import structlog

from ivr.domain.errors import BadInput, Illegal, OutcomeUnknown, Unusable
from ivr.domain.operations import NO_INQUIRY, Outcome, can_inquire
from ivr.payments.details import plain
from ivr.payments.port import Invoices, Journal, Provider, Reply, Verifier
from ivr.payments.state import UNDECIDED, EntryKind, Payment, State
from ivr.runtime.verdict import DECIDES, Came, Late

MINUTE: Final = 60.0
HOUR: Final = 60 * MINUTE
DELAYS: Final = (5.0, 15.0, 30.0, MINUTE, 2 * MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR)
"""Seconds before each inquiry; after the last one the payment waits for people."""
JITTER: Final = 0.2
"""Each delay is made longer or shorter by up to this part of it, so that an outage's payments do not come in a wave."""
AT_ONCE: Final = 4
"""Inquiries under way at the same time."""
LOOK_EVERY: Final = 30.0
"""Seconds between two looks into the journal for payments that lost their call."""
INQUIRY_TIMEOUT: Final = 60.0
"""Seconds for one inquiry. Providers have shorter ones of their own; this frees the place of a broken client."""
EXPIRY_GRACE: Final = HOUR
"""Seconds after an invoice's end in which a payment that was made before it may still come to the provider's books."""
EXPIRED: Final = "invoice_expired"
"""The reason of a payment whose invoice came to its end unpaid."""
PROCESS_DIED: Final = "process died"
"""The reason written for a payment that was SENT when its call vanished with our process."""


class _Try(Enum):
    SETTLED = "settled"
    """Nothing is left to find out."""
    OPEN = "open"
    """The provider could not say."""
    NOBODY_TO_ASK = "nobody to ask"
    """There is no inquiry."""
    NOT_MADE = "not made"
    """Our own journal failed; that must not use up the plan."""


log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Tally:
    """What was done since the start, for metrics."""

    inquiries: int = 0
    approved: int = 0
    declined: int = 0
    left_to_people: int = 0
    paid_twice: int = 0
    """Invoices of which a second payment turned out to be approved: a refund is due."""


class Reconciler:
    """Run one per journal. `is_live` says whether a call still looks after a payment; it must be true before the
    payment is written as SENT. `clock` gives seconds since 1970, UTC; `dice` a number from 0 up to 1.
    """

    def __init__(
        self,
        journal: Journal,
        providers: Mapping[str, Provider],
        is_live: Callable[[str], bool],
        *,
        clock: Callable[[], float],
        dice: Callable[[], float],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
        delays: Sequence[float] = DELAYS,
        at_once: int = AT_ONCE,
        look_every: float = LOOK_EVERY,
        inquiry_timeout: float = INQUIRY_TIMEOUT,
        late: Late | None = None,
        invoices: Invoices | None = None,
        lifetimes: Mapping[str, float] | None = None,
    ) -> None:
        """`lifetimes`: seconds, by provider, after which an invoice that is in `invoices` cannot be paid any more."""
        self.tally = Tally()
        self._late = late or Late(journal)
        self._invoices = invoices
        self._lifetimes = lifetimes or {}
        self._journal = journal
        self._providers = providers
        self._is_live = is_live
        self._clock = clock
        self._dice = dice
        self._sleep = sleep
        self._delays = tuple(delays)
        self._elapsed = tuple(accumulate(delays))
        self._places = asyncio.Semaphore(at_once)
        self._look_every = look_every
        self._inquiry_timeout = inquiry_timeout
        self._stopped = asyncio.Event()
        self._followed: dict[str, asyncio.Task[None]] = {}
        self._nudges: dict[str, asyncio.Event] = {}
        self._reasons: dict[str, str] = {}
        self._answers: dict[str, Reply] = {}
        """The last answer to an inquiry that decided nothing."""
        self._for_people: set[str] = set()

    @property
    def for_people(self) -> frozenset[str]:
        """Ids of the payments that stay UNKNOWN and that nobody inquires about any more."""
        return frozenset(self._for_people)

    @property
    def followed(self) -> frozenset[str]:
        """Ids of the payments that inquiries are under way or planned for."""
        return frozenset(self._followed)

    async def run(self) -> None:
        """Look after open payments until `stop` is called or the task is cancelled."""
        try:
            while not self._stopped.is_set():
                await self._look()
                await self._pause(self._look_every, self._stopped)
        finally:
            tasks = list(self._followed.values())
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """Let `run` come to its end. What is open stays open in the journal."""
        self._stopped.set()

    def nudge(self, payment_id: str, reason: str = PROCESS_DIED) -> None:
        """Inquire about this payment soon: its call has just ended (`reason` says how), or a person asks."""
        if self._stopped.is_set():
            return
        self._reasons[payment_id] = reason
        self._for_people.discard(payment_id)
        self._follow(payment_id)
        self._nudges[payment_id].set()

    async def ask_now(self, payment_id: str) -> None:
        """Inquire one time now, beside the plan and without using it up: a hint came that something became of it.

        Not while a call looks after it, which asks by itself. A declined payment is asked about as well: what says
        otherwise is written beside it.
        """
        if self._stopped.is_set() or self._is_live(payment_id):
            return
        payment = await self._journal.get(payment_id)
        if payment is not None and payment.state in UNDECIDED:
            await self._in_place(payment_id)
        elif payment is not None and payment.state is State.DECLINED:
            async with self._places:
                reply = await self._inquire(payment)
            if reply is not None:
                await self._late.answered(payment_id, reply, by="callback")

    async def verify_now(self, payment_id: str, said: Mapping[str, str]) -> Reply | None:
        """Have a payment verified by what a callback of its provider `said` of it. Returns the provider's answer, which
        is written when it approves; None: it could not be had, or it is not asked for any more.

        Nothing else is written, whatever state the payment is in: who only says something changes nothing.
        """
        payment = await self._journal.get(payment_id)
        if self._stopped.is_set() or payment is None:
            return None
        async with self._places:
            reply = await self._inquire(payment, said)
        if reply is None or reply.outcome is not Outcome.APPROVED:
            return reply
        if payment.state is State.APPROVED and reply.reference not in (None, payment.reference):
            if await self._late.paid_again(payment, reply):
                self.tally.paid_twice += 1
        elif await self._late.answered(payment_id, reply, by="callback") is Came.DECIDES:
            await self._count(await self._journal.get(payment_id) or payment)
        return reply

    async def once(self) -> None:
        """Inquire one time about every open payment without a living call, now. `run` need not be running."""
        payments = await self._journal.open_payments()
        await asyncio.gather(*(self._in_place(p.id) for p in payments if not self._is_live(p.id)))

    async def _look(self) -> None:
        try:
            payments = await self._journal.open_payments()
        except Unusable as exc:
            log.error("journal_unusable", error=str(exc))
            return
        self._for_people = {payment.id for payment in payments if payment.for_people} - self._followed.keys()
        for payment in payments:
            if payment.id not in self._for_people and not self._is_live(payment.id):
                self._follow(payment.id, self._tries_so_far(payment))

    def _tries_so_far(self, payment: Payment) -> int:
        """Where in the plan a payment stands that an earlier process looked after; one try is always left."""
        if payment.state is State.SENT:
            return 0
        return min(bisect_right(self._elapsed, self._clock() - payment.changed_at), len(self._delays) - 1)

    def _follow(self, payment_id: str, tries: int = 0) -> None:
        if payment_id not in self._followed:
            self._nudges[payment_id] = asyncio.Event()
            self._followed[payment_id] = asyncio.create_task(self._see_through(payment_id, tries))

    async def _see_through(self, payment_id: str, tries: int) -> None:
        nudged = self._nudges[payment_id]
        delay = self._delays[0]  # the first try of a new process comes soon, however old the payment is
        try:
            while tries < len(self._delays):
                await self._pause(delay * (1 + JITTER * (2 * self._dice() - 1)), nudged)
                nudged.clear()
                if self._is_live(payment_id):
                    continue
                match await self._in_place(payment_id):
                    case _Try.SETTLED:
                        return
                    case _Try.NOBODY_TO_ASK:
                        break
                    case _Try.OPEN:
                        tries += 1
                        delay = self._delays[min(tries, len(self._delays) - 1)]
                        if tries == len(self._delays) and (left := await self._until_expiry(payment_id)) > 0:
                            tries, delay = tries - 1, left  # its invoice's end will say more than a person could
            await self._hand_over(payment_id, tries)
        finally:
            del self._followed[payment_id], self._nudges[payment_id]
            self._reasons.pop(payment_id, None)
            self._answers.pop(payment_id, None)

    async def _hand_over(self, payment_id: str, tries: int) -> None:
        """To people, with the last that was heard. If that cannot be written, the next look tries once more."""
        last = self._answers.get(payment_id)
        heard = {"exit": last.exit, "code": last.code, "reference": last.reference} if last else {}
        try:
            await self._journal.append(payment_id, EntryKind.HANDED_OVER, plain({"tries": str(tries), **heard}))
        except Illegal:
            return  # decided meanwhile
        except (Unusable, BadInput) as exc:
            log.error("journal_unusable", payment_id=payment_id, error=str(exc))
        self._for_people.add(payment_id)
        self.tally.left_to_people += 1
        log.error("payment_left_to_people", payment_id=payment_id, tries=tries)

    async def _until_expiry(self, payment_id: str) -> float:
        """Seconds until its invoice is at its end for certain, 0 when it is or never will be."""
        try:
            payment = await self._journal.get(payment_id)
            ends = None if payment is None else await self._end_of_invoice(payment)
        except Unusable:
            return 0.0
        return 0.0 if ends is None else max(0.0, ends - self._clock())

    async def _end_of_invoice(self, payment: Payment) -> float | None:
        """When nobody can pay it any more, and the provider would know; None when that is not known."""
        lifetime = self._lifetimes.get(payment.provider)
        if lifetime is None or self._invoices is None:
            return None
        invoice = await self._invoices.invoice(payment.provider, payment.invoice_id)
        begins = payment.created_at if invoice is None else max(invoice.created_at, payment.created_at)
        return begins + lifetime + EXPIRY_GRACE

    async def _in_place(self, payment_id: str) -> _Try:
        """One try, when there is room for it."""
        async with self._places:
            try:
                return await self._try(payment_id)
            except Unusable as exc:
                log.error("journal_unusable", payment_id=payment_id, error=str(exc))
                return _Try.NOT_MADE
            except (Illegal, BadInput) as exc:
                log.error("entry_refused", payment_id=payment_id, error=str(exc))
                return _Try.OPEN

    async def _try(self, payment_id: str) -> _Try:
        payment = await self._journal.get(payment_id)
        if payment is None or payment.state not in UNDECIDED:
            return _Try.SETTLED
        if payment.state is State.SENT:
            reason = self._reasons.get(payment_id, PROCESS_DIED)
            payment = await self._append(payment, EntryKind.UNANSWERED, {"reason": reason})
            if payment.state is not State.UNKNOWN:
                return _Try.SETTLED
        provider = self._providers.get(payment.provider)
        if provider is not None and not can_inquire(provider.operations):
            return _Try.NOBODY_TO_ASK
        reply = await self._inquire(payment)
        if reply is None:
            return _Try.OPEN
        self._answers[payment_id] = reply
        if reply.code == NO_INQUIRY:
            return _Try.NOBODY_TO_ASK
        reply = await self._closed_by_expiry(payment, reply)
        if reply.outcome not in DECIDES:
            return _Try.OPEN
        if reply.of_invoice and await self._is_being_paid_elsewhere(payment):
            return _Try.OPEN  # the money may be the other try's, whose caller is still there to tell
        if await self._late.answered(payment.id, reply, by="inquiry") is Came.DECIDES:
            await self._count(await self._journal.get(payment.id) or payment)
        return _Try.SETTLED

    async def _closed_by_expiry(self, payment: Payment, reply: Reply) -> Reply:
        """The same answer; but "not paid yet", of an invoice that cannot be paid any more, declines."""
        if not reply.not_paid or reply.outcome is not Outcome.UNKNOWN:
            return reply
        ends = await self._end_of_invoice(payment)
        if ends is None or self._clock() < ends:
            return reply
        return replace(reply, exit=EXPIRED, outcome=Outcome.DECLINED)

    async def _inquire(self, payment: Payment, said: Mapping[str, str] | None = None) -> Reply | None:
        """The provider's answer, or None when it could not be had. `said`: what its callback brought."""
        provider = self._providers.get(payment.provider)
        if provider is None:
            log.error("provider_not_configured", payment_id=payment.id, provider=payment.provider)
            return None
        self.tally.inquiries += 1
        try:
            async with asyncio.timeout(self._inquiry_timeout):
                if said is not None and isinstance(provider, Verifier):
                    return await provider.verify(payment, said)
                return await provider.inquire(payment)
        except (Unusable, OutcomeUnknown, TimeoutError) as exc:
            log.warning("inquiry_failed", payment_id=payment.id, provider=payment.provider, error=type(exc).__name__)
        except Exception as exc:  # noqa: BLE001 - one broken client must not end the search for the others' money
            log.error("inquiry_broke", payment_id=payment.id, provider=payment.provider, error=type(exc).__name__)
        return None

    async def _append(self, payment: Payment, kind: EntryKind, details: Mapping[str, str | None]) -> Payment:
        return await self._unless_decided(payment, self._journal.append(payment.id, kind, plain(details)))

    async def _is_being_paid_elsewhere(self, payment: Payment) -> bool:
        of_invoice = await self._journal.for_invoice(payment.provider, payment.invoice_id)
        return any(other.state is State.SENT and other.id != payment.id for other in of_invoice)

    async def _unless_decided(self, payment: Payment, writing: Awaitable[Payment]) -> Payment:
        """Write it, unless somebody else said in the meantime what became of the payment."""
        try:
            return await writing
        except Illegal:
            newest = await self._journal.get(payment.id)
            if newest is None or newest.state is payment.state:
                raise
            return newest

    async def _count(self, payment: Payment) -> None:
        if payment.state is State.DECLINED:
            self.tally.declined += 1
            return
        self.tally.approved += 1
        of_invoice = await self._journal.for_invoice(payment.provider, payment.invoice_id)
        approved = [other.id for other in of_invoice if other.state is State.APPROVED]
        if len(approved) > 1:
            self.tally.paid_twice += 1
            log.error("invoice_paid_twice", provider=payment.provider, payment_ids=approved)

    async def _pause(self, seconds: float, unless: asyncio.Event) -> None:
        """Sleep, or come back early when the event is set."""
        if unless.is_set():
            return
        waits = {asyncio.ensure_future(self._sleep(seconds)), asyncio.ensure_future(unless.wait())}
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
