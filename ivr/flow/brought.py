"""Values that come with a call from somebody who may be believed: in SIP headers, or keyed behind the number.

Law: only what is digits of the stated length is taken, or as a text letters, digits, `.`, `-` and `_`. Persian digits,
spaces and anything else are refused. An amount that comes this way is a claim: a provider has to check it.
"""

import re
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.digits import MOST_DIGITS, is_digits
from ivr.domain.errors import BadInput
from ivr.domain.money import rial
from ivr.domain.operations import Kind
from ivr.domain.reading import Fields

MOST_TEXT: Final = 64
"""Characters of a value that is a text."""

_TEXT: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")

KINDS: Final = {"digits": Kind.DIGITS, "number": Kind.DIGITS, "amount": Kind.AMOUNT, "text": Kind.TEXT}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One value: from which header, and what it must be."""

    header: str
    """Empty: it comes in no header."""
    least: int
    most: int
    kind: str
    """digits, number (digits without leading zeros), amount, or text (such as an order's number)."""
    part: int = 0
    """0: the whole header; n: the n-th of the `*`-separated parts of its SIP address's user."""

    @property
    def makes(self) -> Kind:
        """What kind of value later steps know."""
        return KINDS[self.kind]

    def value(self, raw: str) -> str | int | None:
        """What came, or None when it is not what it must be."""
        if not self.least <= len(raw) <= self.most:
            return None
        if self.kind == "text":
            return raw if _TEXT.fullmatch(raw) else None
        if not is_digits(raw):
            return None
        if self.kind == "number":
            return raw.lstrip("0") or None
        if self.kind == "digits":
            return raw
        try:
            return rial(raw)
        except BadInput:
            return None


def read_wanted(one: Fields, *, header: str | None = None, parts: bool = True) -> Wanted:
    """`{header: X-Invoice-Id, min: 4, max: 12, kind: number}`. `header`: the default; None: one must be named."""
    kind = one.one_of("kind", tuple(KINDS), "digits")
    most = MOST_TEXT if kind == "text" else MOST_DIGITS
    wanted = Wanted(
        header=_header(one, header),
        least=one.whole("min", 1, least=1, most=most),
        most=one.whole("max", 20, least=1, most=most),
        kind=kind,
        part=one.whole("part", 0, most=9) if parts else 0,
    )
    if wanted.least > wanted.most:
        one.blame(f"'min' is {wanted.least} and 'max' is {wanted.most}: no number fits", "min")
    one.done()
    return wanted


def read_brought(fields: Fields) -> dict[str, tuple[Wanted, yaml.Node]]:
    """A flow's `brings: {invoice_id: {min: 4, max: 12, kind: number, header: X-Invoice-Id}}`, each with its place."""
    return {
        name: (read_wanted(Fields(fields.source, node, f"what a call brings as '{name}'"), header="", parts=False), key)
        for name, key, node in fields.names()
    }


def _header(fields: Fields, default: str | None) -> str:
    name = fields.text("header", default)
    if name and not all(c.isascii() and (c.isalnum() or c == "-") for c in name):
        fields.blame(f"'{name}' is not a SIP header's name", "header")
    return name
