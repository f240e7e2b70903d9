"""A caller and an agent in one bridge: who hears what, and who is left with whom, whichever of them goes first."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from ivr.asterisk.ari import assisted as assisted_module
from ivr.asterisk.ari import switch as switch_module
from ivr.asterisk.ari import voice as voice_module
from ivr.asterisk.ari.assisted import AssistedVoice
from ivr.asterisk.ari.events import Caller, Channel, Dialplan
from ivr.domain.errors import Unusable
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.privacy import Privacy
from ivr.flow.events import CallerHungUp, Digit, LegAnswered, LegEnded, PromptFinished
from ivr.runtime.ports import Emit, LegOrder, TransferOrder
from tests.asterisk.ari.assisting import (
    AGENT,
    AGENTS_NAME,
    BRIDGE,
    CALL,
    CALLER,
    CALLERS_NAME,
    END_AGENT,
    END_CALLER,
    HELPER,
    JOIN,
    MUTE,
    UNMUTE,
    Stage,
    staged,
)

BOTH = (CALLERS_NAME, AGENTS_NAME)


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with staged() as stage:
        yield stage


def bodies(stage: Stage, name: str) -> list[str]:
    return [one["message_body"] for one in stage.fake.requests if f"{one['method']} /{one['uri']}" == name]


# -- who comes first ---------------------------------------------------------------------------------------------------


async def test_both_are_in_one_bridge_and_hear_no_keys(stage: Stage) -> None:
    """Each is put into it so that the other does not hear what they key; the flow knows which agent it is."""
    heard = await stage.both()
    assert heard.voice.info.assisted and heard.voice.info.agent == "sara"
    assert all('"absorbDTMF":true' in body.replace(" ", "") for body in bodies(stage, JOIN))
    assert stage.names(f"POST /bridges/{BRIDGE}")[0] == f"POST /bridges/{BRIDGE}"


async def test_the_agent_comes_first(stage: Stage) -> None:
    """They wait for the caller, and are then joined just the same."""
    await stage.starts(HELPER)
    await stage.settled()
    assert stage.names(JOIN) == []
    heard = await stage.caller()
    await stage.asked(JOIN, 2)
    assert isinstance(heard.voice, AssistedVoice) and heard.voice.agent_id == AGENT
    await stage.ends(HELPER)
    await stage.settled()
    assert heard.voice.agent_id is None


async def test_the_agent_comes_first_and_hangs_up(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller is alone with the flow from the beginning, and is hung up at its end: nobody is there to talk to."""
    monkeypatch.setattr(assisted_module, "ALONE_SECONDS", 0.01)
    await stage.starts(HELPER)
    await stage.ends(HELPER)
    heard = await stage.caller()
    await stage.asked(JOIN)
    assert isinstance(heard.voice, AssistedVoice) and heard.voice.agent_id is None
    heard.voice.hang_up(HangupCause.NORMAL)
    await stage.asked(END_CALLER)


async def test_nothing_begins_before_the_agent_is_there(stage: Stage) -> None:
    """The house is full, say, and the caller was the first to be moved: nobody is hung up, and they talk."""
    heard = await stage.caller()
    heard.voice.apologise()
    await stage.starts(HELPER)
    await stage.settled()
    assert stage.names(END_CALLER, END_AGENT) == []


async def test_the_caller_never_comes(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """They hung up while both were being moved: the agent is not left in silence."""
    monkeypatch.setattr(switch_module, "HELPER_PATIENCE", 0.01)
    await stage.starts(HELPER)
    await stage.asked(END_AGENT)


async def test_too_many_agents_wait(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is hung up at once."""
    monkeypatch.setattr(switch_module, "MOST_HELPERS", 0)
    await stage.starts(HELPER)
    await stage.asked(END_AGENT)


async def test_the_agent_comes_when_it_is_over(stage: Stage) -> None:
    """The caller has hung up meanwhile: so is the agent, instead of waiting for who is gone."""
    heard = await stage.caller()
    assert isinstance(heard.voice, AssistedVoice)
    await stage.ends(CALLER)
    assert await heard.next() == CallerHungUp()
    heard.voice.assisted_by(Channel(AGENT, "Up", Caller(), Dialplan(), AGENTS_NAME))
    await stage.asked(END_AGENT)


# -- what they hear ----------------------------------------------------------------------------------------------------


async def test_words_are_for_both(stage: Stage) -> None:
    """Played into the bridge, and heard to their end like any."""
    heard = await stage.both()
    heard.voice.play(5, ["a"])
    await stage.asked(f"POST /bridges/{BRIDGE}/play/{CALL}.play5")
    playback = {"id": f"{CALL}.play5", "target_uri": f"bridge:{BRIDGE}", "state": "done"}
    await stage.fake.push({"type": "PlaybackFinished", "playback": playback})
    assert await heard.next() == PromptFinished(5)


async def test_only_the_callers_keys_are_keys(stage: Stage) -> None:
    """What the agent keys meanwhile pays for nobody."""
    heard = await stage.both()
    await stage.key(HELPER, "7")
    await stage.key(CALLER, "3")
    assert await heard.next() == Digit("3")
    assert heard.nothing_more()


async def test_a_secret_is_heard_by_nobody(stage: Stage) -> None:
    """The caller is muted before the question is asked, and the recordings of both are silent."""
    heard = await stage.both()
    await heard.voice.guard(Privacy.ALL)
    assert stage.names(MUTE) == [MUTE]
    assert stage.silencer.asked == [(BOTH, True)]


async def test_it_stays_so_for_a_moment(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last digit's tone is not over when its key is known; then both are heard again."""
    monkeypatch.setattr(voice_module, "LINGER", 0.05)
    heard = await stage.both()
    await heard.voice.guard(Privacy.ALL)
    unmuted = stage.fake.paths().count(UNMUTE)
    await heard.voice.guard(Privacy.OPEN)
    assert stage.silencer.asked[-1] == (BOTH, True)
    await stage.asked(UNMUTE, unmuted + 1)
    assert stage.silencer.asked[-1] == (BOTH, False)


async def test_the_next_secret_comes_at_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the two nothing is opened at all."""
    monkeypatch.setattr(voice_module, "LINGER", 0.05)
    heard = await stage.both()
    await heard.voice.guard(Privacy.ALL)
    await heard.voice.guard(Privacy.OPEN)
    await heard.voice.guard(Privacy.ALL)
    await asyncio.sleep(0.1)
    await stage.settled()
    assert stage.names(UNMUTE) == [] and {on for _, on in stage.silencer.asked} == {True}


async def test_the_next_secret_comes_while_it_is_being_opened(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening takes several requests: the last word is that it is closed."""
    monkeypatch.setattr(voice_module, "LINGER", 0.0)
    heard = await stage.both()
    await heard.voice.guard(Privacy.ALL)
    stage.silencer.door.clear()
    await heard.voice.guard(Privacy.OPEN)
    while stage.silencer.asked[-1][1]:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    closing = asyncio.create_task(heard.voice.guard(Privacy.ALL))
    await asyncio.sleep(0)
    stage.silencer.door.set()
    await closing
    await stage.settled()
    assert stage.names(MUTE, UNMUTE)[-1] == MUTE and stage.silencer.asked[-1] == (BOTH, True)


@pytest.mark.parametrize("why", ["mute", "silence"])
async def test_what_is_not_certain_is_an_error(stage: Stage, why: str) -> None:
    """Nothing secret is asked then; a second try may succeed."""
    heard = await stage.both()
    if why == "mute":
        stage.replies[MUTE] = (500, {"message": "no"})
    else:
        stage.silencer.problem = "no connection"
    with pytest.raises(Unusable):
        await heard.voice.guard(Privacy.ALL)
    stage.replies.clear()
    stage.silencer.problem = ""
    await heard.voice.guard(Privacy.ALL)
    assert stage.names(MUTE)[-1] == MUTE and stage.silencer.asked[-1] == (BOTH, True)


async def test_no_connection_is_no_privacy(stage: Stage) -> None:
    """Whether the caller was muted nobody can say: the secret is not asked for."""
    heard = await stage.both()
    stage.held[MUTE] = asyncio.Event()
    asked = asyncio.create_task(heard.voice.guard(Privacy.ALL))
    await stage.asked(MUTE)
    stage.fake.drop()
    with pytest.raises(Unusable, match="cannot be muted"):
        await asked
    stage.held[MUTE].set()


async def test_the_bank_hears_the_caller_and_the_agent_music(stage: Stage) -> None:
    """The agent is not in the bridge with the bank; afterwards all is as it was."""
    heard = await stage.both()
    await heard.voice.guard(Privacy.RECORDINGS)
    assert stage.silencer.asked == [(BOTH, True)] and stage.names(MUTE) == []
    heard.voice.dial(3, LegOrder(f"{CALL}.leg3", "bank", "8001", "219", {}, 20))
    await stage.asked(f"POST /bridges/{BRIDGE}/moh")
    leg = {**CALLER, "id": f"{CALL}.leg3", "dialplan": {"exten": "", "app_name": "Stasis", "app_data": "ivr,leg,3"}}
    await stage.fake.push({"type": "StasisStart", "args": [], "channel": leg})
    assert await heard.next() == LegAnswered(3)
    await stage.asked(f"POST /bridges/{CALL}.bridge3/addChannel")
    await stage.key(CALLER, "6")
    await stage.ends(leg, "ChannelDestroyed", cause=16)
    await stage.fake.push({"type": "ChannelLeftBridge", "channel": CALLER, "bridge": {"id": f"{CALL}.bridge3"}})
    assert await heard.next() == LegEnded(3, LegResult.ENDED)
    await stage.asked(f"DELETE /bridges/{BRIDGE}/moh")
    await stage.asked(JOIN, 3)


async def test_an_agent_is_on_the_line_already(stage: Stage) -> None:
    """A flow that would let the caller talk to one goes on as if nobody were free."""
    heard = await stage.both()
    heard.voice.transfer(4, TransferOrder(None, "sales", [], 20.0))
    assert await heard.next() == LegEnded(4, LegResult.UNREACHABLE)


# -- who goes first ----------------------------------------------------------------------------------------------------


async def test_when_the_flow_is_done_they_talk(stage: Stage) -> None:
    """Nobody is hung up; whoever hangs up then ends it for both."""
    heard = await stage.both()
    heard.voice.hang_up(HangupCause.NORMAL)
    await stage.settled()
    assert stage.names(END_CALLER, END_AGENT) == []
    stage.hung_up.add(AGENT)
    await stage.ends(HELPER, "ChannelDestroyed", cause=16)
    await stage.asked(END_CALLER)


async def test_both_are_moved_elsewhere(stage: Stage) -> None:
    """A second payment in the same talk: their channels leave us, and are there all the same."""
    heard = await stage.both()
    heard.voice.hang_up(HangupCause.NORMAL)
    await stage.ends(CALLER)
    await stage.asked(f"GET /channels/{CALL}")
    await stage.settled()
    assert stage.names(END_CALLER, END_AGENT) == []


@pytest.mark.parametrize("talking", [False, True])
async def test_the_caller_hangs_up(stage: Stage, talking: bool) -> None:
    """So is the agent, in the middle of the flow and after it; nothing is left."""
    heard = await stage.both()
    if talking:
        heard.voice.hang_up(HangupCause.NORMAL)
    stage.hung_up.add(CALL)
    await stage.ends(CALLER)
    await stage.asked(END_AGENT)
    await stage.asked(f"DELETE /bridges/{BRIDGE}")
    assert await heard.next() == CallerHungUp()
    await stage.ends(HELPER)
    await stage.settled()
    assert heard.nothing_more() and not stage.switch.calls


async def test_the_agent_leaves_in_the_middle(stage: Stage) -> None:
    """Nothing changes for the caller: the flow goes on, keys count, and its end is the call's."""
    heard = await stage.both()
    await stage.ends(HELPER)
    await stage.key(CALLER, "3")
    assert await heard.next() == Digit("3")
    await heard.voice.guard(Privacy.ALL)
    assert stage.silencer.asked[-1] == ((CALLERS_NAME,), True)
    heard.voice.hang_up(HangupCause.NORMAL)
    await stage.asked(END_CALLER)


async def test_the_agent_leaves_while_the_caller_is_at_the_bank(stage: Stage) -> None:
    """The payment goes on; the caller comes back to the flow."""
    heard = await stage.both()
    heard.voice.dial(3, LegOrder(f"{CALL}.leg3", "bank", "8001", "219", {}, 20))
    await stage.ends(HELPER)
    await stage.fake.push({"type": "ChannelDestroyed", "channel": {"id": f"{CALL}.leg3"}, "cause": 17})
    assert await heard.next() == LegEnded(3, LegResult.BUSY)


async def test_a_flow_that_ends_in_a_secret(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """It broke, or lasted for too long: the agent hears the caller again, and recordings sound again."""
    monkeypatch.setattr(voice_module, "LINGER", 0.0)
    heard = await stage.both()
    await heard.voice.guard(Privacy.ALL)
    heard.voice.hang_up(HangupCause.UNAVAILABLE)
    await stage.asked(UNMUTE)
    assert stage.silencer.asked[-1] == (BOTH, False)


# -- gaps and crashes --------------------------------------------------------------------------------------------------


async def test_a_process_that_goes_leaves_them_together(stage: Stage) -> None:
    """The next one finds them so."""
    heard = await stage.both()
    await heard.voice.release()
    assert stage.names(f"POST /channels/{CALL}/continue") == []


async def test_a_gap_in_which_nothing_happened(stage: Stage) -> None:
    """Nobody is put anywhere again: that would be heard."""
    await stage.both()
    stage.bridges = [{"id": BRIDGE, "channels": [CALL, AGENT]}]
    joined = stage.fake.paths().count(JOIN)
    await stage.lost()
    assert stage.fake.paths().count(JOIN) == joined


async def test_a_gap_in_which_they_were_not_joined(stage: Stage) -> None:
    """Who is not in the bridge is put there; a caller whom nobody hears any more is heard again."""
    await stage.both()
    joined = stage.fake.paths().count(JOIN)
    await stage.lost()
    await stage.asked(JOIN, joined + 2)
    await stage.asked(UNMUTE)


async def test_a_gap_in_the_middle_of_a_secret(stage: Stage) -> None:
    """It stays closed."""
    heard = await stage.both()
    await heard.voice.guard(Privacy.ALL)
    await stage.lost()
    assert stage.names(UNMUTE) == []


@pytest.mark.parametrize("talking", [False, True])
async def test_the_agent_leaves_in_a_gap(stage: Stage, talking: bool) -> None:
    """Noticed afterwards: the flow goes on alone; who was only talking is hung up."""
    heard = await stage.both()
    if talking:
        heard.voice.hang_up(HangupCause.NORMAL)
    stage.channels = [CALLER]
    await stage.lost()
    assert isinstance(heard.voice, AssistedVoice) and heard.voice.agent_id is None
    assert (END_CALLER in stage.fake.paths()) == talking


async def test_the_caller_leaves_in_a_gap(stage: Stage) -> None:
    """The agent is hung up."""
    heard = await stage.both()
    stage.channels = [HELPER]
    stage.hung_up.add(CALL)
    await stage.lost()
    assert await heard.next() == CallerHungUp()
    await stage.asked(END_AGENT)


async def test_the_agent_comes_in_a_gap(stage: Stage) -> None:
    """Found, and joined."""
    await stage.took_over()
    heard = await stage.caller()
    stage.channels = [CALLER, HELPER]
    await stage.lost()
    assert isinstance(heard.voice, AssistedVoice) and heard.voice.agent_id == AGENT


async def test_an_agent_who_waits_leaves_in_a_gap(stage: Stage) -> None:
    """A caller who comes later is not told of somebody who is gone."""
    await stage.took_over()
    await stage.starts(HELPER)
    await stage.settled()
    stage.channels = []
    await stage.lost()
    heard = await stage.caller()
    assert isinstance(heard.voice, AssistedVoice) and heard.voice.agent_id is None


async def test_a_new_process_finds_both(stage: Stage) -> None:
    """The agent is known before anything is done with the caller: one whose flow was over goes on talking."""
    stage.channels = [CALLER, HELPER]
    found: list[str | None] = []
    resume = stage.calls.on_resume

    def on_resume(voice: voice_module.AriVoice, leg: int | None) -> Emit:
        assert isinstance(voice, AssistedVoice)
        found.append(voice.agent_id)
        voice.hang_up(HangupCause.NORMAL)
        return resume(voice, leg)

    await stage.switch.take_over(on_resume)
    await stage.settled()
    assert found == [AGENT] and stage.names(END_CALLER, END_AGENT) == []
    stage.hung_up.add(AGENT)
    await stage.ends(HELPER)
    await stage.asked(END_CALLER)


async def test_a_new_process_finds_an_agent_alone(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whose caller hung up meanwhile: not left in silence."""
    monkeypatch.setattr(switch_module, "HELPER_PATIENCE", 0.01)
    stage.channels = [HELPER]
    await stage.took_over()
    await stage.asked(END_AGENT)
    assert stage.calls.resumed == []


async def test_a_bug_in_taking_the_call(stage: Stage) -> None:
    """The caller hears the dialplan's apology, and the agent is not left alone."""

    def broken(voice: object) -> None:
        raise KeyError("a bug")

    stage.switch._on_call = broken  # type: ignore[assignment]
    await stage.starts(HELPER)
    await stage.starts(CALLER)
    await stage.asked(f"POST /channels/{CALL}/continue")
    await stage.asked(END_AGENT)
