"""Writing configuration files.

Law: only a file whose first line is our header is ever replaced; each is replaced whole; a refusal changes nothing.
"""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ivr.asterisk.render.text import File, as_text
from ivr.domain.errors import BadInput, Unusable

HEADER: Final = "; written by ivr render: change the settings and render again, not this file"
MODE: Final = 0o640
SECRET_MODE: Final = 0o600


def write_all(directory: Path, files: Sequence[File]) -> tuple[Path, ...]:
    """Write them all or, when one of them exists and is not ours, none. Returns the paths, sorted."""
    paths = {directory / file.name: file for file in files}
    foreign = [path.name for path in paths if not _is_ours(path)]
    if foreign:
        raise BadInput(
            f"{directory} holds files that ivr did not write: {', '.join(sorted(foreign))}; "
            "move them away or render into another directory"
        )
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o750)
        for path, file in paths.items():
            _replace(path, f"{HEADER}\n\n{as_text(file.sections)}", SECRET_MODE if file.secret else MODE)
    except OSError as error:
        raise Unusable(f"cannot write {error.filename or directory}: {error.strerror}") from None
    return tuple(sorted(paths))


def _is_ours(path: Path) -> bool:
    """True for a file that we may write: absent, or ours. A link is never ours."""
    if path.is_symlink():
        return False
    try:
        with path.open("rb") as file:
            return file.readline(len(HEADER) + 1).rstrip(b"\n") == HEADER.encode()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False


def _replace(path: Path, text: str, mode: int) -> None:
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(handle, mode)
            if os.geteuid() == 0:  # Asterisk reads them as whoever owns the directory
                owner = path.parent.stat()
                os.fchown(handle, owner.st_uid, owner.st_gid)
            file.write(text)
            file.flush()
            os.fsync(handle)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
