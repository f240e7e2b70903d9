"""Names that we choose for Asterisk's objects: every one tells its call, so all can be found again after a crash.

`<call_id>.play<token>`, `<call_id>.leg<token>`, `<call_id>.bridge<token>`, `<call_id>.record<token>`; the call id is
the id of the caller's channel, which Asterisk makes (`1700000000.12`, with its system name in front if it has one).
"""

import re
from typing import Final

_OURS: Final = re.compile(r"(.+)\.(play|leg|bridge)(\d+)")


def playback_id(call_id: str, token: int) -> str:
    """The id of the playback that `Play(token)` starts."""
    return f"{call_id}.play{token}"


def leg_id(call_id: str, token: int) -> str:
    """The channel id of the leg that `Dial(token)` makes."""
    return f"{call_id}.leg{token}"


def bridge_id(call_id: str, token: int) -> str:
    """The id of the bridge that joins the caller and that leg."""
    return f"{call_id}.bridge{token}"


def leg_of(channel_id: str) -> tuple[str, int] | None:
    """The call and the token of a leg's channel id; None for any other channel."""
    return _parse(channel_id, "leg")


def bridge_of(name: str) -> tuple[str, int] | None:
    """The call and the token of one of our bridges; None for any other bridge."""
    return _parse(name, "bridge")


def call_of(channel_id: str) -> str:
    """The call that a channel belongs to: a leg's caller, or the channel itself."""
    head, found, token = channel_id.rpartition(".leg")
    return head if found and token.isdecimal() else channel_id


def playback_token(name: str) -> int | None:
    """The token of one of our playbacks; None for any other."""
    _, found, token = name.rpartition(".play")
    return int(token) if found and token.isdecimal() else None


def recording_name(call_id: str, token: int) -> str:
    """The name of the recording that `Record(token)` makes; Asterisk keeps it under that name."""
    return f"{call_id}.record{token}"


def recording_token(name: str) -> int | None:
    """The token of one of our recordings; None for any other."""
    _, found, token = name.rpartition(".record")
    return int(token) if found and token.isdecimal() else None


def _parse(name: str, kind: str) -> tuple[str, int] | None:
    match = _OURS.fullmatch(name)
    if match is None or match[2] != kind:
        return None
    return match[1], int(match[3])
