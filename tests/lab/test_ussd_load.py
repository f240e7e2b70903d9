"""Users of USSD in number, two real workers before one PostgreSQL, one of them killed: each payment is settled once.

`python -m ivr.lab.ussd_load` does the same with a thousand. What it would find is shown by what the books could say.
"""

from pathlib import Path

from ivr.lab.postgres import Server
from ivr.lab.ussd_load.__main__ import told
from ivr.lab.ussd_load.run import Plan, judge, run
from ivr.payments.state import Payment, State

SESSIONS = 150
PAID = {"70000001": "123456789012"}


async def test_a_worker_is_killed_and_nobody_pays_twice(postgres: Server, tmp_path: Path, seed: int) -> None:
    """Requests repeated, in another order and to either worker; callbacks twice: the books and the network agree."""
    outcome = await run(postgres, Plan(SESSIONS, 15, seed, uncalled=0.0), tmp_path)
    assert not outcome.findings, told(outcome)
    assert outcome.paid == outcome.approved > SESSIONS * 0.8
    assert outcome.tally.repeated and outcome.tally.reordered and outcome.tally.tried_again


def payment(name: str, state: State = State.APPROVED, reference: str | None = "123456789012") -> Payment:
    return Payment(name, "call", "ussd", "70000001", "s|m", 160_000, state, reference=reference)


def test_what_must_not_be_is_found() -> None:
    """Twice approved, approved unpaid, another reference, paid and not approved, nothing written at all."""
    assert judge(PAID, set(), [payment("a")]) == []
    assert judge({}, {"70000001"}, [payment("a", State.UNKNOWN, None)]) == []
    assert judge(PAID, set(), [payment("a"), payment("b")]) == [
        "invoice 70000001 has 2 approved payments",
        "invoice 70000001 has 2 payments",
    ]
    assert judge({}, {"70000001"}, [payment("a")]) == [
        "invoice 70000001 is approved, and nobody paid it",
        "invoice 70000001 is approved with another reference",
    ]
    assert judge(PAID, set(), [payment("a", reference="9")]) == ["invoice 70000001 is approved with another reference"]
    assert judge(PAID, set(), [payment("a", State.UNKNOWN, None)]) == ["invoice 70000001 was paid, and is not approved"]
    assert judge(PAID, set(), []) == [
        "invoice 70000001 was paid, and is not approved",
        "invoice 70000001 has no payment",
    ]
