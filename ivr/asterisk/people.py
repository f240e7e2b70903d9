"""Our own people at Asterisk: who is on the telephone, who sent whom, and an agent who stays on the line while a caller
pays.

Law: an agent helps the caller whom they are talking to at this moment, and nobody else. Both are moved at once, or
neither is.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from ivr.asterisk.ami.actions import Place, device_states, queue_status, redirect, set_variable
from ivr.asterisk.ami.client import AmiClient
from ivr.asterisk.ami.connection import AmiReply
from ivr.asterisk.ami.errors import AmiDisconnected, AmiError
from ivr.asterisk.ami.events import (
    AmiEvent,
    AttendedTransfer,
    BlindTransfer,
    DeviceStateChange,
    UserEvent,
    queue_entries,
    queue_members,
)
from ivr.asterisk.ami.events import device_states as listed_states
from ivr.asterisk.ami.recordings import Recordings
from ivr.asterisk.ari.arrival import endpoint
from ivr.asterisk.ari.client import AriClient
from ivr.asterisk.ari.errors import AriDisconnected, AriError
from ivr.asterisk.ari.events import Channel
from ivr.asterisk.ari.survey import living_channels
from ivr.asterisk.render.agents import ASSIST_AGENT, ASSIST_CONTEXT, ASSIST_EVENT, BY
from ivr.asterisk.settings import AmiSettings, AsteriskSettings
from ivr.domain.errors import BadInput, IvrError, Unusable
from ivr.runtime.ports import QueueState

UNKNOWN_STATE: Final = "UNKNOWN"

log = structlog.get_logger("ivr.people")


class People:
    """Knows the agents by AMI, and moves them by it. Order of use: `start`, `use`, …, `close`."""

    def __init__(self, settings: AsteriskSettings, ami: AmiSettings) -> None:
        self._agents = [agent.name for agent in settings.agents]
        self._queues = [queue.name for queue in settings.queues]
        self._assist_number = settings.assist_number
        self._ami = AmiClient(ami, on_event=self._on_event, on_connected=self._on_connected, on_gap=self._on_gap)
        self.recordings = Recordings(self._ami)
        self._ari: AriClient | None = None
        self._states: dict[str, str] = {}
        self._assisting: set[asyncio.Task[None]] = set()
        self.is_helping: Callable[[str], bool] = lambda agent: False
        """Whether a flow goes on in which this agent helps."""
        self.on_given_away: Callable[[str], None] = lambda agent: None
        """Told that this agent has given a call of theirs to a caller."""
        self.on_device: Callable[[str, str], None] = lambda agent, state: None
        """Told that an agent's phone is in another state."""

    async def start(self) -> None:
        """Connect. Raises Unusable, saying what and where."""
        await self._ami.start()

    def use(self, ari: AriClient) -> None:
        """Which connection knows the channels."""
        self._ari = ari

    async def close(self) -> None:
        """Let go of Asterisk."""
        for task in self._assisting:
            task.cancel()
        await self._ami.close()

    @property
    def connected(self) -> bool:
        """Whether AMI is there now."""
        return self._ami.connected

    def states(self) -> Mapping[str, str]:
        """Each agent's phone in Asterisk's words: NOT_INUSE, INUSE, UNAVAILABLE …"""
        return {agent: self._states.get(agent, UNKNOWN_STATE) for agent in self._agents}

    async def queues(self) -> list[QueueState]:
        """Every queue of ours, who is in it and who waits. Raises Unusable when Asterisk cannot be asked."""
        try:
            listed = (await self._ami.send(queue_status())).events
        except (AmiError, AmiDisconnected) as exc:
            raise Unusable(f"Asterisk did not say who waits: {exc}") from None
        members, waiting = queue_members(listed), queue_entries(listed)
        return [
            QueueState(
                name,
                tuple(one.name for one in members if one.queue == name and not one.paused),
                tuple(one.wait for one in waiting if one.queue == name),
            )
            for name in self._queues
        ]

    async def assist(self, agent: str, number: str | None, channel: str = "") -> str:
        """Begin the flow of this number with the caller whom the agent is talking to; returns the caller's channel id.

        `number`: None: the configured one. `channel`: the agent's, by name; empty: the only one that talks. Raises
        BadInput when there is nothing to help with, Unusable when Asterisk cannot be asked.
        """
        if agent not in self._agents:
            raise BadInput(f"there is no agent '{agent}'")
        number = number or self._assist_number
        if not number:
            raise BadInput("no number was given, and the configuration has no 'assist_number'")
        try:
            ours, caller = await self._talking(agent, channel)
            await self._ami.send(set_variable(caller.name, BY, ours.name))
            await self._ami.send(
                redirect(
                    caller.name,
                    Place(ASSIST_CONTEXT, number),
                    ours.name,
                    Place(ASSIST_CONTEXT, f"{ASSIST_AGENT}{caller.id}"),
                )
            )
        except (AriError, AriDisconnected, AmiError, AmiDisconnected) as exc:
            raise Unusable(f"Asterisk did not move the call: {exc}") from None
        log.info("assisting", agent=agent, call_id=caller.id)
        return caller.id

    async def _talking(self, agent: str, channel: str) -> tuple[Channel, Channel]:
        """The agent's channel and that of the caller in the same bridge."""
        survey = await living_channels(self._sure_ari())
        found = []
        for bridge in survey.bridges.values():
            channels = [survey.channels[name] for name in bridge.channels if name in survey.channels]
            ours = [one for one in channels if endpoint(one.name) == agent and channel in ("", one.name)]
            others = [one for one in channels if endpoint(one.name) not in (*self._agents, None)]
            if len(ours) == 1 and len(others) == 1 and len(channels) == 2:
                found.append((ours[0], others[0]))
        if not found:
            raise BadInput(f"agent '{agent}' is not talking to a caller now")
        if len(found) > 1:
            raise BadInput(f"agent '{agent}' has several callers on the line: only the telephone's keys can tell which")
        if self.is_helping(agent):
            raise BadInput(f"agent '{agent}' is helping this caller already")
        return found[0]

    def _sure_ari(self) -> AriClient:
        if self._ari is None:
            raise Unusable("not connected to Asterisk yet")
        return self._ari

    # ---- what Asterisk says

    def _on_connected(self) -> None:
        self.recordings.on_connected()
        self._ami.post(device_states(), self._on_states)

    def _on_gap(self) -> None:
        self._states.clear()

    def _on_states(self, reply: AmiReply | Exception) -> None:
        if isinstance(reply, AmiReply):
            for state in listed_states(reply.events):
                self._on_state(state)

    def _on_state(self, event: DeviceStateChange) -> None:
        agent = event.device.removeprefix("PJSIP/")
        if agent in self._agents and self._states.get(agent) != event.state:
            self._states[agent] = event.state
            self.on_device(agent, event.state)

    def _on_event(self, event: AmiEvent) -> None:
        self.recordings.on_event(event)
        match event:
            case DeviceStateChange():
                self._on_state(event)
            case UserEvent(name) if name == ASSIST_EVENT:
                agent = endpoint(event.channel)
                if agent is not None:
                    task = asyncio.create_task(self._assist_by_key(agent, event.channel))
                    self._assisting.add(task)
                    task.add_done_callback(self._assisting.discard)
            case BlindTransfer():
                self._sent(event.transferer_channel, "blind", event.result)
            case AttendedTransfer():
                self._sent(event.orig_transferer_channel, "attended", event.result)
                if event.done and (agent := endpoint(event.orig_transferer_channel)) is not None:
                    self.on_given_away(agent)
            case _:
                pass

    def _sent(self, by: str, how: str, result: str) -> None:
        log.info("agent_sent_caller", agent=endpoint(by), how=how, result=result)

    async def _assist_by_key(self, agent: str, channel: str) -> None:
        try:
            await self.assist(agent, None, channel)
        except IvrError as exc:
            log.warning("not_assisting", agent=agent, error=str(exc))
