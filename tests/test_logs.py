"""Log lines: one JSON object a line in a pipe, readable on a terminal, and never a secret."""

import errno
import io
import json
import os
import select
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import pytest
import structlog

from ivr.domain.secret import Secret
from ivr.runtime.logs import LogLevel, configure_logs, lost_lines


@pytest.fixture(autouse=True)
def own_configuration() -> Iterator[None]:
    """Other tests keep theirs."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)


def break_down() -> None:
    card = "6037990000000006"
    raise RuntimeError(f"a bug with {len(card)} characters")


def write_lines(out: TextIO, level: LogLevel = LogLevel.INFO) -> None:
    """A call's lines: a plain one, one with a secret, one of a bug."""
    configure_logs(out, level)
    log = structlog.get_logger("test")
    with structlog.contextvars.bound_contextvars(call_id="1700000000.1"):
        log.debug("hidden")
        log.info("step", step="ask_invoice", prompt="مبلغ")
        log.warning("odd", what=Secret("6037990000000006"))
        try:
            break_down()
        except RuntimeError:
            log.exception("broke")
    log.info("serving")


def written(out: io.TextIOWrapper) -> str:
    buffer = out.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


def test_json_in_a_pipe() -> None:
    """Every line is an object with name, level, UTC time and the call it belongs to; a bug's line holds its trace."""
    out = io.TextIOWrapper(io.BytesIO())
    write_lines(out)
    step, odd, broke, serving = [json.loads(line) for line in written(out).splitlines()]
    assert (step["event"], step["level"], step["call_id"], step["step"]) == (
        "step",
        "info",
        "1700000000.1",
        "ask_invoice",
    )
    assert step["timestamp"].endswith("Z") and step["prompt"] == "مبلغ"
    assert odd["event"] == "odd"
    assert broke["exception"][0]["exc_type"] == "RuntimeError"
    assert "call_id" not in serving
    assert "603799" not in written(out)


def test_readable_on_a_terminal(terminal: tuple[TextIO, Callable[[], str]]) -> None:
    """People see names and fields, not JSON; local variables and secrets are not shown there either."""
    out, shown = terminal
    write_lines(out)
    text = shown()
    assert "ask_invoice" in text and "1700000000.1" in text and "break_down" in text
    assert '"event"' not in text and "603799" not in text


@pytest.mark.parametrize(("level", "lines"), [("debug", 5), ("info", 4), ("warning", 2), ("error", 1)])
def test_levels(level: str, lines: int) -> None:
    """Who wants less gets less."""
    out = io.TextIOWrapper(io.BytesIO())
    write_lines(out, LogLevel(level))
    assert len(written(out).splitlines()) == lines


@pytest.fixture
def terminal() -> Iterator[tuple[TextIO, Callable[[], str]]]:
    """A real pseudo-terminal: where to write, and what was shown."""
    ours, theirs = os.openpty()
    out: Any = os.fdopen(theirs, "w", encoding="utf-8")

    def shown() -> str:
        out.flush()
        text = b""
        while select.select([ours], [], [], 0.2)[0]:  # a terminal hands on what was written in its own time
            text += os.read(ours, 65536)
        return text.decode()

    yield out, shown
    out.close()
    os.close(ours)


class FullDisk(io.RawIOBase):
    """Takes nothing."""

    def writable(self) -> bool:
        return True

    def write(self, data: object, /) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_ends_nobody_s_call() -> None:
    """A line that cannot be written is lost and counted; whoever wrote it goes on."""
    before = lost_lines()
    write_lines(io.TextIOWrapper(io.BufferedWriter(FullDisk(), 1)))
    assert lost_lines() > before


def test_a_line_that_is_no_json_is_written_all_the_same() -> None:
    """Half a character in a value costs that value its look, not the line."""
    out = io.TextIOWrapper(io.BytesIO())
    configure_logs(out)
    structlog.get_logger("test").info("step", step="half \ud800 a character")
    assert json.loads(written(out))["event"] == "'step'"
