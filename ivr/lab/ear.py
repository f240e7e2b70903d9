"""The phone's ear: receives the call's RTP and keeps it as it was in time, silence included.

Law: a far side that says nothing sends no packets, so a recording needs the time as well as the sound. Packets are
placed by their RTP timestamps, which no busy machine can delay; only where these jump (another source, a new stream)
does the time of arrival decide.
"""

import asyncio
import wave
from pathlib import Path
from typing import Final

import numpy as np

from ivr.lab.hearing import RATE, Sound, decode_alaw

APART: Final = 0.4
"""Seconds. Where timestamps and arrival disagree by more, the timestamps belong to another stream."""
_HEADER: Final = 12
_ALAW: Final = 8
_SILENCE: Final = 0xD5


class Ear(asyncio.DatagramProtocol):
    """One call's receiving end. `port` is where the RTP must go."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.port = 0
        self._loop = asyncio.get_running_loop()
        self._began: float | None = None
        self._last = 0.0
        self._offset: int | None = None
        """Sample in the recording minus RTP timestamp."""
        self._end = 0
        self._sounds: list[tuple[int, bytes]] = []
        self._arrived = asyncio.Event()

    async def open(self) -> None:
        """Listen on a free port of the address."""
        transport, _ = await self._loop.create_datagram_endpoint(lambda: self, local_addr=(self.address, 0))
        self._transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def close(self) -> None:
        """No longer listen."""
        self._transport.close()

    def begin(self) -> None:
        """The call is answered: time counts from here."""
        self._began = self._loop.time()

    @property
    def now(self) -> float:
        """Seconds since the answer."""
        return 0.0 if self._began is None else self._loop.time() - self._began

    @property
    def last_sound(self) -> float:
        """When the last packet came, in seconds since the answer; 0 when none has."""
        return self._last

    async def sound_after(self, moment: float) -> None:
        """Return when a packet has come later than this moment."""
        while self._last <= moment:
            self._arrived.clear()
            await self._arrived.wait()

    async def silence(self, seconds: float) -> None:
        """Return when no packet has come for so long."""
        while (rest := self._last + seconds - self.now) > 0:  # noqa: ASYNC110 - awaited is that nothing comes
            await asyncio.sleep(rest)

    def datagram_received(self, data: bytes, addr: tuple[str | object, int]) -> None:
        """One packet. Anything but a-law (comfort noise, telephone events) is no sound."""
        if self._began is None or len(data) <= _HEADER or data[1] & 0x7F != _ALAW:
            return
        now = self.now
        payload = data[_HEADER:]
        timestamp = int.from_bytes(data[4:8], "big")
        arrived = round(now * RATE)
        if self._offset is None or abs(timestamp + self._offset - arrived) > APART * RATE:
            self._offset = max(arrived, self._end) - timestamp
        start = timestamp + self._offset
        self._sounds.append((start, payload))
        self._end = start + len(payload)
        self._last = now
        self._arrived.set()

    def sound(self, after: float = 0.0) -> Sound:
        """What was heard from a moment (seconds since the answer) until now."""
        begin = round(after * RATE)
        heard: list[tuple[int, bytes]] = []
        for start, payload in reversed(self._sounds):
            if start < begin - RATE:  # a second, for packets that overtook each other
                break
            heard.append((start - begin, payload))
        length = max((start + len(payload) for start, payload in heard), default=0)
        samples = np.full(max(0, length, round(self.now * RATE) - begin), _SILENCE, dtype=np.uint8)
        for start, payload in reversed(heard):
            if start >= 0:
                samples[start : start + len(payload)] = np.frombuffer(payload, dtype=np.uint8)
        return decode_alaw(samples)

    def write(self, path: Path) -> None:
        """A WAV file of the whole call, 16-bit mono 8 kHz, from the answer to now."""
        with wave.open(str(path), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(self.sound().astype("<i2").tobytes())
