"""Orders of events that a real Asterisk shows only now and then: the switch against a server that plays them."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ivr.asterisk.ari.ids import leg_id
from ivr.asterisk.ari.switch import AriSwitch
from ivr.asterisk.ari.timing import Timing
from ivr.domain.errors import BadInput
from ivr.domain.legs import HangupCause, LegResult
from ivr.flow.events import CallerHungUp, Event, LegAnswered, LegEnded, PromptFinished
from ivr.runtime.ports import LegOrder
from tests.asterisk.ari.conftest import Calls, Heard
from tests.asterisk.ari.fake import FakeAri, Reply, serving

CALL = "1700000000.12"
LEG = leg_id(CALL, 3)
ORDER = LegOrder(LEG, "bank", "8001", "219*1*2", {}, 20)
CREATE = f"POST /channels/{LEG}"
HANG_UP_LEG = f"DELETE /channels/{LEG}?reason_code=16"


@dataclass
class Stage:
    """One caller on the line, whose Asterisk answers as a test says."""

    fake: FakeAri
    switch: AriSwitch
    heard: Heard
    channels: list[dict[str, Any]] = field(default_factory=list)
    bridges: list[dict[str, Any]] = field(default_factory=list)
    replies: dict[str, Reply] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)

    async def answer(self, request: dict[str, Any]) -> Reply | None:
        name = f"{request['method']} /{request['uri']}"
        if name in self.held:
            await self.held[name].wait()
        if name in self.replies:
            return self.replies[name]
        known: dict[str, tuple[int, Any]] = {
            "GET /channels": (200, self.channels),
            "GET /bridges": (200, self.bridges),
            "GET /applications/ivr": (200, {"channel_ids": []}),
        }
        return known.get(name, (204, None))

    async def asked(self, name: str) -> None:
        await self.fake.until(lambda: name in self.fake.paths())

    async def say(self, kind: str, channel: str, **more: object) -> None:
        await self.fake.push({"type": kind, "channel": describe(channel), **more})


def describe(channel: str) -> dict[str, Any]:
    leg = ".leg" in channel
    return {
        "id": channel,
        "state": "Up",
        "caller": {"name": "", "number": "09121234567"},
        "dialplan": {"exten": "4247", "app_name": "Stasis", "app_data": "ivr,leg,3" if leg else "ivr,bank,allowed"},
    }


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with serving() as fake:
        calls = Calls()
        switch = AriSwitch(fake.settings(), calls.on_call, Timing(first_pause=0.01, longest_pause=0.02))
        await switch.start()
        await fake.push({"type": "StasisStart", "args": [], "channel": describe(CALL)})
        stage = Stage(fake, switch, await calls.next(), [describe(CALL)])
        fake.answer = stage.answer
        yield stage
        await switch.close()


async def test_the_leg_answers_before_its_own_creation_is_confirmed(stage: Stage) -> None:
    """Asterisk often tells of the answer first: nothing is missed, and it is told once."""
    stage.held[CREATE] = asyncio.Event()
    stage.heard.voice.dial(3, ORDER)
    await stage.asked(CREATE)
    await stage.say("StasisStart", LEG)
    stage.held[CREATE].set()
    assert await stage.heard.next() == LegAnswered(3)
    assert stage.heard.nothing_more()


async def test_the_caller_goes_before_the_leg_s_creation_is_confirmed(stage: Stage) -> None:
    """The leg dies, though it may not have existed yet when its caller went."""
    stage.held[CREATE] = asyncio.Event()
    stage.heard.voice.dial(3, ORDER)
    await stage.asked(CREATE)
    await stage.say("StasisEnd", CALL)
    assert [await stage.heard.next(), await stage.heard.next()] == [LegEnded(3, LegResult.NO_ANSWER), CallerHungUp()]
    stage.held[CREATE].set()
    await stage.asked(HANG_UP_LEG)


async def test_the_leg_answers_when_its_caller_is_gone(stage: Stage) -> None:
    """An orphan's answer does not leave the far side on the line with nobody."""
    await stage.say("StasisEnd", CALL)
    assert await stage.heard.next() == CallerHungUp()
    await stage.say("StasisStart", LEG)
    await stage.asked(HANG_UP_LEG)
    assert stage.heard.nothing_more()


async def test_the_caller_goes_while_both_are_being_joined(stage: Stage) -> None:
    """The far side had picked up: the runtime must know, and neither leg nor bridge is left."""
    bridge = f"POST /bridges/{CALL}.bridge3"
    stage.held[bridge] = asyncio.Event()
    stage.heard.voice.dial(3, ORDER)
    await stage.say("StasisStart", LEG)
    await stage.asked(bridge)
    await stage.say("StasisEnd", CALL)
    assert [await stage.heard.next(), await stage.heard.next()] == [LegEnded(3, LegResult.ENDED), CallerHungUp()]
    stage.held[bridge].set()
    await stage.fake.until(lambda: stage.fake.paths().count(f"DELETE /bridges/{CALL}.bridge3") == 2)
    assert stage.heard.nothing_more()


async def test_a_leg_that_cannot_be_joined_is_ended(stage: Stage) -> None:
    """Nobody sits in silence: the leg is hung up, and its end told as that of an answered one."""
    stage.replies[f"POST /bridges/{CALL}.bridge3/addChannel"] = (422, {"message": "no"})
    stage.heard.voice.dial(3, ORDER)
    await stage.say("StasisStart", LEG)
    await stage.asked(HANG_UP_LEG)
    await stage.say("ChannelDestroyed", LEG, cause=16)
    assert await stage.heard.next() == LegEnded(3, LegResult.ENDED)


async def test_the_same_end_told_three_times_is_one_end(stage: Stage) -> None:
    """Asterisk tells of a caller's end in several ways, and a command may find out first."""
    stage.replies[f"POST /channels/{CALL}/answer"] = (404, {"message": "Channel not found"})
    stage.heard.voice.answer()
    await stage.say("StasisEnd", CALL)
    await stage.say("ChannelDestroyed", CALL, cause=16)
    await stage.switch.client.request("GET", "/channels")  # everything before it has been read
    assert await stage.heard.next() == CallerHungUp()
    assert stage.heard.nothing_more() and not stage.switch.calls


async def test_a_command_after_the_end_is_quiet(stage: Stage) -> None:
    """Nothing is sent for a caller who is gone; a leg that was ordered still gets its end."""
    await stage.say("StasisEnd", CALL)
    assert await stage.heard.next() == CallerHungUp()
    sent = len(stage.fake.requests)
    voice = stage.heard.voice
    voice.answer()
    voice.play(1, ["a"])
    voice.stop(1)
    voice.hang_up(HangupCause.NORMAL)
    assert await voice.headers(["X-Invoice"]) == {"X-Invoice": None}
    voice.dial(3, ORDER)
    assert await stage.heard.next() == LegEnded(3, LegResult.NO_ANSWER)
    assert len(stage.fake.requests) == sent


async def test_nobody_is_dialled_for_a_caller_who_is_gone(stage: Stage) -> None:
    """The leg's end is told before the hangup, and what the flow does then must not reach anybody."""
    voice, told = stage.heard.voice, []

    def emit(event: Event) -> None:
        told.append(event)
        if event == LegEnded(3, LegResult.NO_ANSWER):
            voice.dial(4, LegOrder(leg_id(CALL, 4), "bank", "1", "", {}, 20))

    voice.attach(emit)
    voice.dial(3, ORDER)
    await stage.asked(CREATE)
    await stage.say("StasisEnd", CALL)
    await stage.asked(HANG_UP_LEG)
    assert told == [LegEnded(3, LegResult.NO_ANSWER), LegEnded(4, LegResult.NO_ANSWER), CallerHungUp()]
    assert f"POST /channels/{leg_id(CALL, 4)}" not in stage.fake.paths()


async def test_a_second_leg_or_a_foreign_name_is_refused(stage: Stage) -> None:
    """A call has one leg at a time, and its name leads back to the call."""
    stage.heard.voice.dial(3, ORDER)
    with pytest.raises(BadInput, match="has a leg already"):
        stage.heard.voice.dial(4, LegOrder(leg_id(CALL, 4), "bank", "1", "", {}, 20))
    with pytest.raises(BadInput, match="leg's id"):
        stage.heard.voice.dial(4, ORDER)


async def test_a_playback_whose_request_was_lost_is_asked_for_again(stage: Stage) -> None:
    """The connection died before Asterisk confirmed it, and Asterisk does not know it: it is played then."""
    play = f"POST /channels/{CALL}/play/{CALL}.play1"
    stage.held[play] = asyncio.Event()
    stage.heard.voice.play(1, ["a"])
    await stage.asked(play)
    del stage.held[play]
    stage.replies[f"GET /playbacks/{CALL}.play1"] = (404, {"message": "Playback not found"})
    stage.fake.drop()
    await stage.fake.until(lambda: stage.fake.paths().count(play) == 2)
    await stage.fake.push(
        {
            "type": "PlaybackFinished",
            "playback": {"id": f"{CALL}.play1", "target_uri": f"channel:{CALL}", "state": "done"},
        }
    )
    assert await stage.heard.next() == PromptFinished(1)
    assert stage.heard.nothing_more()


async def test_a_refused_playback_is_a_failed_one(stage: Stage) -> None:
    """The flow goes on instead of waiting for ever; nothing to say is said at once."""
    stage.replies[f"POST /channels/{CALL}/play/{CALL}.play1"] = (500, {"message": "no"})
    stage.heard.voice.play(1, ["a"])
    assert await stage.heard.next() == PromptFinished(1, failed=True)
    stage.heard.voice.play(2, [])
    assert await stage.heard.next() == PromptFinished(2)


async def test_commands_lost_with_the_connection_are_given_again(stage: Stage) -> None:
    """An answer or a hangup that nobody can say the fate of is asked for once more."""
    answer = f"POST /channels/{CALL}/answer"
    stage.held[answer] = asyncio.Event()
    stage.heard.voice.answer()
    await stage.asked(answer)
    del stage.held[answer]
    stage.fake.drop()
    await stage.fake.until(lambda: stage.fake.paths().count(answer) == 2)


async def test_headers_wait_for_the_connection(stage: Stage) -> None:
    """A header that could not be read for a moment is not an absent one."""
    uri = f"GET /channels/{CALL}/variable?variable=PJSIP_HEADER%28read%2CX-Invoice%29"
    stage.held[uri] = asyncio.Event()
    stage.replies[uri] = (200, {"value": "65843148"})
    reading = asyncio.create_task(stage.heard.voice.headers(["X-Invoice"]))
    await stage.asked(uri)
    del stage.held[uri]
    stage.fake.drop()
    assert await reading == {"X-Invoice": "65843148"}


async def test_a_leg_whose_creation_was_lost_counts_as_dialled(stage: Stage) -> None:
    """Nobody can say whether the far side was reached: its payment needs an inquiry."""
    stage.held[CREATE] = asyncio.Event()
    stage.heard.voice.dial(3, ORDER)
    await stage.asked(CREATE)
    del stage.held[CREATE]
    stage.fake.drop()
    assert await stage.heard.next() == LegEnded(3, LegResult.ENDED)


async def test_a_caller_whose_arrival_was_lost_is_taken(stage: Stage) -> None:
    """They came while the connection was dying: found after the next connect, they get their flow."""
    calls = Calls()
    await stage.switch.take_over(calls.on_resume)
    stage.channels.append(describe("1700000000.99"))
    stage.fake.drop()
    await stage.fake.until(lambda: stage.fake.connects == 2)
    async with asyncio.timeout(5):
        while "1700000000.99" not in stage.switch.calls:  # noqa: ASYNC110 -- its arrival is what is awaited
            await asyncio.sleep(0.01)
    assert not calls.resumed
