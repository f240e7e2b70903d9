"""Log lines: JSON in a pipe, readable on a terminal.

Law: fields, never sentences with values in them; and whatever field it is, a Secret prints as dots (it has no other
repr). Local variables are never part of a traceback.
"""

import logging
import sys
from enum import StrEnum
from typing import TextIO

import structlog


class LogLevel(StrEnum):
    """The least important lines that are written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


def configure_logs(stream: TextIO | None = None, level: LogLevel = LogLevel.INFO) -> None:
    """Set structlog up for this process."""
    out = stream or sys.stderr
    terminal = out.isatty()
    if terminal:
        renderer: list[structlog.typing.Processor] = [
            structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        ]
    else:
        renderer = [
            structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ]
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.name]),
        logger_factory=structlog.WriteLoggerFactory(file=out),
        cache_logger_on_first_use=True,
    )
