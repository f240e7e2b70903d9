"""Names, causes, checks and messages: the parts without a connection."""

from dataclasses import replace

import pytest

from ivr.asterisk.ari import ids
from ivr.asterisk.ari.arrival import call_info
from ivr.asterisk.ari.events import (
    Caller,
    CallEvent,
    Channel,
    ChannelRef,
    Dial,
    Dialplan,
    Playback,
    PlaybackFinished,
    StasisEnd,
    StasisStart,
    decode,
)
from ivr.asterisk.ari.requests import dial, play, read_variable
from ivr.asterisk.ari.router import Router, call_of_event
from ivr.asterisk.causes import unanswered
from ivr.asterisk.checks import LONGEST_NUMBER, LONGEST_VALUE, check_header_name, check_order
from ivr.domain.errors import BadInput
from ivr.domain.legs import LegResult
from ivr.runtime.ports import LegOrder

ORDER = LegOrder("1700000000.12.leg3", "bank", "8001", "219*100*55", {"Amount": "160000"}, 20.5)


def test_names_tell_their_call() -> None:
    """Everything we make can be found again after a crash, whatever name Asterisk gives its channels."""
    for call in ("1700000000.12", "pbx-1.7", "a.leg1b.2"):
        assert ids.leg_of(ids.leg_id(call, 3)) == (call, 3)
        assert ids.call_of(ids.leg_id(call, 3)) == call
        assert ids.call_of(call) == call and ids.leg_of(call) is None
        assert ids.bridge_of(ids.bridge_id(call, 4)) == (call, 4)
        assert ids.playback_token(ids.playback_id(call, 5)) == 5
    assert ids.bridge_of("1.2.leg3") is None and ids.leg_of("1.2.legx") is None
    assert ids.playback_token("another") is None


@pytest.mark.parametrize(
    ("cause", "sip", "heard", "result"),
    [
        (17, 486, False, LegResult.BUSY),
        (17, 600, False, LegResult.BUSY),
        (21, 403, False, LegResult.REJECTED),
        (21, 603, True, LegResult.REJECTED),
        (21, 401, False, LegResult.UNREACHABLE),
        (19, 480, True, LegResult.NO_ANSWER),
        (19, 480, False, LegResult.UNREACHABLE),
        (18, 408, True, LegResult.NO_ANSWER),
        (1, 404, False, LegResult.UNREACHABLE),
        (34, 503, True, LegResult.UNREACHABLE),
        (17, 0, False, LegResult.BUSY),
        (21, 0, False, LegResult.REJECTED),
        (19, 0, True, LegResult.NO_ANSWER),
        (18, 0, True, LegResult.NO_ANSWER),
        (16, 0, True, LegResult.NO_ANSWER),
        (16, 0, False, LegResult.UNREACHABLE),
        *((cause, 0, True, LegResult.UNREACHABLE) for cause in (0, 1, 3, 20, 27, 34, 38, 41, 42, 127)),
    ],
)
def test_why_a_leg_was_not_answered(cause: int, sip: int, heard: bool, result: LegResult) -> None:
    """The flow's exit; never `ended`, which would say that a payment may have been made."""
    assert unanswered(cause, sip, heard=heard) is result


def test_a_good_order_passes_as_it_is() -> None:
    """Caller id in name and number, headers on the INVITE, the timeout in whole seconds, never shorter."""
    check_order(ORDER)
    assert dial("ivr", "1700000000.12", 3, ORDER).body == {
        "endpoint": "PJSIP/8001@bank",
        "app": "ivr",
        "appArgs": "leg,3",
        "originator": "1700000000.12",
        "timeout": 21,
        "variables": {"PJSIP_HEADER(add,Amount)": "160000"},
        "callerId": '"219*100*55" <219*100*55>',
    }
    check_order(replace(ORDER, caller_id=""))
    assert "callerId" not in (dial("ivr", "1", 3, replace(ORDER, caller_id="")).body or {})


@pytest.mark.parametrize(
    "bad",
    [
        replace(ORDER, trunk=""),
        replace(ORDER, trunk="bank/../x"),
        replace(ORDER, number="8001@elsewhere"),
        replace(ORDER, number="80&PJSIP"),
        replace(ORDER, number="8" * (LONGEST_NUMBER + 1)),
        replace(ORDER, caller_id='1"2'),
        replace(ORDER, caller_id="1*2\r\nX: 1"),
        replace(ORDER, caller_id="12.5"),  # Asterisk would remove the dot: another transaction's number
        replace(ORDER, caller_id="12-5"),
        replace(ORDER, headers={"Amount": "160000\r\nX-Evil: 1"}),
        replace(ORDER, headers={"Amount": "160000\n"}),
        replace(ORDER, headers={"Amount": "۱۶۰۰۰۰"}),
        replace(ORDER, headers={"Amount": "1" * (LONGEST_VALUE + 1)}),
        replace(ORDER, headers={"Amount)": "1"}),
        replace(ORDER, headers={"A,B": "1"}),
        replace(ORDER, headers={"": "1"}),
        replace(ORDER, headers={"Via": "SIP/2.0/UDP elsewhere"}),
        replace(ORDER, headers={"FROM": "somebody"}),
        replace(ORDER, answer_timeout=0),
    ],
)
def test_what_could_become_something_else_is_refused(bad: LegOrder) -> None:
    """A second header, another trunk or another transaction's number never leaves; the value is not repeated."""
    with pytest.raises(BadInput) as caught:
        check_order(bad)
    assert "Evil" not in str(caught.value) and "160000" not in str(caught.value)


def test_header_names_to_read() -> None:
    """Reading runs a dialplan function: only a header's name may go into it."""
    check_header_name("X-Invoice-Id")
    for name in ("", "X Invoice", "X)", "read,X", "X\r\n", "x" * 65):
        with pytest.raises(BadInput):
            check_header_name(name)


def test_requests_survive_odd_characters() -> None:
    """A comma in a file's name does not split the list, a slash in an id does not change the path."""
    assert play("1.2", "1.2.play3", ["/s/a,b", "/s/c"]).body == {"media": ["sound:/s/a,b", "sound:/s/c"]}
    assert read_variable("a/b c", "PJSIP_HEADER(read,X)").target == (
        "/channels/a%2Fb%20c/variable?variable=PJSIP_HEADER%28read%2CX%29"
    )


def channel(app_data: str, number: str = "09121234567") -> Channel:
    return Channel("1.2", "Ring", Caller(number), Dialplan("4247", "Stasis", app_data))


def test_who_calls() -> None:
    """A number that its owner does not want shown is not told, even where the network passes it on."""
    info = call_info(channel("ivr,bank,allowed_not_screened"))
    assert (info.trunk, info.dialled_number, info.caller_number) == ("bank", "4247", "09121234567")
    assert call_info(channel("ivr,bank")).caller_number == "09121234567"
    assert call_info(channel("ivr,bank,prohib_passed_screen")).caller_number is None
    assert call_info(channel("ivr,bank,unavailable")).caller_number is None
    assert call_info(channel("ivr,bank,allowed", number="")).caller_number is None
    with pytest.raises(BadInput, match="name the trunk"):
        call_info(channel("ivr"))


def test_messages_are_read_by_type() -> None:
    """Unknown types cost nothing and mean nothing; a known one that lacks what we need is an error."""
    assert decode(b'{"type":"StasisEnd","channel":{"id":"1.2","x":[1]},"y":{}}') == StasisEnd(ChannelRef("1.2"))
    assert decode(b'{"type":"ChannelVarset","value":"7"}') is None
    for broken in (b'{"type":"StasisEnd"}', b"{", b"[]", b'{"channel":1}'):
        with pytest.raises(ValueError, match=r".+"):
            decode(broken)


def test_events_go_to_their_call_in_order() -> None:
    """A leg's and a playback's events are their caller's; nobody else hears them."""
    heard: list[object] = []
    router = Router()
    router.attach("1.2", heard.append)
    events: list[CallEvent] = [
        StasisStart(channel("ivr,bank")),
        PlaybackFinished(Playback("1.2.play1", "channel:1.2", "done")),
        Dial(ChannelRef("1.2.leg4"), "RINGING"),
        StasisEnd(ChannelRef("1.2.leg4")),
        StasisEnd(ChannelRef("1.2")),
    ]
    assert all(router.dispatch(event) for event in events)
    assert heard == events
    assert not router.dispatch(StasisEnd(ChannelRef("1.20")))
    router.detach("1.2")
    assert not router.dispatch(events[0])
    assert [call_of_event(event) for event in events] == ["1.2"] * 5
