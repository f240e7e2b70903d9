"""transfer: let the caller talk to one of our own people, an agent or whoever of a queue is free.

Law: the caller waits no longer than `wait`, hears ringing meanwhile, and comes back to the flow when the agent hangs
up. What the agent is told first, the caller does not hear. Keys that are pressed meanwhile are for nobody.
"""

from dataclasses import dataclass
from typing import ClassVar

import yaml

from ivr.domain.errors import Illegal
from ivr.domain.legs import LegResult
from ivr.domain.reading import Fields, did_you_mean
from ivr.flow.describing import Description
from ivr.flow.events import Event, LegEnded, PromptFinished
from ivr.flow.facts import Facts
from ivr.flow.saying import Saying, Template
from ivr.flow.steps.base import Made, Reading
from ivr.flow.visit import VOICE, Visit

_POSSIBLE = (LegResult.ENDED, LegResult.BUSY, LegResult.NO_ANSWER, LegResult.UNREACHABLE)


@dataclass(frozen=True, slots=True)
class TransferStep:
    """To whom, and what is said to whom before."""

    only_on: ClassVar = VOICE

    saying: Saying
    agent: Template | None
    queue: str | None
    tell: Saying
    tell_language: str | None
    """None: that of the call."""
    wait: float

    @property
    def transfers(self) -> bool:
        """Who this step lets the caller talk to is one of our own people."""
        return True

    def enter(self, visit: Visit) -> None:
        """Say what comes next, then let them talk."""
        if self.saying.parts:
            visit.play(self.saying.resolve(visit))
        else:
            self._transfer(visit)

    def on(self, visit: Visit, event: Event) -> None:
        """The words are said, or they have talked."""
        match event:
            case PromptFinished() if visit.session.leg is None:
                self._transfer(visit)
            case LegEnded(_, result):
                visit.forget_keys()
                visit.leave(result.value if result in _POSSIBLE else LegResult.UNREACHABLE.value)
            case _:
                visit.forget_keys()

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Whoever has talked comes back with news of it; whoever is here without was never sent, or is about to go."""
        if visit.session.leg is None:
            self.enter(visit)
        elif leg is None:
            self._transfer(visit)

    def describe(self) -> Description:
        """Who it is, and what they are told."""
        whom = f"queue {self.queue}" if self.queue is not None else f"agent {self.agent.text if self.agent else ''}"
        about = f"{whom}, up to {self.wait:g} s"
        return Description("transfer", self.saying, about=about, tells=self.tell, tells_in=self.tell_language)

    def _transfer(self, visit: Visit) -> None:
        visit.forget_keys()
        agent = self.agent.fill(visit) if self.agent is not None else None
        if agent == "":
            raise Illegal("nobody knows which agent")
        visit.transfer(
            agent=agent,
            queue=self.queue,
            tell=self.tell.resolve(visit),
            language=self.tell_language or visit.session.language,
            wait=self.wait,
        )


def read(body: yaml.Node, reading: Reading) -> Made:
    """`transfer: {agent: "{agent}", tell: [agent/paid]}` or `transfer: {queue: sales}`."""
    fields = Fields(reading.source, body, "transfer")
    world = reading.world
    agent = reading.template(fields, "agent") if fields.has("agent") else None
    queue = fields.text("queue") if fields.has("queue") else None
    if (agent is None) == (queue is None):
        fields.blame("'transfer' needs 'agent' or 'queue', one of them")
    written = agent is not None and not agent.references and not agent.fault
    if agent is not None and written and agent.text and agent.text not in world.agents:
        fields.blame(f"there is no agent '{agent.text}'{did_you_mean(agent.text, world.agents)}", "agent")
    if queue and queue not in world.queues:
        fields.blame(f"there is no queue '{queue}'{did_you_mean(queue, world.queues)}", "queue")
    made = TransferStep(
        saying=reading.say(fields, "prompt", required=False),
        agent=agent,
        queue=queue,
        tell=reading.say(fields, "tell", required=False),
        tell_language=reading.language(fields, "tell_language") or None if fields.has("tell_language") else None,
        wait=fields.seconds("wait", 60, least=5, most=3600),
    )
    fields.done()
    whom = f"queue '{queue}'" if queue is not None else "the agent"
    how = {
        LegResult.ENDED.value: f"{whom} answers, and later hangs up",
        LegResult.BUSY.value: f"too many wait for {whom}",
        LegResult.NO_ANSWER.value: f"{whom} does not answer",
        LegResult.UNREACHABLE.value: f"nobody is there: {whom}",
    }
    facts = Facts(says=made.saying, cut_short=False, how=how)
    return Made(made, frozenset(result.value for result in _POSSIBLE), facts=facts)
