"""AMI's events, as far as we read them: only the types and fields that are used.

Law: a type that is not listed here is ignored, as is a field; nothing here holds a keyed digit or a caller's number. An
event in which a field that we read comes twice is refused: a caller whose number holds a line break could have
written one of them.
Source: Asterisk's own descriptions, `manager show event NAME`.
"""

from collections.abc import Mapping
from typing import Final, TypeVar

import msgspec

from ivr.asterisk.ami.wire import TWICE, Fields


def _on_wire(name: str) -> str:
    """`unique_id` is `Uniqueid` there; readers have put it into small letters."""
    return name.replace("_", "")


class _Event(msgspec.Struct, frozen=True, rename=_on_wire, gc=False):
    """A channel is named by `…channel` (changes when it is masqueraded) and `…unique_id` (never changes)."""


Kind = TypeVar("Kind", bound=_Event)


class BlindTransfer(_Event, frozen=True, gc=False):
    """Somebody sent the one he was talking to elsewhere. `transferee_…` are empty when several were in the bridge."""

    result: str
    """Success, Fail, Invalid or Not Permitted."""
    transferer_channel: str
    transferer_unique_id: str
    context: str
    extension: str
    transferee_channel: str = ""
    transferee_unique_id: str = ""

    @property
    def done(self) -> bool:
        """Whether it took place."""
        return self.result == "Success"


class AttendedTransfer(_Event, frozen=True, gc=False):
    """Somebody with two calls joined them, after talking. `dest_type` is Bridge, App, Link, Threeway or Fail."""

    result: str
    orig_transferer_channel: str
    orig_transferer_unique_id: str
    second_transferer_channel: str
    second_transferer_unique_id: str
    dest_type: str
    dest_bridge_unique_id: str = ""
    dest_app: str = ""
    transferee_channel: str = ""
    transferee_unique_id: str = ""
    transfer_target_channel: str = ""
    transfer_target_unique_id: str = ""

    @property
    def done(self) -> bool:
        """Whether it took place."""
        return self.result == "Success"


class MixMonitorStart(_Event, frozen=True, gc=False):
    """A recording of this channel's call has begun."""

    channel: str
    unique_id: str


class MixMonitorStop(_Event, frozen=True, gc=False):
    """A recording was stopped by `StopMixMonitor`. One that ends with its channel says nothing: look for Hangup."""

    channel: str
    unique_id: str


class MixMonitorMute(_Event, frozen=True, gc=False):
    """Silence is written from now on (`state` True), or sound again. `direction` is read, write or both."""

    channel: str
    unique_id: str
    direction: str
    state: bool


class DeviceStateChange(_Event, frozen=True, gc=False):
    """A device, e.g. `PJSIP/anna`, is now NOT_INUSE, INUSE, BUSY, INVALID, UNAVAILABLE, RINGING, RINGINUSE, ONHOLD …"""

    device: str
    state: str


class QueueMemberStatus(_Event, frozen=True, gc=False):
    """How a queue sees a member. `status` is Asterisk's number of a device state: 1 free, 2 in use, 5 unavailable …"""

    queue: str
    member_name: str
    interface: str
    status: int
    paused: bool
    paused_reason: str = ""
    in_call: bool = False
    calls_taken: int = 0
    last_call: int = 0
    """Seconds since 1970; 0: none yet."""


class QueueMemberPause(_Event, frozen=True, gc=False):
    """A member was paused, or is back."""

    queue: str
    member_name: str
    interface: str
    paused: bool
    paused_reason: str = ""


class QueueCallerJoin(_Event, frozen=True, gc=False):
    """A caller waits now."""

    queue: str
    channel: str
    unique_id: str
    position: int
    """From 1."""
    count: int
    """Who waits now."""


class QueueCallerLeave(_Event, frozen=True, gc=False):
    """A caller waits no more, for whatever reason."""

    queue: str
    channel: str
    unique_id: str
    position: int
    count: int


class QueueCallerAbandon(_Event, frozen=True, gc=False):
    """A caller hung up while waiting."""

    queue: str
    channel: str
    unique_id: str
    position: int
    original_position: int = 0
    hold_time: int = 0
    """Seconds."""


class _Rung(_Event, frozen=True, gc=False):
    """A queue rings a member's device (`dest_…`) for a caller (`channel`)."""

    queue: str
    interface: str
    member_name: str
    channel: str
    unique_id: str
    dest_channel: str
    dest_unique_id: str


class AgentCalled(_Rung, frozen=True, gc=False):
    """A member's device (`dest_…`) is rung for a caller (`channel`)."""


class AgentConnect(_Rung, frozen=True, gc=False):
    """A member has answered a caller. Times in seconds."""

    hold_time: int = 0
    ring_time: int = 0


class AgentComplete(_Event, frozen=True, gc=False):
    """Member and caller have parted. `reason` is caller, agent (who hung up) or transfer. Times in seconds.

    Asterisk says nothing of a channel that is no more when it writes this: its fields are empty then.
    """

    queue: str
    interface: str
    member_name: str
    channel: str = ""
    unique_id: str = ""
    dest_channel: str = ""
    dest_unique_id: str = ""
    hold_time: int = 0
    talk_time: int = 0
    reason: str = ""


class AgentRingNoAnswer(_Rung, frozen=True, gc=False):
    """A member was rung and did not answer. `ring_time` in milliseconds."""

    ring_time: int = 0


class Hangup(_Event, frozen=True, gc=False):
    """A channel is no more. `cause` is Q.850."""

    channel: str
    unique_id: str
    cause: int = 0


class UserEvent(msgspec.Struct, frozen=True, gc=False):
    """An event of our own: from `actions.user_event`, or from `UserEvent()` in a dialplan, then with its channel."""

    name: str
    fields: Mapping[str, str]
    """Names in small letters."""
    channel: str = ""
    unique_id: str = ""


AmiEvent = (
    BlindTransfer
    | AttendedTransfer
    | MixMonitorStart
    | MixMonitorStop
    | MixMonitorMute
    | DeviceStateChange
    | QueueMemberStatus
    | QueueMemberPause
    | QueueCallerJoin
    | QueueCallerLeave
    | QueueCallerAbandon
    | AgentCalled
    | AgentConnect
    | AgentComplete
    | AgentRingNoAnswer
    | Hangup
    | UserEvent
)

_TYPES: Final[Mapping[str, type[_Event]]] = {
    kind.__name__: kind
    for kind in (
        *(BlindTransfer, AttendedTransfer),
        *(MixMonitorStart, MixMonitorStop, MixMonitorMute),
        *(DeviceStateChange, QueueMemberStatus, QueueMemberPause),
        *(QueueCallerJoin, QueueCallerLeave, QueueCallerAbandon),
        *(AgentCalled, AgentConnect, AgentComplete, AgentRingNoAnswer),
        Hangup,
    )
}

EVENTS: Final = (*_TYPES, "UserEvent", "FullyBooted")
"""What we ask Asterisk to send; the last is for the connection itself."""


class QueueMember(_Event, frozen=True, gc=False):
    """A line of QueueStatus: a member of a queue. `status` as in QueueMemberStatus."""

    queue: str
    name: str
    interface: str = msgspec.field(name="location")
    status: int = 0
    paused: bool = False
    paused_reason: str = ""
    in_call: bool = False
    calls_taken: int = 0
    last_call: int = 0


class QueueEntry(_Event, frozen=True, gc=False):
    """A line of QueueStatus: a caller who waits. `wait` in seconds."""

    queue: str
    position: int
    channel: str
    unique_id: str
    wait: int = 0


def decode(fields: Fields) -> AmiEvent | None:
    """The event, or None for a type that we do not read. Raises ValueError when it is not what Asterisk sends."""
    name = fields.get("event", "")
    if name == "UserEvent":
        return _user_event(fields)
    kind = _TYPES.get(name)
    return None if kind is None else _convert(fields, kind)  # type: ignore[return-value]


def device_states(listed: tuple[Fields, ...]) -> list[DeviceStateChange]:
    """From the reply to DeviceStateList. Raises ValueError."""
    return [_convert(one, DeviceStateChange) for one in listed if one.get("event") == "DeviceStateChange"]


def queue_members(listed: tuple[Fields, ...]) -> list[QueueMember]:
    """From the reply to QueueStatus. Raises ValueError."""
    return [_convert(one, QueueMember) for one in listed if one.get("event") == "QueueMember"]


def queue_entries(listed: tuple[Fields, ...]) -> list[QueueEntry]:
    """From the reply to QueueStatus. Raises ValueError."""
    return [_convert(one, QueueEntry) for one in listed if one.get("event") == "QueueEntry"]


def _convert(fields: Fields, kind: type[Kind]) -> Kind:
    twice = fields.get(TWICE)
    if twice is not None and not {"event", *kind.__struct_encode_fields__}.isdisjoint(twice.split()):
        raise ValueError("a field that is read comes twice")
    return msgspec.convert(fields, kind, strict=False)


_SNAPSHOT: Final = frozenset(
    (
        *("channel", "channelstate", "channelstatedesc", "uniqueid", "linkedid"),
        *("calleridnum", "calleridname", "connectedlinenum", "connectedlinename"),
        *("language", "accountcode", "context", "exten", "priority"),
    )
)
"""What Asterisk says of a user event's channel."""
_FRAME: Final = frozenset({"event", "privilege", "actionid", "userevent", TWICE})


def _user_event(fields: Fields) -> UserEvent:
    if TWICE in fields or "userevent" not in fields:
        raise ValueError("a user event without a name, or with a field that comes twice")
    of_channel = _SNAPSHOT if "channelstate" in fields else frozenset[str]()
    rest = {key: value for key, value in fields.items() if key not in _FRAME and key not in of_channel}
    if not of_channel:
        return UserEvent(fields["userevent"], rest)
    return UserEvent(fields["userevent"], rest, fields.get("channel", ""), fields.get("uniqueid", ""))
