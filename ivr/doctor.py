"""What is missing on this machine, and the command that mends it.

Law: it only looks. Every finding that is not well says one command or one file to change.
"""

import os
import shutil
import ssl
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivr.config import load_settings
from ivr.domain.errors import IvrError
from ivr.lab.installation import installed
from ivr.loading import load_world
from ivr.recordings.check import check

_PROGRAMS: Final = {
    "espeak-ng": ("espeak-ng", "makes the prompts"),
    "sox": ("sox", "makes the prompts"),
    "dot": ("graphviz", "draws flows as SVG"),
}
"""Program -> (Debian package, what it is for)."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `cure` is None when it is well."""

    what: str
    said: str
    cure: str | None = None

    def __str__(self) -> str:
        mark = "ok     " if self.cure is None else "missing"
        return f"{mark} {self.what}: {self.said}" + (f"\n        -> {self.cure}" if self.cure else "")


def diagnose(config: Path) -> list[Finding]:
    """Everything that a working deployment needs."""
    return [_python(), *_programs(), _authorities(), _asterisk(), *_deployment(config)]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    cure = None if sys.version_info >= (3, 11) else "install Python 3.11 or newer, then: make setup"
    return Finding("python", version, cure)


def _programs() -> list[Finding]:
    found = []
    for program, (package, purpose) in _PROGRAMS.items():
        path = shutil.which(program)
        cure = None if path else f"apt-get install {package}   ({purpose})"
        found.append(Finding(program, path or "not found", cure))
    return found


def _authorities() -> Finding:
    """Where OpenSSL looks, or is told to look by SSL_CERT_FILE and SSL_CERT_DIR, as the providers' clients do."""
    paths = ssl.get_default_verify_paths()
    found = paths.cafile if paths.cafile and Path(paths.cafile).stat().st_size else None
    if found is None and paths.capath and any(Path(paths.capath).glob("*.[0-9]")):  # each is named by its hash
        found = paths.capath
    cure = None if found else "apt-get install ca-certificates   (whom providers' TLS is checked by)"
    return Finding("authorities", found or "none: no provider's certificate can be checked", cure)


def _asterisk() -> Finding:
    found = installed()
    if found is None:
        return Finding("asterisk", "none of 22.10.1 or newer", "ivr/lab/install_asterisk.sh   (or: make demo)")
    return Finding("asterisk", f"{found.version}, {found.launcher}")


def _deployment(config: Path) -> list[Finding]:
    try:
        settings = load_settings(config, credentials=False, sip_files=True)
        load_world(settings)
    except IvrError as exc:
        return [Finding("configuration", str(exc).splitlines()[0], f"mend {config}, then: ivr check")]
    findings = [Finding("configuration", f"{config} and {settings.dialplan} have no faults")]
    try:
        load_settings(config)
        findings.append(Finding("credentials", "all there"))
    except IvrError as exc:
        findings.append(Finding("credentials", str(exc).splitlines()[0], "set what is named above"))
    faults = check(settings.prompts, settings.recordings)
    if faults:
        findings.append(Finding("recordings", f"{len(faults)} faults", "ivr prompts build"))
    else:
        findings.append(Finding("recordings", str(settings.recordings)))
    cure = None if _can_hold_files(settings.storage) else f"mkdir -p {settings.storage} and let this user write there"
    findings.append(Finding("storage", str(settings.storage), cure))
    return findings


def _can_hold_files(directory: Path) -> bool:
    """Whether this user may write there, or make it when it is not there yet."""
    nearest = next(path for path in (directory, *directory.parents) if path.exists())
    return nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
