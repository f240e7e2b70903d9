"""config/ivr.yaml -> settings. Everything that is wrong is reported at once, with its line.

Law: a credential never stands in the file itself: `{env: NAME}` or `{file: path}`. Paths are relative to the file.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from ivr.asterisk.agents_reading import read_agents, read_queues
from ivr.asterisk.ari.connection import base_url
from ivr.asterisk.render import check as check_rendering
from ivr.asterisk.secrecy import TRANSPORTS, trunk_faults
from ivr.asterisk.settings import LOOPBACK, Agi, AmiSettings, Ari, AsteriskSettings, Trunk, Way
from ivr.asterisk.sip_tls import read_sip_tls
from ivr.domain.bills import SERVICES
from ivr.domain.digits import is_digits
from ivr.domain.errors import BadInput
from ivr.domain.reading import Faults, Fields, Source, did_you_mean
from ivr.domain.secret import Secret
from ivr.prompts.units import Currency
from ivr.providers import registry
from ivr.providers.pod_settings import read_services
from ivr.runtime.configured import (
    NO_CREDENTIAL,
    Base,
    ProviderSettings,
    ReadProvider,
    read_ca_file,
    read_path,
    read_secret,
)
from ivr.runtime.http_client import HttpSettings
from ivr.runtime.merchants import Merchant, read_merchants
from ivr.runtime.notices import NoticeTarget
from ivr.sandbox import bank as sandbox_bank
from ivr.store.shared import Shared, read_shared
from ivr.ussd.settings import UssdSettings, read_ussd

DEFAULT_FILE: Final = Path("config/ivr.yaml")

KINDS: Final[Mapping[str, ReadProvider]] = {**registry.KINDS, "sandbox_bank": sandbox_bank.read_settings}
"""What `kind` of a provider can be, and who reads the rest of it."""

MOST_TRUSTED: Final = 65_536
"""Addresses that one trusted trunk may call from."""

MOST_LIFETIME: Final = 366 * 24 * 3600.0
_LIFETIME: Final = "invoice_lifetime"

MOST_CALLS: Final = 500
LONGEST_CALL: Final = 1800.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What one process takes on, and for how long."""

    most_calls: int
    longest_call: float
    """Seconds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A whole deployment."""

    asterisk: AsteriskSettings
    providers: Mapping[str, ProviderSettings]
    storage: Path
    dialplan: Path
    prompts: Path
    recordings: Path
    """Built prompts as this process sees them; `asterisk.sounds` is the same directory as Asterisk sees it."""
    currency: Currency
    web_host: str
    web_port: int
    limits: Limits
    watch_dialplan: bool
    """Whether a dialplan that is saved is loaded by itself."""
    file: Path
    """Where all of this was read."""
    assist_number_at: tuple[int, int] = (1, 1)
    """Line and column of `asterisk.assist_number` there: whether it is one of ours the dialplan says."""
    notices: Mapping[str, NoticeTarget] = field(default_factory=dict)
    """Whom flows can send notices to, by name."""
    api_key: Secret | None = None
    """What programs bring that speak to `/api`; None: it is not served."""
    bill_services: Mapping[str, str] = field(default_factory=lambda: SERVICES)
    """Kinds of bills by the digit of their service."""
    shared: Shared | None = None
    """The books that several workers share, in PostgreSQL; None: they are in `storage`."""
    ussd: UssdSettings | None = None
    """Who may ask for screens, and what they hold; None: USSD is not served."""
    merchants: Mapping[str, Merchant] = field(default_factory=dict)
    """Whose programs may use the merchants' API; none: it is not served."""


def load_settings(path: Path, *, credentials: bool = True, sip_files: bool = False) -> Settings:
    """Read a configuration file. Raises Faults with everything that is wrong.

    `credentials=False` is for commands that connect to nothing: a credential that is not there is then no fault.
    `sip_files=True` is for commands that answer for Asterisk: its certificates and keys are then looked at.
    """
    source = Source(str(path))
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as exc:
        source.blame(None, f"cannot be read: {exc.strerror}")
        raise Faults(source.faults) from None
    except UnicodeDecodeError:
        source.blame(None, "not UTF-8 text")
        raise Faults(source.faults) from None
    root = source.compose(text)
    base = Base(path.resolve().parent, credentials, sip_files)
    settings = _read(Fields(source, root, "the configuration"), base, path) if root is not None else None
    if source.faults or settings is None:
        raise Faults(source.faults)
    return settings


def _read(fields: Fields, base: Base, file: Path) -> Settings:
    web = fields.fields("web", "web", required=False)
    base = replace(base, bill_services=read_services(fields.fields("bill_services", "the services", required=False)))
    recordings = read_path(fields, "recordings", base, "../var/prompts")
    named = fields.value("providers", required=False)
    settings = Settings(
        asterisk=_asterisk(fields, base, recordings),
        providers=_providers(fields, base),
        storage=read_path(fields, "storage", base, "../var"),
        dialplan=read_path(fields, "dialplan", base, "../dialplan"),
        prompts=read_path(fields, "prompts", base, "../prompts"),
        recordings=recordings,
        currency=Currency(fields.one_of("currency", [c.value for c in Currency], Currency.RIAL.value)),
        web_host=web.text("host", "127.0.0.1"),
        web_port=web.whole("port", 8080, most=65535),
        notices=_notices(fields.fields("notices", "the notices", required=False), base),
        limits=_limits(fields.fields("limits", "the limits", required=False)),
        watch_dialplan=fields.truth("watch_dialplan", False),
        api_key=_api_key(web, base),
        file=file,
        assist_number_at=_place(fields, "asterisk", "assist_number"),
        bill_services=base.bill_services,
        merchants=read_merchants(
            fields.fields("merchants", "the merchants", required=False),
            base,
            [name for name, _, _ in Fields(fields.source, named, "the providers").names()] if named is not None else (),
        ),
        shared=read_shared(fields, base),
        ussd=read_ussd(fields.fields("ussd", "ussd"), base) if fields.has("ussd") else None,
    )
    web.done()
    fields.done()
    return settings


def _place(fields: Fields, part: str, name: str) -> tuple[int, int]:
    """Where a field of this part stands; where the file begins if it does not."""
    found = fields.value(part, required=False)
    node = Fields(fields.source, found, part).value(name, required=False) if found is not None else None
    return (node.start_mark.line + 1, node.start_mark.column + 1) if node is not None else (1, 1)


def _api_key(web: Fields, base: Base) -> Secret | None:
    """`web: {api_key: {env: NAME}}`. A header carries it: no blanks, nothing but ASCII."""
    if not web.has("api_key"):
        return None
    key = read_secret(web, "api_key", base)
    text = key.reveal()
    if not (text.isascii() and text.isprintable() and " " not in text):
        web.blame("'api_key' may hold printable ASCII without blanks only", "api_key")
    return key


def _notices(fields: Fields, base: Base) -> Mapping[str, NoticeTarget]:
    """`notices: {shop: {url: "https://…", secret: {env: NAME}}}`."""
    found = {}
    for name, _, node in fields.names():
        one = Fields(fields.source, node, f"notice '{name}'")
        url = one.text("url")
        secret = read_secret(one, "secret", base) if one.has("secret") else None
        ca_file = read_ca_file(one, base)
        try:
            found[name] = NoticeTarget(HttpSettings(url, ca_file=ca_file), secret)
        except BadInput:
            if url:
                one.blame("'url' must be http(s)://host[:port][/path] without user, query and fragment", "url")
        one.done()
    return found


def _limits(fields: Fields) -> Limits:
    limits = Limits(
        fields.whole("most_calls", MOST_CALLS, least=1, most=100_000),
        fields.seconds("longest_call", LONGEST_CALL, least=30, most=4 * 3600),
    )
    fields.done()
    return limits


# -- Asterisk ----------------------------------------------------------------------------------------------------------


def _asterisk(fields: Fields, base: Base, recordings: Path) -> AsteriskSettings:
    asterisk = fields.fields("asterisk", "asterisk")
    agi = _agi(asterisk.fields("agi", "agi")) if asterisk.has("agi") else None
    has_ari = asterisk.has("ari") or agi is None
    ari = asterisk.fields("ari", "ari", required=has_ari)
    default = Way(asterisk.one_of("channel", [way.value for way in Way], (Way.ARI if has_ari else Way.AGI).value))
    rtp = asterisk.fields("rtp", "rtp", required=False)
    ami = _ami(asterisk.fields("ami", "ami"), base) if asterisk.has("ami") else None
    settings = AsteriskSettings(
        ari=Ari(
            ari.text("url", "http://127.0.0.1:8088"),
            ari.text("username", "ivr"),
            read_secret(ari, "password", base) if has_ari else Secret(NO_CREDENTIAL),
            ari.name("application", "ivr"),
        ),
        sounds=str(read_path(asterisk, "sounds", base, str(recordings))),
        music=asterisk.text("music", ""),
        assist_number=asterisk.text("assist_number", ""),
        sip_bind=asterisk.text("sip_bind", "0.0.0.0:5060"),
        rtp_first=rtp.whole("first", 10000, least=1024, most=65534),
        rtp_last=rtp.whole("last", 20000, least=1025, most=65535),
        trunks=(),
        agi=agi,
        has_ari=has_ari,
        ami=ami,
    )
    if asterisk.has("sip_tls"):
        tls = read_sip_tls(asterisk.fields("sip_tls", "sip_tls"), settings, base.directory, look=base.sip_files)
        settings = replace(settings, sip_tls=tls)
    trunks = fields.fields("trunks", "the trunks")
    settings = replace(settings, trunks=_trunks(trunks, base, settings, default))
    agents = read_agents(
        fields.fields("agents", "the agents", required=False),
        lambda one, name: read_secret(one, name, base),
        taken={taken for trunk in settings.trunks for taken in (trunk.name, trunk.username) if taken},
        can_silence=ami is not None,
    )
    queues = read_queues(fields.fields("queues", "the queues", required=False), agents, can_silence=ami is not None)
    settings = replace(settings, agents=agents, queues=queues)
    _check_people(asterisk, settings)
    try:
        base_url(settings.ari)
    except BadInput as exc:
        ari.blame(str(exc), "url")
    else:
        _check_rendering(asterisk, replace(settings, trunks=(), agents=(), queues=()))
        if not fields.source.faults:
            _check_rendering(trunks, replace(settings, agents=(), queues=()))  # what is wrong with them only together
        if not fields.source.faults:
            _check_rendering(asterisk, settings)
    ari.done()
    rtp.done()
    asterisk.done()
    return settings


def _check_people(fields: Fields, settings: AsteriskSettings) -> None:
    """What `asterisk` says for agents. That a number is one of ours is seen when the dialplan is loaded."""
    if settings.assist_number:
        if not is_digits(settings.assist_number):
            fields.blame("'assist_number' must be digits: one of your numbers", "assist_number")
        if not settings.agents:
            fields.blame("'assist_number' says nothing without 'agents'", "assist_number")
        if settings.ami is None:
            fields.blame("'assist_number' needs 'ami': by it we hear that an agent keyed *7", "assist_number")
    if settings.music and not settings.music.startswith("/"):
        fields.blame("'music' must be an absolute path, as Asterisk sees it", "music")


def _check_rendering(fields: Fields, settings: AsteriskSettings) -> None:
    """What could not be written into Asterisk's configuration is found here, with its place."""
    try:
        check_rendering(settings)
    except BadInput as exc:
        fields.blame(str(exc))


def _agi(fields: Fields) -> Agi:
    usual = Agi()
    agi = Agi(
        listen=fields.text("listen", usual.listen),
        reached_at=fields.text("reached_at", usual.reached_at),
        allow=tuple(text for text, _ in fields.texts("allow", required=False)) or usual.allow,
        numbers=tuple(text for text, _ in fields.texts("numbers", required=False)),
        most_connections=fields.whole("most_connections", usual.most_connections, least=1, most=100_000),
        request_seconds=fields.seconds("request_timeout", usual.request_seconds, most=60),
        reply_seconds=fields.seconds("reply_timeout", usual.reply_seconds, least=1, most=60),
        longest_line=fields.whole("longest_line", usual.longest_line, least=256, most=65_536),
        longest_request=fields.whole("longest_request", usual.longest_request, least=1024, most=1_048_576),
        longest_reply=fields.whole("longest_reply", usual.longest_reply, least=2048, most=65_536),
    )
    fields.done()
    return agi


def _ami(fields: Fields, base: Base) -> AmiSettings:
    ami = AmiSettings(
        username=fields.text("username", "ivr"),
        secret=read_secret(fields, "password", base),
        host=fields.text("host", "127.0.0.1"),
        port=fields.whole("port", 5038, least=1, most=65535),
        allow=tuple(text for text, _ in fields.texts("allow", required=False)) or LOOPBACK,
    )
    fields.done()
    return ami


def _trunks(fields: Fields, base: Base, settings: AsteriskSettings, default: Way) -> tuple[Trunk, ...]:
    trunks: list[Trunk] = []
    for name, _, node in fields.names():
        one = Fields(fields.source, node, f"trunk '{name}'")
        transport = one.one_of("transport", TRANSPORTS, "udp")
        trunk = Trunk(
            name=name,
            host=one.text("host"),
            port=one.whole("port", 5061 if transport == "tls" else 5060, least=1, most=65535),
            match=tuple(text for text, _ in one.texts("match", required=False)),
            username=one.text("username", "") or None,
            password=read_secret(one, "password", base) if one.has("password") else None,
            transport=transport,
            srtp=one.truth("srtp", False),
            keys_in_clear=one.truth("keys_in_clear", False),
            codecs=tuple(text for text, _ in one.texts("codecs", required=False)) or ("alaw", "ulaw"),
            trust_headers=one.truth("trust_headers", False),
            way=Way(one.one_of("channel", [way.value for way in Way], default.value)),
        )
        one.done()
        weak = list(trunk_faults(trunk, settings.sip_tls))
        for field_name, fault in weak:
            one.blame(f"'{field_name}': {fault}", field_name)
        if trunk.host and not weak:
            _check_rendering(one, replace(settings, trunks=(trunk,)))
        _check_match(one, trunk, trunks)
        trunks.append(trunk)
    return tuple(trunks)


def _check_match(fields: Fields, trunk: Trunk, others: Sequence[Trunk]) -> None:
    """Two trunks that one address could be: a stranger might be taken for the trusted one."""
    for network in _networks(trunk):
        if trunk.trust_headers and network.num_addresses > MOST_TRUSTED:
            fields.blame(f"'{network}' is too wide for a trunk whose headers are believed", "match")
        for other in others:
            if any(network.version == theirs.version and network.overlaps(theirs) for theirs in _networks(other)):
                fields.blame(f"'{network}' is also matched by trunk '{other.name}'", "match")


def _networks(trunk: Trunk) -> list[ipaddress.IPv4Network | ipaddress.IPv6Network]:
    found = []
    for text in trunk.match:
        try:
            found.append(ipaddress.ip_network(text, strict=False))
        except ValueError:
            continue  # blamed by the rendering
    return found


# -- providers ---------------------------------------------------------------------------------------------------------


def _providers(fields: Fields, base: Base) -> Mapping[str, ProviderSettings]:
    found = {}
    for name, _, node in fields.fields("providers", "the providers").names():
        one = Fields(fields.source, node, f"provider '{name}'")
        kind = one.text("kind")
        if kind in KINDS:
            try:
                made = KINDS[kind](one, name, base)
                if one.has(_LIFETIME):
                    ends = one.seconds(_LIFETIME, 0.0, least=60, most=MOST_LIFETIME)
                    made = replace(made, invoice_lifetime=ends)
                found[name] = made
            except BadInput as exc:
                one.blame(f"provider '{name}': {exc}")
            one.done()
        elif kind:
            one.blame(f"there is no provider of kind '{kind}'{did_you_mean(kind, KINDS)}", "kind")
    return found
