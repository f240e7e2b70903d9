"""record: keeps a message of the caller.

Law: nothing is recorded once a secret may have been keyed (`ivr.flow.confidential` proves it when the flow is read),
and keys that are pressed into a recording are for nobody. A recording whose end nobody tells us is given up by a timer.
"""

from dataclasses import dataclass
from typing import ClassVar, Final

import yaml

from ivr.domain.operations import Kind
from ivr.domain.reading import Fields
from ivr.flow.describing import Description
from ivr.flow.events import Digit, Event, PromptFinished, RecordingFinished, TimerFired
from ivr.flow.facts import Facts
from ivr.flow.saying import Saying
from ivr.flow.steps.ask import SILENCE, read_key
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.visit import VOICE, Visit

FAILED: Final = "failed"

MARGIN: Final = 10.0
"""Seconds beyond the longest message after which nothing more is expected of Asterisk."""


@dataclass(frozen=True, slots=True)
class RecordStep:
    """How a message is recorded."""

    only_on: ClassVar = VOICE

    saying: Saying
    save: str | None
    longest: float
    silence: float
    finish_key: str | None
    beep: bool

    def enter(self, visit: Visit) -> None:
        """Say what to do, then record."""
        visit.forget_keys()
        if self.saying.parts:
            visit.play(self.saying.resolve(visit))
        else:
            self._record(visit)

    def on(self, visit: Visit, event: Event) -> None:
        """The words are said, the message is whole, or it never will be."""
        match event:
            case PromptFinished():
                self._record(visit)
            case RecordingFinished(_, name, talked, failed):
                if failed:
                    visit.leave(FAILED)
                elif not talked:
                    visit.leave(SILENCE)
                else:
                    if self.save is not None:
                        visit.save(self.save, name)
                    visit.leave(NEXT)
                if "finished" not in visit.data:
                    visit.overlook(self.finish_key)  # it may have ended the recording, and its news come after
            case TimerFired():
                visit.stop_recording()
                visit.leave(FAILED)
            case Digit(key) if key == self.finish_key:
                visit.data["finished"] = True
                visit.forget_keys()
            case _:
                visit.forget_keys()

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Half a message is none: from the beginning."""
        self.enter(visit)

    def describe(self) -> Description:
        """How long a message may be, and what ends it."""
        parts = [
            "a message" + (f", kept as {self.save}" if self.save else ""),
            f"{self.silence:g} s of silence ends it",
        ]
        parts += [f"{self.finish_key} finishes"] if self.finish_key else []
        return Description("record", self.saying, about=f"up to {self.longest:g} s", awaits="; ".join(parts))

    def _record(self, visit: Visit) -> None:
        visit.record(self.longest, self.silence, self.finish_key, beep=self.beep)
        visit.start_timer(self.longest + MARGIN)


def read(body: yaml.Node, reading: Reading) -> Made:
    """`record: {prompt: …, save: message, max: 60s, silence: 4s, finish_key: "#", beep: true}`."""
    fields = Fields(reading.source, body, "record")
    save = fields.name("save", "") or None
    if save is not None:
        reading.make(save, Kind.TEXT, fields.value("save", required=False))
    made = RecordStep(
        saying=reading.say(fields, "prompt", required=False),
        save=save,
        longest=fields.seconds("max", 60, least=1, most=600),
        silence=fields.seconds("silence", 4, least=1, most=60),
        finish_key=read_key(fields, "finish_key", "#"),
        beep=fields.truth("beep", True),
    )
    fields.done()
    how = {NEXT: "speak, then press nothing", SILENCE: "say nothing", FAILED: "the recording fails"}
    facts = Facts(chosen=frozenset({NEXT}), says=made.saying, cut_short=False, how=how)
    return Made(made, frozenset({NEXT, SILENCE, FAILED}), facts=facts)
