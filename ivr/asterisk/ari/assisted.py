"""A caller whom an agent helps to pay: both are in one bridge, and hear the flow together.

Laws:
- No key of the caller's reaches the agent, and while a secret is keyed no sound of the caller's either; every recording
  of either is silent then.
- The agent is not in the bridge in which the caller talks to the bank.
- When the flow is done, both go on talking until one of them hangs up. An agent who leaves early changes nothing for
  the caller. Neither is ever left alone in silence.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

import structlog

from ivr.asterisk.ari.chores import tidy
from ivr.asterisk.ari.client import AriClient
from ivr.asterisk.ari.errors import AriDisconnected, AriError, Gone
from ivr.asterisk.ari.events import CallEvent, Channel, ChannelDestroyed, StasisEnd
from ivr.asterisk.ari.requests import (
    drop_bridge,
    hang_up,
    hold_bridge,
    join_quietly,
    look_at_channel,
    make_bridge,
    mute,
    play_in_bridge,
    unhold_bridge,
    unmute,
)
from ivr.asterisk.ari.router import ASSIST
from ivr.asterisk.ari.survey import Survey
from ivr.asterisk.ari.voice import AriVoice, Owed, Silencer
from ivr.domain.errors import Unusable
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.privacy import Privacy
from ivr.flow.events import Event, LegEnded
from ivr.runtime.ports import CallInfo, LegOrder, TransferOrder

log = structlog.get_logger()


ALONE_SECONDS: Final = 10.0
"""In which the agent comes, who was moved together with the caller."""

MOVED_SECONDS: Final = 0.5
"""After which a channel that left us either is no more or is elsewhere."""


class AssistedVoice(AriVoice):
    """Fulfils `ivr.runtime.ports.Voice` for a caller and an agent together."""

    def __init__(
        self,
        client: AriClient,
        info: CallInfo,
        on_gone: Callable[[str], None],
        caller_name: str,
        silencer: Silencer | None,
    ) -> None:
        super().__init__(client, info, on_gone, silencer=silencer, name=caller_name)
        self.bridge = f"{info.call_id}{ASSIST}"
        self._agent: Channel | None = None
        self._talking = False
        """The flow is done."""
        self._over = False
        self._was_helped = False
        client.post(make_bridge(self.bridge), lambda error: None)  # one of this name (409) is what we want

    def begin(self) -> None:
        """A new call: the caller comes into the bridge. Whom a new process takes over may be with the bank."""
        self._join_caller()

    @property
    def agent_id(self) -> str | None:
        """The agent's channel, once it is there."""
        return self._agent.id if self._agent is not None else None

    def assisted_by(self, agent: Channel) -> None:
        """The agent is there."""
        if self._over:
            tidy(self._client, hang_up(agent.id, HangupCause.NORMAL))
            return
        self._agent = agent
        self._was_helped = True
        tidy(self._client, join_quietly(self.bridge, agent.id))
        if self._privacy is not Privacy.OPEN:  # who comes in the middle of a secret is kept out of it, too
            self._chores.add(self._close_again(), self.info.session_id)

    def replaces(self, channel: Channel) -> None:
        """The agent hands the caller on to a colleague: Asterisk has put this channel in the agent's place."""
        self._agent = channel

    # ---- what is another than without an agent

    def answer(self) -> None:
        """They are talking already."""

    def dial(self, token: int, leg: LegOrder) -> None:
        """The agent waits with music while the caller talks to the far side."""
        super().dial(token, leg)
        tidy(self._client, hold_bridge(self.bridge))

    def transfer(self, token: int, order: TransferOrder) -> None:
        """An agent is on the line already."""
        self._emit(LegEnded(token, LegResult.UNREACHABLE))

    async def release(self) -> None:
        """Both stay where they are: the next process finds them together."""

    def apologise(self) -> None:
        """Nothing can be begun: they go on talking."""
        self.hang_up(HangupCause.NORMAL)

    def hang_up(self, cause: HangupCause) -> None:
        """The flow is done, and they go on talking; a caller whose agent has left is hung up.

        Whichever way it ended, in the middle of a secret or with the process before, both are heard again.
        """
        self._talking = True
        self._open_later(Privacy.OPEN)
        tidy(self._client, unhold_bridge(self.bridge))
        if self._agent is None and self._was_helped:
            super().hang_up(cause)
        elif self._agent is None:  # either of them may come first
            asyncio.get_running_loop().call_later(ALONE_SECONDS, self._hang_up_if_alone, cause)

    def _hang_up_if_alone(self, cause: HangupCause) -> None:
        if self._agent is None:
            super().hang_up(cause)

    def on_event(self, event: CallEvent) -> None:
        """One event of either."""
        if isinstance(event, StasisEnd | ChannelDestroyed) and event.channel.id == self.agent_id:
            self._agent = None
            log.info("agent_left", call_id=self.info.session_id)
            if self._talking:
                self._end_soon(event.channel.id, self.info.call_id)
            return
        super().on_event(event)

    def gone(self, *, elsewhere: bool = False) -> None:
        """The caller has hung up: so does the agent, unless both were moved elsewhere together."""
        if not self._over:
            self._over = True
            if self._agent is not None:
                self._end_soon(self.info.call_id, self._agent.id)
            tidy(self._client, unmute(self.info.call_id))
            tidy(self._client, drop_bridge(self.bridge))
        super().gone(elsewhere=elsewhere)

    def look(self, survey: Survey) -> None:
        """Catch up: an agent who left unseen is gone; who is there is where they belong."""
        if self._agent is not None and self._agent.id not in survey.channels:
            self._agent = None
            if self._talking:
                super().hang_up(HangupCause.NORMAL)
        if self.info.call_id in survey.channels:
            self._mend(survey)
        super().look(survey)

    # ---- helpers

    def _end_soon(self, left: str, other: str) -> None:
        """End the other one's line, if the one who left has hung up. A channel that was moved is still there."""

        def looked(error: AriError | AriDisconnected | None) -> None:
            if isinstance(error, Gone):
                tidy(self._client, hang_up(other, HangupCause.NORMAL))

        def look() -> None:
            self._client.post(look_at_channel(left), looked)

        asyncio.get_running_loop().call_later(MOVED_SECONDS, look)

    def _mend(self, survey: Survey) -> None:
        """What was asked while the connection was being lost."""
        found = survey.bridges.get(self.bridge)
        inside = found.channels if found is not None else ()
        if found is None:
            self._client.post(make_bridge(self.bridge), lambda error: None)
        if self.info.call_id not in inside and (self._leg is None or self._leg.over):
            self._join_caller()
        if self._agent is not None and self._agent.id not in inside:
            tidy(self._client, join_quietly(self.bridge, self._agent.id))
        if self._privacy is not Privacy.ALL:
            tidy(self._client, unmute(self.info.call_id))

    async def _close_off(self, privacy: Privacy) -> None:
        """The agent hears nothing of the caller either. Raises Unusable when that is not certain."""
        if privacy is Privacy.ALL:
            try:
                await self._client.send(mute(self.info.call_id))
            except (AriError, AriDisconnected) as exc:
                raise Unusable(f"the caller cannot be muted: {exc}") from None
        await super()._close_off(privacy)
        if privacy is not Privacy.ALL:
            tidy(self._client, unmute(self.info.call_id))

    def _channel_names(self) -> Sequence[str]:
        return [self._name, *([self._agent.name] if self._agent is not None else [])]

    def _start(self, token: int, owed: Owed) -> None:
        owed.connect = self._client.connects
        request = play_in_bridge(self.bridge, owed.playback_id, owed.media)
        self._client.post(request, lambda error: self._started(token, owed, error))

    def _tell(self, event: Event) -> None:
        if isinstance(event, LegEnded) and not self._gone:
            self._join_caller()  # first: what the flow says next is said in there
            tidy(self._client, unhold_bridge(self.bridge))
        super()._tell(event)

    def _join_caller(self) -> None:
        tidy(self._client, join_quietly(self.bridge, self.info.call_id))
