"""What Asterisk says over AGI: the request that opens a connection, and the lines that follow.

Law: what a call is believed to be (trunk, dialled number, channel) is written by the dialplan and by Asterisk before
anything that a caller can choose, and a name that stands twice refuses the whole request: a caller's number may hold a
line break, and must not thereby write a line of its own.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ivr.domain.digits import KEYS
from ivr.domain.errors import BadInput
from ivr.domain.phone import caller_number
from ivr.runtime.ports import CallInfo

MOST_NAMES: Final = 64
"""Asterisk sends some twenty, and one for each argument of AGI()."""
SHOWN: Final = range(4)
"""The values of agi_callingpres with which a caller's number is not withheld."""

_KEYS: Final = frozenset(map(ord, KEYS))
"""Asterisk says 1 of a wait that was broken off."""
_SCRIPT: Final = re.compile(r"([A-Za-z0-9_-]{1,64})/([0-9A-Za-z*#+_-]{1,80})")
_CHANNEL: Final = re.compile(r"[A-Za-z0-9._-]{1,150}")
_REPLY: Final = re.compile(r"([0-9]{3}) result=(-?[0-9]{1,9})(?: \((.*)\))?(?: endpos=([0-9]{1,12}))?", re.DOTALL)
_REFUSAL: Final = re.compile(r"([0-9]{3})([ -]).*", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer to one command."""

    code: int
    """200, or a refusal: 510 no such command, 511 the caller is gone, 520 the command was misspelt."""
    result: int = -1
    text: str | None = None
    """What stood in brackets."""
    endpos: int | None = None
    """The sample at which a playback ended; only a playback's reply has it."""

    @property
    def key(self) -> str | None:
        """The key that ended a playback or a wait."""
        return chr(self.result) if self.code == 200 and self.result in _KEYS else None


def read_request(lines: Sequence[str]) -> CallInfo:
    """Who called what by which trunk. Raises BadInput; its message holds nothing that was sent.

    The dialplan says `AGI(agi://<host>:<port>/<trunk>/${EXTEN})`.
    """
    fields = _fields(lines)
    script = _SCRIPT.fullmatch(fields.get("agi_network_script", ""))
    if script is None:
        raise BadInput("the dialplan must name trunk and number: AGI(agi://host:port/<trunk>/${EXTEN})")
    channel = fields.get("agi_uniqueid", "")
    if _CHANNEL.fullmatch(channel) is None:
        raise BadInput("the request has no agi_uniqueid that could be one")
    shown = fields.get("agi_callingpres", "0") in map(str, SHOWN)
    return CallInfo(
        call_id=channel,
        trunk=script[1],
        dialled_number=script[2],
        caller_number=caller_number(fields.get("agi_callerid")) if shown else None,
    )


def read_reply(line: str) -> Reply | None:
    """One line as a reply; None for the first lines of one that is longer. Raises BadInput for anything else."""
    if (reply := _REPLY.fullmatch(line)) is not None:
        code, result, text, endpos = reply.groups()
        return Reply(int(code), int(result), text, None if endpos is None else int(endpos))
    if (refusal := _REFUSAL.fullmatch(line)) is not None:
        return None if refusal[2] == "-" else Reply(int(refusal[1]))
    raise BadInput("that is no reply of AGI's")


def _fields(lines: Sequence[str]) -> Mapping[str, str]:
    if len(lines) > MOST_NAMES:
        raise BadInput(f"a request has at most {MOST_NAMES} lines")
    fields: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not name.startswith("agi_"):
            raise BadInput("a line of the request is not `agi_name: value`")
        if name in fields:
            raise BadInput("a name stands twice in the request")
        fields[name] = value.strip()
    return fields
