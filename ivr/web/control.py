"""How `ivr reload` and `ivr payments reconcile` speak to the process that takes calls: by HTTP on a Unix socket in the
data directory.

Law: whoever may write the socket's file (its owner and group) may reload and decide, nobody from the network can.
The socket belongs to whoever holds the data directory's lock, so one that is in the way is a dead process's.
"""

import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, Final

import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ivr.domain.errors import BadInput, Illegal, Unusable
from ivr.payments.state import Payment, State
from ivr.runtime.deciding import Decision
from ivr.runtime.reloader import Reloaded

SOCKET_FILE: Final = "ivr.sock"
PATIENCE: Final = 60.0
"""Seconds for a whole reload."""
MOST_BODY: Final = 4096
MOST_PATH: Final = 107
"""Bytes of a Unix socket's name; the kernel takes no more."""

_UMASK: Final = 0o117

Reload = Callable[[str, str], Awaitable[Reloaded]]
"""(how, who) -> what became of it."""
Decide = Callable[[Decision], Awaitable[Payment]]
"""Raises BadInput or Illegal with one sentence when it must not be so, Unusable when it cannot be written."""

_STATUSES: Final = {
    BadInput: HTTPStatus.BAD_REQUEST,
    Illegal: HTTPStatus.CONFLICT,
    Unusable: HTTPStatus.INSUFFICIENT_STORAGE,
}


def control_app(reload: Reload, decide: Decide) -> Starlette:
    """POST /reload with `{"how": …, "who": …}` answers with a `Reloaded`; POST /decide with a `Decision` with the state
    that the payment has after it.
    """

    async def post(request: Request) -> Response:
        body = await request.body()
        try:
            asked = json.loads(body[:MOST_BODY])
            how, who = str(asked["how"]), str(asked["who"])
        except (ValueError, TypeError, KeyError):
            return JSONResponse({"error": "how and who are needed"}, 400)
        return JSONResponse(asdict(await reload(how, who)))

    async def post_decision(request: Request) -> Response:
        body = await request.body()
        try:
            asked = msgspec.json.decode(body[:MOST_BODY], type=Decision)
            payment = await decide(asked)
        except msgspec.MsgspecError:
            return JSONResponse({"error": "that is no decision"}, HTTPStatus.BAD_REQUEST)
        except (BadInput, Illegal, Unusable) as exc:
            status = next(status for kind, status in _STATUSES.items() if isinstance(exc, kind))
            return JSONResponse({"error": str(exc)}, status)
        return JSONResponse({"state": payment.state.value})

    return Starlette(
        routes=[Route("/reload", post, methods=["POST"]), Route("/decide", post_decision, methods=["POST"])]
    )


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
    return _ask(directory, "/reload", json.dumps({"how": how, "who": who}).encode())


def ask_decide(directory: Path, decision: Decision) -> State:
    """Have the process that owns this data directory write a decision down; returns the payment's state after it.

    Raises what the decision is refused with there, and Unusable when nobody knows whether it was written.
    """
    return State(_ask(directory, "/decide", msgspec.json.encode(decision))["state"])


def _ask(directory: Path, what: str, body: bytes) -> dict[str, Any]:
    path = directory / SOCKET_FILE
    connection = _Connection(path)
    try:
        connection.request("POST", what, body)
        answer = connection.getresponse()
        if answer.status == HTTPStatus.OK:
            found: dict[str, Any] = json.loads(answer.read())
            return found
        for kind, status in _STATUSES.items():
            if answer.status == status:
                raise kind(json.loads(answer.read())["error"])
        why = f"it answers {answer.status}"
    except PermissionError:
        raise MayNotSpeak(f"{path}: this user may not speak to it") from None
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


class MayNotSpeak(NotRunning):
    """Somebody may well be there."""


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
