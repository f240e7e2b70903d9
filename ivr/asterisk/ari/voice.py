"""One living caller over ARI.

Law: CallerHungUp is emitted exactly once and last. A command that may have been lost with the connection is settled
by `look` after the next connect: answering and hanging up are asked again, an owed playback is looked up. Keyed
digits are passed on as they come, and not at all while the caller talks to a leg.
"""

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Final, NamedTuple, Protocol

import structlog

from ivr.asterisk.ari import events as ari
from ivr.asterisk.ari.arrival import call_info, is_shown, parameters
from ivr.asterisk.ari.chores import Chores, tidy, unless_gone
from ivr.asterisk.ari.client import AriClient
from ivr.asterisk.ari.errors import NOT_FOUND, AriDisconnected, AriError, Gone
from ivr.asterisk.ari.events import (
    CallEvent,
    Channel,
    ChannelDestroyed,
    ChannelDtmfReceived,
    Dial,
    PlaybackFinished,
    StasisEnd,
)
from ivr.asterisk.ari.ids import leg_of, playback_id, playback_token, recording_name, recording_token
from ivr.asterisk.ari.keys import Keys
from ivr.asterisk.ari.leg import DialledLeg
from ivr.asterisk.ari.requests import (
    AGAIN_LABEL,
    Request,
    answer,
    back_to_dialplan,
    discard_recording,
    go_on_in_dialplan,
    hang_up,
    look_at_playback,
    play,
    read_variable,
    record,
    set_variable,
    stop_playback,
    watch,
)
from ivr.asterisk.ari.survey import Survey, living_channels
from ivr.asterisk.checks import check_header_name, check_order
from ivr.asterisk.render.agents import QUEUE, TELL, TOKEN, TRANSFER_CONTEXT, WAIT, queue_of
from ivr.domain.errors import BadInput, Unusable
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.privacy import Privacy
from ivr.flow.events import CallerHungUp, Digit, Event, LegEnded, PromptFinished, RecordingFinished, Resumed
from ivr.runtime.ports import CallInfo, Emit, LegOrder, RecordOrder, TransferOrder

HEADER_TRIES: Final = 3
"""How often a header is asked for while connections are being lost."""
HEADER_PATIENCE: Final = 10.0
"""Seconds that reading a header waits for a lost connection to come back."""

LOCAL: Final = "Local/"

REFER_TO: Final = "SIPREFERTOHDR"
"""The channel variable that holds whom an agent's REFER named."""

LINGER: Final = 0.6
"""Seconds that a call stays closed off after the last secret digit: the key comes before its tone is over."""

_CLOSED: Final = (Privacy.OPEN, Privacy.RECORDINGS, Privacy.ALL)

log = structlog.get_logger()


class Silencer(Protocol):
    """Who keeps recordings silent."""

    async def silence(self, channels: Sequence[str], on: bool) -> None:
        """Of these channels, by name. Raises Unusable when that cannot be made sure."""
        ...


class AriVoice:
    """Fulfils `ivr.runtime.ports.Voice`. Made by `AriSwitch`."""

    def __init__(
        self,
        client: AriClient,
        info: CallInfo,
        on_gone: Callable[[str], None],
        *,
        silencer: Silencer | None = None,
        name: str = "",
    ) -> None:
        """`silencer` keeps recordings silent, by the channel's `name`; None: there is no way to."""
        self.info = info
        self._silencer = silencer
        self._given = False
        """An agent who made this call with keys has given it to a caller."""
        self._chores = Chores()
        self._privacy = Privacy.OPEN
        self._changing = asyncio.Lock()
        """Closing off and opening take several requests each: never both at once."""
        self._opening: asyncio.TimerHandle | None = None
        self._name = name
        self._client = client
        self._on_gone = on_gone
        self._emit: Emit = _unheard
        self._gone = False
        self._unanswered = False
        self._hanging_up: HangupCause | None = None
        self._owed: dict[int, Owed] = {}
        self._has_played = False
        self._leg: DialledLeg | None = None
        self._keys = Keys()
        self._away: _Away | None = None
        """Set while the caller talks to one of our own people, and is the dialplan's."""

    def attach(self, emit: Emit) -> None:
        """Where this call's flow events go."""
        self._emit = emit

    # ---- what the runtime asks for

    def answer(self) -> None:
        """Pick up."""
        self._unanswered = True
        self._order(answer(self.info.call_id))

    def play(self, token: int, media: Sequence[str]) -> None:
        """Play these files in a row, as Asterisk names them: without their suffix."""
        if self._gone:
            return
        if not media:
            self._emit(PromptFinished(token))
            return
        self._has_played = True
        owed = self._owed[token] = Owed(playback_id(self.info.call_id, token), media)
        self._start(token, owed)

    def stop(self, token: int) -> None:
        """Stop that playback now, an earlier process's too; one that is over already needs no request."""
        owed = self._owed.pop(token, None)
        if (owed is not None or not self._has_played) and not self._gone:
            tidy(self._client, stop_playback(playback_id(self.info.call_id, token)))

    def dial(self, token: int, leg: LegOrder) -> None:
        """Dial and, once answered, connect both. Raises BadInput, having sent nothing.

        LegEnded follows even when the caller is gone already: somebody's payment hangs on it.
        """
        check_order(leg)
        if leg_of(leg.leg_id) != (self.info.call_id, token):
            raise BadInput(f"the leg's id must be <call id>.leg<token>, not {leg.leg_id!r}")
        if self._leg is not None and not self._leg.over:
            raise BadInput(f"call {self.info.call_id} has a leg already")
        if self._gone:
            self._emit(LegEnded(token, LegResult.NO_ANSWER))
            return
        self._leg = self._new_leg(token, leg.leg_id)
        self._leg.dial(leg)

    def transfer(self, token: int, order: TransferOrder) -> None:
        """Hand the caller to the dialplan, which lets them talk to an agent and sends them back here."""
        if self._gone:
            self._emit(LegEnded(token, LegResult.NO_ANSWER))
            return
        self._away = _Away(token, order)
        self._send_away(self._away)

    def record(self, token: int, order: RecordOrder) -> None:
        """Record the caller; the message is kept in Asterisk's recording directory."""
        if self._gone:
            return
        name = recording_name(self.info.call_id, token)
        self._client.post(record(self.info.call_id, name, order), partial(self._recording_begun, token, name))

    def stop_recording(self, token: int) -> None:
        """End that recording now and throw it away, an earlier process's too."""
        if not self._gone:
            tidy(self._client, discard_recording(recording_name(self.info.call_id, token)))

    async def headers(self, names: Sequence[str]) -> Mapping[str, str | None]:
        """The SIP headers of whoever sent the caller here: of the INVITE, or of an agent's REFER.

        Raises BadInput for a name that cannot be one.
        """
        for name in names:
            check_header_name(name)
        if self.info.sent:
            asked = parameters(await self._read(REFER_TO) or "")
            tidy(self._client, set_variable(self.info.call_id, REFER_TO, ""))  # the next one may say nothing
            return {name: asked.get(name.lower()) for name in names}
        values = await asyncio.gather(*(self._header(name) for name in names))
        return dict(zip(names, values, strict=True))

    async def shows_number(self) -> bool:
        """Whether this caller lets their number be seen; False when nobody can say."""
        try:
            return is_shown(await self._read("CALLERID(pres)") or "")
        except AriDisconnected:
            return False

    async def guard(self, privacy: Privacy) -> None:
        """Close the call off at once, or open it a moment later. Raises Unusable when closing it is not certain."""
        if _CLOSED.index(privacy) < _CLOSED.index(self._privacy):
            self._open_later(privacy)
            return
        self._stay_closed()
        self._privacy = privacy  # first: what is being opened at this moment must not be
        async with self._changing:
            await self._close_off(privacy)

    def _stay_closed(self) -> None:
        if self._opening is not None:
            self._opening.cancel()
            self._opening = None

    def _open_later(self, privacy: Privacy) -> None:
        self._stay_closed()
        self._opening = asyncio.get_running_loop().call_later(LINGER, self._open_up, privacy)

    def _open_up(self, privacy: Privacy) -> None:
        self._opening, self._privacy = None, privacy
        if not self._gone:
            self._chores.add(self._opened(privacy), self.info.session_id)

    async def _opened(self, privacy: Privacy) -> None:
        async with self._changing:
            if self._privacy is privacy:  # else it was closed again meanwhile
                await self._close_off(privacy)

    async def _close_off(self, privacy: Privacy) -> None:
        """Every recording is silent, or no longer."""
        if self._silencer is not None and self._name:
            names = [*self._channel_names(), *(await self._behind() if self._name.startswith(LOCAL) else ())]
            await self._silencer.silence(names, privacy is not Privacy.OPEN)

    async def _behind(self) -> list[str]:
        """Who is heard through the other half of a Local channel: an agent with keys has put the caller there."""
        other = f"{self._name.removesuffix(';2')};1"
        try:
            survey = await living_channels(self._client)
        except (AriError, AriDisconnected) as exc:
            raise Unusable(f"nobody can say who is on the line: {exc}") from None
        ids = {channel.name: channel.id for channel in survey.channels.values()}
        bridges = [bridge.channels for bridge in survey.bridges.values() if ids.get(other) in bridge.channels]
        return [survey.channels[one].name for channels in bridges for one in channels if one in survey.channels]

    def _channel_names(self) -> Sequence[str]:
        return [self._name]

    async def release(self) -> None:
        """Give the caller back to the dialplan, which waits with them for the next process."""
        if self._gone:
            return
        with suppress(Gone, AriDisconnected):
            await self._client.send(back_to_dialplan(self.info.call_id, AGAIN_LABEL))

    def apologise(self) -> None:
        """The dialplan says that it cannot be done now."""
        self._order(back_to_dialplan(self.info.call_id))

    def hang_up(self, cause: HangupCause) -> None:
        """End the call; its leg goes with it."""
        self._hanging_up = cause
        self._order(hang_up(self.info.call_id, cause))

    # ---- what Asterisk says

    def on_event(self, event: CallEvent) -> None:
        """One event of this call's."""
        if isinstance(event, ChannelDtmfReceived):
            if event.channel.id != self.info.call_id:
                return
            echo = self._keys.is_echo(event.digit, event.duration_ms, event.timestamp)
            if not echo and not (self._leg and self._leg.takes_digits):
                self._say(Digit(event.digit))
        elif isinstance(event, PlaybackFinished):
            self._keys.playback_ended(event.timestamp)
            token = playback_token(event.playback.id)
            if token is not None and self._owed.pop(token, None) is not None:
                self._say(PromptFinished(token, failed=event.playback.state == "failed"))
        elif isinstance(event, ari.RecordingFinished | ari.RecordingFailed):
            self._recorded(event.recording, failed=isinstance(event, ari.RecordingFailed))
        elif isinstance(event, Dial) or event.channel.id != self.info.call_id:
            channel = event.peer if isinstance(event, Dial) else event.channel
            if self._leg is not None and self._leg.channel_id == channel.id:
                self._leg.on_event(event)
        elif isinstance(event, ari.ChannelLeftBridge):
            if self._leg is not None:
                self._leg.on_left(event.bridge.id)
        elif isinstance(event, ChannelDestroyed) or (isinstance(event, StasisEnd) and self._away is None):
            self.gone()

    def given_away(self) -> None:
        """The agent who made this call with keys has given it to a caller: they hear the step from its beginning."""
        if self._given:
            return  # the agent has given away another call
        self._given = True
        if self._leg is not None and not self._leg.over:
            self._chores.add(self._close_again(), self.info.session_id)
        else:
            self._say(Resumed(gently=True))

    async def _close_again(self) -> None:
        """Somebody has come to the line: what is closed off is closed off from them, too."""
        async with self._changing:
            await self._close_off(self._privacy)

    @property
    def is_made_with_keys(self) -> bool:
        """Whether an agent's keys made this call: it comes through a Local channel."""
        return self._name.startswith(LOCAL)

    def arrived(self, channel: Channel) -> bool:
        """The channel is ours again. Returns whether it comes back to this call."""
        back, away = call_info(channel).back, self._away
        if away is None or back is None or back.token != away.token:
            return False
        self._away = None
        self._say(LegEnded(back.token, back.result))
        return True

    def leave(self) -> None:
        """Somebody else goes on with this call in this caller's place: say nothing more of it."""
        self._gone = True
        self._owed.clear()
        self._on_gone(self.info.call_id)

    def gone(self, *, elsewhere: bool = False) -> None:
        """The caller hung up, or was hung up, or was sent elsewhere."""
        if self._gone:
            return
        self._gone = True  # first: whatever its leg's end leads to must not dial for somebody who is gone
        self._owed.clear()
        if self._leg is not None:
            self._leg.abandon()
        self._on_gone(self.info.call_id)
        self._emit(CallerHungUp(elsewhere))

    def owns(self, token: int) -> bool:
        """Is a leg or a bridge of this token in use?"""
        return self._leg is not None and self._leg.token == token and not self._leg.over

    def adopt_leg(self, token: int, channel_id: str, survey: Survey) -> None:
        """A leg that an earlier process dialled is still there; `look` does the rest."""
        self._leg = self._new_leg(token, channel_id)
        self._leg.adopt(survey)

    def look(self, survey: Survey) -> None:
        """Catch up with what happened while nobody listened."""
        if self.info.call_id not in survey.channels:
            self.gone()
            return
        if self._hanging_up is not None:
            self._order(hang_up(self.info.call_id, self._hanging_up))
            return
        if self._away is not None:
            self._look_for(self._away, survey.channels[self.info.call_id], survey)
            return
        if self._unanswered:
            self._order(answer(self.info.call_id))
        for token, owed in list(self._owed.items()):
            if owed.connect != self._client.connects:
                self._client.post(look_at_playback(owed.playback_id), partial(self._looked_at, token, owed))
        if self._leg is not None and not self._leg.over:
            self._leg.look(survey)

    # ---- helpers

    def _send_away(self, away: "_Away") -> None:
        call, order = self.info.call_id, away.order
        queue = order.queue if order.agent is None else queue_of(order.agent)
        self._client.post(
            watch(self._client.application, call), partial(self._ordered, watch(self._client.application, call))
        )
        for name, value in (
            (QUEUE, queue or ""),
            (TELL, "&".join(order.tell)),
            (WAIT, str(math.ceil(order.wait))),
            (TOKEN, str(away.token)),
        ):
            tidy(self._client, set_variable(call, name, value))
        self._client.post(go_on_in_dialplan(call, TRANSFER_CONTEXT), partial(self._sent_away, away))

    def _sent_away(self, away: "_Away", error: AriError | AriDisconnected | None) -> None:
        if isinstance(error, Gone):
            self._refused(error)
        elif isinstance(error, AriError) and self._away is away:
            log.warning("transfer_refused", call_id=self.info.call_id, status=error.status)
            self._away = None
            self._say(LegEnded(away.token, LegResult.UNREACHABLE))
        # else it went, or nobody can say: that shows after the next connect

    def _look_for(self, away: "_Away", channel: Channel, survey: Survey) -> None:
        """After a gap: with the agent still, back already, sent elsewhere, or never gone."""
        if not survey.in_application(channel):
            tidy(self._client, watch(self._client.application, channel.id))
        elif not self.arrived(channel):
            if call_info(channel).visit == self.info.visit:
                self._send_away(away)
            else:
                self.gone(elsewhere=True)

    def _start(self, token: int, owed: "Owed") -> None:
        owed.connect = self._client.connects
        self._client.post(play(self.info.call_id, owed.playback_id, owed.media), partial(self._started, token, owed))

    def _started(self, token: int, owed: "Owed", error: AriError | AriDisconnected | None) -> None:
        if error is None:
            owed.accepted = True
        elif isinstance(error, Gone):
            self._refused(error)
        elif isinstance(error, AriError):
            log.warning("playback_refused", call_id=self.info.call_id, status=error.status)
            if self._owed.pop(token, None) is not None:
                self._say(PromptFinished(token, failed=True))

    def _recording_begun(self, token: int, name: str, error: AriError | AriDisconnected | None) -> None:
        if isinstance(error, Gone):
            self._refused(error)
        elif isinstance(error, AriError):
            log.warning("recording_refused", call_id=self.info.call_id, status=error.status)
            self._say(RecordingFinished(token, name, talked=False, failed=True))

    def _recorded(self, recording: ari.Recording, *, failed: bool) -> None:
        token = recording_token(recording.name)
        if token is not None:
            talked = recording.duration > 0 if recording.talking_duration is None else recording.talking_duration > 0
            self._say(RecordingFinished(token, recording.name, talked, failed))

    def _looked_at(self, token: int, owed: "Owed", error: AriError | AriDisconnected | None) -> None:
        if not isinstance(error, AriError) or self._owed.get(token) is not owed:
            return
        if not isinstance(error, Gone):
            log.warning("playback_not_found_out", call_id=self.info.call_id, status=error.status)
        elif owed.accepted:
            del self._owed[token]
            self._say(PromptFinished(token))
        else:
            self._start(token, owed)

    def _order(self, request: Request) -> None:
        """A command about the caller's channel; one that may have been lost is given again by `look`."""
        if not self._gone:
            self._client.post(request, partial(self._ordered, request))

    def _ordered(self, request: Request, error: AriError | AriDisconnected | None) -> None:
        if isinstance(error, AriDisconnected):
            return
        self._unanswered = False
        if isinstance(error, Gone):
            self._refused(error)
        else:
            unless_gone(request, error)

    def _refused(self, exc: Gone) -> None:
        if exc.status == NOT_FOUND:  # its StasisEnd may have been lost in a gap
            self.gone()

    async def _header(self, name: str) -> str | None:
        return await self._read(f"PJSIP_HEADER(read,{name})")

    async def _read(self, variable: str) -> str | None:
        """None for an absent one."""
        request = read_variable(self.info.call_id, variable)
        for _ in range(HEADER_TRIES):
            if self._gone:
                return None
            try:
                reply = await self._client.send(request)
            except AriDisconnected:
                await self._client.wait_connected(HEADER_PATIENCE)
            except AriError:  # 500: no such header; 404: no such caller any more
                return None
            else:
                return str(reply["value"])
        raise AriDisconnected("the caller's SIP headers could not be read")

    def _new_leg(self, token: int, channel_id: str) -> DialledLeg:
        return DialledLeg(self._client, self.info.call_id, token, channel_id, self._tell)

    def _tell(self, event: Event) -> None:
        """What a leg says: its end also when the caller is gone."""
        self._emit(event)

    def _say(self, event: Event) -> None:
        if not self._gone:
            self._emit(event)


class _Away(NamedTuple):
    """A transfer that the caller has not come back from."""

    token: int
    order: TransferOrder


class Owed:
    """A playback whose end has not been told yet."""

    __slots__ = ("accepted", "connect", "media", "playback_id")

    def __init__(self, name: str, media: Sequence[str]) -> None:
        self.playback_id = name
        self.media = media
        self.accepted = False
        self.connect = -1
        """The connection that it was asked over."""


def _unheard(event: Event) -> None:
    raise RuntimeError(f"{type(event).__name__} came before anybody was attached")
