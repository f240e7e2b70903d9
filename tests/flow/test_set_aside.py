"""Flows whose provider a deployment does not have: left out where no number leads to them, faults where one does."""

from dataclasses import replace
from pathlib import Path

import pytest

from ivr.domain.reading import Faults
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Dialplan
from tests.flow.test_bad_flows import GOOD_FLOW
from tests.flow.test_loader import dialplan
from tests.flow.world import DIALPLAN, world

NEEDY = """flow: needy
first: find
on_failure: end
steps:
  find:
    invoice: {provider: mellat, id: call_id, save: invoice}
    next: tell
    exits: {not_found: tell, already_paid: tell, being_paid: tell, unresolved: tell}
  tell: {say: common/goodbye, next: back}
  back: {return: told}
  end: {return: told}
"""
CALLING = """flow: calling
first: other
on_failure: sorry
steps:
  other: {call: {flow: needy}, exits: {told: sorry}}
  sorry: {say: common/goodbye, next: end}
  end: {hang_up: normal}
"""
NUMBERS = 'numbers:\n  - {number: "1", flow: good, settings: {merchant_phone: "2"}}\n'
WITHOUT = replace(world(), providers={name: ops for name, ops in world().providers.items() if name != "mellat"})


def loaded(directory: Path, **files: str) -> Dialplan:
    """A dialplan of `good` and these flows, in a deployment without the provider."""
    texts: dict[str, str | bytes] = {f"flows/{name}.yaml": text for name, text in files.items() if name != "numbers"}
    texts |= {"flows/good.yaml": GOOD_FLOW, "numbers.yaml": files.get("numbers", NUMBERS)}
    return load_dialplan(dialplan(directory, texts), WITHOUT)


def test_the_shipped_dialplan_without_the_card_gateway() -> None:
    """Everything else works as ever, and it is said what does not."""
    dialplan = load_dialplan(DIALPLAN, WITHOUT)
    assert "pay_invoice" in dialplan.flows and "pay_by_card" not in dialplan.flows
    assert dialplan.set_aside == dict.fromkeys(("card_payment", "order_by_card", "pay_by_card"), ("mellat",))
    note = dialplan.set_aside_note
    assert note is not None and note.endswith("pay_by_card (no provider mellat)")


def test_nothing_is_set_aside_where_nothing_is_missing() -> None:
    """With the gateway it is a flow like any other."""
    dialplan = load_dialplan(DIALPLAN, world())
    assert dialplan.set_aside == {} and dialplan.set_aside_note is None and "pay_by_card" in dialplan.flows


def test_with_what_calls_it(tmp_path: Path) -> None:
    """A flow that calls one that cannot run cannot run either."""
    dialplan = loaded(tmp_path, needy=NEEDY, calling=CALLING)
    assert dialplan.set_aside == {"needy": ("mellat",), "calling": ("mellat",)}
    assert dialplan.flows.keys() == {"good"}


@pytest.mark.parametrize(
    "way",
    [
        '{number: "2", flow: calling}',
        '{number: "2", flow: good, settings: {merchant_phone: "2"}, most_calls: 1, full: {flow: calling}}',
    ],
)
def test_no_number_leads_to_it(tmp_path: Path, way: str) -> None:
    """Neither by itself nor by a flow that calls it, at first or as the way out: that is the fault it always was."""
    with pytest.raises(Faults, match="there is no provider 'mellat'"):
        loaded(tmp_path, needy=NEEDY, calling=CALLING, numbers=f"{NUMBERS}  - {way}\n")


def test_other_faults_stay_faults(tmp_path: Path) -> None:
    """Only what lacks its provider is set aside, and only under its own name."""
    with pytest.raises(Faults, match="must be one of normal"):
        loaded(tmp_path, needy=NEEDY, bad=GOOD_FLOW.replace("flow: good", "flow: bad").replace("normal", "normall"))
    with pytest.raises(Faults, match="must agree"):
        loaded(tmp_path, copied=NEEDY)


def test_a_single_file_is_checked_whole() -> None:
    """Who asks for this one flow is told what it lacks."""
    with pytest.raises(Faults, match="there is no provider 'mellat'"):
        load_dialplan(DIALPLAN / "flows" / "pay_by_card.yaml", WITHOUT)
