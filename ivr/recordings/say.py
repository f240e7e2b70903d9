"""Hear an amount as a caller would: its pieces in a row, as one WAV file and on the loudspeaker."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivr.domain.errors import BadInput
from ivr.domain.speech import Amount
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.speaking import speak, words
from ivr.prompts.units import Currency
from ivr.recordings.files import built
from ivr.recordings.tools import RATE, require, save_wav

PLAYERS: Final = (("aplay", "-q"), ("play", "-q"))
"""Tried in this order."""
SOUND_DEVICES: Final = Path("/dev/snd")
PLAYER_EXTRA_SECONDS: Final = 5.0
"""A player gets the recording's length and so much more."""


@dataclass(frozen=True, slots=True)
class Said:
    """What was said: names of the prompts, the same in words, and the WAV file."""

    pieces: tuple[str, ...]
    text: str
    file: Path
    seconds: float


def say(catalogue: Catalogue, out: Path, amount: int, language: str, currency: Currency, file: Path) -> Said:
    """Put the built pieces of an amount (in rial) together in `file`.

    Raises BadInput when the amount, the language or the file is none, or a piece has not been built.
    """
    text = words(catalogue, [Amount(amount)], language, currency)
    names = speak([Amount(amount)], language, currency)
    try:
        sound = b"".join(built(out, language, name)["alaw"].read_bytes() for name in names)
    except FileNotFoundError as exc:
        raise BadInput(f"{exc.filename} has not been built; run `ivr prompts build`") from None
    require("sox")
    if not file.parent.is_dir():
        raise BadInput(f"{file.parent} is no directory")
    save_wav(sound, file)
    return Said(tuple(names), text, file, len(sound) / RATE)


def play(said: Said, devices: Path = SOUND_DEVICES) -> bool:
    """Play it on this machine's loudspeaker; False when there is no player, no device, or the player failed."""
    if not any(devices.glob("pcm*p")):
        return False
    for player in PLAYERS:
        if shutil.which(player[0]):
            try:
                command = [*player, str(said.file)]
                done = subprocess.run(command, capture_output=True, timeout=said.seconds + PLAYER_EXTRA_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            if done.returncode == 0:
                return True
    return False
