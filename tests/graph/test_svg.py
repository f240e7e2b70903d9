"""SVG: drawn by Graphviz, which `make setup` installs."""

from pathlib import Path
from xml.etree import ElementTree

import pytest

from ivr.domain.errors import Unusable
from ivr.graph.picture import draw
from ivr.graph.svg import svg
from tests.flow.world import SHIPPED, shipped
from tests.graph.drawn import STRANGE, persian, strange_flow

NAMESPACE = "{http://www.w3.org/2000/svg}"


def texts(document: str) -> list[str]:
    """Every line of text that is drawn."""
    root = ElementTree.fromstring(document)  # noqa: S314 - we have just made it
    assert root.tag == f"{NAMESPACE}svg"
    return [(element.text or "").replace("\u200f", "") for element in root.iter(f"{NAMESPACE}text")]


def is_persian(line: str) -> bool:
    """Whether it holds letters of the Arabic script."""
    return any("\u0600" <= letter <= "\u06ff" for letter in line)


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_flows(name: str) -> None:
    """Every box has its title, in a document that a browser can read."""
    picture = draw(shipped(name), persian)
    drawn = texts(svg(picture))
    for node in picture.nodes:
        assert any(node.lines[0].startswith(line.removeprefix("· ")) for line in drawn), node.lines[0]
    assert any(is_persian(line) for line in drawn)


def test_strange_names() -> None:
    """Quotes, angle brackets and backslashes are just text."""
    drawn = " ".join(" ".join(texts(svg(draw(strange_flow(), lambda name, _: name)))).split())
    for name in STRANGE:
        assert " ".join(name.replace("\u202e", " ").split()) in drawn


def test_a_machine_without_graphviz(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One sentence with the command that mends it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Unusable, match="apt-get install graphviz"):
        svg(draw(shipped("pay_invoice"), persian))
