"""How long a session is ours, and how long whoever asked waits for it.

Law: whoever works on a session holds it for as long as it takes; what was begun goes on, whoever still waits for it.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from ivr.domain.errors import IvrError
from ivr.runtime.screens import Key, ScreenStore

HOLD: Final = 20.0
"""Seconds for which a session is held; a process that goes on with it holds it anew every third of that."""


class Holding:
    """Holds a session on for as long as we work. Most work is over before there is anything to do for that."""

    def __init__(self, store: ScreenStore, key: Key, clock: Callable[[], float]) -> None:
        self._store = store
        self._key = key
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(HOLD / 3, self._begin)

    def end(self) -> None:
        """It is put back, or lost."""
        self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._hold_on())

    async def _hold_on(self) -> None:
        while True:
            with suppress(IvrError):
                await self._store.hold(self._key, self._clock() + HOLD)
            await asyncio.sleep(HOLD / 3)


async def is_done(task: asyncio.Task[str], seconds: float) -> bool:
    """Whether it ends within so long; it goes on in any case. `asyncio.wait` would cost every request more."""
    loop = asyncio.get_running_loop()
    woken = loop.create_future()

    def wake(_: object = None) -> None:
        if not woken.done():
            woken.set_result(None)

    task.add_done_callback(wake)
    timer = loop.call_later(max(0.0, seconds), wake)
    try:
        await woken
    finally:
        timer.cancel()
    return task.done()
