"""hang_up: the call is over."""

from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.legs import HangupCause
from ivr.domain.reading import did_you_mean, read_text
from ivr.flow.describing import Description
from ivr.flow.events import Event
from ivr.flow.steps.base import Made, Reading
from ivr.flow.visit import Visit

_CAUSES: Final = {cause.name.lower(): cause for cause in HangupCause}


@dataclass(frozen=True, slots=True)
class HangUpStep:
    """Ends the call with a cause that the caller's network understands."""

    cause: HangupCause

    def enter(self, visit: Visit) -> None:
        """Hang up."""
        visit.hang_up(self.cause)

    def on(self, visit: Visit, event: Event) -> None:
        """Nothing happens any more."""

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Hang up."""
        self.enter(visit)

    def describe(self) -> Description:
        """The cause."""
        return Description("hang_up", about=self.cause.name.lower(), ends=True)


def read(body: yaml.Node, reading: Reading) -> Made:
    """`hang_up: normal`."""
    text = read_text(reading.source, body, "'hang_up'")
    if text is not None and text not in _CAUSES:
        reading.source.blame(body, f"'hang_up' must be one of {', '.join(_CAUSES)}{did_you_mean(text, _CAUSES)}")
    return Made(HangUpStep(_CAUSES.get(text or "", HangupCause.NORMAL)))
