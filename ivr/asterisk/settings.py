"""What we must know of an Asterisk: how we reach each other, its trunks, and our own people's phones. Values only; read
by `ivr.config`.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ivr.domain.secret import Secret

AGENTS_TRUNK: Final = "agents"
"""What calls from our agents' phones, and callers whom they sent, are said to come from; no trunk has this name."""


class Way(StrEnum):
    """How a call comes to us."""

    ARI = "ari"
    """Through `Stasis()`: Asterisk's REST interface."""
    AGI = "agi"
    """Through `AGI()`: for an Asterisk that offers nothing else."""


@dataclass(frozen=True, slots=True)
class Ari:
    """How to reach ARI. `url` is e.g. `http://127.0.0.1:8088`; `application` is the Stasis application's name."""

    url: str
    username: str
    password: Secret
    application: str = "ivr"


@dataclass(frozen=True, slots=True)
class Agi:
    """Where we listen for `AGI()`, and what we put up with there. Whoever may connect is believed to be Asterisk."""

    listen: str = "127.0.0.1:4573"
    """Literal address and port."""
    reached_at: str = ""
    """`host:port` as Asterisk sees it; empty: the same as `listen`."""
    allow: tuple[str, ...] = ("127.0.0.0/8", "::1/128")
    """Addresses or networks that may connect."""
    numbers: tuple[str, ...] = ()
    """Dialled numbers that come this way on every trunk, whatever the trunk says."""
    most_connections: int = 1000
    request_seconds: float = 5.0
    """For the whole request that opens a connection."""
    reply_seconds: float = 10.0
    """For the reply to a command that takes no time."""
    longest_line: int = 4096
    """Bytes of one line of the request."""
    longest_request: int = 16 * 1024
    """Bytes of the whole request."""
    longest_reply: int = 8 * 1024
    """Bytes of one line of a reply; a channel variable has at most 1024."""


LOOPBACK: Final = ("127.0.0.0/8", "::1/128")


@dataclass(frozen=True, slots=True)
class AmiSettings:
    """How to reach AMI, and whom Asterisk lets in there. The secret crosses the network as it is: stay on loopback."""

    username: str
    secret: Secret
    host: str = "127.0.0.1"
    """Where Asterisk listens: an address of its own, or a name."""
    port: int = 5038
    allow: tuple[str, ...] = LOOPBACK
    """Addresses or networks that may log in, as Asterisk sees them; to be named where `host` is not on loopback."""


@dataclass(frozen=True, slots=True)
class SipTls:
    """How we speak SIP over TLS, to every trunk alike: Asterisk has one such transport. Paths as Asterisk sees them."""

    certificate: str
    """PEM: ours, and those between it and its root. Shown to whoever connects, and to whom we connect."""
    key: str
    """PEM, without a passphrase."""
    ca: str | None = None
    """PEM: who signs the far sides' certificates. None: nobody is verified."""
    bind: str = ""
    """`address:port`; empty: port 5061 of `sip_bind`'s address."""
    verify: bool = True
    """Whether who is called must show a certificate of `ca` with the trunk's `host` in it."""
    require_client_certificate: bool = False
    """Whether who calls must show a certificate of `ca`."""


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
    """udp, tcp or tls."""
    srtp: bool = False
    """Whether sound is encrypted (SDES); a far side that offers or answers it in clear is refused."""
    keys_in_clear: bool = False
    """Whether SRTP's keys may travel over a transport that everybody on the way can read."""
    codecs: tuple[str, ...] = ("alaw", "ulaw")
    trust_headers: bool = False
    """May its SIP headers (invoice id, customer's number) be believed?"""
    way: Way = Way.ARI
    """How its calls come to us."""


@dataclass(frozen=True, slots=True)
class Agent:
    """One of our own people, with a SIP phone that registers here under this name and password."""

    name: str
    password: Secret
    number: str = ""
    """At which colleagues dial this phone; empty: nobody does."""
    codecs: tuple[str, ...] = ("alaw", "ulaw")
    record: bool = False
    """Whether what is talked with this agent alone is recorded."""


class Strategy(StrEnum):
    """Whose phone rings. The names are Asterisk's, readable."""

    RING_ALL = "ring_all"
    LEAST_RECENT = "least_recent"
    FEWEST_CALLS = "fewest_calls"
    ROUND_ROBIN = "round_robin"
    RANDOM = "random"


@dataclass(frozen=True, slots=True)
class Queue:
    """Agents who take calls for each other."""

    name: str
    agents: tuple[str, ...]
    strategy: Strategy = Strategy.RING_ALL
    ring_seconds: int = 20
    """How long one agent's phone rings before the next one's does."""
    most_waiting: int = 0
    """Callers who may wait; 0: any number."""
    record: bool = False
    """Whether what is talked is recorded; never what is secret."""


@dataclass(frozen=True, slots=True)
class AsteriskSettings:
    """One Asterisk: ARI or AGI or both, SIP, RTP and where it finds our recordings."""

    ari: Ari
    sounds: str
    """The directory of built prompts as Asterisk sees it; a prompt's file is `<sounds>/<language>/<name>`."""
    sip_bind: str = "0.0.0.0:5060"
    rtp_first: int = 10000
    rtp_last: int = 20000
    trunks: tuple[Trunk, ...] = field(default=())
    sip_tls: SipTls | None = None
    """None: no trunk speaks TLS."""
    agi: Agi | None = None
    """None: no call comes by AGI."""
    has_ari: bool = True
    """False: this Asterisk offers AGI alone, and `ari` means nothing."""
    agents: tuple[Agent, ...] = ()
    queues: tuple[Queue, ...] = ()
    assist_number: str = ""
    """Whose flow begins when an agent keys `*7` while talking to a caller; empty: that key does nothing."""
    music: str = ""
    """A directory of music for callers on hold, as Asterisk sees it; empty: they are asked to wait."""
    ami: AmiSettings | None = None
    """None: its manager is off."""

    @property
    def has_people(self) -> bool:
        """Whether there is anything about agents in Asterisk's configuration."""
        return bool(self.agents or self.queues)

    @property
    def transports(self) -> frozenset[str]:
        """What SIP is spoken over here: what no trunk and no agent's phone speaks is not listened to."""
        spoken = {trunk.transport for trunk in self.trunks} | ({"udp"} if self.agents else set())
        return frozenset(spoken or {"udp"})

    def way_of(self, trunk: Trunk, number: str) -> Way:
        """How a call from this trunk to this number comes to us."""
        return Way.AGI if self.agi is not None and number in self.agi.numbers else trunk.way
