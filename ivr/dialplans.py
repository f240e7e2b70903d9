"""What people do about versions of the dialplan: `ivr reload` and `ivr dialplan versions | diff | rollback`.

Law: a rollback writes the files, because what is on disk is what runs: an activation alone would be undone by the next
reload or restart. It begins only when the version is known to work, and loses nothing that nobody has a copy of.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

from ivr.config import Settings
from ivr.domain.errors import BadInput
from ivr.flow.versions import Files, changed, diff
from ivr.loading import load_kept_dialplan
from ivr.person import who
from ivr.runtime.reloader import Result
from ivr.store.dialplan_files import LOST, read_files, write_back
from ivr.store.history import History, Use
from ivr.store.opening import DIALPLAN_FILE
from ivr.web.control import NotRunning, ask_reload

ON_DISK: Final = "disk"
"""What the files as they are now are called in a diff."""


def reload(settings: Settings, how: str = "reload") -> tuple[bool, Sequence[str]]:
    """Have the running process use what is on disk. Returns whether it does, and the lines to be printed.

    Raises Unusable when no process can be asked.
    """
    answer = ask_reload(settings.storage, how, who())
    if answer["result"] in (Result.REFUSED, Result.FAILED):
        return False, [*answer["faults"], *_notes(answer)]
    return True, [_outcome(answer), *(f"  {name}" for name in answer["changed"]), *_notes(answer)]


def uses(settings: Settings, limit: int) -> list[Use]:
    """Which version was in use since when, newest first."""
    with _history(settings) as history:
        return history.uses(limit)


def differs_on_disk(settings: Settings, use: Use) -> list[str]:
    """The files on disk that are not those of this version."""
    with _history(settings) as history:
        return changed(history.files(use.version), read_files(settings.dialplan))


def difference(settings: Settings, was: str, now: str) -> str:
    """A unified diff between two versions; `disk` stands for the files as they are."""
    with _history(settings) as history:
        (old, old_name), (new, new_name) = (_named(settings, history, name) for name in (was, now))
    return diff(old, new, old_name, new_name)


def rollback(settings: Settings, name: str, *, force: bool) -> tuple[bool, Sequence[str]]:
    """Write a version's files back, and have the running process use them. Returns as `reload` does.

    Raises BadInput, having changed nothing, when the version has faults today, and when there are files on disk that
    were never in use; with `force` a copy of each of those is left beside it.
    """
    with _history(settings) as history:
        version = history.find(name)
        files = history.files(version)
        on_disk = read_files(settings.dialplan)
        unknown = set(history.unknown(on_disk.values()))
    load_kept_dialplan(settings, files)
    lost = sorted(name for name, text in on_disk.items() if text in unknown)
    if lost and not force:
        raise BadInput(
            "\n".join(
                (
                    *(f"{settings.dialplan / name} was never in use as it is now" for name in lost),
                    f"nothing was changed: ivr reload first, or --force (a copy *{LOST} is left beside each)",
                )
            )
        )
    write_back(settings.dialplan, files, on_disk, lost)
    written = [f"{settings.dialplan} is version {version} again"]
    try:
        well, said = reload(settings, "rollback")
    except NotRunning as exc:
        return True, [*written, f"it counts when `ivr serve` is started ({exc})"]
    return well, [*written, *said] if well else said


def _named(settings: Settings, history: History, name: str) -> tuple[Files, str]:
    if name == ON_DISK:
        return read_files(settings.dialplan), ON_DISK
    version = history.find(name)
    return history.files(version), version


def _history(settings: Settings) -> History:
    return History(settings.storage / DIALPLAN_FILE)


def _outcome(answer: dict[str, Any]) -> str:
    version, what = answer["version"], f"{answer['flows']} flows and {answer['numbers']} numbers"
    if answer["result"] == Result.UNCHANGED:
        return f"nothing has changed: version {version} stays in use, {what}"
    return f"version {version} is in use for new calls: {what}; changed:"


def _notes(answer: dict[str, Any]) -> Iterator[str]:
    return (f"note: {note}" for note in answer["notes"])
