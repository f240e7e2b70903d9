"""The phone's ear: receives the call's RTP and keeps it as it was in time, silence included.

Law: a far side that says nothing sends no packets, so a recording needs the time as well as the sound. Packets are
placed by their RTP timestamps, which no busy machine can delay; only where these jump (another source, a new stream)
does the time of arrival decide, and that is the kernel's, not ours.
"""

import asyncio
import socket
import struct
import time
import wave
from pathlib import Path
from typing import Final

import numpy as np

from ivr.lab.hearing import RATE, Sound, decode_alaw

APART: Final = 0.4
"""Seconds. Where timestamps and arrival disagree by more, the timestamps belong to another stream."""
_HEADER: Final = 12
_MOST_BYTES: Final = 2048
_TIMESTAMPS: Final = 35
"""SO_TIMESTAMPNS: the kernel says when a packet came, so that it may be read late on a busy machine."""
_TIMESPEC: Final = struct.Struct("@ll")
_MORE_BYTES: Final = socket.CMSG_SPACE(_TIMESPEC.size)
_ALAW: Final = 8
_SILENCE: Final = 0xD5


class Ear:
    """One call's receiving end. `port` is where the RTP must go."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.port = 0
        self._loop = asyncio.get_running_loop()
        self._began: float | None = None
        self._closed: float | None = None
        self._last = 0.0
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setblocking(False)  # a call that is never answered closes it unopened
        self._offset: int | None = None
        """Sample in the recording minus RTP timestamp."""
        self._end = 0
        self._sounds: list[tuple[int, bytes]] = []
        self._arrived = asyncio.Event()

    def open(self) -> None:
        """Listen on a free port of the address."""
        self._socket.setsockopt(socket.SOL_SOCKET, _TIMESTAMPS, 1)
        self._socket.bind((self.address, 0))
        self.port = self._socket.getsockname()[1]
        self._loop.add_reader(self._socket, self._read)

    def close(self) -> None:
        """No longer listen; the recording ends here. Twice is once."""
        if self._closed is None:
            self._read()
            self._closed = self.now
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def begin(self) -> None:
        """The call is answered: time counts from here."""
        self._began = time.time()

    @property
    def now(self) -> float:
        """Seconds since the answer, no longer counted after the end."""
        if self._closed is not None:
            return self._closed
        return 0.0 if self._began is None else time.time() - self._began

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

    def _read(self) -> None:
        while True:
            try:
                data, more, _, _ = self._socket.recvmsg(_MOST_BYTES, _MORE_BYTES)
            except BlockingIOError:
                return
            stamp = next((_TIMESPEC.unpack(raw) for _, kind, raw in more if kind == _TIMESTAMPS), None)
            self._take(data, time.time() if stamp is None else stamp[0] + stamp[1] / 1e9)

    def _take(self, data: bytes, at: float) -> None:
        """One packet. Anything but a-law (comfort noise, telephone events) is no sound."""
        if self._began is None or at < self._began or len(data) <= _HEADER or data[1] & 0x7F != _ALAW:
            return
        now = at - self._began
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
