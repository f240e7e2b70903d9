"""The one timer of a call: what was set last counts, however often it was moved."""

import asyncio

from ivr.runtime.alarm import Alarm


async def rung(alarm: Alarm, tokens: list[int], patience: float) -> list[int]:
    await asyncio.sleep(patience)
    alarm.stop()
    return tokens


async def test_it_rings_once_with_the_last_token() -> None:
    """Every key moves the deadline on: silence is counted from the last one."""
    loop = asyncio.get_running_loop()
    rings: asyncio.Future[int] = loop.create_future()
    alarm = Alarm(rings.set_result)
    began = loop.time()
    for token in range(5):
        alarm.set(token, 0.05)
        await asyncio.sleep(0.01)
    assert await rings == 4
    assert loop.time() - began >= 0.09


async def test_a_nearer_deadline_counts_too() -> None:
    """The time between two digits is shorter than the time for the first."""
    tokens: list[int] = []
    alarm = Alarm(tokens.append)
    alarm.set(1, 60)
    alarm.set(2, 0.01)
    assert await rung(alarm, tokens, 0.1) == [2]


async def test_cleared_and_stopped_it_is_silent() -> None:
    """Whoever has keyed is not told that nothing was heard."""
    tokens: list[int] = []
    alarm = Alarm(tokens.append)
    alarm.set(1, 0.01)
    alarm.clear()
    assert await rung(alarm, tokens, 0.05) == []
    alarm.set(2, 0.01)
    alarm.stop()
    assert await rung(alarm, tokens, 0.05) == []
