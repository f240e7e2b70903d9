"""A picture as SVG, laid out by Graphviz.

Law: what cannot be drawn on this machine is said in one sentence with the command that mends it.
"""

import html
import textwrap
from collections.abc import Mapping
from typing import Final

import graphviz

from ivr.domain.errors import Unusable
from ivr.graph.picture import Edge, Look, Node, Picture, one_line, wrapped

WIDTH: Final = 32
"""Characters of a line in a box."""

FONT: Final = "DejaVu Sans"
"""Has Persian letters, and is what Debian's fontconfig brings along."""

_LOOKS: Final[Mapping[Look, Mapping[str, str]]] = {
    Look.BEGINNING: {"shape": "ellipse", "fillcolor": "#eeeeee", "color": "#888888"},
    Look.SAY: {"fillcolor": "#ffffff", "color": "#888888"},
    Look.KEYS: {"fillcolor": "#e3f0ff", "color": "#2f6db5"},
    Look.CHOICE: {"shape": "diamond", "style": "filled", "fillcolor": "#fff7dd", "color": "#b58a00"},
    Look.QUESTION: {"fillcolor": "#f1e8ff", "color": "#6a3fb5"},
    Look.LEG: {"fillcolor": "#e3f7e8", "color": "#2c8a4b"},
    Look.HANG_UP: {"fillcolor": "#333333", "color": "#111111", "fontcolor": "#ffffff"},
    Look.ENDINGS: {"style": "filled,dashed", "fillcolor": "#fafafa", "color": "#bbbbbb", "fontcolor": "#333333"},
    Look.OTHER: {"fillcolor": "#ffffff", "color": "#888888"},
}
_FAILURE: Final = {"fillcolor": "#ffe3e3", "color": "#c03030", "penwidth": "2"}
_SECRET: Final = {"color": "#c03030", "penwidth": "3"}


def svg(picture: Picture) -> str:
    """The whole document. Raises Unusable when Graphviz is not there."""
    dot = graphviz.Digraph(
        "flow",
        graph_attr={"rankdir": "LR", "nodesep": "0.25", "ranksep": "0.35", "fontname": FONT, "bgcolor": "white"},
        node_attr={
            "shape": "box",
            "style": "filled,rounded",
            "fontname": FONT,
            "fontsize": "10",
            "margin": "0.12,0.06",
        },
        edge_attr={"fontname": FONT, "fontsize": "9", "color": "#555555", "fontcolor": "#333333", "arrowsize": "0.7"},
    )
    ids = {node.key: f"n{number}" for number, node in enumerate(picture.nodes)}
    for node in picture.nodes:
        dot.node(ids[node.key], **_node(node))
    endings = {node.key for node in picture.nodes if node.look is Look.ENDINGS}
    for edge in picture.edges:
        dot.edge(ids[edge.source], ids[edge.target], **_edge(edge))
        if edge.target in endings:
            dot.body.append(f"\t{{rank=same; {ids[edge.source]}; {ids[edge.target]}}}\n")  # below its step, not beside
    try:
        return str(dot.pipe(format="svg", encoding="utf-8"))
    except graphviz.ExecutableNotFound:
        raise Unusable("SVG needs Graphviz: apt-get install graphviz") from None
    except graphviz.CalledProcessError as exc:
        raise Unusable(f"Graphviz could not draw this flow (status {exc.returncode})") from None


def _node(node: Node) -> dict[str, str]:
    align = ' align="left"' if node.look is Look.ENDINGS else ""
    title, *rest = [html.escape(line) for line in wrapped(node, WIDTH)]
    lines = [title if align else f"<b>{title}</b>", *rest]
    marks = {**(_FAILURE if node.failure else {}), **(_SECRET if node.secret else {})}
    label = "".join(f"{line}<br{align}/>" for line in lines)
    return {"label": f"<{label}>", "tooltip": graphviz.escape(one_line(node.lines[0])), **_LOOKS[node.look], **marks}


def _edge(edge: Edge) -> dict[str, str]:
    label = "\\n".join(graphviz.escape(line) for line in textwrap.wrap(one_line(edge.label), WIDTH))
    aside = {"style": "dashed", "color": "#bbbbbb"} if edge.aside else {}
    return {"label": label, **aside}
