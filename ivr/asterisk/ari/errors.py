"""What ARI can answer besides yes.

IvrError
├── AriError            Asterisk refused this request: status and its own words
│   └── Gone            404 or 409: what it was about is no longer there, or no longer ours
└── Unusable
    └── AriDisconnected the connection died: the request may or may not have been carried out
        └── AriUnsent   there was no connection: nothing left
"""

from typing import Final

from ivr.domain.errors import IvrError, Unusable

NOT_FOUND: Final = 404
CONFLICT: Final = 409


class AriError(IvrError):
    """Asterisk's refusal. `status` is an HTTP status, whichever way the request travelled."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message


class Gone(AriError):
    """The channel, playback or bridge does not exist (404), or is in a state that excludes this (409)."""


class AriDisconnected(Unusable):
    """No connection, or it died before the reply. Whoever asked finds out after the next connect."""


class AriUnsent(AriDisconnected):
    """The request never left."""


def refusal(status: int, message: str) -> AriError:
    """The error for a reply whose status is not 2xx."""
    return Gone(status, message) if status in (NOT_FOUND, CONFLICT) else AriError(status, message)


def place(exc: BaseException) -> str:
    """Where an unexpected error arose, for a log line: `KeyError voice.py:120`. Never its text or its values."""
    trace = exc.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return type(exc).__name__
    file = trace.tb_frame.f_code.co_filename.rpartition("/")[2]
    return f"{type(exc).__name__} {file}:{trace.tb_lineno}"
