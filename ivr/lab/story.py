"""One whole call as a person makes it, and its transcript: what was heard, in words, and what was keyed.

Law: the transcript comes from the phone's recording. A card number or a PIN is never written down.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ivr.lab.hearing import Heard, hear, load_prompts, load_wav
from ivr.lab.phone import PhoneCall
from ivr.prompts.catalogue import Catalogue
from ivr.sandbox.settings import SandboxCard

CONNECTING: Final = 60.0
"""Seconds that connecting, with the bank's greeting, may take."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a transcript. `at` is seconds since the answer."""

    at: float
    who: str
    words: str

    def __str__(self) -> str:
        return f"{int(self.at) // 60}:{int(self.at) % 60:02}  {self.who:7} {self.words}"


async def pay(call: PhoneCall, invoice: str, card: SandboxCard, say: Say) -> Path:
    """Pay an invoice as the prompts ask for it, listening to each to its end. Returns the recording."""
    for heard, keys, secret in (
        ("the greeting was heard; keying the invoice number", f"{invoice}#", False),
        ("the amount was heard; agreeing", "1", False),
        ("the bank asks for the card", card.pan.reveal(), True),
        ("the bank asks for the PIN", f"{card.pin.reveal()}#", True),
    ):
        await call.prompt_end(CONNECTING)
        if call.over:
            say("the call ended early")
            break
        say(heard)
        await call.key(keys, secret=secret)
    return await call.ended()


async def key_through(call: PhoneCall, keys: Sequence[str], say: Say) -> Path:
    """Press each of these when a prompt has been heard, listen to one more, and hang up. Returns the recording."""
    for pressed in keys:
        await call.prompt_end(CONNECTING)
        if call.over:
            say("the call ended early")
            break
        say(f"a prompt was heard; keying {pressed}")
        await call.key(pressed)
    await call.prompt_end(CONNECTING)
    await call.hang_up()
    return await call.ended()


def transcript(
    recording: Path, keyed: Sequence[tuple[float, str]], recordings: Path, catalogue: Catalogue
) -> list[Line]:
    """What the phone heard and keyed, in order, in whichever languages."""
    prompts = {
        f"{language}/{name}": sound
        for language in catalogue.languages
        for name, sound in load_prompts(recordings, language).items()
    }
    heard = hear(load_wav(recording), prompts)
    lines = [Line(at, "keys", keys) for at, keys in keyed]
    lines += [
        Line(phrase[0].start, "hears", " ".join(_words(one, catalogue) for one in phrase)) for phrase in _phrases(heard)
    ]
    return sorted(lines, key=lambda line: line.at)


def _phrases(heard: Sequence[Heard]) -> list[list[Heard]]:
    """What was said without a pause in between."""
    phrases: list[list[Heard]] = []
    for one in heard:
        if phrases and one.start - phrases[-1][-1].end < 0.5:
            phrases[-1].append(one)
        else:
            phrases.append([one])
    return phrases


def _words(one: Heard, catalogue: Catalogue) -> str:
    language, _, name = one.name.partition("/")
    text = catalogue.text(language, name)
    return text if one.share > 0.9 else f"{text} [cut short]"
