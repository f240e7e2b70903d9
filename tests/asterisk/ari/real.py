"""Two real Asterisks on loopback: ours, and the world outside, whose phones and banks are moved by a test over ARI."""

import asyncio
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from ivr.asterisk.ari.client import AriClient
from ivr.asterisk.ari.events import (
    CALL_EVENTS,
    CallEvent,
    ChannelDestroyed,
    ChannelDtmfReceived,
    StasisEnd,
    StasisStart,
)
from ivr.asterisk.settings import Ari, AsteriskSettings, Trunk
from ivr.domain.secret import Secret
from ivr.lab.asterisk import Instance, ensure_asterisk

NUMBER = "4247"
"""The number that the world calls us by."""
BANK_NUMBERS = ("1111", "2222")
PATIENCE = 10.0


def settings(name: str, own: str, other: str, nobody: str, sounds: Path) -> AsteriskSettings:
    """One Asterisk that knows the other as trunk `peer`, and a trunk where nobody is."""
    return AsteriskSettings(
        ari=Ari(f"http://{own}:8088", "tester", Secret("geheim-8088"), name),
        sounds=str(sounds),
        sip_bind=f"{own}:5060",
        trunks=(
            Trunk("peer", other, match=(other,), trust_headers=True),
            Trunk("dead", nobody, match=(nobody,)),
        ),
    )


@asynccontextmanager
async def running(name: str, config: AsteriskSettings, numbers: tuple[str, ...], home: Path) -> AsyncIterator[None]:
    """An Asterisk with this configuration, gone at the end."""
    instance = Instance(ensure_asterisk(), name, home)
    instance.configure(config, numbers)
    async with instance:
        yield


def write_sound(path: Path, seconds: float, *, loud: bool = False) -> str:
    """A sound file, silent or a loud hum; returns how Asterisk is told of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path.with_suffix(".wav")), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        period = b"\x00\x30" * 20 + b"\x00\xd0" * 20 if loud else bytes(80)
        sound.writeframes(period * int(200 * seconds))
    return str(path)


class World:
    """The other Asterisk: phones that call us, and banks that we call."""

    def __init__(self, config: AsteriskSettings) -> None:
        self.client = AriClient(
            config.ari,
            on_event=self._on_event,
            on_connected=lambda: None,
            on_gap=lambda: None,
            event_types=CALL_EVENTS,
        )
        self.events: list[CallEvent] = []
        self._news = asyncio.Event()
        self._phones = 0

    async def call(self, caller: str = "09121234567", headers: dict[str, str] | None = None) -> str:
        """A phone calls us; returns its channel's id, at once."""
        self._phones += 1
        phone = f"phone{id(self)}-{self._phones}"
        body = {
            "endpoint": f"PJSIP/{NUMBER}@peer",
            "app": self.client.application,
            "callerId": f'"Caller" <{caller}>',
            "variables": {f"PJSIP_HEADER(add,{name})": value for name, value in (headers or {}).items()},
        }
        await self.client.request("POST", f"/channels/{phone}", body=body)
        return phone

    async def incoming(self) -> str:
        """The next call that we made to the bank; returns its channel's id."""
        start = await self.wait(lambda e: isinstance(e, StasisStart) and e.channel.state == "Ring")
        assert isinstance(start, StasisStart)
        self.events.remove(start)
        return start.channel.id

    async def press(self, channel: str, keys: str) -> None:
        await self.client.request("POST", f"/channels/{channel}/dtmf", {"dtmf": keys})

    async def post(self, channel: str, what: str) -> None:
        await self.client.request("POST", f"/channels/{channel}/{what}")

    async def hang_up(self, channel: str, cause: int = 16) -> None:
        await self.client.request("DELETE", f"/channels/{channel}", {"reason_code": str(cause)})

    async def keys(self, channel: str, count: int) -> str:
        """What was keyed at this channel, once there are so many keys."""

        def heard() -> list[str]:
            return [e.digit for e in self.events if isinstance(e, ChannelDtmfReceived) and e.channel.id == channel]

        await self.until(lambda: len(heard()) >= count)
        return "".join(heard())

    async def end_of(self, channel: str) -> ChannelDestroyed:
        end = await self.wait(lambda e: isinstance(e, ChannelDestroyed) and e.channel.id == channel)
        assert isinstance(end, ChannelDestroyed)
        return end

    async def left(self, channel: str) -> None:
        """Return once a channel that called in is gone; of such a one Asterisk tells no more than StasisEnd."""
        await self.wait(lambda e: isinstance(e, StasisEnd) and e.channel.id == channel)

    async def wait(self, wanted: Callable[[CallEvent], bool]) -> CallEvent:
        await self.until(lambda: any(wanted(e) for e in self.events))
        return next(e for e in self.events if wanted(e))

    async def until(self, ready: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not ready():
                self._news.clear()
                await self._news.wait()

    def _on_event(self, event: CallEvent) -> None:
        self.events.append(event)
        self._news.set()


async def eventually(look: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """Asterisk tells nobody when its lists have become short again: ask until they have."""
    async with asyncio.timeout(PATIENCE):
        while not wanted(found := await look()):  # noqa: ASYNC110 -- there is no event to wait for
            await asyncio.sleep(0.02)
    return found
