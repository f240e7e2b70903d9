"""What we must know of an Asterisk: how to reach its ARI, and its trunks. Values only; read by `ivr.config`."""

from dataclasses import dataclass, field

from ivr.domain.secret import Secret


@dataclass(frozen=True, slots=True)
class Ari:
    """How to reach ARI. `url` is e.g. `http://127.0.0.1:8088`; `application` is the Stasis application's name."""

    url: str
    username: str
    password: Secret
    application: str = "ivr"


@dataclass(frozen=True, slots=True)
class Trunk:
    """A SIP peer. Calls come from it (recognised by `match` addresses or by its credentials) and go to it."""

    name: str
    host: str
    port: int = 5060
    match: tuple[str, ...] = ()
    """Addresses or networks that its calls come from; empty: recognised by username and password only."""
    username: str | None = None
    password: Secret | None = None
    transport: str = "udp"
    codecs: tuple[str, ...] = ("alaw", "ulaw")
    trust_headers: bool = False
    """May its SIP headers (invoice id, customer's number) be believed?"""


@dataclass(frozen=True, slots=True)
class AsteriskSettings:
    """One Asterisk: ARI, SIP, RTP and where it finds our recordings."""

    ari: Ari
    sounds: str
    """The directory of built prompts as Asterisk sees it; a prompt's file is `<sounds>/<language>/<name>`."""
    sip_bind: str = "0.0.0.0:5060"
    rtp_first: int = 10000
    rtp_last: int = 20000
    trunks: tuple[Trunk, ...] = field(default=())
