"""What stands in the picture of a flow."""

import pytest

from ivr.domain.speech import In, Prompt
from ivr.flow.model import Flow, Step
from ivr.flow.saying import DigitsOf, Saying
from ivr.graph.picture import BROKEN, CALL, Edge, Look, Node, Picture, draw, in_words, shortened, wrapped
from tests.flow.world import SHIPPED, shipped
from tests.graph.drawn import NewStep, english, persian


def node(picture: Picture, key: str) -> Node:
    return next(node for node in picture.nodes if node.key == key)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_step_and_every_exit_is_there(name: str) -> None:
    """As a box and an arrow, or as a line of a box of endings."""
    flow = shipped(name)
    picture = draw(flow, english)
    keys = {node.key for node in picture.nodes}
    assert len(keys) == len(picture.nodes)
    assert all(edge.source in keys and edge.target in keys for edge in picture.edges)
    arrows = {(edge.source, exit_name, edge.target) for edge in picture.edges for exit_name in edge.exits}
    for step in flow.steps.values():
        if step.name not in keys:
            continue  # an ending: its only exit is the box's last line
        for exit_name, target in step.exits.items():
            rows = "\n".join(node(picture, f"{step.name} > endings").lines) if target not in keys else ""
            assert (step.name, exit_name, target) in arrows or (exit_name in rows and target in rows)


def test_endings_are_lines_of_a_box() -> None:
    """Sixteen ways to say goodbye are no sixteen boxes; each says its words, and what comes then."""
    picture = draw(shipped("pay_invoice"), english)
    box = node(picture, "bank > endings")
    assert box.look is Look.ENDINGS and box.lines[0] == "busy → bank_busy: The bank's lines are busy."
    assert box.lines[-1] == "then goodbye"
    assert len(picture.nodes) < len(shipped("pay_invoice").steps)
    assert "expired" not in {node.key for node in picture.nodes}


def test_the_only_ending_of_a_step_is_a_box() -> None:
    """That it was paid is what the picture is about."""
    picture = draw(shipped("pay_invoice"), persian)
    assert "[transaction.transaction_id]" in " ".join(node(picture, "paid").lines)
    assert Edge("result", "paid", ("paid",)) in picture.edges


def test_what_a_box_says() -> None:
    """Name, kind, what it is about, words, keys."""
    picture = draw(shipped("pay_invoice"), persian)
    name, kind, words, keys = node(picture, "ask_invoice").lines
    assert (name, kind) == ("ask_invoice", "ask")
    assert words.startswith("لطفاً شمارهٔ فاکتور") and "4 to 12 digits" in keys
    assert node(picture, "result").lines == ("result", "provider: paystar.result")
    assert node(picture, "bank").lines[1] == "dial: trunk bank (to pay)"


def test_marks() -> None:
    """Secrets, the failure step, the beginning and the end are seen at once."""
    picture = draw(shipped("bank_ivr"), english)
    assert [node.key for node in picture.nodes if node.secret] == ["ask_card", "ask_pin"]
    assert "ask (secret)" in node(picture, "ask_pin").lines
    assert [node.key for node in picture.nodes if node.failure] == ["technical_problem"]
    assert node(picture, "end").look is Look.HANG_UP
    assert Edge(CALL, "read_headers") in picture.edges
    assert Edge(BROKEN, "technical_problem", aside=True) in picture.edges


def test_a_kind_that_nobody_has_described() -> None:
    """It is a box with its name and its ways on."""
    steps = {"a": Step("a", NewStep(), {"next": "b"}), "b": Step("b", NewStep(), {"again": "a"})}
    picture = draw(Flow("new", "0", "a", "b", steps), english)
    assert node(picture, "a").lines == ("a", "new") and node(picture, "a").look is Look.OTHER
    assert Edge("b", "a", ("again",)) in picture.edges


def test_exits_to_one_step_are_one_arrow() -> None:
    """And a step that just goes on needs no word on it."""
    picture = draw(shipped("pay_invoice"), english)
    [edge] = [edge for edge in picture.edges if (edge.source, edge.target) == ("result", "ask_once_more")]
    assert edge.label == "not_confirmed, unreachable, unknown"
    assert Edge("a", "b", ("next",)).label == ""


def test_long_texts() -> None:
    """They are cut between words, and wrapped."""
    assert shortened("one two three", 9) == "one two…" and shortened("one two", 7) == "one two"
    assert wrapped(Node("a", Look.SAY, ("one two three",)), 8) == ["one two", "three"]
    assert wrapped(Node("a", Look.ENDINGS, ("one two three",)), 8) == ["· one", "\u00a0\u00a0two", "\u00a0\u00a0three"]


def test_persian_lines_keep_their_direction() -> None:
    """A full stop stands at the end of the sentence, whatever stands around it."""
    assert wrapped(Node("a", Look.SAY, ("سلام.",)), 20) == ["\u200fسلام.\u200f"]
    assert wrapped(Node("a", Look.SAY, ("busy: سلام.",)), 20) == ["busy: سلام.\u200f"]


def test_a_prompt_in_a_language_of_its_own() -> None:
    """Its words are in the picture, whatever the picture's language is."""
    words = in_words(Saying((In("fa", Prompt("language/choose_fa")), DigitsOf("x"))), english)
    assert words == f"{persian('language/choose_fa')} [x]"


def test_what_an_agent_is_told() -> None:
    """In the language that the agent hears it in, whatever the caller's is."""
    lines = node(draw(shipped("back_to_agent"), english), "same_agent").lines
    assert lines[1].startswith("transfer: agent {agent}")
    told = [line for line in lines if line.startswith("the agent hears: ")]
    assert [line.split(": ")[1] for line in told] == [
        "outcome paid",
        "outcome declined",
        "outcome not_tried",
        "outcome otherwise",
    ]
    assert persian("agent/paid").split()[0] in told[0]


def test_what_is_for_screens() -> None:
    """Where calls and USSD part is a choice with both ways named; a link that the network sends is seen from afar."""
    picture = draw(shipped("pay_invoice"), english)
    parting = node(picture, "whose_invoice")
    assert (parting.look, parting.lines) == (Look.CHOICE, ("whose_invoice", "channel"))
    ways = {(edge.target, edge.exits) for edge in picture.edges if edge.source == "whose_invoice"}
    assert ways == {("create_transaction", ("voice",)), ("find_invoice", ("ussd",))}
    link = node(picture, "send_link")
    assert (link.look, link.lines) == (Look.LEG, ("send_link", "ussd_payment: ussd: invoice_id, invoice.amount"))
    receipt = node(draw(shipped("status"), english), "show_receipt")
    assert receipt.lines[-1] == "(screen: Digital receipt:) [last.receipt]"
