"""Calls through two real Asterisks, as the runtime sees them."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from ivr.asterisk.ari.events import StasisStart
from ivr.asterisk.ari.ids import leg_id, recording_name
from ivr.asterisk.ari.switch import AriSwitch
from ivr.domain.legs import HangupCause, LegResult
from ivr.flow.events import CallerHungUp, Digit, Event, LegAnswered, LegEnded, PromptFinished, RecordingFinished
from ivr.runtime.ports import LegOrder, RecordOrder
from tests.asterisk.ari.conftest import Calls, Heard
from tests.asterisk.ari.real import NUMBER, World, write_sound

pytestmark = pytest.mark.end_to_end

CALLER_ID = "2191071390*10000005*65843148"


def order(
    heard: Heard,
    token: int,
    *,
    trunk: str = "peer",
    number: str = "1111",
    timeout: float = 20.0,
    headers: Mapping[str, str] | None = None,
) -> LegOrder:
    return LegOrder(
        leg_id(heard.voice.info.call_id, token), trunk, number, CALLER_ID, headers or {"Amount": "160000"}, timeout
    )


async def test_a_caller_comes_in_hears_prompts_and_keys_digits(
    switch: AriSwitch, world: World, calls: Calls, sounds: Path
) -> None:
    """The call is announced with who called what, two prompts are heard in a row, keys arrive in order."""
    phone = await world.call()
    heard = await calls.next()
    assert (heard.voice.info.trunk, heard.voice.info.dialled_number) == ("peer", NUMBER)
    assert heard.voice.info.caller_number == "09121234567"
    heard.voice.answer()
    heard.voice.play(1, [write_sound(sounds / "one", 0.1), write_sound(sounds / "two, with a comma", 0.1)])
    assert await heard.next() == PromptFinished(1)
    await world.press(phone, "12#")
    assert [await heard.next() for _ in range(3)] == [Digit("1"), Digit("2"), Digit("#")]
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()
    heard.voice.play(2, [write_sound(sounds / "one", 0.1)])
    heard.voice.hang_up(HangupCause.NORMAL)
    assert heard.nothing_more() and not switch.calls


async def test_a_missing_sound_fails_and_a_stopped_one_says_nothing(
    switch: AriSwitch, world: World, calls: Calls, sounds: Path
) -> None:
    """The flow learns that the caller heard nothing; a prompt that was cut short is not reported twice."""
    phone = await world.call()
    heard = await calls.next()
    heard.voice.answer()
    heard.voice.play(1, [str(sounds / "nowhere")])
    assert await heard.next() == PromptFinished(1, failed=True)
    heard.voice.play(2, [write_sound(sounds / "long", 30.0)])
    heard.voice.stop(2)
    heard.voice.play(3, [write_sound(sounds / "short", 0.05)])
    assert await heard.next() == PromptFinished(3)
    heard.voice.stop(3)
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()


async def test_headers_of_the_invite_are_read(switch: AriSwitch, world: World, calls: Calls) -> None:
    """What a trusted trunk sent is there; what it did not send is absent, not an error."""
    phone = await world.call(headers={"X-Invoice": "65843148"})
    heard = await calls.next()
    assert await heard.voice.headers(["X-Invoice", "X-Other"]) == {"X-Invoice": "65843148", "X-Other": None}
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()


async def test_the_caller_is_connected_to_the_bank(switch: AriSwitch, world: World, calls: Calls) -> None:
    """The bank sees the caller id and the amount; keys go to the bank and nowhere else; the bank hangs up first."""
    phone = await world.call()
    heard = await calls.next()
    heard.voice.answer()
    heard.voice.dial(1, order(heard, 1))
    bank = await world.incoming()
    assert await read(world, bank, "CALLERID(num)") == CALLER_ID
    assert await read(world, bank, "PJSIP_HEADER(read,Amount)") == "160000"
    assert heard.nothing_more()
    await world.post(bank, "answer")
    assert await heard.next() == LegAnswered(1)
    await world.press(phone, "6037")
    assert await world.keys(bank, 4) == "6037"
    await world.hang_up(bank)
    assert await heard.next() == LegEnded(1, LegResult.ENDED)
    await world.press(phone, "9")
    assert await heard.next() == Digit("9")
    heard.voice.hang_up(HangupCause.NORMAL)
    assert await heard.next() == CallerHungUp()


async def test_the_caller_hangs_up_at_the_bank(switch: AriSwitch, world: World, calls: Calls) -> None:
    """The bank's leg goes with the caller, and the runtime learns of it first."""
    phone = await world.call()
    heard = await calls.next()
    heard.voice.answer()
    heard.voice.dial(1, order(heard, 1))
    bank = await world.incoming()
    await world.post(bank, "answer")
    assert await heard.next() == LegAnswered(1)
    await world.hang_up(phone)
    assert [await heard.next(), await heard.next()] == [LegEnded(1, LegResult.ENDED), CallerHungUp()]
    await world.left(bank)
    assert heard.nothing_more()


async def test_the_caller_hangs_up_while_the_bank_rings(switch: AriSwitch, world: World, calls: Calls) -> None:
    """Nobody picks up a phone that rings for no one: the leg is cancelled."""
    phone = await world.call()
    heard = await calls.next()
    heard.voice.answer()
    heard.voice.dial(1, order(heard, 1))
    bank = await world.incoming()
    await world.post(bank, "ring")
    await world.hang_up(phone)
    assert [await heard.next(), await heard.next()] == [LegEnded(1, LegResult.NO_ANSWER), CallerHungUp()]
    await world.left(bank)


async def test_we_hang_up_in_the_middle_of_dialling(switch: AriSwitch, world: World, calls: Calls) -> None:
    """Hanging up ends the leg too, even one that Asterisk has only just been asked for."""
    await world.call()
    heard = await calls.next()
    heard.voice.answer()
    heard.voice.dial(1, order(heard, 1))
    heard.voice.hang_up(HangupCause.NORMAL)
    assert [await heard.next(), await heard.next()] == [LegEnded(1, LegResult.NO_ANSWER), CallerHungUp()]


@pytest.mark.parametrize(
    ("cause", "result"),
    [
        (17, LegResult.BUSY),
        (21, LegResult.REJECTED),
        (34, LegResult.UNREACHABLE),
        (1, LegResult.UNREACHABLE),
    ],
)
async def test_the_bank_does_not_take_the_call(
    switch: AriSwitch, world: World, calls: Calls, sounds: Path, cause: int, result: LegResult
) -> None:
    """The flow learns why, and the caller can be spoken to again."""
    phone = await world.call()
    heard = await calls.next()
    heard.voice.answer()
    heard.voice.dial(1, order(heard, 1))
    await world.hang_up(await world.incoming(), cause)
    assert await heard.next() == LegEnded(1, result)
    heard.voice.play(2, [write_sound(sounds / "sorry", 0.05)])
    assert await heard.next() == PromptFinished(2)
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()


@pytest.mark.parametrize(("sign", "media"), [("ring", False), ("progress", True)])
async def test_the_bank_rings_for_ever(switch: AriSwitch, world: World, calls: Calls, sign: str, media: bool) -> None:
    """After the answer timeout the leg is given up; early media is remembered."""
    phone = await world.call()
    heard = await calls.next()
    heard.voice.answer()
    heard.voice.dial(1, order(heard, 1, timeout=1.0))
    await world.post(await world.incoming(), sign)
    assert await heard.next() == LegEnded(1, LegResult.NO_ANSWER, early_media=media)
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()


@pytest.mark.parametrize("trunk", ["dead", "unheard-of"])
async def test_nobody_is_there(switch: AriSwitch, world: World, calls: Calls, trunk: str) -> None:
    """A trunk that gives no sign, or that Asterisk does not know, is unreachable."""
    phone = await world.call()
    heard = await calls.next()
    heard.voice.answer()
    heard.voice.dial(1, order(heard, 1, trunk=trunk, timeout=1.0))
    assert await heard.next() == LegEnded(1, LegResult.UNREACHABLE)
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()


async def test_a_refused_caller_hears_busy(switch: AriSwitch, world: World, calls: Calls) -> None:
    """Hanging up before answering becomes the SIP answer that the cause says."""
    phone = await world.call()
    heard = await calls.next()
    heard.voice.hang_up(HangupCause.BUSY)
    assert await heard.next() == CallerHungUp()
    assert (await world.end_of(phone)).tech_cause == 486


async def test_a_withheld_number_is_not_told(switch: AriSwitch, world: World, calls: Calls) -> None:
    """An anonymous caller has no number."""
    phone = await world.call(caller="anonymous")
    heard = await calls.next()
    assert heard.voice.info.caller_number is None
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()


async def read(world: World, channel: str, variable: str) -> str:
    reply = await world.client.request("GET", f"/channels/{channel}/variable", {"variable": variable})
    return str(reply["value"])


async def test_a_message_is_recorded_until_its_finish_key(
    switch: AriSwitch, world: World, calls: Calls, sounds: Path
) -> None:
    """The caller speaks and presses #: the message is kept, and it is not only silence."""
    phone = await world.call()
    heard = await calls.next()
    heard.voice.answer()
    await world.wait(lambda e: isinstance(e, StasisStart) and e.channel.id == phone)
    await world.post(phone, f"play?media=sound:{write_sound(sounds / 'speech', 3.0, loud=True)}")
    heard.voice.record(1, RecordOrder(longest=20, silence=10, finish_key="#", beep=False))
    await asyncio.sleep(2)  # only time makes a message long
    await world.press(phone, "#")
    told = [await heard.next() for _ in range(2)]
    name = recording_name(heard.voice.info.call_id, 1)
    assert RecordingFinished(1, name, talked=True) in told and Digit("#") in told
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()
    heard.voice.record(2, RecordOrder(20, 10, None, False))
    heard.voice.stop_recording(2)
    assert heard.nothing_more()


async def test_a_message_of_silence_is_none(switch: AriSwitch, world: World, calls: Calls) -> None:
    """Nothing was said: the recording ends by itself, and says so."""
    phone = await world.call()
    heard = await calls.next()
    heard.voice.answer()
    heard.voice.record(1, RecordOrder(longest=1, silence=5, finish_key="#", beep=True))
    assert await heard.next() == RecordingFinished(1, recording_name(heard.voice.info.call_id, 1), talked=False)
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()


async def test_a_recording_is_thrown_away(switch: AriSwitch, world: World, calls: Calls) -> None:
    """What was begun for nothing ends at once; one that does not exist is no harm, and a wrong one is told."""
    phone = await world.call()
    heard = await calls.next()
    heard.voice.answer()
    heard.voice.record(1, RecordOrder(longest=60, silence=50, finish_key=None, beep=False))
    heard.voice.stop_recording(1)
    heard.voice.stop_recording(7)
    heard.voice.record(2, RecordOrder(longest=1, silence=50, finish_key="no key", beep=False))
    events: list[Event] = [await heard.next()]
    while not (isinstance(events[-1], RecordingFinished) and events[-1].token == 2):
        events.append(await heard.next())
    assert isinstance(events[-1], RecordingFinished) and events[-1].failed
    await world.hang_up(phone)
    while not isinstance(events[-1], CallerHungUp):  # the end of the first one may be told late
        events.append(await heard.next())
