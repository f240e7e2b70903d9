"""One catalogue file, from YAML to entries. Law: nothing is guessed and nothing is dropped without a fault.

The file is a mapping of groups, each a mapping of names, each a text or `{text: …, spoken: …, screen: …}`. One that has
only `screen` is never spoken.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.reading import Fault, Fields, Source, read_text

MOST_CHARACTERS: Final = 300
"""No prompt is longer: a caller stops listening, and a screen has no room."""

_NAME: Final = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_ARABIC_LETTERS: Final = {"ي": "ی", "ك": "ک"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One prompt in one language, and where it stands."""

    text: str
    file: str
    line: int
    column: int
    spoken: str | None = None
    """How the synthesiser must be told to say it (vowel marks, respelling), where the text alone is said wrong."""

    screen: str | None = None
    """What a screen shows instead of the text."""
    is_spoken: bool = True
    """Whether it is recorded; else its text is a screen's."""

    @property
    def shown(self) -> str:
        """What a screen shows."""
        return self.text if self.screen is None else self.screen

    @property
    def heard(self) -> str:
        """What is given to the synthesiser."""
        return self.text if self.spoken is None else self.spoken


def read(file: str, text: str) -> tuple[dict[str, Entry] | None, list[Fault]]:
    """The entries by name (`group/name`) that could be read, and every fault. None: it is no YAML at all."""
    source = Source(file)
    entries: dict[str, Entry] = {}
    root = source.compose(text)
    if root is None:
        return None, source.faults
    for group, prompts in _named(Fields(source, root, "the file"), "a group"):
        for name, node in _named(Fields(source, prompts, f"group {group}"), "a prompt"):
            entry = _entry(source, f"{group}/{name}", node)
            if entry is not None:
                entries[f"{group}/{name}"] = entry
    return entries, source.faults


def _named(fields: Fields, of: str) -> Iterator[tuple[str, yaml.Node]]:
    """The fields whose names are well formed."""
    for name, key, node in fields.names():
        if _NAME.fullmatch(name):
            yield name, node
        else:
            fields.source.blame(key, f"{of}'s name is made of a-z and digits, with single underscores between")


def _entry(source: Source, name: str, node: yaml.Node) -> Entry | None:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    if isinstance(node, yaml.ScalarNode):
        text = read_text(source, node, name)
        return _checked(source, name, node, Entry(text, source.file, line, column)) if text is not None else None
    fields = Fields(source, node, name)
    screen = fields.text("screen", "") or None
    is_spoken = fields.has("text") or screen is None
    text = fields.text("text", None if is_spoken else screen)
    spoken = fields.text("spoken", "") or None
    if spoken is not None and not is_spoken:
        fields.blame(f"{name} is spoken, and has no 'text'", "spoken")
    fields.done()
    entry = Entry(text, source.file, line, column, spoken, screen, is_spoken)
    return _checked(source, name, node, entry) if text else None


def _checked(source: Source, name: str, node: yaml.Node, entry: Entry) -> Entry:
    """The entry, with its faults noted."""
    for text in (entry.text, entry.spoken, entry.screen):
        if text is None:
            continue
        if not text.strip():
            source.blame(node, f"{name} is empty")
        elif text != text.strip() or any(ord(letter) < ord(" ") for letter in text):
            source.blame(node, f"{name} must be one line without spaces around it")
        elif len(text) > MOST_CHARACTERS:
            source.blame(node, f"{name} has {len(text)} characters; at most {MOST_CHARACTERS} are allowed")
        for arabic, persian in _ARABIC_LETTERS.items():
            if arabic in text:
                source.blame(node, f"{name} has the Arabic letter {arabic}; write {persian}")
    return entry
