"""What the checker finds in a flow that calls another: the called flow's own steps tell what a call of it does."""

from pathlib import Path
from typing import Final

import pytest

from ivr.domain.reading import Faults
from ivr.flow.loader import load_dialplan
from ivr.flow.paths import walks
from tests.flow.walker import walk_through
from tests.flow.world import world

CALLED: Final = """flow: called
takes: {code: digits}
gives: [x]
first: known
on_failure: broke
steps:
  known: {choose: {value: caller_number, present: ask, missing: hello}}
  hello: {say: invoice/welcome, next: ask}
  ask:
    ask: {prompt: pay/is, save: x, max: 12}
    next: look
    exits: {silence: nothing, invalid: nothing}
  look:
    provider: {ask: paystar.result, with: {invoice_id: code}}
    exits: {paid: said, not_confirmed: said, unreachable: said, unknown: found}
  said: {say: pay/paid, next: found}
  found: {return: found}
  nothing: {return: nothing}
  broke: {return: nothing}
"""

CALLING: Final = """flow: calling
first: a
on_failure: sorry
steps:
  a: {say: invoice/welcome, next: b}
  b:
    call: {flow: called, with: {code: dialled_number}, save: got}
    exits: %s
  c: {say: [pay/is, {digits: got.x}], next: end}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""


def messages(directory: Path, exits: str) -> list[str]:
    """What is wrong with the calling flow, without places."""
    (directory / "called.yaml").write_text(CALLED, encoding="utf-8")
    (directory / "calling.yaml").write_text(CALLING % exits, encoding="utf-8")
    try:
        load_dialplan(directory / "calling.yaml", world())
    except Faults as exc:
        return [fault.message for fault in exc.faults]
    return []


@pytest.mark.parametrize(
    ("exits", "message"),
    [
        ("{found: c, nothing: sorry}", []),
        ("{found: c, nothing: c}", ["'got.x' may not be known here: a call can come here by a → b (nothing) → c"]),
        ("{found: end, nothing: c}", ["the call ends here, and nothing was said", "'got.x' may not be known here"]),
        ("{found: c, nothing: b}", ["a loop that goes round without the caller: b (nothing) → b"]),
    ],
)
def test_a_call_is_what_the_called_flow_does(tmp_path: Path, exits: str, message: list[str]) -> None:
    """Its endings in silence, what it does not give by each of them, and who closes a loop through it."""
    found = messages(tmp_path, exits)
    assert len(found) == len(message)
    assert all(any(line.startswith(wanted) for line in found) for wanted in message), found


def test_walks_lead_through_called_flows(tmp_path: Path) -> None:
    """Every exit of the called flow's steps too; a number that was withheld out here is withheld in there."""
    assert messages(tmp_path, "{found: c, nothing: sorry}") == []
    flow = load_dialplan(tmp_path / "calling.yaml", world()).flows["calling"]
    found = walks(flow)
    assert found.untaken == () and any(("b/known", "missing") in walk.exits for walk in found.walks)
    for walk in found.walks:
        assert not walk_through(flow, walk).faults


def test_a_called_flow_that_keeps_the_caller_ends_by_itself(tmp_path: Path) -> None:
    """It says goodbye or is blamed for its own silence; the flow that called it is not."""
    called = "flow: called\nfirst: a\non_failure: a\nsteps:\n  a: {%s, next: end}\n  end: {hang_up: normal}\n"
    calling = "flow: calling\nfirst: a\non_failure: a\nsteps:\n  a: {call: {flow: called}}\n"
    (tmp_path / "calling.yaml").write_text(calling, encoding="utf-8")
    (tmp_path / "called.yaml").write_text(called % "say: pay/is", encoding="utf-8")
    load_dialplan(tmp_path / "calling.yaml", world())
    (tmp_path / "called.yaml").write_text(called % 'set: {x: "1"}', encoding="utf-8")
    with pytest.raises(Faults) as raised:
        load_dialplan(tmp_path / "calling.yaml", world())
    assert {Path(fault.file).name for fault in raised.value.faults} == {"called.yaml"}
