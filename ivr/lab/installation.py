"""A private Asterisk on this machine. `install_asterisk.sh` makes it; the Asterisk image is made by the same script."""

import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivr.domain.errors import Unusable

SCRIPT: Final = Path(__file__).with_name("install_asterisk.sh")


@dataclass(frozen=True, slots=True)
class Installation:
    """An Asterisk that has been run: `launcher` takes Asterisk's own arguments."""

    launcher: Path
    modules: Path
    data: Path
    version: str


def default_directory() -> Path:
    """Where the script installs by default: outside the checkout, shared by all labs of this user."""
    cache = os.environ.get("IVR_CACHE") or os.environ.get("XDG_CACHE_HOME")
    return (Path(cache) if cache else Path.home() / ".cache") / "ivr" / "asterisk"


def installed(directory: Path | None = None) -> Installation | None:
    """The Asterisk that is there already, or None."""
    try:
        return _read(directory or default_directory())
    except (OSError, KeyError, ValueError):
        return None


def ensure_asterisk(progress: Callable[[str], None] | None = None, directory: Path | None = None) -> Installation:
    """Install Asterisk unless it is there, and say where it is. Blocks: half a minute the first time, else 50 ms.

    `progress` is told each stage in a short line. Raises Unusable with the script's own words.
    """
    place = directory or default_directory()
    with subprocess.Popen(
        [str(SCRIPT), str(place)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as script:
        assert script.stdout is not None and script.stderr is not None
        for line in script.stdout:
            if progress is not None:
                progress(line.rstrip())
        complaint = script.stderr.read().strip()
    if script.returncode != 0:
        raise Unusable(complaint or f"{SCRIPT.name} ended with status {script.returncode}")
    return _read(place)


def _read(place: Path) -> Installation:
    fields = dict(line.split("=", 1) for line in (place / "installed").read_text(encoding="utf-8").splitlines())
    return Installation(
        launcher=place / "bin" / "asterisk",
        modules=place / fields["modules"],  # a system's own are absolute, and stay so
        data=place / fields["data"],
        version=fields["version"],
    )
