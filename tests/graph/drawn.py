"""Flows with strange names, and the words of the shipped prompts."""

from ivr.domain.legs import HangupCause
from ivr.domain.speech import Prompt
from ivr.flow.events import Event
from ivr.flow.model import Flow, Step
from ivr.flow.saying import DigitsOf, Saying
from ivr.flow.steps.hang_up import HangUpStep
from ivr.flow.steps.say import SayStep
from ivr.flow.visit import Visit
from tests.simulator.table import CATALOGUE

STRANGE = (
    'a "quoted" name',
    "end",
    "brackets ])}> --> n1",
    "%%{init: {}}%% `tick` #quot; & <b>\\n",
    "گام نخست؛ «پرداخت»",
    "two\nlines\u202e",
)


def persian(name: str, language: str | None = None) -> str:
    return CATALOGUE.text(language or "fa", name)


def english(name: str, language: str | None = None) -> str:
    return CATALOGUE.text(language or "en", name)


class NewStep:
    """A kind that nobody has described."""

    def enter(self, visit: Visit) -> None: ...

    def on(self, visit: Visit, event: Event) -> None: ...

    def resume(self, visit: Visit, leg: int | None) -> None: ...


def strange_flow() -> Flow:
    """Steps of strange names, one after the other, with strange exits and words."""
    steps = {}
    for name, following in zip(STRANGE, (*STRANGE[1:], "last"), strict=True):
        saying = Saying((Prompt(f'words "of" {name}'), DigitsOf("x]y")))
        steps[name] = Step(name, SayStep(saying, False), {"next": following, 'exit "|" ]': STRANGE[0]})
    steps["last"] = Step("last", HangUpStep(HangupCause.BUSY), {})
    return Flow("strange", "0", STRANGE[0], "last", steps)
