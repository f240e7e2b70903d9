"""Banks named by the first six digits of a card."""

from ivr.domain.issuers import ISSUERS, PREFIX_DIGITS, UNKNOWN_ISSUER, issuer_of
from ivr.prompts.catalogue import Catalogue
from tests.flow.world import ROOT


def test_known_and_unknown_prefixes() -> None:
    """A caller hears the bank's name; of a prefix that nobody listed there is none."""
    assert issuer_of("6037701689095443") == "keshavarzi"
    assert issuer_of("6219861034529007") == "saman"
    assert issuer_of("9999990000000000") == issuer_of("") == UNKNOWN_ISSUER


def test_every_bank_has_a_prompt_and_every_prompt_a_bank() -> None:
    """In each language; and no bank is called unknown."""
    catalogue = Catalogue.load(ROOT / "prompts")
    for language in catalogue.languages:
        names = {name for name in catalogue.names(language) if name.startswith("issuer/")}
        assert names == {f"issuer/{bank}" for bank in ISSUERS.values()}
    assert UNKNOWN_ISSUER not in ISSUERS.values()
    assert all(len(prefix) == PREFIX_DIGITS and prefix.isdigit() for prefix in ISSUERS)
