"""`ussd:` of the configuration: who may ask, and what a screen holds.

Law: whoever is not named here gets nothing. A secret in the path is compared whole, and stands in no log.
"""

import ipaddress
from dataclasses import dataclass, field
from typing import Final

from ivr.domain.reading import Fields
from ivr.domain.screens import LEAST, USUAL_GSM, USUAL_UCS2, Limits
from ivr.domain.secret import Secret
from ivr.runtime.configured import NO_CREDENTIAL, Base, read_secret

LOOPBACK: Final = ("127.0.0.1", "::1")
LEAST_SECRET: Final = 16
MOST_SCREEN: Final = 1000

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class UssdSettings:
    """How USSD services are served. Times in seconds."""

    allow: tuple[Network, ...] = tuple(map(ipaddress.ip_network, LOOPBACK))
    """Where the network calls from, as we see it."""
    secret: Secret | None = None
    """What the path begins with; None: nothing."""
    limits: Limits = field(default_factory=Limits)
    session_timeout: float = 180.0
    """A session that was not touched for so long begins anew."""
    return_within: float = 600.0
    """A user who dials again within so long may go on where they were; 0: never."""
    answer_within: float = 8.0
    """So long the network waits at most; who has to wait longer for a provider gets a screen that says so."""
    most_requests: int = 500
    """At the same time."""
    most_a_minute: int = 60
    """Requests of one mobile number."""

    def lets_in(self, host: str | None) -> bool:
        """Whether requests from this address are answered."""
        try:
            address = ipaddress.ip_address(host or "")
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self.allow)


def read_ussd(fields: Fields, base: Base) -> UssdSettings:
    """`ussd: {allow: [...], secret: {env: NAME}, screen: {gsm: 182, ucs2: 80}, session_timeout: 3m, …}`."""
    usual = UssdSettings()
    allow = []
    for text, node in fields.texts("allow", required=False):
        try:
            allow.append(ipaddress.ip_network(text))
        except ValueError:
            fields.source.blame(node, f"'{text}' is no address and no network (10.1.0.0/16)")
    secret = read_secret(fields, "secret", base) if fields.has("secret") else None
    is_there = secret is not None and secret.reveal() != NO_CREDENTIAL  # what is not is blamed already
    if secret is not None and is_there and not _is_path_secret(secret.reveal()):
        fields.blame(f"the secret must be {LEAST_SECRET} or more of A-Z, a-z, 0-9, - and _", "secret")
    screen = fields.fields("screen", "the screen", required=False)
    settings = UssdSettings(
        allow=tuple(allow) or usual.allow,
        secret=secret,
        limits=Limits(
            screen.whole("gsm", USUAL_GSM, least=LEAST, most=MOST_SCREEN),
            screen.whole("ucs2", USUAL_UCS2, least=LEAST, most=MOST_SCREEN),
        ),
        session_timeout=fields.seconds("session_timeout", usual.session_timeout, least=10, most=3600),
        return_within=fields.seconds("return_within", usual.return_within, least=0, most=24 * 3600),
        answer_within=fields.seconds("answer_within", usual.answer_within, least=1, most=60),
        most_requests=fields.whole("most_requests", usual.most_requests, least=1, most=100_000),
        most_a_minute=fields.whole("most_a_minute", usual.most_a_minute, least=1, most=100_000),
    )
    screen.done()
    fields.done()
    return settings


def _is_path_secret(text: str) -> bool:
    return len(text) >= LEAST_SECRET and all(c.isascii() and (c.isalnum() or c in "-_") for c in text)
