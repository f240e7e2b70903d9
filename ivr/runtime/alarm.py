"""The one timer of a call.

Law: what was set last counts. Every key of a number moves the deadline, so a deadline that moves on makes no new timer:
the one that runs looks again when it fires.
"""

import asyncio
from collections.abc import Callable


class Alarm:
    """Rings once, `seconds` after it was set, with the token that it was set with."""

    def __init__(self, ring: Callable[[int], None]) -> None:
        self._ring = ring
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due: tuple[float, int] | None = None
        """When it rings, on the loop's clock, and the token."""

    def set(self, token: int, seconds: float) -> None:
        """Ring then, and not when it was to ring before."""
        at = self._loop.time() + seconds
        self._due = (at, token)
        if self._timer is not None and self._timer.when() > at:
            self._timer.cancel()
            self._timer = None
        if self._timer is None:
            self._timer = self._loop.call_at(at, self._look)

    def clear(self) -> None:
        """Do not ring."""
        self._due = None

    def stop(self) -> None:
        """Do not ring, and leave nothing behind in the loop."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        if self._due is None:
            return
        at, token = self._due
        if self._loop.time() < at:
            self._timer = self._loop.call_at(at, self._look)
        else:
            self._due = None
            self._ring(token)
