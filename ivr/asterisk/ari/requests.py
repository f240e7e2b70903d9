"""Every request that we make of ARI, one function each. Nothing here sends anything.

Law: parameters travel in the JSON body where ARI takes one, so that no list is split at its commas; ids are
quoted in paths. A test compares each request with the running Asterisk's own description.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

from ivr.domain.legs import HangupCause
from ivr.runtime.ports import LegOrder, RecordOrder

APOLOGY_LABEL: Final = "sorry"
AGAIN_LABEL: Final = "again"
"""The label in each of our extensions at which callers are told to try later."""

RECORDING_FORMAT: Final = "wav"
"""What messages are kept as: every program plays it."""

Body = Mapping[str, object]


class Request(NamedTuple):
    """One request: `path` starts with a slash, below `/ari`."""

    method: str
    path: str
    query: Mapping[str, str] | None = None
    body: Body | None = None

    @property
    def target(self) -> str:
        """Path and query, as they go on the wire."""
        return f"{self.path}?{urlencode(self.query)}" if self.query else self.path


def filter_events(application: str, types: Iterable[str]) -> Request:
    """Send us these types and no others; forgotten by Asterisk at every disconnect."""
    return Request(
        "PUT", f"/applications/{_id(application)}/eventFilter", body={"allowed": [{"type": kind} for kind in types]}
    )


def list_channels() -> Request:
    """Every channel of this Asterisk."""
    return Request("GET", "/channels")


def look_at_channel(channel: str) -> Request:
    """Gone once it is hung up."""
    return Request("GET", f"/channels/{_id(channel)}")


def list_bridges() -> Request:
    """Every bridge of this Asterisk."""
    return Request("GET", "/bridges")


def look_at_application(application: str) -> Request:
    """Which channels and bridges are its."""
    return Request("GET", f"/applications/{_id(application)}")


def answer(channel: str) -> Request:
    """Pick up."""
    return Request("POST", f"/channels/{_id(channel)}/answer")


def play(channel: str, playback: str, media: Sequence[str]) -> Request:
    """Play sound files in a row. A second playback of the same id is not refused: it plays twice."""
    return Request(
        "POST", f"/channels/{_id(channel)}/play/{_id(playback)}", body={"media": [f"sound:{m}" for m in media]}
    )


def look_at_playback(playback: str) -> Request:
    """Gone once it is over."""
    return Request("GET", f"/playbacks/{_id(playback)}")


def stop_playback(playback: str) -> Request:
    """Its PlaybackFinished says done."""
    return Request("DELETE", f"/playbacks/{_id(playback)}")


def record(channel: str, name: str, order: RecordOrder) -> Request:
    """Record what the channel says into Asterisk's recording directory."""
    body: dict[str, object] = {
        "name": name,
        "format": RECORDING_FORMAT,
        "maxDurationSeconds": math.ceil(order.longest),
        "maxSilenceSeconds": math.ceil(order.silence),
        "ifExists": "overwrite",
        "beep": order.beep,
        "terminateOn": order.finish_key or "none",
    }
    return Request("POST", f"/channels/{_id(channel)}/record", body=body)


def discard_recording(name: str) -> Request:
    """End a recording and throw it away."""
    return Request("DELETE", f"/recordings/live/{_id(name)}")


def ring(channel: str) -> Request:
    """Let the caller hear ringing; joining a bridge ends it."""
    return Request("POST", f"/channels/{_id(channel)}/ring")


def stop_ringing(channel: str) -> Request:
    """No more ringing."""
    return Request("DELETE", f"/channels/{_id(channel)}/ring")


def dial(application: str, caller: str, token: int, order: LegOrder) -> Request:
    """Make the leg and dial it; it enters our application once it is answered."""
    body: dict[str, object] = {
        "endpoint": f"PJSIP/{order.number}@{order.trunk}",
        "app": application,
        "appArgs": f"leg,{token}",
        "originator": caller,
        "timeout": math.ceil(order.answer_timeout),
        "variables": {f"PJSIP_HEADER(add,{name})": value for name, value in order.headers.items()},
    }
    if order.caller_id:
        body["callerId"] = f'"{order.caller_id}" <{order.caller_id}>'
    return Request("POST", f"/channels/{_id(order.leg_id)}", body=body)


def make_bridge(bridge: str) -> Request:
    """A bridge that lets RTP pass without looking into it where it can, keyed digits included."""
    return Request("POST", f"/bridges/{_id(bridge)}", body={"type": "mixing"})


def join(bridge: str, members: Sequence[str]) -> Request:
    """Put these channels into the bridge; those that are in it already stay."""
    return Request("POST", f"/bridges/{_id(bridge)}/addChannel", body={"channel": list(members)})


def join_quietly(bridge: str, member: str) -> Request:
    """Put this channel into the bridge; its keys are for us, and the others there do not hear them."""
    return Request("POST", f"/bridges/{_id(bridge)}/addChannel", body={"channel": [member], "absorbDTMF": True})


def play_in_bridge(bridge: str, playback: str, media: Sequence[str]) -> Request:
    """Play sound files in a row to everybody in it."""
    return Request(
        "POST", f"/bridges/{_id(bridge)}/play/{_id(playback)}", body={"media": [f"sound:{m}" for m in media]}
    )


def hold_bridge(bridge: str) -> Request:
    """Music for whoever is in it."""
    return Request("POST", f"/bridges/{_id(bridge)}/moh")


def unhold_bridge(bridge: str) -> Request:
    """No more music."""
    return Request("DELETE", f"/bridges/{_id(bridge)}/moh")


def mute(channel: str) -> Request:
    """Nobody hears what comes from this channel; its keys still come to us."""
    return Request("POST", f"/channels/{_id(channel)}/mute", query={"direction": "in"})


def unmute(channel: str) -> Request:
    """It is heard again."""
    return Request("DELETE", f"/channels/{_id(channel)}/mute", query={"direction": "in"})


def drop_bridge(bridge: str) -> Request:
    """Whoever is in it is on their own again."""
    return Request("DELETE", f"/bridges/{_id(bridge)}")


def read_variable(channel: str, variable: str) -> Request:
    """A channel variable, or a dialplan function's value. An absent SIP header is a 500."""
    return Request("GET", f"/channels/{_id(channel)}/variable", query={"variable": variable})


def hang_up(channel: str, cause: HangupCause) -> Request:
    """End a channel with this Q.850 cause."""
    return Request("DELETE", f"/channels/{_id(channel)}", query={"reason_code": str(cause.value)})


def back_to_dialplan(channel: str, label: str = APOLOGY_LABEL) -> Request:
    """Let the dialplan take the caller on, in the extension where the channel is: at its apology, or in its queue."""
    return Request("POST", f"/channels/{_id(channel)}/continue", body={"label": label})


def watch(application: str, channel: str) -> Request:
    """Tell us of this channel's end also while it is not ours."""
    return Request(
        "POST", f"/applications/{_id(application)}/subscription", query={"eventSource": f"channel:{channel}"}
    )


def set_variable(channel: str, name: str, value: str) -> Request:
    """A channel variable for the dialplan. Asterisk unescapes nothing in it."""
    return Request("POST", f"/channels/{_id(channel)}/variable", body={"variable": name, "value": value})


def go_on_in_dialplan(channel: str, context: str) -> Request:
    """Let the dialplan take the caller on, at extension `s` of this context."""
    return Request(
        "POST", f"/channels/{_id(channel)}/continue", body={"context": context, "extension": "s", "priority": 1}
    )


@lru_cache(4096)  # a call's channel is named in each of its requests
def _id(text: str) -> str:
    return quote(text, safe="")
