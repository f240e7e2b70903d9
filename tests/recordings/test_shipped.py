"""The prompts that we ship, given to the real synthesiser."""

import re
import subprocess
from pathlib import Path

import pytest

from ivr.prompts.catalogue import Catalogue
from ivr.prompts.numbers import LANGUAGES
from ivr.recordings.build import build
from ivr.recordings.files import seconds
from ivr.recordings.tools import VOICES

PROMPTS = Path(__file__).parents[2] / "prompts"
CATALOGUE = Catalogue.load(PROMPTS)

LONGEST_WORD_SECONDS = 1.2
"""A piece of a number is a word or two."""

LETTER_BY_LETTER = re.compile(r"\([a-z-]+\)|alef|_\^_")
"""What espeak-ng writes when it changes the language or names letters."""


def phonemes(language: str) -> dict[str, str]:
    """Every heard text of a language -> how espeak-ng says it, one process for all."""
    heard = sorted({entry.heard for entry in CATALOGUE.entries[language].values()})
    said = {}
    for text in heard:
        command = ["espeak-ng", "-v", VOICES[language], "-x", "-q", "--stdin"]
        said[text] = subprocess.run(command, input=text, text=True, check=True, capture_output=True).stdout.strip()
    return said


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_is_spoken_and_none_is_spelt(language: str) -> None:
    """A caller hears words; and no two different number pieces sound the same, as «بیلیون» and «میلیون» once did."""
    said = phonemes(language)
    assert all(said.values())
    assert [text for text, sound in said.items() if LETTER_BY_LETTER.search(sound)] == []
    assert len({sound.replace("'", "").replace(",", "") for sound in said.values()}) == len(said)


def test_everything_we_ship_builds_without_a_fault(tmp_path: Path) -> None:
    """Nothing is too long, and pieces of numbers are short."""
    done = build(CATALOGUE, PROMPTS, tmp_path)
    assert done.faults == ()
    for language in CATALOGUE.languages:
        for name in CATALOGUE.names(language):
            if name.startswith(("number/", "digit/", "unit/")):
                assert seconds(tmp_path, language, name) < LONGEST_WORD_SECONDS, name


def test_every_language_has_a_voice() -> None:
    """A language that can be counted in can be spoken."""
    assert set(VOICES) == set(LANGUAGES)
