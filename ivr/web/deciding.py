"""How a person's decision about a payment reaches the process that owns the books: through the control socket.

Law: it is written there or refused there, by the same rules as where no process runs; an answer that got lost is no
reason to fear: whoever asks again is told that it was decided already.
"""

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ivr.domain.errors import BadInput, Illegal, Unusable
from ivr.payments.state import Payment, State
from ivr.runtime.deciding import Decision
from ivr.web.control import ask

MOST_BODY: Final = 4096
_PATH: Final = "/decide"

Decide = Callable[[Decision], Awaitable[Payment]]
"""Raises BadInput or Illegal with one sentence when it must not be so, Unusable when it cannot be written."""


def decision_routes(decide: Decide) -> list[Route]:
    """POST /decide with a `Decision` answers with the state that the payment has after it."""

    async def post(request: Request) -> Response:
        body = await request.body()
        try:
            payment = await decide(msgspec.json.decode(body[:MOST_BODY], type=Decision))
        except msgspec.MsgspecError:
            return JSONResponse({"detail": "that is no decision"}, 422)
        except (BadInput, Illegal) as exc:
            return JSONResponse({"detail": str(exc)}, 422)
        except Unusable as exc:
            return JSONResponse({"detail": str(exc)}, 503)
        return JSONResponse({"state": payment.state.value})

    return [Route(_PATH, post, methods=["POST"])]


def ask_decide(directory: Path, decision: Decision) -> State:
    """Have the process that owns this data directory write a decision down; returns the payment's state after it.

    Raises BadInput with why it is refused, NotRunning when there is no such process, and Unusable when nobody knows
    whether it was written.
    """
    return State(ask(directory, "POST", _PATH, asdict(decision))["state"])
