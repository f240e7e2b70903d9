"""What a step says, asks and waits for, told to people who look at a flow: the simulator and the diagram.

Law: a step kind describes itself (`describe`); one that does not is described by its class and by what it says, so that
a new kind shows up everywhere before anybody has written a word about it.
"""

import re
from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

from ivr.flow.model import StepKind
from ivr.flow.saying import Saying

NOTHING: Final = Saying(())


@dataclass(frozen=True, slots=True)
class Description:
    """One step in plain values; everything but its kind may be empty."""

    kind: str
    """The word that admins write: `ask`, `menu` …"""
    says: Saying = NOTHING
    tells: Saying = NOTHING
    """What an agent is told, and the caller does not hear."""
    tells_in: str | None = None
    """In which language; None: the call's."""
    about: str = ""
    """Whom or what it is about: an operation (`paystar.result`), a trunk, a value, a hangup cause."""
    awaits: str = ""
    """What the caller can key here, in words."""
    secret: bool = False
    """What is keyed here is a secret."""
    ends: bool = False
    """The call is over here."""


@runtime_checkable
class Described(Protocol):
    """A step kind that describes itself."""

    def describe(self) -> Description:
        """This step in plain values."""
        ...


def describe(kind: StepKind) -> Description:
    """What this step is. Never fails, whatever the kind."""
    if isinstance(kind, Described):
        return kind.describe()
    values = [getattr(kind, name) for name in getattr(kind, "__dataclass_fields__", ())]
    return Description(
        _word(type(kind).__name__),
        says=next((value for value in values if isinstance(value, Saying)), NOTHING),
        secret=getattr(kind, "secret", False) is True,
    )


def _word(class_name: str) -> str:
    """`HangUpStep` is written `hang_up`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", class_name.removesuffix("Step")).lower()
