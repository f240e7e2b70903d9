"""ARI's messages, as far as we read them: only the types and fields that are used.

Law: a type that is not listed here is ignored, and nothing here shows a keyed digit when it is printed.
Source: Asterisk's own description, `GET /ari/api-docs/events.json`; a test compares both.
"""

from typing import Any, Final

import msgspec


class Caller(msgspec.Struct, frozen=True, gc=False):
    """Who a channel's party is; empty texts when Asterisk does not know."""

    number: str = ""


class Dialplan(msgspec.Struct, frozen=True, gc=False):
    """Where a channel is: `app_data` of a channel in Stasis is `<application>,<arguments>`."""

    exten: str = ""
    app_name: str = ""
    app_data: str = ""


class ChannelRef(msgspec.Struct, frozen=True, gc=False):
    """A channel of which only the id matters."""

    id: str


class Channel(msgspec.Struct, frozen=True):
    """A channel. `state` is Down, Ring (it calls us), Ringing (we call it) or Up."""

    id: str
    state: str
    caller: Caller
    dialplan: Dialplan
    name: str = ""
    """`PJSIP/<endpoint>-<number>`."""


class Playback(msgspec.Struct, frozen=True, gc=False):
    """A playback. `state` is done (a stopped one too) or failed once it is over."""

    id: str
    target_uri: str
    state: str


class Recording(msgspec.Struct, frozen=True, gc=False):
    """A recording. Times in whole seconds; `talking_duration` is known where silence is listened for."""

    name: str
    target_uri: str
    state: str
    duration: int = 0
    talking_duration: int | None = None


class Bridge(msgspec.Struct, frozen=True):
    """A bridge and the ids of the channels in it."""

    id: str
    channels: tuple[str, ...] = ()


class StasisStart(msgspec.Struct, frozen=True, tag=True):
    """A channel is ours from here on; its `dialplan.app_data` says with which arguments.

    `replace_channel`: the one in whose place it comes, when somebody sends a caller into a call of their own.
    """

    channel: Channel
    replace_channel: ChannelRef | None = None


class StasisEnd(msgspec.Struct, frozen=True, tag=True):
    """A channel is no longer ours; the last event of an incoming channel."""

    channel: ChannelRef


class ChannelDestroyed(msgspec.Struct, frozen=True, tag=True):
    """A channel is no more. `cause` is Q.850; `tech_cause` is the SIP status (Asterisk 22.5 and later, else 0)."""

    channel: ChannelRef
    cause: int
    tech_cause: int = 0


class ChannelDtmfReceived(msgspec.Struct, frozen=True, tag=True):
    """A key was pressed and released. It may be part of a card number: no readable repr."""

    channel: ChannelRef
    digit: str
    duration_ms: int = 0
    timestamp: str = ""

    def __repr__(self) -> str:
        return f"ChannelDtmfReceived({self.channel.id})"


class PlaybackFinished(msgspec.Struct, frozen=True, tag=True):
    """A playback is over: heard to its end, stopped, or failed."""

    playback: Playback
    timestamp: str = ""


class RecordingFinished(msgspec.Struct, frozen=True, tag=True):
    """A recording is over, by its length, by silence, by its finish key or because it was stopped."""

    recording: Recording


class RecordingFailed(msgspec.Struct, frozen=True, tag=True):
    """Nothing could be recorded."""

    recording: Recording


class Dial(msgspec.Struct, frozen=True, tag=True):
    """How the dialling of a leg goes: RINGING, PROGRESS (early media), ANSWER, BUSY …"""

    peer: ChannelRef
    dialstatus: str = ""


class BridgeRef(msgspec.Struct, frozen=True, gc=False):
    """A bridge of which only the id matters."""

    id: str


class ChannelLeftBridge(msgspec.Struct, frozen=True, tag=True):
    """A channel is on its own again: only now can something be played to it."""

    channel: ChannelRef
    bridge: BridgeRef


class ApplicationReplaced(msgspec.Struct, frozen=True, tag=True):
    """Another process opened a connection for our application: this one gets nothing more."""


class RESTResponse(msgspec.Struct, frozen=True, tag=True):
    """The reply to a request that went over the websocket; `message_body` is JSON, as text."""

    request_id: str
    status_code: int
    message_body: str = ""


CallEvent = (
    StasisStart
    | StasisEnd
    | ChannelDestroyed
    | ChannelDtmfReceived
    | PlaybackFinished
    | RecordingFinished
    | RecordingFailed
    | Dial
    | ChannelLeftBridge
)
"""What belongs to a call."""

Message = CallEvent | ApplicationReplaced | RESTResponse

CALL_EVENTS: Final = (
    "StasisStart",
    "StasisEnd",
    "ChannelDestroyed",
    "ChannelDtmfReceived",
    "PlaybackFinished",
    "RecordingFinished",
    "RecordingFailed",
    "Dial",
    "ChannelLeftBridge",
)
"""What we ask Asterisk to send. ChannelHangupRequest is left out: StasisEnd follows it within a millisecond."""

CONNECTION_EVENTS: Final = ("ApplicationReplaced", "RESTResponse")
"""What the connection itself needs. Asterisk's event filter swallows even the replies to our own requests."""


class _Kind(msgspec.Struct, frozen=True, gc=False):
    type: str


_decoder: Final[msgspec.json.Decoder[Message]] = msgspec.json.Decoder(Message)
_kind: Final = msgspec.json.Decoder(_Kind)
_KNOWN: Final = frozenset(CALL_EVENTS + CONNECTION_EVENTS)


def decode(data: bytes) -> Message | None:
    """The message, or None for a type that we do not read. Raises ValueError when it is not what ARI sends."""
    try:
        return _decoder.decode(data)
    except msgspec.ValidationError as exc:
        if _kind.decode(data).type in _KNOWN:
            raise ValueError(str(exc)) from None
        return None


def channels(reply: Any) -> list[Channel]:
    """The reply to a listing of channels."""
    return msgspec.convert(reply, list[Channel])


def bridges(reply: Any) -> list[Bridge]:
    """The reply to a listing of bridges."""
    return msgspec.convert(reply, list[Bridge])
