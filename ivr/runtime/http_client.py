"""One long-lived HTTP client for one provider: exact limits, and two ways to fail.

Law: ProviderUnreachable only when no byte of the request left; everything else that is not a whole answer is
OutcomeUnknown. No redirects, no cookies, no proxies from the environment. An error holds no URL, no header and no
body, neither in its text nor in its chain.
"""

import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

import aiohttp
import msgspec
from yarl import URL

from ivr.domain.errors import BadInput, IvrError, OutcomeUnknown, ProviderUnreachable

MOST_BODY: Final = 64 * 1024
"""The longest answer we read, in bytes. A provider's answers are a few hundred."""

KEEPALIVE_SECONDS: Final = 4.0
"""An idle connection is let go after so long: before the usual servers (5 s and up) close it under a request."""

MOST_PATHS: Final = 32
"""So many paths of a provider are kept parsed; one that holds an id comes once and is not worth keeping."""

NEVER_LEFT: Final = (
    aiohttp.ClientConnectorError,  # refused, no route, no such host, TLS not agreed
    aiohttp.ConnectionTimeoutError,  # connecting, or waiting for a free connection
    aiohttp.NonHttpUrlClientError,
    aiohttp.InvalidURL,
)
"""Errors of aiohttp that prove that nothing was sent. Every other one leaves the outcome unknown."""

HEADERS: Final = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "Content-Type": "application/json",
    "User-Agent": "ivr",
}
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
            url = URL(self.base_url)
        except ValueError:
            raise BadInput("base_url is not an address") from None
        if url.scheme not in ("http", "https") or not url.host or url.raw_user or url.raw_query_string or url.fragment:
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
    """Speaks to one provider. Connects at the first request; use and close it in one event loop."""

    def __init__(self, settings: HttpSettings, headers: Mapping[str, str] | None = None) -> None:
        """`headers` go with every request, such as our credential."""
        self._settings = settings
        self._headers = {**HEADERS, **(headers or {})}
        self._base = settings.base_url.rstrip("/")
        self._urls: dict[str, URL] = {}
        self._session: aiohttp.ClientSession | None = None

    async def request(
        self,
        method: str,
        path: str,
        *,
        json: object = None,
        data: bytes | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer:
        """Send once and read the whole answer, whatever its status. Raises ProviderUnreachable or OutcomeUnknown.

        `headers` are this request's own, such as its signature. `data` is a body that is no JSON (a form, XML); its
        Content-Type stands in `headers`.
        `path` begins with /. The first `MOST_PATHS` are parsed once and kept.
        """
        error: IvrError
        try:
            sent = data if json is None else msgspec.json.encode(json)
            return await self._request(method, path, sent, query, headers)
        except NEVER_LEFT as exc:
            error = ProviderUnreachable(f"nothing was sent: {type(exc).__name__}")
        except _SentOnce as exc:
            error = exc.told
        except (aiohttp.ClientError, OSError) as exc:  # TimeoutError is an OSError
            error = OutcomeUnknown(f"no whole answer: {type(exc).__name__}")
        raise error  # outside of `except`, so that no chain leads to the request and its headers

    async def close(self) -> None:
        """Let go of the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _request(
        self,
        method: str,
        path: str,
        sent: bytes | None,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> HttpAnswer:
        session = self._session or self._connect()
        url = self._urls.get(path) or URL(self._base + path)
        if len(self._urls) < MOST_PATHS:
            self._urls[path] = url
        async with session.request(
            method,
            url if query is None else url.with_query(query),
            data=sent,
            headers=headers,
            allow_redirects=False,
        ) as response:
            try:
                if response.headers.get("Content-Encoding", "identity") != "identity":
                    raise OutcomeUnknown("no whole answer: it is compressed, and we asked for one that is not")
                body = await response.content.readany()
                while not response.content.at_eof() and len(body) <= MOST_BODY:
                    body += await response.content.readany()
                if len(body) > MOST_BODY:
                    raise OutcomeUnknown("no whole answer: it is too long")
            except NEVER_LEFT as exc:  # an error while reading never means that nothing was sent
                told = OutcomeUnknown(f"no whole answer: {type(exc).__name__}")
            else:
                return HttpAnswer(response.status, body)
        raise told

    def _connect(self) -> aiohttp.ClientSession:
        settings = self._settings
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=settings.most_connections,
                keepalive_timeout=KEEPALIVE_SECONDS,
                ssl=_tls(settings.ca_file) if settings.verify_tls else False,
            ),
            timeout=aiohttp.ClientTimeout(
                total=settings.total_seconds,
                # aiohttp's limit for getting a connection holds the connecting as well.
                connect=settings.pool_seconds + settings.connect_seconds,
                sock_connect=settings.connect_seconds,
                sock_read=settings.read_seconds,
            ),
            headers=self._headers,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            middlewares=(_send_once,),
        )
        return self._session


class _SentOnce(Exception):
    """Carries what happened past aiohttp, which would send a lost GET a second time by itself."""

    def __init__(self, told: OutcomeUnknown) -> None:
        super().__init__()
        self.told = told


async def _send_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    """A middleware of aiohttp: it sees the error before aiohttp decides to try again."""
    try:
        return await handler(request)
    except NEVER_LEFT:
        raise
    except aiohttp.ClientError as exc:
        told = OutcomeUnknown(f"no whole answer: {type(exc).__name__}")
    raise _SentOnce(told)


@cache  # reading the authorities takes longer than a hundred requests
def _tls(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
