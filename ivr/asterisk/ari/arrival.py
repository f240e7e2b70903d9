"""Who comes, by which way, and with what: read from the arguments that the dialplan gives to `Stasis()`.

`Stasis(<application>,<trunk>,${CALLERID(pres)},<name>=<value>…)`: `comes` and `by` for callers whom an agent sent,
`asked` for a call that an agent makes with keys to give it to a caller, `back` and `how` for those who have talked to
one. See `ivr.asterisk.render`.
"""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from ivr.asterisk.ari.events import Channel
from ivr.asterisk.render.agents import ASSISTING
from ivr.asterisk.settings import AGENTS_TRUNK
from ivr.domain.errors import BadInput
from ivr.domain.legs import LegResult
from ivr.domain.phone import caller_number
from ivr.runtime.ports import ANY_VISIT, Back, CallInfo

MOST_BEHIND: Final = 8
"""Values keyed behind a number that are looked at."""

QUEUE_RESULTS: Final[Mapping[str, LegResult]] = {
    "CONTINUE": LegResult.ENDED,
    "TIMEOUT": LegResult.NO_ANSWER,
    "FULL": LegResult.BUSY,
}
"""Asterisk's QUEUESTATUS; every other one means that nobody was there."""

_ENDPOINT: Final = re.compile(r"PJSIP/(.+)-[0-9a-f]{8}")
_PARAMETERS: Final = re.compile(r"[;?&]([^;?&=>]+)=([^;?&=>]*)")
MOST_REFER_TO: Final = 1024
"""Characters of a Refer-To header; nothing is taken from a longer one."""


def call_info(channel: Channel) -> CallInfo:
    """Who called what by which trunk. Raises BadInput when the dialplan does not say."""
    _, trunk, presentation, *more = (*channel.dialplan.app_data.split(","), "", "")
    if not trunk:
        raise BadInput("the dialplan must name the trunk: Stasis(<application>,<trunk>,${CALLERID(pres)})")
    said = dict(one.split("=", 1) for one in more if "=" in one)
    # Without the presentation, a number that came with a wish for privacy cannot be told from any other.
    shown = not presentation or is_shown(presentation)
    dialled, *behind = channel.dialplan.exten.split("*")
    by = said.get("by") or said.get("asked", "")
    return CallInfo(
        call_id=channel.id,
        trunk=trunk,
        dialled_number=dialled,
        caller_number=caller_number(channel.caller.number) if shown else None,
        agent=endpoint(by or channel.name) if trunk == AGENTS_TRUNK else None,
        behind=tuple(behind[:MOST_BEHIND]),
        assisted=said.get("assist") == "yes",
        sent=bool(by),
        visit="" if said.get("comes", "0") in ("", "0") else f"{_number(said['comes'])}",
        back=Back(_number(said["back"]), QUEUE_RESULTS.get(said.get("how", ""), LegResult.UNREACHABLE))
        if "back" in said
        else None,
    )


def is_shown(presentation: str) -> bool:
    """Whether Asterisk's CALLERID(pres) lets us have the number."""
    return presentation.startswith("allowed")


def helper_of(channel: Channel) -> str | None:
    """The caller's channel, if this is an agent who is to help them: `Stasis(<application>,assisting,,caller=<id>)`."""
    _, place, _, *more = (*channel.dialplan.app_data.split(","), "", "", "")
    said = dict(one.split("=", 1) for one in more if "=" in one)
    return said.get("caller") if place == ASSISTING else None


def in_place_of(channel: Channel, replaced: CallInfo) -> CallInfo:
    """A caller whom an agent gives their own place in a call to one of our numbers.

    Withheld until `ivr.asterisk.ari.voice` has asked: a channel that is replaced does not say its presentation.
    """
    return replace(
        replaced,
        call_id=channel.id,
        caller_number=None,
        sent=True,
        visit=replaced.session_id,
    )


def moved(channel: Channel) -> CallInfo:
    """The same one, found by a new process: only the call's snapshot knows more."""
    return CallInfo(channel.id, AGENTS_TRUNK, "", None, sent=True, visit=ANY_VISIT)


def endpoint(channel_name: str) -> str | None:
    """Whose channel it is: `sara` of `PJSIP/sara-0000001f`."""
    match = _ENDPOINT.fullmatch(channel_name)
    return match[1] if match else None


def parameters(refer_to: str) -> dict[str, str]:
    """What stands behind a Refer-To's address (`sip:42473000@host;X-Invoice-Id=65843148`), by name in small letters.

    Asterisk keeps no more of it than the address with its parameters: headers behind a `?` are lost.
    """
    found = _PARAMETERS.findall(refer_to) if len(refer_to) <= MOST_REFER_TO else ()  # cut off, a number is another one
    return {unquote(name).lower(): unquote(value) for name, value in found}


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 20 else 0
