"""Words that are too long to be listened to.

Law: lengths are estimated from the texts, so that they are the same on every machine, whether recordings are built or
not. What `World.characters` does not know is not blamed.
"""

from collections.abc import Mapping
from typing import Final

from ivr.domain.phone import MOBILE_DIGITS
from ivr.domain.speech import In, Prompt
from ivr.flow.checks.written import Written
from ivr.flow.saying import AmountOf, DateOf, DigitsOf, Only, Part, PromptFor, TextOf

CHARACTERS_A_SECOND: Final = 12.0
"""How fast our recordings speak, about, in Persian and in English."""

MOST_PROMPT_SECONDS: Final = 20.0
"""One prompt; who listens longer has forgotten how it began."""

MOST_SECONDS_UNINTERRUPTED: Final = 30.0
"""What one step says before a caller can do anything."""

AMOUNT_SECONDS: Final = 9.0
"""A long amount in words."""

DIGIT_SECONDS: Final = 0.6
"""One digit that is read."""

DIGITS_READ: Final = 20
"""As many are read of a value whose length nobody states."""


def check(written: Written) -> None:
    """Blame long prompts where they are named, and steps that speak too long."""
    lengths = written.world.characters
    for name, node in dict.fromkeys(written.uses.prompts):
        for language in sorted(lengths):
            seconds = lengths[language].get(name, 0) / CHARACTERS_A_SECOND
            if seconds > MOST_PROMPT_SECONDS:
                written.source.blame(
                    node,
                    f"'{name}' takes about {seconds:.0f} seconds in '{language}', and "
                    f"{MOST_PROMPT_SECONDS:.0f} are the most: shorten it, or make two of it",
                )
    sizes: dict[str, int] = {}
    for name, most, _ in written.uses.sizes:
        sizes[name] = max(most, sizes.get(name, 0))
    for step in written.flow.steps.values():
        if step.facts.cut_short:
            continue
        for language in sorted(lengths):
            seconds = sum(_seconds(part, lengths[language], sizes) for part in step.facts.says.parts)
            if seconds > MOST_SECONDS_UNINTERRUPTED:
                written.blame(
                    None,
                    step.name,
                    f"'{step.name}' can speak for about {seconds:.0f} seconds in '{language}' before the caller can do "
                    f"anything, and {MOST_SECONDS_UNINTERRUPTED:.0f} are the most",
                )


def _seconds(part: Part, lengths: Mapping[str, int], sizes: dict[str, int]) -> float:
    match part:
        case Only(on_screen=True) | TextOf():
            return 0.0
        case Prompt(name) | In(_, Prompt(name)) | Only(_, Prompt(name)):
            return lengths.get(name, 0) / CHARACTERS_A_SECOND
        case PromptFor(_, prompts, otherwise):
            return max(_seconds(one, lengths, sizes) for one in (*prompts.values(), otherwise))
        case AmountOf() | DateOf():
            return AMOUNT_SECONDS
        case DigitsOf(name):
            return DIGIT_SECONDS * sizes.get(name, DIGITS_READ)
        case _:
            return DIGIT_SECONDS * MOBILE_DIGITS
