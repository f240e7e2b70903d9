"""The client against a server that misbehaves."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from structlog.testing import capture_logs
from websockets.asyncio.server import ServerConnection, serve

from ivr.asterisk.ari.client import AriClient
from ivr.asterisk.ari.errors import AriDisconnected, AriError, Gone
from ivr.asterisk.ari.events import CallEvent, ChannelDtmfReceived, StasisEnd
from ivr.asterisk.ari.requests import Request
from ivr.asterisk.ari.timing import Timing
from ivr.asterisk.settings import Ari
from ivr.domain.errors import BadInput, Unusable
from ivr.domain.secret import Secret
from tests.asterisk.ari.fake import PASSWORD, FakeAri, Reply, serving

QUICK = Timing(request=0.2, first_request=0.1, first_pause=0.01, longest_pause=0.04, start=0.1)


class Seen:
    """What the client called back with."""

    def __init__(self) -> None:
        self.events: list[CallEvent] = []
        self.order: list[str] = []
        self.news = asyncio.Event()

    def on_event(self, event: CallEvent) -> None:
        if isinstance(event, ChannelDtmfReceived) and event.digit == "*":
            raise KeyError("a bug in a handler")
        self.events.append(event)
        self.news.set()

    async def until(self, count: int) -> list[CallEvent]:
        async with asyncio.timeout(5):
            while len(self.events) < count:
                self.news.clear()
                await self.news.wait()
        return self.events


def client_for(settings: Ari, seen: Seen, timing: Timing = QUICK) -> AriClient:
    return AriClient(
        settings,
        on_event=seen.on_event,
        on_connected=lambda: seen.order.append("connected"),
        on_gap=lambda: seen.order.append("gap"),
        timing=timing,
    )


@asynccontextmanager
async def connected(timing: Timing = QUICK) -> AsyncIterator[tuple[FakeAri, AriClient, Seen]]:
    async with serving() as fake:
        seen = Seen()
        client = client_for(fake.settings(), seen, timing)
        await client.start()
        try:
            yield fake, client, seen
        finally:
            await client.close()


def ended(channel: str) -> dict[str, object]:
    return {"type": "StasisEnd", "channel": {"id": channel, "name": "PJSIP/x"}, "timestamp": "now"}


async def test_the_filter_is_set_before_anything_else() -> None:
    """Asterisk sends only what we read, replies to our requests included, and forgets it at every disconnect."""
    async with connected() as (fake, _, seen):
        assert fake.paths() == ["PUT /applications/ivr/eventFilter"]
        assert '"RESTResponse"' in fake.requests[0]["message_body"]
        fake.drop()
        await fake.until(lambda: len(fake.requests) == 2)
        assert fake.paths()[1] == "PUT /applications/ivr/eventFilter"
        assert seen.order[:2] == ["connected", "gap"]


async def test_a_refusal_is_told_from_something_that_is_gone() -> None:
    """404 and 409 mean: not there; everything else is an error with Asterisk's own words."""
    replies: list[Reply] = [(404, {"message": "Channel not found"}), (409, {}), (500, {"error": "Allocation failed"})]

    async def answer(request: dict[str, Any]) -> Reply | None:
        return replies.pop(0)

    async with connected() as (fake, client, _):
        fake.answer = answer
        with pytest.raises(Gone, match="404 Channel not found"):
            await client.request("DELETE", "/channels/1")
        with pytest.raises(Gone):
            await client.request("POST", "/bridges/1")
        with pytest.raises(AriError, match="500 Allocation failed") as caught:
            await client.request("POST", "/channels/2")
        assert not isinstance(caught.value, Gone)


async def test_requests_in_flight_are_told_that_the_connection_died() -> None:
    """Nobody waits for a reply that cannot come; the client comes back by itself."""

    async def silent(request: dict[str, Any]) -> Reply | None:
        return None if "channels" in request["uri"] else (204, None)

    async with connected() as (fake, client, seen):
        fake.answer = silent
        asked = [asyncio.create_task(client.request("GET", f"/channels/{n}")) for n in range(3)]
        await fake.until(lambda: len(fake.requests) == 4)
        fake.drop()
        for one in asked:
            with pytest.raises(AriDisconnected):
                await one
        await fake.until(lambda: fake.connects == 2)
        await client.wait_connected(1)
        assert seen.order == ["connected", "gap", "connected"]


async def test_a_reply_that_does_not_come_ends_the_connection() -> None:
    """Asterisk serves a connection's requests one after the other: a stuck one would block them all."""

    async def slow(request: dict[str, Any]) -> Reply | None:
        if "stuck" in request["uri"]:
            await asyncio.sleep(1)
        return 204, None

    async with connected() as (fake, client, _):
        fake.answer = slow
        with pytest.raises(AriDisconnected, match="did not reply in time"):
            await client.request("GET", "/channels/stuck")
        await fake.until(lambda: fake.connects == 2)
        await client.wait_connected(1)
        assert await client.request("GET", "/channels/quick") is None


async def test_without_a_connection_requests_fail_at_once() -> None:
    """A call's task is not held up; what it wanted is settled after the next connect."""
    async with serving() as fake:
        client = client_for(fake.settings(), Seen())
        with pytest.raises(AriDisconnected):
            await client.request("GET", "/channels")
        with pytest.raises(AriDisconnected):
            await client.wait_connected(0.01)


async def test_garbage_does_not_end_the_connection_or_reach_the_log() -> None:
    """Broken, unknown and half-known messages are passed over; what comes after them is read."""
    async with connected() as (fake, _, seen):
        with capture_logs() as logs:
            for nonsense in ("", "{", "[]", "4711", '{"type": 4711}', '{"type": "StasisEnd"}', '{"no": "4711"}'):
                await fake.push(nonsense)
            await fake.push({"type": "ChannelVarset", "variable": "CARD", "value": "4711"})
            await fake.push({"type": "RESTResponse", "request_id": "999", "status_code": 200})
            await fake.push(ended("1.2"))
            (event,) = await seen.until(1)
        assert isinstance(event, StasisEnd) and event.channel.id == "1.2"
        assert "4711" not in str(logs)
        assert fake.connects == 1


async def test_messages_in_pieces_keep_their_place() -> None:
    """However the websocket cuts them up, events come in the order in which Asterisk sent them."""

    async def asterisk(socket: ServerConnection) -> None:
        request = json.loads(await socket.recv())
        await socket.send(json.dumps({"type": "RESTResponse", "request_id": request["request_id"], "status_code": 204}))
        for number in range(20):
            text = json.dumps(ended(str(number)))
            await socket.send(text if number % 3 else [text[:9], text[9:30], text[30:]])
        await socket.wait_closed()

    async with serve(asterisk, "127.0.0.1", 0) as server:
        seen = Seen()
        port = server.sockets[0].getsockname()[1]
        client = client_for(Ari(f"http://127.0.0.1:{port}", "tester", Secret("x")), seen)
        await client.start()
        await seen.until(20)
        assert [event.channel.id for event in seen.events if isinstance(event, StasisEnd)] == [*map(str, range(20))]
        await client.close()


async def test_one_handler_s_bug_does_not_stop_the_events() -> None:
    """Other calls go on; the log says where it broke, and no digit."""
    async with connected() as (fake, _, seen):
        with capture_logs() as logs:
            await fake.push({"type": "ChannelDtmfReceived", "channel": {"id": "1.2.leg3"}, "digit": "*"})
            await fake.push(ended("1.2"))
            await seen.until(1)
        (line,) = [line for line in logs if line["event"] == "call_event_failed"]
        assert line["call_id"] == "1.2" and line["where"].startswith("KeyError test_client.py:")
        assert "*" not in str(line)


async def test_a_server_that_drops_every_connection_is_not_hammered() -> None:
    """A connection that dies at once does not reset the pauses between the tries."""
    async with serving() as fake:
        seen = Seen()
        fake.drop_at_once = True
        client = client_for(fake.settings(), seen, Timing(first_pause=0.02, longest_pause=0.2, start=0.1))
        await client.start()
        await asyncio.sleep(0.5)  # the time in which a hammering client would be back hundreds of times
        assert 2 <= fake.connects <= 12
        await client.close()


async def test_another_process_took_the_application_over() -> None:
    """We stop, say so, and do not come back to fight."""
    async with connected() as (fake, client, _):
        await fake.push({"type": "ApplicationReplaced", "application": "ivr"})
        with pytest.raises(Unusable, match="another process has taken over the Stasis application 'ivr'"):
            await client.wait_closed()
        with pytest.raises(AriDisconnected):
            await client.request("GET", "/channels")
        assert fake.connects == 1


async def test_a_wrong_password_is_told_at_once_and_not_shown() -> None:
    """One clear sentence with the user and the place; the password is in no message, log or URL."""
    async with serving() as fake:
        client = client_for(fake.settings("falsch-0815"), Seen(), Timing(start=30))
        with capture_logs() as logs, pytest.raises(Unusable, match="refuses user 'tester'") as caught:
            await client.start()
        assert "falsch" not in f"{caught.value!r} {logs} {fake.urls}"


async def test_asterisk_that_is_still_starting_is_waited_for() -> None:
    """Started together, we may be first: no ARI yet is tried again."""
    async with serving() as fake:
        fake.status = 404
        client = client_for(fake.settings(), Seen(), Timing(first_pause=0.01, start=5))
        starting = asyncio.create_task(client.start())
        await asyncio.sleep(0.05)
        fake.status = 101
        await starting
        await client.close()
        with pytest.raises(Unusable, match="there is no ARI at"):
            fake.status = 404
            await client_for(fake.settings(), Seen()).start()
        with pytest.raises(Unusable, match="status 503"):
            fake.status = 503
            await client_for(fake.settings(), Seen()).start()


async def test_nobody_is_there_at_all() -> None:
    """After its patience it says where it looked."""
    async with serving() as fake:
        settings = fake.settings()
    with pytest.raises(Unusable, match=r"http://127.0.0.1:\d+/ari cannot be reached"):
        await client_for(settings, Seen()).start()


async def test_an_address_that_cannot_be_one_is_refused() -> None:
    """A user name in the address would end up in logs."""
    for url in ("127.0.0.1:8088", "ftp://h", "http://tester:geheim@h:8088"):
        with pytest.raises(BadInput, match="must look like"):
            client_for(Ari(url, "tester", Secret("geheim")), Seen())


async def test_an_older_asterisk_is_asked_over_http() -> None:
    """It ignores requests on the websocket: they travel as HTTP instead, with the same bodies and errors."""

    async def answer(request: dict[str, Any]) -> Reply | None:
        return (404, {"message": "Channel not found"}) if request["method"] == "DELETE" else (200, {"id": "1.2"})

    async with serving() as fake:
        fake.rest_over_websocket = False
        fake.answer = answer
        client = client_for(fake.settings(), Seen())
        await client.start()
        assert await client.request("POST", "/channels/1.2", body={"timeout": 5}) == {"id": "1.2"}
        assert fake.requests[-1]["message_body"] == '{"timeout":5}'
        with pytest.raises(Gone):
            await client.request("DELETE", "/channels/1.2", {"reason_code": "16"})
        assert fake.urls[-1] == "/ari/channels/1.2?reason_code=16"
        await client.close()


async def test_an_older_asterisk_keeps_its_connection_and_the_order_of_commands() -> None:
    """The request that it never answered cuts nothing off later; posted commands go one after the other."""
    order: list[str] = []

    async def answer(request: dict[str, Any]) -> Reply | None:
        if request["uri"] == "channels/odd":
            return 200, "not what ARI says"
        return 204, None

    async with serving() as fake:
        fake.rest_over_websocket = False
        fake.answer = answer
        client = client_for(fake.settings(), Seen())
        await client.start()
        client.post(Request("POST", "/channels/1"), lambda error: order.append("first"))
        client.post(Request("POST", "/channels/2"), _breaks)
        client.post(Request("POST", "/channels/3"), lambda error: order.append("third"))
        await asyncio.sleep(QUICK.request + 0.2)  # in which the filter's reply over the websocket would be overdue
        assert (order, fake.connects) == (["first", "third"], 1)
        await client.close()


def _breaks(error: object) -> None:
    raise KeyError("a bug of one call")


async def test_the_library_s_debug_log_stays_silent(caplog: pytest.LogCaptureFixture) -> None:
    """With every logger at DEBUG neither the password's header nor a keyed digit is printed."""
    caplog.set_level(logging.DEBUG)
    async with connected() as (fake, _, seen):
        await fake.push({"type": "ChannelDtmfReceived", "channel": {"id": "1.2"}, "digit": "7", "secret": PASSWORD})
        (event,) = await seen.until(1)
        assert repr(event) == "ChannelDtmfReceived(1.2)"
    said = [record for record in caplog.records if record.name.startswith(("websockets", "ivr"))]
    assert not said
