"""How a recording must sound, and how that is measured. Law: levels are dB below full scale, lengths are seconds."""

import math
import sys
from array import array
from dataclasses import dataclass
from typing import Final

SPEECH_LEVEL_DB: Final = -20.0
"""The loudness (RMS) that every prompt is brought to, so that no caller reaches for the volume."""
PEAK_DB: Final = -3.0
"""No sample is louder: a limiter holds it there, so nothing clips on the way to the telephone."""
LEAST_PEAK_DB: Final = -40.0
"""A recording whose loudest sample is below this is silence."""
FULL_SCALE: Final = 32767
MOST_CLIPPED: Final = 0.0005
"""The share of samples at full scale from which a recording counts as clipped: a handful of peaks is not heard."""
MOST_SECONDS: Final = 15.0
"""No prompt is longer: a caller does not listen so long."""
LEAST_SECONDS: Final = 0.1
"""No word is shorter."""

PAD_SECONDS: Final = 0.06
"""Silence before and after a prompt."""
PIECE_PAD_SECONDS: Final = 0.015
"""The same for pieces of numbers, which are heard as one phrase."""
DIGIT_PAD_SECONDS: Final = 0.09
"""The same for digits, which a caller writes down one by one."""

_PADS: Final = {"number": PIECE_PAD_SECONDS, "unit": PIECE_PAD_SECONDS, "digit": DIGIT_PAD_SECONDS}


@dataclass(frozen=True, slots=True)
class Sound:
    """What was measured: samples of 16 bits, of whatever rate and channels."""

    samples: int
    peak_db: float
    level_db: float
    clipped: float
    """The share of samples at full scale."""


def measure(raw: bytes) -> Sound:
    """Measure 16-bit little-endian samples. Nothing but silence measures -inf dB."""
    samples = array("h", raw[: len(raw) & ~1])
    if sys.byteorder == "big":
        samples.byteswap()
    if not samples:
        return Sound(0, -math.inf, -math.inf, 0.0)
    high, low = max(samples), min(samples)
    peak = max(high, -low)
    at_top = samples.count(FULL_SCALE) + samples.count(-FULL_SCALE) + samples.count(-FULL_SCALE - 1)
    square = sum(sample * sample for sample in samples) / len(samples)
    return Sound(len(samples), _db(peak), _db(math.sqrt(square)), at_top / len(samples))


def complaint(sound: Sound) -> str | None:
    """Why a recording cannot be used, or None. Lengths are judged after trimming, by `length_complaint`."""
    if sound.peak_db < LEAST_PEAK_DB:
        return f"the recording is silent (nothing in it is above {LEAST_PEAK_DB:g} dB)"
    if sound.clipped > MOST_CLIPPED:
        return f"the recording is clipped ({sound.clipped:.2%} of it is at full scale); record it again, less loud"
    return None


def length_complaint(seconds: float) -> str | None:
    """Why a prompt of this length cannot be used, or None."""
    if seconds > MOST_SECONDS:
        return f"it is {seconds:.1f} seconds long; at most {MOST_SECONDS:g} are allowed"
    if seconds < LEAST_SECONDS:
        return f"it is {seconds:.2f} seconds long; no word is shorter than {LEAST_SECONDS:g}"
    return None


def finishing(level_db: float, name: str) -> tuple[str, ...]:
    """sox's effects that bring shaped speech to the common loudness, limit its peaks and put silence around it."""
    gain = SPEECH_LEVEL_DB - level_db - PEAK_DB
    pad = f"{pad_seconds(name):g}"
    louder = ("gain", "-l") if gain > 0 else ("gain",)  # sox's limiter makes what is attenuated louder
    return (*louder, f"{gain:.2f}", "gain", f"{PEAK_DB:g}", "pad", pad, pad)


def pad_seconds(name: str) -> float:
    """The silence before and after a prompt of this name."""
    return _PADS.get(name.split("/")[0], PAD_SECONDS)


def _db(sample: float) -> float:
    return 20 * math.log10(sample / (FULL_SCALE + 1)) if sample else -math.inf
