"""USSD with everything that it needs, for `ivr serve`.

Law: where `ussd` is not configured nothing is served, and nothing runs.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Final

from starlette.routing import BaseRoute

from ivr.config import Settings
from ivr.flow.model import Dialplan
from ivr.runtime.services import Services
from ivr.store.opening import Store
from ivr.ussd.desk import UssdDesk
from ivr.ussd.routes import Settle, UssdRoutes

CLOSED_WITHIN: Final = 60.0
"""Seconds for what is being asked for users when the process ends; providers answer or are given up before that."""


def _names() -> Iterator[str]:
    """Names of sessions that no process gives twice; the system's dice are thrown once, for they cost much."""
    mine = secrets.token_hex(8)
    return (f"ussd-{mine}-{number}" for number in count(1))


@dataclass(frozen=True, slots=True)
class UssdService:
    """What `ivr serve` needs of it."""

    routes: Sequence[BaseRoute]
    is_live: Callable[[str], bool]
    """Whether somebody is being asked about this payment."""
    desk: UssdDesk | None = None

    async def run(self) -> None:
        """Drop old sessions, until cancelled."""
        await (self.desk.sweep() if self.desk is not None else asyncio.get_running_loop().create_future())


@asynccontextmanager
async def ussd_service(
    settings: Settings,
    store: Store,
    services: Services,
    dialplan: Callable[[], Dialplan],
    earlier: Callable[[str], Awaitable[Dialplan | None]],
    settle: Settle,
    nudge: Callable[[str, str], None],
) -> AsyncIterator[UssdService]:
    """Open while inside; on leaving, what is being asked for users comes to its end."""
    if settings.ussd is None:
        yield UssdService((), lambda _: False)
        return
    desk = UssdDesk(
        store.screens,
        services,
        dialplan,
        earlier,
        settings.ussd,
        settings.currency,
        nudge=nudge,
        clock=time.time,
        new_name=_names().__next__,
    )
    served = UssdRoutes(desk, dialplan, settings.ussd, settle, services.observer)
    try:
        yield UssdService(served.routes, desk.is_live, desk)
    finally:
        async with asyncio.timeout(CLOSED_WITHIN):
            await desk.close()
