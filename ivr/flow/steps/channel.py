"""channel: the way on depends on whether the caller listens or reads a screen.

Law: one flow serves both. What only one of them can do (a bank's IVR, a payment link of the USSD network) stands behind
this step, and no step behind it is met by the other.
"""

from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.reading import Fields, read_text
from ivr.flow.describing import Description
from ivr.flow.events import Event
from ivr.flow.facts import Facts
from ivr.flow.steps.base import Made, Reading
from ivr.flow.visit import CHANNEL, USSD, VOICE, Visit

CHANNELS: Final = (VOICE, USSD)


@dataclass(frozen=True, slots=True)
class ChannelStep:
    """Looks at how the caller came."""

    def enter(self, visit: Visit) -> None:
        """Leave at once."""
        visit.leave(USSD if visit.on_screen else VOICE)

    def on(self, visit: Visit, event: Event) -> None:
        """Nothing can happen here."""

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Look again."""
        self.enter(visit)

    def describe(self) -> Description:
        """How the caller came."""
        return Description("channel")


def read(body: yaml.Node, reading: Reading) -> Made:
    """`channel: {voice: ask_bank, ussd: send_link}`: both have a way on."""
    fields = Fields(reading.source, body, "channel")
    inline: dict[str, tuple[str, yaml.Node]] = {}
    for way in CHANNELS:
        node = fields.value(way)
        if node is not None and (target := read_text(reading.source, node, f"'{way}'")) is not None:
            inline[way] = (target, node)
    fields.done()
    how = {VOICE: "by telephone", USSD: "by USSD"}
    return Made(ChannelStep(), inline=inline, facts=Facts(mute=True, looks_at=CHANNEL, makes={}, how=how))
