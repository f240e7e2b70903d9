"""Who comes and with what: what the dialplan says of callers whom an agent sent, and what a REFER may say."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.asterisk.ari.arrival import MOST_BEHIND, MOST_REFER_TO, call_info, endpoint, parameters
from ivr.asterisk.ari.events import Caller, Channel, Dialplan
from ivr.domain.legs import LegResult
from ivr.runtime.ports import Back

TO = "sip:42473051@192.0.2.1:5060;%s"


def channel(app_data: str, dialled: str = "42473000", name: str = "PJSIP/public-0000001f") -> Channel:
    return Channel("1.2", "Ring", Caller("09121234567"), Dialplan(dialled, "Stasis", app_data), name)


# -- callers -----------------------------------------------------------------------------------------------------------


def test_a_caller_whom_an_agent_sent() -> None:
    """The agent is whoever sent them; each time is a visit of its own, and named so."""
    info = call_info(channel("ivr,agents,allowed,comes=2,by=PJSIP/sara-0000001f", "42473051*65843148"))
    assert (info.trunk, info.agent, info.sent, info.visit) == ("agents", "sara", True, "2")
    assert (info.dialled_number, info.behind, info.back) == ("42473051", ("65843148",), None)
    assert info.session_id == "1.2~2" and info.caller_number == "09121234567"


def test_an_agent_who_calls() -> None:
    """Nobody sent them: they are the agent themselves."""
    info = call_info(channel("ivr,agents,allowed,comes=1,by=", name="PJSIP/sara-0000001f"))
    assert (info.agent, info.sent, info.behind) == ("sara", False, ())


def test_a_caller_of_a_trunk_is_nobody_s() -> None:
    """Whatever their channel is called; a value behind the number is kept, and believed only of a trusted trunk."""
    info = call_info(channel("ivr,merchant,allowed", "42473000*65843148*5"))
    assert (info.agent, info.sent, info.visit, info.back) == (None, False, "", None)
    assert info.behind == ("65843148", "5") and info.session_id == "1.2"


@pytest.mark.parametrize(
    ("how", "result"),
    [
        ("CONTINUE", LegResult.ENDED),
        ("TIMEOUT", LegResult.NO_ANSWER),
        ("FULL", LegResult.BUSY),
        ("JOINEMPTY", LegResult.UNREACHABLE),
        ("LEAVEEMPTY", LegResult.UNREACHABLE),
        ("JOINUNAVAIL", LegResult.UNREACHABLE),
        ("", LegResult.UNREACHABLE),
        ("something new", LegResult.UNREACHABLE),
    ],
)
def test_a_caller_who_has_talked(how: str, result: LegResult) -> None:
    """From which transfer they come back, and how it went."""
    info = call_info(channel(f"ivr,agents,allowed,comes=1,back=1000000007,how={how}", "s"))
    assert info.back == Back(1_000_000_007, result) and info.session_id == "1.2~1"


@pytest.mark.parametrize("said", ["comes=", "comes=0", "comes"])
def test_a_caller_whom_nobody_sent_yet(said: str) -> None:
    """Their visit has no name."""
    assert call_info(channel(f"ivr,agents,allowed,{said},by=")).session_id == "1.2"


@pytest.mark.parametrize("number", ["x", "-5", "1.5", "۵", "9" * 30, "1e9"])
def test_numbers_that_are_none(number: str) -> None:
    """A variable that the dialplan did not set so: 0, and no token of ours."""
    info = call_info(channel(f"ivr,agents,allowed,comes={number},back={number},how=CONTINUE"))
    assert info.back == Back(0, LegResult.ENDED) and info.visit == "0"


def test_much_behind_the_number() -> None:
    """Not more than any flow could want."""
    assert call_info(channel("ivr,agents,allowed", "4247" + "*1" * 100)).behind == ("1",) * MOST_BEHIND
    assert call_info(channel("ivr,agents,allowed", "4247**5")).behind == ("", "5")


@pytest.mark.parametrize(
    ("name", "whose"),
    [
        ("PJSIP/sara-0000001f", "sara"),
        ("PJSIP/front-desk-0000001f", "front-desk"),
        ("PJSIP/sara", None),
        ("Local/sara@x-0000001f;1", None),
        ("", None),
        ("PJSIP/-0000001f", None),
    ],
)
def test_whose_channel_it_is(name: str, whose: str | None) -> None:
    """An agent's name may hold dashes; what is no telephone is nobody's."""
    assert endpoint(name) == whose


# -- REFER -------------------------------------------------------------------------------------------------------------


def test_what_stands_behind_the_address() -> None:
    """By name in small letters, decoded once; with angle brackets or without."""
    assert parameters(TO % "X-Invoice-Id=65843148;X-Note=a%20b%253D") == {
        "x-invoice-id": "65843148",
        "x-note": "a b%3D",
    }
    assert parameters('"Desk" <sip:42473051@h;user=phone;X-Invoice-Id=1>') == {"user": "phone", "x-invoice-id": "1"}


@pytest.mark.parametrize(
    "hostile",
    [
        "",
        "sip:42473051@h",
        "<sip:42473051@h>",
        "<sip:42473051@h;>",
        TO % "X-Invoice-Id",
        TO % ";;;",
        TO % "%",
        "?",
        ";=",
    ],
)
def test_a_refer_that_says_nothing(hostile: str) -> None:
    """No header, and nothing breaks."""
    assert parameters(hostile) == {}


def test_a_line_break_in_a_refer_stays_a_value() -> None:
    """It begins no header of its own; a flow takes no such value."""
    assert parameters(TO % "X-Invoice-Id=1%0d%0aX-Price%3D5") == {"x-invoice-id": "1\r\nX-Price=5"}
    assert parameters(TO % "X-Invoice-Id=%ff%fe") == {"x-invoice-id": "\ufffd\ufffd"}


def test_of_two_parameters_one_name_the_last_counts() -> None:
    """As with Asterisk's own."""
    assert parameters(TO % "X-Invoice-Id=1;x-invoice-id=2") == {"x-invoice-id": "2"}


def test_nothing_is_taken_from_a_refer_that_is_too_long() -> None:
    """Cut off at its end, an invoice's number would be another invoice's."""
    long = TO % ("X-Pad=" + "x" * MOST_REFER_TO + ";X-Invoice-Id=65843148")
    assert parameters(long) == {}
    head = TO.partition("%s")[0] + "X-Invoice-Id="
    assert parameters(head + "1" * (MOST_REFER_TO - len(head)) + "23>") == {}


@given(st.text(max_size=200), st.dictionaries(st.from_regex(r"x-[a-z]{1,8}", fullmatch=True), st.text(max_size=30)))
def test_any_refer(noise: str, headers: dict[str, str]) -> None:
    """Nothing makes it raise, and what is written as it should be is read as it was meant."""
    parameters(noise)
    parameters(f"<sip:1@h;{noise}>")
    written = ";".join(f"{name}={quote(value, safe='', errors='ignore')}" for name, value in headers.items())
    meant = {name: value.encode(errors="ignore").decode() for name, value in headers.items()}
    if len(TO % written) <= MOST_REFER_TO:
        assert parameters(TO % written) == meant
