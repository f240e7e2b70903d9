"""What the lab's tests need to follow ARI events and to have a sound file."""

import json
import math
import struct
import wave
from pathlib import Path
from typing import Any

from websockets.asyncio.client import ClientConnection


class Listener:
    """Reads a socket's events and remembers them."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._seen: list[dict[str, Any]] = []

    async def until(self, kind: str, channel: str | None) -> dict[str, Any]:
        """The next event of this type for this channel (None: any)."""
        async for text in self._socket:
            event: dict[str, Any] = json.loads(text)
            self._seen.append(event)
            if event["type"] == kind and channel in (None, event["channel"]["id"]):
                return event
        raise AssertionError(f"the socket closed before {kind}")

    def kinds(self, channel: str) -> list[str]:
        """The types of a channel's events so far."""
        return [event["type"] for event in self._seen if event.get("channel", {}).get("id") == channel]

    def states(self, channel: str) -> list[str]:
        """The states that a channel changed into so far."""
        return [
            event["channel"]["state"]
            for event in self._seen
            if event["type"] == "ChannelStateChange" and event["channel"]["id"] == channel
        ]


def tone(path: Path, seconds: float) -> None:
    """Write a 440 Hz tone as 8 kHz 16-bit mono WAV."""
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = (round(8000 * math.sin(2 * math.pi * 440 * n / 8000)) for n in range(int(8000 * seconds)))
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"".join(struct.pack("<h", sample) for sample in samples))
