"""What may stand beside an entry in the journal: few, short, plain texts, and never a card number.

Law: the journal checks and raises; whoever writes what an outsider said makes it `plain` first, so that a strange
answer never keeps a decided payment out of the journal.
"""

import re
from collections.abc import Mapping
from typing import Final

from ivr.domain.card import is_card_number
from ivr.domain.digits import to_ascii
from ivr.domain.errors import BadInput

MOST_DETAILS: Final = 8
"""Details beside one entry."""
MOST_NAME: Final = 32
"""Characters of a detail's name."""
MOST_VALUE: Final = 200
"""Characters of a detail's value."""

_CARD: Final = re.compile(r"(?<!\d)(?:\d{16}|\d{4}([ ._:-])\d{4}\1\d{4}\1\d{4})(?!\d)")


def check_details(details: Mapping[str, str]) -> None:
    """Raises BadInput, naming the detail and never its value."""
    if len(details) > MOST_DETAILS:
        raise BadInput(f"an entry has {MOST_DETAILS} details at most, not {len(details)}")
    for name, value in details.items():
        if len(name) > MOST_NAME:
            raise BadInput(f"a detail's name has {MOST_NAME} characters at most, not {len(name)}")
        if not isinstance(value, str):
            raise BadInput(f"the detail {name} is no text")
        if len(value) > MOST_VALUE:
            raise BadInput(f"the detail {name} has {MOST_VALUE} characters at most, not {len(value)}")
        if not is_storable(value):
            raise BadInput(f"the detail {name} holds half a character or none")
        if holds_card_number(value):
            raise BadInput(f"the detail {name} looks like a card number")


def holds_card_number(text: str) -> bool:
    """Whether a card number stands somewhere in it, in one piece or in groups of four."""
    return any(is_card_number(_digits(found[0])) for found in _CARD.finditer(text))


def is_storable(text: str) -> bool:
    """False when the text holds a lone surrogate, which JSON can carry and no file can, or a zero byte, which not every
    database can.
    """
    if "\0" in text:
        return False
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def plain(details: Mapping[str, str | None]) -> dict[str, str]:
    """The same as the journal takes it: absent ones left out, cut to length, printable, card numbers masked."""
    present = [(name, value) for name, value in details.items() if value is not None]
    return {
        name[:MOST_NAME]: _CARD.sub(_mask, _printable(value[:MOST_VALUE])) for name, value in present[:MOST_DETAILS]
    }


def _printable(text: str) -> str:
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def _mask(found: re.Match[str]) -> str:
    digits = _digits(found[0])
    return f"{digits[:6]}••••••{digits[-4:]}" if is_card_number(digits) else found[0]


def _digits(text: str) -> str:
    return "".join(c for c in to_ascii(text) if c in "0123456789")
