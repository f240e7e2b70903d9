"""Log lines: JSON in a pipe, readable on a terminal.

Law: fields, never sentences with values in them; and whatever field it is, a Secret prints as dots (it has no other
repr). Local variables are never part of a traceback.
"""

import logging
import sys
import time
from enum import StrEnum
from typing import Any, BinaryIO, Final, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger


class LogLevel(StrEnum):
    """The least important lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class _Unfailing:
    """Where lines go. A line that cannot be written is counted and lost: a full disk must not end calls."""

    def __init__(self, file: TextIO | BinaryIO) -> None:
        self._file: Any = file

    def write(self, line: Any) -> None:
        global _lost
        try:
            self._file.write(line)
        except (OSError, ValueError):  # ValueError: the file was closed
            _lost += 1

    def flush(self) -> None:
        global _lost
        try:
            self._file.flush()
        except (OSError, ValueError):
            _lost += 1


_lost = 0


def lost_lines() -> int:
    """How many lines this process could not write."""
    return _lost


def configure_logs(stream: TextIO | None = None, level: LogLevel = LogLevel.INFO) -> None:
    """Set structlog up for this process."""
    out = stream or sys.stderr
    terminal = out.isatty()
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            *(_FOR_PEOPLE if terminal else _FOR_PROGRAMS),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.name]),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, _Unfailing(out)))
        if terminal
        else structlog.BytesLoggerFactory(cast(BinaryIO, _Unfailing(out.buffer))),
        cache_logger_on_first_use=True,
    )


_seconds = (0, "")
"""The second that the last line was written in, and how it is written."""


def stamp(_: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Level and UTC time, to the millisecond. The date is spelt once a second."""
    global _seconds
    now = time.time()
    second = int(now)
    if second != _seconds[0]:
        _seconds = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)))
    event["level"] = "error" if method == "exception" else method
    event["timestamp"] = f"{_seconds[1]}.{int((now - second) * 1000):03d}Z"
    return event


_encoder: Final = msgspec.json.Encoder(enc_hook=repr)


def encode(_: WrappedLogger, __: str, event: EventDict) -> bytes:
    """One line of JSON; what JSON does not know is written as its repr."""
    try:
        return _encoder.encode(event)
    except (ValueError, TypeError):  # half a character, or a number beyond JSON's
        return _encoder.encode({name: repr(value) for name, value in event.items()})


_FOR_PEOPLE: Final = (
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback),
)
_FOR_PROGRAMS: Final = (
    structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
    stamp,
    encode,
)
