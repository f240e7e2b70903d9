"""Recordings that must be silent: what is asked of Asterisk, and when a secret may not be asked for."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from ivr.asterisk.ami import actions, recordings
from ivr.asterisk.ami.client import AmiClient
from ivr.asterisk.ami.errors import AmiError
from ivr.asterisk.ami.recordings import NOT_RECORDED, Recordings
from ivr.domain.errors import Unusable
from tests.asterisk.ami.conftest import Lab
from tests.asterisk.ami.fake import QUICK, FakeAmi, Sent, ok, serving
from tests.asterisk.ari.real import eventually

ONE, TWO = "PJSIP/public-00000001", "PJSIP/sara-00000002"
BEGUN = f"Event: MixMonitorStart\r\nChannel: {ONE}\r\nUniqueid: 1.2\r\n\r\n"
HANGUP = f"Event: Hangup\r\nChannel: {ONE}\r\nUniqueid: 1.2\r\nCause: 16\r\n\r\n"
LATER = "Event: DeviceStateChange\r\nDevice: PJSIP/sara\r\nState: INUSE\r\n\r\n"


def refused(words: str) -> object:
    return lambda action: f"Response: Error\r\nActionID: {action['ActionID']}\r\nMessage: {words}\r\n\r\n"


@dataclass
class Desk:
    """Recordings at a manager that is played."""

    ami: FakeAmi
    recordings: Recordings
    client: AmiClient

    def muted(self) -> list[tuple[str, str]]:
        return [(one["Channel"], one["State"]) for one in self.ami.actions if one["Action"] == "MixMonitorMute"]

    async def settled(self) -> None:
        """Every event that was said before has been read."""
        await self.client.send(actions.ping())
        await self.client.send(actions.ping())


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with serving() as ami:
        held: list[Recordings] = []
        client = AmiClient(
            ami.settings(),
            on_event=lambda event: held[0].on_event(event),
            on_connected=lambda: held[0].on_connected(),
            on_gap=lambda: None,
            timing=QUICK,
        )
        held.append(Recordings(client))
        await client.start()
        try:
            yield Desk(ami, held[0], client)
        finally:
            await client.close()


async def test_silent_and_sounding_again(desk: Desk) -> None:
    """Both directions of every channel."""
    await desk.recordings.silence([ONE, TWO], True)
    await desk.recordings.silence([ONE, TWO], False)
    assert desk.muted() == [(ONE, "1"), (TWO, "1"), (ONE, "0"), (TWO, "0")]
    assert {one["Direction"] for one in desk.ami.actions} == {"both"}


@pytest.mark.parametrize("words", sorted(NOT_RECORDED))
async def test_nothing_records_one_of_them(desk: Desk, words: str) -> None:
    """That is silence enough; the other is asked for all the same."""
    desk.ami.answer = lambda action: refused(words)(action) if action["Channel"] == ONE else ok(action)  # type: ignore[operator]
    await desk.recordings.silence([ONE, TWO], True)
    assert desk.muted() == [(ONE, "1"), (TWO, "1")]


@pytest.mark.parametrize("words", ["Permission denied", "Invalid/unknown command", "something new"])
async def test_any_other_refusal_is_no_silence(desk: Desk, words: str) -> None:
    """Nothing secret may be keyed then. That it stays silent afterwards breaks nothing."""
    desk.ami.answer = refused(words)  # type: ignore[assignment]
    with pytest.raises(Unusable, match=f"cannot be silenced: .*{words}"):
        await desk.recordings.silence([ONE], True)
    await desk.recordings.silence([ONE], False)


async def test_a_recording_that_begins_in_the_middle(desk: Desk) -> None:
    """Somebody presses record while the card is keyed: silent from its beginning; not any more afterwards."""
    await desk.recordings.silence([ONE], True)
    desk.ami.push(BEGUN)
    await desk.ami.until(lambda: desk.muted() == [(ONE, "1")] * 2)
    await desk.recordings.silence([ONE], False)
    desk.ami.push(BEGUN)
    await desk.settled()
    assert desk.muted()[-1] == (ONE, "0")


async def test_others_recordings_go_on(desk: Desk) -> None:
    """Only what must be silent is."""
    await desk.recordings.silence([TWO], True)
    desk.ami.push(BEGUN + LATER)
    await desk.settled()
    assert desk.muted() == [(TWO, "1")]


async def test_a_channel_that_is_no_more(desk: Desk) -> None:
    """Is forgotten: another one might be named so some day."""
    await desk.recordings.silence([ONE], True)
    desk.ami.push(HANGUP + BEGUN)
    await desk.settled()
    assert desk.muted() == [(ONE, "1")]


async def test_the_manager_is_lost_and_back(desk: Desk) -> None:
    """What began in the gap is silenced as soon as it can be; a secret is not asked for meanwhile."""
    await desk.recordings.silence([ONE], True)
    connects = desk.ami.connects
    desk.ami.drop()
    await desk.ami.until(lambda: desk.ami.connects > connects)
    await desk.ami.until(lambda: desk.muted() == [(ONE, "1")] * 2)


async def test_no_manager_no_secret(desk: Desk) -> None:
    """Closing off is refused; opening up is not an error that anybody could do something about."""
    await desk.client.close()
    with pytest.raises(Unusable, match="cannot be silenced"):
        await desk.recordings.silence([ONE], True)
    await desk.recordings.silence([ONE], False)


async def test_a_manager_that_does_not_answer(desk: Desk) -> None:
    """Nobody can say whether it is silent: then it is not."""

    def silent(action: Sent) -> str:
        return ""

    desk.ami.answer = silent
    with pytest.raises(Unusable, match="cannot be silenced"):
        await desk.recordings.silence([ONE], True)


async def test_more_than_can_be_remembered(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A recording that begins later could not be silenced: refused."""
    monkeypatch.setattr(recordings, "MOST_SILENT", 1)
    with pytest.raises(Unusable, match="more than 1"):
        await desk.recordings.silence([ONE, TWO], True)


async def test_the_words_are_asterisks(lab: Lab, client: AmiClient) -> None:
    """What it really says of a channel that is gone, and of one that nothing records."""
    silencer = Recordings(client)
    with pytest.raises(AmiError) as gone:
        await client.send(actions.mute_recording("PJSIP/nobody-00000001", True))
    assert gone.value.message in NOT_RECORDED
    await lab.asterisk.rx("channel originate Local/quiet@lab extension quiet@lab")
    listed = await eventually(lambda: client.send(actions.channels()), lambda reply: len(reply.events) > 1)
    name = next(one["channel"] for one in listed.events if "channel" in one)
    with pytest.raises(AmiError) as unrecorded:
        await client.send(actions.mute_recording(name, True))
    assert unrecorded.value.message in NOT_RECORDED
    await silencer.silence([name, "PJSIP/nobody-00000001"], True)
