"""Where calls come in: one Stasis application, its living callers, and what to do after a gap or a crash.

Law: every channel in our application is either a living call's or is sent away: a leg without its caller is hung up,
a caller whom nobody takes goes back to the dialplan, which speaks to them. Nobody is left in silence.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from ivr.asterisk.ari.arrival import call_info, helper_of, in_place_of, moved
from ivr.asterisk.ari.assisted import AssistedVoice
from ivr.asterisk.ari.chores import Chores, tidy
from ivr.asterisk.ari.client import AriClient
from ivr.asterisk.ari.errors import AriDisconnected, AriError, place
from ivr.asterisk.ari.events import CallEvent, Channel, ChannelDestroyed, StasisEnd, StasisStart
from ivr.asterisk.ari.ids import bridge_of, leg_id, leg_of
from ivr.asterisk.ari.requests import back_to_dialplan, drop_bridge, hang_up, set_variable
from ivr.asterisk.ari.router import Router
from ivr.asterisk.ari.survey import Survey, living_channels
from ivr.asterisk.ari.timing import Timing
from ivr.asterisk.ari.voice import AriVoice, Silencer
from ivr.asterisk.settings import Ari
from ivr.domain.legs import HangupCause
from ivr.domain.phone import caller_number
from ivr.flow.events import Event
from ivr.runtime.ports import CallInfo, Emit

OnCall = Callable[[AriVoice], Emit]
"""A new caller, not answered yet. Returns where the call's events go; called between two events, so quickly."""

OnResume = Callable[[AriVoice, int | None], Emit]
"""A caller whom an earlier process left, and the token of a leg that is still there (it may still be ringing).

LegAnswered follows if the two were not joined yet, and LegEnded at its end.
"""

OnReplace = Callable[[AriVoice, CallInfo], Emit]
"""A caller who comes in the place of another one (of that call), whose call goes on with them."""

HERE: Final = "IVR_HERE"
"""A channel variable that only a channel in Stasis lets us set."""

MOST_HELPERS: Final = 1000
"""Agents at once whose callers have not come yet."""
HELPER_PATIENCE: Final = 10.0
"""Seconds that such an agent waits in silence: both were moved at once, so the caller is gone."""

log = structlog.get_logger()


class AriSwitch:
    """One Asterisk's calls. Order of use: `start`, `take_over`, …, `close`."""

    def __init__(
        self,
        settings: Ari,
        on_call: OnCall,
        timing: Timing = Timing(),  # noqa: B008 -- frozen
        *,
        on_replace: OnReplace | None = None,
        silencer: Silencer | None = None,
    ) -> None:
        self._timing = timing
        self.client = AriClient(
            settings, on_event=self._on_event, on_connected=self._on_connected, on_gap=self._on_gap, timing=timing
        )
        self._on_call = on_call
        self._on_replace = on_replace
        self._silencer = silencer
        self._helpers: dict[str, Channel] = {}
        """Agents who came before the callers whom they are to help, by the caller's channel."""
        self._router = Router()
        self._voices: dict[str, AriVoice] = {}
        self._chores = Chores()
        self._took_over = False
        self._looks: list[set[str]] = []
        """One for each look at Asterisk that is under way: the calls that ended meanwhile."""

    @property
    def calls(self) -> Mapping[str, AriVoice]:
        """The living callers by call id."""
        return self._voices

    async def start(self) -> None:
        """Connect; new calls come in from here on. Raises Unusable, saying what and where."""
        await self.client.start()

    async def take_over(self, on_resume: OnResume) -> None:
        """Take the callers whom an earlier process left; legs and bridges that belong to nobody are cleared away."""
        while True:
            try:
                survey = await self._look()
                break
            except AriDisconnected:
                await self.client.wait_connected(self._timing.start)
        self._took_over = True

        def resume(voice: AriVoice) -> Emit:
            legs = survey.legs(voice.info.call_id)
            if not legs:
                return on_resume(voice, None)
            voice.adopt_leg(legs[-1], leg_id(voice.info.call_id, legs[-1]), survey)
            return on_resume(voice, legs[-1])

        left = [channel for call_id, channel in survey.callers().items() if call_id not in self._voices]
        self._find_helpers(survey)  # first: a caller whose flow is over goes on talking to theirs
        for channel in left:
            self._admit(channel, resume)
        for channel in [one for one in survey.perhaps_moved() if await self._is_ours(one)]:
            voice = self._moved_voice(channel, moved(channel))
            voice.attach(resume(voice))
            self._voices[channel.id] = voice
            self._router.attach(channel.id, voice.on_event)
        self._catch_up_with(survey, [self._voices[c.id] for c in left if c.id in self._voices])

    async def _is_ours(self, channel: Channel) -> bool:
        """Whether it is in Stasis, whatever Asterisk says that it does: others are only watched."""
        try:
            await self.client.send(set_variable(channel.id, HERE, "1"))
        except AriError:  # 409: it is not; 404: it is gone
            return False
        return True

    def given_away(self, agent: str) -> None:
        """This agent has given the call that they made with keys to the caller for whom it is."""
        for voice in list(self._voices.values()):
            if voice.is_made_with_keys and voice.info.agent == agent:
                voice.given_away()

    async def wait_closed(self) -> None:
        """Return after `close()`; raise Unusable when another process took the application over."""
        await self.client.wait_closed()

    async def close(self) -> None:
        """Let go of Asterisk. Calls stay up, for the next process to take over."""
        await self._chores.close()
        await self.client.close()

    def _on_event(self, event: CallEvent) -> None:
        if isinstance(event, StasisStart) and (known := self._voices.get(event.channel.id)) is not None:
            if known.arrived(event.channel):
                return
            known.gone(elsewhere=True)  # an agent sent the caller to one of our numbers: a call of its own
        if isinstance(event, StasisStart) and event.replace_channel is not None:
            self._take_place(event.channel, event.replace_channel.id)
            return
        if isinstance(event, StasisStart) and (caller := helper_of(event.channel)) is not None:
            self._assist(event.channel, caller)
            return
        if self._router.dispatch(event) or not isinstance(event, StasisStart):
            return
        if leg_of(event.channel.id) is None:
            self._admit(event.channel, self._on_call)
        else:
            log.info("leg_without_caller", leg_id=event.channel.id)
            tidy(self.client, hang_up(event.channel.id, HangupCause.NORMAL))

    def _admit(self, channel: Channel, on_call: OnCall) -> None:
        helper = self._helpers.pop(channel.id, None)
        try:
            voice = self._voice(channel)
            if helper is not None and isinstance(voice, AssistedVoice):
                voice.assisted_by(helper)
            if isinstance(voice, AssistedVoice) and on_call is self._on_call:
                voice.begin()
            voice.attach(on_call(voice))
        except Exception as exc:  # noqa: BLE001 -- whatever is wrong with us, the caller must hear the dialplan's fallback
            log.error("call_not_taken", call_id=channel.id, where=place(exc))
            tidy(self.client, back_to_dialplan(channel.id))
            if helper is not None:
                self._dismiss(helper)
            return
        self._voices[channel.id] = voice
        self._router.attach(channel.id, voice.on_event)
        if helper is None:
            return
        if isinstance(voice, AssistedVoice):
            self._router.attach(helper.id, voice.on_event)
        else:
            self._dismiss(helper)

    def _voice(self, channel: Channel) -> AriVoice:
        info = call_info(channel)
        if info.assisted:
            return AssistedVoice(self.client, info, self._left, channel.name, self._silencer)
        return AriVoice(self.client, info, self._left, silencer=self._silencer, name=channel.name)

    def _assist(self, helper: Channel, caller: str) -> None:
        """An agent who is to help this caller; either may come first."""
        voice = self._voices.get(caller)
        if isinstance(voice, AssistedVoice):
            self._router.attach(helper.id, voice.on_event)
            voice.assisted_by(helper)
        elif len(self._helpers) < MOST_HELPERS:
            self._helpers[caller] = helper
            self._router.attach(helper.id, partial(self._on_waiting_helper, caller))
            asyncio.get_running_loop().call_later(HELPER_PATIENCE, self._give_up_on, caller, helper)
        else:
            self._dismiss(helper)

    def _find_helpers(self, survey: Survey) -> None:
        """Agents who are there and are not known; those who left unseen are forgotten."""
        for caller, helper in list(self._helpers.items()):
            if helper.id not in survey.channels:
                del self._helpers[caller]
                self._router.detach(helper.id)
        for helper in survey.helpers():
            caller = helper_of(helper) or ""
            voice = self._voices.get(caller)
            known = voice.agent_id if isinstance(voice, AssistedVoice) else None
            if helper.id != known and caller not in self._helpers:
                self._assist(helper, caller)

    def _on_waiting_helper(self, caller: str, event: CallEvent) -> None:
        """An agent who came first may also leave before the caller comes."""
        if isinstance(event, StasisEnd | ChannelDestroyed):
            self._router.detach(event.channel.id)
            self._helpers.pop(caller, None)

    def _give_up_on(self, caller: str, helper: Channel) -> None:
        if self._helpers.get(caller) is helper:
            del self._helpers[caller]
            log.warning("nobody_to_help", call_id=caller)
            self._dismiss(helper)

    def _dismiss(self, helper: Channel) -> None:
        self._router.detach(helper.id)
        tidy(self.client, hang_up(helper.id, HangupCause.NORMAL))

    def _take_place(self, channel: Channel, replaced: str) -> None:
        """An agent called one of our numbers, and then gave the caller their own place there."""
        helping = next(
            (v for v in self._voices.values() if isinstance(v, AssistedVoice) and v.agent_id == replaced), None
        )
        if helping is not None:
            self._router.detach(replaced)
            self._router.attach(channel.id, helping.on_event)
            helping.replaces(channel)
            return
        agent = self._voices.get(replaced)
        if agent is None or self._on_replace is None:
            log.error("call_not_taken", call_id=channel.id, why="comes in the place of a call that is not ours")
            tidy(self.client, hang_up(channel.id, HangupCause.NORMAL))
            return
        agent.leave()
        voice = self._moved_voice(channel, in_place_of(channel, agent.info))
        held: list[Event] = []
        voice.attach(held.append)
        self._voices[channel.id] = voice
        self._router.attach(channel.id, voice.on_event)
        self._chores.add(self._begin_in_place(voice, channel, agent.info, held, self._on_replace), channel.id)

    async def _begin_in_place(
        self, voice: AriVoice, channel: Channel, replaced: CallInfo, held: list[Event], on_replace: OnReplace
    ) -> None:
        """What happens until it is known whether the caller withholds their number waits in `held`."""
        try:
            if await voice.shows_number():
                voice.info = replace(voice.info, caller_number=caller_number(channel.caller.number))
            emit = on_replace(voice, replaced)
        except Exception as exc:  # noqa: BLE001 -- as for every other caller
            log.error("call_not_taken", call_id=channel.id, where=place(exc))
            tidy(self.client, hang_up(channel.id, HangupCause.NORMAL))
            self._left(channel.id)
            return
        voice.attach(emit)
        for event in held:
            emit(event)

    def _moved_voice(self, channel: Channel, info: CallInfo) -> AriVoice:
        return AriVoice(self.client, info, self._left, silencer=self._silencer, name=channel.name)

    def _left(self, call_id: str) -> None:
        voice = self._voices.pop(call_id, None)
        self._router.detach(call_id)
        if isinstance(voice, AssistedVoice) and voice.agent_id is not None:
            self._router.detach(voice.agent_id)
        for ended in self._looks:
            ended.add(call_id)

    def _on_gap(self) -> None:
        log.warning("events_may_be_missing", calls=len(self._voices))

    def _on_connected(self) -> None:
        if self._took_over or self._voices:
            self._chores.add(self._catch_up(), "-")

    async def _catch_up(self) -> None:
        """After a gap: what every living call missed, callers who came unseen, and what belongs to nobody."""
        known = list(self._voices.values())
        try:
            survey = await self._look()
            if self._took_over:
                self._find_helpers(survey)
                for call_id, channel in survey.callers().items():
                    if call_id not in self._voices:
                        self._admit(channel, self._on_call)
            self._catch_up_with(survey, known)
        except AriDisconnected:
            return  # the next connect begins anew

    async def _look(self) -> Survey:
        ended: set[str] = set()
        self._looks.append(ended)
        try:
            survey = await living_channels(self.client)
        finally:
            self._looks = [look for look in self._looks if look is not ended]
        for call_id in ended:  # the listing may be older than what we have heard since
            survey.channels.pop(call_id, None)
        return survey

    def _catch_up_with(self, survey: Survey, voices: Iterable[AriVoice]) -> None:
        for voice in voices:
            voice.look(survey)
        for name in survey.channels:
            leg = leg_of(name)
            if leg is not None and not self._in_use(leg):
                tidy(self.client, hang_up(name, HangupCause.NORMAL))
        for name in survey.bridges:
            bridge = bridge_of(name)
            if bridge is not None and not self._in_use(bridge):
                tidy(self.client, drop_bridge(name))

    def _in_use(self, part: tuple[str, int]) -> bool:
        call_id, token = part
        voice = self._voices.get(call_id)
        return voice is not None and voice.owns(token)
