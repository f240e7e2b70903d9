"""What is kept of a USSD session between two screens, for whichever process answers the next one.

Law: nothing that was sent from a telephone is kept, only how much of it was taken; what was shown is kept, so that a
repeated request shows it again.
"""

from collections.abc import Sequence
from typing import Final, NamedTuple, Protocol

import msgspec

MOST_LINES: Final = 60
"""Lines of one session, those of its first string included."""
MOST_STATE: Final = 64 * 1024
"""Characters of one session as it is kept."""
MOST_SHOWN: Final = 8
"""Answers of one session that are kept, the newest: a request that comes again is not older."""


class Key(NamedTuple):
    """Which session: the service's name and the network's own name of the session."""

    service: str
    session_id: str


class ShownPage(msgspec.Struct, frozen=True):
    """`ivr.domain.screens.Page` as it is kept."""

    text: str
    forward: str | None = None
    back: str | None = None
    offered: Sequence[str] = ()


class Kept(msgspec.Struct):
    """One session. Changed by whoever holds it (`ScreenStore.take`), and by nobody else."""

    name: str
    """Ours, unique for ever: payments are named after it."""
    taken: int = 0
    """Lines that were taken."""
    shown: dict[str, str] = msgspec.field(default_factory=dict)
    """What was answered, by the number of lines that had come; the newest `MOST_SHOWN`."""
    pages: list[ShownPage] = msgspec.field(default_factory=list)
    page: int = 0
    snapshot: str = ""
    """The engine's session; empty before the flow begins."""
    asking: bool = False
    """A process had somebody asked when this was kept: if it died, the step is repeated."""
    waits: int = -1
    """Lines up to this one, counted from 0, say only that the user goes on waiting: they answer a screen that asks for
    patience."""
    offer: str = ""
    """The network's name of an earlier session that may go on here; the user is asked."""
    over: bool = False
    ended_at: float = 0.0
    """When it was over, in seconds since 1970."""


class Taken(NamedTuple):
    """What was found. `mine`: it is ours to change until it is put back, or the time is over."""

    kept: Kept
    mine: bool
    fresh: bool
    """Nothing was there, or it was too old: it begins."""
    others: bool
    """The user has other sessions of this service that are not over: `left` says which."""


class Earlier(NamedTuple):
    """A session that its user has left."""

    key: Key
    kept: Kept


class ScreenStore(Protocol):
    """Sessions of USSD users. Several processes may share one. Every method raises Unusable."""

    async def take(self, key: Key, mobile: str, fresh: Kept, *, now: float, until: float, since: float) -> Taken:
        """Hold the session until `until`, unless somebody else holds it now. `fresh` is kept where there is none, or
        where it was last touched before `since`. Times: seconds since 1970.
        """
        ...

    async def look(self, key: Key) -> tuple[Kept, float] | None:
        """The session as it was last put, and until when somebody holds it (0: nobody)."""
        ...

    async def put(self, key: Key, kept: Kept, *, now: float, until: float | None) -> bool:
        """Keep this; `until`: hold it on for so long, None: let go of it. False: it has been taken from us meanwhile,
        and nothing was kept.
        """
        ...

    async def hold(self, key: Key, until: float) -> None:
        """Hold it on, if it is ours; `until` 0: let go of it as it was last put."""
        ...

    async def wait(self, key: Key, lines: int) -> None:
        """The user has been asked for patience after so many lines; whoever holds it goes on. An older request that
        comes late takes nothing of that back. -1: a new user in an old session has not been asked for any.
        """
        ...

    async def left(self, service: str, mobile: str, but: str, since: float, now: float) -> Earlier | None:
        """The user's newest other session of this service, if it is not over and nobody holds it."""
        ...

    async def close(self, key: Key, now: float) -> Kept | None:
        """The session goes on elsewhere: what it was, or None when it is over already or held."""
        ...

    async def forget(self, before: float, now: float) -> int:
        """Drop what was last touched before this and nobody holds; returns how many."""
        ...
