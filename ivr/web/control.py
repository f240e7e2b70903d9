"""How `ivr reload` speaks to the process that takes calls: HTTP on a Unix socket in the data directory.

Law: whoever may write the socket's file (its owner and group) may reload, nobody from the network ever can. The socket
belongs to whoever holds the data directory's lock, so one that is in the way is a dead process's.
"""

import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ivr.domain.errors import BadInput, Unusable
from ivr.runtime.reloader import Reloaded

SOCKET_FILE: Final = "ivr.sock"
PATIENCE: Final = 60.0
"""Seconds for a whole reload."""
MOST_BODY: Final = 1024
MOST_PATH: Final = 107
"""Bytes of a Unix socket's name; the kernel takes no more."""

_UMASK: Final = 0o117

Reload = Callable[[str, str], Awaitable[Reloaded]]
"""(how, who) -> what became of it."""


def control_app(reload: Reload, more: Sequence[Route] = ()) -> Starlette:
    """POST /reload with `{"how": …, "who": …}` answers with a `Reloaded`. `more`: what else can be asked here."""

    async def post(request: Request) -> Response:
        body = await request.body()
        try:
            asked = json.loads(body[:MOST_BODY])
            how, who = str(asked["how"]), str(asked["who"])
        except (ValueError, TypeError, KeyError):
            return JSONResponse({"error": "how and who are needed"}, 400)
        return JSONResponse(asdict(await reload(how, who)))

    return Starlette(routes=[Route("/reload", post, methods=["POST"]), *more])


@contextmanager
def control_listener(directory: Path) -> Iterator[socket.socket]:
    """The socket in a data directory, while it is ours. Raises Unusable."""
    path = directory / SOCKET_FILE
    listener = socket.socket(socket.AF_UNIX)
    before = os.umask(_UMASK)
    try:
        path.unlink(missing_ok=True)
        with _short(path) as name:
            listener.bind(name)
    except OSError as exc:
        listener.close()
        raise Unusable(f"{path} cannot be made: {exc.strerror}; `ivr reload` speaks through it") from None
    finally:
        os.umask(before)
    try:
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def ask_reload(directory: Path, how: str, who: str) -> dict[str, Any]:
    """Have the process that owns this data directory reload; returns a `Reloaded` as plain data. Raises Unusable."""
    return ask(directory, "POST", "/reload", {"how": how, "who": who})


def ask(directory: Path, method: str, path_of_it: str, body: Mapping[str, object] | None = None) -> dict[str, Any]:
    """Ask the process that owns this data directory; returns its answer. Raises BadInput with what it refuses, and
    Unusable when it cannot be asked.
    """
    path = directory / SOCKET_FILE
    connection = _Connection(path)
    try:
        connection.request(method, path_of_it, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        found: dict[str, Any] = json.loads(answer.read()) or {}
        if answer.status == HTTPStatus.OK:
            return found
        if answer.status == HTTPStatus.UNPROCESSABLE_ENTITY:
            raise BadInput(str(found.get("detail", "it refuses")))
        why = str(found.get("detail", f"it answers {answer.status}"))
    except PermissionError:
        raise NotRunning(f"{path}: this user may not speak to it") from None
    except (FileNotFoundError, ConnectionRefusedError):
        raise NotRunning(f"{path}: no `ivr serve` is running there") from None
    except TimeoutError:
        why = f"no answer within {PATIENCE:g} s"
    except (OSError, HTTPException, ValueError) as exc:
        why = type(exc).__name__
    finally:
        connection.close()
    raise Unusable(f"{path}: {why}; look at the log of `ivr serve`")


class NotRunning(Unusable):
    """Nobody takes calls there, or nobody that this user may speak to."""


class _Connection(HTTPConnection):
    """HTTP, but through a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("ivr", timeout=PATIENCE)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE)
        with _short(self._path) as name:
            self.sock.connect(name)


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of the socket that the kernel takes, however deep its directory lies."""
    if len(os.fsencode(path)) <= MOST_PATH:
        yield str(path)
        return
    handle = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{handle}/{path.name}"
    finally:
        os.close(handle)
