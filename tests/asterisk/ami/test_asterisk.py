"""The client against a real Asterisk."""

import asyncio
import wave
from array import array
from dataclasses import replace
from functools import partial
from itertools import groupby
from pathlib import Path

import pytest

from ivr.asterisk.ami import actions
from ivr.asterisk.ami.actions import Place
from ivr.asterisk.ami.client import AmiClient
from ivr.asterisk.ami.errors import AmiError
from ivr.asterisk.ami.events import (
    AgentCalled,
    AgentComplete,
    AgentConnect,
    DeviceStateChange,
    Hangup,
    MixMonitorMute,
    MixMonitorStart,
    QueueCallerJoin,
    QueueCallerLeave,
    QueueMemberPause,
    UserEvent,
    device_states,
    queue_members,
)
from ivr.asterisk.ari.timing import Timing
from ivr.domain.errors import Unusable
from ivr.domain.secret import Secret
from ivr.lab.addresses import Block
from tests.asterisk.ami.conftest import Lab
from tests.asterisk.ami.fake import QUICK, Seen, client_for
from tests.asterisk.ami.real import NUMBER, channels, prepare, settings, tap
from tests.asterisk.ari.real import eventually
from tests.end_to_end.raw_sip import raw_call

LOUD = 1000
"""A hum's samples are about 12000; silence has none."""


async def test_a_wrong_secret(lab: Lab) -> None:
    """Said at once, with the user and the place."""
    wrong = replace(lab.ami, secret=Secret("falsch"))
    with pytest.raises(Unusable, match=rf"at {lab.ami.host}:5038 refuses user 'ivr'"):
        await client_for(wrong, Seen(), replace(QUICK, start=30)).start()


async def test_the_account_can_do_no_more_than_we_need(client: AmiClient) -> None:
    """Whoever steals it starts no program, reads no file and places no call."""
    for name, fields in (
        ("Command", {"Command": "core show version"}),
        ("Originate", {"Channel": "Local/hum@lab", "Application": "System", "Data": "true"}),
        ("GetConfig", {"Filename": "manager.conf"}),
        ("UpdateConfig", {"SrcFilename": "manager.conf", "DstFilename": "manager.conf"}),
        ("ModuleLoad", {"LoadType": "load", "Module": "app_system"}),
        ("MixMonitor", {"Channel": "x", "File": "x.wav"}),
    ):
        with pytest.raises(AmiError, match="Permission denied"):
            await client.action(name, fields)


async def test_a_muted_recording_is_silent(lab: Lab, client: AmiClient, seen: Seen) -> None:
    """While a customer says his card number nothing of it gets into the file, and afterwards it goes on."""
    await lab.asterisk.rx("channel originate Local/hum@lab/n extension recorded@lab")
    begun = await seen.of(MixMonitorStart)
    assert isinstance(begun, MixMonitorStart)
    file = lab.asterisk.home / "call.wav"
    await _grows(file)
    await client.send(actions.mute_recording(begun.channel, True))
    assert await seen.of(MixMonitorMute) == MixMonitorMute(begun.channel, begun.unique_id, "both", True)
    await _grows(file)
    await client.send(actions.mute_recording(begun.channel, False))
    await _grows(file)
    await lab.asterisk.rx(f"channel request hangup {begun.channel}")
    await seen.until(lambda: any(isinstance(e, Hangup) and e.unique_id == begun.unique_id for e in seen.all))
    with wave.open(str(file)) as recording:
        sound = array("h", recording.readframes(recording.getnframes()))
    loud = [abs(sample) > LOUD for sample in sound]
    first, last = loud.index(True), len(loud) - 1 - loud[::-1].index(True)
    silence = max((sum(1 for _ in run) for heard, run in groupby(loud[first:last]) if not heard), default=0)
    assert silence > 4000  # half a second; the hum by itself never pauses so long
    assert last - first - silence > 8000


async def _grows(file: Path) -> None:
    """Return when there is more in it: Asterisk writes two seconds at a time."""

    async def size() -> int:
        return file.stat().st_size if file.exists() else 0

    before = await size()
    await eventually(size, lambda now: now > max(before, 44))


async def test_a_recording_is_a_wave_file(lab: Lab, client: AmiClient, seen: Seen) -> None:
    """Closed with its channel, whose end is told."""
    await lab.asterisk.rx("channel originate Local/hum@lab/n extension recorded@lab")
    begun = await seen.of(MixMonitorStart)
    assert isinstance(begun, MixMonitorStart)
    await lab.asterisk.rx(f"channel request hangup {begun.channel}")
    await seen.until(lambda: any(isinstance(e, Hangup) and e.unique_id == begun.unique_id for e in seen.all))
    with wave.open(str(lab.asterisk.home / "call.wav")) as sound:
        assert (sound.getnchannels(), sound.getframerate(), sound.getsampwidth()) == (1, 8000, 2)


async def test_two_channels_are_redirected_at_once(lab: Lab, client: AmiClient, seen: Seen) -> None:
    """A caller and an agent part, each to his own place, and neither is hung up."""
    await lab.asterisk.rx("channel originate Local/quiet@lab/n extension quiet@lab")
    first, second = sorted(await eventually(lambda: channels(client), lambda found: len(found) == 2))
    await client.send(actions.redirect(first, Place("lab", "here"), second, Place("lab", "there")))
    arrived: dict[str, str] = {}
    while len(arrived) < 2:
        event = await seen.of(UserEvent)
        assert isinstance(event, UserEvent)
        arrived[event.channel] = event.fields["where"]
    assert arrived == {first: "here", second: "there"}
    assert sorted(await channels(client)) == [first, second]


async def test_what_is_not_there(client: AmiClient) -> None:
    """Asterisk's own words, and the next action works."""
    with pytest.raises(AmiError, match="No such channel"):
        await client.send(actions.mute_recording("PJSIP/nobody-00000001", True))
    with pytest.raises(AmiError, match="Channel does not exist"):
        await client.send(actions.redirect("PJSIP/nobody-00000001", Place("lab", "here")))
    with pytest.raises(AmiError, match="Interface not found"):
        await client.send(actions.queue_pause("PJSIP/nobody", True, "sales"))
    await client.send(actions.ping())


async def test_device_states(client: AmiClient) -> None:
    """Asked for after each connect; from then on changes are told."""
    states = {one.device: one.state for one in device_states((await client.send(actions.device_states())).events)}
    assert states["PJSIP/peer"] == "NOT_INUSE"


async def test_our_own_event(client: AmiClient, seen: Seen) -> None:
    """Comes back to us, and to whoever listens besides."""
    text = 'پرداخت شد; x=1, ${y} \\ "z"'
    await client.send(actions.user_event("Paid", {"Invoice": "42", "Text": text}))
    assert await seen.of(UserEvent) == UserEvent("Paid", {"invoice": "42", "text": text})


async def test_a_queue(lab: Lab, client: AmiClient, seen: Seen) -> None:
    """A caller waits, a member is rung and answers, both part; a pause is seen by everybody."""
    await lab.asterisk.rx("channel originate Local/hum@lab/n extension queue@lab")
    joined, called = await seen.of(QueueCallerJoin), await seen.of(AgentCalled)
    assert isinstance(joined, QueueCallerJoin) and (joined.queue, joined.position, joined.count) == ("sales", 1, 1)
    connected, left = await seen.of(AgentConnect), await seen.of(QueueCallerLeave)
    assert isinstance(called, AgentCalled) and isinstance(connected, AgentConnect)
    assert isinstance(left, QueueCallerLeave) and left.unique_id == joined.unique_id
    assert called.unique_id == connected.unique_id == joined.unique_id
    assert called.interface == connected.interface == "Local/quiet@lab/n"
    await lab.asterisk.rx(f"channel request hangup {joined.channel}")
    completed = await seen.of(AgentComplete)
    assert isinstance(completed, AgentComplete) and completed.member_name == connected.member_name
    assert completed.dest_unique_id in ("", connected.dest_unique_id)  # nothing, when that channel was gone first
    for paused in (True, False):
        await client.send(actions.queue_pause("Local/quiet@lab/n", paused, "sales", "tea"))
        told = await seen.of(QueueMemberPause)
        assert isinstance(told, QueueMemberPause) and told.paused is paused
        (member,) = queue_members((await client.send(actions.queue_status("sales"))).events)
        assert (member.interface, member.paused) == ("Local/quiet@lab/n", paused)


async def test_no_keyed_digit_leaves_asterisk(lab: Lab, client: AmiClient, seen: Seen) -> None:
    """Another account hears the keys, the variable and each step of the dialplan; ours gets nothing of them."""
    async with (
        tap(lab.ami, "ivr", lab.ami.secret.reveal()) as ours,
        tap(lab.ami, "everything", "everything") as all_of_it,
    ):
        await lab.asterisk.rx("channel originate Local/quiet@lab/n extension keys@lab")
        await seen.of(Hangup)
        await client.send(actions.user_event("Over", {}))
        await asyncio.gather(ours.until("UserEvent: Over"), all_of_it.until("UserEvent: Over"))
    assert {"DTMFBegin", "DTMFEnd", "Newexten"} <= set(all_of_it.events())
    assert "4711" in all_of_it.text and "4711" not in ours.text
    assert {"Hangup", "UserEvent"} <= set(ours.events())
    assert set(ours.events()) <= {"FullyBooted", "Hangup", "UserEvent", "DeviceStateChange", "QueueMemberStatus"}


FORGERIES = (
    "0912%0D%0A%0D%0AEvent%3A%20UserEvent%0D%0AUserEvent%3A%20Forged%0D%0AX%3A%20y",
    "0912%0D%0A%0D%0Aevent%3AUserEvent%0D%0AUserEvent%3A%20Forged%0D%0A%0D%0AX%3A%20y",
    "0912%0D%0A",
)


async def test_a_caller_cannot_write_events(lab: Lab, client: AmiClient, seen: Seen) -> None:
    """His number may hold line breaks, and Asterisk sends them as they are; nothing of it gets as far as us."""
    count = partial(lab.asterisk.rx, "core show channels count")
    async with tap(lab.ami, "everything", "everything") as all_of_it:
        for number in FORGERIES:
            async with raw_call(lab.caller, (lab.ami.host, 5060)) as call:
                calling = asyncio.create_task(call.invite(NUMBER, from_=f"<sip:{number}@{lab.caller}>"))
                await eventually(
                    lambda: lab.asterisk.rx("core show channels count"), lambda said: "1 active call" in said
                )
                await lab.asterisk.rx("channel request hangup all")
                await calling
        async with raw_call(lab.caller, (lab.ami.host, 5060)) as call:
            twice = "0912%0D%0AUniqueid%3A%20fake"
            calling = asyncio.create_task(call.invite(NUMBER, from_=f"<sip:{twice}@{lab.caller}>"))
            await eventually(lambda: channels(client), lambda found: any("PJSIP" in one for one in found))
            await lab.asterisk.rx("channel request hangup all")
            await calling
        await eventually(count, lambda said: said.startswith("0 active"))
        await client.send(actions.user_event("Over", {}))
        await all_of_it.until("UserEvent: Over")
    assert "\nUserEvent: Forged" in all_of_it.text and "\nUniqueid: fake" in all_of_it.text
    await seen.until(lambda: "Over" in seen.names())
    assert "Forged" not in seen.names() and "fake" not in str(seen.all)
    assert not [one for one in seen.all if isinstance(one, Hangup) and one.channel.startswith("PJSIP")]


async def test_asterisk_is_restarted_under_us(lab: Lab, seen: Seen, tmp_path: Path) -> None:
    """A gap is told, then a new connection; everything works again."""
    with Block() as block:
        config = settings(block.address(), block.address(), tmp_path)
        assert config.ami is not None
        client = client_for(config.ami, seen, Timing())
        async with prepare(config, tmp_path) as asterisk:
            await client.start()
            await asterisk.stop()
            await seen.until(lambda: "gap" in seen.names())
            await asterisk.start()
            await seen.until(lambda: seen.names().count("connected") == 2)
            assert [one for one in seen.all if isinstance(one, str)] == ["connected", "gap", "connected"]
            states = device_states((await client.send(actions.device_states())).events)
            assert any(one.device == "PJSIP/peer" for one in states)
            await client.send(actions.user_event("Back", {}))
            await seen.until(lambda: "Back" in seen.names())
            await asterisk.rx("channel originate Local/quiet@lab/n extension quiet@lab")
            await seen.until(lambda: any(isinstance(one, DeviceStateChange) for one in seen.all))
            await client.close()
