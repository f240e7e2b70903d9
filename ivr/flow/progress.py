"""How far a caller is with what they are keying: for an agent on the line, who must hear and see none of it.

Law: counts and names only, never a digit.
"""

import msgspec

from ivr.domain.privacy import Privacy
from ivr.flow.model import Flow
from ivr.flow.session import Session


class Progress(msgspec.Struct, frozen=True):
    """Where an assisted call stands."""

    call_id: str
    flow: str
    step: str
    asks: str | None
    """The name of what is being keyed."""
    keyed: int
    of: int | None
    """None: it has no fixed length."""
    private: bool
    """The agent hears nothing of the caller now."""
    over: bool
    """The flow is done with them: both can talk."""


def progress(flow: Flow, session: Session) -> Progress:
    """Of this session."""
    step = flow.steps.get(session.step)
    asked = getattr(step.kind, "progress", None) if step is not None else None
    name, keyed, of = asked(session) if asked is not None and session.ended is None else (None, 0, None)
    return Progress(
        session.call_id,
        session.flow,
        session.step,
        name,
        keyed,
        of,
        session.privacy == Privacy.ALL.value and session.ended is None,
        session.ended is not None,
    )
