"""One catalogue file, from YAML to entries. Law: nothing is guessed and nothing is dropped without a fault.

The file is a mapping of groups, each a mapping of names, each a text or `{text: …, spoken: …}`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.prompts.faults import Fault

MOST_CHARACTERS: Final = 300
"""No prompt is longer: a caller stops listening, and a screen has no room."""

_NAME: Final = re.compile(r"[a-z0-9]+(_[a-z0-9]+)*")
_FIELDS: Final = ("text", "spoken")
_ARABIC_LETTERS: Final = {"ي": "ی", "ك": "ک"}
_STRING: Final = "tag:yaml.org,2002:str"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Entry:
    """One prompt in one language, and where it stands."""

    text: str
    file: str
    line: int
    column: int
    spoken: str | None = None
    """How the synthesiser must be told to say it (vowel marks, respelling), where the text alone is said wrong."""

    @property
    def heard(self) -> str:
        """What is given to the synthesiser."""
        return self.text if self.spoken is None else self.spoken


def read(file: str, text: str) -> tuple[dict[str, Entry], list[Fault]]:
    """The entries by name (`group/name`) that could be read, and every fault."""
    return _Reader(file).read(text)


class _Reader:
    """Collects faults while it walks the nodes of one file."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.faults: list[Fault] = []

    def read(self, text: str) -> tuple[dict[str, Entry], list[Fault]]:
        entries: dict[str, Entry] = {}
        try:
            root = yaml.compose(text, Loader=_LOADER)
        except yaml.MarkedYAMLError as exc:
            mark = exc.problem_mark or exc.context_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            return {}, [Fault(self.file, line, f"not YAML: {exc.problem}", column)]
        except yaml.YAMLError as exc:
            return {}, [Fault(self.file, 1, f"not YAML: {type(exc).__name__}")]
        for group, prompts in self._pairs(root, "the file", "a group"):
            for name, node in self._pairs(prompts, f"group {group}", "a prompt"):
                entry = self._entry(f"{group}/{name}", node)
                if entry is not None:
                    entries[f"{group}/{name}"] = entry
        return entries, self.faults

    def _entry(self, name: str, node: yaml.Node) -> Entry | None:
        line, column = _place(node)
        if isinstance(node, yaml.ScalarNode):
            text = self._text(name, node)
            return None if text is None else Entry(text, self.file, line, column)
        fields: dict[str, str | None] = {}
        for key, value in self._pairs(node, name, "a field"):
            if key not in _FIELDS:
                self._fault(value, f"{name} has no field {key!r}; a prompt has {' and '.join(_FIELDS)}")
            else:
                fields[key] = self._text(f"{name}, {key}", value)
        if "text" not in fields and isinstance(node, yaml.MappingNode):
            self._fault(node, f"{name} has no text")
        text = fields.get("text")
        return None if text is None else Entry(text, self.file, line, column, fields.get("spoken"))

    def _text(self, what: str, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode) or node.tag != _STRING:
            self._fault(node, f"{what} must be text; put it in quotes")
            return None
        text: str = node.value
        if not text.strip():
            self._fault(node, f"{what} is empty")
        elif text != text.strip() or any(ord(letter) < ord(" ") for letter in text):
            self._fault(node, f"{what} must be one line without spaces around it")
        elif len(text) > MOST_CHARACTERS:
            self._fault(node, f"{what} has {len(text)} characters; at most {MOST_CHARACTERS} are allowed")
        else:
            for arabic, persian in _ARABIC_LETTERS.items():
                if arabic in text:
                    self._fault(node, f"{what} has the Arabic letter {arabic}; write {persian}")
        return text

    def _pairs(self, node: yaml.Node | None, what: str, of: str) -> Iterator[tuple[str, yaml.Node]]:
        """Key and value of a mapping whose keys are well-formed names, each there once."""
        if not isinstance(node, yaml.MappingNode):
            self._fault(node, f"{what} must hold {of} a line, as `name: …`")
            return
        seen: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode) or not _NAME.fullmatch(key.value):
                self._fault(key, f"{of}'s name is made of a-z and digits, with single underscores between")
            elif key.value in seen:
                self._fault(key, f"{key.value} is already in line {seen[key.value]}")
            else:
                seen[key.value] = key.start_mark.line + 1
                yield key.value, value

    def _fault(self, node: yaml.Node | None, message: str) -> None:
        line, column = _place(node)
        self.faults.append(Fault(self.file, line, message, column))


def _place(node: yaml.Node | None) -> tuple[int, int]:
    return (1, 1) if node is None else (node.start_mark.line + 1, node.start_mark.column + 1)
