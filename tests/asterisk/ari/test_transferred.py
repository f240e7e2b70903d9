"""A caller who talks to an agent and comes back, is sent elsewhere, or takes the agent's place in a call."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ivr.asterisk.ari import voice as voice_module
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.privacy import Privacy
from ivr.flow.events import CallerHungUp, Digit, LegEnded
from ivr.runtime.ports import ANY_VISIT, TransferOrder
from tests.asterisk.ari.assisting import (
    AGENT,
    AGENTS_NAME,
    CALL,
    CALLERS_NAME,
    END_CALLER,
    Stage,
    channel,
    staged,
)
from tests.asterisk.ari.conftest import Heard

SENT = channel(CALL, f"ivr,agents,allowed,comes=01,by={AGENTS_NAME}")
BACK = channel(CALL, "ivr,agents,allowed,comes=01,back=7,how=CONTINUE", exten="s")
SENT_AGAIN = channel(CALL, f"ivr,agents,allowed,comes=011,by={AGENTS_NAME}")
TALKING = channel(CALL, "agent-sara,tcr,,,60", app_name="Queue", exten="s")
OWN = channel(AGENT, "ivr,agents,allowed,comes=01,by=", called=AGENTS_NAME)
"""The agent calls the pay number."""
MOVED = channel(CALL, "agent-sara,tcr,,,60", app_name="Queue", exten="s")
"""The caller whom the agent then gives their place: named by what they were in before."""
GO = f"POST /channels/{CALL}/continue"
WATCH = f"POST /applications/ivr/subscription?eventSource=channel%3A{CALL}"
PRESENTATION = f"GET /channels/{CALL}/variable?variable=CALLERID%28pres%29"
ORDER = TransferOrder("sara", None, ["/s/a", "/s/b"], 29.5)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage


async def sent_away(stage: Stage) -> Heard:
    """A caller on the way to the agent."""
    await stage.starts(SENT)
    heard = await stage.calls.next()
    heard.voice.transfer(7, ORDER)
    await stage.asked(GO)
    stage.channels = [TALKING]
    return heard


def variables(stage: Stage) -> dict[str, str]:
    bodies = [json.loads(one["message_body"]) for one in stage.fake.requests if one["uri"].endswith("/variable")]
    return {body["variable"]: body["value"] for body in bodies}


# -- to an agent and back ----------------------------------------------------------------------------------------------


async def test_the_way_to_an_agent(stage: Stage) -> None:
    """Watched first, so that the end is heard; what the agent is told, for how long, and by which token they return."""
    await sent_away(stage)
    assert variables(stage) == {
        "IVR_QUEUE": "agent-sara",
        "IVR_TELL": "/s/a&/s/b",
        "IVR_WAIT": "30",
        "IVR_TOKEN": "7",
    }
    asked = stage.fake.paths()
    assert asked.index(WATCH) < asked.index(GO)


async def test_the_way_to_a_queue(stage: Stage) -> None:
    """By its own name."""
    await stage.starts(SENT)
    heard = await stage.calls.next()
    heard.voice.transfer(7, TransferOrder(None, "sales", [], 5.0))
    await stage.asked(GO)
    assert variables(stage)["IVR_QUEUE"] == "sales" and variables(stage)["IVR_TELL"] == ""


async def test_they_have_talked(stage: Stage) -> None:
    """Leaving us is no end; coming back is the transfer's."""
    heard = await sent_away(stage)
    await stage.fake.push({"type": "StasisEnd", "channel": SENT})
    await stage.starts(BACK)
    assert await heard.next() == LegEnded(7, LegResult.ENDED)
    await stage.key(BACK, "5")
    assert await heard.next() == Digit("5")


async def test_the_caller_hangs_up_at_the_agent(stage: Stage) -> None:
    """Their channel's end is the call's."""
    heard = await sent_away(stage)
    await stage.fake.push({"type": "StasisEnd", "channel": SENT})
    await stage.ends(TALKING, "ChannelDestroyed", cause=16)
    assert await heard.next() == CallerHungUp()
    assert not stage.switch.calls


async def test_the_agent_sends_them_to_us(stage: Stage) -> None:
    """A call of its own begins on the same channel; the old one is over, and says so."""
    heard = await sent_away(stage)
    await stage.fake.push({"type": "StasisEnd", "channel": SENT})
    await stage.starts(SENT_AGAIN)
    assert await heard.next() == CallerHungUp(elsewhere=True)
    again = await stage.calls.next()
    assert again.voice.info.session_id == f"{CALL}~11" and stage.switch.calls[CALL] is again.voice


async def test_who_comes_back_from_another_transfer(stage: Stage) -> None:
    """News of a transfer that this call does not know is none: the call is over."""
    heard = await sent_away(stage)
    await stage.starts(channel(CALL, "ivr,agents,allowed,comes=01,back=6,how=CONTINUE", exten="s"))
    assert await heard.next() == CallerHungUp(elsewhere=True)


async def test_a_transfer_that_is_refused(stage: Stage) -> None:
    """Nobody is there, says the flow."""
    stage.replies[GO] = (500, {"message": "no"})
    await stage.starts(SENT)
    heard = await stage.calls.next()
    heard.voice.transfer(7, ORDER)
    assert await heard.next() == LegEnded(7, LegResult.UNREACHABLE)


async def test_the_caller_is_gone_before(stage: Stage) -> None:
    """Asterisk knows no such channel; and nobody is rung for who has hung up already."""
    stage.replies[GO] = (404, {"message": "Channel not found"})
    await stage.starts(SENT)
    heard = await stage.calls.next()
    heard.voice.transfer(7, ORDER)
    assert await heard.next() == CallerHungUp()
    heard.voice.transfer(8, ORDER)
    assert await heard.next() == LegEnded(8, LegResult.NO_ANSWER)


# -- gaps --------------------------------------------------------------------------------------------------------------


async def test_still_with_the_agent_after_a_gap(stage: Stage) -> None:
    """Watched anew: Asterisk has forgotten that we wanted to know."""
    heard = await sent_away(stage)
    watched = stage.fake.paths().count(WATCH)
    await stage.lost()
    assert stage.fake.paths().count(WATCH) == watched + 1 and heard.nothing_more()


async def test_back_in_a_gap(stage: Stage) -> None:
    """Found here, and told."""
    heard = await sent_away(stage)
    stage.channels = [BACK]
    await stage.lost()
    assert await heard.next() == LegEnded(7, LegResult.ENDED)


async def test_never_gone(stage: Stage) -> None:
    """The request was lost with the connection: sent once more."""
    heard = await sent_away(stage)
    gone = stage.fake.paths().count(GO)
    stage.channels = [SENT]
    await stage.lost()
    assert stage.fake.paths().count(GO) == gone + 1 and heard.nothing_more()


async def test_sent_elsewhere_in_a_gap(stage: Stage) -> None:
    """The old call is over."""
    heard = await sent_away(stage)
    stage.channels = [SENT_AGAIN]
    await stage.lost()
    assert await heard.next() == CallerHungUp(elsewhere=True)


async def test_hung_up_in_a_gap(stage: Stage) -> None:
    """Noticed."""
    heard = await sent_away(stage)
    stage.channels = []
    await stage.lost()
    assert await heard.next() == CallerHungUp()


# -- in an agent's place -----------------------------------------------------------------------------------------------


async def gives_place(stage: Stage, presentation: str | None = "allowed_passed_screen") -> Heard:
    """The agent called for the caller, and then gives them their place."""
    await stage.starts(OWN)
    await stage.calls.next()
    reply = {"value": presentation} if presentation is not None else {"message": "no"}
    stage.replies[PRESENTATION] = (200 if presentation is not None else 500, reply)
    await stage.starts(MOVED, replace_channel={"id": AGENT})
    return await stage.calls.next()


async def test_a_caller_takes_the_agents_place(stage: Stage) -> None:
    """Sent by that agent; the agent's own end is nobody's end any more."""
    heard = await gives_place(stage)
    voice, replaced = stage.replaced[0]
    assert (voice.info.call_id, voice.info.sent, voice.info.agent) == (CALL, True, "sara")
    assert voice.info.caller_number == "09121234567" and replaced.call_id == AGENT
    await stage.ends(OWN)
    await stage.settled()
    assert heard.nothing_more() and list(stage.switch.calls) == [CALL]
    await stage.ends(MOVED)
    assert await heard.next() == CallerHungUp()


@pytest.mark.parametrize("presentation", ["prohib_passed_screen", "prohib", "unavailable", "", None])
async def test_a_withheld_number_stays_withheld(stage: Stage, presentation: str | None) -> None:
    """Asterisk's list of channels would show it all the same; whoever cannot say withholds it."""
    assert (await gives_place(stage, presentation)).voice.info.caller_number is None


async def test_what_happens_before_that_is_known(stage: Stage) -> None:
    """A key waits, and so does the end."""
    stage.held[PRESENTATION] = asyncio.Event()
    await stage.starts(OWN)
    await stage.calls.next()
    stage.replies[PRESENTATION] = (200, {"value": "prohib"})
    await stage.starts(MOVED, replace_channel={"id": AGENT})
    await stage.asked(PRESENTATION)
    await stage.key(MOVED, "1")
    await stage.ends(MOVED)
    while stage.switch.calls:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    stage.held[PRESENTATION].set()
    heard = await stage.calls.next()
    assert [await heard.next(), await heard.next()] == [Digit("1"), CallerHungUp()]


async def test_recordings_of_who_takes_a_place_are_silent(stage: Stage) -> None:
    """Whoever recorded the talk with the agent goes on recording the caller's channel."""
    heard = await gives_place(stage)
    await heard.voice.guard(Privacy.RECORDINGS)
    assert stage.silencer.asked == [((CALLERS_NAME,), True)]


async def test_in_the_place_of_nobody(stage: Stage) -> None:
    """Of a call that is not ours: hung up, and not left in silence."""
    await stage.starts(MOVED, replace_channel={"id": "1.99"})
    await stage.asked(END_CALLER)
    assert not stage.switch.calls


async def test_a_bug_in_replacing(stage: Stage) -> None:
    """Not left in silence either."""

    def broken(*of: object) -> None:
        raise KeyError("a bug")

    stage.switch._on_replace = broken  # type: ignore[assignment]
    await stage.starts(OWN)
    await stage.calls.next()
    await stage.starts(MOVED, replace_channel={"id": AGENT})
    await stage.asked(END_CALLER)
    assert not stage.switch.calls


# -- a new process -----------------------------------------------------------------------------------------------------


def here(name: str) -> str:
    return f"POST /channels/{name}/variable"


async def test_a_new_process_finds_who_took_a_place(stage: Stage) -> None:
    """Asterisk names what they were in before, yet they are ours: their snapshot knows which call it is."""
    stage.channels, stage.watched = [MOVED], [CALL]
    await stage.took_over()
    [heard] = stage.calls.resumed
    info = heard.voice.info
    assert (info.call_id, info.sent, info.visit, info.caller_number) == (CALL, True, ANY_VISIT, None)
    await stage.key(MOVED, "5")
    assert await heard.next() == Digit("5")
    await heard.voice.guard(Privacy.RECORDINGS)
    assert stage.silencer.asked == [((CALLERS_NAME,), True)]


@pytest.mark.parametrize("reply", [409, 404])
async def test_a_new_process_leaves_who_talks_to_an_agent(stage: Stage, reply: int) -> None:
    """Only watched, or gone by now: not taken away from the agent."""
    stage.channels, stage.watched = [TALKING], [CALL]
    stage.replies[here(CALL)] = (reply, {"message": "Channel not in Stasis application"})
    await stage.took_over()
    assert stage.calls.resumed == [] and not stage.switch.calls
    assert stage.names(END_CALLER, GO) == []


async def test_a_new_process_leaves_strangers(stage: Stage) -> None:
    """A channel of which our application hears nothing is not even asked about."""
    stage.channels = [TALKING]
    await stage.took_over()
    assert stage.names(here(CALL)) == [] and stage.calls.resumed == []


async def test_a_new_process_finds_who_came_back(stage: Stage) -> None:
    """The news of the transfer comes with them."""
    stage.channels = [BACK]
    await stage.took_over()
    [heard] = stage.calls.resumed
    assert heard.voice.info.back is not None and heard.voice.info.back.token == 7


# -- recordings of a caller whom an agent sent -------------------------------------------------------------------------


async def test_a_sent_callers_recording(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Silent at once, and again a moment after the last digit; without a manager nobody is asked."""
    monkeypatch.setattr(voice_module, "LINGER", 0.0)
    await stage.starts(SENT)
    heard = await stage.calls.next()
    await heard.voice.guard(Privacy.ALL)
    await heard.voice.guard(Privacy.OPEN)
    while len(stage.silencer.asked) < 2:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    assert stage.silencer.asked == [((CALLERS_NAME,), True), ((CALLERS_NAME,), False)]
    heard.voice._silencer = None
    await heard.voice.guard(Privacy.ALL)


async def test_a_caller_who_hangs_up_in_a_secret(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is opened for who is gone."""
    monkeypatch.setattr(voice_module, "LINGER", 0.0)
    await stage.starts(SENT)
    heard = await stage.calls.next()
    await heard.voice.guard(Privacy.ALL)
    await heard.voice.guard(Privacy.OPEN)
    await stage.ends(SENT)
    assert await heard.next() == CallerHungUp()
    heard.voice.hang_up(HangupCause.NORMAL)
    await stage.settled()


async def test_headers_of_a_refer(stage: Stage) -> None:
    """What the agent's phone said behind the address, by any case; nothing where it said nothing."""
    name = f"GET /channels/{CALL}/variable?variable=SIPREFERTOHDR"
    stage.replies[name] = (200, {"value": "<sip:4247@h;x-invoice-id=65843148>"})
    await stage.starts(SENT)
    heard = await stage.calls.next()
    found: Any = await heard.voice.headers(["X-Invoice-Id", "X-Other"])
    assert found == {"X-Invoice-Id": "65843148", "X-Other": None}
    stage.replies[name] = (404, {"message": "gone"})
    assert await heard.voice.headers(["X-Invoice-Id"]) == {"X-Invoice-Id": None}
