"""What POD's operations promise is enough for a flow that pays a bill. The declarations are the real ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from ivr.domain.reading import Faults
from ivr.flow.loader import load_dialplan
from ivr.providers import pod_operations
from tests.flow.world import world

PAY_BILL = """flow: bill
first: hello
on_failure: sorry
steps:
  hello: {say: invoice/welcome, next: bill}
  bill:
    ask: {prompt: invoice/enter_number, form: bill_id, save: keyed, finish_key: "#"}
    next: payment
    exits: {silence: sorry, invalid: sorry}
  payment:
    ask: {prompt: invoice/enter_number, form: payment_id, bill: keyed, save: paying, finish_key: "#"}
    next: read
    exits: {silence: sorry, invalid: sorry}
  read:
    provider: {ask: pod.read_bill, with: {bill_id: keyed, payment_id: paying}, save: bill}
    exits: {ok: kind, invalid_bill: sorry, traffic_bill: sorry, unreachable: sorry, unknown: sorry}
  kind:
    choose: {value: bill.kind, cases: {"water": books, "mobile": books}, otherwise: books, missing: sorry}
  books:
    invoice: {provider: pod, id: bill.barcode, amount: bill.amount}
    next: agreed
    exits: {already_paid: done_before, being_paid: later, unresolved: later, amount_mismatch: sorry}
  agreed:
    menu:
      prompt: [pay/amount_payable, {amount: bill.amount}, pay/is, pay/press_keys]
      keys: {"1": pay, "2": agreed, "*": sorry}
    exits: {silence: sorry, invalid: sorry}
  pay:
    provider:
      ask: pod.pay_bill
      with: {bill_id: bill.bill_id, payment_id: bill.payment_id, amount: bill.amount}
      save: paid
      payment: {provider: pod, invoice: bill.barcode, amount: bill.amount}
    exits: {paid: paid, already_paid: done_before, traffic_bill: sorry, invalid_bill: sorry, gateway_invalid: sorry,
            refused: sorry, unreachable: sorry, unknown: later}
  paid: {say: [pay/paid, pay/tracking_number_is, {digits: paid.id}], next: end}
  done_before: {say: invoice/already_paid, next: end}
  later: {say: pay/not_confirmed, next: end}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""


def messages(directory: Path, flow: str) -> list[str]:
    """What the checker finds."""
    (directory / "bill.yaml").write_text(flow, encoding="utf-8")
    providers = {**world().providers, "pod": pod_operations.OPERATIONS}
    try:
        load_dialplan(directory / "bill.yaml", replace(world(), providers=providers))
    except Faults as faults:
        return [fault.message for fault in faults.faults]
    return []


def test_a_bill_is_read_agreed_to_and_paid(tmp_path: Path) -> None:
    """Every value that the caller hears and that the books need comes from somewhere."""
    assert messages(tmp_path, PAY_BILL) == []


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ("already_paid: done_before, traffic_bill", "traffic_bill", "already_paid"),
        ("      payment: {provider: pod, invoice: bill.barcode, amount: bill.amount}\n", "", "needs 'payment'"),
        ("{say: invoice/already_paid, next: end}", "{say: [pay/paid, {digits: paid.id}], next: end}", "'paid.id'"),
    ],
)
def test_what_would_go_wrong_is_found(tmp_path: Path, was: str, now: str, said: str) -> None:
    """An exit without a way on, money without a line in the books, a number that did not come."""
    assert was in PAY_BILL
    assert any(said in message for message in messages(tmp_path, PAY_BILL.replace(was, now)))
