"""Notices to other programs: JSON by POST, signed, tried a few times, behind the calls' backs.

Laws:
- A call never waits for a notice. What cannot be told in a few tries is given up, and the log says so; so is what is
  still waiting when the process ends. What must not be lost stands in the journal.
- A notice may arrive twice (its `id` is then the same), and notices may arrive in another order than they were sent.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import structlog

from ivr.domain.errors import OutcomeUnknown, ProviderUnreachable
from ivr.domain.secret import Secret
from ivr.runtime.http_client import HttpAnswer, HttpClient, HttpSettings
from ivr.runtime.ports import Notice
from ivr.runtime.signing import signed

PAUSES: Final = (1.0, 5.0, 30.0, 120.0)
"""Seconds before the second, third … try; after the last one a notice is given up."""

MOST_WAITING: Final = 2000
"""Notices that one process keeps at once; further ones are given up at once."""

LAST_WORDS: Final = 2.0
"""Seconds that a process that ends gives to what is on its way."""

_AGAIN: Final = frozenset({408, 425, 429})
"""Answers that ask for another try, besides every 5xx."""

_log = structlog.get_logger("ivr.notices")


@dataclass(frozen=True, slots=True)
class NoticeTarget:
    """Where notices go. `secret` signs them; None: unsigned."""

    http: HttpSettings
    secret: Secret | None


async def post_signed(client: HttpClient, target: NoticeTarget, now: float, body: bytes) -> HttpAnswer:
    """Tell a target this JSON, at `now` in Unix seconds. Raises ProviderUnreachable and OutcomeUnknown."""
    path = "/" if target.http.base_url.endswith("/") else ""
    return await client.request("POST", path, json=msgspec.Raw(body), headers=signed(target.secret, now, body))


class Notices:
    """Sends notices. `send` fulfils `Services.notify`."""

    def __init__(
        self,
        targets: Mapping[str, NoticeTarget],
        clock: Callable[[], float],
        pauses: Sequence[float] = PAUSES,
        last_words: float = LAST_WORDS,
    ) -> None:
        """`clock` tells the time in Unix seconds."""
        self._targets = targets
        self._clients = {name: HttpClient(target.http) for name, target in targets.items()}
        self._clock = clock
        self._pauses = pauses
        self._last_words = last_words
        self._tasks: set[asyncio.Task[None]] = set()
        self.given_up = 0
        """Notices that nobody took, since the start."""

    def send(self, notice: Notice) -> None:
        """Tell it soon."""
        if notice.target not in self._targets or len(self._tasks) >= MOST_WAITING:
            why = "too many are waiting" if notice.target in self._targets else "there is no such target"
            self._give_up(notice, why, 0)
            return
        task = asyncio.create_task(self._tell(notice), name=f"notice {notice.id}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def settled(self) -> None:
        """Return when every notice has arrived or been given up."""
        while self._tasks:
            await asyncio.wait(list(self._tasks))

    async def close(self) -> None:
        """Let what is on its way arrive, give the rest up, and let go of the connections."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=self._last_words)
        left = list(self._tasks)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await asyncio.gather(*(client.close() for client in self._clients.values()))

    async def _tell(self, notice: Notice) -> None:
        body = msgspec.json.encode(
            {
                "id": notice.id,
                "event": notice.event,
                "call_id": notice.call_id,
                "flow": notice.flow,
                "time": int(self._clock()),
                "values": notice.values,
            }
        )
        why, tries = "", 0
        try:
            for pause in (0.0, *self._pauses):
                await asyncio.sleep(pause)
                tries += 1
                why, again = await self._try(notice.target, body)
                if not why:
                    _log.debug("notice_told", where=notice.target, tries=tries)
                    return
                if not again:
                    break
        except asyncio.CancelledError:
            self._give_up(notice, "the process ends", tries)
            raise
        self._give_up(notice, why, tries)

    def _give_up(self, notice: Notice, why: str, tries: int) -> None:
        self.given_up += 1
        _log.error("notice_given_up", where=notice.target, why=why, tries=tries)

    async def _try(self, name: str, body: bytes) -> tuple[str, bool]:
        """Why it was not taken (empty: it was), and whether to try again."""
        try:
            answer = await post_signed(self._clients[name], self._targets[name], self._clock(), body)
        except (ProviderUnreachable, OutcomeUnknown) as exc:
            return str(exc), True
        if 200 <= answer.status < 300:
            return "", False
        return f"status {answer.status}", answer.status >= 500 or answer.status in _AGAIN
