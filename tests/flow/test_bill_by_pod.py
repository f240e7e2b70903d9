"""The checker on the shipped `pay_bill`: what would go wrong with a bill's money is found before a caller meets it."""

from pathlib import Path

import pytest

from ivr.domain.bills import KINDS, TRAFFIC
from ivr.domain.reading import Faults
from ivr.flow.loader import load_dialplan
from tests.flow.world import DIALPLAN, world

PAY_BILL = (DIALPLAN / "flows" / "pay_bill.yaml").read_text(encoding="utf-8")


def messages(directory: Path, flow: str) -> list[str]:
    """What the checker finds."""
    for called in ("bill_status", "bill_link", "link_mobile"):
        (directory / f"{called}.yaml").write_bytes((DIALPLAN / "flows" / f"{called}.yaml").read_bytes())
    (directory / "pay_bill.yaml").write_text(flow, encoding="utf-8")
    try:
        load_dialplan(directory / "pay_bill.yaml", world())
    except Faults as faults:
        return [fault.message for fault in faults.faults]
    return []


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("      invalid_bill: not_accepted\n", "", "no way on for 'invalid_bill'"),
        ("      payment: {provider: pod, invoice: bill.barcode, amount: bill.amount}\n", "", "needs 'payment'"),
        ("{say: bill/already_paid, ", "{say: [pay/paid, {digits: answer.id}], ", "'answer.id' may not be known here"),
        ("      unreachable: result_will_follow\n", "      unreachable: pay\n", "would take it again"),
        ("say: bill/wrong_ids", "say: [bill/wrong_ids, {digits: keyed.barcode}]", "'keyed.barcode' may not be known"),
    ],
)
def test_what_would_go_wrong_is_found(tmp_path: Path, was: str, now: str, said: str) -> None:
    """An exit without a way on, money without a line in the books, a number that did not come, a bill paid twice."""
    assert was in PAY_BILL
    found = messages(tmp_path, PAY_BILL.replace(was, now))
    assert any(said in message for message in found), found


def test_every_kind_of_bill_has_words_of_its_own() -> None:
    """But fines of the traffic police, which are never read out."""
    for names in world().prompts.values():
        kinds = {name.removeprefix("bill_kind/") for name in names if name.startswith("bill_kind/")}
        assert kinds == set(KINDS) - {TRAFFIC}
