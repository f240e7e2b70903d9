"""One long-lived HTTP client for one provider: exact limits, and two ways to fail.

Law: ProviderUnreachable only when no byte of the request left; everything else that is not a whole answer is
OutcomeUnknown. No redirects, no cookies, no proxies from the environment. An error holds no URL, no header and no
body, neither in its text nor in its chain.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aiohttp
import httpx

from ivr.domain.errors import BadInput, IvrError, OutcomeUnknown, ProviderUnreachable
from ivr.runtime.http_transport import transport

MOST_BODY: Final = 64 * 1024
"""The longest answer we read, in bytes. A provider's answers are a few hundred."""

NEVER_LEFT: Final = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)
"""Errors of httpx that prove that nothing was sent. Every other one leaves the outcome unknown."""


HEADERS: Final = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "ivr"}
"""Sent with every request. Compressed answers are refused: a few bytes can unpack into gigabytes."""


@dataclass(frozen=True, slots=True)
class HttpSettings:
    """Where a provider is and how long we wait, in seconds. `base_url` may hold a path; it is put before every path.

    Raises BadInput when the address or a limit cannot be used.
    """

    base_url: str
    connect_seconds: float = 3.0
    read_seconds: float = 10.0
    """Silence from the provider longer than this is no answer."""
    pool_seconds: float = 2.0
    """Waiting for a free connection, before the connecting itself."""
    total_seconds: float = 20.0
    """A whole request, however slowly the answer drips."""
    most_connections: int = 100
    """At once to this provider; a request beyond waits as long as `pool_seconds` says."""
    verify_tls: bool = True
    ca_file: str | None = None
    """Further certificate authorities to trust, as a PEM file."""

    def __post_init__(self) -> None:
        try:
            url = httpx.URL(self.base_url)
        except httpx.InvalidURL:
            raise BadInput("base_url is not an address") from None
        if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.query or url.fragment:
            raise BadInput("base_url must be http(s)://host[:port][/path] without user, query and fragment")
        for name in ("connect_seconds", "read_seconds", "pool_seconds", "total_seconds"):
            if not 0 < getattr(self, name) <= 600:
                raise BadInput(f"{name} must be more than 0 and at most 600 seconds")
        if self.most_connections < 1:  # aiohttp takes 0 for "no limit"
            raise BadInput("most_connections must be at least 1")


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer, at most `MOST_BODY` bytes of body."""

    status: int
    body: bytes


class HttpClient:
    """Speaks to one provider. Connects at the first request; close it from the same event loop.

    It hands httpx's requests straight to the transport. `httpx.AsyncClient` around it would add cookies, redirects,
    URLs in the log at level info, and half as much CPU again.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._total = settings.total_seconds
        self._transport = transport(settings.most_connections, settings.verify_tls, settings.ca_file)
        self._base = settings.base_url.rstrip("/")
        self._urls: dict[str, httpx.URL] = {}
        timeout = httpx.Timeout(
            connect=settings.connect_seconds,
            read=settings.read_seconds,
            write=settings.read_seconds,
            # aiohttp's limit for getting a connection holds the connecting as well.
            pool=settings.pool_seconds + settings.connect_seconds,
        )
        self._extensions = {"timeout": timeout.as_dict()}

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send once and read the whole answer, whatever its status. Raises ProviderUnreachable or OutcomeUnknown.

        `path` begins with / and is one of a few: each is parsed once and kept.
        """
        error: IvrError
        try:
            async with asyncio.timeout(self._total):
                return await self._request(method, path, json, query, headers)
        except NEVER_LEFT as exc:
            error = ProviderUnreachable(f"nothing was sent: {type(exc).__name__}")
        except (httpx.HTTPError, httpx.StreamError, aiohttp.ClientError, OSError) as exc:
            error = OutcomeUnknown(f"no whole answer: {type(exc).__name__}")
        raise error  # outside of `except`, so that no chain leads to the request and its headers

    async def close(self) -> None:
        """Let go of the connections."""
        await self._transport.aclose()

    async def _request(
        self,
        method: str,
        path: str,
        json: object,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> HttpAnswer:
        url = self._urls.get(path) or self._urls.setdefault(path, httpx.URL(self._base + path))
        request = httpx.Request(
            method, url, params=query, headers={**HEADERS, **(headers or {})}, json=json, extensions=self._extensions
        )
        response = await self._transport.handle_async_request(request)
        try:
            if response.headers.get("content-encoding", "identity") != "identity":
                raise httpx.DecodingError("we asked for an answer that is not compressed")
            return HttpAnswer(response.status_code, await _body(response))
        except NEVER_LEFT as exc:  # an error while reading never means that nothing was sent
            told = httpx.ReadError(type(exc).__name__)
        finally:
            await response.aclose()
        raise told


async def _body(response: httpx.Response) -> bytes:
    """The answer's bytes. Raises TransportError when there are more than `MOST_BODY`."""
    body = bytearray()
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > MOST_BODY:
            raise httpx.RemoteProtocolError("the answer is too long")
    return bytes(body)
