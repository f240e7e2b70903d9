"""/healthz and /metrics, for operators and their monitoring.

Law: a health check asks and never changes anything, answers within its patience, and names what is broken in one
sentence without an address's credentials.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ivr.domain.errors import IvrError

PATIENCE: Final = 3.0
"""Seconds for one part to answer."""

Check = Callable[[], Awaitable[object]]
"""Returns when the part works; raises an IvrError with one sentence when it does not."""


def operations_app(checks: Mapping[str, Check], registry: CollectorRegistry) -> Starlette:
    """The application: `/healthz` is 200 when every part works and 503 when one does not; `/metrics` is Prometheus'."""

    async def healthz(request: Request) -> Response:
        names = list(checks)
        results = await asyncio.gather(*(_result(checks[name]) for name in names))
        parts = {name: problem or "ok" for name, problem in zip(names, results, strict=True)}
        well = not any(results)
        return JSONResponse({"status": "ok" if well else "failing", "parts": parts}, 200 if well else 503)

    async def metrics(request: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return Starlette(routes=[Route("/healthz", healthz), Route("/metrics", metrics)])


async def _result(check: Check) -> str | None:
    """None when the part works, else what is wrong."""
    try:
        async with asyncio.timeout(PATIENCE):
            await check()
    except TimeoutError:
        return f"no answer within {PATIENCE:g} s"
    except IvrError as exc:
        return str(exc)
    except Exception as exc:  # noqa: BLE001 - one broken check must not hide the other parts
        return f"its check broke: {type(exc).__name__}"
    return None
