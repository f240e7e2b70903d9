"""What a merchant's page may answer: a screen that a telephone can show, or exactly the wish for money."""

import pytest

from ivr.domain import screens
from ivr.domain.errors import BadInput
from ivr.sandbox.gsm import Limits, alphabet_of, length
from ivr.sandbox.ussd_screen import MISTAKES, Screen, Wish, read_answer
from ivr.sandbox.ussd_settings import Directory, Service, read_dialled, read_service

LIMITS = Limits()


def screen(raw: bytes | str, charset: str | None = None) -> Screen:
    read = read_answer(raw.encode() if isinstance(raw, str) else raw, charset, LIMITS)
    assert isinstance(read, Screen)
    return read


@pytest.mark.parametrize(
    ("text", "alphabet", "count"),
    [
        ("", "gsm7", 0),
        ("Enter 1", "gsm7", 7),
        ("12 €", "gsm7", 5),
        ("[a|b]~", "gsm7", 10),
        ("é@Δ\n", "gsm7", 4),
        ("سلام", "ucs2", 4),
        ("a€سلام", "ucs2", 6),
        ("ç", "ucs2", 1),
        ("`", "ucs2", 1),
        ("😀", "ucs2", 2),
    ],
)
def test_length_on_a_screen(text: str, alphabet: str, count: int) -> None:
    """As the network counts: an escape costs one more, and one foreign letter changes the alphabet of all."""
    assert (alphabet_of(text), length(text, alphabet_of(text))) == (alphabet, count)


@pytest.mark.parametrize(
    ("text", "is_too_long", "kept"),
    [
        ("a" * 182, False, 182),
        ("a" * 183, True, 182),
        ("a" * 181 + "€", True, 181),
        ("س" * 80, False, 80),
        ("س" * 81, True, 80),
        ("س" * 79 + "😀", True, 79),
    ],
)
def test_a_screen_ends_where_the_network_ends_it(text: str, is_too_long: bool, kept: int) -> None:
    """What is over is cut, and said to be; no character is halved."""
    shown = screen(text)
    assert (shown.text, "too_long" in shown.mistakes) == (text[:kept], is_too_long)


def test_the_network_counts_as_services_do() -> None:
    """A screen that a flow's text fits on is never cut here: two hands wrote the alphabet down, and agree."""
    for text in (chr(point) for point in range(0x11000) if not 0xD800 <= point < 0xE000):
        assert length(text, alphabet_of(text)) == screens.length(text)
        assert (alphabet_of(text) == "gsm7") == screens.is_gsm(text)
    usual = screens.Limits()
    assert (usual.gsm, usual.ucs2) == (LIMITS.gsm7, LIMITS.ucs2)


def test_another_operators_screen() -> None:
    """The limits are settings."""
    read = read_answer(b"abcd", None, Limits(gsm7=3))
    assert isinstance(read, Screen) and (read.text, read.length, read.most) == ("abc", 4, 3)


@pytest.mark.parametrize(
    ("raw", "charset", "mistakes"),
    [
        (b"1. a < b & c > d\r\n2. x", "utf-8", ()),
        (b"good", "UTF8", ()),
        ("سلام".encode("cp1256"), None, ("not_utf8",)),
        (b"good", "windows-1256", ("charset",)),
        (b"\xef\xbb\xbfgood", None, ("bom",)),
        (b"", None, ("empty",)),
        (b" \n", None, ("empty",)),
        (b"good\n", None, ("spaces",)),
        (b"a<br>b", None, ("markup",)),
        (b"<!doctype html>", None, ("markup",)),
        (b"a&nbsp;b", None, ("markup",)),
        (b"a\x00b", None, ("control",)),
        (b"9900|42|0", None, ("almost_payment",)),
        (b"9900|042|1", None, ("almost_payment",)),
        (b"9900|a|1000", None, ("almost_payment",)),
        (b"9900|42|1000\n", None, ("spaces", "almost_payment")),
        (b"9900|42|1,000", None, ("almost_payment",)),
        (b"9900 | 42 | 1000", None, ("almost_payment",)),
        (b"\xef\xbb\xbf9900|42|1000", None, ("bom", "almost_payment")),
        ("9900|۴۲|۱۰۰۰".encode(), None, ("almost_payment",)),
    ],
)
def test_mistakes_of_a_merchant(raw: bytes, charset: str | None, mistakes: tuple[str, ...]) -> None:
    """Each is named; what can be shown is shown."""
    assert screen(raw, charset).mistakes == mistakes
    assert set(mistakes) <= MISTAKES.keys()


def test_the_wish_for_money() -> None:
    """The document's three numbers and two pipes, and nothing else."""
    assert read_answer(b"9900|42|160000", "utf-8", LIMITS) == Wish("42", 160_000)


@pytest.mark.parametrize(
    ("keyed", "call"),
    [
        ("*6655*123#", "*6655*123"),
        (" *6655 *123# ", "*6655*123"),
        ("*۶۶۵۵*١٢٣#", "*6655*123"),
        ("*6655*123*7748317800142*1770160#", "*6655*123*7748317800142*1770160"),
        ("*6655*123", None),
        ("6655#", None),
        ("*66#55#", None),
        ("*6655*abc#", None),
        ("", None),
        ("*" + "1" * 181 + "#", None),
    ],
)
def test_what_is_a_ussd_string(keyed: str, call: str | None) -> None:
    """Star first, square last, digits between."""
    assert read_dialled(keyed) == call


@pytest.mark.parametrize(
    ("call", "code"),
    [
        ("*6655*123", "*6655*123"),
        ("*6655*123*5", "*6655*123"),
        ("*6655*123*7*9", "*6655*123*7"),
        ("*6655*1234", "*6655"),
        ("*6655", "*6655"),
        ("*665", None),
        ("*1*6655*123", None),
    ],
)
def test_the_longest_code_wins(call: str, code: str | None) -> None:
    """Whole numbers are compared: 1234 is not 123 with a 4."""
    directory = Directory(tuple(Service(each, "http://a") for each in ("*6655", "*6655*123", "*6655*123*7")))
    found = directory.find(call)
    assert (found and found.code) == code


def test_a_service_as_it_is_written() -> None:
    """On the command line: code, equals sign, page. The page may have an equals sign of its own."""
    assert read_service("*6655*123#=http://a/b?c=d") == Service("*6655*123", "http://a/b?c=d")


@pytest.mark.parametrize(
    "text",
    ["*6655*123", "6655=http://a", "*=http://a", "*1=", "*1=ftp://a", "*1=http://", "*1=http://[", "*1=http://a b"],
)
def test_a_service_that_cannot_be(text: str) -> None:
    """Is refused with a sentence."""
    with pytest.raises(BadInput):
        read_service(text)
