"""A leg that we dial for a caller, from its INVITE to its end.

Law: LegEnded is emitted exactly once, and before the caller's CallerHungUp. ENDED means that we saw
the far side pick up, whether or not both could talk yet; every other result means that no sound and no key of the
caller's has reached it, for both are joined only after the answer. A leg never outlives its caller.
"""

import asyncio
from enum import Enum
from typing import Final

import structlog

from ivr.asterisk.ari.chores import tidy
from ivr.asterisk.ari.client import AriClient
from ivr.asterisk.ari.errors import AriDisconnected, AriError, AriUnsent
from ivr.asterisk.ari.events import CallEvent, ChannelDestroyed, Dial, StasisEnd, StasisStart
from ivr.asterisk.ari.ids import bridge_id
from ivr.asterisk.ari.requests import dial, drop_bridge, hang_up, join, make_bridge, ring, stop_ringing
from ivr.asterisk.ari.survey import Survey
from ivr.asterisk.causes import unanswered
from ivr.domain.legs import HangupCause, LegResult
from ivr.flow.events import LegAnswered, LegEnded
from ivr.runtime.ports import Emit, LegOrder

RING_AFTER: Final = 0.3
"""Seconds that dialling may take before the caller hears ringing. Most banks answer sooner: two requests less."""

LEAVE_SECONDS: Final = 0.5
"""For the news that the caller has left the bridge; usually it comes within a millisecond."""

log = structlog.get_logger()


class LegState(Enum):
    """Where a leg stands."""

    DIALLING = "dialling"
    JOINING = "joining"
    """Answered; the bridge is being made."""
    JOINED = "joined"
    ENDING = "ending"
    """It is over, and the caller is leaving the bridge: what is played to them before that is never heard."""
    OVER = "over"


class DialledLeg:
    """One leg of one call."""

    def __init__(self, client: AriClient, call_id: str, token: int, channel_id: str, emit: Emit) -> None:
        self.token = token
        self.channel_id = channel_id
        self.state = LegState.DIALLING
        self.had_media = False
        """The far side sent early media. The caller did not hear it."""
        self._client = client
        self._call_id = call_id
        self._bridge_id = bridge_id(call_id, token)
        self._emit = emit
        self._ring_soon: asyncio.TimerHandle | None = None
        self._rings = False
        self._heard = False
        self._answered = False
        self._in_bridge = False
        """The caller is in our bridge, as far as we know."""
        self._result = LegResult.UNREACHABLE
        self._announced = False
        self._connect = client.connects

    @property
    def over(self) -> bool:
        """LegEnded has been emitted."""
        return self.state is LegState.OVER

    @property
    def takes_digits(self) -> bool:
        """The caller's keys are for the far side: the caller may be keying a card at the bank."""
        return self._answered and self.state is not LegState.OVER

    def dial(self, order: LegOrder) -> None:
        """Dial; a caller who has to wait hears ringing. Whatever goes wrong becomes a LegEnded."""
        if self.over:
            return
        self._ring_soon = asyncio.get_running_loop().call_later(RING_AFTER, self._start_ringing)
        self._client.post(dial(self._client.application, self._call_id, self.token, order), self._dialled)

    def _dialled(self, error: AriError | AriDisconnected | None) -> None:
        if isinstance(error, AriUnsent):
            self._ended(LegResult.UNREACHABLE)
        elif isinstance(error, AriError):  # Gone: of the caller; nothing was dialled
            log.warning("leg_refused", call_id=self._call_id, leg_id=self.channel_id, status=error.status)
            self._ended(LegResult.UNREACHABLE)
        elif error is None and self.over:  # the caller went while Asterisk was making it
            tidy(self._client, hang_up(self.channel_id, HangupCause.NORMAL))
        # else nobody can say whether it was made: that shows after the next connect

    def _start_ringing(self) -> None:
        if self.state is LegState.DIALLING:
            self._rings = True
            tidy(self._client, ring(self._call_id))

    def _be_quiet(self) -> None:
        """The ringing is a tone generator of its own: in a bridge it would go on under the far side's voice."""
        if self._ring_soon is not None:
            self._ring_soon.cancel()
        if self._rings:
            self._rings = False
            tidy(self._client, stop_ringing(self._call_id))

    def on_event(self, event: CallEvent) -> None:
        """What Asterisk says of the leg's channel."""
        if isinstance(event, Dial):
            self._heard = self._heard or event.dialstatus in ("RINGING", "PROGRESS", "PROCEEDING")
            self.had_media = self.had_media or event.dialstatus == "PROGRESS"
        elif isinstance(event, StasisStart):
            self._picked_up()
        elif isinstance(event, ChannelDestroyed):
            self._ended(unanswered(event.cause, event.tech_cause, heard=self._heard))
        elif isinstance(event, StasisEnd):
            self._ended(LegResult.UNREACHABLE)

    def on_left(self, bridge: str) -> None:
        """The caller has left a bridge."""
        if bridge == self._bridge_id:
            self._in_bridge = False
            if self.state is LegState.ENDING:
                self._over(self._result)

    def abandon(self) -> None:
        """The caller is gone: say how the leg ended, now, and clear it away."""
        if self.over:
            return
        self._over(LegResult.NO_ANSWER)
        self._clear_away()

    def look(self, survey: Survey) -> None:
        """Catch up with what happened while nobody listened. A leg dialled since the reconnect missed nothing."""
        if self._connect == self._client.connects:
            return
        channel = survey.channels.get(self.channel_id)
        if channel is None:
            # It ended while nobody listened, and may have been answered before: only an inquiry can tell.
            self._ended(LegResult.ENDED)
        elif survey.joined(self._bridge_id, (self._call_id, self.channel_id)):
            self._answered = self._in_bridge = True
            self._joined()
        elif survey.in_application(channel):
            self.state = LegState.JOINING
            self._answered = True
            self._join()

    def adopt(self, survey: Survey) -> None:
        """It was dialled by an earlier process; one that was joined already is not announced again."""
        self._connect = -1
        self._rings = True  # perhaps, and then it has to be stopped
        if survey.joined(self._bridge_id, (self._call_id, self.channel_id)):
            self._announced = self._in_bridge = True

    def _picked_up(self) -> None:
        if self.state is LegState.DIALLING:
            self.state = LegState.JOINING
            self._answered = True
            self._join()

    def _join(self) -> None:
        # Requests are carried out in their order; a bridge that could not be made shows when nobody can join it, and
        # one of this name (409) is what we want.
        self._client.post(make_bridge(self._bridge_id), lambda error: None)
        self._be_quiet()
        self._client.post(join(self._bridge_id, (self._call_id, self.channel_id)), self._join_ended)

    def _join_ended(self, error: AriError | AriDisconnected | None) -> None:
        if isinstance(error, AriDisconnected):
            return  # done again after the next connect
        self._in_bridge = self._in_bridge or error is None
        if error is not None:
            # Either side has just gone, and its end is on its way; else both would sit in silence: end the leg.
            log.warning("leg_not_joined", call_id=self._call_id, leg_id=self.channel_id, status=error.status)
            self._clear_away()
        elif self.over:
            self._clear_away()
        else:
            self._joined()

    def _joined(self) -> None:
        if self.state in (LegState.DIALLING, LegState.JOINING):
            self.state = LegState.JOINED
            if not self._announced:
                self._announced = True
                self._emit(LegAnswered(self.token))

    def _ended(self, result: LegResult) -> None:
        """Clear away first: what the flow does next must not find the caller in a bridge or under a ringing tone."""
        if self.state in (LegState.ENDING, LegState.OVER):
            return
        self._be_quiet()
        if not self._answered:
            self._over(result)
            return
        self.state = LegState.ENDING
        self._result = result
        self._client.post(drop_bridge(self._bridge_id), self._dropped)

    def _dropped(self, error: AriError | AriDisconnected | None) -> None:
        if error is not None or not self._in_bridge:
            self._left_at_last()
        else:
            asyncio.get_running_loop().call_later(LEAVE_SECONDS, self._left_at_last)

    def _left_at_last(self) -> None:
        if self.state is LegState.ENDING:
            self._over(self._result)

    def _over(self, result: LegResult) -> None:
        self.state = LegState.OVER
        self._emit(LegEnded(self.token, LegResult.ENDED if self._answered else result, early_media=self.had_media))

    def _clear_away(self) -> None:
        tidy(self._client, hang_up(self.channel_id, HangupCause.NORMAL))
        if self._answered:
            tidy(self._client, drop_bridge(self._bridge_id))
