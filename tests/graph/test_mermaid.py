"""Mermaid's grammar, as far as we write it: nothing that a step is called can leave its quotes."""

import re

import pytest

from ivr.flow.model import Flow
from ivr.graph.mermaid import escaped, mermaid
from ivr.graph.picture import Picture, draw
from tests.flow.world import SHIPPED, shipped
from tests.graph.drawn import STRANGE, english, persian, strange_flow

TEXT = r'"((?:[^"#;`%{}\[\]<>&|\\\n]|#[0-9]+;|<br/>)*)"'
NODE = re.compile(rf"  (n[0-9]+)([(\[{{/]+){TEXT}([)\]}}/]+):::([a-z_]+)")
EDGE = re.compile(rf"  (n[0-9]+) (-->|-\.->)(?:\|{TEXT}\|)? (n[0-9]+)")
MARK = re.compile(r"  class (n[0-9]+) secret")
STYLE = re.compile(r"  classDef ([a-z_]+) [a-z0-9:#,\- ]+")
CLOSING = {"([": "])", "((": "))", "(": ")", "[/": "/]", "[[": "]]", "[(": ")]", "[": "]", "{": "}"}


def parsed(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Boxes (id -> text) and arrows; every line must be one that Mermaid knows."""
    first, *lines = text.splitlines()
    assert first == "flowchart LR" and text.endswith("\n")
    nodes: dict[str, str] = {}
    edges: list[tuple[str, str]] = []
    used, styled = set(), set()
    for line in lines:
        if found := NODE.fullmatch(line):
            key, before, words, after, style = found.groups()
            assert CLOSING[before] == after and key not in nodes
            nodes[key] = re.sub(r"#([0-9]+);", lambda code: chr(int(code[1])), words.replace("<br/>", "\n"))
            used.add(style)
        elif found := EDGE.fullmatch(line):
            edges.append((found[1], found[4]))
        elif found := MARK.fullmatch(line):
            assert found[1] in nodes
        else:
            styled.add((STYLE.fullmatch(line) or pytest.fail(line))[1])
    assert used <= styled
    assert all(source in nodes and target in nodes for source, target in edges)
    return nodes, edges


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("texts", [persian, english])
def test_shipped_flows(name: str, texts: object) -> None:
    """Every box and every arrow of the picture, in either language."""
    picture = draw(shipped(name), persian if texts is persian else english)
    nodes, edges = parsed(mermaid(picture))
    assert len(nodes) == len(picture.nodes) and len(edges) == len(picture.edges)
    assert mermaid(picture).count(" secret\n") == sum(node.secret for node in picture.nodes)


def test_strange_names() -> None:
    """Quotes, brackets, comments, entities and Mermaid's own words are just text."""
    flow: Flow = strange_flow()
    picture: Picture = draw(flow, lambda name, _: name)
    nodes, edges = parsed(mermaid(picture))
    assert len(nodes) == len(picture.nodes) and len(edges) == len(picture.edges)
    shown = [" ".join(words.split()) for words in nodes.values()]
    for name in STRANGE:
        plain = " ".join(name.replace("\u202e", " ").split())
        assert any(words.replace("\u200f", "").startswith(plain) for words in shown), name


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ('a "b"', "a #34;b#34;"),
        ("#quot;", "#35;quot#59;"),
        ("<b>&", "#60;b#62;#38;"),
        ("[x]{y}|", "#91;x#93;#123;y#125;#124;"),
        ("می‌شود؛ «بله»", "می‌شود؛ «بله»"),
        ("لطفاً", "لطفاً"),
        ("a\nb\u202ec", "a b c"),
        ("%%", "#37;#37;"),
    ],
)
def test_escaping(text: str, safe: str) -> None:
    """Letters of every language stay as they are; what Mermaid could understand does not."""
    assert escaped(text) == safe
