"""last_payment: a caller is told what became of what they paid last, known by nothing but their mobile."""

from pathlib import Path
from typing import Final

import pytest

from ivr.domain.speech import Prompt
from ivr.flow.commands import AskProvider, Play
from ivr.flow.describing import describe
from ivr.flow.events import Digit, ProviderReplied
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Flow
from ivr.flow.paths import walks
from ivr.simulator.vectors import replay
from tests.flow.caller import Caller
from tests.flow.walker import walk_through
from tests.flow.world import answered, session_of, world

FLOW: Final = """flow: status
about: what became of my last payment
first: look
on_failure: sorry
steps:
  look:
    last_payment: {save: last}
    exits:
      {paid: paid, paid_unreadable: paid_there, declined: declined, not_paid: not_yet, none: none, unknown: unknown}
  paid: {say: [pay/paid, {amount: last.amount}, card/reference_is, {digits: last.reference}], next: end}
  paid_there: {choose: {value: last.amount, present: with_amount, missing: without}}
  with_amount: {say: [pay/paid, {amount: last.amount}], next: end}
  without: {say: card/thank_you, next: end}
  declined: {say: link/not_sent, next: end}
  not_yet: {say: link/still_waiting, next: end}
  none: {say: bill/not_found, next: end}
  unknown: {say: pay/not_confirmed, next: end}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""
MINE: Final = {"caller_number": "+989121234567"}
CALL: Final = """# The caller hears the amount and the reference of what they paid by a link yesterday.
flow: status
knows: {caller_number: "+989121234567"}
call:
  - asks: books.last_payment
    with: {payer: "09121234567"}
  - answers: paid
    values: {reference: "200100300", amount: 160000, receipt: "ref-1"}
  - hears: [pay/paid, {amount: 160000}, card/reference_is, {digits: "200100300"}]
  - hangs_up: normal
"""


@pytest.fixture(scope="module")
def flow(tmp_path_factory: pytest.TempPathFactory) -> Flow:
    """As an admin writes it; the checker has nothing against it."""
    path = tmp_path_factory.mktemp("status") / "status.yaml"
    path.write_text(FLOW, "utf-8")
    return load_dialplan(path, world()).flows["status"]


def test_a_call_as_a_file(flow: Flow, tmp_path: Path) -> None:
    """It can be written down and made again like every other call."""
    path = tmp_path / "paid.yaml"
    path.write_text(CALL, "utf-8")
    caller = replay(path, flow, lambda flow, knows: Caller(flow, session_of(flow, knows)))
    assert caller.session.answers["last.receipt"] == "ref-1" and caller.session.payment is None


@pytest.mark.parametrize("knows", [{}, {"caller_number": "02112345678"}], ids=["withheld", "no mobile"])
def test_a_caller_who_is_not_known(flow: Flow, knows: dict[str, str | int]) -> None:
    """Nobody is asked: there is nobody's payment to look for."""
    caller = answered(flow, knows)
    assert caller.asked is None and caller.take() == Play(caller.session.playing or 0, (Prompt("bill/not_found"),))


@pytest.mark.parametrize(
    ("exit_name", "values", "heard"),
    [
        ("paid_unreadable", {"amount": 1000}, "pay/paid"),
        ("paid_unreadable", {}, "card/thank_you"),
        ("declined", {"amount": 1000}, "link/not_sent"),
        ("not_paid", {}, "link/still_waiting"),
        ("none", {}, "bill/not_found"),
        ("unknown", {}, "pay/not_confirmed"),
        ("teapot", {}, "common/technical_problem"),
    ],
)
def test_each_outcome_has_its_words(flow: Flow, exit_name: str, values: dict[str, str | int], heard: str) -> None:
    """What the books know of the amount is there to be said."""
    caller = answered(flow, dict(MINE))
    assert isinstance(caller.asked, AskProvider)
    caller.send(ProviderReplied(caller.asked.token, exit_name, values))
    play = caller.playing
    assert play is not None and play.say[0] == Prompt(heard)


def test_in_words(flow: Flow) -> None:
    """As the diagram and the simulator show it."""
    told = describe(flow.steps["look"].kind)
    assert (told.kind, told.about, told.awaits) == ("last_payment", "the caller's", "")


def test_who_waits_hears_so(flow: Flow) -> None:
    """Again and again while the provider is asked; what is keyed meanwhile is for nobody here."""
    caller = answered(flow, dict(MINE))
    for _ in range(2):
        caller.wait()
        assert caller.playing is not None and caller.playing.say == (Prompt("common/please_wait"),)
        caller.send(Digit("1"))
        caller.hear()
    assert isinstance(caller.asked, AskProvider) and caller.session.asking == caller.asked.token


def test_another_process_asks_again(flow: Flow) -> None:
    """It changes nothing."""
    caller = answered(flow, dict(MINE))
    caller.restart()
    assert isinstance(caller.asked, AskProvider) and caller.asked.arguments == {"payer": "09121234567"}


def test_every_way_is_walked(flow: Flow) -> None:
    """The ways that `ivr check --paths` prints are real ones."""
    found = walks(flow)
    assert found.untaken == ()
    for walk in found.walks:
        walker = walk_through(flow, walk)
        assert walker.session.ended == "hung_up" and not walker.faults


def test_in_a_called_flow_it_is_the_same_caller(tmp_path: Path) -> None:
    """A called flow knows who calls as its caller does."""
    inner = FLOW.replace("flow: status", "flow: inner").replace("hang_up: normal", "return: told")
    (tmp_path / "inner.yaml").write_text(inner, "utf-8")
    outer = "flow: outer\nfirst: a\non_failure: end\nsteps:\n  a: {call: {flow: inner}, exits: {told: end}}\n"
    (tmp_path / "outer.yaml").write_text(outer + "  end: {hang_up: normal}\n", "utf-8")
    caller = answered(load_dialplan(tmp_path / "outer.yaml", world(), verified=False).flows["outer"], dict(MINE))
    assert isinstance(caller.asked, AskProvider) and caller.asked.arguments == {"payer": "09121234567"}
