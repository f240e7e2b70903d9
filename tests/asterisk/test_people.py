"""Our own people at Asterisk: their telephones' states, and an agent who is moved together with their caller."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from ivr.asterisk.ari.client import AriClient
from ivr.asterisk.people import UNKNOWN_STATE, People
from ivr.asterisk.settings import Agent, AsteriskSettings, Queue
from ivr.domain.errors import BadInput, Unusable
from ivr.domain.secret import Secret
from ivr.runtime.ports import QueueState
from tests.asterisk.ami import fake as fake_ami
from tests.asterisk.ami.fake import FakeAmi, Sent, ok
from tests.asterisk.ari import fake as fake_ari
from tests.asterisk.ari.assisting import QUICK, channel
from tests.asterisk.ari.fake import FakeAri, Reply

CALLER = channel("1.1", "agent-sara,tcr,,,60", called="PJSIP/public-00000001", app_name="Queue")
SARA = channel("1.2", "", called="PJSIP/sara-00000002", app_name="AppQueue")
MINA = channel("1.3", "", called="PJSIP/mina-00000003", app_name="AppDial")
LOCAL = channel("1.4", "", called="Local/x@y-00000004;1", app_name="AppDial")
TALK = {"id": "b1", "channels": ["1.1", "1.2"]}


def state(device: str, said: str, action_id: str = "") -> str:
    return f"Event: DeviceStateChange\r\n{action_id}Device: PJSIP/{device}\r\nState: {said}\r\n\r\n"


def listed(kind: str, of: str, **fields: str) -> str:
    return f"Event: {kind}\r\n{of}" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + "\r\n"


def keyed(name: str, event: str = "IvrAssist") -> str:
    return (
        f"Event: UserEvent\r\nUserEvent: {event}\r\nChannel: {name}\r\nChannelState: 6\r\n"
        "ChannelStateDesc: Up\r\nUniqueid: 1.2\r\n\r\n"
    )


@dataclass
class Office:
    """Both of Asterisk's interfaces, played."""

    ami: FakeAmi
    ari: FakeAri
    people: People
    client: AriClient
    channels: list[dict[str, Any]] = field(default_factory=lambda: [CALLER, SARA])
    bridges: list[dict[str, Any]] = field(default_factory=lambda: [TALK])
    states: dict[str, str] = field(default_factory=lambda: {"sara": "INUSE", "bank": "NOT_INUSE"})
    told: list[tuple[str, str]] = field(default_factory=list)

    async def answer_ari(self, request: dict[str, Any]) -> Reply | None:
        listings = {"channels": self.channels, "bridges": self.bridges, "applications/ivr": {"channel_ids": []}}
        found = listings.get(request["uri"])
        return (200, found) if found is not None else (204, None)

    def answer_ami(self, action: Sent) -> str:
        if action["Action"] != "DeviceStateList":
            return ok(action)
        of = f"ActionID: {action['ActionID']}\r\n"
        listed = "".join(state(device, said, of) for device, said in self.states.items())
        end = f"Event: DeviceStateListComplete\r\n{of}EventList: Complete\r\nListItems: {len(self.states)}\r\n\r\n"
        return ok(action, "EventList: start\r\n") + listed + end

    def moved(self) -> list[Sent]:
        return [one for one in self.ami.actions if one["Action"] in ("Setvar", "Redirect")]

    async def until(self, ready: Any) -> None:
        async with asyncio.timeout(fake_ami.PATIENCE):
            while not ready():  # noqa: ASYNC110 - nobody tells
                await asyncio.sleep(0.005)


@pytest.fixture
async def office() -> AsyncIterator[Office]:
    async with AsyncExitStack() as stack:
        ami = await stack.enter_async_context(fake_ami.serving())
        ari = await stack.enter_async_context(fake_ari.serving())
        settings = AsteriskSettings(
            ari.settings(),
            "/sounds",
            agents=(Agent("sara", Secret("x")), Agent("mina", Secret("x"))),
            queues=(Queue("sales", ("sara", "mina")), Queue("night", ())),
            assist_number="42473051",
            ami=ami.settings(),
        )
        people = People(settings, ami.settings())
        client = AriClient(
            settings.ari, on_event=lambda _: None, on_connected=lambda: None, on_gap=lambda: None, timing=QUICK
        )
        office = Office(ami, ari, people, client)
        ami.answer, ari.answer = office.answer_ami, office.answer_ari
        people.on_device = lambda agent, said: office.told.append((agent, said))
        await client.start()
        stack.push_async_callback(client.close)
        await people.start()
        stack.push_async_callback(people.close)
        people.use(client)
        yield office


async def test_the_queues(office: Office) -> None:
    """Ours alone, who is in them and not on a break, and how long each caller has waited."""

    def answer(action: Sent) -> str:
        if action["Action"] != "QueueStatus":
            return office.answer_ami(action)
        of = f"ActionID: {action['ActionID']}\r\n"
        lines = [
            listed("QueueMember", of, Queue="sales", Name="sara", Location="PJSIP/sara", Paused="0"),
            listed("QueueMember", of, Queue="sales", Name="mina", Location="PJSIP/mina", Paused="1"),
            listed("QueueMember", of, Queue="agent-sara", Name="sara", Location="PJSIP/sara"),
            listed("QueueEntry", of, Queue="sales", Position="1", Channel="PJSIP/x-1", Uniqueid="1.1", Wait="41"),
        ]
        end = f"Event: QueueStatusComplete\r\n{of}EventList: Complete\r\nListItems: {len(lines)}\r\n\r\n"
        return ok(action, "EventList: start\r\n") + "".join(lines) + end

    office.ami.answer = answer
    assert await office.people.queues() == [QueueState("sales", ("sara",), (41,)), QueueState("night", (), ())]


# -- states ------------------------------------------------------------------------------------------------------------


async def test_the_state_of_each_phone(office: Office) -> None:
    """Asked for at the beginning, and told as it changes; others' phones are none of ours."""
    await office.until(lambda: office.people.states()["sara"] == "INUSE")
    assert office.people.connected and office.people.states() == {"sara": "INUSE", "mina": UNKNOWN_STATE}
    office.ami.push(state("mina", "RINGING") + state("mina", "RINGING") + state("bank", "INUSE"))
    await office.until(lambda: office.people.states()["mina"] == "RINGING")
    assert office.told == [("sara", "INUSE"), ("mina", "RINGING")]


async def test_a_gap(office: Office) -> None:
    """What was known may be wrong by now: asked for anew."""
    await office.until(lambda: office.people.states()["sara"] == "INUSE")
    office.states["sara"] = "UNAVAILABLE"
    office.ami.drop()
    await office.until(lambda: office.people.states()["sara"] == "UNAVAILABLE")


async def test_who_sent_whom_is_logged(office: Office) -> None:
    """By the agent's name, blind or attended, and whether it took place."""
    blind = (
        "Event: BlindTransfer\r\nResult: Success\r\nTransfererChannel: PJSIP/sara-00000002\r\n"
        "TransfererUniqueid: 1.2\r\nContext: x\r\nExtension: 4247*65843148\r\n\r\n"
    )
    attended = (
        "Event: AttendedTransfer\r\nResult: Fail\r\nOrigTransfererChannel: PJSIP/mina-00000003\r\n"
        "OrigTransfererUniqueid: 1.3\r\nSecondTransfererChannel: PJSIP/mina-00000005\r\n"
        "SecondTransfererUniqueid: 1.5\r\nDestType: Fail\r\n\r\n"
    )
    with capture_logs() as lines:
        office.ami.push(blind + attended)
        await office.until(lambda: len([line for line in lines if line["event"] == "agent_sent_caller"]) == 2)
    found = [line for line in lines if line["event"] == "agent_sent_caller"]
    assert [(line["agent"], line["how"], line["result"]) for line in found] == [
        ("sara", "blind", "Success"),
        ("mina", "attended", "Fail"),
    ]
    assert "65843148" not in str(lines)


# -- assisting ---------------------------------------------------------------------------------------------------------


async def test_both_are_moved_at_once(office: Office) -> None:
    """The caller to the number's flow, knowing who helps; the agent to where agents wait for this caller."""
    assert await office.people.assist("sara", "4247") == "1.1"
    variable, moved = office.moved()
    assert (variable["Channel"], variable["Variable"], variable["Value"]) == (
        "PJSIP/public-00000001",
        "IVR_BY",
        "PJSIP/sara-00000002",
    )
    assert (moved["Channel"], moved["Context"], moved["Exten"]) == ("PJSIP/public-00000001", "ivr-assist", "4247")
    assert (moved["ExtraChannel"], moved["ExtraContext"], moved["ExtraExten"]) == (
        "PJSIP/sara-00000002",
        "ivr-assist",
        "help1.1",
    )


async def test_a_key_begins_it(office: Office) -> None:
    """`*7` on the agent's telephone, with the configured number; another program's event does not."""
    office.ami.push(keyed("PJSIP/sara-00000002", "Other") + keyed("Local/x@y-00000004;1"))
    office.ami.push(keyed("PJSIP/sara-00000002"))
    await office.until(lambda: len(office.moved()) == 2)
    assert office.moved()[1]["Exten"] == "42473051"


async def test_a_key_while_talking_to_nobody(office: Office) -> None:
    """Said in the log; nothing else happens."""
    office.bridges = []
    with capture_logs() as lines:
        office.ami.push(keyed("PJSIP/sara-00000002"))
        await office.until(lambda: "not_assisting" in [line["event"] for line in lines])
    assert office.moved() == []


async def test_an_agent_whom_nobody_knows(office: Office) -> None:
    """Nor one who is nobody's agent."""
    with pytest.raises(BadInput, match="no agent 'public'"):
        await office.people.assist("public", "4247")


@pytest.mark.parametrize(
    ("bridges", "channels"),
    [
        ([], [CALLER, SARA]),
        ([{"id": "b1", "channels": ["1.2"]}], [SARA]),
        ([{"id": "b1", "channels": ["1.1", "1.2"]}], [SARA]),
        ([{"id": "b1", "channels": ["1.1", "1.2", "1.3"]}], [CALLER, SARA, MINA]),
        ([{"id": "b1", "channels": ["1.2", "1.3"]}], [SARA, MINA]),
        ([{"id": "b1", "channels": ["1.2", "1.4"]}], [SARA, LOCAL]),
    ],
    ids=["no bridge", "alone", "the caller is gone", "three", "a colleague", "no telephone"],
)
async def test_who_is_not_talking_to_a_caller(office: Office, bridges: Any, channels: Any) -> None:
    """Nobody is moved, whomever else they are with."""
    office.bridges, office.channels = bridges, channels
    with pytest.raises(BadInput, match="not talking to a caller"):
        await office.people.assist("sara", None)
    assert office.moved() == []


async def test_who_is_helping_already(office: Office) -> None:
    """Moving both again would end the payment that is going on."""
    office.channels = [
        channel("1.1", "ivr,agents,allowed,comes=01,by=PJSIP/sara-00000002,assist=yes", called="PJSIP/public-00000001"),
        SARA,
    ]
    office.people.is_helping = lambda agent: agent == "sara"
    with pytest.raises(BadInput, match="helping this caller already"):
        await office.people.assist("sara", None)
    assert office.moved() == []


async def test_a_second_payment(office: Office) -> None:
    """The first flow is over, and both still talk in our bridge: moved once more."""
    office.channels = [
        channel("1.1", "ivr,agents,allowed,comes=01,by=PJSIP/sara-00000002,assist=yes", called="PJSIP/public-00000001"),
        SARA,
    ]
    assert await office.people.assist("sara", None) == "1.1"
    assert len(office.moved()) == 2


async def test_several_callers_on_one_telephone(office: Office) -> None:
    """A program cannot say which is meant; the key on the telephone does, by its line."""
    second = channel("1.5", "agent-sara,tcr,,,60", called="PJSIP/public-00000005", app_name="Queue")
    line = channel("1.6", "", called="PJSIP/sara-00000006", app_name="AppQueue")
    office.channels = [CALLER, SARA, second, line]
    office.bridges = [TALK, {"id": "b2", "channels": ["1.5", "1.6"]}]
    with pytest.raises(BadInput, match="several callers"):
        await office.people.assist("sara", None)
    assert office.moved() == []
    office.ami.push(keyed("PJSIP/sara-00000006"))
    await office.until(lambda: len(office.moved()) == 2)
    assert office.moved()[1]["Channel"] == "PJSIP/public-00000005"


async def test_no_number(office: Office) -> None:
    """Neither given nor configured."""
    office.people._assist_number = ""
    with pytest.raises(BadInput, match="assist_number"):
        await office.people.assist("sara", None)


@pytest.mark.parametrize("number", ["4247,x", "4247\r\nAction: Hangup", "4" * 200, "s p"])
async def test_a_number_that_cannot_be_one(office: Office, number: str) -> None:
    """Never sent as it is; nobody is moved."""
    with pytest.raises(BadInput):
        await office.people.assist("sara", number)
    assert [one for one in office.moved() if one["Action"] == "Redirect"] == []


async def test_asterisk_refuses(office: Office) -> None:
    """Said in its words."""
    office.ami.answer = lambda a: f"Response: Error\r\nActionID: {a['ActionID']}\r\nMessage: No such channel\r\n\r\n"
    with pytest.raises(Unusable, match=r"did not move the call: .*No such channel"):
        await office.people.assist("sara", None)


async def test_a_connection_is_lost(office: Office) -> None:
    """Whichever of the two it is."""
    await office.client.close()
    with pytest.raises(Unusable, match="did not move the call"):
        await office.people.assist("sara", None)


async def test_the_manager_is_away(office: Office) -> None:
    """No half of it is done."""
    await office.people.close()
    assert not office.people.connected
    with pytest.raises(Unusable, match="did not move the call"):
        await office.people.assist("sara", None)


async def test_before_asterisk_is_there(office: Office) -> None:
    """A program may ask too early."""
    settings = AsteriskSettings(office.ari.settings(), "/sounds", agents=(Agent("sara", Secret("x")),))
    early = People(replace(settings, assist_number="4247"), office.ami.settings())
    with pytest.raises(Unusable, match="not connected"):
        await early.assist("sara", None)
