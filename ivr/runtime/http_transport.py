"""httpx on aiohttp's transport (a third of the CPU of httpx's own), with errors that tell the truth.

Law: ConnectError, ConnectTimeout and PoolTimeout are raised only when no byte of the request has left. httpx_aiohttp
alone calls a connection that was lost after sending "ConnectTimeout", and aiohttp sends a lost GET a second time by
itself. Both are undone in `truthfully`, which sits inside aiohttp, before either of the two sees the error.
"""

import ssl
from functools import cache
from typing import Final

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport

KEEPALIVE_SECONDS: Final = 4.0
"""An idle connection is let go after so long: before the usual servers (5 s and up) close it under a request."""

TRUTH: Final[tuple[tuple[type[aiohttp.ClientError], type[httpx.TransportError]], ...]] = (
    (aiohttp.ClientConnectorError, httpx.ConnectError),  # refused, no route, no such host, TLS not agreed
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),  # connecting, or waiting for a free connection
    (aiohttp.ServerTimeoutError, httpx.ReadTimeout),
    (aiohttp.NonHttpUrlClientError, httpx.UnsupportedProtocol),
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ClientConnectionError, httpx.ReadError),  # reset, closed without an answer, broken pipe
    (aiohttp.ClientPayloadError, httpx.ReadError),
    (aiohttp.ClientError, httpx.RemoteProtocolError),  # not HTTP, headers too long, anything to come
)
"""What aiohttp raises, and what it means in httpx's words. The first match counts."""


def truth(error: aiohttp.ClientError) -> httpx.TransportError:
    """The same error in httpx's words, without its message: aiohttp puts URLs into messages."""
    return next(httpx_type for ours, httpx_type in TRUTH if isinstance(error, ours))(type(error).__name__)


async def truthfully(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """Send once, and raise httpx's errors. A middleware of aiohttp."""
    try:
        return await handler(request)
    except aiohttp.ClientError as error:
        told = truth(error)
    raise told


def transport(most_connections: int, verify_tls: bool = True, ca_file: str | None = None) -> httpx.AsyncBaseTransport:
    """A transport for one provider: no proxies from the environment, no cookies, the limits as given.

    The connections are made at the first request and belong to the event loop that makes it.
    """
    context = _tls(verify_tls, ca_file)

    def session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=most_connections, keepalive_timeout=KEEPALIVE_SECONDS, ssl=context if verify_tls else False
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            middlewares=(truthfully,),
        )

    return AiohttpTransport(verify=context, trust_env=False, client=session)


@cache  # reading the authorities takes longer than a hundred requests
def _tls(verify: bool, ca_file: str | None) -> ssl.SSLContext:
    context = httpx.create_ssl_context(verify=verify, trust_env=False)
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
