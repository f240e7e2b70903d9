"""headers: take values from the SIP headers of the caller's INVITE.

Law: only a trunk that is trusted may speak through headers, and what is not as `ivr.flow.brought` wants it is not
taken.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

import yaml

from ivr.domain.reading import Fields
from ivr.flow.brought import Wanted, read_wanted
from ivr.flow.describing import Description
from ivr.flow.events import Event, HeadersRead
from ivr.flow.facts import Facts
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.visit import VOICE, Visit

MOST_ADDRESS: Final = 512
"""Characters of an address header that are looked at."""

_USER: Final = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"\s*<|[^"<]*<)?sips?:([^@>;]*)@')
"""The user of a SIP address. A displayed name before it is the caller's own and may look like an address: skipped."""


@dataclass(frozen=True, slots=True)
class HeadersStep:
    """Reads headers once."""

    only_on: ClassVar = VOICE

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
            value = want.value(_part(raw, want.part))
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


def read(body: yaml.Node, reading: Reading) -> Made:
    """`headers: {invoice_id: {header: X-Invoice-Id, min: 4, max: 12}}`."""
    fields = Fields(reading.source, body, "headers")
    wanted = {}
    for name, key, node in fields.names():
        wanted[name] = read_wanted(Fields(reading.source, node, f"the header of '{name}'"))
        reading.uses.sizes.append((name, wanted[name].most, node))
        reading.make(name, wanted[name].makes, key)
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
