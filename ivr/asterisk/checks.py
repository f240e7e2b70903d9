"""What may leave towards a trunk. Law: a value that could become a second header, or that Asterisk would change
silently, is refused before anything is sent."""

import re
from typing import Final

from ivr.domain.errors import BadInput
from ivr.domain.sip import CALLER_ID_CHARACTERS, RESERVED_HEADERS
from ivr.runtime.ports import LegOrder

LONGEST_VALUE: Final = 256
"""Characters of a header's value."""
LONGEST_NUMBER: Final = 80
"""Characters of a dialled number or a caller id; Asterisk cuts longer ones."""

_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9._-]{0,63}")
_VALUE: Final = re.compile(r"[ -~]*")
_TRUNK: Final = re.compile(r"[A-Za-z0-9_-]+")
_NUMBER: Final = re.compile(r"[0-9A-Za-z*#+_.-]+")
_CALLER_ID: Final = re.compile(f"[{re.escape(''.join(sorted(CALLER_ID_CHARACTERS)))}]*")


def check_order(order: LegOrder) -> None:
    """Return when this leg may be dialled. Raises BadInput naming the field, never its value."""
    _match(_TRUNK, order.trunk, "trunk", LONGEST_NUMBER)
    _match(_NUMBER, order.number, "number", LONGEST_NUMBER)
    _match(_CALLER_ID, order.caller_id, "caller id", LONGEST_NUMBER)
    if order.answer_timeout <= 0:
        raise BadInput("the leg's answer timeout must be more than 0 seconds")
    for name, value in order.headers.items():
        check_header_name(name)
        if name.lower() in RESERVED_HEADERS:
            raise BadInput(f"the SIP header {name} belongs to SIP itself and cannot be added")
        _match(_VALUE, value, f"header {name}", LONGEST_VALUE)


def check_header_name(name: str) -> None:
    """Return when this can name a SIP header. Raises BadInput."""
    if _NAME.fullmatch(name) is None:
        raise BadInput(f"not a SIP header's name: {name[:64]!r}")


def _match(pattern: re.Pattern[str], text: str, what: str, longest: int) -> None:
    if len(text) > longest:
        raise BadInput(f"the leg's {what} is longer than {longest} characters")
    if pattern.fullmatch(text) is None:
        raise BadInput(f"the leg's {what} is empty or holds a character that cannot be sent")
