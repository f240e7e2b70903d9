"""Make what Asterisk plays: from a person's recording, or where there is none from the synthesiser.

Law: only what changed is made again; a file is replaced whole or not at all; a prompt that cannot be made keeps its
old files and becomes a fault.
"""

import fcntl
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivr.domain.errors import BadInput, Unusable
from ivr.domain.reading import Fault
from ivr.prompts.catalogue import Catalogue
from ivr.recordings import manifest as book
from ivr.recordings.files import MAKING, MOST_RECORDING_BYTES, built, write_whole
from ivr.recordings.manifest import Made, Manifest, Source
from ivr.recordings.sound import complaint, finishing, length_complaint, measure
from ivr.recordings.tools import ENCODINGS, RATE, SHAPE, SHAPE_SYNTHESISED, decode, encode, require, shape, synthesise

WORKERS: Final = 2
"""Prompts made at the same time: calls on the same machine come first."""

LOCK: Final = ".lock"

Progress = Callable[[int, int, str], None]
"""Told after each prompt: how many are done, how many there are to make, and `language/name`."""


@dataclass(frozen=True, slots=True)
class Built:
    """What a build did, as `language/name`, and what it could not do."""

    made: tuple[str, ...]
    kept: int
    removed: tuple[str, ...]
    faults: tuple[Fault, ...]


def build(
    catalogue: Catalogue,
    prompts: Path,
    out: Path,
    progress: Progress | None = None,
    workers: int = WORKERS,
) -> Built:
    """Bring `<out>/<language>/<name>.alaw` and `.ulaw` up to date with the catalogue and `<prompts>`.

    Two builds into one directory wait for each other. Raises Unusable when espeak-ng or sox is missing and needed,
    or `<out>` cannot be written.
    """
    with _alone(out):
        known = book.read(out)
        wanted = list(sources(catalogue, prompts))
        stale = [one for one in wanted if not book.is_current(out, known, one)]
        if stale:
            require("sox", *(["espeak-ng"] if any(one.recording is None for one in stale) else []))
        removed = _remove_forgotten(out, known, wanted)
        made, faults = _make_all(out, known, stale, progress, workers)
        if made or removed:
            book.write(out, known)
        shutil.rmtree(out / MAKING, ignore_errors=True)
    return Built(tuple(made), len(wanted) - len(stale), tuple(removed), tuple(sorted(faults)))


def sources(catalogue: Catalogue, prompts: Path) -> Iterator[Source]:
    """What each prompt of each language that is spoken is made from now."""
    for language, entries in catalogue.entries.items():
        for name, entry in entries.items():
            if entry.is_spoken:
                yield book.source(prompts, language, name, entry)


def make(one: Source) -> dict[str, bytes]:
    """A prompt's built files, by encoding. Raises BadInput when its recording or its length cannot be used."""
    if one.recording is None:
        samples = shape(synthesise(one.entry.heard, one.language), SHAPE_SYNTHESISED)
    else:
        _examine(one.recording)
        samples = shape(one.recording.read_bytes(), SHAPE)
    speech = measure(samples)
    if problem := length_complaint(speech.samples / RATE):
        raise BadInput(problem)
    effects = finishing(speech.level_db, one.name)
    return {encoding: encode(samples, encoding, effects) for encoding in ENCODINGS}


def fault(one: Source, message: str) -> Fault:
    """A fault at the person's recording, or at the text that the synthesiser was given."""
    if one.recording is None:
        return Fault(one.entry.file, one.entry.line, one.entry.column, f"{one.name}: {message}")
    return Fault(str(one.recording), 1, 1, message)


def _make_all(
    out: Path, known: Manifest, stale: list[Source], progress: Progress | None, workers: int
) -> tuple[list[str], list[Fault]]:
    made: list[str] = []
    faults: list[Fault] = []
    with ThreadPoolExecutor(workers, thread_name_prefix="prompts") as pool:
        running = {pool.submit(_make_one, out, one): one for one in stale}
        try:
            for count, done in enumerate(as_completed(running), start=1):
                one = running[done]
                label = f"{one.language}/{one.name}"
                try:
                    known.setdefault(one.language, {})[one.name] = done.result()
                    made.append(label)
                except BadInput as exc:
                    faults.append(fault(one, str(exc)))
                if progress is not None:
                    progress(count, len(stale), label)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            book.write(out, known)  # what is done is done: the next build goes on from here
            raise
    return sorted(made), faults


def _make_one(out: Path, one: Source) -> Made:
    contents = make(one)
    for encoding, file in built(out, one.language, one.name).items():
        write_whole(out, file, contents[encoding])
    return book.made(one, contents)


def _examine(recording: Path) -> None:
    """Raise BadInput when a person's recording cannot be used: too large, no WAV, silent or clipped."""
    size = recording.stat().st_size
    if size > MOST_RECORDING_BYTES:
        raise BadInput(f"the recording has {size} bytes; at most {MOST_RECORDING_BYTES} are allowed")
    if problem := complaint(measure(decode(recording))):
        raise BadInput(problem)


def _remove_forgotten(out: Path, known: Manifest, wanted: list[Source]) -> list[str]:
    """Delete what an earlier build made for prompts that are no more. Files that we did not make stay."""
    alive = {(one.language, one.name) for one in wanted}
    gone = [(language, name) for language, names in known.items() for name in names if (language, name) not in alive]
    for language, name in gone:
        del known[language][name]
        for file in built(out, language, name).values():
            file.unlink(missing_ok=True)
    return [f"{language}/{name}" for language, name in gone]


@contextmanager
def _alone(out: Path) -> Iterator[None]:
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / LOCK).open("w")
    except OSError as exc:
        raise Unusable(f"{out} cannot be written: {exc.strerror}") from None
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
