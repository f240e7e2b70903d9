"""Asterisk's side of AGI, played over a real socket."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace

from ivr.asterisk.agi.switch import AgiSwitch
from ivr.asterisk.agi.voice import AgiVoice
from ivr.asterisk.settings import Agi
from ivr.flow.events import Event
from ivr.runtime.ports import Emit

PATIENCE = 5.0
SETTINGS = Agi(listen="127.0.0.1:0", request_seconds=0.3)


def request(
    call_id: str = "1795347322.0", caller: str = "09121234567", more: str = "", path: str = "peer/4247"
) -> bytes:
    """What Asterisk 22 sends first."""
    return (
        f"agi_network: yes\nagi_network_script: {path}\nagi_request: agi://127.0.0.1:4573/{path}\n"
        f"agi_channel: PJSIP/peer-00000000\nagi_language: en\nagi_type: PJSIP\nagi_uniqueid: {call_id}\n"
        f"agi_version: 22.10.1\nagi_callerid: {caller}\nagi_calleridname: Caller\nagi_callingpres: 0\n"
        f"agi_callingani2: 0\nagi_dnid: 4247\nagi_context: from-peer\nagi_extension: 4247\nagi_priority: 1\n"
        f"agi_enhanced: 0.0\nagi_accountcode: \nagi_threadid: 140254512027328\n{more}\n"
    ).encode()


class Heard:
    """One call as the runtime would see it."""

    def __init__(self, voice: AgiVoice) -> None:
        self.voice = voice
        self.events: asyncio.Queue[Event] = asyncio.Queue()

    async def next(self) -> Event:
        async with asyncio.timeout(PATIENCE):
            return await self.events.get()


class House:
    """A switch of ours that listens, and the calls that it brought in."""

    def __init__(self, settings: Agi) -> None:
        self.switch = AgiSwitch(settings, self._on_call)
        self.calls: asyncio.Queue[Heard] = asyncio.Queue()

    @property
    def address(self) -> tuple[str, int]:
        return self.switch.server.address

    async def call(self) -> Heard:
        async with asyncio.timeout(PATIENCE):
            return await self.calls.get()

    async def empty(self) -> None:
        """Return once nothing is left of any connection."""
        async with asyncio.timeout(PATIENCE):
            while self.switch.server.connections or self.switch.calls:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(0.005)

    def _on_call(self, voice: AgiVoice) -> Emit:
        heard = Heard(voice)
        self.calls.put_nowait(heard)
        return heard.events.put_nowait


@asynccontextmanager
async def house(settings: Agi = SETTINGS, **changes: object) -> AsyncIterator[House]:
    """Listening inside the block; afterwards nothing is left."""
    made = House(replace(settings, **changes))  # type: ignore[arg-type]
    await made.switch.start()
    try:
        yield made
    finally:
        await made.switch.close()
        await made.empty()


class Channel:
    """One AGI() of Asterisk's: says what it is told, and reads our commands."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._commands: deque[str] = deque()

    async def command(self) -> str:
        """Our next command that does something; waits for a key and nudges are answered on the way."""
        while True:
            line = await self.line()
            if not line.startswith("WAIT FOR DIGIT") and line != "NOOP":
                return line
            self.say("200 result=0")

    async def line(self) -> str:
        """Our next command; empty at the end."""
        async with asyncio.timeout(PATIENCE):
            return (await self.reader.readline()).decode().rstrip("\n")

    async def expect(self, command: str, reply: str | None = "200 result=0") -> str:
        """Our next command begins so; reply to it."""
        got = await self.command()
        assert got.startswith(command), got
        if reply is not None:
            self.say(reply)
        return got

    def say(self, line: str) -> None:
        self.writer.write(f"{line}\n".encode())

    async def key(self, key: str) -> None:
        """Press a key while we wait for one."""
        assert (await self.line()).startswith("WAIT FOR DIGIT")
        self.say(f"200 result={ord(key)}")

    async def ended(self) -> bool:
        """Whether we closed the connection; commands that are still under way are read past."""
        async with asyncio.timeout(PATIENCE):
            with suppress(ConnectionError):
                while await self.reader.readline():
                    pass
            return True

    def close(self) -> None:
        self.writer.close()


@asynccontextmanager
async def channel(house: House, opening: bytes | None = None) -> AsyncIterator[Channel]:
    """A connection that has sent this (None: a whole request)."""
    reader, writer = await asyncio.open_connection(*house.address)
    made = Channel(reader, writer)
    writer.write(request() if opening is None else opening)
    try:
        yield made
    finally:
        made.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
