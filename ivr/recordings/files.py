"""Where recordings lie, and how long they are.

A person's recording: `<prompts>/<language>/recordings/<name>.wav`. What Asterisk plays: `<out>/<language>/<name>.alaw`
and `.ulaw`, raw, one byte a sample at 8000 a second: **a prompt's length is its file's size / 8000**, which nothing
else needs to remember.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ivr.recordings.tools import ENCODINGS, RATE

RECORDINGS: Final = "recordings"
MOST_RECORDING_BYTES: Final = 20 * 1024 * 1024
"""A minute of the best studio's stereo; a larger file was dropped in by mistake."""
MAKING: Final = ".making"
"""Half-written files live in `<out>/.making` and are renamed out of it when they are whole."""


def dropped_in(prompts: Path, language: str, name: str) -> Path:
    """Where a person's recording of this prompt belongs."""
    return prompts / language / RECORDINGS / f"{name}.wav"


def built(out: Path, language: str, name: str) -> dict[str, Path]:
    """The files that Asterisk plays, by encoding."""
    return {encoding: out / language / f"{name}.{encoding}" for encoding in ENCODINGS}


def seconds(out: Path, language: str, name: str) -> float:
    """How long a built prompt is. Raises FileNotFoundError when it has not been built."""
    return built(out, language, name)["alaw"].stat().st_size / RATE


def files_under(directory: Path) -> Iterator[Path]:
    """Every file below a directory in order; none when it is not there. Hidden ones are left out."""
    if directory.is_dir():
        for path in sorted(directory.rglob("*")):
            if path.is_file() and not any(part.startswith(".") for part in path.relative_to(directory).parts):
                yield path


def write_whole(out: Path, file: Path, content: bytes) -> None:
    """Put a file in place so that whoever opens it sees all of it or the one before."""
    making = out / MAKING
    making.mkdir(parents=True, exist_ok=True)
    half = making / str(file.relative_to(out)).replace("/", "+")
    half.write_bytes(content)
    file.parent.mkdir(parents=True, exist_ok=True)
    half.replace(file)
