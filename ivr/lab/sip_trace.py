"""SIP as it arrived, from the capture that Asterisk itself writes (`pjsip set logger pcap`).

Law: only whole messages are read; a file that is still being written ends where its last whole packet ends.
"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_FILE_HEADER: Final = 24
_PACKET_HEADER: Final = struct.Struct("<IIII")
_ETHERNET: Final = 14
_UDP_HEADER: Final = 8
_LINK_ETHERNET: Final = 1


@dataclass(frozen=True, slots=True)
class SipMessage:
    """One message: its first line and its headers, in order, names as they were written."""

    first_line: str
    headers: tuple[tuple[str, str], ...]

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for one, value in self.headers if one.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The first value of a header."""
        return next(iter(self.all(name)), None)

    @property
    def caller(self) -> tuple[str, str]:
        """Name and user part of the From header: what Asterisk calls CALLERID(name) and CALLERID(num)."""
        match = re.match(r'\s*(?:"([^"]*)")?\s*<sips?:([^@>;]*)', self.header("From") or "")
        return (match[1] or "", match[2]) if match else ("", "")


def invites(capture: Path) -> list[SipMessage]:
    """The INVITEs of new calls in a capture, in order; those within a call (with a To tag) are left out."""
    return [
        message
        for message in messages(capture)
        if message.first_line.startswith("INVITE ") and ";tag=" not in (message.header("To") or "")
    ]


def messages(capture: Path) -> list[SipMessage]:
    """Every SIP message over UDP in a capture."""
    data = capture.read_bytes()
    if len(data) < _FILE_HEADER:
        return []
    link_type = struct.unpack_from("<I", data, 20)[0]
    found = []
    at = _FILE_HEADER
    while at + _PACKET_HEADER.size <= len(data):
        _, _, length, _ = _PACKET_HEADER.unpack_from(data, at)
        at += _PACKET_HEADER.size
        packet = data[at : at + length]
        if len(packet) < length:
            break
        at += length
        text = _payload(packet, link_type)
        if text is not None:
            found.append(_parse(text))
    return found


def _payload(packet: bytes, link_type: int) -> str | None:
    ip = packet[_ETHERNET:] if link_type == _LINK_ETHERNET else packet
    if len(ip) < 20 or ip[0] >> 4 != 4:
        return None
    body = ip[(ip[0] & 15) * 4 + _UDP_HEADER :]
    text = body.decode("utf-8", "replace")
    return text if "SIP/2.0" in text.partition("\r\n")[0] else None


def _parse(text: str) -> SipMessage:
    first, *lines = text.partition("\r\n\r\n")[0].split("\r\n")
    headers = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return SipMessage(first, headers)
