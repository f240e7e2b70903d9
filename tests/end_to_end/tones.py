"""Keys that can be heard in a sound: what an ear, or a thief with a recording, could make out."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from ivr.lab.hearing import RATE, Sound
from ivr.lab.phone import HIGH, LOW

WINDOW: Final = 256
"""Samples that are looked at together: 32 ms."""
STEP: Final = 128
PURE: Final = 0.6
"""The share of a window's loudness that lies in the two tones of a key; a voice spreads its own."""
LOUD: Final = 50.0
"""Of 32768: quieter is silence."""
LASTS: Final = 2
"""Windows in a row that one key takes at least."""

SAME: Final = 0.6
"""Seconds in which a tone that begins again is the same key: a busy machine breaks one into pieces."""

_LOWS: Final = sorted(set(LOW.values()))
_HIGHS: Final = sorted(set(HIGH.values()))
_KEYS: Final = {(LOW[key], HIGH[key]): key for key in LOW}
_SHAPE: Final = np.hanning(WINDOW)
_TIME: Final = np.arange(WINDOW) / RATE


def keys_heard(sound: Sound) -> list[tuple[float, str]]:
    """Every key and the second at which it begins."""
    found: list[tuple[float, str]] = []
    last, times, until = "", 0, -SAME
    for start in range(0, len(sound) - WINDOW, STEP):
        key = _key(np.asarray(sound[start : start + WINDOW], dtype=np.float64))
        times = times + 1 if key == last else 1
        last = key
        if not key or times < LASTS:
            continue
        if times == LASTS and not (found and found[-1][1] == key and start / RATE - until < SAME):
            found.append((start / RATE, key))
        until = start / RATE
    return found


def names(heard: Sequence[tuple[float, str]]) -> str:
    """The keys alone."""
    return "".join(key for _, key in heard)


def _key(window: Any) -> str:
    if float(np.sqrt(np.mean(window**2))) < LOUD:
        return ""
    shaped = window * _SHAPE
    lows, highs = ({hertz: _share(shaped, hertz) for hertz in tones} for tones in (_LOWS, _HIGHS))
    low, high = max(lows, key=lambda h: lows[h]), max(highs, key=lambda h: highs[h])
    both = lows[low] > PURE / 5 and highs[high] > PURE / 5
    return _KEYS[low, high] if both and lows[low] + highs[high] > PURE else ""


def _share(shaped: Any, hertz: int) -> float:
    """How much of the window's energy is this tone's."""
    found = abs(np.sum(shaped * np.exp(-2j * np.pi * hertz * _TIME))) ** 2
    return float(2 * found * np.sum(_SHAPE**2) / (np.sum(_SHAPE) ** 2 * np.sum(shaped**2)))
