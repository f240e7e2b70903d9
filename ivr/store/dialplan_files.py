"""The dialplan's directory: read as one, watched, and written back.

Law: what is returned as loaded is exactly what was read, even while somebody saves; and while a version is written
back nobody of ours reads half of it. Files that are not the dialplan's are never touched.
"""

import fcntl
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from ivr.domain.errors import Unusable
from ivr.domain.reading import Fault, Faults
from ivr.flow.model import Dialplan
from ivr.flow.versions import Files, Loaded, version_of

MOST_TRIES: Final = 5
"""How often files that change while they are read are read again."""

LOST: Final = ".lost"
"""What is put behind the name of a file that a forced rollback writes over."""

_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*\.yaml")

Load = Callable[[Path], Dialplan]
"""Reads the dialplan in a directory. Raises Faults."""


def load_current(directory: Path, load: Load) -> Loaded:
    """The dialplan as it is in its directory. Raises what `load` raises, and Unusable when it never stands still."""
    with _locked(directory, fcntl.LOCK_SH):
        for _ in range(MOST_TRIES):
            before = _contents(directory)
            try:
                dialplan = load(directory)
            except Faults:
                if _contents(directory) == before:
                    raise
                continue  # a file that was just being saved has no faults of its own
            if _contents(directory) == before:
                files = _texts(directory, before)
                return Loaded(replace(dialplan, version=version_of(files)), files)
    raise Unusable(f"the files in {directory} change while they are being read; try again")


def load_kept(files: Files, load: Load, directory: Path) -> Loaded:
    """The dialplan of these texts; its faults name files in `directory`. Raises what `load` raises."""
    try:
        with tempfile.TemporaryDirectory(prefix="ivr-dialplan-") as made:
            for name, text in files.items():
                path = Path(made, name)
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(text.encode())
            try:
                dialplan = load(Path(made))
            except Faults as exc:
                raise Faults(
                    replace(
                        fault,
                        file=fault.file.replace(made, str(directory), 1),
                        message=fault.message.replace(made, str(directory)),
                    )
                    for fault in exc.faults
                ) from None
    except OSError as exc:
        raise Unusable(f"an earlier dialplan cannot be unpacked: {exc.strerror}; free some space") from None
    return Loaded(replace(dialplan, version=version_of(files)), files)


def read_files(directory: Path) -> Files:
    """The texts as they are now, with or without faults. Raises Faults for what is no text."""
    with _locked(directory, fcntl.LOCK_SH):
        return _texts(directory, _contents(directory))


def write_back(directory: Path, files: Files, seen: Files, lost: Iterable[str] = ()) -> None:
    """Make these the dialplan's files: each replaced whole, every other one of the dialplan removed.

    `seen`: the texts that may be written over. `lost`: names of those of which nobody has a copy; one is left beside
    each. Raises Unusable when a file cannot be written, and, having changed nothing, when one is not as it was seen.
    """
    with _locked(directory, fcntl.LOCK_EX):
        if _texts(directory, _contents(directory)) != seen:
            raise Unusable(f"the files in {directory} have just been changed by somebody else; look at them again")
        try:
            for name in lost:
                path = directory / name
                path.with_name(path.name + LOST).write_bytes(path.read_bytes())
            for name, text in files.items():
                _replace(directory / name, text.encode())
            for name in _contents(directory).keys() - files.keys():
                (directory / name).unlink()
        except OSError as exc:
            raise Unusable(f"cannot write {exc.filename or directory}: {exc.strerror}") from None


def look(directory: Path) -> frozenset[tuple[object, ...]]:
    """Something that is another whenever a file was saved, added or removed. Reads no file."""
    seen: set[tuple[object, ...]] = set()
    for path in _paths(directory):
        with suppress(OSError):
            found = path.stat()
            seen.add((str(path), found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino))
    return frozenset(seen)


def _paths(directory: Path) -> Iterator[Path]:
    for folder in (directory, directory / "flows"):
        yield from (path for path in sorted(folder.glob("*.yaml")) if _NAME.fullmatch(path.name))


def _contents(directory: Path) -> dict[str, bytes]:
    """What cannot be read is left out: whoever loads it says so."""
    contents = {}
    for path in _paths(directory):
        with suppress(OSError):
            contents[path.relative_to(directory).as_posix()] = path.read_bytes()
    return contents


def _texts(directory: Path, contents: dict[str, bytes]) -> Files:
    texts = {}
    faults = []
    for name, content in contents.items():
        try:
            texts[name] = content.decode("utf-8")
        except UnicodeDecodeError as exc:
            faults.append(Fault(str(directory / name), 1, 1, f"not UTF-8 text (byte {exc.start})"))
    if faults:
        raise Faults(faults)
    return texts


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            before = path.stat() if path.exists() else None
            os.fchmod(handle, before.st_mode & 0o777 if before else 0o644)
            if os.geteuid() == 0:  # root does it for whoever owns the dialplan
                owner = before or path.parent.stat()
                os.fchown(handle, owner.st_uid, owner.st_gid)
            file.write(content)
            file.flush()
            os.fsync(handle)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(directory: Path, how: int) -> Iterator[None]:
    """Readers together, a writer alone, among our own programs. Where directories cannot be locked it goes without."""
    try:
        handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    except OSError:
        yield  # whoever reads it says what is wrong with it
        return
    try:
        with suppress(OSError):
            fcntl.flock(handle, how)
        yield
    finally:
        os.close(handle)
