"""config/ivr.yaml -> settings. Everything that is wrong is reported at once, with its line.

Law: a credential never stands in the file itself: `{env: NAME}` or `{file: path}`. Paths are relative to the file.
"""

import ipaddress
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import yaml

from ivr.asterisk.ari.connection import base_url
from ivr.asterisk.render import check as check_rendering
from ivr.asterisk.settings import Agi, Ari, AsteriskSettings, Trunk, Way
from ivr.domain.bills import SERVICES
from ivr.domain.errors import BadInput
from ivr.domain.operations import Operation
from ivr.domain.reading import Faults, Fields, Source, did_you_mean
from ivr.domain.secret import Secret
from ivr.payments.port import Provider
from ivr.prompts.units import Currency
from ivr.providers import inoti, paystar_saman, pod, pod_settings
from ivr.providers.inoti import Inoti
from ivr.providers.paystar_saman import PaystarSaman, PaystarSamanSettings
from ivr.providers.pod import Pod
from ivr.runtime.asking import Observe
from ivr.runtime.http_client import HttpSettings
from ivr.runtime.notices import NoticeTarget
from ivr.sandbox import bank as sandbox_bank

DEFAULT_FILE: Final = Path("config/ivr.yaml")

_NO_CREDENTIAL: Final = "none"
"""Stands where a credential is missing; nothing connects with it."""

MOST_TRUSTED: Final = 65_536
"""Addresses that one trusted trunk may call from."""

MOST_CALLS: Final = 500
LONGEST_CALL: Final = 1800.0


@dataclass(frozen=True, slots=True)
class _Base:
    """Where relative paths begin, and whether credentials must be there."""

    directory: Path
    credentials: bool
    bill_services: Mapping[str, str] = field(default_factory=lambda: SERVICES)


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """One configured provider: what it can be asked, and how to make its client."""

    operations: Mapping[str, Operation]
    make: Callable[[Observe], Provider]
    codes: Mapping[str, str] = field(default_factory=dict)
    """Its own code for an answer -> the exit that it leads to."""


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
    notices: Mapping[str, NoticeTarget] = field(default_factory=dict)
    """Whom flows can send notices to, by name."""
    bill_services: Mapping[str, str] = field(default_factory=lambda: SERVICES)
    """Kinds of bills by the digit of their service."""


def load_settings(path: Path, *, credentials: bool = True) -> Settings:
    """Read a configuration file. Raises Faults with everything that is wrong.

    `credentials=False` is for commands that connect to nothing: a credential that is not there is then no fault.
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
    base = _Base(path.resolve().parent, credentials)
    settings = _read(Fields(source, root, "the configuration"), base, path) if root is not None else None
    if source.faults or settings is None:
        raise Faults(source.faults)
    return settings


def _read(fields: Fields, base: _Base, file: Path) -> Settings:
    web = fields.fields("web", "web", required=False)
    services = fields.fields("bill_services", "the services", required=False)
    base = replace(base, bill_services=pod_settings.read_services(services))
    recordings = _path(fields, "recordings", base, "../var/prompts")
    settings = Settings(
        asterisk=_asterisk(fields, base, recordings),
        providers=_providers(fields, base),
        storage=_path(fields, "storage", base, "../var"),
        dialplan=_path(fields, "dialplan", base, "../dialplan"),
        prompts=_path(fields, "prompts", base, "../prompts"),
        recordings=recordings,
        currency=Currency(fields.one_of("currency", [c.value for c in Currency], Currency.RIAL.value)),
        web_host=web.text("host", "127.0.0.1"),
        web_port=web.whole("port", 8080, most=65535),
        notices=_notices(fields.fields("notices", "the notices", required=False), base),
        limits=_limits(fields.fields("limits", "the limits", required=False)),
        watch_dialplan=fields.truth("watch_dialplan", False),
        file=file,
        bill_services=base.bill_services,
    )
    web.done()
    fields.done()
    return settings


def _notices(fields: Fields, base: _Base) -> Mapping[str, NoticeTarget]:
    """`notices: {shop: {url: "https://…", secret: {env: NAME}}}`."""
    found = {}
    for name, _, node in fields.names():
        one = Fields(fields.source, node, f"notice '{name}'")
        url = one.text("url")
        secret = _secret(one, "secret", base) if one.has("secret") else None
        ca_file = _ca_file(one, base)
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


def _path(fields: Fields, name: str, base: _Base, default: str) -> Path:
    return Path(os.path.normpath(base.directory / fields.text(name, default)))


def _secret(fields: Fields, name: str, base: _Base) -> Secret:
    """A credential from the environment or a file; blamed where neither gives one."""
    node = fields.value(name)
    if node is None:
        return Secret(_NO_CREDENTIAL)
    if not isinstance(node, yaml.MappingNode):
        fields.blame(f"'{name}' is a credential: write {{env: NAME}} or {{file: path}}, not the value itself", name)
        return Secret(_NO_CREDENTIAL)
    inner = fields.fields(name, f"'{name}'")
    text = ""
    if inner.has("env"):
        variable = inner.text("env")
        text = os.environ.get(variable, "").strip()
        if variable and not text and base.credentials:
            fields.blame(f"the environment has no {variable}", name)
    elif inner.has("file"):
        file = base.directory / inner.text("file")
        try:
            text = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            text = ""
        if not text and base.credentials:
            fields.blame(f"{file} cannot be read or is empty", name)
    else:
        inner.blame("a credential is {env: NAME} or {file: path}")
    inner.done()
    return Secret(text or _NO_CREDENTIAL)


# -- Asterisk ----------------------------------------------------------------------------------------------------------


def _asterisk(fields: Fields, base: _Base, recordings: Path) -> AsteriskSettings:
    asterisk = fields.fields("asterisk", "asterisk")
    agi = _agi(asterisk.fields("agi", "agi")) if asterisk.has("agi") else None
    has_ari = asterisk.has("ari") or agi is None
    ari = asterisk.fields("ari", "ari", required=has_ari)
    default = Way(asterisk.one_of("channel", [way.value for way in Way], (Way.ARI if has_ari else Way.AGI).value))
    rtp = asterisk.fields("rtp", "rtp", required=False)
    settings = AsteriskSettings(
        ari=Ari(
            ari.text("url", "http://127.0.0.1:8088"),
            ari.text("username", "ivr"),
            _secret(ari, "password", base) if has_ari else Secret(_NO_CREDENTIAL),
            ari.name("application", "ivr"),
        ),
        sounds=str(_path(asterisk, "sounds", base, str(recordings))),
        sip_bind=asterisk.text("sip_bind", "0.0.0.0:5060"),
        rtp_first=rtp.whole("first", 10000, least=1024, most=65534),
        rtp_last=rtp.whole("last", 20000, least=1025, most=65535),
        trunks=(),
        agi=agi,
        has_ari=has_ari,
    )
    settings = replace(settings, trunks=_trunks(fields.fields("trunks", "the trunks"), base, settings, default))
    try:
        base_url(settings.ari)
    except BadInput as exc:
        ari.blame(str(exc), "url")
    else:
        _check_rendering(asterisk, replace(settings, trunks=()))
    ari.done()
    rtp.done()
    asterisk.done()
    return settings


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


def _trunks(fields: Fields, base: _Base, settings: AsteriskSettings, default: Way) -> tuple[Trunk, ...]:
    trunks: list[Trunk] = []
    for name, _, node in fields.names():
        one = Fields(fields.source, node, f"trunk '{name}'")
        trunk = Trunk(
            name=name,
            host=one.text("host"),
            port=one.whole("port", 5060, least=1, most=65535),
            match=tuple(text for text, _ in one.texts("match", required=False)),
            username=one.text("username", "") or None,
            password=_secret(one, "password", base) if one.has("password") else None,
            codecs=tuple(text for text, _ in one.texts("codecs", required=False)) or ("alaw", "ulaw"),
            trust_headers=one.truth("trust_headers", False),
            way=Way(one.one_of("channel", [way.value for way in Way], default.value)),
        )
        one.done()
        if trunk.host:
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


def _providers(fields: Fields, base: _Base) -> Mapping[str, ProviderSettings]:
    found = {}
    for name, _, node in fields.fields("providers", "the providers").names():
        one = Fields(fields.source, node, f"provider '{name}'")
        kind = one.text("kind")
        if kind in _PROVIDERS:
            try:
                found[name] = _PROVIDERS[kind](one, name, base)
            except BadInput as exc:
                one.blame(f"provider '{name}': {exc}")
            one.done()
        elif kind:
            one.blame(f"there is no provider of kind '{kind}'{did_you_mean(kind, _PROVIDERS)}", "kind")
    return found


def _http(fields: Fields, base: _Base) -> HttpSettings:
    return HttpSettings(
        base_url=fields.text("base_url"),
        connect_seconds=fields.seconds("connect_timeout", 3.0, most=60),
        read_seconds=fields.seconds("read_timeout", 10.0, most=120),
        pool_seconds=fields.seconds("pool_timeout", 2.0, most=60),
        total_seconds=fields.seconds("total_timeout", 20.0, most=300),
        ca_file=_ca_file(fields, base),
    )


def _ca_file(fields: Fields, base: _Base) -> str | None:
    ca_file = _path(fields, "ca_file", base, "") if fields.has("ca_file") else None
    if ca_file is not None and not ca_file.is_file():
        fields.blame(f"there is no file {ca_file}", "ca_file")
    return str(ca_file) if ca_file else None


def _paystar_saman(fields: Fields, name: str, base: _Base) -> ProviderSettings:
    defaults = PaystarSamanSettings(HttpSettings("https://localhost"), Secret("x"))
    error_fields = fields.fields("error_exits", "'error_exits'", required=False)
    errors = {code: error_fields.text(code) for code, _, _ in error_fields.names()}
    settings = PaystarSamanSettings(
        http=_http(fields, base),
        sequence=_secret(fields, "sequence", base),
        name=name,
        trunk_id=_secret(fields, "trunk_id", base) if fields.has("trunk_id") else None,
        create_factor_path=fields.text("create_factor_path", defaults.create_factor_path),
        create_transaction_path=fields.text("create_transaction_path", defaults.create_transaction_path),
        result_path=fields.text("result_path", defaults.result_path),
        invoice_wire_type="text" if fields.one_of("invoice_wire_type", ("int", "text"), "int") == "text" else "int",
        result_as_query=fields.truth("result_as_query", False),
        error_exits={**defaults.error_exits, **errors},
    )
    return ProviderSettings(
        paystar_saman.OPERATIONS, lambda observe: PaystarSaman(settings, observe), settings.error_exits
    )


def _pod(fields: Fields, name: str, base: _Base) -> ProviderSettings:
    settings = pod_settings.read(
        fields, name, _http(fields, base), lambda field: _secret(fields, field, base), base.bill_services
    )
    return ProviderSettings(pod.OPERATIONS, lambda observe: Pod(settings, observe), settings.error_exits)


def _inoti(fields: Fields, name: str, base: _Base) -> ProviderSettings:
    settings = inoti.read(fields, name, _http(fields, base), lambda field: _secret(fields, field, base))
    return ProviderSettings(inoti.OPERATIONS, lambda observe: Inoti(settings, observe))


def _sandbox_bank(fields: Fields, name: str, base: _Base) -> ProviderSettings:
    http = _http(fields, base)
    return ProviderSettings(sandbox_bank.OPERATIONS, lambda observe: sandbox_bank.SandboxBank(http, observe))


_PROVIDERS: Final[Mapping[str, Callable[[Fields, str, _Base], ProviderSettings]]] = {
    "paystar_saman": _paystar_saman,
    "sandbox_bank": _sandbox_bank,
    "pod": _pod,
    "inoti": _inoti,
}
