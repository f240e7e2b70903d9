"""What every command does: read its options, print results, and turn errors into one line.

Law: results go to stdout, what is wrong to stderr. Exit status: 0 done, 1 something is wrong, 2 misused.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from ivr.domain.errors import IvrError

ConfigOption = Annotated[
    Path, typer.Option("--config", envvar="IVR_CONFIG", help="The deployment's configuration.", show_default=True)
]
JsonOption = Annotated[bool, typer.Option("--json", help="For programs.")]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Our own errors become their sentence on stderr and exit status 1."""
    try:
        yield
    except IvrError as exc:
        fail(str(exc))
    except KeyboardInterrupt:
        fail("stopped")


def say(text: str) -> None:
    """A line of the result."""
    sys.stdout.write(text + "\n")


def say_json(value: object) -> None:
    """The result for programs."""
    say(json.dumps(value, ensure_ascii=False, indent=2))


def fail(message: str) -> NoReturn:
    """Say what is wrong, and end."""
    sys.stderr.write(message + "\n")
    raise typer.Exit(1)
