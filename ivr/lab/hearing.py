"""What a phone heard, told from its recording alone: which prompts, in which order, and how much of each.

How: our prompts are a-law and every leg speaks a-law, so nothing on the way may change a sample, and a recording holds
what was played bit for bit. Short pieces of every prompt are looked for in the recording, and each place found is
followed for as long as recording and prompt agree. Where several prompts share a sound, the one that agrees longest is
the one that was played. A prompt that was transcoded is not recognised: that is a fault to be seen, not to be hidden.
"""

import wave
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.int16]
"""Mono, 8,000 samples a second."""

RATE: Final = 8000
_PIECE: Final = 80
"""Samples of a piece that is looked for: 10 ms are enough to be found nowhere else by chance."""
_EVERY: Final = 0.25
"""Seconds between two pieces: so much of a prompt may be missed at either end and it is still found."""
_WINDOW: Final = 200
"""Samples that are compared at a time when a place is followed."""
_ALIKE: Final = 0.9
"""The share of equal samples from which two windows are the same sound."""
_LOST: Final = 3
"""So many windows in a row that differ, and the prompt was cut off there."""
_LOUD: Final = 300
"""The amplitude from which there is something to hear."""
_LEAST_HEARD: Final = 0.12
"""Seconds of agreement below which a place is chance."""
_OVERLAP: Final = 0.03
"""Seconds by which two prompts in a row may seem to overlap."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One prompt in a recording: from when to when it could be heard (seconds from the recording's beginning, the
    prompt's silent edges left out), and how much of it was played."""

    name: str
    start: float
    end: float
    share: float


def load_wav(path: Path) -> Sound:
    """A 16-bit mono 8 kHz WAV file."""
    with wave.open(str(path), "rb") as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            raise ValueError(f"{path} is not 16-bit mono at {RATE} Hz")
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)


def load_alaw(path: Path) -> Sound:
    """A raw a-law file."""
    return decode_alaw(np.frombuffer(path.read_bytes(), dtype=np.uint8))


def decode_alaw(codes: NDArray[np.uint8]) -> Sound:
    """ITU-T G.711 a-law."""
    return np.asarray(_ALAW[codes], dtype=np.int16)


def load_prompts(directory: Path, language: str) -> dict[str, Sound]:
    """Every built prompt of a language by its name, e.g. `invoice/welcome`."""
    base = directory / language
    return {str(path.relative_to(base).with_suffix("")): load_alaw(path) for path in sorted(base.rglob("*.alaw"))}


def hear(recording: Sound, prompts: Mapping[str, Sound]) -> list[Heard]:
    """The prompts that the recording holds, in order. A word that is both a digit and a number is called a digit."""
    places: dict[tuple[str, int], Heard] = {}
    for name, start in _places(recording, prompts):
        if (name, start) not in places and (heard := _follow(recording, prompts[name], start, name)) is not None:
            places[name, start] = heard
    return _choose(places.values())


def names(heard: Iterable[Heard]) -> list[str]:
    """Just the names, in order."""
    return [one.name for one in heard]


def longest_silence(recording: Sound, after: float = 0.0, before: float | None = None) -> float:
    """Seconds of the longest stretch without any sound between two times."""
    part = recording[int(after * RATE) : None if before is None else int(before * RATE)]
    loud = np.flatnonzero(np.abs(part.astype(np.int32)) > _LOUD)
    edges = np.concatenate(([-1], loud, [len(part)]))
    return float(np.max(np.diff(edges)) - 1) / RATE


def _places(recording: Sound, prompts: Mapping[str, Sound]) -> Iterator[tuple[str, int]]:
    """Which prompt would begin where in the recording, for every piece of one that is found there.

    Thousands of pieces are looked for at once: by four samples of each, as one number, and where these are found by all
    the others.
    """
    pieces: dict[int, list[tuple[str, int]]] = {}
    for name, prompt in prompts.items():
        for at in _pieces(prompt):
            pieces.setdefault(int(_fours(prompt[at + _PIECE // 2 :][:4])[0]), []).append((name, at))
    fours = _fours(recording)
    sought = np.array(sorted(pieces), dtype=np.uint64)
    if not len(sought):
        return
    nearest = np.minimum(np.searchsorted(sought, fours), len(sought) - 1)
    for found in np.flatnonzero(sought[nearest] == fours):
        for name, at in pieces[int(fours[found])]:
            start = int(found) - _PIECE // 2 - at
            here = recording[max(0, start + at) : start + at + _PIECE]
            if np.array_equal(here, prompts[name][at : at + _PIECE]):
                yield name, start


def _fours(sound: Sound) -> NDArray[np.uint64]:
    """Every four samples in a row as one number; none when there are fewer."""
    wide = sound.view(np.uint16).astype(np.uint64)
    return np.asarray(wide[:-3] << 48 | wide[1:-2] << 32 | wide[2:-1] << 16 | wide[3:], dtype=np.uint64)


def _pieces(prompt: Sound) -> Iterator[int]:
    """Loud places of the prompt, one in each stretch of `_EVERY` seconds."""
    stretch = int(_EVERY * RATE)
    for begin in range(0, len(prompt), stretch):
        part = np.abs(prompt[begin : begin + stretch].astype(np.int32))
        if len(part) >= _PIECE and part.max() > _LOUD:
            yield max(0, min(begin + int(part.argmax()) - _PIECE // 2, len(prompt) - _PIECE))


def _follow(recording: Sound, prompt: Sound, start: int, name: str) -> Heard | None:
    """Compare window by window until they disagree; None when hardly anything agrees."""
    agreed = lost = begin = end = 0
    for at in range(0, len(prompt), _WINDOW):
        ours = prompt[at : at + _WINDOW]
        if start + at < 0:
            continue  # before the recording began
        theirs = recording[start + at : start + at + len(ours)]
        if len(theirs) < len(ours):
            break
        if np.max(np.abs(ours.astype(np.int32))) < _LOUD:
            continue
        if np.mean(ours == theirs) >= _ALIKE:
            begin = begin if agreed else at
            agreed += len(ours)
            lost = 0
            end = at + len(ours)
        else:
            lost += 1
            if lost >= _LOST and agreed:
                break
    if agreed < min(_LEAST_HEARD * RATE, 0.5 * len(prompt)):
        return None
    loud = np.flatnonzero(np.abs(prompt.astype(np.int32)) > _LOUD)
    last = int(loud[-1]) + 1 if len(loud) else len(prompt)
    return Heard(name, (start + begin) / RATE, (start + end) / RATE, min(1.0, end / last))


def _choose(places: Iterable[Heard]) -> list[Heard]:
    """Of places that overlap, the one that explains most of the recording."""
    chosen: list[Heard] = []
    for place in sorted(places, key=lambda p: (p.start - p.end, -p.share, p.name)):
        if all(place.start >= o.end - _OVERLAP or place.end <= o.start + _OVERLAP for o in chosen):
            chosen.append(place)
    return sorted(chosen, key=lambda p: p.start)


def _alaw_table() -> Sound:
    """Every code's sample."""
    codes = np.arange(256, dtype=np.int32) ^ 0x55
    exponent = (codes & 0x70) >> 4
    mantissa = codes & 0x0F
    magnitude = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent, 1) - 1)
    return np.asarray(np.where(codes & 0x80, magnitude, -magnitude), dtype=np.int16)


_ALAW: Final = _alaw_table()
