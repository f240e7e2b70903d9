"""Reading answers: tolerant of form, never of doubt."""

import pytest

from ivr.domain.errors import OutcomeUnknown
from ivr.providers import wire
from ivr.runtime.http_client import HttpAnswer


@pytest.mark.parametrize(
    ("body", "codes"),
    [
        ('{"status": 0, "errors": [2]}', ["2"]),
        ('{"status": 0, "errors": ["2", 5]}', ["2", "5"]),
        ('{"status": 0, "errors": [{"code": 2, "message": "x"}]}', ["2"]),
        ('{"status": 0, "errors": {"code": "2"}}', ["2"]),
        ('{"status": 0, "errors": 2}', ["2"]),
        ('{"status": 0, "errors": {"invoice_id": ["not found"]}}', ["not found"]),
        ('{"error": 2}', ["2"]),
        ('{"error": "۲"}', ["2"]),
        ('{"error": {"code": 2}}', ["2"]),
        ('{"code": "2"}', ["2"]),
        ('{"error_code": 2}', ["2"]),
        ('{"errorCode ": 2}', ["2"]),
        ('{"status": 2}', ["2"]),
        ('{"status": "2", "errors": []}', ["2"]),
        ('{"status": 0, "data": 2}', ["2"]),
        ('{"status": 0, "data": {"code": 2}}', ["2"]),
        ('{"status": 0}', ["0"]),
        ('{"status": 0, "errors": []}', ["0"]),
        ('{"error": true}', ["true"]),
        ('{"status": 1, "errors": []}', []),
        ('{"error": 0, "code": 200, "errors": null}', []),
        ('{"error": false, "errors": {}}', []),
        ("{}", []),
    ],
)
def test_an_error_is_found_wherever_it_is_written(body: str, codes: list[str]) -> None:
    """The document leaves the form open; the caller hears the right reason in every likely one."""
    assert wire.error_codes(wire.read(HttpAnswer(200, body.encode()))) == codes


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"1", b'"text"', b"[]", b"<html>", b'{"a": 1', b"\xff\xfe", b'{"status": 1,}',
        b'{"status": 0, "status": 1}', b'{"status": 0, "status ": 1}', b"[" * 60_000, b'{"a": ' + b"9" * 5000 + b"}",
    ],
)  # fmt: skip
def test_what_is_not_one_clear_object_is_unknown(body: bytes) -> None:
    """Nobody is told "paid" or "not paid" on the strength of such an answer."""
    with pytest.raises(OutcomeUnknown):
        wire.read(HttpAnswer(200, body))


@pytest.mark.parametrize("status", [100, 204 + 100, 302, 500, 502, 503, 599])
def test_a_server_error_or_a_redirect_is_unknown_whatever_it_says(status: int) -> None:
    """A gateway's error page may carry somebody's cached answer."""
    with pytest.raises(OutcomeUnknown):
        wire.read(HttpAnswer(status, b'{"status": 1}'))


def test_a_byte_order_mark_spaces_and_fractions() -> None:
    """Keys lose spaces, fractions stay text: no float comes out."""
    document = wire.read(HttpAnswer(200, b'\xef\xbb\xbf{" data ": {"price ": 160000.0}}'))
    assert document == {"data": {"price": "160000.0"}}


@pytest.mark.parametrize("value", [1, "1", " 1 ", "۱", "١"])
def test_one_is_one(value: object) -> None:
    """Number or text, in whichever digits."""
    assert wire.is_one(value)


@pytest.mark.parametrize("value", [True, 0, 2, "01", "1.0", "", None, [], {}, [1], "yes"])
def test_nothing_else_is_one(value: object) -> None:
    """Only 1 is paid."""
    assert not wire.is_one(value)


@pytest.mark.parametrize("value", [None, "", "12a", "1.5", "-5", -5, True, "1" * 21, "1\r\n2", "1*2", [], "²"])
def test_an_identifier_that_is_none_does_not_travel_on(value: object) -> None:
    """It would become part of a SIP header."""
    with pytest.raises(OutcomeUnknown):
        wire.digits(value, 20)


def test_a_code_that_could_be_a_card_number_is_not_kept() -> None:
    """A provider that echoes what it was sent must not bring it into the journal."""
    assert wire.safe_code("6037990000000006") == wire.UNREADABLE
    assert wire.safe_code("bad 6037990000000006") == wire.UNREADABLE
    assert wire.safe_code("http_401") == "http_401"
    assert wire.safe_code("a" * 33) == wire.UNREADABLE


def test_a_flood_of_codes_is_cut() -> None:
    """An answer of a thousand errors is as good as one of twenty."""
    assert len(wire.error_codes({"errors": list(range(1, 1000))})) == wire.MOST_CODES


def test_a_text_for_people_is_one_short_line() -> None:
    """It may be shown in a table."""
    assert wire.text_for_people("a\r\nb" + "x" * 500) == "ab" + "x" * (wire.MOST_TEXT - 2)
    assert wire.text_for_people(["no text"]) == ""
