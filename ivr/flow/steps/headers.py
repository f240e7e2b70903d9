"""headers: take values from the SIP headers of the caller's INVITE.

Law: only a trunk that is trusted may speak through headers, and only what is digits of the stated length is taken, or
as a text letters, digits, `.`, `-` and `_`. An amount that comes this way is a claim: a provider has to check it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.digits import is_digits
from ivr.domain.errors import BadInput
from ivr.domain.money import rial
from ivr.domain.operations import Kind
from ivr.domain.reading import Fields
from ivr.flow.describing import Description
from ivr.flow.events import Event, HeadersRead
from ivr.flow.facts import Facts
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.steps.forms import MOST_DIGITS
from ivr.flow.visit import Visit

MOST_ADDRESS: Final = 512
"""Characters of an address header that are looked at."""

_USER: Final = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"\s*<|[^"<]*<)?sips?:([^@>;]*)@')
"""The user of a SIP address. A displayed name before it is the caller's own and may look like an address: skipped."""

MOST_TEXT: Final = 64
"""Characters of a header that is a text."""

_TEXT: Final = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")

_KINDS: Final = {"digits": Kind.DIGITS, "number": Kind.DIGITS, "amount": Kind.AMOUNT, "text": Kind.TEXT}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One value: from which header, and what it must be."""

    header: str
    least: int
    most: int
    kind: str
    """digits, number (digits without leading zeros), amount, or text (such as an order's number)."""
    part: int
    """0: the whole header; n: the n-th of the `*`-separated parts of its SIP address's user."""


@dataclass(frozen=True, slots=True)
class HeadersStep:
    """Reads headers once."""

    wanted: Mapping[str, Wanted]

    def enter(self, visit: Visit) -> None:
        """Ask the channel for them."""
        visit.read_headers(tuple(dict.fromkeys(want.header for want in self.wanted.values())))

    def on(self, visit: Visit, event: Event) -> None:
        """Take all of them or none."""
        if not isinstance(event, HeadersRead):
            return
        if not event.trusted:
            visit.leave("untrusted")
            return
        taken: dict[str, str | int] = {}
        for name, want in self.wanted.items():
            raw = (event.values.get(want.header) or "").strip()
            if not raw:
                visit.leave("missing")
                return
            value = _value(_part(raw, want.part), want)
            if value is None:
                visit.leave("invalid")
                return
            taken[name] = value
        for name, value in taken.items():
            visit.save(name, value)
        visit.leave(NEXT)

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Read again."""
        self.enter(visit)

    def describe(self) -> Description:
        """Which headers are read."""
        return Description("headers", about=", ".join(dict.fromkeys(want.header for want in self.wanted.values())))


def _part(raw: str, part: int) -> str:
    """The whole text, or one `*`-separated part of the user in its SIP address; empty when there is no such part."""
    if not part:
        return raw
    match = _USER.match(raw[:MOST_ADDRESS].replace("%2A", "*").replace("%2a", "*"))
    parts = match[1].split("*") if match else []
    return parts[part - 1] if part <= len(parts) else ""


def _value(raw: str, want: Wanted) -> str | int | None:
    """ASCII digits, or a text, of the right length, or None. Persian digits, spaces and anything else are refused."""
    if not want.least <= len(raw) <= want.most:
        return None
    if want.kind == "text":
        return raw if _TEXT.fullmatch(raw) else None
    if not is_digits(raw):
        return None
    if want.kind == "number":
        return raw.lstrip("0") or None
    if want.kind == "digits":
        return raw
    try:
        return rial(raw)
    except BadInput:
        return None


def read(body: yaml.Node, reading: Reading) -> Made:
    """`headers: {invoice_id: {header: X-Invoice-Id, min: 4, max: 12}}`."""
    fields = Fields(reading.source, body, "headers")
    wanted = {}
    for name, key, node in fields.names():
        one = Fields(reading.source, node, f"the header of '{name}'")
        kind = one.one_of("kind", tuple(_KINDS), "digits")
        most = MOST_TEXT if kind == "text" else MOST_DIGITS
        wanted[name] = Wanted(
            header=_header(one),
            least=one.whole("min", 1, least=1, most=most),
            most=one.whole("max", 20, least=1, most=most),
            kind=kind,
            part=one.whole("part", 0, most=9),
        )
        if wanted[name].least > wanted[name].most:
            one.blame(f"'min' is {wanted[name].least} and 'max' is {wanted[name].most}: no number fits", "min")
        one.done()
        reading.uses.sizes.append((name, wanted[name].most, node))
        reading.make(name, _KINDS[kind], key)
    if not wanted:
        fields.blame("'headers' reads nothing")
    names = ", ".join(dict.fromkeys(want.header for want in wanted.values()))
    how = {
        NEXT: f"the call's trunk is trusted, and its headers are right ({names})",
        "missing": f"a header is missing ({names})",
        "invalid": f"a header is wrong ({names})",
        "untrusted": "the call's trunk is not trusted",
    }
    made = HeadersStep(wanted)
    return Made(made, frozenset({NEXT, "missing", "invalid", "untrusted"}), facts=Facts(mute=True, how=how))


def _header(fields: Fields) -> str:
    name = fields.text("header")
    if name and not all(c.isascii() and (c.isalnum() or c == "-") for c in name):
        fields.blame(f"'{name}' is not a SIP header's name", "header")
    return name
