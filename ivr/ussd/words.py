"""The screens that are ours and no flow's, and their words."""

from collections.abc import Mapping
from typing import Final

from ivr.domain.screens import Screen
from ivr.domain.speech import Prompt
from ivr.prompts.showing import Texts
from ivr.ussd.walk import FAILED

FORWARD: Final = Prompt("screen/forward")
BACK: Final = Prompt("screen/back")
WAIT: Final = Prompt("screen/wait")
LOOK: Final = Prompt("screen/look")
GOES_ON: Final = Prompt("screen/goes_on")
GO_ON: Final = Prompt("screen/go_on")
BEGIN_ANEW: Final = Prompt("screen/begin_anew")
OVER: Final = Prompt("screen/over")
BUSY: Final = Prompt("screen/busy")
CONFIRMED: Final = Prompt("screen/confirmed")
NOT_CONFIRMED: Final = Prompt("screen/not_confirmed")

ALL: Final = (FORWARD, BACK, WAIT, LOOK, GOES_ON, GO_ON, BEGIN_ANEW, OVER, BUSY, CONFIRMED, NOT_CONFIRMED, FAILED)

FIRST: Final = "1"
SECOND: Final = "2"
"""What is sent to our own questions."""


def text(texts: Texts, prompt: Prompt, language: str) -> str:
    """One of them in a language; `missing` has seen to it that it is there."""
    return texts[language][prompt.name]


def missing(texts: Texts, language: str) -> list[str]:
    """The names of those that have no words in a language."""
    known: Mapping[str, str] = texts.get(language, {})
    return [prompt.name for prompt in ALL if prompt.name not in known]


def patience(texts: Texts, language: str) -> Screen:
    """For who has to wait longer than the network does."""
    return Screen(body=text(texts, WAIT, language), choices=[(FIRST, text(texts, LOOK, language))])


def offer(texts: Texts, language: str) -> Screen:
    """For who comes back."""
    choices = [(FIRST, text(texts, GO_ON, language)), (SECOND, text(texts, BEGIN_ANEW, language))]
    return Screen(body=text(texts, GOES_ON, language), choices=choices)
