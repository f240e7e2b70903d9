"""Flows that nobody wrote: shipped ones with pieces changed at random.

Whatever comes out is refused with faults, or is a flow that serves callers: then its walks go through the engine, and
none breaks, ends in silence or forgets money. So the checker is tried against the engine, and not against itself.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.domain.legs import LegResult
from ivr.domain.reading import Faults
from ivr.domain.secret import Secret
from ivr.flow.commands import AskProvider, ReadHeaders
from ivr.flow.events import Answered, HeadersRead, LegAnswered, LegEnded, ProviderReplied
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Flow
from ivr.flow.paths import walks
from tests.flow.caller import Caller
from tests.flow.walker import GOOD_HEADERS, walk_through
from tests.flow.world import BANK_DIALPLAN, DIALPLAN, KNOWN, SHIPPED, operation_results, session_of, world

EVERY_KIND: Final = Path(__file__).parent / "every_kind.yaml"
FILES: Final = [*sorted(DIALPLAN.glob("flows/*.yaml")), *sorted(BANK_DIALPLAN.glob("flows/*.yaml")), EVERY_KIND]
FLOWS: Final[dict[str, Any]] = {
    path.stem: yaml.safe_load(path.read_bytes()) for path in FILES if path.stem in (*SHIPPED, "every_kind")
}
MOST_WALKS: Final = 12
"""Of a generated flow so many of its walks are made."""

Place = tuple[Any, Any]
"""A container and the key or index in it."""

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 200), st.text(max_size=5), st.sampled_from(["5s", "end", "secret", "{x}"])
)
nodes = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
)


def places(node: Any) -> Iterator[Place]:
    """Every place in a document, outermost first."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, inner in list(items):
        yield node, key
        yield from places(inner)


def load(directory: Path, document: Any) -> Flow | None:
    """The flow, or None with faults that have their places; anything else that is raised is ours to mend."""
    name = document["flow"] if isinstance(document, dict) and isinstance(document.get("flow"), str) else ""
    text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
    with TemporaryDirectory(dir=directory) as alone:  # beside another example's flow it could be one that calls it
        path = Path(alone) / f"{name if name.isidentifier() else 'x'}.yaml"
        path.write_text(text, encoding="utf-8", newline="")
        try:
            (flow,) = load_dialplan(path, world()).flows.values()
        except Faults as exc:
            assert exc.faults and all(f.line > 0 and f.column > 0 and "\n" not in str(f) for f in exc.faults)
            return None
    return flow


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated")


@given(node=nodes)
@settings(max_examples=100, deadline=None)
def test_any_structure_is_refused_with_words(directory: Path, node: Any) -> None:
    """YAML that was never a flow."""
    assert load(directory, node) is None


@pytest.mark.parametrize("name", FLOWS)
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_pieces_in_wrong_places(directory: Path, name: str, data: st.DataObject) -> None:
    """Pieces of a good flow are dropped, doubled, renamed and made up: out come faults or a flow, never a crash."""
    document = copy.deepcopy(FLOWS[name])
    for _ in range(data.draw(st.integers(1, 3))):
        all_places = list(places(document))
        container, key = data.draw(st.sampled_from(all_places))
        other, other_key = data.draw(st.sampled_from(all_places))
        match data.draw(st.sampled_from(("drop", "double", "make", "rename"))):
            case "drop":
                del container[key]
            case "double":
                container[key] = copy.deepcopy(other[other_key])
            case "rename" if isinstance(container, dict):
                container[data.draw(st.one_of(scalars, st.just(other_key)))] = container.pop(key)
            case _:
                container[key] = data.draw(nodes)
        if not list(places(document)):
            break
    load(directory, document)


# -- what is let pass serves callers -----------------------------------------------------------------------------------


def targets(document: Any) -> list[Place]:
    """The places that name a step."""
    steps = document["steps"]
    return [(c, k) for c, k in places(steps) if isinstance(c[k], str) and c[k] in steps and k not in ("save", "value")]


@pytest.mark.parametrize("name", FLOWS)
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_what_the_checker_lets_pass_serves_callers(directory: Path, name: str, data: st.DataObject) -> None:
    """Exits lead elsewhere, bounds come and go: every walk through what is let pass ends with words."""
    document = copy.deepcopy(FLOWS[name])
    steps = list(document["steps"])
    for _ in range(data.draw(st.integers(1, 3))):
        container, key = data.draw(st.sampled_from(targets(document)))
        container[key] = data.draw(st.sampled_from(steps))
    for step in document["steps"].values():
        if "at_most" in step and data.draw(st.integers(0, 9)) == 0:
            del step["at_most"], step["exits"]["too_often"]
    flow = load(directory, document)
    if flow is None:
        return
    for walk in walks(flow).walks[:MOST_WALKS]:
        walker = walk_through(flow, walk)
        assert not walker.faults and walker.session.ended == "hung_up"


# -- secrets -----------------------------------------------------------------------------------------------------------

CARD: Final = "6037701689095443"


@pytest.mark.parametrize("form", ["card", "{card}"])
def test_a_secret_in_every_place(directory: Path, form: str) -> None:
    """A card's number is named in one place after the other: refused, or it goes to a provider as a secret only."""
    passed = 0
    for number, (container, key) in enumerate(places(FLOWS["every_kind"])):
        if isinstance(container[key], dict | list):
            continue
        document = copy.deepcopy(FLOWS["every_kind"])
        changed, key = list(places(document))[number]
        changed[key] = form
        if (flow := load(directory, document)) is not None:
            passed += 1
            for step in flow.steps:
                _watch(flow, step)
    assert passed or form != "card", "the card itself may stand in its own place"


def _watch(flow: Flow, step: str) -> None:
    """A caller whose card is known comes to this step, and goes on from it: the card shows nowhere."""
    answers = {**KNOWN, "t": "70012345", "m": 160000, "settled.reference": "1"}
    session = session_of(flow, answers)
    session.secrets = {"card": Secret(CARD), "pin": Secret(CARD)}
    session.secret_steps = {"card": "c", "pin": "p"}
    caller = Caller(replace(flow, first=step), session)
    caller.send(Answered())
    for _ in range(8):
        if caller.session.ended is not None:
            break
        _happens(caller)
        shown = [*caller.noticed, caller.session.answers, caller.session.data, caller.session.snapshot()]
        assert CARD not in repr(shown), f"the card shows at '{caller.session.step}'"


def _happens(caller: Caller) -> None:
    session = caller.session
    if session.asking is not None and isinstance(caller.asked, AskProvider):
        values = operation_results(caller.asked.provider, caller.asked.operation)
        caller.send(ProviderReplied(caller.asked.token, "approved" if values else "next", values))
    elif session.asking is not None and isinstance(caller.asked, ReadHeaders):
        caller.send(HeadersRead(caller.asked.token, True, GOOD_HEADERS))
    elif session.leg is not None:
        caller.send(LegAnswered(session.leg))
        caller.send(LegEnded(session.leg, LegResult.ENDED))
    elif caller.playing is not None:
        caller.keys("1")
        if caller.playing is not None:
            caller.hear()
    else:
        caller.wait()
