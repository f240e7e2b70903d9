"""A process dies in mid-call, or loses its connection: what the caller, the bank and the next process notice."""

import asyncio
from pathlib import Path

import pytest

from ivr.asterisk.ari.requests import make_bridge
from ivr.asterisk.ari.switch import AriSwitch
from ivr.asterisk.settings import AsteriskSettings
from ivr.domain.errors import Unusable
from ivr.domain.legs import HangupCause, LegResult
from ivr.flow.events import CallerHungUp, Digit, LegAnswered, LegEnded, PromptFinished
from tests.asterisk.ari.conftest import Calls, Heard, clean
from tests.asterisk.ari.line import Line
from tests.asterisk.ari.real import World, write_sound
from tests.asterisk.ari.test_calls import order

pytestmark = pytest.mark.end_to_end


async def began(config: AsteriskSettings, calls: Calls) -> AriSwitch:
    switch = AriSwitch(config.ari, calls.on_call)
    await switch.start()
    await switch.take_over(calls.on_resume)
    return switch


async def answered(world: World, calls: Calls) -> tuple[str, Heard]:
    phone = await world.call()
    heard = await calls.next()
    heard.voice.answer()
    return phone, heard


async def connected(world: World, calls: Calls) -> tuple[str, str, Heard]:
    phone, heard = await answered(world, calls)
    heard.voice.dial(7, order(heard, 7))
    bank = await world.incoming()
    await world.post(bank, "answer")
    assert await heard.next() == LegAnswered(7)
    return phone, bank, heard


async def test_a_living_caller_is_taken_over(ours: AsteriskSettings, world: World, calls: Calls, sounds: Path) -> None:
    """The next process finds the caller with the same particulars, and hears their keys."""
    first = await began(ours, calls)
    phone, before = await answered(world, calls)
    await first.close()
    second = await began(ours, calls)
    (heard,) = calls.resumed
    assert (heard.voice.info, heard.leg) == (before.voice.info, None)
    await world.press(phone, "5")
    assert await heard.next() == Digit("5")
    heard.voice.play(9, [write_sound(sounds / "again", 0.05)])
    assert await heard.next() == PromptFinished(9)
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()
    await clean(second)


async def test_a_caller_at_the_bank_stays_there(ours: AsteriskSettings, world: World, calls: Calls) -> None:
    """The leg is told to the next process; keys still go to the bank alone; its end is told as ever."""
    first = await began(ours, calls)
    phone, bank, _ = await connected(world, calls)
    await first.close()
    second = await began(ours, calls)
    (heard,) = calls.resumed
    assert heard.leg == 7
    await world.press(phone, "42")
    assert await world.keys(bank, 2) == "42"
    await world.hang_up(bank)
    assert await heard.next() == LegEnded(7, LegResult.ENDED)
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()
    await clean(second)


async def test_a_leg_still_rings_when_it_is_taken_over(ours: AsteriskSettings, world: World, calls: Calls) -> None:
    """Nothing is dialled twice: the next process waits for the same leg and joins it."""
    first = await began(ours, calls)
    phone, heard = await answered(world, calls)
    heard.voice.dial(7, order(heard, 7))
    bank = await world.incoming()
    await world.post(bank, "ring")
    await first.close()
    second = await began(ours, calls)
    (heard,) = calls.resumed
    assert heard.leg == 7
    await world.post(bank, "answer")
    assert await heard.next() == LegAnswered(7)
    await world.hang_up(phone)
    assert [await heard.next(), await heard.next()] == [LegEnded(7, LegResult.ENDED), CallerHungUp()]
    await clean(second)


async def test_a_leg_whose_caller_is_gone_is_hung_up(ours: AsteriskSettings, world: World, calls: Calls) -> None:
    """The bank is not left on the line with nobody, and no bridge is left behind."""
    first = await began(ours, calls)
    phone, bank, _ = await connected(world, calls)
    await first.client.send(make_bridge("1.2.bridge3"))
    await first.close()
    await world.hang_up(phone)
    await world.end_of(phone)
    second = await began(ours, calls)
    await world.left(bank)
    assert not calls.resumed
    await clean(second)


async def test_a_lost_connection_loses_no_end(
    line: Line, ours: AsteriskSettings, world: World, calls: Calls, sounds: Path
) -> None:
    """What ended while the connection was down is told after it is back, once each."""
    switch = await began(line.to(ours), calls)
    gone_phone, gone = await answered(world, calls)
    playing_phone, playing = await answered(world, calls)
    gone.voice.play(1, [write_sound(sounds / "long", 30.0)])
    playing.voice.play(1, [write_sound(sounds / "short", 0.1)])
    async with line.cut():
        await world.hang_up(gone_phone)
        await world.end_of(gone_phone)
        await asyncio.sleep(0.3)  # the playback ends, and nobody is told of it
        playing.voice.play(2, [str(sounds / "short")])
    assert await gone.next() == CallerHungUp()
    assert await playing.next() == PromptFinished(1)
    assert await playing.next() == PromptFinished(2)
    async with line.cut():
        playing.voice.hang_up(HangupCause.NORMAL)
    assert await playing.next() == CallerHungUp()
    await world.end_of(playing_phone)
    assert gone.nothing_more() and playing.nothing_more()
    await clean(switch)


async def test_a_leg_lives_through_a_lost_connection(
    line: Line, ours: AsteriskSettings, world: World, calls: Calls
) -> None:
    """Joined calls go on; an end in the gap is told afterwards.

    A leg that is answered in the gap is hung up by Asterisk, which finds nobody to give it to; afterwards nobody can
    tell what it was, so it counts as answered. One that still rings is joined when it answers. One that was asked for
    while the connection broke may have been dialled for all we know, so it counts as answered too.
    """
    switch = await began(line.to(ours), calls)
    staying_phone, staying_bank, staying = await connected(world, calls)
    leaving_phone, leaving_bank, leaving = await connected(world, calls)
    dialling_phone, dialling = await answered(world, calls)
    dialling.voice.dial(3, order(dialling, 3))
    dialled_bank = await world.incoming()
    ringing_phone, ringing = await answered(world, calls)
    ringing.voice.dial(4, order(ringing, 4))
    ringing_bank = await world.incoming()
    unlucky_phone, unlucky = await answered(world, calls)
    async with line.cut():
        unlucky.voice.dial(5, order(unlucky, 5))
        await world.hang_up(leaving_bank)
        await world.left(leaving_bank)
        await world.post(dialled_bank, "answer")
        await world.left(dialled_bank)
    assert await leaving.next() == LegEnded(7, LegResult.ENDED)
    assert await dialling.next() == LegEnded(3, LegResult.ENDED)
    assert await unlucky.next() == LegEnded(5, LegResult.ENDED)
    await world.post(ringing_bank, "answer")
    assert await ringing.next() == LegAnswered(4)
    assert staying.nothing_more()
    await world.press(staying_phone, "8")
    assert await world.keys(staying_bank, 1) == "8"
    for phone in (staying_phone, leaving_phone, dialling_phone, ringing_phone, unlucky_phone):
        await world.hang_up(phone)
    assert [await staying.next(), await staying.next()] == [LegEnded(7, LegResult.ENDED), CallerHungUp()]
    assert await leaving.next() == CallerHungUp()
    assert [await ringing.next(), await ringing.next()] == [LegEnded(4, LegResult.ENDED), CallerHungUp()]
    assert await dialling.next() == CallerHungUp()
    assert await unlucky.next() == CallerHungUp()
    await clean(switch)


async def test_another_process_takes_the_application(ours: AsteriskSettings, world: World, calls: Calls) -> None:
    """The first says so and stops; the second has the calls. They do not fight."""
    first = await began(ours, calls)
    second = await began(ours, calls)
    with pytest.raises(Unusable, match="another process has taken over"):
        await first.wait_closed()
    phone, heard = await answered(world, calls)
    assert heard.voice.info.call_id in second.calls
    await first.close()
    await world.hang_up(phone)
    assert await heard.next() == CallerHungUp()
    await clean(second)


async def test_a_call_that_nobody_takes_goes_back_to_the_dialplan(
    ours: AsteriskSettings, world: World, calls: Calls
) -> None:
    """A bug of ours does not leave the caller ringing: the dialplan answers and apologises."""

    def broken(voice: object) -> None:
        raise KeyError("a bug")

    switch = AriSwitch(ours.ari, broken)  # type: ignore[arg-type]
    await switch.start()
    phone = await world.call()
    await world.wait(lambda e: type(e).__name__ == "StasisStart" and e.channel.id == phone)  # type: ignore[union-attr]
    await world.end_of(phone)
    assert not switch.calls
    await clean(switch)
