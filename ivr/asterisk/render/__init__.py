"""Asterisk configuration, written from our own settings.

Law: everything Asterisk is told comes from `AsteriskSettings` and the list of numbers; what cannot be said safely is
refused with BadInput before anything is written, and a file that we did not write is never touched.
"""

from collections.abc import Sequence
from pathlib import Path

from ivr.asterisk.render.agents import features_file, music_file, queues_file
from ivr.asterisk.render.core import core_files
from ivr.asterisk.render.dialplan import Away, dialplan_file
from ivr.asterisk.render.files import write_all
from ivr.asterisk.render.modules import BENCH_MODULES, modules_file
from ivr.asterisk.render.places import Directories
from ivr.asterisk.render.sip import sip_file
from ivr.asterisk.settings import AsteriskSettings

__all__ = ["BENCH_MODULES", "Away", "Directories", "check", "render", "render_numbers"]


def check(settings: AsteriskSettings) -> None:
    """Raise BadInput for what `render` would refuse. Writes nothing."""
    core_files(settings, Path("/etc/asterisk"), None)
    modules_file(settings, ())
    sip_file(settings)
    queues_file(settings)
    features_file(settings)
    music_file(settings)
    dialplan_file(settings, (), Away())


def render_numbers(
    settings: AsteriskSettings, numbers: Sequence[str], directory: Path, *, away: Away | None = None
) -> tuple[Path, ...]:
    """Write extensions.conf alone: all that another list of numbers changes. As `render` otherwise."""
    return write_all(directory, (dialplan_file(settings, numbers, away or Away()),))


def render(
    settings: AsteriskSettings,
    numbers: Sequence[str],
    directory: Path,
    *,
    directories: Directories | None = None,
    extra_modules: Sequence[str] = (),
    away: Away | None = None,
) -> tuple[Path, ...]:
    """Write Asterisk's configuration into `directory` (made when missing) and return the files, sorted.

    `numbers` are the dialled numbers that are ours, on every trunk, and patterns of them (`ivr.domain.dialled`); a
    call to any other number is answered 404.
    `directories` says where an Asterisk of our own finds its modules and keeps its state; None leaves that to the
    installation. `extra_modules` are loaded besides ours, e.g. `BENCH_MODULES`. `away` is what a caller hears while
    our application is not connected.

    Raises BadInput, having written nothing, when a value cannot be written safely or a file there is not ours.
    """
    files = (
        *core_files(settings, directory, directories),
        modules_file(settings, extra_modules),
        sip_file(settings),
        features_file(settings),
        music_file(settings),
        *((queues_file(settings),) if settings.has_people else ()),
        dialplan_file(settings, numbers, away or Away()),
    )
    return write_all(directory, files)
