"""How much of a call others may hear, while something is keyed that is for nobody's ears."""

from enum import Enum


class Privacy(Enum):
    """What is closed off."""

    OPEN = "open"
    """Nothing."""
    RECORDINGS = "recordings"
    """Every recording of the call is silent: the caller is with the bank."""
    ALL = "all"
    """And an agent on the line hears nothing of the caller: a secret is being keyed."""
