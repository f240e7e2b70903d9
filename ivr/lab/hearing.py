"""What a phone heard, told from its recording alone: which prompts, in which order, and how much of each.

How: every prompt's beginning is searched for in the recording by normalised cross-correlation (at a quarter of the
rate), and each place found is followed at the full rate for as long as recording and prompt agree. Where several
prompts begin alike, the one that agrees longest is the one that was played. Nothing our own logs claim is used.
"""

import wave
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

Sound = NDArray[np.float32]
"""Mono, 8,000 samples a second, -1 to 1."""

RATE: Final = 8000
_COARSE: Final = 4
"""Searching happens at a quarter of the rate."""
_PART: Final = 0.5
"""Seconds of a prompt that are searched for; a shorter prompt is searched for whole."""
_MISSED: Final = 0.4
"""A recording may begin so many seconds late; what comes after them is searched for as well."""
_WINDOW: Final = 0.05
"""Seconds that are compared at a time when a place is followed."""
_ALIKE: Final = 0.85
"""The correlation from which two sounds are the same sound."""
_FOUND: Final = 0.8
"""The same for the coarse search."""
_LOST: Final = 3
"""So many windows in a row that differ, and the prompt was cut off there."""
_QUIET: Final = 0.004
"""Root mean square below which a window holds nothing to compare."""
_LEAST_HEARD: Final = 0.15
"""Seconds of agreement below which a place is chance."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One prompt in a recording. Times are seconds from its beginning; `share` is how much of the prompt was played."""

    name: str
    start: float
    end: float
    share: float


def load_wav(path: Path) -> Sound:
    """A 16-bit mono 8 kHz WAV file."""
    with wave.open(str(path), "rb") as file:
        if (file.getframerate(), file.getnchannels(), file.getsampwidth()) != (RATE, 1, 2):
            raise ValueError(f"{path} is not 16-bit mono at {RATE} Hz")
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    return np.asarray(samples / 32768, dtype=np.float32)


def load_alaw(path: Path) -> Sound:
    """A raw a-law file."""
    return decode_alaw(np.frombuffer(path.read_bytes(), dtype=np.uint8))


def decode_alaw(samples: NDArray[np.uint8]) -> Sound:
    """ITU-T G.711 a-law."""
    return np.asarray(_ALAW[samples], dtype=np.float32)


def load_prompts(directory: Path, language: str) -> dict[str, Sound]:
    """Every built prompt of a language by its name, e.g. `invoice/welcome`."""
    base = directory / language
    return {str(path.relative_to(base).with_suffix("")): load_alaw(path) for path in sorted(base.rglob("*.alaw"))}


def hear(recording: Sound, prompts: Mapping[str, Sound]) -> list[Heard]:
    """The prompts that the recording holds, in order."""
    coarse = _coarse(recording)
    if len(coarse) == 0:
        return []
    size = 1 << (len(coarse) * 2 - 1).bit_length()
    spectrum = np.fft.rfft(coarse, size)
    energy = np.concatenate(([0.0], np.cumsum(coarse.astype(np.float64) ** 2)))
    places: list[Heard] = []
    for name, prompt in prompts.items():
        lead = _lead(prompt)
        for offset in (lead, lead + int(_MISSED * RATE)):
            part = prompt[offset : offset + int(_PART * RATE)]
            if offset > lead and len(part) < int(_PART * RATE):
                continue
            for start in _search(_coarse(part), spectrum, energy, size, len(coarse)):
                place = _follow(recording, prompt, start * _COARSE - offset, offset, name)
                if place is not None:
                    places.append(place)
    return _choose(places)


def names(heard: Iterable[Heard]) -> list[str]:
    """Just the names, in order."""
    return [one.name for one in heard]


def longest_silence(recording: Sound, after: float = 0.0, before: float | None = None) -> float:
    """Seconds of the longest stretch without any sound between two times."""
    part = recording[int(after * RATE) : None if before is None else int(before * RATE)]
    window = int(0.02 * RATE)
    count = len(part) // window
    if count == 0:
        return 0.0
    loud = np.sqrt(np.mean(part[: count * window].reshape(count, window) ** 2, axis=1)) > _QUIET
    longest = current = 0
    for is_loud in loud:
        current = 0 if is_loud else current + 1
        longest = max(longest, current)
    return longest * window / RATE


def _coarse(sound: Sound) -> Sound:
    length = len(sound) // _COARSE * _COARSE
    return np.asarray(sound[:length].reshape(-1, _COARSE).mean(axis=1), dtype=np.float32)


def _lead(prompt: Sound) -> int:
    """Samples of silence before a prompt's first sound: silence is found anywhere."""
    loud = np.flatnonzero(np.abs(prompt) > _QUIET * 4)
    return int(loud[0]) if len(loud) else 0


def _search(
    beginning: Sound, spectrum: NDArray[np.complexfloating], energy: NDArray[np.float64], size: int, length: int
) -> list[int]:
    """Where the beginning lies in the coarse recording: the peaks of the normalised cross-correlation."""
    span = len(beginning)
    norm = float(np.sqrt(np.sum(beginning.astype(np.float64) ** 2)))
    if span == 0 or norm == 0 or span >= length:
        return []
    product = np.fft.irfft(spectrum * np.conj(np.fft.rfft(beginning, size)), size)[: length - span]
    local = np.sqrt(np.maximum(energy[span:length] - energy[: length - span], 1e-9))
    score = product / (local * norm)
    found: list[int] = []
    while len(found) < 50:
        best = int(np.argmax(score))
        if score[best] < _FOUND:
            break
        found.append(best)
        score[max(0, best - span // 2) : best + span // 2] = 0
    return found


def _follow(recording: Sound, prompt: Sound, start: int, offset: int, name: str) -> Heard | None:
    """Compare window by window from `start` on, until they disagree; None when hardly anything agrees.

    `offset`: where in the prompt the part begins that was found.
    """
    start = _align(recording, prompt, start, offset)
    window = int(_WINDOW * RATE)
    agreed = lost = end = 0
    for at in range(0, len(prompt), window):
        ours = prompt[at : at + window]
        if start + at < 0:
            continue  # before the recording began
        theirs = recording[start + at : start + at + len(ours)]
        if len(theirs) < len(ours) or len(ours) < window // 4:
            break
        if float(np.sqrt(np.mean(ours**2))) < _QUIET:
            continue
        if _correlation(ours, theirs) >= _ALIKE:
            agreed += 1
            lost = 0
            end = at + len(ours)
        else:
            lost += 1
            if lost >= _LOST:
                break
    if agreed * _WINDOW < min(_LEAST_HEARD, 0.5 * len(prompt) / RATE):
        return None
    return Heard(name, max(0, start) / RATE, (start + end) / RATE, end / max(1, _last_sound(prompt)))


def _align(recording: Sound, prompt: Sound, start: int, offset: int) -> int:
    """The exact sample: the coarse search is off by a few."""
    ours = prompt[offset : offset + int(_PART * RATE)]
    best, shift = -1.0, 0
    for move in range(-2 * _COARSE, 2 * _COARSE + 1):
        at = start + offset + move
        theirs = recording[at : at + len(ours)] if at >= 0 else ours[:0]
        if len(theirs) == len(ours) and (score := _correlation(ours, theirs)) > best:
            best, shift = score, move
    return start + shift


def _last_sound(prompt: Sound) -> int:
    loud = np.flatnonzero(np.abs(prompt) > _QUIET * 4)
    return int(loud[-1]) + 1 if len(loud) else len(prompt)


def _correlation(one: Sound, other: Sound) -> float:
    norm = float(np.sqrt(np.sum(one**2) * np.sum(other**2)))
    return float(np.sum(one * other)) / norm if norm > 0 else 0.0


def _choose(places: list[Heard]) -> list[Heard]:
    """Of places that overlap, the one that explains most of the recording."""
    chosen: list[Heard] = []
    for place in sorted(places, key=lambda p: (p.end - p.start, p.share), reverse=True):
        if all(place.start >= other.end - 0.05 or place.end <= other.start + 0.05 for other in chosen):
            chosen.append(place)
    return sorted(chosen, key=lambda p: p.start)


def _alaw_table() -> Sound:
    """Every code's sample."""
    codes = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent = (codes & 0x70) >> 4
    mantissa = (codes & 0x0F).astype(np.int32)
    magnitude = np.where(exponent == 0, (mantissa << 4) + 8, ((mantissa << 4) + 0x108) << np.maximum(exponent, 1) - 1)
    return np.asarray(np.where(codes & 0x80, magnitude, -magnitude) / 32768, dtype=np.float32)


_ALAW: Final = _alaw_table()
