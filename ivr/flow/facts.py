"""What a step kind tells the checker about itself.

Law: whoever tells nothing is taken for the worst: such a step leaves its caller in silence, never lets them choose, and
makes its values known only by the exit that goes on. So a new step kind is checked too strictly, never too mildly,
until it says more in its `Made(..., facts=Facts(...))`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ivr.flow.saying import Saying

MISSING: Final = "missing"
"""The exit of a step that `looks_at` a value which nobody has given."""

PRESENT: Final = "present"
OTHERWISE: Final = "otherwise"
"""Its exit for a value that is none of its cases: two words for one thing."""

MAY_BE_MISSING: Final = frozenset({"caller_number", "caller_mobile", "agent"})
"""What a call may know from its beginning, and may not: a withheld number, say. Every other built-in name is known."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One step's facts. Exits are named as the engine names them (`ended`, `key 1`)."""

    chosen: frozenset[str] = frozenset()
    """Exits that only the caller's own keys lead to: neither silence nor the last of many wrong keys."""
    heard: frozenset[str] = frozenset()
    """Exits by which the caller has been told something since they last did anything."""
    mute: bool = False
    """Neither speaks nor listens: whatever was said before it still stands."""
    makes: Mapping[str, frozenset[str]] | None = None
    """Exit -> the names that are known after it. None: all that it makes, by the exit that goes on."""
    perhaps: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Exit -> further names that may be known after it, and may be missing: whoever needs one looks first."""
    asks: bool = False
    """Has somebody else look at what the caller keyed: tried again and again, it is guessing."""
    asked: str | None = None
    """The provider whose answer makes what it makes."""
    inquired: tuple[str, str] | None = None
    """The provider that is asked later about the payment it makes, and the value that it is asked by."""
    pays: bool = False
    """Tries to take money."""
    undecided: frozenset[str] = frozenset()
    """Exits after which nobody here knows whether money moved."""
    decides: frozenset[str] = frozenset()
    """Exits after which that is known."""
    paid: frozenset[str] = frozenset()
    """Exits that say, where others do not, that the money has come."""
    says: Saying = field(default_factory=lambda: Saying(()))
    """What it says before anything else."""
    cut_short: bool = True
    """A key ends what it says."""
    looks_at: str | None = None
    """The value that alone decides by which exit it leaves: `missing`, `present`, or an exit for special values."""
    texts_apart: bool = True
    """Each further exit stands for one text, and the same exit for the same text in every step."""
    ending: str | None = None
    """Without an exit, but no end of the call: by this name it goes back to the flow that called this one."""
    keeps: bool = False
    """Another flow takes the caller over for good. How that one ends is found out from itself."""
    copies: Mapping[str, str] = field(default_factory=dict)
    """New name -> the name whose value it takes over, known or not; other names of its scope are forgotten."""
    how: Mapping[str, str] = field(default_factory=dict)
    """Exit -> what happens for it, in words: `press 1`. Nothing for an exit that needs nobody's doing."""


NOTHING_TOLD: Final = Facts()
"""The worst."""
