"""Opening hours and places: what a caller gets who cannot be served now, and that nobody's call is ended by them."""

import asyncio
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from ivr.domain.legs import HangupCause
from ivr.flow.hours import Hours, Span
from ivr.flow.model import Detour
from tests.fakes import FakeVoice
from tests.flow.world import session_of, shipped
from tests.runtime.conftest import House

NUMBER, PATTERN = "2000", "30XX"
TEHRAN = ZoneInfo("Asia/Tehran")
MORNINGS = Hours(TEHRAN, dict.fromkeys(range(7), (Span(8 * 60, 12 * 60),)))
CLOSED = Detour("closed", {})
ALL_BUSY = Detour("all_busy", {})
EARLY = datetime(2026, 11, 21, 7, 59, 59, tzinfo=TEHRAN).timestamp()


def number(house: House, name: str = NUMBER, **more: Any) -> None:
    """The shipped flow on a number with hours or places of its own."""
    house.add(name, shipped("pay_invoice"), **more)


async def hears_only(voice: FakeVoice, *prompts: str) -> None:
    """These, and then the call is over."""
    await voice.changes.until(lambda: voice.cause)
    assert voice.heard == list(prompts) and voice.cause is HangupCause.NORMAL


async def refused(voice: FakeVoice, cause: HangupCause) -> None:
    """The network says no; the caller pays nothing for the call."""
    await voice.changes.until(lambda: voice.cause)
    assert voice.cause is cause and "answer" not in voice.did


async def test_outside_of_the_hours_the_caller_hears_so(house: House) -> None:
    """A second before eight in words; at eight as always."""
    house.now = EARLY
    number(house, hours=MORNINGS, closed=CLOSED)
    await hears_only(house.rings(house.caller(NUMBER)), "common/closed", "common/goodbye")
    assert house.figure("ivr_calls_refused_total", why="closed") == 1
    house.now += 1
    await house.rings(house.caller(NUMBER)).hears("invoice/welcome")


async def test_outside_of_the_hours_the_network_may_say_so(house: House) -> None:
    """Without a flow for it nobody is answered."""
    house.now = EARLY
    number(house, hours=MORNINGS, closed=HangupCause.REJECTED)
    await refused(house.rings(house.caller(NUMBER)), HangupCause.REJECTED)
    assert house.figure("ivr_calls_refused_total", why="closed") == 1


async def test_one_caller_too_many_hears_so_and_takes_no_place(house: House) -> None:
    """However many are told; as soon as one who was served is gone, the next is served."""
    number(house, most_calls=2, full=ALL_BUSY)
    served = [house.rings(house.caller(NUMBER, listens=False)) for _ in range(2)]
    for _ in range(3):
        await hears_only(house.rings(house.caller(NUMBER)), "common/all_busy", "common/call_again_later")
    assert house.figure("ivr_calls_refused_total", why="number_full") == 3
    served[0].go()
    await served[0].changes.until(lambda: served[0].cause)
    await asyncio.sleep(0)
    await house.rings(house.caller(NUMBER)).hears("invoice/welcome")
    await hears_only(house.rings(house.caller(NUMBER)), "common/all_busy", "common/call_again_later")


async def test_a_number_s_places_are_its_own(house: House) -> None:
    """Another number's callers do not fill them, and all numbers of a pattern share one count."""
    number(house, PATTERN, most_calls=1, full=HangupCause.BUSY)
    number(house, most_calls=1)
    await house.rings(house.caller(NUMBER, listens=False)).hears("invoice/welcome")
    first = house.rings(house.caller("3000", listens=False))
    await first.hears("invoice/welcome")
    await refused(house.rings(house.caller("3099")), HangupCause.BUSY)
    await refused(house.rings(house.caller("3100")), HangupCause.UNAVAILABLE)


async def test_a_pattern_s_caller_is_known_by_what_was_dialled(house: House) -> None:
    """The flow can say the number, not the pattern."""
    number(house, PATTERN)
    voice = house.rings(house.caller("3042", listens=False))
    await voice.hears("invoice/welcome")
    await house.snapshots.stop()
    assert '"dialled_number":"3042"' in house.store.kept[voice.info.call_id]


async def test_a_living_call_goes_on_after_hours_and_keeps_its_place(house: House) -> None:
    """The process was replaced at five past closing time: who talks is not cut off, who comes now hears when we are
    there; and after a restart in the busy hours one place is still taken."""
    number(house, hours=MORNINGS, closed=CLOSED, most_calls=1, full=ALL_BUSY)
    house.now = EARLY
    talking = house.caller(NUMBER, listens=False)
    house.resumed(talking, _session("pay_invoice", talking))
    await talking.hears("invoice/welcome")
    await hears_only(house.rings(house.caller(NUMBER)), "common/closed", "common/goodbye")
    house.now += 1
    await hears_only(house.rings(house.caller(NUMBER)), "common/all_busy", "common/call_again_later")


@pytest.mark.parametrize("snapshot", [None, "not a snapshot"])
async def test_a_living_call_is_never_refused(house: House, snapshot: str | None) -> None:
    """Its snapshot is lost: it begins anew, though it is closed, all places are taken and the house is full."""
    house.now = EARLY
    house.most_calls = 1
    number(house, hours=MORNINGS, closed=CLOSED, most_calls=1)
    talking, other = house.caller(NUMBER), house.caller(NUMBER)
    house.resumed(talking, snapshot)
    other.emit = house.switchboard.resume(other, snapshot, None)
    await talking.hears("invoice/welcome")
    await other.hears("invoice/welcome")


async def test_a_living_call_whose_number_is_gone_goes_on(house: House) -> None:
    """The admin took the number away; without a snapshot there is nothing to begin anew."""
    talking, lost = house.caller("9999"), house.caller("9999")
    house.resumed(talking, _session("pay_invoice", talking))
    await talking.hears("invoice/welcome")
    house.resumed(lost, None)
    await refused(lost, HangupCause.UNAVAILABLE)


async def test_a_caller_who_is_being_told_takes_no_place_after_a_restart(house: House) -> None:
    """They hear that all is busy, from a new process; the one place is free."""
    number(house, most_calls=1, full=ALL_BUSY)
    told = house.caller(NUMBER, listens=False)
    house.resumed(told, _session("all_busy", told))
    await told.hears("common/all_busy")
    await house.rings(house.caller(NUMBER)).hears("invoice/welcome")


def _session(flow: str, voice: FakeVoice) -> str:
    """The snapshot of this caller in the first step of a flow."""
    session = session_of(shipped(flow), {"dialled_number": voice.info.dialled_number, "caller_number": "09121234567"})
    return replace(session, call_id=voice.info.call_id, visit=1, visits={session.step: 1}).snapshot()
