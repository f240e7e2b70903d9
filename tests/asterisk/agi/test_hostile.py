"""Strangers, broken peers and floods on the FastAGI port: each loses its own connection, and callers are served."""

import asyncio
import time
from contextlib import AsyncExitStack

import pytest

from ivr.asterisk.agi.server import AgiServer
from ivr.asterisk.settings import Agi
from ivr.domain.errors import Unusable
from ivr.flow.events import CallerHungUp
from tests.asterisk.agi.asterisk import PATIENCE, SETTINGS, Channel, House, channel, house, request

MANY = 200


async def served(house: House, call_id: str = "1.1") -> None:
    """A caller gets through and is answered."""
    async with channel(house, request(call_id)) as caller:
        call = await house.call()
        assert call.voice.info.call_id == call_id
        call.voice.answer()
        await caller.expect("SET AUTOHANGUP")
        await caller.expect("ANSWER")
        caller.say("HANGUP")
        assert await call.next() == CallerHungUp()


async def test_connect_and_close() -> None:
    """A port scan."""
    async with house() as ours:
        for _ in range(50):
            async with channel(ours, b""):
                pass
        await served(ours)
        await ours.empty()


@pytest.mark.parametrize("cut", [1, 20, 200, -1])
async def test_half_a_request(cut: int) -> None:
    """Whoever stops in the middle and goes is forgotten; whoever stays silent is sent away in time."""
    async with house() as ours:
        async with channel(ours, request()[:cut]):
            pass
        await ours.empty()
        async with channel(ours, request()[:cut]) as stalled:
            await served(ours)
            assert await stalled.ended()
        await ours.empty()
        assert ours.calls.empty()


async def test_slow_loris() -> None:
    """A byte now and then does not buy more time."""
    async with house() as ours, channel(ours, b"") as slow:
        began = time.monotonic()

        async def drip() -> None:
            for byte in request():
                slow.writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        await served(ours)
        assert await slow.ended()
        assert time.monotonic() - began < SETTINGS.request_seconds + 1
        dripping.cancel()
        await ours.empty()


@pytest.mark.parametrize(
    "opening",
    [
        b"x" * 1_000_000,
        b"agi_network: " + b"y" * 1_000_000 + b"\n",
        b"".join(b"agi_arg_%d: x\n" % n for n in range(100_000)),
        b"\n" * 1_000_000,
        b"agi_network: yes\n" * 2 + b"\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 500,
        b"\xff\xfe\n\n",
        b"\n",
    ],
)
async def test_nonsense(opening: bytes) -> None:
    """A line of a megabyte, a request without an end, another protocol: sent away without waiting for more."""
    async with house(request_seconds=60.0) as ours:
        async with channel(ours, opening) as stranger:
            assert await stranger.ended()
        await served(ours)
        await ours.empty()
        assert ours.calls.empty()


@pytest.mark.parametrize(
    ("field", "line"),
    [("longest_line", b"agi_arg_1: " + b"x" * 300), ("longest_request", b"agi_arg_1: x\n" * 100)],
)
async def test_bounds_are_settings(field: str, line: bytes) -> None:
    """What is too long is said by the configuration."""
    opening = request(more=line.decode() + "\n")
    bound: dict[str, object] = {field: 1024 if field == "longest_request" else 256}
    async with house(SETTINGS, request_seconds=60.0, **bound) as ours, channel(ours, opening) as stranger:
        assert await stranger.ended()
    async with house() as ours, channel(ours, request(more=f"agi_arg_1: {'x' * 300}\n")):
        await ours.call()


@pytest.mark.parametrize(
    "opening",
    [
        request(caller="0912\nagi_network_script: bank/1"),
        request(caller="0912\n\nagi_x: y"),
        request(caller="0912\nAmount: 1"),
        request(path="peer"),
        request(path="peer/42/47"),
        request(path="pe er/4247"),
        request(call_id="../../x y"),
        request().replace(b"agi_uniqueid", b"agi_unique"),
    ],
)
async def test_a_request_that_is_not_the_dialplans(opening: bytes) -> None:
    """A caller whose number holds a line break cannot thereby say by which trunk they came."""
    async with house() as ours:
        async with channel(ours, opening) as liar:
            assert await liar.ended()
        assert ours.calls.empty()


@pytest.mark.parametrize("reply", ["x" * 9000, "agi_calleridname: x", "", "200"])
async def test_a_reply_that_is_none(reply: str) -> None:
    """Whoever answers nonsense, or without having been asked, was not Asterisk: the call is over, no other one."""
    async with house() as ours:
        async with channel(ours) as liar:
            call = await ours.call()
            liar.say(reply)
            assert await call.next() == CallerHungUp()
            assert await liar.ended()
        await served(ours)


async def test_many_at_once() -> None:
    """200 connections that say nothing and 200 callers at the same moment: all callers are served, and none is left."""
    async with house(request_seconds=60.0) as ours, AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(channel(ours, b"agi_")) for _ in range(MANY)]
        callers = await asyncio.gather(
            *(stack.enter_async_context(channel(ours, request(f"1.{n}"))) for n in range(MANY))
        )
        calls = [await ours.call() for _ in range(MANY)]
        assert len(ours.switch.calls) == MANY
        for call in calls:
            call.voice.answer()
        await asyncio.gather(*(_answered(caller) for caller in callers))
        for one in (*silent, *callers):
            one.close()
        assert [await call.next() for call in calls] == [CallerHungUp()] * MANY
        await ours.empty()


async def _answered(caller: Channel) -> None:
    await caller.expect("SET AUTOHANGUP")
    await caller.expect("ANSWER")


async def test_strangers_make_room_for_callers() -> None:
    """When all places are taken by connections that say nothing, a caller gets the place of the oldest."""
    async with house(request_seconds=60.0, most_connections=3) as ours, AsyncExitStack() as stack:
        silent = [await stack.enter_async_context(channel(ours, b"agi_")) for _ in range(3)]
        caller = await stack.enter_async_context(channel(ours))
        await ours.call()
        assert await silent[0].ended()
        assert ours.switch.server.connections == 3
        caller.close()


async def test_a_house_full_of_calls_turns_the_next_away() -> None:
    """At once, so that the dialplan can try again; a call in progress never makes room."""
    async with house(most_connections=2) as ours, AsyncExitStack() as stack:
        for n in range(2):
            await stack.enter_async_context(channel(ours, request(f"1.{n}")))
            await ours.call()
        late = await stack.enter_async_context(channel(ours, request("1.9")))
        assert await late.ended()
        assert set(ours.switch.calls) == {"1.0", "1.1"}


async def test_only_the_allowed_may_connect() -> None:
    """Whoever may connect is believed to be Asterisk."""
    async with house(allow=("192.0.2.0/24",)) as ours, channel(ours) as stranger:
        assert await stranger.ended()
        assert ours.calls.empty()


async def test_one_channel_is_one_call() -> None:
    """A second connection for the same channel is sent away; the first goes on."""
    async with house() as ours, channel(ours) as first:
        call = await ours.call()
        async with channel(ours) as second:
            assert await second.ended()
        call.voice.answer()
        await _answered(first)


async def test_a_peer_that_stops_replying() -> None:
    """A command that takes no time has its reply in time, or the call is over."""
    async with house(reply_seconds=0.1) as ours, channel(ours) as dead:
        call = await ours.call()
        await dead.expect("SET AUTOHANGUP", reply=None)
        assert await call.next() == CallerHungUp()
        await ours.empty()


async def test_an_address_that_is_taken() -> None:
    """One sentence, not a traceback."""
    async with house() as ours:
        host, port = ours.address
        with pytest.raises(Unusable, match=r"cannot listen on .* \(AGI\)"):
            await AgiServer(Agi(listen=f"{host}:{port}"), lambda *_: None).start()


async def test_closing_ends_every_connection() -> None:
    """Asterisk's dialplan goes on with the callers at once."""
    async with house() as ours, channel(ours) as caller, channel(ours, b"agi_") as silent:
        call = await ours.call()
        async with asyncio.timeout(PATIENCE):
            await ours.switch.close()
        assert await caller.ended() and await silent.ended()
        assert await call.next() == CallerHungUp()
