"""Who may ask for what by the merchants' API, and where events go: `merchants` of config/ivr.yaml.

Law: a key opens one merchant's invoices and nothing else; no two merchants have the same one. What is compared with a
key is compared in a time that says nothing about it.
"""

import hashlib
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final

from ivr.domain.errors import BadInput
from ivr.domain.reading import NAME, Fields, did_you_mean
from ivr.domain.registration import MOST_NAME as MOST_WORD
from ivr.domain.secret import Secret
from ivr.runtime.configured import NO_CREDENTIAL, Base, read_ca_file, read_secret
from ivr.runtime.http_client import HttpSettings
from ivr.runtime.notices import NoticeTarget

SCOPES: Final = ("invoices.create", "invoices.read", "payments.make", "events.read", "registrations.read")
LEAST_KEY: Final = 16
"""Characters of a key, and of a webhook's secret."""
PER_MINUTE: Final = 120
"""Requests of one key in a minute, unless the configuration says otherwise."""
MOST_NAME: Final = 32
"""Characters of a merchant's or a key's name."""
WEBHOOK_SECONDS: Final = 15.0
"""A webhook has so long to take an event, whole."""


@dataclass(frozen=True, slots=True)
class MerchantKey:
    """What a program brings as `Authorization: Bearer …`, and what it may do with it."""

    name: str
    secret: Secret
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Merchant:
    """One merchant."""

    name: str
    providers: tuple[str, ...]
    """Where its invoices may be made."""
    keys: tuple[MerchantKey, ...]
    webhook: NoticeTarget | None
    """Where it is told of what becomes of payments, and of what callers register."""
    requests_per_minute: int
    """Of each key."""
    registrations: tuple[str, ...] = ()
    """The words under which callers register for it; no other merchant has one of them."""


@dataclass(frozen=True, slots=True)
class Known:
    """Who asks."""

    merchant: Merchant
    key: MerchantKey


class Keyring:
    """Finds out who brings a key."""

    def __init__(self, merchants: Mapping[str, Merchant]) -> None:
        self._known = [
            (_digest(key.secret.reveal()), Known(merchant, key))
            for merchant in merchants.values()
            for key in merchant.keys
        ]

    def find(self, given: str) -> Known | None:
        """Looks at every key, whichever it is; None for a wrong one."""
        asked, found = _digest(given), None
        for digest, known in self._known:
            if hmac.compare_digest(digest, asked):
                found = known
        return found


def _digest(text: str) -> bytes:
    """Of one length, whatever the key's is."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def read_merchants(fields: Fields, base: Base, providers: Collection[str]) -> Mapping[str, Merchant]:
    """`merchants: {shop: {providers: […], registrations: […], keys: {till: {secret, scopes}}, webhook: {…}}}`.

    Every fault is blamed with its place. `providers` are those that are configured. A merchant for whom callers only
    register needs none.
    """
    found: dict[str, Merchant] = {}
    seen: dict[str, str] = {}
    words: dict[str, str] = {}
    for name, key_node, node in fields.names():
        if not NAME.fullmatch(name) or len(name) > MOST_NAME:
            fields.source.blame(key_node, f"a merchant's name is at most {MOST_NAME} of a-z, 0-9 and _")
        one = Fields(fields.source, node, f"merchant '{name}'")
        registers = _words(one, name, words)
        chosen = [text for text, _ in one.texts("providers", required=not one.has("registrations"))]
        if one.has("providers") and not chosen:
            one.blame(f"merchant '{name}' has no provider", "providers")
        for provider, at in one.texts("providers", required=False):
            if provider not in providers:
                near = did_you_mean(provider, providers)
                one.source.blame(at, f"there is no provider '{provider}' in the configuration{near}")
        found[name] = Merchant(
            name,
            tuple(dict.fromkeys(chosen)),
            _keys(one.fields("keys", f"the keys of merchant '{name}'"), name, base, seen),
            _webhook(one.fields("webhook", "the webhook"), base) if one.has("webhook") else None,
            one.whole("requests_per_minute", PER_MINUTE, least=1, most=1_000_000),
            registers,
        )
        one.done()
    return found


def _words(fields: Fields, merchant: str, taken: dict[str, str]) -> tuple[str, ...]:
    """`registrations: [registration]`. `taken`: word -> whose it is."""
    found: dict[str, None] = {}
    for word, at in fields.texts("registrations", required=False):
        if not NAME.fullmatch(word) or len(word) > MOST_WORD:
            fields.source.blame(at, f"a word is at most {MOST_WORD} of a-z, 0-9 and _")
        elif (whose := taken.setdefault(word, merchant)) != merchant:
            fields.source.blame(at, f"what is registered as '{word}' is merchant '{whose}'s already")
        found[word] = None
    return tuple(found)


def _keys(fields: Fields, merchant: str, base: Base, seen: dict[str, str]) -> tuple[MerchantKey, ...]:
    keys = []
    for name, key_node, node in fields.names():
        if not NAME.fullmatch(name) or len(name) > MOST_NAME:
            fields.source.blame(key_node, f"a key's name is at most {MOST_NAME} of a-z, 0-9 and _")
        one = Fields(fields.source, node, f"key '{name}' of merchant '{merchant}'")
        secret = read_secret(one, "secret", base)
        scopes = one.texts("scopes")
        if one.has("scopes") and not scopes:
            one.blame(f"key '{name}' may do nothing", "scopes")
        for scope, at in scopes:
            if scope not in SCOPES:
                one.source.blame(at, f"there is no scope '{scope}'{did_you_mean(scope, SCOPES)}")
        if secret.reveal() != NO_CREDENTIAL:
            _check_key(one, secret.reveal())
            other = seen.setdefault(secret.reveal(), f"key '{name}' of merchant '{merchant}'")
            if other != f"key '{name}' of merchant '{merchant}'":
                one.blame(f"this is the same as {other}: every key must be its own", "secret")
        one.done()
        keys.append(MerchantKey(name, secret, frozenset(scope for scope, _ in scopes)))
    if not keys and fields.node is not None:
        fields.blame(f"merchant '{merchant}' has no key")
    return tuple(keys)


def _check_key(fields: Fields, text: str) -> None:
    if len(text) < LEAST_KEY:
        fields.blame(f"'secret' must have at least {LEAST_KEY} characters", "secret")
    elif not (text.isascii() and text.isprintable() and " " not in text):
        fields.blame("'secret' may hold printable ASCII without blanks only", "secret")


def _webhook(fields: Fields, base: Base) -> NoticeTarget | None:
    url = fields.text("url")
    secret = read_secret(fields, "secret", base)
    if secret.reveal() != NO_CREDENTIAL and len(secret) < LEAST_KEY:
        fields.blame(f"'secret' must have at least {LEAST_KEY} characters", "secret")
    ca_file = read_ca_file(fields, base)
    fields.done()
    try:
        http = HttpSettings(url, total_seconds=WEBHOOK_SECONDS, read_seconds=WEBHOOK_SECONDS, ca_file=ca_file)
    except BadInput:
        if url:
            fields.blame("'url' must be http(s)://host[:port][/path] without user, query and fragment", "url")
        return None
    return NoticeTarget(http, secret)
