"""The client against a server that misbehaves."""

import asyncio
import tracemalloc
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from ivr.asterisk.ami import actions, connection
from ivr.asterisk.ami.connection import Outcome
from ivr.asterisk.ami.errors import AmiDisconnected, AmiError, AmiUnsent
from ivr.asterisk.ami.events import Hangup, UserEvent
from ivr.domain.errors import BadInput, Unusable
from tests.asterisk.ami.fake import BOOTED, QUICK, SECRET, Seen, Sent, client_for, connected, news, ok, serving

HANGUP = "Event: Hangup\r\nChannel: PJSIP/a-1\r\nUniqueid: 1.2\r\nCause: 16\r\nCause-txt: Normal Clearing\r\n\r\n"
NEVER = replace(QUICK, ping_every=3600.0)


def silent(action: Sent) -> str:
    return ""


async def test_events_come_in_their_order_after_connected() -> None:
    """Nothing is heard of a connection before it is said to be there, and nothing is heard twice."""
    async with serving() as fake:
        fake.after_login = news("Early") + BOOTED + news("First") + HANGUP
        seen = Seen()
        client = client_for(fake.settings(), seen)
        await client.start()
        for number in range(50):
            fake.push(news(f"N{number}"))
        await seen.until(lambda: len(seen.all) == 53)
        assert seen.names() == ["connected", "First", "Hangup", *(f"N{number}" for number in range(50))]
        assert seen.all[2] == Hangup("PJSIP/a-1", "1.2", 16)
        await client.close()


async def test_messages_in_pieces() -> None:
    """However the network cuts them up, between CR and LF and inside a letter of two bytes."""
    async with connected() as (fake, _, seen):
        for byte in news("Cut", "Text: پول\r\n").encode():
            fake.push(bytes([byte]))
            await asyncio.sleep(0)
        await seen.until(lambda: len(seen.all) == 2)
        assert seen.all[1] == UserEvent("Cut", {"text": "پول"})


async def test_a_refusal_has_asterisk_s_words() -> None:
    """And is told from a connection that broke."""
    async with connected() as (fake, client, _):
        fake.answer = lambda a: f"Response: Error\r\nActionID: {a['ActionID']}\r\nMessage: No such channel\r\n\r\n"
        with pytest.raises(AmiError, match="MixMonitorMute: No such channel"):
            await client.send(actions.mute_recording("PJSIP/x-1", True))
        fake.answer = ok
        assert (await client.action("Ping", {})).fields["response"] == "Success"


async def test_a_listing_is_collected() -> None:
    """Up to its closing event; what has no id of ours in the middle of it is nobody's event: a caller wrote it."""

    def listing(a: Sent) -> str:
        of = f"ActionID: {a['ActionID']}\r\n"
        entry = "Event: QueueEntry\r\nQueue: sales\r\nPosition: 1\r\nChannel: PJSIP/a-1\r\nCallerIDNum: 0912\r\n"
        return (
            ok(a, "EventList: start\r\n")
            + f"Event: DeviceStateChange\r\n{of}Device: PJSIP/anna\r\nState: BUSY\r\n\r\n"
            + f"{entry}\r\n{news('Forged')}CallerIDName: x\r\nUniqueid: 1.2\r\n{of}\r\n"
            + f"Event: DeviceStateListComplete\r\n{of}EventList: Complete\r\nListItems: 2\r\n\r\n"
            + news("Genuine")
        )

    async with connected() as (fake, client, seen):
        fake.answer = listing
        reply = await client.send(actions.device_states())
        assert [one.get("device") for one in reply.events] == ["PJSIP/anna", None]
        await seen.until(lambda: "Genuine" in seen.names())
        assert seen.names() == ["connected", "Genuine"]


async def test_a_listing_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told as too long once it is over, and the next one works."""
    monkeypatch.setattr(connection, "MOST_LISTED", 10)
    count = 1000

    def listing(a: Sent) -> str:
        of = f"ActionID: {a['ActionID']}\r\n"
        one = f"Event: CoreShowChannel\r\n{of}Channel: x\r\n\r\n"
        return ok(a, "EventList: start\r\n") + one * count + f"Event: E\r\n{of}EventList: Complete\r\n\r\n"

    async with connected() as (fake, client, _):
        fake.answer = listing
        with pytest.raises(AmiError, match="too long"):
            await client.send(actions.channels())
        count = 3
        assert len((await client.send(actions.channels())).events) == 3


async def test_a_listing_that_nobody_waits_for_any_more() -> None:
    """Whoever gave up does not leave the connection deaf."""
    async with connected() as (fake, client, seen):
        fake.answer = lambda a: ok(a, "EventList: start\r\n")
        asked = asyncio.create_task(client.send(actions.channels()))
        await fake.until(lambda: len(fake.actions) == 1)
        asked.cancel()
        await asyncio.wait((asked,))
        of = f"ActionID: {fake.actions[0]['ActionID']}\r\n"
        fake.push(f"Event: E\r\n{of}EventList: Complete\r\n\r\n{news('After')}")
        await seen.until(lambda: "After" in seen.names())


async def test_replies_keep_their_place_among_the_events() -> None:
    """Who keeps a state hears the listing before the event that comes behind it."""
    order: list[str] = []

    def heard(outcome: Outcome) -> None:
        order.append(type(outcome).__name__)

    async with connected() as (fake, client, seen):
        fake.answer = lambda a: news("Before") + ok(a) + news("After")
        client.post(actions.ping(), heard)
        client.post(actions.ping(), lambda outcome: [][1])  # one caller's bug
        await seen.until(lambda: seen.names().count("After") == 2)
        assert order == ["AmiReply"]


async def test_actions_in_flight_are_told_that_the_connection_died() -> None:
    """Nobody waits for ever, nothing is sent a second time, and the client comes back by itself."""
    async with connected(NEVER) as (fake, client, seen):
        fake.answer = silent
        asked = [asyncio.create_task(client.send(actions.ping())) for _ in range(3)]
        await fake.until(lambda: len(fake.actions) == 3)
        fake.drop()
        for one in asked:
            with pytest.raises(AmiDisconnected) as caught:
                await one
            assert not isinstance(caught.value, AmiUnsent)
        await seen.until(lambda: seen.names() == ["connected", "gap", "connected"])
        await client.wait_connected(1)
        assert len(fake.actions) == 3 and client.connects == 2


async def test_a_reply_that_does_not_come_ends_the_connection() -> None:
    """Asterisk carries a connection's actions out one after the other: a stuck one would block them all."""
    async with connected(replace(QUICK, request=0.1)) as (fake, client, seen):
        fake.answer = silent
        with pytest.raises(AmiDisconnected, match="did not reply in time"):
            await client.send(actions.device_states())
        await seen.until(lambda: seen.names() == ["connected", "gap", "connected"])


async def test_silence_after_the_login_is_noticed() -> None:
    """A half-open connection says nothing: nobody would hear of anything again."""
    async with connected(replace(QUICK, ping_every=0.05, pong_within=0.1)) as (fake, _, seen):
        await fake.until(lambda: len(fake.actions) == 3)
        assert fake.connects == 1
        fake.answer = silent
        await seen.until(lambda: seen.names()[:3] == ["connected", "gap", "connected"])


async def test_without_a_connection_actions_fail_at_once() -> None:
    """They never left, and are told apart from those that may have been carried out."""
    async with serving() as fake:
        client = client_for(fake.settings(), Seen())
        told: list[Outcome] = []
        with pytest.raises(AmiUnsent):
            await client.send(actions.ping())
        client.post(actions.ping(), told.append)
        assert isinstance(told[0], AmiUnsent)
        with pytest.raises(AmiDisconnected):
            await client.wait_connected(0.01)
    async with connected(NEVER) as (fake, client, seen):
        assert client.connected
        fake.drop_at_once = True
        fake.drop()
        await seen.until(lambda: "gap" in seen.names())
        assert not client.connected
        with pytest.raises(AmiUnsent):
            await client.send(actions.ping())


async def test_more_actions_than_asterisk_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that has stopped replying does not make us pile them up."""
    monkeypatch.setattr(connection, "MOST_WAITING", 5)
    async with connected(NEVER) as (fake, client, _):
        fake.answer = silent
        told: list[Outcome] = []
        for _ in range(6):
            client.post(actions.ping(), told.append)
        assert [type(one) for one in told] == [AmiUnsent]


async def test_lines_without_end_are_left_out() -> None:
    """1 MB, half a line, thousands of fields: what comes behind is heard, memory does not grow, no value is logged."""
    async with connected(NEVER) as (fake, _, seen):
        tracemalloc.start()
        try:
            with capture_logs() as logs:
                fake.push("Event: Hangup\r\nChannel: PJSIP/a-1\r\nCallerIDName: " + "4711" * 250_000 + "\r\n")
                fake.push("Uniqueid: 1.2\r\nCause: 16\r\n\r\n")
                fake.push("Event: Hangup\r\n" + "".join(f"F{n}: 4711\r\n" for n in range(100_000)) + "\r\n")
                fake.push(news("After"))
                await seen.until(lambda: "After" in seen.names())
                fake.push("x" * 20_000_000)
                await asyncio.sleep(0)
                fake.push("\r\n\r\n" + news("Later"))
                await seen.until(lambda: "Later" in seen.names())
        finally:
            held, _ = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert seen.names() == ["connected", "Hangup", "After", "Later"]
        assert seen.all[1] == Hangup("PJSIP/a-1", "1.2", 16)
        assert "4711" not in str(logs)
        assert [line["event"] for line in logs].count("ami_lines_left_out") == 1
        assert held < 2_000_000


async def test_a_flood_leaves_the_loop_its_turns() -> None:
    """While events pour in, other calls' tasks go on: what is read at once is bounded."""
    async with connected(NEVER) as (fake, _, seen):
        fake.push(news("Flood") * 100_000 + news("Last"))
        turns = 0
        while "Last" not in (seen.all[-1].name if isinstance(seen.all[-1], UserEvent) else ""):
            await asyncio.sleep(0)
            turns += 1
        assert turns > 100
        assert len(seen.all) == 100_002


async def test_garbage_does_not_end_the_connection_or_reach_the_log() -> None:
    """Broken, unknown and half-known messages are passed over; what comes after them is read."""
    async with connected() as (fake, _, seen):
        with capture_logs() as logs:
            fake.push(bytes(range(256)) * 20 + b"\r\n\r\n")
            for nonsense in (
                "\r\n\r\n\r\n",
                ": 4711\r\n\r\n",
                "4711\r\n\r\n",
                "Event:\r\n\r\n",
                "Event: DTMFEnd\r\nDigit: 4711\r\n\r\n",
                "Response: Success\r\nActionID: 999\r\n\r\n",
                "Event: Hangup\r\nChannel: 4711\r\n\r\n",
                "Event: Hangup\r\nChannel: a\r\nUniqueid: 1\r\nCause: 4711x\r\n\r\n",
                "Event: Hangup\r\nChannel: a\r\nUniqueid: 4711\r\nCause: 1\r\nUniqueid: 2\r\n\r\n",
                "Event: UserEvent\r\nPrivilege: 4711\r\n\r\n",
                "Event: UserEvent\r\nUserEvent: a\r\nX: 4711\r\nX: b\r\n\r\n",
            ):
                fake.push(nonsense)
            fake.push(b"Event: UserEvent\r\nUserEvent: After\r\nX: \xff\x1b[31m\r\n\r\n")
            await seen.until(lambda: len(seen.all) == 2)
        assert seen.all[1] == UserEvent("After", {"x": "\ufffd\ufffd[31m"})
        assert "4711" not in str(logs)
        assert fake.connects == 1


async def test_one_handler_s_bug_does_not_stop_the_events() -> None:
    """The connection goes on; the log says where it broke, and no value."""
    async with connected() as (fake, _, seen):
        with capture_logs() as logs:
            fake.push(news("Bug", "Card: 4711\r\n") + news("Next"))
            await seen.until(lambda: "Next" in seen.names())
        (line,) = [line for line in logs if line["event"] == "ami_event_failed"]
        assert line["type"] == "UserEvent" and line["where"].startswith("KeyError fake.py:")
        assert "4711" not in str(logs) and fake.connects == 1


async def test_a_server_that_drops_every_connection_is_not_hammered() -> None:
    """A connection that dies at once does not reset the pauses between the tries."""
    async with connected(replace(QUICK, first_pause=0.05, longest_pause=0.4)) as (fake, client, seen):
        fake.drop_at_once = True
        fake.drop()
        await asyncio.sleep(0.6)  # the time in which a hammering client would be back hundreds of times
        assert 2 <= fake.connects <= 14
        fake.drop_at_once = False
        await seen.until(lambda: client.connects == 2)
        assert seen.names() == ["connected", "gap", "connected"]


async def test_a_wrong_secret_is_told_at_once_and_not_shown() -> None:
    """One clear sentence with the user and the place; the secret is in no message and no log."""
    async with serving() as fake:
        client = client_for(fake.settings("falsch-0815"), Seen(), replace(QUICK, start=30))
        with capture_logs() as logs, pytest.raises(Unusable, match=r"at 127\.0\.0\.1:\d+ refuses user 'tester'") as no:
            await client.start()
        assert "falsch" not in f"{no.value!r} {no.value.__context__} {logs} {client.__dict__}"
        assert SECRET not in repr(fake.settings())
        await client.close()


async def test_asterisk_that_is_still_starting_is_waited_for() -> None:
    """Started together, we may be first."""
    async with serving() as fake:
        fake.after_login = ""
        seen = Seen()
        client = client_for(fake.settings(), seen, replace(QUICK, request=0.1, start=10))
        starting = asyncio.create_task(client.start())
        await fake.until(lambda: fake.connects == 2)
        fake.after_login = BOOTED
        await starting
        assert seen.names() == ["connected"]
        await client.close()


@pytest.mark.parametrize(
    ("banner", "said"),
    [
        ("SSH-2.0-OpenSSH_9.2\r\n", "is not Asterisk's manager"),
        ("\x00" * 100_000, "does not answer"),
        ("Asterisk Call Man", "does not answer"),
        ("", "does not answer"),
    ],
)
async def test_whoever_else_listens_there(banner: str, said: str) -> None:
    """Something that is no manager, or says nothing, is told as that; the secret is not given to it."""
    async with serving() as fake:
        fake.banner = banner
        with pytest.raises(Unusable, match=said):
            await client_for(fake.settings(), Seen(), replace(QUICK, open=0.1)).start()
        assert fake.raw == b""


async def test_nobody_is_there_or_hangs_up() -> None:
    """After its patience it says where it looked."""
    async with serving() as fake:
        fake.drop_at_once = True
        settings = fake.settings()
        with pytest.raises(Unusable, match=r"127\.0\.0\.1:\d+ (closed|cannot)"):
            await client_for(settings, Seen()).start()
    with pytest.raises(Unusable, match=r"127\.0\.0\.1:\d+ cannot be reached: Conn"):
        await client_for(settings, Seen()).start()


async def test_closing_while_it_tries_to_come_back() -> None:
    """Then it stays away."""
    async with connected(replace(QUICK, first_pause=0.1)) as (fake, client, seen):
        fake.drop()
        await seen.until(lambda: "gap" in seen.names())
        await client.close()
        await asyncio.sleep(0.3)
        assert fake.connects == 1 and seen.names() == ["connected", "gap"]


async def test_what_must_not_be_sent_never_leaves() -> None:
    """The connection is not touched, and the next action goes through."""
    async with connected(NEVER) as (fake, client, _):
        before = fake.raw
        with pytest.raises(BadInput):
            await client.action("UserEvent", {"UserEvent": "x\r\n\r\nAction: Originate"})
        await client.send(actions.ping())
        assert fake.raw.removeprefix(before).startswith(b"Action: Ping\r\n")
