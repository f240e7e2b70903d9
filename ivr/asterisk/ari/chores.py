"""What has to be done after an event, without holding up the events behind it."""

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from functools import partial

import structlog

from ivr.asterisk.ari.client import AriClient
from ivr.asterisk.ari.errors import AriDisconnected, AriError, Gone, place
from ivr.asterisk.ari.requests import Request

log = structlog.get_logger()


class Chores:
    """Keeps the tasks alive until they are done; one that breaks is logged and breaks nothing else."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, chore: Coroutine[None, None, None], call_id: str) -> None:
        """Do it soon."""
        task = asyncio.create_task(chore, name=call_id)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def close(self) -> None:
        """Give up what is not done; a later process finds the leftovers in Asterisk."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for task in tasks:
            with suppress(asyncio.CancelledError, Exception):  # logged already
                await task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()) is not None:
            log.error("call_chore_failed", call_id=task.get_name(), where=place(exc))


def tidy(client: AriClient, request: Request) -> None:
    """Send what may fail without harm: its object is gone already, or the next look at Asterisk finds it."""
    client.post(request, partial(unless_gone, request))


def unless_gone(request: Request, error: AriError | AriDisconnected | None) -> None:
    """Log a refusal that is not about something gone already."""
    if isinstance(error, AriError) and not isinstance(error, Gone):
        log.warning("ari_request_refused", method=request.method, path=request.path, status=error.status)
