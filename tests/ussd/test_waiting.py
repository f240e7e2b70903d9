"""The network waits for seconds only: who has to wait for longer is told so, and nothing is done twice meanwhile."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivr.payments.port import Reply
from ivr.providers import paystar_saman
from ivr.runtime.screens import Key
from ivr.ussd.desk import UssdDesk
from ivr.ussd.holding import HOLD
from ivr.ussd.settings import UssdSettings
from tests.fakes import FakeProvider
from tests.ussd.world import MOBILE, Network, dies, small_dialplan, words_of

STEPS = """  a: {ask: {prompt: pay/is, min: 4, max: 12, save: code}, next: p, exits: {silence: sorry, invalid: sorry}}
  p:
    provider: {ask: paystar.result, with: {invoice_id: code}}
    exits: {paid: m, not_confirmed: a, unreachable: sorry, unknown: sorry}
  m: {menu: {prompt: pay/amount_payable, keys: {"1": b, "2": a}}, exits: {silence: sorry, invalid: sorry}}
  b: {keep: {as: registration, with: {code: code}}, next: done, exits: {again: sorry, unknown: sorry}}
  done: {say: pay/paid, next: end}"""

ASKS, OFFERS, DONE = words_of("pay/is"), words_of("pay/amount_payable"), words_of("pay/paid")
WAIT = f"{words_of('screen/wait')}\n1) {words_of('screen/look')}"
PAID = Reply("paid")


@pytest.fixture
def provider() -> FakeProvider:
    return FakeProvider(paystar_saman.OPERATIONS)


@pytest.fixture
async def slow(network: Network, provider: FakeProvider, tmp_path: Path) -> AsyncIterator[Network]:
    """A number is asked for, somebody who is slow is asked about it, and the user agrees."""
    network.dialplan = small_dialplan(tmp_path, STEPS)
    network.settings = UssdSettings(answer_within=0.2)
    network.providers = {"paystar": provider}
    network.ticks = True
    provider.answers["result"] += [PAID]
    yield network
    provider.door.set()


async def done(desk: UssdDesk) -> None:
    """What is asked for users has come to its end."""
    async with asyncio.timeout(20):
        await desk.close()


async def test_patience_and_what_became_of_it(slow: Network, provider: FakeProvider) -> None:
    """The screen says to wait and look; who looks gets what it came to, and what they sent to look chooses nothing."""
    desk = slow.desk()
    await slow.sends(desk)
    provider.door.clear()
    assert await slow.sends(desk, "4711") == WAIT
    assert await slow.sends(desk, "4711", "1") == WAIT
    provider.door.set()
    await done(desk)
    assert await slow.sends(desk, "4711", "1", "1") == OFFERS
    assert await slow.sends(desk, "4711", "1", "1", "1") == DONE
    assert await slow.registered() == ["4711"] and len(provider.asked) == 1


async def test_however_often_they_look_nothing_is_agreed_to(slow: Network, provider: FakeProvider) -> None:
    """Five looks are five lines, and none of them answers the menu that nobody has seen, wherever they arrive."""
    desks = [slow.desk(), slow.desk()]
    await slow.sends(desks[0])
    provider.door.clear()
    sent = ["4711"]
    for number in range(5):
        assert await slow.sends(desks[number % 2], *sent) == WAIT
        sent.append("1")
    provider.door.set()
    await done(desks[0])
    assert await slow.sends(desks[1], *sent) == OFFERS
    assert await slow.registered() == []


async def test_an_older_request_that_comes_late_takes_no_patience_back(slow: Network, provider: FakeProvider) -> None:
    """It waits, and gets words; what the user sends to look still agrees to nothing."""
    desk = slow.desk()
    await slow.sends(desk)
    provider.door.clear()
    assert await slow.sends(desk, "4711") == WAIT
    assert await slow.sends(desk) == WAIT  # the very first request, once more
    provider.door.set()
    await done(desk)
    assert await slow.sends(desk, "4711", "1") == OFFERS
    assert await slow.registered() == []


async def test_it_comes_to_its_end_before_they_look(slow: Network, provider: FakeProvider) -> None:
    """The network repeats the request instead: it shows what it came to."""
    desk = slow.desk()
    await slow.sends(desk)
    provider.door.clear()
    assert await slow.sends(desk, "4711") == WAIT
    provider.door.set()
    await done(desk)
    assert await slow.sends(desk, "4711") == OFFERS
    assert await slow.sends(desk, "4711", "1") == OFFERS  # sent to the screen that says to wait, perhaps
    assert await slow.sends(desk, "4711", "1", "1") == DONE


async def test_two_requests_at_once(slow: Network, provider: FakeProvider) -> None:
    """The second one waits for what the first one comes to, here and in another process: asked once, one screen."""
    slow.ticks = False
    one, two = slow.desk(), slow.desk()
    await slow.sends(one)
    provider.door.clear()
    slow.settings = UssdSettings(answer_within=20)
    one, two = slow.desk(), slow.desk()
    all_ = [asyncio.create_task(slow.sends(desk, "4711")) for desk in (one, two, one, two)]
    await provider.changes.until(lambda: provider.asked)
    provider.door.set()
    assert set(await asyncio.gather(*all_)) == {OFFERS}
    assert len(provider.asked) == 1


async def test_a_next_line_while_the_one_before_is_at_work(slow: Network, provider: FakeProvider) -> None:
    """It waits its turn, and was sent before the menu was there: it agrees to nothing."""
    slow.ticks, slow.settings = False, UssdSettings(answer_within=20)
    desk, other = slow.desk(), slow.desk()
    await slow.sends(desk)
    provider.door.clear()
    first = asyncio.create_task(slow.sends(desk, "4711"))
    await provider.changes.until(lambda: provider.asked)
    second = asyncio.create_task(slow.sends(other, "4711", "1"))
    await asyncio.sleep(0.2)
    provider.door.set()
    assert await first == OFFERS
    assert await second in (OFFERS, DONE)  # which of the two was on the screen then, nobody but the network knows


async def test_a_process_that_is_told_to_stop(slow: Network, provider: FakeProvider) -> None:
    """What is being asked for users goes on to its end, and is there for the next process."""
    desk = slow.desk()
    await slow.sends(desk)
    provider.door.clear()
    assert await slow.sends(desk, "4711") == WAIT
    closing = asyncio.create_task(desk.close())
    await asyncio.sleep(0)
    assert not closing.done()
    provider.door.set()
    async with asyncio.timeout(20):
        await closing
    assert await slow.sends(slow.desk(), "4711", "1") == OFFERS


async def test_what_breaks_after_the_user_was_asked_to_wait(slow: Network, provider: FakeProvider) -> None:
    """It is said in the log; whoever looks has the step done again."""
    desk = slow.desk()
    await slow.sends(desk)
    provider.door.clear()
    provider.answers["result"].insert(0, RuntimeError("a client's bug"))
    assert await slow.sends(desk, "4711") == WAIT
    provider.door.set()
    await done(desk)
    assert await slow.sends(desk, "4711", "1") == words_of("common/technical_problem")


async def test_the_session_s_name_is_used_again(slow: Network, provider: FakeProvider) -> None:
    """By somebody who dials after it was over: the patience that was asked for before takes no line from them."""
    desk = slow.desk()
    await slow.sends(desk)
    provider.door.clear()
    await slow.sends(desk, "4711")
    provider.door.set()
    await done(desk)
    assert await slow.sends(desk, "4711", "1") == OFFERS
    assert await slow.sends(desk, "4711", "1", "1") == DONE
    slow.clock.now += 60
    provider.answers["result"] += [PAID]
    assert await slow.sends(desk) == ASKS
    assert await slow.sends(desk, "8822") == OFFERS


async def test_a_process_that_dies_holding_a_session(slow: Network, provider: FakeProvider) -> None:
    """Nobody goes on with it while it may live; then the next process repeats the step for the same request."""
    desk = slow.desk()
    await slow.sends(desk)
    provider.door.clear()
    lost = asyncio.create_task(slow.sends(desk, "4711"))
    await provider.changes.until(lambda: provider.asked)
    await dies(desk, lost)
    other = slow.desk()
    assert await slow.sends(other, "4711") == WAIT
    slow.clock.now += HOLD
    provider.door.set()
    assert await slow.sends(other, "4711", "1") == ASKS  # the number was not kept: it is asked for again
    assert await slow.sends(other, "4711", "1", "4711") == OFFERS
    assert len(provider.asked) == 2


async def test_a_process_that_begins_again_holds_nothing(slow: Network, provider: FakeProvider) -> None:
    """Nobody has to wait for what the process of this name held before it died."""
    desk = slow.desk()
    await slow.sends(desk)
    provider.door.clear()
    lost = asyncio.create_task(slow.sends(desk, "4711"))
    await provider.changes.until(lambda: provider.asked)
    await dies(desk, lost)
    provider.door.set()
    await slow.store.screens.let_go()
    assert await slow.sends(slow.desk(), "4711") == OFFERS


async def test_it_holds_on_as_long_as_it_works(slow: Network, provider: FakeProvider) -> None:
    """A provider that needs a minute does not have two processes ask it."""
    desk = slow.desk()
    await slow.sends(desk)
    provider.door.clear()
    assert await slow.sends(desk, "4711") == WAIT
    key = Key(slow.service.name, f"s1|{MOBILE}")
    slow.clock.now += HOLD - 5
    await slow.store.screens.hold(key, slow.clock.now + HOLD)
    slow.clock.now += HOLD - 5
    assert await slow.sends(slow.desk(), "4711") == WAIT
    provider.door.set()
    await done(desk)
    assert len(provider.asked) == 1
