"""A flow as boxes and arrows, before anybody knows how they are drawn. Pure.

Law: every step stands in the picture exactly where its name can be found: as a box of its own, or as a line of the box
of endings beside the step that leads to it. What only says a few words and then goodbye is such a line, or large flows
would be all goodbyes.
"""

import textwrap
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from ivr.domain.speech import In, Prompt
from ivr.flow.describing import Description, describe
from ivr.flow.model import Flow, Step
from ivr.flow.saying import Only, PromptFor, Saying
from ivr.flow.steps.base import NEXT

MOST_WORDS: Final = 90
"""Characters of a prompt that are shown in a box."""

MOST_ENDING: Final = 44
"""The same in a line of a box of endings."""

RIGHT_TO_LEFT: Final = "\u200f"
"""A mark that is not seen and counts as a Persian letter."""

Texts = Callable[[str, str | None], str]
"""A prompt's words by its name, in a language of its own; None: in the picture's."""


class Look(Enum):
    """What a box is, as far as it is drawn differently."""

    BEGINNING = "beginning"
    """Where a call begins, or where it goes when something breaks: no step."""
    SAY = "say"
    KEYS = "keys"
    """The caller keys something."""
    CHOICE = "choice"
    QUESTION = "question"
    """A provider, our books or the SIP headers are asked."""
    LEG = "leg"
    HANG_UP = "hang_up"
    ENDINGS = "endings"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Node:
    """One box. Its first line is its title."""

    key: str
    """Unique in its picture: a step's name, or `step > endings`."""
    look: Look
    lines: tuple[str, ...]
    secret: bool = False
    failure: bool = False
    """The flow's failure step."""


@dataclass(frozen=True, slots=True)
class Edge:
    """An arrow, with the exits that it stands for."""

    source: str
    target: str
    exits: tuple[str, ...] = ()
    aside: bool = False
    """Drawn faintly: to a box of endings, and where a flow goes that breaks."""

    @property
    def label(self) -> str:
        """The exits in words; none where a step just goes on."""
        return "" if self.exits == (NEXT,) else ", ".join(self.exits)


@dataclass(frozen=True, slots=True)
class Picture:
    """A whole flow."""

    name: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]


CALL: Final = "> call"
BROKEN: Final = "> broken"

_LOOKS: Final[Mapping[str, Look]] = {
    "say": Look.SAY,
    "ask": Look.KEYS,
    "menu": Look.KEYS,
    "confirm": Look.KEYS,
    "language": Look.KEYS,
    "choose": Look.CHOICE,
    "channel": Look.CHOICE,
    "provider": Look.QUESTION,
    "invoice": Look.QUESTION,
    "keep": Look.QUESTION,
    "link": Look.QUESTION,
    "inquire": Look.QUESTION,
    "last_payment": Look.QUESTION,
    "ussd_payment": Look.LEG,
    "headers": Look.QUESTION,
    "record": Look.KEYS,
    "dial": Look.LEG,
    "transfer": Look.LEG,
    "hang_up": Look.HANG_UP,
}

_LOOKS_ONLY: Final = frozenset({"choose", "channel"})
"""Steps that only lead on."""


def draw(flow: Flow, texts: Texts) -> Picture:
    """The picture of a flow whose prompts have these words."""
    described = {name: describe(step.kind) for name, step in flow.steps.items()}
    endings = _endings(flow, described)
    boxed = _boxed(flow, endings)
    nodes = [Node(CALL, Look.BEGINNING, ("call",)), Node(BROKEN, Look.BEGINNING, ("when anything breaks",))]
    edges = [Edge(CALL, flow.first), Edge(BROKEN, flow.on_failure, aside=True)]
    for name, step in flow.steps.items():
        if name in boxed:
            continue
        nodes.append(_node(name, described[name], texts, failure=name == flow.on_failure))
        ways = _ways(step)
        edges += [Edge(name, target, exits) for target, exits in ways.items() if target not in boxed]
        mine = {target: exits for target, exits in ways.items() if target in boxed}
        if mine:
            key = f"{name} > endings"
            rows = [_row(exits, target, described[target], texts) for target, exits in mine.items()]
            tails = dict.fromkeys(next(iter(flow.steps[target].exits.values())) for target in mine)
            nodes.append(Node(key, Look.ENDINGS, (*rows, f"then {' or '.join(tails)}")))
            edges.append(Edge(name, key, aside=True))
    return Picture(flow.name, tuple(nodes), tuple(edges))


def shortened(text: str, most: int) -> str:
    """The text, cut at a word if it is longer."""
    if len(text) <= most:
        return text
    return text[: most - 1].rsplit(" ", 1)[0].rstrip() + "…"


def wrapped(node: Node, width: int) -> list[str]:
    """A box's lines, none longer than this but for a single long word; each ending begins with a dot."""
    endings = node.look is Look.ENDINGS
    wrapper = textwrap.TextWrapper(width, break_long_words=False, break_on_hyphens=False)
    if endings:
        wrapper.initial_indent, wrapper.subsequent_indent = "· ", "\u00a0\u00a0"
    return [_directed(part) for line in node.lines for part in wrapper.wrap(one_line(line))]


def _directed(line: str) -> str:
    """The line with its marks of direction: a Persian sentence's full stop stays at the sentence's end."""
    strong = [kind in ("R", "AL") for c in line if (kind := unicodedata.bidirectional(c)) in ("L", "R", "AL")]
    if not any(strong):
        return line
    return (RIGHT_TO_LEFT if strong[0] else "") + line + (RIGHT_TO_LEFT if strong[-1] else "")


def one_line(text: str) -> str:
    """The text without line breaks, and without marks that would turn the text around it."""
    kept = {"\u200c", "\u200d"}  # between letters of a Persian word
    return "".join(" " if unicodedata.category(c)[0] in "CZ" and c not in kept else c for c in text)


def in_words(saying: Saying, texts: Texts) -> str:
    """What a step says; a value by its name in brackets."""
    parts = []
    for part in saying.parts:
        match part:
            case Prompt(name):
                parts.append(texts(name, None))
            case In(language, Prompt(name)):
                parts.append(texts(name, language))
            case Only(on_screen, Prompt(name)):
                parts.append(f"({'screen' if on_screen else 'voice'}: {texts(name, None)})")
            case _:
                parts.append(f"[{part.name}]")
    return " ".join(parts)


def _endings(flow: Flow, described: Mapping[str, Description]) -> set[str]:
    """Steps that only say something and then lead to the end, nothing but words between."""

    def closes(name: str, seen: tuple[str, ...] = ()) -> bool:
        if name in seen or name not in flow.steps:
            return False
        if described[name].ends:
            return True
        exits = flow.steps[name].exits
        only_says = described[name].kind == "say" and len(exits) == 1
        goes_on = only_says or described[name].kind in _LOOKS_ONLY  # to the agent, say, or to a goodbye
        return goes_on and all(closes(target, (*seen, name)) for target in exits.values())

    found = {name for name in flow.steps if not described[name].ends and closes(name)}
    said_last = {target for name in found for target in flow.steps[name].exits.values()}
    return {name for name in found if described[name].kind == "say"} - said_last - {flow.first, flow.on_failure}


def _boxed(flow: Flow, endings: set[str]) -> set[str]:
    """The endings that are lines of a box; one that is some step's only ending, and nobody else's, is drawn itself."""
    leads = {name: [target for target in _ways(step) if target in endings] for name, step in flow.steps.items()}
    alone = set()
    for ending in endings:
        sources = [name for name, targets in leads.items() if ending in targets]
        if len(sources) == 1 and leads[sources[0]] == [ending]:
            alone.add(ending)
    return endings - alone


def _ways(step: Step) -> dict[str, tuple[str, ...]]:
    """Step -> the exits that lead there."""
    ways: dict[str, tuple[str, ...]] = {}
    for exit_name, target in step.exits.items():
        ways[target] = (*ways.get(target, ()), exit_name)
    return ways


def _node(name: str, described: Description, texts: Texts, *, failure: bool) -> Node:
    lines = [name, described.kind + (" (secret)" if described.secret else "")]
    if described.about:
        lines[1] += f": {described.about}"
    if words := in_words(described.says, texts):
        lines.append(shortened(words, MOST_WORDS))
    lines += _told(described, texts)
    if described.kind != "say" and described.awaits:
        lines.append(described.awaits)
    look = _LOOKS.get(described.kind, Look.HANG_UP if described.ends else Look.OTHER)
    return Node(name, look, tuple(lines), described.secret, failure)


def _told(described: Description, texts: Texts) -> list[str]:
    """What the agent hears, in the language that they hear it in; of words that a value decides upon, all."""

    def own(name: str, language: str | None) -> str:
        return texts(name, language or described.tells_in)

    lines = []
    for part in described.tells.parts:
        match part:
            case PromptFor(name, prompts, otherwise):
                found = {value: prompt.name for value, prompt in prompts.items()} | {"otherwise": otherwise.name}
                lines += [
                    f"{name} {value}: {shortened(own(prompt, None), MOST_ENDING)}" for value, prompt in found.items()
                ]
            case _:
                lines.append(shortened(in_words(Saying((part,)), own), MOST_WORDS))
    return [f"the agent hears: {line}" for line in lines]


def _row(exits: tuple[str, ...], target: str, described: Description, texts: Texts) -> str:
    way = ", ".join(exits)
    name = "" if way == target else f" → {target}"
    return f"{way}{name}: {shortened(in_words(described.says, texts), MOST_ENDING)}"
