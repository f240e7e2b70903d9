"""What the USSD network sends is read in all its spellings; what cannot be read opens nothing and is quoted nowhere."""

from collections.abc import Sequence
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.errors import BadInput
from ivr.runtime.screens import MOST_LINES
from ivr.ussd.request import MOST_LINE, MOST_QUERY, NO_ANSWER, Asked, SaidPaid, read_request

CODES = [("6655", "123")]
MOBILE = "09121234567"


def read(query: str | bytes, codes: Sequence[tuple[str, ...]] | None = None) -> Asked | SaidPaid:
    return read_request(query if isinstance(query, bytes) else query.encode(), codes or CODES)


def lines(call: str, codes: Sequence[tuple[str, ...]] | None = None) -> tuple[str, ...]:
    """What was sent after the code, as the network dials it."""
    asked = read(urlencode({"mobile": MOBILE, "sessionid": "123", "call": call}), codes)
    assert isinstance(asked, Asked)
    return asked.lines


def refused(query: str | bytes) -> str:
    """Why it cannot be read, in one word that the user did not choose."""
    with pytest.raises(BadInput) as caught:
        read(query)
    return str(caught.value)


def test_as_the_document_has_it() -> None:
    """The document's own first request."""
    assert read("mobile=09121234567&sessionid=123&call=*6655*123") == Asked("123", MOBILE, ())


@pytest.mark.parametrize("names", ["MOBILE SESSIONID CALL", "Mobile SessionID Call", "mobile sessionId cALL"])
def test_names_in_any_case(names: str) -> None:
    """The document writes them in several ways itself."""
    mobile, session, call = names.split()
    assert read(f"{call}=*6655*123*7&{mobile}=09121234567&{session}=s-1") == Asked("s-1", MOBILE, ("7",))


@pytest.mark.parametrize(
    "number",
    ["09121234567", "+989121234567", "989121234567", "00989121234567", "9121234567", " 09121234567 ", "۰۹۱۲۱۲۳۴۵۶۷"],
)
def test_one_mobile_in_many_spellings(number: str) -> None:
    """All of them are one user; a plus that was not escaped comes as a blank."""
    asked = read(f"mobile={quote(number)}&sessionid=1&call=*6655*123")
    assert asked == read("mobile=+989121234567&sessionid=1&call=*6655*123") == Asked("1", MOBILE, ())


@pytest.mark.parametrize(
    "call",
    [
        "*6655*123*47#",
        "*6655*123*47",
        "6655*123*47",
        "6655*123*47#",
        " *6655 *123* 47 # ",
        "*6655*123#*47",
        "*۶۶۵۵*۱۲۳*٤۷#",
    ],
)
def test_one_dialled_string_in_many_spellings(call: str) -> None:
    """A star before it or none (the document's sample has it without), hashes, blanks, Persian and Arabic digits."""
    assert lines(call) == ("47",)


def test_lines_are_cumulative_and_may_be_empty() -> None:
    """Each line after its star; who sent nothing has sent an empty one."""
    assert lines("*6655*123") == lines("*6655*123#") == ()
    assert lines("*6655*123*1*2*3") == ("1", "2", "3")
    assert lines("*6655*123*") == ("",) and lines("*6655*123**5") == ("", "5")
    assert lines("*6655*123*سلام") == ("سلام",)


def test_the_code_in_either_order() -> None:
    """The document dials `#123*6655 *`: whichever orders are configured are the code, and only those."""
    both = [("6655", "123"), ("123", "6655")]
    assert lines("#123*6655 *47", both) == lines("*123*6655*47", both) == lines("*6655*123*47", both) == ("47",)
    assert refused("mobile=09121234567&sessionid=1&call=*123*6655*47") == "code"


def test_of_two_codes_the_longer_one_counts() -> None:
    """A code that begins another one takes no line from it."""
    assert lines("*6655*123*9*5", [("6655", "123"), ("6655", "123", "9")]) == ("5",)
    assert lines("*6655*123*95", [("6655", "123"), ("6655", "123", "9")]) == ("95",)


@pytest.mark.parametrize(
    "call", ["", "*", "#", "*6655", "*6655*12", "*6655*1234", "*66551*23", "**6655*123", "x*6655*123"]
)
def test_another_code_is_nobody_s(call: str) -> None:
    """Numbers are compared whole."""
    assert refused(urlencode({"mobile": MOBILE, "sessionid": "1", "call": call})) == "code"


def test_one_parameter_twice() -> None:
    """The same value twice is that value; of two values nobody can say which was meant, whatever their names' case."""
    assert read("mobile=09121234567&MOBILE=09121234567&sessionid=1&call=*6655*123") == Asked("1", MOBILE, ())
    for second in ("call=*6655*123*1", "CALL=*6655*123*1", "Mobile=09121234568", "sessionID=2"):
        assert refused(f"mobile=09121234567&sessionid=1&call=*6655*123&{second}") == "query"


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("", "session"),
        ("mobile=09121234567&call=*6655*123", "session"),
        ("mobile=09121234567&sessionid=&call=*6655*123", "session"),
        ("mobile=09121234567&sessionid=a%7Cb&call=*6655*123", "session"),
        ("mobile=09121234567&sessionid=%00&call=*6655*123", "session"),
        (f"mobile=09121234567&sessionid={'1' * 65}&call=*6655*123", "session"),
        ("sessionid=1&call=*6655*123", "mobile"),
        ("mobile=0912123456&sessionid=1&call=*6655*123", "mobile"),
        ("mobile=02188776655&sessionid=1&call=*6655*123", "mobile"),
        ("mobile=09121234567&sessionid=1", "code"),
        ("mobile=%FF&sessionid=1&call=*6655*123", "query"),
        ("mobile=%C0%B0&sessionid=1&call=*6655*123", "query"),
        (b"mobile=\xff&sessionid=1&call=*6655*123", "query"),
        ("&".join(f"p{number}=1" for number in range(100)), "query"),
        ("call=*6655*123&mobile=09121234567&sessionid=1&x=" + "1" * MOST_QUERY, "length"),
        (f"mobile=09121234567&sessionid=1&call=*6655*123{'*' * 1000}", "lines"),
    ],
)
def test_what_cannot_be_read(query: str | bytes, why: str) -> None:
    """It is counted under a word of ours."""
    assert refused(query) == why


@pytest.mark.parametrize(
    ("sent", "line"),
    [
        ("1" * (MOST_LINE + 1), NO_ANSWER),
        ("\x00", NO_ANSWER),
        ("می\u200cخواهم", "میخواهم"),
        ("\u202e65843148\u200f", "65843148"),
    ],
)
def test_a_line_that_can_be_no_answer_is_a_wrong_one(sent: str, line: str) -> None:
    """It stays in the dialled string: whoever sent it is asked again, and not left with blank screens from then on."""
    query = urlencode({"mobile": MOBILE, "sessionid": "1", "call": f"*6655*123*{sent}*7"})
    assert read(query) == Asked("1", MOBILE, (line, "7"))


def test_no_session_is_endless() -> None:
    """So many lines of one session, and no more."""
    assert len(lines("*6655*123" + "*1" * MOST_LINES)) == MOST_LINES
    assert refused("mobile=09121234567&sessionid=1&call=*6655*123" + "*1" * (MOST_LINES + 1)) == "lines"


def test_the_document_s_callback() -> None:
    """Our factor and theirs are the last two, a blank between them or not; the reference's name is in any case."""
    for name in ("RRN", "rrn", "Rrn"):
        said = read(f"mobile=09121234567&sessionid=123&call=*6655*123*1*+42*77001&{name}=12345")
        assert said == SaidPaid("123", MOBILE, "42", "77001", "12345")
    direct = read("mobile=09121234567&sessionid=123&call=*6655*123*42*77001&RRN=%DB%B1%DB%B2")
    assert direct == SaidPaid("123", MOBILE, "42", "77001", "12")


@pytest.mark.parametrize("end", ["", "*42", "*42*", "*a*77001", "*42*77001x", f"*42*{'7' * 21}"])
def test_a_callback_without_factors(end: str) -> None:
    """Nothing is asked about it."""
    assert refused(f"mobile=09121234567&sessionid=123&call=*6655*123{end}&RRN=12345") == "callback"


@pytest.mark.parametrize("rrn", ["x", "1" * 21, "-1", "1.5", "²"])
def test_a_callback_without_a_reference(rrn: str) -> None:
    assert refused(f"mobile=09121234567&sessionid=123&call=*6655*123*42*77001&RRN={quote(rrn)}") == "callback"


def test_an_empty_reference_is_none() -> None:
    """A network that sends the parameter always, empty while nothing is paid, asks for a screen."""
    assert read("mobile=09121234567&sessionid=123&call=*6655*123*1&RRN=") == Asked("123", MOBILE, ("1",))


WORDS = {"session", "mobile", "code", "lines", "query", "length", "callback"}
PIECES = st.sampled_from(
    [
        b"mobile=",
        b"09121234567",
        b"&",
        b"sessionid=",
        b"1",
        b"call=",
        b"*6655*123",
        b"*",
        b"%",
        b"%00",
        b"%FF",
        b"=",
        b"RRN=",
        b";",
    ]
)


@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=30).map(b"".join)))
def test_any_bytes(query: bytes) -> None:
    """They are read, or refused in one of our own words; what is read is what may be kept."""
    try:
        asked = read_request(query, CODES)
    except BadInput as exc:
        assert str(exc) in WORDS
        return
    assert asked.mobile.startswith("09") and len(asked.mobile) == 11 and 1 <= len(asked.session_id) <= 64
    if isinstance(asked, Asked):
        assert len(asked.lines) <= MOST_LINES and all(len(line) <= MOST_LINE for line in asked.lines)


@given(
    st.lists(
        st.text(st.characters(categories=["L", "N", "P"], exclude_characters="*#"), min_size=1, max_size=20),
        max_size=20,
    )
)
def test_any_lines(sent: list[str]) -> None:
    """What a user can send arrives, with plain digits."""
    query = urlencode({"call": "*".join(["*6655*123", *sent]), "mobile": MOBILE, "sessionid": "1"})
    if len(query) <= MOST_QUERY:
        found = lines("*".join(["*6655*123", *sent]))
        assert len(found) == len(sent)
