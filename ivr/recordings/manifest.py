"""What the built recordings were made from. Law: a recording is current when what it would be made from now is what
it was made from, and its files are still what was written then."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from ivr.prompts.reading import Entry
from ivr.recordings import sound, tools
from ivr.recordings.files import MOST_RECORDING_BYTES, built, dropped_in, write_whole

FILE: Final = "manifest.json"


class Made(msgspec.Struct, frozen=True):
    """One built prompt: the hash of what it was made from, and of each file."""

    source: str
    files: dict[str, str]


Manifest = dict[str, dict[str, Made]]
"""Language -> name -> what was made."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a prompt is made from now: a person's recording, or the text for the synthesiser."""

    language: str
    name: str
    entry: Entry
    recording: Path | None
    key: str
    """Changes whenever the built files would."""


def source(prompts: Path, language: str, name: str, entry: Entry) -> Source:
    """What this prompt is made from."""
    recording = dropped_in(prompts, language, name)
    finishing = sound.finishing(sound.LEAST_PEAK_DB, name)
    if not recording.is_file():
        made_from = (tools.VOICES[language], tools.WORDS_A_MINUTE, entry.heard, tools.SHAPE_SYNTHESISED, finishing)
        return Source(language, name, entry, None, _hash(repr(made_from).encode()))
    size = recording.stat().st_size
    content = _hash(recording.read_bytes()) if size <= MOST_RECORDING_BYTES else f"{size} bytes"
    return Source(language, name, entry, recording, _hash(repr((content, tools.SHAPE, finishing)).encode()))


def is_current(out: Path, manifest: Manifest, wanted: Source) -> bool:
    """True when the prompt's built files need no work."""
    made = manifest.get(wanted.language, {}).get(wanted.name)
    if made is None or made.source != wanted.key:
        return False
    files = built(out, wanted.language, wanted.name)
    return all(file.is_file() and _hash(file.read_bytes()) == made.files.get(end) for end, file in files.items())


def made(wanted: Source, contents: dict[str, bytes]) -> Made:
    """The manifest's line for files just written."""
    return Made(wanted.key, {end: _hash(content) for end, content in contents.items()})


def read(out: Path) -> Manifest:
    """The manifest, or an empty one when there is none or it is broken: everything is then built again."""
    try:
        return msgspec.json.decode((out / FILE).read_bytes(), type=Manifest)
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def write(out: Path, manifest: Manifest) -> None:
    """Replace the manifest."""
    write_whole(out, out / FILE, msgspec.json.format(msgspec.json.encode(manifest), indent=1))


def _hash(content: bytes) -> str:
    return hashlib.blake2b(content, digest_size=16).hexdigest()
