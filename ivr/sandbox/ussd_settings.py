"""The USSD network of the sandbox's iNoti: which code belongs to which merchant's page, and the network's limits."""

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from ivr.domain.digits import to_ascii
from ivr.domain.errors import BadInput
from ivr.sandbox.gsm import Limits

MOST_DIALLED: Final = 182
"""Characters that a telephone sends at once, what was sent before included."""

_CODE: Final = re.compile(r"\*[0-9]{1,20}(?:\*[0-9]{1,20}){0,7}")
_DIALLED: Final = re.compile(r"\*[0-9*]*#")


@dataclass(frozen=True, slots=True)
class Service:
    """A merchant's page at iNoti. `code` is written as in `call`: `*6655*123`."""

    code: str
    url: str


@dataclass(frozen=True, slots=True)
class UssdSettings:
    """What the network knows and how patient it is. Times are seconds."""

    services: tuple[Service, ...] = ()
    limits: Limits = field(default_factory=Limits)
    merchant_seconds: float = 10.0
    """A merchant's page has so long to answer."""
    most_bytes: int = 4096
    """And may answer so much."""
    session_seconds: float = 180.0
    """A session ends by itself so long after its last screen."""


def service(code: str, url: str) -> Service:
    """A service as a person writes it, the code with or without `#`. Raises BadInput."""
    plain = to_ascii(code.strip()).removesuffix("#")
    if not _CODE.fullmatch(plain):
        raise BadInput(f"a USSD code looks like *6655*123, not {code!r}")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise BadInput(f"{url!r} is no address") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not url.isprintable() or " " in url:
        raise BadInput(f"the page of {plain} must be an http address, not {url!r}")
    return Service(plain, url)


def read_service(text: str) -> Service:
    """`CODE=URL`. Raises BadInput."""
    code, equals, url = text.partition("=")
    if not equals:
        raise BadInput("a USSD service is written CODE=URL, e.g. *6655*123=http://127.0.0.1:8080/ussd/register_code")
    return service(code, url)


class Directory:
    """The services by their codes."""

    def __init__(self, services: tuple[Service, ...]) -> None:
        self._by_code = {each.code: each for each in services}

    def all(self) -> list[Service]:
        """Every service, by code."""
        return [self._by_code[code] for code in sorted(self._by_code)]

    def add(self, new: Service) -> None:
        """One more, or another page for a code."""
        self._by_code[new.code] = new

    def find(self, call: str) -> Service | None:
        """The service with the longest code that this string begins with, whole numbers compared."""
        numbers = call.split("*")
        codes = ("*".join(numbers[:count]) for count in range(len(numbers), 1, -1))
        return next((self._by_code[code] for code in codes if code in self._by_code), None)


def read_dialled(text: str) -> str | None:
    """What a person keyed, `*6655*123#`, as the `call` that goes to the merchant: `*6655*123`. None: no USSD string."""
    plain = "".join(to_ascii(text).split())
    if not _DIALLED.fullmatch(plain) or len(plain) > MOST_DIALLED:
        return None
    return plain.removesuffix("#")
