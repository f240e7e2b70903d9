"""YAML read with its places: every fault is kept with file, line and column, and reading goes on.

Law: nothing here raises for a fault in the text. A reader returns a usable stand-in, and the faults are reported all
at once by whoever began. Numbers that must keep their digits have to be quoted: YAML reads 0123 as 83.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import yaml

from ivr.domain.errors import BadInput

T = TypeVar("T")

MOST_BYTES: Final = 256 * 1024
"""No dialplan or configuration file is larger; a larger one is a mistake or an attack."""

MOST_DEPTH: Final = 40
"""Deeper nesting than any file of ours has; PyYAML itself would exhaust the stack at a few hundred."""

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_UNWRITABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
NAME: Final = re.compile(r"[a-z][a-z0-9_]*")
"""What a name of an admin's own looks like."""


@dataclass(frozen=True, slots=True, order=True)
class Fault:
    """One thing wrong in one place. Lines and columns count from 1."""

    file: str
    line: int
    column: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.message}"


class Faults(BadInput):
    """Everything that is wrong, in the order of the files and lines."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(sorted(set(faults)))
        super().__init__("\n".join(map(str, self.faults)))


@dataclass(slots=True)
class Source:
    """One file being read, and what is wrong in it so far."""

    file: str
    faults: list[Fault] = field(default_factory=list)

    def blame(self, node: yaml.Node | None, message: str) -> None:
        """Note a fault at a node's place (or at the file's start). A message stays one line, whatever it quotes."""
        mark = node.start_mark if node is not None else None
        self.faults.append(Fault(self.file, *_place(mark), _UNWRITABLE.sub("\N{REPLACEMENT CHARACTER}", message)))

    def compose(self, text: str) -> yaml.Node | None:
        """The document's root node, or None with a fault noted."""
        if len(text.encode("utf-8", "replace")) > MOST_BYTES:
            self.blame(None, f"the file is larger than {MOST_BYTES} bytes")
            return None
        if (too_deep := _too_deep(text)) is not None:
            self.faults.append(Fault(self.file, *too_deep, f"nested more than {MOST_DEPTH} levels deep"))
            return None
        try:
            loader = yaml.SafeLoader(text)
        except yaml.reader.ReaderError as exc:
            before = text[: exc.position]
            place = (before.count("\n") + 1, len(before) - before.rfind("\n"))
            self.faults.append(Fault(self.file, *place, f"not YAML: the character #x{exc.character:04x}"))
            return None
        try:
            node = loader.get_single_node()
        except yaml.MarkedYAMLError as exc:
            place = _place(exc.problem_mark or exc.context_mark)
            self.faults.append(Fault(self.file, *place, f"not YAML: {exc.problem or exc.context}"))
            return None
        except (ValueError, OverflowError):  # PyYAML itself stumbled
            fault = Fault(self.file, *_place(loader.get_mark()), "not YAML: a number or an escape out of range")
            self.faults.append(fault)
            return None
        if node is None:
            self.blame(None, "the file is empty")
        return node


def _place(mark: yaml.error.Mark | Any) -> tuple[int, int]:
    """Line and column from 1; the file's start where YAML does not say."""
    return (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)


def _too_deep(text: str) -> tuple[int, int] | None:
    """The place where nesting passes MOST_DEPTH, found before the parser recurses into it."""
    depth = 0
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.CollectionStartEvent):
                depth += 1
                if depth > MOST_DEPTH:
                    return _place(event.start_mark)
            elif isinstance(event, yaml.CollectionEndEvent):
                depth -= 1
    except (yaml.YAMLError, ValueError, OverflowError):
        return None  # the parser proper reports it with its place
    return None


class Fields:
    """The fields of one YAML mapping. Ask for each by name, then call `done()`: what was not asked for is a fault."""

    def __init__(self, source: Source, node: yaml.Node | None, what: str, within: "Fields | None" = None) -> None:
        """`within` is the mapping whose absent field this one is: its faults stand there."""
        self.source = source
        self.node = node
        self.what = what
        self._place: yaml.Node | None = node or (within._place if within is not None else None)
        self._excused = False
        self._values: dict[str, yaml.Node] = {}
        self._keys: dict[str, yaml.Node] = {}
        self._asked: dict[str, None] = {}
        if node is None:
            return
        if not isinstance(node, yaml.MappingNode):
            source.blame(node, f"{what} must be a mapping (name: value)")
            return
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                source.blame(key, f"a name in {what} must be plain text")
            elif key.value in self._values:
                source.blame(key, f"'{key.value}' stands twice in {what}")
            else:
                self._values[key.value] = value
                self._keys[key.value] = key

    def blame(self, message: str, name: str | None = None) -> None:
        """A fault at the value of `name`, or at the mapping itself."""
        self.source.blame(self._values.get(name or "", self._place), message)

    def has(self, name: str) -> bool:
        """Whether the field is given."""
        self._asked[name] = None
        return name in self._values

    def value(self, name: str, *, required: bool = True) -> yaml.Node | None:
        """The field's node; its absence is a fault when it is required."""
        if not self.has(name):
            if required and not self._excused and (self.node is None or isinstance(self.node, yaml.MappingNode)):
                self.blame(f"{self.what} needs '{name}'")
            return None
        return self._values[name]

    def names(self) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        """Every field as (name, key node, value node), for mappings whose names are free."""
        for name, value in self._values.items():
            self._asked[name] = None
            yield name, self._keys[name], value

    def fields(self, name: str, what: str, *, required: bool = True) -> "Fields":
        """A mapping inside this one; empty when absent."""
        node = self.value(name, required=required)
        inner = Fields(self.source, node, what, within=self)
        inner._excused = required and node is None  # its absence is the fault, not what it lacks
        return inner

    def text(self, name: str, default: str | None = None) -> str:
        """A text; required, and then not empty, unless a default is given."""

        def read(node: yaml.Node) -> str | None:
            text = read_text(self.source, node, f"'{name}'")
            if text == "" and default is None:
                self.source.blame(node, f"'{name}' is empty")
            return text

        return self._scalar(name, default, read, "")

    def name(self, name: str, default: str | None = None) -> str:
        """A name: small letters, digits and underscores."""
        text = self.text(name, default)
        if text and not NAME.fullmatch(text):
            self.blame(f"'{text}' is not a name: small letters a-z, digits and _ only", name)
        return text

    def whole(self, name: str, default: int | None = None, *, least: int = 0, most: int = 10**9) -> int:
        """A whole number within bounds."""

        def read(node: yaml.Node) -> int | None:
            raw = node.value if isinstance(node, yaml.ScalarNode) else ""
            if not re.fullmatch(r"-?(0|[1-9][0-9]{0,17})", raw) or node.tag != "tag:yaml.org,2002:int":
                self.source.blame(node, f"'{name}' must be a whole number")
                return None
            if not least <= int(raw) <= most:
                self.source.blame(node, f"'{name}' must be between {least} and {most}, not {raw}")
                return None
            return int(raw)

        return self._scalar(name, default, read, least)

    def truth(self, name: str, default: bool) -> bool:
        """true or false."""

        def read(node: yaml.Node) -> bool | None:
            word = node.value.lower() if isinstance(node, yaml.ScalarNode) else ""
            if node.tag == "tag:yaml.org,2002:bool" and word in yaml.SafeLoader.bool_values:
                return yaml.SafeLoader.bool_values[word]
            self.source.blame(node, f"'{name}' must be true or false")
            return None

        return self._scalar(name, default, read, default)

    def seconds(self, name: str, default: float | None = None, *, least: float = 0.1, most: float = 3600) -> float:
        """A duration such as `5s`, `800ms`, `2m`; returns seconds."""

        def read(node: yaml.Node) -> float | None:
            raw = node.value if isinstance(node, yaml.ScalarNode) else ""
            match = _DURATION.fullmatch(raw.strip())
            if match is None:
                self.source.blame(node, f"'{name}' must be a duration with its unit, such as 5s, 800ms or 2m")
                return None
            value = float(match[1]) * _SECONDS[match[2]]
            if not least <= value <= most:
                self.source.blame(node, f"'{name}' must be between {least:g}s and {most:g}s, not {raw}")
                return None
            return value

        return self._scalar(name, default, read, least)

    def one_of(self, name: str, choices: Sequence[str], default: str | None = None) -> str:
        """One of a few words."""
        text = self.text(name, default)
        if text and text not in choices:
            self.blame(f"'{name}' must be one of {', '.join(choices)}{did_you_mean(text, choices)}", name)
            return default or choices[0]
        return text or default or choices[0]

    def texts(self, name: str, *, required: bool = True) -> list[tuple[str, yaml.Node]]:
        """A list of texts (or a single one), each with its node."""
        node = self.value(name, required=required)
        if node is None:
            return []
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found = ((read_text(self.source, item, f"'{name}'"), item) for item in items)
        return [(text, item) for text, item in found if text is not None]

    def done(self) -> None:
        """Blame every field that nobody asked for."""
        for name, key in self._keys.items():
            if name not in self._asked:
                self.source.blame(key, f"{self.what} has no field '{name}'{did_you_mean(name, self._asked)}")

    def _scalar(self, name: str, default: T | None, read: Callable[[yaml.Node], T | None], stand_in: T) -> T:
        node = self.value(name, required=default is None)
        if node is None:
            return stand_in if default is None else default
        value = read(node)
        return stand_in if value is None else value


def read_text(source: Source, node: yaml.Node, what: str) -> str | None:
    """A text that must be written as one: an unquoted number, date or yes/no is a fault."""
    if not isinstance(node, yaml.ScalarNode):
        source.blame(node, f"{what} must be a text")
        return None
    if node.tag == "tag:yaml.org,2002:null":
        source.blame(node, f"{what} is empty")
        return None
    if node.tag != "tag:yaml.org,2002:str":
        source.blame(node, f'{what} must be quoted: "{node.value}"')
        return None
    return str(node.value)


def did_you_mean(word: str, known: Iterable[str] | Mapping[str, object]) -> str:
    """` (did you mean 'x'?)`, or nothing when no known word is near."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean '{near[0]}'?)" if near else ""
