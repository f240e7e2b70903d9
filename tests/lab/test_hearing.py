"""What the lab's ear makes of a recording."""

import random
from collections.abc import Mapping

import numpy as np
import pytest

from ivr.domain.speech import Amount
from ivr.lab.hearing import Sound, hear, load_prompts, names
from ivr.lab.town import HOUSE
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.speaking import speak
from ivr.prompts.units import Currency
from ivr.recordings.build import build

SILENCE = np.zeros(4000, dtype=np.int16)
AMOUNTS = 40


@pytest.fixture(scope="module")
def sounds() -> Mapping[str, Sound]:
    out = HOUSE / "var" / "prompts"
    build(Catalogue.load(HOUSE / "prompts"), HOUSE / "prompts", out)
    return load_prompts(out, "fa")


def test_every_prompt_is_heard_as_itself(sounds: Mapping[str, Sound]) -> None:
    """Each shipped prompt, played whole, is heard once and whole; only a word that is a digit too may be called so."""
    for name, sound in sounds.items():
        [heard] = hear(np.concatenate((SILENCE, sound, SILENCE)), sounds)
        assert _same(heard.name, name)
        assert heard.share > 0.9


def test_amounts_are_heard_word_for_word(sounds: Mapping[str, Sound]) -> None:
    """Words that follow each other without a pause are all heard, however short."""
    dice = random.Random(7)
    for _ in range(AMOUNTS):
        said = speak([Amount(dice.randrange(1_000, 10_000_000_000))], "fa", Currency.RIAL)
        heard = names(hear(np.concatenate([SILENCE, *(sounds[name] for name in said)]), sounds))
        assert len(heard) == len(said)
        assert all(_same(one, other) for one, other in zip(heard, said, strict=True)), (said, heard)


def test_what_was_cut_short_has_a_share(sounds: Mapping[str, Sound]) -> None:
    """Half of a prompt is half of it, and silence is nothing."""
    sound = sounds["invoice/enter_number"]
    [heard] = hear(np.concatenate((SILENCE, sound[: len(sound) // 2], SILENCE)), sounds)
    assert heard.name == "invoice/enter_number"
    assert 0.4 < heard.share < 0.6
    assert hear(SILENCE, sounds) == []


def _same(one: str, other: str) -> bool:
    return one == other or (
        ({one.partition("/")[0], other.partition("/")[0]} == {"digit", "number"})
        and (one.partition("/")[2] == other.partition("/")[2])
    )
