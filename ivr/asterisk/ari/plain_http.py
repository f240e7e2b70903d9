"""The same requests over plain HTTP, for an Asterisk that takes none over the websocket (older than 22.4)."""

from typing import Final

import httpx
import msgspec

from ivr.asterisk.ari.connection import Reply, authorization, base_url
from ivr.asterisk.ari.errors import AriDisconnected, AriUnsent
from ivr.asterisk.ari.requests import Request
from ivr.asterisk.settings import Ari

CONNECTIONS: Final = 16
"""At once; Asterisk's HTTP server takes 100 from everybody together."""


class PlainHttp:
    """Fulfils `Connection.request` by one HTTP request each."""

    def __init__(self, settings: Ari, connect: float) -> None:
        self._base = base_url(settings)
        self._connect = connect
        self._client = httpx.AsyncClient(
            limits=httpx.Limits(max_connections=CONNECTIONS),
            headers={"Authorization": authorization(settings), "Content-Type": "application/json"},
            trust_env=False,
        )

    async def request(self, request: Request, timeout: float) -> Reply:
        """Send it and wait for its reply, whatever the status. Raises AriDisconnected."""
        content = None if request.body is None else msgspec.json.encode(request.body)
        try:
            response = await self._client.request(
                request.method,
                self._base + request.target,
                content=content,
                timeout=httpx.Timeout(timeout, connect=self._connect),
            )
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as exc:
            raise AriUnsent(f"Asterisk's ARI cannot be reached: {type(exc).__name__}") from None
        except httpx.HTTPError as exc:
            raise AriDisconnected(f"Asterisk's ARI did not reply: {type(exc).__name__}") from None
        return Reply(response.status_code, response.content)

    async def close(self) -> None:
        """Let go of its connections."""
        await self._client.aclose()
