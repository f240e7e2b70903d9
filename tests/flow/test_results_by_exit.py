"""Operations that answer differently by exit: a flow may say what came, and only that. The providers are real ones."""

from dataclasses import replace
from pathlib import Path

import pytest

from ivr.domain.reading import Faults
from ivr.flow.loader import load_dialplan
from ivr.providers import paystar_mellat, web_gateway
from tests.flow.world import world

BY_CARD = """flow: by_card
first: hello
on_failure: sorry
steps:
  hello: {say: invoice/welcome, next: mobile}
  mobile:
    ask: {prompt: caller/enter_mobile, form: mobile, save: mobile, invalid_prompt: caller/wrong_mobile}
    next: order
    exits: {silence: sorry, invalid: sorry}
  order:
    ask: {prompt: invoice/enter_number, save: order, max: 12}
    next: amount
    exits: {silence: sorry, invalid: sorry}
  amount:
    provider: {ask: paystar.create_transaction, with: {invoice_id: order}, save: asked}
    exits: {ok: card, gateway_invalid: sorry, wrong_invoice: sorry, already_paid: sorry, expired: sorry, blocked: sorry,
            refused: sorry, unreachable: sorry, unknown: sorry}
  card:
    ask: {prompt: bank/enter_card, form: card, save: card, invalid_prompt: bank/wrong_card}
    next: send
    exits: {silence: sorry, invalid: sorry}
  send:
    provider: {ask: mellat.request_otp, with: {amount: asked.amount, card: card, order_id: order}, save: sent}
    exits: {ok: password, another_card: sent_why, give_up: sorry, unreachable: sorry, unknown: password}
  sent_why:
    choose: {value: sent.reason, cases: {"card_invalid": invalid}, otherwise: other, missing: other}
  password:
    ask: {prompt: bank/enter_pin, save: otp, secret: true, min: 5, max: 12}
    next: agreed
    exits: {silence: sorry, invalid: sorry}
  agreed:
    menu:
      prompt: [pay/amount_payable, {amount: asked.amount}, pay/is, pay/press_keys]
      keys: {"1": pay, "2": agreed, "*": sorry}
    exits: {silence: sorry, invalid: sorry}
  pay:
    provider:
      ask: mellat.pay
      with: {amount: asked.amount, card: card, otp: otp, order_id: order, caller: mobile}
      save: paid
      payment: {provider: mellat, invoice: order, amount: asked.amount}
    exits: {approved: paid, approved_unreadable: paid_only, another_card: why, new_otp: new_otp, give_up: why,
            unreachable: sorry, unknown: later}
  why:
    choose:
      value: paid.reason
      cases: {"insufficient_funds": funds, "card_expired": expired}
      otherwise: other
      missing: other
  invalid: {say: decline/card_invalid, next: card, at_most: 2, exits: {too_often: sorry}}
  funds: {say: decline/insufficient_funds, next: card, at_most: 2, exits: {too_often: sorry}}
  expired: {say: decline/card_expired, next: card, at_most: 2, exits: {too_often: sorry}}
  other: {say: decline/gateway_refused, next: card, at_most: 2, exits: {too_often: sorry}}
  new_otp: {say: decline/wrong_otp, next: send, at_most: 2, exits: {too_often: sorry}}
  paid: {say: [pay/paid, pay/tracking_number_is, {digits: paid.reference}], next: end}
  paid_only: {say: pay/paid, next: end}
  later: {say: pay/not_confirmed, next: end}
  sorry: {say: common/technical_problem, next: end}
  end: {hang_up: normal}
"""


def messages(directory: Path, flow: str) -> list[str]:
    """What the checker finds."""
    (directory / "by_card.yaml").write_text(flow, encoding="utf-8")
    providers = {**world().providers, "mellat": paystar_mellat.OPERATIONS, "web": web_gateway.OPERATIONS}
    try:
        load_dialplan(directory / "by_card.yaml", replace(world(), providers=providers))
    except Faults as exc:
        return [fault.message for fault in exc.faults]
    return []


def test_a_payment_by_card_can_be_written(tmp_path: Path) -> None:
    """Every exit has its way, every reason its words, and nothing is wrong with it."""
    assert messages(tmp_path, BY_CARD) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  paid_only: {say: pay/paid, next: end}", "  paid_only: {say: {digits: paid.reference}, next: end}"),
        (
            "give_up: why,\n            unreachable: sorry, unknown: later",
            "give_up: paid,\n            unreachable: sorry, unknown: later",
        ),
        ("  later: {say: pay/not_confirmed, next: end}", "  later: {say: {digits: paid.reference}, next: end}"),
    ],
)
def test_what_did_not_come_cannot_be_said(tmp_path: Path, old: str, new: str) -> None:
    """A reference that holds letters is not read; nor is one of a payment that failed, or that nobody knows of."""
    assert old in BY_CARD
    assert any("'paid.reference'" in message for message in messages(tmp_path, BY_CARD.replace(old, new)))
