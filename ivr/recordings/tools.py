"""The two programs that make recordings: espeak-ng speaks, sox shapes.

Law: audio goes through pipes, a program gets bounded time, and one that is missing is named with its package.
"""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ivr.domain.errors import BadInput, Unusable

PACKAGES: Final = {"espeak-ng": "espeak-ng", "sox": "sox"}
"""Program -> the Debian package that has it."""

TOOL_SECONDS: Final = 30.0
"""No recording takes a program longer than this."""

WORDS_A_MINUTE: Final = 145
"""Slower than the synthesiser's own 175: callers listen on a bad line and write numbers down."""

VOICES: Final = {"en": "en-gb", "fa": "fa"}
"""Language -> the synthesiser's voice."""

RATE: Final = 8000
"""Samples a second on a telephone line."""

_SAMPLES: Final = ("-t", "raw", "-r", str(RATE), "-c", "1", "-e", "signed", "-b", "16")
_TRIM: Final = ("norm", "-1", "silence", "1", "0.01", "0.8%", "reverse", "silence", "1", "0.01", "0.8%", "reverse")
SHAPE: Final = ("remix", "-", "highpass", "100", *_TRIM)
"""To one channel, without rumble, and without the silence (42 dB below the peak) before and after the speech."""
SHAPE_SYNTHESISED: Final = ("remix", "-", "highpass", "150", "treble", "6", "2000", *_TRIM)
"""The same, and brighter: on a telephone the synthesiser's "haft" (7) and "hasht" (8) differ by their hiss alone."""
ENCODINGS: Final = {"alaw": "al", "ulaw": "ul"}
"""File name's end -> what sox calls the format."""


def require(*programs: str) -> None:
    """Raise Unusable with one sentence when a program is not installed."""
    missing = [program for program in programs if shutil.which(program) is None]
    if missing:
        packages = " ".join(PACKAGES[program] for program in missing)
        raise Unusable(f"{' and '.join(missing)} not found; install the Debian package: apt-get install {packages}")


def synthesise(text: str, language: str) -> bytes:
    """The text as a WAV. Raises Unusable when the synthesiser fails."""
    command = ["espeak-ng", "-v", VOICES[language], "-s", str(WORDS_A_MINUTE), "-z", "--stdin", "--stdout"]
    return run(command, text.encode())


def decode(recording: Path) -> bytes:
    """A recording's samples as they were recorded, 16 bits each. Raises BadInput when it is no recording."""
    try:
        return run(["sox", "-D", "-V1", "-t", "wav", str(recording), "-t", "raw", "-e", "signed", "-b", "16", "-"])
    except Unusable as exc:
        raise BadInput(f"cannot be read as a WAV file ({exc})") from None


def shape(wav: bytes, effects: Sequence[str]) -> bytes:
    """A WAV, after these effects, as 16-bit samples of one channel at 8000 a second."""
    return run(["sox", "-D", "-V1", "-t", "wav", "-", *_SAMPLES, "-", *effects], wav)


def encode(samples: bytes, encoding: str, effects: Sequence[str]) -> bytes:
    """Samples as A-law or mu-law, after these effects."""
    return run(["sox", "-D", "-V1", *_SAMPLES, "-", "-t", ENCODINGS[encoding], "-", *effects], samples)


def save_wav(alaw: bytes, file: Path) -> None:
    """A-law as a 16-bit WAV that any player opens."""
    run(
        ["sox", "-V1", "-t", "al", "-r", str(RATE), "-c", "1", "-", "-t", "wav", "-e", "signed", "-b", "16", str(file)],
        alaw,
    )


def run(command: Sequence[str], data: bytes = b"", seconds: float = TOOL_SECONDS) -> bytes:
    """What a program writes when it is given the data. Raises Unusable when it is missing, fails or takes too long."""
    try:
        done = subprocess.run(command, input=data, capture_output=True, timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise Unusable(f"{command[0]} did not finish within {seconds:g} seconds") from None
    except FileNotFoundError:
        require(command[0])
        raise
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise Unusable(f"{command[0]} failed: {said[-1] if said else f'exit status {done.returncode}'}")
    return done.stdout
