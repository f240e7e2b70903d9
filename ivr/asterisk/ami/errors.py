"""What AMI can answer besides yes.

IvrError
├── AmiError            Asterisk refused this action, in its own words; or its list was too long to keep
└── Unusable
    └── AmiDisconnected the connection died or no reply came: the action may or may not have been carried out
        └── AmiUnsent   there was no connection, or too much was waiting for replies: nothing left
"""

from ivr.domain.errors import IvrError, Unusable


class AmiError(IvrError):
    """Asterisk's refusal of an action; `message` is its own words, at most 200 characters."""

    def __init__(self, action: str, message: str) -> None:
        super().__init__(f"{action}: {message}")
        self.action = action
        self.message = message


class AmiDisconnected(Unusable):
    """No reply. Whoever asked looks, after the next connect, at what became of it."""


class AmiUnsent(AmiDisconnected):
    """The action never left: it may be sent again."""
