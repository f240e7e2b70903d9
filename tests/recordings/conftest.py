"""A small catalogue, built once with the real programs, of which each test gets its own copy."""

import math
import shutil
import wave
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.numbers import needed
from ivr.recordings.build import Built, build
from ivr.recordings.check import check

RATE = 16_000


@dataclass(frozen=True)
class Site:
    """A prompts directory with one language, and where its files are built."""

    prompts: Path
    out: Path

    @property
    def catalogue(self) -> Catalogue:
        return Catalogue.load(self.prompts)

    @property
    def file(self) -> Path:
        return self.prompts / "en" / "catalogue.yaml"

    def build(self) -> Built:
        return build(self.catalogue, self.prompts, self.out)

    def check(self) -> list[str]:
        return [str(fault) for fault in check(self.prompts, self.out)]

    def recording(self, name: str) -> Path:
        file = self.prompts / "en" / "recordings" / f"{name}.wav"
        file.parent.mkdir(parents=True, exist_ok=True)
        return file

    def alaw(self, name: str) -> Path:
        return self.out / "en" / f"{name}.alaw"


@pytest.fixture(scope="session")
def built_once(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Everything built from nothing."""
    root = tmp_path_factory.mktemp("site")
    site = Site(root / "prompts", root / "sounds")
    groups: dict[str, list[str]] = {
        "talk": ['hello: "Hello and welcome."', 'goodbye: "Goodbye."'],
        "unit": ['rial: "rials"', 'toman: "tomans"'],
        "month": [f'"{month}": "month {month}"' for month in range(1, 13)],
    }
    for name, text in needed("en").items():
        group, key = name.split("/")
        groups.setdefault(group, []).append(f'"{key}": "{text}"')
    site.file.parent.mkdir(parents=True)
    site.file.write_text("".join(f"{group}:\n  " + "\n  ".join(lines) + "\n" for group, lines in groups.items()))
    assert site.build().faults == ()
    return site


@pytest.fixture
def site(built_once: Site, tmp_path: Path) -> Site:
    """A copy to change."""
    mine = Site(tmp_path / "prompts", tmp_path / "sounds")
    shutil.copytree(built_once.prompts, mine.prompts)
    shutil.copytree(built_once.out, mine.out)
    return mine


Tone = Callable[..., None]


@pytest.fixture
def tone() -> Tone:
    """Writes a stereo WAV: silence, a tone of so many seconds and such a loudness, silence."""

    def write(file: Path, seconds: float = 1.0, loudness: float = 0.3, silence: float = 0.5) -> None:
        quiet = [0] * int(RATE * silence)
        wanted = (loudness * 32767 * math.sin(math.tau * 440 * n / RATE) for n in range(int(RATE * seconds)))
        mono = [*quiet, *(max(-32768, min(32767, int(sample))) for sample in wanted), *quiet]
        with wave.open(str(file), "wb") as wav:
            wav.setnchannels(2)
            wav.setsampwidth(2)
            wav.setframerate(RATE)
            wav.writeframes(array("h", (sample for sample in mono for _ in range(2))).tobytes())

    return write
