"""language: the caller chooses the language of the rest of the call by one key."""

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from ivr.domain.reading import Fields
from ivr.flow.describing import Description
from ivr.flow.events import Event
from ivr.flow.steps.ask import INVALID, SILENCE
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.steps.menu import KEY_EXIT, MenuStep, check_key, offer_facts, read_offer
from ivr.flow.visit import Visit


@dataclass(frozen=True, slots=True)
class LanguageStep:
    """A menu whose keys are languages."""

    offer: MenuStep
    languages: Mapping[str, str]
    """Exit of the offer -> language."""

    def enter(self, visit: Visit) -> None:
        """Offer the languages."""
        self.offer.enter(visit)
        self._settle(visit)

    def on(self, visit: Visit, event: Event) -> None:
        """A key chooses."""
        self.offer.on(visit, event)
        self._settle(visit)

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Offer them again."""
        self.offer.resume(visit, leg)
        self._settle(visit)

    def describe(self) -> Description:
        """Which key is which language."""
        awaits = "; ".join(f"{by.removeprefix(KEY_EXIT)} {language}" for by, language in self.languages.items())
        return Description("language", self.offer.saying, awaits=awaits)

    def _settle(self, visit: Visit) -> None:
        language = self.languages.get(visit.exit or "")
        if language is not None:
            visit.session.language = language
            visit.leave(NEXT)


def read(body: yaml.Node, reading: Reading) -> Made:
    """`language: {prompt: [{language: fa, prompt: …}, …], keys: {"1": fa, "2": en}}`."""
    fields = Fields(reading.source, body, "language")
    key_fields = fields.fields("keys", "the language's keys")
    keys = {}
    for key, key_node, _ in key_fields.names():
        if check_key(reading, key, key_node) and (language := reading.language(key_fields, key)):
            keys[key] = language
            reading.uses.languages.add(language)
    if isinstance(key_fields.node, yaml.MappingNode) and not key_fields.node.value:
        key_fields.blame("a choice of languages needs at least one key")
    offer = read_offer(fields, reading, {key: KEY_EXIT + key for key in keys})
    made = LanguageStep(offer, {KEY_EXIT + key: language for key, language in keys.items()})
    fields.done()
    facts = offer_facts(offer, {NEXT: f"press {' or '.join(keys)}"})
    return Made(made, frozenset({NEXT, SILENCE, INVALID}), facts=facts)
