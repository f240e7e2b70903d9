"""What may leave, and what is made of what comes."""

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.asterisk.ami import actions, events
from ivr.asterisk.ami.actions import Action, Place
from ivr.asterisk.ami.wire import LONGEST_SENT, MOST_LINES, MOST_SENT, Reader, encode
from ivr.domain.errors import BadInput

EVIL = ["a\r\nAction: Originate", "a\nb", "a\rb", "a\x00b", "a\x1bb", "a\x7fb", "a\ud800", "x" * 1001, "ب" * 501]
GOOD: dict[str, Any] = {
    "username": "ivr",
    "secret": "geheim",
    "channel": "PJSIP/anna-00000001",
    "to": Place("agents", "s"),
    "extra_channel": "Local/s@agents-00000001;1",
    "extra_to": Place("callers", "_X.", "again"),
    "on": True,
    "queue": "sales",
    "interface": "PJSIP/anna",
    "paused": True,
    "reason": "چای",
    "name": "Paid",
    "value": "PJSIP/sara-00000001",
    "fields": {"Invoice": "42"},
}
FUNCTIONS = [
    one
    for name, one in inspect.getmembers(actions, inspect.isfunction)
    if not name.startswith("_") and one.__module__ == actions.__name__
]


def on_wire(action: Action) -> bytes:
    return encode(action.name, "id-1", action.fields)


def poisoned(value: object, evil: str) -> Iterator[object]:
    """This value, with the evil one in each of its places."""
    if isinstance(value, str):
        yield evil
    elif isinstance(value, Place):
        yield from (value._replace(**{name: evil}) for name in value._fields)
    elif isinstance(value, dict):
        yield {"Invoice": evil}
        yield {evil: "42"}


@pytest.mark.parametrize("make", FUNCTIONS, ids=lambda make: make.__name__)
def test_no_value_can_write_a_line_of_its_own(make: Callable[..., Action]) -> None:
    """Whatever a person or a caller has put into any argument of any action: refused, and not repeated."""
    arguments = {name: GOOD[name] for name in inspect.signature(make).parameters}
    lines = on_wire(make(**arguments)).split(b"\r\n")
    assert lines[0].startswith(b"Action: ") and lines[1] == b"ActionID: id-1" and lines[-2:] == [b"", b""]
    assert all(lines[:-2])
    for name, value in arguments.items():
        for evil in EVIL:
            for bad in poisoned(value, evil):
                with pytest.raises(BadInput) as caught:
                    on_wire(make(**{**arguments, name: bad}))
                assert evil not in str(caught.value)


@given(st.text(max_size=50), st.dictionaries(st.text(max_size=20), st.text(max_size=50), max_size=5))
def test_an_action_is_one_message(name: str, fields: dict[str, str]) -> None:
    """Either nothing leaves, or exactly the fields that were meant."""
    try:
        data = encode(name, "id-1", fields)
    except BadInput:
        return
    (message,) = Reader().messages(data)
    assert message == {"action": name, "actionid": "id-1", **{key.lower(): value for key, value in fields.items()}}


@pytest.mark.parametrize("key", ["Action", "actionid", "ACTIONID", "", "X:Y", "X Y", "9"])
def test_fields_that_are_not_for_the_caller_to_set(key: str) -> None:
    """A second action or id in one message would be Asterisk's to choose from."""
    with pytest.raises(BadInput):
        encode("Ping", "id-1", {key: "x"})
    with pytest.raises(BadInput):
        encode("Ping", "id-1", {"Queue": "a", "queue": "b"})


def test_an_action_is_not_printed_with_its_values() -> None:
    """One of them is the secret."""
    assert repr(actions.login("ivr", "geheim")) == "Action(Login)"


def test_lengths() -> None:
    """Asterisk would refuse a longer one."""
    assert encode("UserEvent", "1", {"K": "x" * (LONGEST_SENT - 3)})
    with pytest.raises(BadInput):
        encode("UserEvent", "1", {"K": "x" * (LONGEST_SENT - 2)})
    with pytest.raises(BadInput):
        encode("UserEvent", "1", {f"K{n}": "x" for n in range(MOST_SENT + 1)})


@pytest.mark.parametrize(
    "make",
    [
        lambda: actions.redirect("PJSIP/a,b", Place("agents", "s")),
        lambda: actions.redirect("PJSIP/a-1", Place("agents", "s,1")),
        lambda: actions.redirect("PJSIP/a-1", Place("agents", "s"), extra_to=Place("agents", "s")),
        lambda: actions.redirect("", Place("agents", "s")),
        lambda: actions.mute_recording("", True),
        lambda: actions.queue_pause("", True),
        lambda: actions.queue_pause("anna", True),
        lambda: actions.user_event("Paid", {"uniqueid": "1.2"}),
        lambda: actions.user_event("", {}),
    ],
)
def test_what_makes_no_sense(make: Callable[[], Action]) -> None:
    """An action without its object, or with two in one, is refused before Asterisk guesses."""
    with pytest.raises(BadInput):
        make()


def test_two_channels_go_in_one_action() -> None:
    """To two places, or both to the same."""
    one, other = Place("agents", "s"), Place("callers", "wait", "again")
    assert dict(actions.redirect("PJSIP/a-1", one, "PJSIP/b-2", other).fields) == {
        "Channel": "PJSIP/a-1",
        "Context": "agents",
        "Exten": "s",
        "Priority": "1",
        "ExtraChannel": "PJSIP/b-2",
        "ExtraContext": "callers",
        "ExtraExten": "wait",
        "ExtraPriority": "again",
    }
    assert actions.redirect("PJSIP/a-1", one, "PJSIP/b-2").fields["ExtraExten"] == "s"


def read(text: str) -> events.AmiEvent | None:
    (message,) = Reader().messages(text.replace("\n", "\r\n").encode() + b"\r\n")
    return events.decode(message)


SNAPSHOT = """{0}Channel: PJSIP/{1}-1
{0}ChannelState: 6
{0}CallerIDNum: 09121234567
{0}Uniqueid: {1}.1
{0}Linkedid: x
"""


def snapshot(prefix: str, name: str) -> str:
    return SNAPSHOT.format(prefix, name)


def test_transfers() -> None:
    """Who sent whom where, and whether it worked; a caller's number is not taken."""
    blind = read(
        "Event: BlindTransfer\nPrivilege: call,all\nResult: Success\n"
        + snapshot("Transferer", "anna")
        + snapshot("Transferee", "caller")
        + "BridgeUniqueid: b\nIsExternal: Yes\nContext: agents\nExtension: 201\n"
    )
    assert blind == events.BlindTransfer(
        "Success", "PJSIP/anna-1", "anna.1", "agents", "201", "PJSIP/caller-1", "caller.1"
    )
    assert isinstance(blind, events.BlindTransfer) and blind.done
    attended = read(
        "Event: AttendedTransfer\nResult: Fail\n"
        + snapshot("OrigTransferer", "anna")
        + snapshot("SecondTransferer", "anna2")
        + snapshot("TransferTarget", "ben")
        + "DestType: Bridge\nDestBridgeUniqueid: b-1\n"
    )
    assert attended == events.AttendedTransfer(
        *("Fail", "PJSIP/anna-1", "anna.1", "PJSIP/anna2-1", "anna2.1", "Bridge", "b-1"),
        transfer_target_channel="PJSIP/ben-1",
        transfer_target_unique_id="ben.1",
    )
    assert isinstance(attended, events.AttendedTransfer) and not attended.done
    assert "0912" not in f"{blind} {attended}"


@pytest.mark.parametrize("name", [name for name in events.EVENTS if name not in ("FullyBooted", "UserEvent")])
def test_an_event_needs_its_fields(name: str) -> None:
    """Half an event, or one in which a field that is read comes twice, is not taken for a whole one."""
    kind = getattr(events, name)
    fields = {key: "1" for key in kind.__struct_encode_fields__}
    text = f"Event: {name}\n" + "".join(f"{key.title()}: {value}\n" for key, value in fields.items())
    assert type(read(text)) is kind
    assert type(read(f"{text}Caller: x\nCaller: y\n")) is kind
    first = next(iter(fields))
    with pytest.raises(ValueError, match="missing"):
        read(text.replace(f"{first.title()}: 1\n", ""))
    with pytest.raises(ValueError, match="twice"):
        read(f"{text}{first.title()}: 2\n")


def test_fields_too_many_are_left_out() -> None:
    """And counted."""
    reader = Reader()
    text = "Event: X\r\n" + "".join(f"F{n}: x\r\n" for n in range(MOST_LINES)) + "\r\n"
    (message,) = reader.messages(text.encode())
    assert len(message) == MOST_LINES and reader.left_out == 1
