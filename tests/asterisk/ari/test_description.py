"""What we read and what we ask for, against the running Asterisk's own description of its ARI."""

import re
import typing
from typing import Any

import httpx
import msgspec
import pytest

from ivr.asterisk.ari import events, requests
from ivr.asterisk.ari.connection import authorization, base_url
from ivr.asterisk.settings import AsteriskSettings
from ivr.domain.legs import HangupCause
from ivr.runtime.ports import LegOrder, RecordOrder

pytestmark = pytest.mark.end_to_end

RESOURCES = ("applications", "asterisk", "bridges", "channels", "events", "playbacks", "recordings")
ORDER = LegOrder("1.2.leg3", "bank", "8001", "219*1*2", {"Amount": "1"}, 20)
EVERY_REQUEST = (
    requests.filter_events("ivr", ["StasisStart"]),
    requests.list_channels(),
    requests.list_bridges(),
    requests.answer("1.2"),
    requests.play("1.2", "1.2.play1", ["a"]),
    requests.look_at_playback("1.2.play1"),
    requests.stop_playback("1.2.play1"),
    requests.record("1.2", "1.2.record4", RecordOrder(60, 4, "#", True)),
    requests.discard_recording("1.2.record4"),
    requests.ring("1.2"),
    requests.stop_ringing("1.2"),
    requests.dial("ivr", "1.2", 3, ORDER),
    requests.make_bridge("1.2.bridge3"),
    requests.join("1.2.bridge3", ["1.2"]),
    requests.drop_bridge("1.2.bridge3"),
    requests.read_variable("1.2", "X"),
    requests.hang_up("1.2", HangupCause.NORMAL),
    requests.back_to_dialplan("1.2"),
    requests.look_at_application("ivr"),
    requests.look_at_channel("1.2"),
    requests.watch("ivr", "1.2"),
    requests.set_variable("1.2", "X", "1"),
    requests.go_on_in_dialplan("1.2", "ivr-transfer"),
    requests.join_quietly("1.2.assist", "1.2"),
    requests.play_in_bridge("1.2.assist", "1.2.play1", ["a"]),
    requests.hold_bridge("1.2.assist"),
    requests.unhold_bridge("1.2.assist"),
    requests.mute("1.2"),
    requests.unmute("1.2"),
)
MODELS: dict[type, str] = {
    events.Caller: "CallerID",
    events.Dialplan: "DialplanCEP",
    events.ChannelRef: "Channel",
    events.BridgeRef: "Bridge",
    events.Recording: "LiveRecording",
}


@pytest.fixture
async def described(ours: AsteriskSettings) -> dict[str, Any]:
    async with httpx.AsyncClient(headers={"Authorization": authorization(ours.ari)}, trust_env=False) as client:
        return {
            name: (await client.get(f"{base_url(ours.ari)}/api-docs/{name}.json")).raise_for_status().json()
            for name in RESOURCES
        }


def structs(kind: type[msgspec.Struct]) -> typing.Iterator[type[msgspec.Struct]]:
    yield kind
    for hint in typing.get_type_hints(kind).values():
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            yield from structs(hint)


def properties(models: dict[str, Any], name: str) -> set[str]:
    """A model's own and its parents'."""
    found = set(models[name]["properties"])
    for parent, model in models.items():
        if name in model.get("subTypes", ()):
            found |= properties(models, parent)
    return found


async def test_every_field_that_we_read_exists(described: dict[str, Any]) -> None:
    """An Asterisk that renames one is noticed here and not by a caller."""
    models = {name: model for reply in described.values() for name, model in reply["models"].items()}
    read = {*typing.get_args(events.Message), events.Bridge}
    for kind in read:
        for struct in structs(kind):
            name = MODELS.get(struct, struct.__name__)
            missing = {field.encode_name for field in msgspec.structs.fields(struct)} - properties(models, name)
            assert not missing, f"{name} has no {missing}"
    assert set(events.CALL_EVENTS) | set(events.CONNECTION_EVENTS) == {
        kind.__name__ for kind in typing.get_args(events.Message)
    }


@pytest.mark.parametrize("request_", EVERY_REQUEST, ids=lambda one: f"{one.method} {one.path}")
async def test_every_request_that_we_make_exists(described: dict[str, Any], request_: requests.Request) -> None:
    """With its method, its path and each of its parameters."""
    for api in (api for reply in described.values() for api in reply["apis"]):
        for operation in api["operations"]:
            pattern = re.sub(r"\{\w+\}", "[^/]+", api["path"])
            if operation["httpMethod"] == request_.method and re.fullmatch(pattern, request_.path):
                known = {p["name"] for p in operation.get("parameters", ()) if p["paramType"] != "path"}
                known |= {"allowed"} if "filter" in known else set()  # that body is the filter itself
                assert {*(request_.query or ()), *(request_.body or ())} <= known
                return
    pytest.fail("Asterisk knows no such request")


def test_the_table_above_is_complete() -> None:
    """A request added to requests.py must be added here."""
    made = {
        name
        for name, value in vars(requests).items()
        if callable(value)
        and getattr(value, "__module__", "") == requests.__name__
        and typing.get_type_hints(value).get("return") is requests.Request
    }
    assert len(made) == len(EVERY_REQUEST)
