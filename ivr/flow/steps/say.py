"""say: the caller hears something, and the call goes on."""

from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.reading import Fields
from ivr.flow.describing import Description
from ivr.flow.events import Digit, Event, PromptFinished
from ivr.flow.facts import Facts
from ivr.flow.saying import SPOKEN, Saying, only_on_screen
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.visit import Visit

_PART_WORDS: Final = frozenset({*SPOKEN, "language", "for", "voice", "screen", "show"})
"""A mapping with one of these is something to say; any other is the step's fields."""


@dataclass(frozen=True, slots=True)
class SayStep:
    """Says it to the end, unless barge-in lets a key cut it short; that key is then for the next step."""

    saying: Saying
    barge_in: bool

    def enter(self, visit: Visit) -> None:
        """Begin to speak; a caller who has keyed ahead need not hear what may be cut short."""
        if self.barge_in and visit.session.typed:
            visit.leave(NEXT)
            return
        if say := self.saying.resolve(visit):
            visit.play(say)
        else:
            visit.leave(NEXT)  # it is for the other channel

    def on(self, visit: Visit, event: Event) -> None:
        """Heard to its end, or cut short."""
        if isinstance(event, PromptFinished):
            visit.leave(NEXT)
        elif isinstance(event, Digit) and self.barge_in:
            visit.stop_playing()
            visit.leave(NEXT)

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Say it again."""
        self.enter(visit)

    def describe(self) -> Description:
        """What is said."""
        return Description("say", self.saying, awaits="any key cuts it short" if self.barge_in else "")


def read(body: yaml.Node, reading: Reading) -> Made:
    """`say: prompt`, `say: [prompt, {amount: value}]`, or `say: {prompt: …, barge_in: true}`."""
    if isinstance(body, yaml.MappingNode) and not any(
        isinstance(key, yaml.ScalarNode) and key.value in _PART_WORDS for key, _ in body.value
    ):
        fields = Fields(reading.source, body, "say")
        made = SayStep(reading.say(fields, "prompt"), fields.truth("barge_in", False))
        fields.done()
        return Made(made, frozenset({NEXT}), facts=_facts(made))
    wrapped = yaml.MappingNode("tag:yaml.org,2002:map", [(_name("say"), body)], body.start_mark, body.end_mark)
    made = SayStep(reading.say(Fields(reading.source, wrapped, "say"), "say"), False)
    return Made(made, frozenset({NEXT}), facts=_facts(made))


def _facts(made: SayStep) -> Facts:
    """A caller who has keyed ahead hears nothing of what may be cut short; what is for screens is nothing to them."""
    if all(map(only_on_screen, made.saying.parts)):
        return Facts(mute=True, says=made.saying)
    heard = frozenset() if made.barge_in else frozenset({NEXT})
    return Facts(heard=heard, says=made.saying, cut_short=made.barge_in)


def _name(text: str) -> yaml.ScalarNode:
    return yaml.ScalarNode("tag:yaml.org,2002:str", text)
