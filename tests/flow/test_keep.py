"""A caller registers something: what is asked of our books, and what is said of it."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from ivr.domain.reading import Faults
from ivr.flow.commands import AskProvider
from ivr.flow.describing import describe
from ivr.flow.events import ProviderReplied
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Flow
from ivr.flow.steps.invoice import BOOKS, KEEP
from ivr.simulator.answers import Providers, answer_values, possible_exits
from ivr.simulator.vectors import finish, replay
from tests.flow.caller import Caller
from tests.flow.world import answered, session_of, small_flow, world

STEPS = """  a: {ask: {prompt: pay/is, min: 4, max: 12, save: code}, next: b, exits: {silence: sorry, invalid: sorry}}
  b:
    keep: {as: registration, with: {code: code, mobile: caller_mobile}}
    next: done
    exits: {again: known, unknown: sorry}
  done: {say: pay/paid, next: end}
  known: {say: common/goodbye, next: end}"""


@pytest.fixture
def flow(tmp_path: Path) -> Flow:
    """A code is keyed and registered with the caller's mobile."""
    return small_flow(tmp_path, STEPS)


def keyed(flow: Flow, number: str | None = "+989121234567") -> Caller:
    """A caller who has keyed a code, whose registration is under way."""
    caller = answered(flow, {} if number is None else {"caller_number": number})
    caller.keys("48213#")
    return caller


def asked_by(caller: Caller) -> AskProvider:
    """What the books are asked."""
    assert isinstance(caller.asked, AskProvider)
    return caller.asked


def test_what_the_books_are_asked(flow: Flow) -> None:
    """The word, the values by their names there, and an id of this visit of the step."""
    asked = asked_by(keyed(flow))
    assert (asked.provider, asked.operation, asked.once) == (BOOKS, KEEP, "call.2")
    assert asked.arguments == {"as": "registration", "code": "48213", "mobile": "09121234567"}
    assert asked.payment is None and asked.payment_id is None


@pytest.mark.parametrize("number", [None, "02188776655"])
def test_a_caller_without_a_mobile(flow: Flow, number: str | None) -> None:
    """What is not known is left out."""
    assert asked_by(keyed(flow, number)).arguments == {"as": "registration", "code": "48213"}


@pytest.mark.parametrize(("exit", "step"), [("next", "done"), ("again", "known"), ("unknown", "sorry")])
def test_what_the_caller_hears(flow: Flow, exit: str, step: str) -> None:
    """Words of its own for each answer, and none before there is one."""
    caller = keyed(flow)
    assert caller.session.step == "b" and caller.playing is None
    caller.send(ProviderReplied(asked_by(caller).token, exit, {}))
    assert caller.session.step == step and not caller.faults


def test_a_caller_who_waits(flow: Flow) -> None:
    """Hears after a moment that we are still there, again and again."""
    caller = keyed(flow)
    for _ in range(2):
        assert caller.wait() == 2
        assert caller.playing is not None
        caller.hear()
    assert caller.session.step == "b"


def test_another_process_asks_the_same_again(flow: Flow) -> None:
    """By the same id: what was written is not written twice. The next visit of the step is another one."""
    caller = keyed(flow)
    first = asked_by(caller)
    caller.restart()
    again = asked_by(caller)
    assert replace(again, token=first.token) == first
    later = Caller(flow, replace(session_of(flow, {"code": "48213"}), step="b", visit=7))
    later.restart()
    assert asked_by(later).once == "call.7"


def test_in_words(flow: Flow) -> None:
    """`ivr graph` and `ivr play` say what is registered as what."""
    described = describe(flow.steps["b"].kind)
    assert (described.kind, described.about) == ("keep", "code, mobile as registration")


VECTOR = """# A code is registered; the caller hears so.
flow: small
knows: {caller_number: "09121234567"}
call:
  - begins: pay/is
  - keys: "48213#"
  - asks: books.keep
    with: {as: registration, code: "48213", mobile: "09121234567"}
    answers: next
  - hears: pay/paid
  - hangs_up: normal
"""


def test_as_a_file(flow: Flow, tmp_path: Path) -> None:
    """`ivr play` records such a call, and replays it."""
    (tmp_path / "call.yaml").write_text(VECTOR, "utf-8")
    call = replay(tmp_path / "call.yaml", flow, lambda flow, knows: Caller(flow, session_of(flow, knows)))
    finish(call, tmp_path / "call.yaml")


def test_what_may_be_answered_in_a_played_call(flow: Flow) -> None:
    """The good answer first; what is asked brings no values along."""
    asked, nobody = asked_by(keyed(flow)), Providers({})
    assert possible_exits(asked, flow.steps["b"], nobody) == ("next", "again", "unknown")
    assert answer_values({}, "again", asked, nobody) == {}


LOOP = """flow: small
first: a
on_failure: sorry
steps:
  a:
    ask: {prompt: pay/is, min: 4, max: 12, save: code}
    next: b
    exits: {silence: bye, invalid: bye}
  b:
    keep: {as: registration, with: {code: code}}
    %s
    next: more
    exits: {again: bye, unknown: sorry%s}
  more: {menu: {prompt: pay/is, keys: {"1": a, "2": bye}}, exits: {silence: bye, invalid: bye}}
  bye: {say: common/goodbye, next: end}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""


def test_nobody_registers_without_end(tmp_path: Path) -> None:
    """One call cannot fill the books: a loop through the step needs its `at_most`."""
    path = tmp_path / "small.yaml"
    path.write_text(LOOP % ("", ""), "utf-8")
    with pytest.raises(Faults, match="a caller can try 'b' again without end"):
        load_dialplan(path, world())
    path.write_text(LOOP % ("at_most: 5", ", too_often: bye"), "utf-8")
    assert load_dialplan(path, world()).flows["small"].steps["b"].at_most == 5
