"""A process's clock under trial: a day passes in seconds, and in no time once nobody calls any more.

Law: it never goes back, and whoever sleeps wakes when the clock has come there, and not before.
"""

import asyncio
import time
from typing import Final

SPEED: Final = 1000.0
"""Seconds of this clock in a real one."""

GLANCE: Final = 0.01
"""Real seconds after which a sleeper looks whether the clock was sent ahead."""


class FastClock:
    """Seconds since 1970, fast. Processes that follow each other begin where the one before cannot have been yet."""

    def __init__(self, begin: float) -> None:
        self._begin = begin
        self._real = time.monotonic()
        self._ahead = 0.0
        self.hurries = False
        """Nobody calls any more: a sleep takes no time, and moves the clock on by itself."""

    def __call__(self) -> float:
        return self._begin + self._ahead + (time.monotonic() - self._real) * SPEED

    async def sleep(self, seconds: float) -> None:
        """Return when the clock is there."""
        due = self() + seconds
        while not self.hurries and (left := (due - self()) / SPEED) > 0:  # noqa: ASYNC110 - the clock is what is waited for
            await asyncio.sleep(min(left, GLANCE))
        self._ahead += max(0.0, due - self())
        await asyncio.sleep(0)
