"""What every step kind's reader is given, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

import yaml

from ivr.domain.operations import Kind, can_inquire
from ivr.domain.reading import Fields, Source, did_you_mean, read_text
from ivr.domain.speech import In, Prompt
from ivr.flow.facts import NOTHING_TOLD, Facts
from ivr.flow.model import Flow, StepKind, Uses, World
from ivr.flow.saying import SHOWN, SPOKEN, Only, Part, PromptFor, Saying, Template, TextOf
from ivr.flow.visit import CALLER_MOBILE, CHANNEL

NEXT: Final = "next"
"""The exit that goes on."""

OF_THE_NETWORK: Final = frozenset({CALLER_MOBILE, CHANNEL})
"""Names that no step may give another value to."""

FITS: Final[Mapping[Kind, frozenset[Kind]]] = {
    Kind.TEXT: frozenset({Kind.TEXT, Kind.DIGITS, Kind.DATE}),
    Kind.DIGITS: frozenset({Kind.DIGITS}),
    Kind.AMOUNT: frozenset({Kind.AMOUNT}),
    Kind.DATE: frozenset({Kind.DATE}),
    Kind.SECRET: frozenset({Kind.SECRET}),
}
"""What is wanted -> what may be handed over for it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A step being read: where faults go, what exists, and what the step turns out to use."""

    source: Source
    world: World
    uses: Uses
    called: Callable[[str], Flow | str]
    """A flow by name, or what is wrong with calling it."""

    def call(self, name: str, node: yaml.Node | None) -> Flow | None:
        """The flow of this name, read; blamed when there is none, or when it leads back here."""
        flow = self.called(name)
        if isinstance(flow, str):
            self.source.blame(node, flow)
            return None
        return flow

    def show(self, fields: Fields, name: str) -> Saying:
        """The same for what only screens show; it may be left out."""
        heard = len(self.uses.prompts)
        saying = self.say(fields, name, required=False)
        self.uses.shown += self.uses.prompts[heard:]
        del self.uses.prompts[heard:]
        return saying

    def say(self, fields: Fields, name: str, *, required: bool = True) -> Saying:
        """A prompt's name, or a list of names, `{amount: value}` and `{digits: value}`."""
        node = fields.value(name, required=required)
        if node is None:
            return Saying(())
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        parts = [part for item in items if (part := self._part(item, name)) is not None]
        if not items:
            self.source.blame(node, f"'{name}' says nothing")
        return Saying(tuple(parts))

    def prompt(self, fields: Fields, name: str, default: str | None = None) -> Prompt:
        """One prompt by name. Without a default it must be written."""
        found = Prompt(fields.text(name, default))
        if found.name:
            self.uses.prompts.append((found.name, fields.value(name, required=False) or fields.node))
        return found

    def screen_words(self, fields: Fields, name: str, default: str) -> Prompt:
        """A prompt that only screens show; one that nobody wrote is no matter where nothing is shown."""
        if not fields.has(name):
            return Prompt(default)
        found = self.prompt(fields, name)
        if found.name:
            self.uses.shown.append(self.uses.prompts.pop())
        return found

    def prompts(self, fields: Fields, name: str, default: str, attempts: int) -> tuple[Prompt, ...]:
        """A prompt by name, or a list of them: one for each attempt that is followed by another."""
        texts = fields.texts(name, required=False) if fields.has(name) else [(default, None)]
        place = fields.value(name, required=False) or fields.node
        if len(texts) > max(1, attempts - 1):
            fields.blame(f"'{name}' has {len(texts)} prompts, and {attempts} attempts never come to the last", name)
        if not texts:
            fields.blame(f"'{name}' says nothing", name)
        self.uses.prompts += [(text, node or place) for text, node in texts]
        return tuple(Prompt(text) for text, _ in texts) or (Prompt(default),)

    def template(self, fields: Fields, name: str, default: str | None = None) -> Template:
        """A text with values in braces; never a secret."""
        template = Template(fields.text(name, default))
        self.check_template(template, fields.value(name, required=False) or fields.node)
        return template

    def check_template(
        self, template: Template, node: yaml.Node | None, allowed: frozenset[Kind] = frozenset(Kind)
    ) -> None:
        """Blame a broken template and note the names it refers to."""
        if template.fault:
            self.source.blame(node, template.fault)
        self.uses.refers += [(name, kinds & allowed, node) for name, kinds in template.references]

    def reference(self, fields: Fields, name: str, kinds: frozenset[Kind], *, required: bool = True) -> str | None:
        """The name of a value that is known by the time the step is reached."""
        node = fields.value(name, required=required)
        if node is None:
            return None
        text = read_text(self.source, node, f"'{name}'")
        if text is not None:
            self.uses.refers.append((text, kinds, node))
        return text

    def make(self, name: str, kind: Kind, node: yaml.Node | None) -> None:
        """Later steps know a value of this kind by this name; one name is one kind in the whole flow."""
        self.uses.made.append(name)
        if name in OF_THE_NETWORK:
            self.source.blame(node, f"'{name}' is what the network says of who calls: keep this by another name")
        earlier = self.uses.makes.setdefault(name, kind)
        if name and earlier is not kind:
            self.source.blame(node, f"'{name}' is {kind.value} here and {earlier.value} elsewhere in this flow")

    def provider(self, fields: Fields, name: str) -> str:
        """A provider that exists."""
        text = fields.text(name)
        if text and text not in self.world.providers:
            fields.blame(f"there is no provider '{text}'{did_you_mean(text, self.world.providers)}", name)
            self.lacks(text)
        return text

    def lacks(self, name: str) -> None:
        """Note that this is not there; the last fault says so."""
        self.uses.absent.append((name, self.source.faults[-1]))

    def can_inquire(self, fields: Fields, name: str, provider: str) -> None:
        """Blame a provider that exists and can never say what became of a payment."""
        if provider in self.world.providers and not can_inquire(self.world.providers[provider]):
            fields.blame(f"nobody can ask '{provider}' what became of a payment", name)

    def _part(self, item: yaml.Node, name: str) -> Part | None:
        if not isinstance(item, yaml.MappingNode):
            text = read_text(self.source, item, f"'{name}'")
            if text is None:
                return None
            self.uses.prompts.append((text, item))
            return Prompt(text)
        fields = Fields(self.source, item, "a spoken value")
        part: Part | None = None
        word = next((word for word in SPOKEN if fields.has(word)), None)
        if word is not None:
            value_of, kinds = SPOKEN[word]
            part = value_of(self.reference(fields, word, kinds) or "")
        elif fields.has("language"):
            part = self._translated(fields)
        elif fields.has("for"):
            part = self._decided(fields)
        elif fields.has("voice"):
            part = Only(False, self.prompt(fields, "voice"))
        elif fields.has("show"):
            part = TextOf(self.reference(fields, "show", SHOWN) or "")
        elif fields.has("screen"):
            part = Only(True, self.screen_words(fields, "screen", ""))
        else:
            fields.blame(f"a spoken value is {{{': name} or {'.join(SPOKEN)}: name}}")
        fields.done()
        return part

    def _translated(self, fields: Fields) -> In:
        """`{language: en, prompt: language/english}`."""
        language = self.language(fields, "language")
        prompt = fields.text("prompt")
        known = self.world.prompts.get(language, frozenset())
        if prompt and language and prompt not in known:
            fields.blame(f"there is no prompt '{prompt}' in '{language}'{did_you_mean(prompt, known)}", "prompt")
        return In(language, Prompt(prompt))

    def _decided(self, fields: Fields) -> PromptFor:
        """`{for: outcome, prompts: {paid: agent/paid}, otherwise: agent/unknown}`, or `group: agent`."""
        name = self.reference(fields, "for", frozenset({Kind.TEXT, Kind.DIGITS})) or ""
        if (node := fields.value("for")) is not None:
            self.uses.optional.append(node)  # `otherwise` is for a value that is not known, too
        if fields.has("group"):
            prompts = self._group(fields)
            if fields.has("prompts"):
                fields.blame("'prompts' or a whole 'group' of them: leave one out", "prompts")
        else:
            inner = fields.fields("prompts", "the prompts")
            prompts = {text: self.prompt(inner, text) for text, _, _ in inner.names()}
        return PromptFor(name, prompts, self.prompt(fields, "otherwise"))

    def _group(self, fields: Fields) -> dict[str, Prompt]:
        """Every prompt of a group, by its name in the group and by its whole name."""
        group = fields.text("group")
        names = {name for known in self.world.prompts.values() for name in known if name.startswith(f"{group}/")}
        if group and not names:
            fields.blame(f"there is no group of prompts '{group}'", "group")
        self.uses.prompts += [(name, fields.value("group")) for name in sorted(names)]
        return {text: Prompt(name) for name in sorted(names) for text in (name, name.removeprefix(f"{group}/"))}

    def language(self, fields: Fields, name: str) -> str:
        """A language that there are prompts in; empty when there is none of that name."""
        text = fields.text(name)
        if text and text not in self.world.prompts:
            spoken = ", ".join(sorted(self.world.prompts))
            fields.blame(f"there are no prompts in '{text}'; the languages are {spoken}", name)
            return ""
        return text


@dataclass(frozen=True, slots=True)
class Made:
    """A step kind that was read: the kind, the exits it needs a way on for, and the exits written inside it."""

    kind: StepKind
    exits: frozenset[str] = frozenset()
    inline: Mapping[str, tuple[str, yaml.Node]] = field(default_factory=dict)
    """Exit -> (step, place), for kinds whose fields name steps directly, such as a menu's keys."""
    exits_unknown: bool = False
    """What was needed to know the exits is broken, and blamed already."""
    facts: Facts = NOTHING_TOLD
    """What the checker may know about it; a kind that tells nothing is taken for the worst."""
