"""PayStar does not answer as it should: in which words the caller hears of it, and what the books make of it."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest

from ivr.lab.town import CHAIN_NUMBER, PAY_NUMBER
from ivr.sandbox.faults import FaultKind
from tests.end_to_end.evening import Evening, Spent, stories
from tests.end_to_end.stage import MOST_SILENCE, Stage

FAULTS: Mapping[str, Mapping[str, Any]] = {
    "timeout": {"kind": FaultKind.DELAY, "seconds": 6.0},
    "5xx": {"kind": FaultKind.HTTP_ERROR, "status": 503},
    "garbage": {"kind": FaultKind.GARBAGE},
    "half a body": {"kind": FaultKind.HALF_BODY},
    "dropped after the work": {"kind": FaultKind.DROP, "commit": True},
}

TIMES_ASKED = 3
"""A payment is called not confirmed after so many questions."""


async def _creating(fault: Mapping[str, Any], stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    stage.fault("create_transaction", about=code, **fault)
    caller = await stage.call(PAY_NUMBER)
    await caller.barges("invoice/welcome", f"{code}#")
    return Spent(await caller.told(), code)


async def _result(fault: Mapping[str, Any], number: str, stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    stage.fault("result", about=code, **fault)
    caller = await stage.call(number)
    await caller.agrees(code)
    await caller.pays()
    told = await caller.told()
    await stage.until_found(code)
    return Spent(told, code)


stories({f"transaction {name}": partial(_creating, fault) for name, fault in FAULTS.items()})
stories(
    {f"result {name}": partial(_result, {**fault, "times": TIMES_ASKED}, PAY_NUMBER) for name, fault in FAULTS.items()}
)
stories({"result once": partial(_result, FAULTS["5xx"], PAY_NUMBER)})
stories({"result 5xx in the chain": partial(_result, {**FAULTS["5xx"], "times": TIMES_ASKED}, CHAIN_NUMBER)})


@pytest.mark.parametrize("name", FAULTS)
def test_no_transaction(evening: Evening, stage: Stage, name: str) -> None:
    """No clear answer from PayStar: the caller is told so, nothing is sent, and PayStar is not asked twice."""
    one = evening.of(f"transaction {name}")
    assert one.told.names == ["invoice/welcome", "pay/provider_unknown", "common/goodbye"]
    assert name != "timeout" or set(one.told.waits) == {"common/please_wait"}
    assert one.told.silence() < MOST_SILENCE
    assert evening.payments("merchant", one.code) == []
    assert evening.invites_for(one.code) == []
    assert len(stage.asked("create_transaction", one.code)) == 1


@pytest.mark.parametrize("name", FAULTS)
def test_no_result(evening: Evening, name: str) -> None:
    """Paid at the bank, but PayStar gives no clear answer: not confirmed yet; an inquiry finds the payment."""
    one = evening.of(f"result {name}")
    assert one.told.after("bank/paid") == ["pay/not_confirmed", "common/goodbye"]
    assert name != "timeout" or set(one.told.waits) == {"pay/checking_result"}
    assert one.told.silence() < MOST_SILENCE
    assert [state for state, _ in evening.states("merchant", one.code)] == ["approved"]
    assert len(evening.invites_for(one.code)) == 1


def test_result_at_the_second_asking(evening: Evening) -> None:
    """PayStar stumbles once: the caller hears that it takes a moment, and then that it is paid."""
    one = evening.of("result once")
    assert "pay/paid" in one.told.after("bank/paid")
    assert "pay/not_confirmed" not in one.told.names
    assert [state for state, _ in evening.states("merchant", one.code)] == ["approved"]


def test_no_result_in_the_chain(evening: Evening) -> None:
    """The payment service could not confirm, the merchant a moment later can; both journals end as approved."""
    one = evening.of("result 5xx in the chain")
    assert one.told.after("bank/paid") == [
        *("pay/not_confirmed", "common/goodbye", "merchant/registered", "common/goodbye")
    ]
    assert [state for state, _ in evening.states("merchant", one.code)] == ["approved"]
