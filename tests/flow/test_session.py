"""What survives the process: everything but secrets and keys."""

import json

import pytest

from ivr.domain.secret import Secret
from ivr.flow.commands import StopPlaying
from ivr.flow.engine import advance
from ivr.flow.events import Resumed
from ivr.flow.session import TOKEN_LEAP, Session
from ivr.flow.visit import Visit
from tests.flow.world import SECRETS, answered, session_of, shipped


def test_a_snapshot_holds_no_secret_and_no_key() -> None:
    """Nobody who reads the database finds a card number, a PIN, or keys pressed so far."""
    session = session_of(shipped("bank_ivr"), {"transaction_id": "70012345"})
    session.secrets = {name: Secret(text) for name, text in SECRETS.items()}
    session.secret_steps = {"card": "ask_card", "pin": "ask_pin"}
    session.typed, session.collected, session.overlooked = Secret("987654321"), Secret("13579"), "#"
    snapshot = session.snapshot()
    for digits in (*SECRETS.values(), "987654321", "13579"):
        assert digits not in snapshot and digits not in repr(session)
    assert "#" not in snapshot


def test_the_rest_comes_back() -> None:
    """Everything else is as it was, in every script."""
    session = Session("۱.2", "pay_invoice", "v", "fa", "bank", visit=7, token=12)
    session.answers = {"invoice_id": "0042", "transaction.amount": 160000}
    session.visits, session.data, session.payment, session.leg = {"bank": 1}, {"dialled": True}, "۱.2.7", 12
    session.recording = 9
    session.failed, session.secret_steps = True, {"card": "ask_card"}
    restored = Session.restore(session.snapshot())
    assert restored.token == session.token + TOKEN_LEAP
    restored.token = session.token
    assert restored == session


def test_the_dead_process_cannot_answer() -> None:
    """What the dead process began to say or ask after its last snapshot has tokens that are never given out again."""
    caller = answered(shipped("pay_invoice"))
    snapshot = caller.session.snapshot()
    for _ in range(3):
        caller.hear()
        caller.wait() if caller.timer else None
    dead = caller.session.token
    turn = advance(caller.flow, Session.restore(snapshot), Resumed())
    assert isinstance(turn.commands[0], StopPlaying), "what the dead process was saying is silenced first"
    assert turn.session.playing is not None and turn.session.playing > dead


@pytest.mark.parametrize(
    "snapshot",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"format": 1}',
        '{"format": 2}',
        '{"format": 3}',
        '{"format": 4}',
        '{"format": 5}',
        "{",
        "\x00",
    ],
)
def test_anything_else_is_refused(snapshot: str) -> None:
    """A snapshot of another version or a torn one is no session."""
    with pytest.raises(ValueError):
        Session.restore(snapshot)


def test_a_strange_field_is_refused() -> None:
    """A snapshot of a later version is not half understood."""
    raw = json.loads(session_of(shipped("pay_invoice"), {}).snapshot())
    with pytest.raises(ValueError, match="not a session snapshot"):
        Session.restore(json.dumps({**raw, "new": 1}))


def test_a_copy_shares_nothing_that_can_change() -> None:
    """A turn that is thrown away leaves no trace."""
    session = session_of(shipped("pay_invoice"), {})
    copy = session.copy()
    visit = Visit(copy)
    visit.save("invoice_id", "65843148")
    visit.save("card", Secret("6037990000000006"))
    visit.data["attempt"] = 1
    assert session == session_of(shipped("pay_invoice"), {})
