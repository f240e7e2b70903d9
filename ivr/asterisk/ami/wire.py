"""AMI's text: actions to bytes, bytes to messages. No input or output here.

Law: no value that leaves can start a line of its own, and nothing that comes, however long, is kept beyond a bound. A
line or a field too many is left out and counted; the message that it stands in still comes, with what remains.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final

from ivr.domain.errors import BadInput

Fields = Mapping[str, str]
"""A message's fields: names in small letters (Asterisk writes Uniqueid and UniqueID), no control characters."""

LONGEST_LINE: Final = 4096
"""Bytes of a line that comes."""
MOST_LINES: Final = 256
"""Fields of a message that comes."""
LONGEST_SENT: Final = 1000
"""Bytes of a line that leaves: Asterisk refuses an action in which one has more than 1024."""
MOST_SENT: Final = 100
"""Fields of an action; Asterisk takes 128."""

TWICE: Final = "\0twice"
"""Stands among a message's fields, with their names, when some came more than once: no field's name has a NUL."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_KEY: Final = re.compile(rb"[!-9;-~]{1,80}")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_OURS: Final = frozenset({"action", "actionid"})


def encode(name: str, action_id: str, fields: Mapping[str, str]) -> bytes:
    """An action as it goes on the wire. Raises BadInput naming the field, never its value."""
    if _NAME.fullmatch(name) is None:
        raise BadInput("an action's name is a letter and then letters, digits, - and _")
    if len(fields) > MOST_SENT:
        raise BadInput(f"{name} has more than {MOST_SENT} fields")
    seen = set(_OURS)
    lines = [f"Action: {name}".encode(), f"ActionID: {action_id}".encode()]
    for key, value in fields.items():
        if _NAME.fullmatch(key) is None:
            raise BadInput(f"{name} has a field whose name is none")
        if key.lower() in seen:
            raise BadInput(f"{name} has the field {key} twice, or it is not for the caller to set")
        seen.add(key.lower())
        if _CONTROL.search(value) is not None:
            raise BadInput(f"{name}: {key} holds a line break or another control character")
        try:
            line = f"{key}: {value}".encode()
        except UnicodeEncodeError:
            raise BadInput(f"{name}: {key} is not text") from None
        if len(line) > LONGEST_SENT:
            raise BadInput(f"{name}: {key} is longer than {LONGEST_SENT} bytes")
        lines.append(line)
    return b"\r\n".join((*lines, b"", b""))


class Reader:
    """Bytes in, in whatever pieces; messages out. Keeps at most one line and one message."""

    def __init__(self) -> None:
        self.left_out = 0
        """Lines that were too long or too many."""
        self._rest = bytearray()
        self._overlong = False
        self._fields: dict[str, str] = {}
        self._lines = 0

    def lines(self, data: bytes | memoryview) -> Iterator[bytes]:
        """Every line that is now whole. Stop in the middle only when nothing more is wanted."""
        rest = self._rest
        rest += data
        start = 0
        while (end := rest.find(b"\r\n", start)) >= 0:
            line, overlong = bytes(rest[start : min(end, start + LONGEST_LINE + 1)]), self._overlong
            start, self._overlong = end + 2, False
            if overlong or len(line) > LONGEST_LINE:
                self.left_out += 1
            else:
                yield line
        del rest[:start]
        if len(rest) > LONGEST_LINE:  # its end is still to come, and may be cut between CR and LF
            self._overlong = True
            del rest[: -1 if rest.endswith(b"\r") else len(rest)]

    def messages(self, data: bytes | memoryview) -> Iterator[Fields]:
        """Every message that is now whole."""
        for line in self.lines(data):
            if line:
                self._take(line)
            elif self._fields:
                fields, self._fields, self._lines = self._fields, {}, 0
                yield fields
            else:
                self._lines = 0

    def _take(self, line: bytes) -> None:
        if self._lines >= MOST_LINES:
            self.left_out += 1
            return
        self._lines += 1
        key, colon, value = line.partition(b":")
        if not colon or _KEY.fullmatch(key) is None:
            return
        name = key.decode("ascii").lower()
        if name in self._fields:
            self._fields[TWICE] = f"{self._fields.get(TWICE, '')} {name}"
        else:
            self._fields[name] = _CONTROL.sub("\ufffd", value.decode("utf-8", "replace").removeprefix(" "))
