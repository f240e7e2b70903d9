"""What the USSD network asks, read from a query: who, in which session, and what was dialled so far.

Law: parameters are found whatever their case; the dialled string may have its stars, hashes and blanks in any of the
ways in which networks write it. What cannot be read is BadInput, and nothing of it is quoted.
"""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

from ivr.domain.digits import is_digits, to_ascii
from ivr.domain.errors import BadInput
from ivr.domain.phone import mobile
from ivr.domain.ussd import is_session_id
from ivr.flow.services import code_parts
from ivr.runtime.screens import MOST_LINES

MOST_QUERY: Final = 2048
"""Bytes of a query."""
MOST_PARAMETERS: Final = 16
MOST_LINE: Final = 64
"""Characters of one line that a user sends."""
NO_ANSWER: Final = "?"
"""Stands for a line that is nothing that could be asked for."""
MOST_ID: Final = 20
"""Digits of a factor id and of an RRN."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A screen is wanted. `lines`: what was sent after the code, so far in this session."""

    session_id: str
    mobile: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SaidPaid:
    """The network says that somebody has paid. Nothing of it is believed."""

    session_id: str
    mobile: str
    our_factor: str
    their_factor: str
    rrn: str


def read_request(query: bytes, codes: Sequence[tuple[str, ...]]) -> Asked | SaidPaid:
    """One request about a service with these codes. Raises BadInput with a word for the reason."""
    given = _parameters(query)
    session_id = given.get("sessionid", "").strip()
    if not is_session_id(session_id):
        raise BadInput("session")
    number = mobile(given.get("mobile", ""))
    if number is None:
        raise BadInput("mobile")
    parts = code_parts(given.get("call", ""))
    lines = _after_code(parts, codes)
    if lines is None:
        raise BadInput("code")
    if given.get("rrn", "").strip():
        return _said_paid(session_id, number, lines, given["rrn"])
    if len(lines) > MOST_LINES:
        raise BadInput("lines")
    return Asked(session_id, number, tuple(map(_line, lines)))


def _line(text: str) -> str:
    """Without the marks that keyboards put between letters. What cannot be an answer stands in the string from now on:
    it is a wrong one, and no reason to answer nothing any more.
    """
    plain = "".join(letter for letter in text if unicodedata.category(letter) != "Cf")
    return plain if len(plain) <= MOST_LINE and plain.isprintable() else NO_ANSWER


def _parameters(query: bytes) -> dict[str, str]:
    if len(query) > MOST_QUERY:
        raise BadInput("length")
    try:
        pairs = parse_qsl(
            query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_PARAMETERS
        )
    except (ValueError, UnicodeError):
        raise BadInput("query") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if given.setdefault(name.lower(), value) != value:
            raise BadInput("query")  # which of two would be meant
    return given


def _after_code(parts: tuple[str, ...], codes: Sequence[tuple[str, ...]]) -> tuple[str, ...] | None:
    """What follows the longest code that the string begins with; None when it begins with none."""
    found = [code for code in codes if parts[: len(code)] == code]
    return parts[len(max(found, key=len)) :] if found else None


def _said_paid(session_id: str, number: str, lines: tuple[str, ...], rrn: str) -> SaidPaid:
    """The last two lines are our factor id and theirs."""
    digits = to_ascii(rrn.strip())
    if len(lines) < 2 or not all(is_digits(text) and len(text) <= MOST_ID for text in (*lines[-2:], digits)):
        raise BadInput("callback")
    return SaidPaid(session_id, number, lines[-2], lines[-1], digits)
