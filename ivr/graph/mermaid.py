"""A picture as Mermaid text, for a page of documentation or a pull request.

Law: whatever a step or a prompt is called, it cannot leave its quotes: everything but letters, digits and harmless
punctuation is written as `#code;`.
"""

import textwrap
import unicodedata
from collections.abc import Mapping
from typing import Final

from ivr.graph.picture import Edge, Look, Node, Picture, wrapped

WIDTH: Final = 34
"""Characters of a line in a box."""

WIDTH_OF_ENDINGS: Final = 60
"""The same in a box of endings."""

_SHAPES: Final[Mapping[Look, tuple[str, str]]] = {
    Look.BEGINNING: ("([", "])"),
    Look.SAY: ("(", ")"),
    Look.KEYS: ("[/", "/]"),
    Look.CHOICE: ("{", "}"),
    Look.QUESTION: ("[[", "]]"),
    Look.LEG: ("[(", ")]"),
    Look.HANG_UP: ("((", "))"),
    Look.ENDINGS: ("[", "]"),
    Look.OTHER: ("[", "]"),
}

_STYLES: Final = (
    "classDef beginning fill:#eeeeee,stroke:#888888,color:#333333",
    "classDef say fill:#ffffff,stroke:#888888,color:#111111",
    "classDef keys fill:#e3f0ff,stroke:#2f6db5,color:#111111",
    "classDef choice fill:#fff7dd,stroke:#b58a00,color:#111111",
    "classDef question fill:#f1e8ff,stroke:#6a3fb5,color:#111111",
    "classDef leg fill:#e3f7e8,stroke:#2c8a4b,color:#111111",
    "classDef hang_up fill:#333333,stroke:#111111,color:#ffffff",
    "classDef endings fill:#fafafa,stroke:#bbbbbb,color:#333333,stroke-dasharray:4 3",
    "classDef other fill:#ffffff,stroke:#888888,color:#111111",
    "classDef failure fill:#ffe3e3,stroke:#c03030,color:#111111,stroke-width:2px",
    "classDef secret stroke:#c03030,stroke-width:3px",
)

_HARMLESS: Final = frozenset(" ·.,:!?-_/()'«»…→،؛؟\u200c\u200d\u200f")


def mermaid(picture: Picture) -> str:
    """The whole text, which ends with a line break."""
    ids = {node.key: f"n{number}" for number, node in enumerate(picture.nodes)}
    lines = ["flowchart LR"]
    lines += (f"  {_node(ids[node.key], node)}" for node in picture.nodes)
    lines += (f"  {_edge(edge, ids)}" for edge in picture.edges)
    lines += (f"  {style}" for style in _STYLES)
    return "\n".join(lines) + "\n"


def escaped(text: str) -> str:
    """The text as it may stand between Mermaid's quotes."""
    return "".join(_safe(character) for character in text)


def _node(key: str, node: Node) -> str:
    before, after = _SHAPES[node.look]
    lines = wrapped(node, WIDTH_OF_ENDINGS if node.look is Look.ENDINGS else WIDTH)
    label = "<br/>".join(map(escaped, lines))
    classes = node.look.value if not node.failure else "failure"
    mark = f"\n  class {key} secret" if node.secret else ""
    return f'{key}{before}"{label}"{after}:::{classes}{mark}'


def _edge(edge: Edge, ids: Mapping[str, str]) -> str:
    arrow = "-.->" if edge.aside else "-->"
    words = "<br/>".join(map(escaped, textwrap.wrap(edge.label, WIDTH)))
    label = f'|"{words}"|' if words else ""
    return f"{ids[edge.source]} {arrow}{label} {ids[edge.target]}"


def _safe(character: str) -> str:
    if character.isalnum() or character in _HARMLESS or unicodedata.category(character) == "Mn":
        return character
    if unicodedata.category(character)[0] in "CZ":  # line breaks, and marks that turn the text around
        return " "
    return f"#{ord(character)};"
