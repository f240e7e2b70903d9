"""Every action that we ask of AMI, one function each. Nothing here sends anything.

Law: what Asterisk would read as something else (a place in the dialplan, a channel) is checked here against what it
can be; line breaks and lengths are checked for every action, these and others, in `wire.encode`.
"""

import re
from collections.abc import Mapping
from typing import Final, NamedTuple

from ivr.domain.errors import BadInput

_CHANNEL: Final = re.compile(r"[!-+\--~]{1,128}")  # printable, without space and comma
_WORD: Final = re.compile(r"[A-Za-z0-9_.+*#-]{1,79}")
_INTERFACE: Final = re.compile(r"[A-Za-z0-9]+/[A-Za-z0-9_.+*#@:/-]{1,120}")
_USER_EVENT: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_FORGES: Final = frozenset({"event", "response", "privilege", "userevent", "channel", "uniqueid"})


class Action(NamedTuple):
    """One action. `fields` goes on the wire in its order, after Action and ActionID."""

    name: str
    fields: Mapping[str, str]

    def __repr__(self) -> str:  # a value may be the secret
        return f"Action({self.name})"


class Place(NamedTuple):
    """Where in the dialplan."""

    context: str
    extension: str
    priority: str = "1"
    """A number or a label."""


def login(username: str, secret: str) -> Action:
    """The first action of a connection."""
    return Action("Login", {"Username": username, "Secret": secret})


def ping() -> Action:
    """Asterisk says that it lives."""
    return Action("Ping", {})


def redirect(channel: str, to: Place, extra_channel: str = "", extra_to: Place | None = None) -> Action:
    """Send a channel to a place in the dialplan, and at the same moment another one to its own (or to the same).

    Channels by name. Two that are talking must go in one action: alone, the other would be hung up.
    """
    fields = {"Channel": _is(_CHANNEL, channel, "channel"), **_place(to, "")}
    if extra_channel:
        fields |= {"ExtraChannel": _is(_CHANNEL, extra_channel, "extra channel"), **_place(extra_to or to, "Extra")}
    elif extra_to is not None:
        raise BadInput("redirect: a second place needs a second channel")
    return Action("Redirect", fields)


def set_variable(channel: str, name: str, value: str) -> Action:
    """A channel variable, of any channel."""
    fields = {"Channel": _is(_CHANNEL, channel, "channel"), "Variable": _is(_WORD, name, "variable"), "Value": value}
    return Action("Setvar", fields)


def mute_recording(channel: str, on: bool) -> Action:
    """Let MixMonitor write silence for both directions of this channel (True), or sound again (False)."""
    return Action(
        "MixMonitorMute",
        {"Channel": _is(_CHANNEL, channel, "channel"), "Direction": "both", "State": "1" if on else "0"},
    )


def queue_status(queue: str = "", interface: str = "") -> Action:
    """A listing: the queues (or this one), their members (or this one) and who waits; see `events.queue_members`."""
    fields = {}
    if queue:
        fields["Queue"] = _is(_WORD, queue, "queue")
    if interface:
        fields["Member"] = _is(_INTERFACE, interface, "interface")
    return Action("QueueStatus", fields)


def queue_pause(interface: str, paused: bool, queue: str = "", reason: str = "") -> Action:
    """Stop (True) or resume handing calls to a member, e.g. `PJSIP/anna`; in every queue when none is named."""
    fields = {"Interface": _is(_INTERFACE, interface, "interface"), "Paused": "true" if paused else "false"}
    if queue:
        fields["Queue"] = _is(_WORD, queue, "queue")
    if reason:
        fields["Reason"] = reason
    return Action("QueuePause", fields)


def device_states() -> Action:
    """A listing of every device that Asterisk has a state of; see `events.device_states`."""
    return Action("DeviceStateList", {})


def channels() -> Action:
    """A listing of every channel, each a CoreShowChannel."""
    return Action("CoreShowChannels", {})


def user_event(name: str, fields: Mapping[str, str]) -> Action:
    """An event of our own, sent to every connection that listens, ours too."""
    for key in fields:
        if key.lower() in _FORGES:
            raise BadInput(f"a user event cannot have the field {key}: it would pass for Asterisk's own")
    return Action("UserEvent", {"UserEvent": _is(_USER_EVENT, name, "user event's name"), **fields})


def _place(place: Place, prefix: str) -> dict[str, str]:
    return {
        f"{prefix}Context": _is(_WORD, place.context, "context"),
        f"{prefix}Exten": _is(_WORD, place.extension, "extension"),
        f"{prefix}Priority": _is(_WORD, place.priority, "priority"),
    }


def _is(pattern: re.Pattern[str], text: str, what: str) -> str:
    if pattern.fullmatch(text) is None:
        raise BadInput(f"the {what} is empty, too long or holds a character that it cannot have")
    return text
