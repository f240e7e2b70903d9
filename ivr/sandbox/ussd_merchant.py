"""How iNoti asks a merchant's page: GET, a short time, a short answer, nothing followed, nothing kept.

Law: the address is written as the document writes it: `mobile`, `sessionid`, `call` (and `RRN`) in this order, the
stars of `call` as stars.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

import aiohttp
from yarl import URL

READ_AT_ONCE: Final = 1024


@dataclass(frozen=True, slots=True)
class Answered:
    """The merchant's answer. `charset` is its header's, None when it says none."""

    status: int
    raw: bytes
    charset: str | None


@dataclass(frozen=True, slots=True)
class Silent:
    """There was no whole answer: `timeout`, `too_big`, or `unreachable` (which is also: broke off)."""

    why: str


class Merchant:
    """Asks merchants' pages. Close it at the end."""

    def __init__(self, seconds: float, most_bytes: int) -> None:
        self._timeout = aiohttp.ClientTimeout(total=seconds)
        self._most_bytes = most_bytes
        self._session: aiohttp.ClientSession | None = None

    async def ask(self, page: str, fields: Mapping[str, str]) -> Answered | Silent:
        """One request."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=self._timeout, cookie_jar=aiohttp.DummyCookieJar())
        try:
            async with self._session.get(address(page, fields), allow_redirects=False) as answer:
                raw = b""
                async for piece in answer.content.iter_chunked(READ_AT_ONCE):
                    raw += piece
                    if len(raw) > self._most_bytes:
                        answer.close()
                        return Silent("too_big")
                return Answered(answer.status, raw, answer.charset)
        except TimeoutError:
            return Silent("timeout")
        except (aiohttp.ClientError, OSError):
            return Silent("unreachable")

    async def close(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()


def address(page: str, fields: Mapping[str, str]) -> URL:
    """The address that is asked; a query of the page's own stays before it."""
    query = urlencode(fields, safe="*", quote_via=quote)
    return URL(f"{page}{'&' if '?' in page else '?'}{query}", encoded=True)
