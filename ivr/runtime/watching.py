"""What agents see of the callers whom they help: counts and names, and each change as it happens.

Law: nothing here ever held a digit (`ivr.flow.progress`). Whoever is too slow loses its oldest news.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final

from ivr.flow.progress import Progress

MOST_NEWS: Final = 100
"""That wait for one watcher."""
MOST_WATCHERS: Final = 200


class Watching:
    """The last of each agent, and who is watching."""

    def __init__(self) -> None:
        self._last: dict[str, Progress] = {}
        self._watchers: dict[str, set[asyncio.Queue[Progress]]] = {}

    def show(self, agent: str, progress: Progress) -> None:
        """It has changed."""
        if self._last.get(agent) == progress:
            return
        self._last[agent] = progress
        for queue in self._watchers.get(agent, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(progress)

    def last(self, agent: str) -> Progress | None:
        """Where this agent's latest assisted call stands, or stood."""
        return self._last.get(agent)

    @property
    def full(self) -> bool:
        """Whether as many watch as may."""
        return sum(map(len, self._watchers.values())) >= MOST_WATCHERS

    async def news(self, agent: str) -> AsyncGenerator[Progress, None]:
        """What there is now and every change; ends at once when it is `full`."""
        watchers = self._watchers.setdefault(agent, set())
        if self.full:
            return
        queue: asyncio.Queue[Progress] = asyncio.Queue(MOST_NEWS)
        watchers.add(queue)
        try:
            if (last := self._last.get(agent)) is not None:
                yield last
            while True:
                yield await queue.get()
        finally:
            watchers.discard(queue)
