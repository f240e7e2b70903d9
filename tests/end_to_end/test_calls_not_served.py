"""Callers who come when nobody is there, or when all places are taken, hear so in words."""

from tests.end_to_end.evening import Evening, Spent, story
from tests.end_to_end.odd_numbers import NEVER_OPEN, ONE_PLACE
from tests.end_to_end.stage import MOST_SILENCE, Stage

TRIES = 5
"""A place is free once the call is off the books, which is a moment after the receiver is down."""


@story
async def outside_of_the_hours(stage: Stage) -> Spent:
    caller = await stage.call(NEVER_OPEN)
    return Spent(await caller.told())


def test_outside_of_the_hours(evening: Evening) -> None:
    """A number of a pattern, at a time when nobody is there: said to the end, and then hung up."""
    told = evening.told("outside_of_the_hours")
    assert told.names == told.whole == ["common/closed", "common/goodbye"]
    assert told.silence() < MOST_SILENCE


@story
async def one_caller_too_many(stage: Stage) -> Spent:
    first = await stage.call(ONE_PLACE)
    await first.hears("invoice/welcome")
    second = await (await stage.call(ONE_PLACE)).told()
    await first.hangs_up()
    for _ in range(TRIES):
        third = await stage.call(ONE_PLACE)
        served = await third.hears_one_of("invoice/welcome", "common/all_busy") == "invoice/welcome"
        await third.hangs_up()
        if served:
            return Spent(second)
    raise AssertionError("the place was never free again")


def test_one_caller_too_many(evening: Evening) -> None:
    """The second caller hears that all is busy while the first one is being served; the place is free afterwards."""
    told = evening.told("one_caller_too_many")
    assert told.names == told.whole == ["common/all_busy", "common/call_again_later"]
    assert told.silence() < MOST_SILENCE
