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
    data = recording.tobytes()
    places: dict[tuple[str, int], Heard] = {}
    for name, prompt in prompts.items():
        for start in _places(data, prompt):
            if (name, start) not in places and (heard := _follow(recording, prompt, start, name)) is not None:
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


def _places(data: bytes, prompt: Sound) -> Iterator[int]:
    """Where the prompt would begin in the recording, for every piece of it that is found there."""
    for at in _pieces(prompt):
        piece = prompt[at : at + _PIECE].tobytes()
        found = data.find(piece)
        while found != -1:
            if found % 2 == 0:  # a sample has two bytes
                yield found // 2 - at
            found = data.find(piece, found + 1)


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
