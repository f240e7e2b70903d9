"""Changes the dialplan while calls go on.

Laws:
- A dialplan with a fault changes nothing; one without is kept in the store first, and then new calls begin on it.
- A call ends on the version it began with, also in the next process after a crash.
- Reading is done in a thread that lets calls go ahead of it, one reload at a time.
"""

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import structlog

from ivr.domain.errors import IvrError, Unusable
from ivr.domain.reading import Faults
from ivr.flow.model import Dialplan
from ivr.flow.versions import Files, Loaded, changed
from ivr.runtime.observer import Observer
from ivr.runtime.ports import DialplanStore
from ivr.runtime.switchboard import Switchboard

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the files when they are watched; what two looks found the same is loaded."""

RETRY_AFTER: Final = 30.0
"""Seconds before a watched dialplan is tried again that could not be kept, or lacks something outside of itself."""

SHARE: Final = 0.0005
"""Seconds that the reading thread may hold the interpreter while an event of a call waits for it."""

MOST_LOGGED: Final = 20
"""Faults of one dialplan that are written to the log; `ivr check` shows all of them."""

MOST_NAMED: Final = 10
"""Numbers that are named in a note."""

_log = structlog.get_logger("ivr.reloader")


class Result(StrEnum):
    """What became of a reload."""

    ACTIVE = "active"
    UNCHANGED = "unchanged"
    REFUSED = "refused"
    """The dialplan has faults."""
    FAILED = "failed"
    """The dialplan may be well, but it could not be kept, or something outside of it is missing."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The answer to whoever asked for it; plain data."""

    result: Result
    version: str
    """The one that new calls begin on now."""
    flows: int
    numbers: int
    changed: Sequence[str] = ()
    """Files that differ from the version before."""
    faults: Sequence[str] = ()
    """Each a line as `ivr check` prints it; why it was refused or failed."""
    notes: Sequence[str] = ()
    """What else has to be done or known."""


class Reloader:
    """Puts the dialplan on disk into use when asked to, or when it sees that it was saved."""

    def __init__(
        self,
        load: Callable[[], Loaded],
        store: DialplanStore,
        switchboard: Switchboard,
        observer: Observer,
        files: Files,
        *,
        notes: Callable[[], Sequence[str]] = tuple,
    ) -> None:
        """`load` reads what is on disk, in a thread. `files`: the texts of the switchboard's dialplan, which is kept
        already. `notes`: what else everybody who reloads should know.
        """
        self._load = load
        self._store = store
        self._switchboard = switchboard
        self._observer = observer
        self._files = files
        self._notes = notes
        self._one_at_a_time = asyncio.Lock()
        observer.dialplan_is(switchboard.dialplan.version)

    async def reload(self, how: str, who: str = "") -> Reloaded:
        """Read the files, and let new calls begin on them if they are well. What is wrong with them is no exception."""
        async with self._one_at_a_time:
            done = await self._reload(how, who)
        self._observer.reloads.labels(done.result.value).inc()
        self._observer.dialplan_faults.set(len(done.faults))
        return done

    async def watch(self, look: Callable[[], object], every: float = LOOK_EVERY, retry: float = RETRY_AFTER) -> None:
        """Reload for ever, whenever the files have changed and then stood still for `every` seconds.

        `look`, run in a thread, returns something that is another after every change. What was refused is not tried
        again before somebody has saved something.
        """
        last = done = None
        while True:
            await asyncio.sleep(every)
            now = await asyncio.to_thread(look)
            if now == last and now != done:
                done = now
                if (await self.reload("watch")).result is Result.FAILED:
                    done = None
                    await asyncio.sleep(retry)
            last = now

    async def _reload(self, how: str, who: str) -> Reloaded:
        before = self._switchboard.dialplan
        notes: Sequence[str] = ()
        try:
            with _sharing():
                loaded, notes = await asyncio.to_thread(lambda: (self._try(), tuple(self._notes())))
            if isinstance(loaded, Exception):
                raise loaded
            if loaded.dialplan.version == before.version:
                return _answer(Result.UNCHANGED, before, notes=(*self._new_words(loaded.dialplan), *notes))
            await self._store.use(loaded.dialplan.version, loaded.files, how, who)
        except Faults as exc:
            log_refused(exc, how)
            return _answer(Result.REFUSED, before, faults=[str(fault) for fault in exc.faults], notes=notes)
        except IvrError as exc:
            _log.error("dialplan_not_changed", how=how, error=str(exc))
            return _answer(Result.FAILED, before, faults=str(exc).splitlines(), notes=notes)
        except Exception as exc:  # noqa: BLE001 - the dialplan before is as good as ever: calls go on
            _log.exception("reload_broke", how=how)
            what = f"{type(exc).__name__} while reading the dialplan; this is a fault in the program, please report it"
            return _answer(Result.FAILED, before, faults=[what])
        dialplan = loaded.dialplan
        self._switchboard.change(dialplan)
        files, self._files = self._files, loaded.files
        self._observer.dialplan_is(dialplan.version)
        _log.info(
            "dialplan_changed",
            version=dialplan.version,
            how=how,
            flows=len(dialplan.flows),
            numbers=len(dialplan.numbers),
        )
        return _answer(
            Result.ACTIVE,
            dialplan,
            changed=changed(files, loaded.files),
            notes=(*_new_numbers(before, dialplan), *_set_aside(before, dialplan), *notes),
        )

    def _new_words(self, dialplan: Dialplan) -> Sequence[str]:
        """Prompts are in no version; but screens are shown as they were read, and callers hear what is on disk."""
        before = self._switchboard.dialplan
        if dialplan.screens == before.screens:
            return ()
        self._switchboard.change(dialplan)
        return ("what screens show has changed, and is shown from now on",) if dialplan.services else ()

    def _try(self) -> Loaded | Exception:
        try:
            return self._load()
        except Exception as exc:  # noqa: BLE001 - raised again where the notes are known too
            return exc


async def find_kept(store: DialplanStore, load: Callable[[Files], Loaded], version: str) -> Loaded | None:
    """A version that was once in use, if it can be read and still fits this program; else a line in the log."""
    try:
        files = await store.files(version)
        if files is None:
            raise Unusable("it was never kept")
        with _sharing():
            return await asyncio.to_thread(load, files)
    except IvrError as exc:
        _log.error("version_unusable", version=version, error=str(exc).partition("\n")[0])
    except Exception:  # noqa: BLE001 - a program that has changed since; its callers are better off with today's
        _log.exception("version_unusable", version=version)
    return None


def _answer(
    result: Result,
    dialplan: Dialplan,
    *,
    changed: Sequence[str] = (),
    faults: Sequence[str] = (),
    notes: Sequence[str] = (),
) -> Reloaded:
    return Reloaded(result, dialplan.version, len(dialplan.flows), len(dialplan.numbers), changed, faults, notes)


def log_refused(faults: Faults, how: str) -> None:
    """What is wrong, a line each, and that the version before goes on."""
    _log.error("dialplan_refused", how=how, faults=len(faults.faults))
    for fault in faults.faults[:MOST_LOGGED]:
        _log.error("dialplan_fault", error=str(fault))


def _set_aside(before: Dialplan, after: Dialplan) -> Iterator[str]:
    """What an admin must know of flows that were left out, where that is news."""
    if after.set_aside_note is not None and after.set_aside != before.set_aside:
        yield after.set_aside_note


def _new_numbers(before: Dialplan, after: Dialplan) -> Iterator[str]:
    """Asterisk has to know a number before a call to it can reach us."""
    old, new = ({number.number for number in dialplan.numbers} for dialplan in (before, after))
    if added := sorted(new - old):
        yield (
            f"new: {_named(added)}; Asterisk leads callers here once it is told "
            "(ivr render DIR --numbers, then: asterisk -rx 'dialplan reload')"
        )
    if gone := sorted(old - new):
        yield f"gone: {_named(gone)}; who dials it now is refused"


def _named(numbers: Sequence[str]) -> str:
    more = len(numbers) - MOST_NAMED
    return ", ".join(numbers[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


@contextmanager
def _sharing() -> Iterator[None]:
    """Parsing YAML never waits for anything: without this, every event of every call would wait 5 ms for it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(min(before, SHARE))
    try:
        yield
    finally:
        sys.setswitchinterval(before)
