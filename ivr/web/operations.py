"""/healthz and /metrics, for operators and their monitoring.

Law: a health check asks and never changes anything, answers within its patience, and names what is broken in one
sentence without an address's credentials. Only what no call works without takes the process out of service: while a
provider is down, callers are told so in words.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from ivr.domain.errors import IvrError

PATIENCE: Final = 3.0
"""Seconds for a vital part to answer."""

LESS_PATIENCE: Final = 2.0
"""Seconds for any other: whoever asks gives up after some three, and takes that for the whole process's silence."""

Check = Callable[[], Awaitable[object]]
"""Returns when the part works; raises an IvrError with one sentence when it does not."""


def operations_app(
    vital: Mapping[str, Check],
    registry: CollectorRegistry,
    others: Mapping[str, Check] | None = None,
    more: Sequence[BaseRoute] = (),
) -> Starlette:
    """The application. `/metrics` is Prometheus'; `/healthz` says `status` and, for each part, `ok` or what is wrong:

    `ok` (200): all parts work; `degraded` (200): all `vital` ones do; `failing` (503): one of them does not.
    `more`: what else is served at this address.
    """
    checks = {**vital, **(others or {})}

    async def healthz(request: Request) -> Response:
        asked = (_result(check, PATIENCE if name in vital else LESS_PATIENCE) for name, check in checks.items())
        results = await asyncio.gather(*asked)
        problems = dict(zip(checks, results, strict=True))
        parts = {name: problem or "ok" for name, problem in problems.items()}
        if any(problems[name] for name in vital):
            return JSONResponse({"status": "failing", "parts": parts}, 503)
        return JSONResponse({"status": "degraded" if any(results) else "ok", "parts": parts})

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    app = Starlette(routes=[Route("/healthz", healthz), Route("/metrics", metrics), *more])
    app.router.redirect_slashes = False  # a redirect goes where the request says that it came to
    return app


async def _result(check: Check, patience: float) -> str | None:
    """None when the part works, else what is wrong."""
    try:
        async with asyncio.timeout(patience):
            await check()
    except TimeoutError:
        return f"no answer within {patience:g} s"
    except IvrError as exc:
        return str(exc)
    except Exception as exc:  # noqa: BLE001 - one broken check must not hide the other parts
        return f"its check broke: {type(exc).__name__}"
    return None
