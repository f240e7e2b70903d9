"""What programs do for agents: attach an invoice to an agent's next transfer, stay on the line while a caller pays, and
see how far the caller is.

Law: over the network only with the key; nothing is told of a caller but names and counts. Values are checked by the
flow that they are for; here only their shape.
"""

import hmac
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from ivr.domain.errors import BadInput, Unusable
from ivr.domain.secret import Secret
from ivr.flow.progress import Progress
from ivr.runtime.brought import Attachments
from ivr.runtime.ports import QueueState
from ivr.runtime.watching import Watching

MOST_BODY: Final = 4096
MOST_VALUES: Final = 8
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}")
_VALUE: Final = re.compile(r"[0-9A-Za-z._-]{1,64}")

Assist = Callable[[str, str | None], Awaitable[str]]
"""(agent, number) -> the call that begins. Raises BadInput and Unusable."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What the routes work on."""

    states: Callable[[], Mapping[str, str]]
    """Every agent, and the state of their phone in Asterisk's words."""
    queues: Callable[[], Awaitable[Sequence[QueueState]]]
    """Every queue now. Raises Unusable."""
    attachments: Attachments
    watching: Watching
    assist: Assist
    has_number: Callable[[str], bool]
    """Whether agents may call this number."""


def people_routes(desk: Desk, key: Secret | None) -> list[Route]:
    """`/api/agents…` and `/api/queues`. `key`: what a request brings as `Authorization: Bearer …`; None: nothing."""

    def route(path: str, method: str, work: Callable[[Request], Awaitable[Response]]) -> Route:
        async def guarded(request: Request) -> Response:
            if key is not None and not _has(request, key):
                return _problem(401, "the key is missing or wrong")
            try:
                return await work(request)
            except BadInput as exc:
                return _problem(422, str(exc))
            except Unusable as exc:
                return _problem(503, str(exc))

        return Route(path, guarded, methods=[method])

    def agent_of(request: Request) -> str:
        agent = str(request.path_params["agent"])
        if agent not in desk.states():
            raise BadInput("there is no such agent")
        return agent

    async def everybody(request: Request) -> Response:
        return JSONResponse({"agents": [{"name": name, "phone": state} for name, state in desk.states().items()]})

    async def queues(request: Request) -> Response:
        return JSONResponse({"queues": [asdict(queue) for queue in await desk.queues()]})

    async def attach(request: Request) -> Response:
        agent = agent_of(request)
        values = _values(await _body(request))
        desk.attachments.attach(agent, values)
        return JSONResponse({"agent": agent, "attached": sorted(values)})

    async def assist(request: Request) -> Response:
        agent = agent_of(request)
        body = await _body(request)
        number = body.pop("number", None)
        if number is not None and not (isinstance(number, str) and desk.has_number(number)):
            raise BadInput("'number' is none of ours")
        values = _values(body)
        if values:
            desk.attachments.attach(agent, values)
        try:
            call_id = await desk.assist(agent, number)
        except (BadInput, Unusable):
            if values:
                desk.attachments.take(agent)  # it was for this caller, not for whom the agent sends next
            raise
        return JSONResponse({"agent": agent, "call": call_id})

    async def call(request: Request) -> Response:
        last = desk.watching.last(agent_of(request))
        return JSONResponse(msgspec.to_builtins(last) if last is not None else None)

    async def events(request: Request) -> Response:
        agent = agent_of(request)
        if desk.watching.full:
            return _problem(503, "too many watch already")
        return StreamingResponse(_stream(desk.watching, agent), media_type="text/event-stream")

    return [
        route("/api/agents", "GET", everybody),
        route("/api/queues", "GET", queues),
        route("/api/agents/{agent}/attach", "POST", attach),
        route("/api/agents/{agent}/assist", "POST", assist),
        route("/api/agents/{agent}/call", "GET", call),
        route("/api/agents/{agent}/events", "GET", events),
    ]


async def _stream(watching: Watching, agent: str) -> AsyncIterator[bytes]:
    async for progress in watching.news(agent):
        yield b"data: " + _encode(progress) + b"\n\n"


def _encode(progress: Progress) -> bytes:
    return msgspec.json.encode(progress)


def _has(request: Request, key: Secret) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    return scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), key.reveal().encode())


async def _body(request: Request) -> dict[str, Any]:
    """A JSON object, empty when there is no body. Raises BadInput."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MOST_BODY:
            raise BadInput(f"the body is longer than {MOST_BODY} bytes")
    try:
        body = json.loads(raw) if raw.strip() else {}
    except (ValueError, RecursionError):
        raise BadInput("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadInput("the body must be an object")
    return body


def _values(body: Mapping[str, Any]) -> dict[str, str]:
    """Raises BadInput; it names a field, never its value."""
    if len(body) > MOST_VALUES:
        raise BadInput(f"at most {MOST_VALUES} values can be attached")
    for name, value in body.items():
        if not _NAME.fullmatch(name):
            raise BadInput("a value's name is small letters, digits and _")
        if not isinstance(value, str) or not _VALUE.fullmatch(value):
            raise BadInput(f"'{name}' must be a text of letters, digits, dot, - and _ in quotes, at most 64 of them")
    return dict(body)


def _problem(status: int, detail: str) -> Response:
    return JSONResponse(
        {"type": "about:blank", "status": status, "detail": detail}, status, media_type="application/problem+json"
    )
