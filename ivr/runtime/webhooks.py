"""Tells merchants what became of payments and what callers registered: JSON by POST, signed, again and again until it
is accepted.

Laws:
- An event is a line of the journal or a registration: there is no queue beside them that could lose one. It is told at
  least once, and its `id` stays the same.
- A later event of a payment waits for the earlier one; other payments and registrations do not. A merchant that does
  not answer keeps nobody else waiting, and takes so many places at most, whatever it is told of: neither of the two
  streams keeps the other one waiting.
- Nothing is ever given up. The pauses grow up to a bound. A receiver that cannot be spoken to, or says that it cannot
  take anything now (429, 5xx), is left alone before the next of its events is tried, for as long as it asks: a long
  queue before a closed door must not become a storm.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec
import structlog

from ivr.domain.errors import OutcomeUnknown, ProviderUnreachable, Unusable
from ivr.payments.merchant_port import Claimed, Deliveries, Waiting
from ivr.runtime.http_client import HttpClient
from ivr.runtime.merchant_views import told_body
from ivr.runtime.notices import NoticeTarget, post_signed

FIRST_PAUSE: Final = 5.0
"""Seconds before the second try; each further pause is twice as long."""
LONGEST_PAUSE: Final = 3600.0
LONGEST_REST: Final = 60.0
"""Seconds for which a receiver that cannot be spoken to is left alone, at most, unless it asks for more itself (up to
`LONGEST_PAUSE`); the first rest is of a second."""
AT_ONCE: Final = 4
"""Deliveries under way to one merchant."""
LOOK_EVERY: Final = 1.0
"""Seconds between two looks for what is due."""
LEASE: Final = 30.0
"""Seconds for which an event that is being delivered is nobody else's: longer than any delivery takes."""

_log = structlog.get_logger("ivr.webhooks")


class Webhooks:
    """Run one per process; several processes share the work. `clock` gives seconds since 1970, UTC."""

    def __init__(
        self,
        streams: Sequence[Deliveries],
        targets: Mapping[str, NoticeTarget],
        clock: Callable[[], float],
        *,
        first_pause: float = FIRST_PAUSE,
        longest_pause: float = LONGEST_PAUSE,
        at_once: int = AT_ONCE,
        look_every: float = LOOK_EVERY,
    ) -> None:
        """`targets` by merchant."""
        self.streams = tuple(streams)
        self._first = 0
        """The stream that is looked at first, another one at each look."""
        self.targets = targets
        self._clients = {name: HttpClient(target.http) for name, target in targets.items()}
        self._clock = clock
        self._first_pause = first_pause
        self._longest_pause = longest_pause
        self._at_once = at_once
        self._look_every = look_every
        self._under_way: dict[str, set[asyncio.Task[None]]] = {name: set() for name in targets}
        self._rests: dict[str, tuple[float, float]] = {}
        """Of receivers that cannot be spoken to: until when they are left alone, and the seconds of that rest."""
        self._freed = asyncio.Event()
        self._waiting = Waiting(0, None)

    @property
    def waiting(self) -> int:
        """Events that their merchant does not have yet."""
        return self._waiting.events

    @property
    def oldest(self) -> float:
        """Seconds since the oldest of them came to be; 0 when there is none."""
        return 0.0 if self._waiting.oldest_at is None else max(0.0, self._clock() - self._waiting.oldest_at)

    async def run(self) -> None:
        """Deliver until cancelled."""
        try:
            while True:
                self._freed.clear()
                try:
                    await self._look()
                except Unusable as exc:
                    _log.error("journal_unusable", error=str(exc))
                try:
                    async with asyncio.timeout(self._look_every):
                        await self._freed.wait()
                except TimeoutError:
                    pass
        finally:
            tasks = [task for of_one in self._under_way.values() for task in of_one]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(client.close() for client in self._clients.values()))

    async def _look(self) -> None:
        waiting = []
        for stream in self.streams:
            await stream.enrol()
            waiting.append(await stream.waiting(list(self.targets)))
        oldest = min((one.oldest_at for one in waiting if one.oldest_at is not None), default=None)
        self._waiting = Waiting(sum(one.events for one in waiting), oldest)
        self._first = (self._first + 1) % len(self.streams)
        order = range(self._first, self._first + len(self.streams))
        for number in (number % len(self.streams) for number in order):
            if waiting[number].events:
                await self._claim(self.streams[number])

    async def _claim(self, stream: Deliveries) -> None:
        room = {name: self._places(name) - len(tasks) for name, tasks in self._under_way.items()}
        room = {name: places for name, places in room.items() if places > 0}
        for claimed in await stream.claim(room, self._clock() + LEASE):
            task = asyncio.create_task(self._deliver(stream, claimed), name=f"event {claimed.event.id}")
            self._under_way[claimed.merchant].add(task)
            task.add_done_callback(self._under_way[claimed.merchant].discard)

    def _places(self, merchant: str) -> int:
        """How many deliveries may be under way; one only to a receiver of which nobody knows whether it is back."""
        if (rest := self._rests.get(merchant)) is None:
            return self._at_once
        return 1 if rest[0] <= self._clock() else 0

    async def _deliver(self, stream: Deliveries, claimed: Claimed) -> None:
        merchant, event_id = claimed.merchant, claimed.event.id
        body = told_body(claimed.event)
        kind = body["type"]
        why = await self._try(merchant, msgspec.json.encode(body))
        try:
            if why:
                pause = min(self._longest_pause, self._first_pause * 2 ** min(claimed.tries - 1, 30))
                until = self._rests.get(merchant, (0.0, 0.0))[0]
                await stream.again(event_id, max(self._clock() + pause, until))
                _log.warning("event_not_taken", entry=event_id, type=kind, where=merchant, why=why, tries=claimed.tries)
            else:
                await stream.delivered(event_id)
                _log.info("event_delivered", entry=event_id, type=kind, where=merchant, tries=claimed.tries)
        except Unusable as exc:
            _log.error("journal_unusable", error=str(exc))  # it is due again when its lease is over
        self._freed.set()

    async def _try(self, merchant: str, body: bytes) -> str:
        """Why it was not taken; empty: it was."""
        try:
            answer = await post_signed(self._clients[merchant], self.targets[merchant], self._clock(), body)
        except (ProviderUnreachable, OutcomeUnknown) as exc:
            self._rest(merchant)
            return str(exc)
        if answer.status == 429 or answer.status >= 500:
            self._rest(merchant, self._asked_for(answer.retry_after))
        else:
            self._rests.pop(merchant, None)
        return "" if 200 <= answer.status < 300 else f"status {answer.status}"

    def _rest(self, merchant: str, at_least: float = 0.0) -> None:
        """Leave it alone, for longer each time and never for less than it was asked for before."""
        until, before = self._rests.get(merchant, (0.0, 0.5))
        seconds = min(LONGEST_REST, 2 * before)
        self._rests[merchant] = (max(until, self._clock() + max(seconds, at_least)), seconds)

    def _asked_for(self, retry_after: str) -> float:
        """Seconds, at most `LONGEST_PAUSE`; 0 for what is neither a number nor a date."""
        try:
            if retry_after.isdecimal():
                seconds = float(retry_after[:9])
            else:
                seconds = parsedate_to_datetime(retry_after).timestamp() - self._clock()
        except (ValueError, TypeError, OverflowError):
            return 0.0
        return min(max(seconds, 0.0), LONGEST_PAUSE)
