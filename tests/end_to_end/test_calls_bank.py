"""A bank that is busy, says no, never answers, is not there, or hangs up: the right words, and the right books."""

from dataclasses import dataclass
from functools import partial

import pytest

from tests.end_to_end import odd_numbers
from tests.end_to_end.evening import Evening, Spent, stories
from tests.end_to_end.stage import Stage

RINGING_PAUSE = 5.0
"""Seconds: the ringing tone of the country has four seconds between two rings."""


@dataclass(frozen=True)
class Odd:
    """What happens, what the caller must hear, and what the journal must say."""

    number: str
    words: str
    state: str
    reason: str | None


ODD = {
    "busy": Odd(odd_numbers.BUSY, "pay/bank_busy", "created", "busy"),
    "refuses": Odd(odd_numbers.REFUSES, "pay/bank_rejected", "created", "rejected"),
    "rings and refuses": Odd(odd_numbers.RINGS_THEN_REFUSES, "pay/bank_rejected", "created", "rejected"),
    "never answers": Odd(odd_numbers.NEVER_ANSWERS, "pay/bank_no_answer", "created", "no_answer"),
    "no such number": Odd(odd_numbers.NO_SUCH_NUMBER, "pay/bank_unreachable", "created", "unreachable"),
    "broken": Odd(odd_numbers.BROKEN, "pay/bank_unreachable", "created", "unreachable"),
    "nobody there": Odd(odd_numbers.NOBODY_THERE, "pay/bank_unreachable", "created", "unreachable"),
    "hangs up at once": Odd(odd_numbers.HANGS_UP_AT_ONCE, "pay/not_confirmed", "unknown", None),
    "speaks and refuses": Odd(odd_numbers.SPEAKS_THEN_REFUSES, "pay/bank_rejected", "unknown", None),
}


async def _meets(odd: Odd, stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(odd.number)
    await caller.agrees(code)
    await caller.hears("pay/connecting_to_bank")
    return Spent(await caller.told(), code)


stories({f"bank {name}": partial(_meets, odd) for name, odd in ODD.items()})


@pytest.mark.parametrize("name", ODD)
def test_caller_hears_what_the_bank_did(evening: Evening, name: str) -> None:
    """Connecting, then what happened, then goodbye; never a long silence."""
    told = evening.told(f"bank {name}")
    assert told.after("pay/connecting_to_bank") == [ODD[name].words, "common/goodbye"]
    assert told.silence() < RINGING_PAUSE


@pytest.mark.parametrize("name", ODD)
def test_books_know_whether_it_can_have_been_paid(evening: Evening, name: str) -> None:
    """Never answered and never heard: as if nothing had left. Else unknown until PayStar has said."""
    odd, code = ODD[name], evening.of(f"bank {name}").code
    [(state, reason)] = evening.states("merchant", code)
    assert state == odd.state
    assert odd.reason is None or reason == odd.reason
