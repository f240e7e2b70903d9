"""How long callers wait after a key, seen from outside: the packets between Asterisk and the callers.

Law: nothing that a program says of itself is used. A key's end is its first RFC 4733 packet with the end bit; a prompt
begins with the first of its packets, known by its sound (a prompt is sent as its file has it, 20 ms a packet, and the
first packet that no other prompt has tells which one it is). Times are the kernel's, from when a packet passes.
"""

import ctypes
import socket
import struct
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

FRAME: Final = 160
"""Bytes of a packet's sound: 20 ms."""
FRAME_SECONDS: Final = 0.02
ALAW: Final = 8
EVENT: Final = 96
POUND: Final = 11
ONE: Final = 1
WITHIN: Final = 5.0
"""A prompt that begins later than so many seconds after a key does not belong to it."""

_IPV4: Final = 0x0800
_UDP: Final = 17
_RTP: Final = 12
_END: Final = 0x80
_PACKET_IGNORE_OUTGOING: Final = 23
"""Of linux/if_packet.h: on loopback every packet passes twice, going and coming."""
_SOL_PACKET: Final = 263
_SO_TIMESTAMPNS: Final = 35
_SO_RCVBUFFORCE: Final = 33
_SO_ATTACH_FILTER: Final = 26
_BUFFER: Final = 64 * 1024 * 1024
_SNAP: Final = 256


@dataclass(frozen=True, slots=True)
class Packet:
    """One RTP packet between a caller and Asterisk. `line` is Asterisk's port: one call at a time."""

    at: float
    line: int
    kind: int
    """Payload type."""
    payload: bytes


@dataclass(frozen=True, slots=True)
class Delays:
    """Seconds from a key's end to the next prompt's beginning, one for each call where both were seen."""

    menu: list[float]
    """The key 1, then the connecting prompt: no provider is asked in between."""
    invoice: list[float]
    """The key # after the invoice number, then the amount: the provider is asked in between."""
    keys: int
    """Keys # and 1 that should have been followed by a prompt."""


class Wire:
    """`with Wire(address) as wire`: every packet from and to this address at loopback is kept, its first `snap` bytes.

    Needs the right to see packets (root): PermissionError without.
    """

    def __init__(self, address: str, media_port: int = 0, *, snap: int = _SNAP) -> None:
        self._address = socket.inet_aton(address)
        self._port = media_port
        self._snap = snap
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_IPV4))
        self._seen: list[tuple[float, bytes]] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._listen, name="wire", daemon=True)

    def __enter__(self) -> Self:
        wire = self._socket
        program = _only(self._address, self._snap)
        kept = ctypes.create_string_buffer(program)
        wire.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HL", len(program) // 8, ctypes.addressof(kept))
        )
        wire.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        wire.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        wire.setsockopt(_SOL_PACKET, _PACKET_IGNORE_OUTGOING, 1)
        wire.settimeout(0.2)
        wire.bind(("lo", _IPV4))
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._thread.join()
        self._socket.close()

    def packets(self) -> Iterator[Packet]:
        """What was sent so far, in order."""
        for at, data in self._seen:
            packet = _packet(at, data, self._address, self._port)
            if packet is not None:
                yield packet

    def everything(self) -> Iterator[bytes]:
        """All packets so far, in order, from their IPv4 header on."""
        return (data for _, data in list(self._seen))

    def _listen(self) -> None:
        while not self._stopping:
            try:
                data, extra, _, _ = self._socket.recvmsg(self._snap, 64)
            except TimeoutError:
                continue
            seconds, nanoseconds = struct.unpack("qq", extra[0][2])
            self._seen.append((seconds + nanoseconds / 1e9, data))


class Sounds:
    """Knows prompts by their packets."""

    def __init__(self, recordings: Mapping[str, bytes]) -> None:
        frames = {name: _frames(sound) for name, sound in recordings.items()}
        self._known: dict[bytes, tuple[str, int]] = {}
        for name, own in frames.items():
            others = {frame for other, theirs in frames.items() if other != name for frame in theirs}
            at = next((at for at, frame in enumerate(own) if frame not in others and own.count(frame) == 1), None)
            if at is not None:
                self._known[own[at]] = (name, at)

    @classmethod
    def of(cls, directory: Path) -> "Sounds":
        """The built prompts below a directory, named by their paths."""
        return cls({str(file.relative_to(directory))[:-5]: file.read_bytes() for file in directory.rglob("*.alaw")})

    def begins(self, packet: Packet) -> tuple[str, float] | None:
        """The prompt whose packet this is, and when its first one was due; None for any other packet."""
        known = self._known.get(packet.payload) if packet.kind == ALAW else None
        return None if known is None else (known[0], packet.at - known[1] * FRAME_SECONDS)


def delays(packets: Iterable[Packet], sounds: Sounds, amount: str, connecting: str) -> Delays:
    """Post-key delays of every call. `amount` and `connecting` are the prompts that follow # and 1."""
    found = Delays([], [], 0)
    keys = 0
    asked: dict[int, tuple[float, bool]] = {}
    agreeing: set[int] = set()
    last: dict[int, int] = {}
    for packet in packets:
        if packet.kind == EVENT and len(packet.payload) >= 4:
            key, ended = packet.payload[0], bool(packet.payload[1] & _END)
            if not ended:
                last.pop(packet.line, None)
            elif last.get(packet.line) != key:  # the end is said three times
                last[packet.line] = key
                if key == POUND:
                    asked[packet.line] = (packet.at, False)
                    agreeing.add(packet.line)
                    keys += 1
                elif key == ONE and packet.line in agreeing:
                    asked[packet.line] = (packet.at, True)
                    agreeing.discard(packet.line)
                    keys += 1
        elif (prompt := sounds.begins(packet)) is not None and packet.line in asked:
            at, agreed = asked[packet.line]
            name, began = prompt
            if name != (connecting if agreed else amount):
                continue
            del asked[packet.line]
            if began - at <= WITHIN:
                (found.menu if agreed else found.invoice).append(began - at)
    return Delays(found.menu, found.invoice, keys)


def _only(address: bytes, snap: int) -> bytes:
    """A filter for the kernel (classic BPF): IPv4 packets from or to this address, `snap` bytes of each."""
    load, equal, give = 0x20, 0x15, 0x06  # a word of the packet; jump by comparing with it; done, so many bytes
    (number,) = struct.unpack("!I", address)
    steps = ((load, 0, 0, 12), (equal, 2, 0, number), (load, 0, 0, 16), (equal, 0, 1, number), (give, 0, 0, snap))
    return b"".join(struct.pack("HBBI", *step) for step in (*steps, (give, 0, 0, 0)))


def _packet(at: float, data: bytes, address: bytes, media_port: int) -> Packet | None:
    """An RTP packet from or to the callers; None for anything else."""
    header = (data[0] & 15) * 4
    if data[9] != _UDP or len(data) < header + 8 + _RTP:
        return None
    source, target = struct.unpack_from("!HH", data, header)
    if data[12:16] == address and source == media_port:
        line = target
    elif data[16:20] == address and target == media_port:
        line = source
    else:
        return None
    rtp = header + 8
    return Packet(at, line, data[rtp + 1] & 0x7F, data[rtp + _RTP :])


def _frames(sound: bytes) -> list[bytes]:
    return [sound[at : at + FRAME] for at in range(0, len(sound) - FRAME + 1, FRAME)]
