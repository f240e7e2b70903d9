"""Whatever happens to a call, in whatever order: it never breaks, is never left in silence, and comes to an end."""

from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.domain.legs import LegResult
from ivr.flow.commands import AskProvider, ReadHeaders
from ivr.flow.events import (
    Answered,
    CallerHungUp,
    HeadersRead,
    LegAnswered,
    LegEnded,
    PromptFinished,
    ProviderReplied,
    TimerFired,
)
from tests.flow.caller import Caller
from tests.flow.world import KNOWN, SHIPPED, operation, operation_results, session_of, shipped

MOST_MOVES_TO_THE_END: Final = 60
"""Without another key, every shipped flow ends within so many prompts, timers and answers."""

KEYS: Final = (
    "65843148#",
    "77483178001420000001770160",
    "6037701689095443",
    "48151#",
    "09121234567#",
    "1",
    "2",
    "*",
    "#",
    "12",
    "9" * 20,
    "A",
)
FROM: Final = ("<sip:1*10000005*70012345@h>", "sip:1@h", "x", None)
AMOUNTS: Final = ("160000", "0", "x", None)

GOOD_KEYS: Final = {
    "ask_mobile": "09121234567#",
    "ask_invoice": "65843148#",
    "read_amount": "1",
    "ask_card": "6037701689095443",
    "ask_pin": "48151#",
    "confirm_card": "1",
    "ask_otp": "48151#",
    "which_mobile/send_here": "1",
    "which_mobile/ask_mobile": "09121234567#",
    "how": "1",
    "ask_bill": "7748317800142#",
    "ask_payment": "1770160#",
    "wait_on": "1",
    "not_paid_there": "1",
    "pay_or_status": "1",
    "ask_payment_id": "1770160#",
    "cancel_question": "1",
    "ask_code": "4711#",
}
GOOD_EXITS: Final = {
    "create_transaction": "ok",
    "result": "paid",
    "settle": "wrong_pin",
    "check_invoice": "next",
    "find_invoice": "next",
    "request_otp": "ok",
    "pay": "new_otp",
    "create_invoice": "ok",
    "open_link": "next",
    "what_became": "declined",
    "last_payment": "paid",
    "keep": "next",
    "pay_url": "ok",
    "read_bill": "ok",
    "issue_invoice": "ok",
    "payment_link": "ok",
    "pay_bill": "paid",
    "bill_status": "paid",
    "cancel": "cancelled",
}

MOVES: Final = st.lists(
    st.tuples(
        st.sampled_from((*["good"] * 12, *["any"] * 3, "keys", "stale", "crash", "broken", "hang_up")),
        st.integers(0, 2**16),
    ),
    max_size=40,
)


@pytest.mark.parametrize("name", SHIPPED)
@given(moves=MOVES, known=st.booleans())
@settings(max_examples=150, deadline=None)
def test_no_call_is_ever_left_alone(name: str, moves: list[tuple[str, int]], known: bool) -> None:
    """Random keys, answers, silences, crashes and breakdowns; `Caller` watches the laws after each of them."""
    flow = shipped(name)
    always, perhaps = {*flow.settings, *flow.takes, "call_id"}, {"caller_number", "agent", *flow.brings}
    answers = {k: v for k, v in KNOWN.items() if k in always or (known and k in perhaps)}
    caller = Caller(flow, session_of(flow, answers))
    caller.send(Answered())
    for move, number in moves:
        _move(caller, move, number)
    for _ in range(MOST_MOVES_TO_THE_END):
        _go_on(caller, 0, failing=True)
    assert caller.session.ended is not None, f"still in step {caller.session.step}"


def _move(caller: Caller, move: str, number: int) -> None:
    match move:
        case "good" if (step := caller.session.step.rpartition("/")[2]) in GOOD_KEYS:
            caller.keys(GOOD_KEYS[step])
        case "good" if isinstance(caller.asked, AskProvider) and caller.asked.token == caller.session.asking:
            values = operation_results(caller.asked.provider, caller.asked.operation)
            caller.send(ProviderReplied(caller.asked.token, GOOD_EXITS[caller.asked.operation], values))
        case "good":
            _go_on(caller, 80)  # good headers, a prompt heard to its end, a leg that was answered and ended
        case "keys":
            caller.keys(KEYS[number % len(KEYS)])
        case "stale":
            _stale(caller, number)
        case "crash" if caller.session.ended is None:
            caller.restart(leg_is_up=bool(number % 2))
        case "broken" if number % 4 == 0 and caller.session.ended is None:
            caller.break_down()
        case "hang_up" if number % 4 == 0:
            caller.send(CallerHungUp())
        case _:
            _go_on(caller, number)


def _go_on(caller: Caller, number: int, *, failing: bool = False) -> None:
    """Whatever the call waits for happens, one way or another."""
    session = caller.session
    if session.ended is not None:
        return
    if session.asking is not None and (number % 5 or caller.timer is None or failing):
        assert caller.asked is not None
        caller.send(_answer(caller.asked, number, failing=failing))
    elif session.leg is not None:
        results = list(LegResult) if session.payment is not None else list(LegResult)[:-1]
        result = results[number % len(results)]
        caller.send(LegAnswered(session.leg) if number % 3 == 1 else LegEnded(session.leg, result))
    elif caller.playing is not None:
        caller.hear(failed=number % 7 == 1)
    else:
        caller.wait()


def _answer(asked: AskProvider | ReadHeaders, number: int, *, failing: bool) -> ProviderReplied | HeadersRead:
    if isinstance(asked, ReadHeaders):
        headers = {"From": FROM[number % 4], "Amount": AMOUNTS[number // 4 % 4], "X-Invoice-Id": AMOUNTS[number % 4]}
        return HeadersRead(asked.token, bool(number % 7), headers)
    if failing:
        return ProviderReplied(asked.token, "unknown", {})
    exits = sorted(operation(asked.provider, asked.operation).all_exits)
    values = operation_results(asked.provider, asked.operation)
    if number % 11 == 0 and values:
        values.popitem()
    return ProviderReplied(asked.token, [*exits, "teapot"][number % (len(exits) + 1)], values)


def _stale(caller: Caller, number: int) -> None:
    """A token that is not awaited by anything."""
    session = caller.session
    awaited = {session.playing, session.timer, session.asking, session.leg}
    token = next(token for token in range(number, number + 9) if token not in awaited)
    for event in (
        PromptFinished(token),
        TimerFired(token),
        ProviderReplied(token, "ok", {}),
        HeadersRead(token, True, {}),
        LegAnswered(token),
        LegEnded(token, LegResult.ENDED),
        Answered(),
    ):
        assert caller.send(event).commands == ()
