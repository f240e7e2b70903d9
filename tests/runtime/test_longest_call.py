"""A call that has lasted for as long as one may: callers are told, and nobody is torn out of a payment."""

import asyncio
from pathlib import Path

import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from ivr.domain.errors import Unusable
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.operations import Outcome
from ivr.flow.events import CallTooLong, LegEnded
from ivr.payments.port import Reply
from ivr.payments.state import EntryKind, Payment, State
from ivr.runtime import call
from tests.fakes import FakeVoice
from tests.flow.world import session_of, shipped, small_flow
from tests.runtime.conftest import INVOICE, House

TOO_LONG = "common/call_too_long"
LEG = 9
PAYMENT = "1700000000.1.6"
AGENT = """  a: {transfer: {agent: sara}, next: b, exits: {busy: b, no_answer: b, unreachable: b}}
  b: {say: common/goodbye, next: end}"""


@pytest.fixture
def house(house: House) -> House:
    """Where calls are too long at once."""
    house.longest_call = 0.01
    house.switchboard = house.new_switchboard()
    return house


async def test_the_longest_call_ends_with_a_word(house: House) -> None:
    """Nobody holds a line for ever: whatever is being said stops, the caller is told and hung up when it is said; keys
    change nothing any more, and operators read why.
    """
    with capture_logs() as lines:
        voice = house.rings(house.caller(listens=False))
        await voice.hears(TOO_LONG)
        assert voice.did[-2:] == ["stop", "play"] and voice.cause is None
        voice.keys("1#")
        voice.finish()
        await voice.changes.until(lambda: voice.cause is not None)
        await house.over()
    assert voice.cause is HangupCause.NORMAL and voice.heard[-1] == TOO_LONG
    assert "call_too_long" in [line["event"] for line in lines]
    assert house.figure("ivr_calls_total", flow="pay_invoice", ended="too_long") == 1


async def test_a_call_ends_even_if_its_last_words_never_do(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asterisk never says that they were heard: the line is given back all the same."""
    monkeypatch.setattr(call, "OVERDUE_GRACE", 0.01)
    voice = house.rings(house.caller(listens=False))
    await voice.changes.until(lambda: voice.cause is not None)
    await house.over()


async def test_the_last_words_cannot_be_said(house: House) -> None:
    """Asterisk refuses to play them: the flow's failure step has the last word."""
    voice = house.rings(house.caller(listens=False))
    await voice.hears("invoice/welcome")
    voice.breaks.on("play", Unusable("no"))
    await voice.hears("common/technical_problem")
    voice.finish()
    voice.finish()
    await house.over()
    assert voice.cause is not None and TOO_LONG not in voice.heard


async def test_who_is_at_the_bank_gets_extra_time(house: House) -> None:
    """The bank's leg goes on past the limit, and what became of the payment is heard."""
    with capture_logs() as lines:
        voice = await at_the_bank(house)
        while "call_gets_extra_time" not in [line["event"] for line in lines]:  # noqa: ASYNC110 - a log tells nobody
            await asyncio.sleep(0.01)
    house.paystar.answers["result"].append(Reply("paid", {}, Outcome.APPROVED))
    voice.emit(LegEnded(LEG, LegResult.ENDED))
    await voice.hears("pay/paid")
    await house.over()
    assert TOO_LONG not in voice.heard and house.books.states() == [State.APPROVED]


async def test_the_extra_time_ends_too(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leg that never ends: the call does, and somebody inquires what became of the payment."""
    monkeypatch.setattr(call, "EXTRA_FOR_PAYMENT", 0.01)
    voice = await at_the_bank(house)
    await voice.changes.until(lambda: voice.cause is not None)
    await house.over()
    assert house.nudged == [(PAYMENT, "call ended: too_long")]


async def at_the_bank(house: House) -> FakeVoice:
    """Somebody who talks to the bank, with a payment that stands as sent."""
    await house.books.create(Payment(PAYMENT, "1700000000.1", "paystar", INVOICE, "70012345", 160_000, State.CREATED))
    await house.books.append(PAYMENT, EntryKind.SENT)
    flow = shipped("pay_invoice")
    answers: dict[str, str | int] = {"invoice_id": INVOICE, "transaction.transaction_id": "70012345"}
    session = replace(
        session_of(flow, answers, "1700000000.1"),
        step="bank",
        visit=6,
        token=LEG,
        leg=LEG,
        payment=PAYMENT,
        data={"dialled": True, "payment": PAYMENT},
    )
    return house.resumed(house.caller(), session, leg=LEG)


# -- with our own people -----------------------------------------------------------------------------------------------


async def to_an_agent(house: House, tmp_path: Path) -> tuple[FakeVoice, int]:
    """A caller who is let talk to one at once."""
    house.longest_call = 0.1
    house.add("1901", small_flow(tmp_path, AGENT))
    voice = house.rings(house.caller("1901", listens=False))
    token, _ = await voice.transferred()
    return voice, token


async def test_who_talks_to_an_agent_is_not_torn_away(house: House, tmp_path: Path) -> None:
    """However long it lasts; the clock goes on when they are back, and then they are told."""
    voice, token = await to_an_agent(house, tmp_path)
    await asyncio.sleep(3 * house.longest_call)
    assert voice.cause is None and TOO_LONG not in voice.heard
    voice.emit(LegEnded(token, LegResult.ENDED))
    await voice.hears("common/goodbye")
    await voice.hears(TOO_LONG)
    voice.finish()
    await house.over()
    assert voice.cause is HangupCause.NORMAL


async def test_it_is_too_long_just_when_they_are_connected(house: House, tmp_path: Path) -> None:
    """The news of it waited behind something slow: it is for nobody any more, and the clock goes on afterwards."""
    voice, token = await to_an_agent(house, tmp_path)
    voice.emit(CallTooLong())
    await asyncio.sleep(0.01)
    assert voice.cause is None and TOO_LONG not in voice.heard
    voice.emit(LegEnded(token, LegResult.ENDED))
    await voice.hears(TOO_LONG)


async def test_a_new_process_does_not_tear_them_away_either(house: House, tmp_path: Path) -> None:
    """It sent them to the agent once more, because nobody could say whether they had gone."""
    voice, _ = await to_an_agent(house, tmp_path)
    await house.switchboard.drain(0)
    await house.snapshots.stop()
    again = house.caller("1901", listens=False)
    again.info = voice.info
    house.resumed(again, house.store.kept[voice.info.session_id])
    await again.transferred()
    await asyncio.sleep(3 * house.longest_call)
    assert again.cause is None and TOO_LONG not in again.heard
