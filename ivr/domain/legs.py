"""The leg that we dial for a caller, and how it can end."""

from enum import Enum


class LegResult(Enum):
    """How a dialled leg ended. The value is the exit a flow names."""

    ENDED = "ended"
    """It was answered, and later one side hung up."""
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    """The far side said no (403, 603 …)."""
    UNREACHABLE = "unreachable"
    """Nobody there, no route, or the trunk is broken."""
    BEING_PAID = "being_paid"
    """Nothing was dialled: another payment of the same invoice is under way or approved."""


class HangupCause(Enum):
    """Why we hang up, as a Q.850 cause that Asterisk turns into a SIP answer or a BYE."""

    NORMAL = 16
    BUSY = 17
    REJECTED = 21
    UNAVAILABLE = 34
