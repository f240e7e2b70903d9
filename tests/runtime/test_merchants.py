"""`merchants` of config/ivr.yaml: what is wrong is named with its place, and a key finds its merchant."""

from pathlib import Path

import pytest
import yaml

from ivr.domain.reading import Fields, Source
from ivr.runtime.configured import Base
from ivr.runtime.merchants import Keyring, Merchant, read_merchants

KEYS = {"A_KEY": "a-key-of-sixteen-characters", "B_KEY": "another-key-of-that-length", "SHORT": "fifteen-letters"}

GOOD = """
shop:
  providers: [paystar, web]
  keys:
    till: {secret: {env: A_KEY}, scopes: [invoices.create, events.read]}
  webhook: {url: "https://shop.example/hook", secret: {env: B_KEY}}
  requests_per_minute: 30
  registrations: [registration, visit]
"""


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**KEYS, "BLANK": "a key with blanks in it"}.items():
        monkeypatch.setenv(name, value)


def read(text: str, *, credentials: bool = True) -> tuple[dict[str, Merchant], list[str]]:
    source = Source("ivr.yaml")
    node = yaml.compose(text, yaml.SafeLoader)
    found = read_merchants(Fields(source, node, "the merchants"), Base(Path(), credentials), ["paystar", "web"])
    return dict(found), [f"{fault.line}: {fault.message}" for fault in sorted(source.faults)]


def test_a_merchant_is_read() -> None:
    """Everything that the API needs to know of it; no secret can be printed."""
    found, faults = read(GOOD)
    shop = found["shop"]
    assert faults == []
    assert (shop.providers, shop.requests_per_minute) == (("paystar", "web"), 30)
    assert shop.registrations == ("registration", "visit")
    assert shop.keys[0].scopes == {"invoices.create", "events.read"}
    assert shop.webhook is not None and shop.webhook.http.base_url == "https://shop.example/hook"
    assert not any(key in repr(found) for key in KEYS.values())


def test_a_key_finds_its_merchant() -> None:
    """Its own, whole, and nothing else does."""
    found, _ = read(GOOD + GOOD.replace("shop", "other", 1).replace("A_KEY", "SHORT"))
    ring = Keyring(found)
    known = ring.find(KEYS["A_KEY"])
    assert known is not None and (known.merchant.name, known.key.name) == ("shop", "till")
    for wrong in ("", "x", KEYS["A_KEY"][:-1], KEYS["A_KEY"] + "x", KEYS["B_KEY"], "é\udc80"):
        assert ring.find(wrong) is None


@pytest.mark.parametrize(
    ("was", "now", "fault"),
    [
        ("A_KEY", "SHORT", "5: 'secret' must have at least 16 characters"),
        ("B_KEY", "SHORT", "6: 'secret' must have at least 16 characters"),
        ("A_KEY", "BLANK", "5: 'secret' may hold printable ASCII without blanks only"),
        ("A_KEY", "NOBODY", "5: the environment has no NOBODY"),
        (
            "{env: A_KEY}",
            "plain",
            "5: 'secret' is a credential: write {env: NAME} or {file: path}, not the value itself",
        ),
        ("events.read", "event.read", "5: there is no scope 'event.read' (did you mean 'events.read'?)"),
        ("[invoices.create, events.read]", "[]", "5: key 'till' may do nothing"),
        ("web]", "wep]", "3: there is no provider 'wep' in the configuration (did you mean 'web'?)"),
        ("[paystar, web]", "[]", "3: merchant 'shop' has no provider"),
        ("shop:", "Shop:", "2: a merchant's name is at most 32 of a-z, 0-9 and _"),
        ("till:", "Till-1:", "5: a key's name is at most 32 of a-z, 0-9 and _"),
        ("https://shop.example/hook", "https://u:p@shop.example", "6: 'url' must be http(s)://host[:port][/path]"),
        ("30", "0", "7: 'requests_per_minute' must be between 1 and 1000000, not 0"),
        ("requests_per_minute", "requests", "7: merchant 'shop' has no field 'requests'"),
        ("[registration", "[Registration", "8: a word is at most 32 of a-z, 0-9 and _"),
        ("visit", "v" * 33, "8: a word is at most 32 of a-z, 0-9 and _"),
        ("keys:\n    till: {secret: {env: A_KEY}, scopes: [invoices.create, events.read]}", "keys: {}", "has no key"),
    ],
)
def test_what_is_wrong_is_named(was: str, now: str, fault: str) -> None:
    """One fault each, with its line."""
    assert was in GOOD
    _, faults = read(GOOD.replace(was, now))
    assert len(faults) == 1 and fault in faults[0]


def test_no_two_keys_are_the_same() -> None:
    """Else one merchant would see another one's invoices."""
    other = GOOD.replace("shop", "other", 1).replace("till", "desk").replace("registration, visit", "order")
    _, faults = read(GOOD + other)
    assert faults == ["13: this is the same as key 'till' of merchant 'shop': every key must be its own"]


def test_a_word_is_one_merchants() -> None:
    """Else one merchant would see who registers for another one."""
    other = GOOD.replace("shop", "other", 1).replace("till", "desk").replace("A_KEY", "B_KEY")
    _, faults = read(GOOD + other.replace("[registration, visit]", "[order, visit]"))
    assert faults == ["16: what is registered as 'visit' is merchant 'shop's already"]


def test_a_merchant_without_providers() -> None:
    """Callers only register for it; one for whom they do not even that is a mistake."""
    text = GOOD.replace("  providers: [paystar, web]\n", "")
    found, faults = read(text)
    assert (faults, found["shop"].providers) == ([], ())
    assert read(text.replace("  registrations: [registration, visit]\n", ""))[1] == [
        "3: merchant 'shop' needs 'providers'"
    ]


def test_commands_that_connect_to_nothing_need_no_keys() -> None:
    """`ivr check` on a machine without credentials finds nothing wrong."""
    other = GOOD.replace("shop", "other", 1).replace("A_KEY", "NO_ONE").replace("registration, visit", "order")
    text = GOOD.replace("A_KEY", "NOBODY") + other
    assert read(text, credentials=False)[1] == []
