"""A caller and an agent as the switch sees them, at an Asterisk that is played."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from ivr.asterisk.ari.assisted import AssistedVoice
from ivr.asterisk.ari.switch import AriSwitch
from ivr.asterisk.ari.timing import Timing
from ivr.asterisk.ari.voice import AriVoice
from ivr.domain.errors import Unusable
from ivr.runtime.ports import CallInfo, Emit
from tests.asterisk.ari.conftest import Calls, Heard
from tests.asterisk.ari.fake import FakeAri, Reply, serving

CALL = "1700000000.12"
AGENT = "1700000000.13"
BRIDGE = f"{CALL}.assist"
CALLERS_NAME = "PJSIP/public-00000001"
AGENTS_NAME = "PJSIP/sara-00000002"
JOIN = f"POST /bridges/{BRIDGE}/addChannel"
MUTE = f"POST /channels/{CALL}/mute?direction=in"
UNMUTE = f"DELETE /channels/{CALL}/mute?direction=in"
END_CALLER = f"DELETE /channels/{CALL}?reason_code=16"
END_AGENT = f"DELETE /channels/{AGENT}?reason_code=16"
QUICK = Timing(first_pause=0.01, longest_pause=0.02)


def channel(
    name: str,
    app_data: str,
    *,
    called: str = CALLERS_NAME,
    app_name: str = "Stasis",
    exten: str = "42473051",
) -> dict[str, Any]:
    """As Asterisk describes one."""
    return {
        "id": name,
        "name": called,
        "state": "Up",
        "caller": {"name": "", "number": "09121234567"},
        "dialplan": {"exten": exten, "app_name": app_name, "app_data": app_data},
    }


CALLER = channel(CALL, f"ivr,agents,allowed,comes=01,by={AGENTS_NAME},assist=yes")
HELPER = channel(AGENT, f"ivr,assisting,,caller={CALL}", called=AGENTS_NAME, exten=f"help{CALL}")


class FakeSilencer:
    """Remembers what should be silent; says that it cannot where a test wants it."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], bool]] = []
        self.problem = ""
        self.door = asyncio.Event()
        self.door.set()

    async def silence(self, channels: Sequence[str], on: bool) -> None:
        self.asked.append((tuple(channels), on))
        await self.door.wait()
        if self.problem and on:
            raise Unusable(self.problem)


@dataclass
class Stage:
    """A switch, and an Asterisk that answers as a test says."""

    fake: FakeAri
    silencer: FakeSilencer = field(default_factory=FakeSilencer)
    calls: Calls = field(default_factory=Calls)
    replaced: list[tuple[AriVoice, CallInfo]] = field(default_factory=list)
    channels: list[dict[str, Any]] = field(default_factory=list)
    bridges: list[dict[str, Any]] = field(default_factory=list)
    watched: list[str] = field(default_factory=list)
    hung_up: set[str] = field(default_factory=set)
    """Channels that are no more; any other is still there, ours or not."""
    replies: dict[str, Reply] = field(default_factory=dict)
    held: dict[str, asyncio.Event] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fake.answer = self.answer
        self.switch = AriSwitch(
            self.fake.settings(), self.calls.on_call, QUICK, on_replace=self.on_replace, silencer=self.silencer
        )

    def on_replace(self, voice: AriVoice, replaced: CallInfo) -> Emit:
        self.replaced.append((voice, replaced))
        return self.calls.on_call(voice)

    async def answer(self, request: dict[str, Any]) -> Reply | None:
        name = f"{request['method']} /{request['uri']}"
        if name in self.held:
            await self.held[name].wait()
        if name in self.replies:
            return self.replies[name]
        ours = [one["id"] for one in self.channels if one["dialplan"]["app_data"].startswith("ivr,")]
        listings: dict[str, object] = {
            "GET /channels": self.channels,
            "GET /bridges": self.bridges,
            "GET /applications/ivr": {"channel_ids": [*ours, *self.watched]},
        }
        if name in {f"GET /channels/{one}" for one in self.hung_up}:
            return 404, {"message": "Channel not found"}
        return (200, listings[name]) if name in listings else (204, None)

    async def starts(self, of: dict[str, Any], **more: object) -> None:
        """This channel comes into our application."""
        self.channels = [one for one in self.channels if one["id"] != of["id"]] + [of]
        await self.fake.push({"type": "StasisStart", "args": [], "channel": of, **more})

    async def ends(self, of: dict[str, Any], kind: str = "StasisEnd", **more: object) -> None:
        """It leaves, or is no more."""
        self.channels = [one for one in self.channels if one["id"] != of["id"]]
        await self.fake.push({"type": kind, "channel": of, **more})

    async def key(self, of: dict[str, Any], digit: str) -> None:
        await self.fake.push({"type": "ChannelDtmfReceived", "channel": of, "digit": digit, "duration_ms": 100})

    async def asked(self, name: str, times: int = 1) -> None:
        await self.fake.until(lambda: self.fake.paths().count(name) >= times)

    async def settled(self) -> None:
        """Everything that was said before has been read, and what followed from it has been asked."""
        for _ in range(3):
            await self.switch.client.request("GET", "/asterisk/ping")

    def names(self, *prefixes: str) -> list[str]:
        """What was asked, as far as it begins so."""
        return [name for name in self.fake.paths() if name.startswith(prefixes)]

    async def lost(self) -> None:
        """The connection breaks, and is there again."""
        before = self.fake.connects
        looks = self.fake.paths().count("GET /applications/ivr")
        self.fake.drop()
        await self.fake.until(lambda: self.fake.connects > before)
        await self.asked("GET /applications/ivr", looks + 1)
        await self.settled()

    async def took_over(self) -> None:
        await self.switch.take_over(self.calls.on_resume)

    async def caller(self) -> Heard:
        """The assisted caller comes."""
        await self.starts(CALLER)
        return await self.calls.next()

    async def both(self) -> Heard:
        """And the agent."""
        heard = await self.caller()
        await self.starts(HELPER)
        await self.asked(JOIN, 2)
        assert isinstance(heard.voice, AssistedVoice) and heard.voice.agent_id == AGENT
        return heard


@asynccontextmanager
async def staged() -> AsyncIterator[Stage]:
    """Connected; nobody is there yet."""
    async with serving() as fake:
        stage = Stage(fake)
        await stage.switch.start()
        try:
            yield stage
        finally:
            await stage.switch.close()
