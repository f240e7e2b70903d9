"""One call from its answer to its end: what the caller, the books and the operators get, whatever breaks."""

import json
from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable, Unusable
from ivr.domain.legs import HangupCause, LegResult
from ivr.domain.operations import NO_INQUIRY, Outcome
from ivr.flow.events import LegAnswered, LegEnded, RecordingFinished
from ivr.flow.session import Session
from ivr.payments.invoice import Invoice
from ivr.payments.port import Reply
from ivr.payments.state import EntryKind, Payment, State
from ivr.runtime.ports import Notice, RecordOrder
from tests.fakes import FakeVoice
from tests.flow.world import small_flow
from tests.runtime.conftest import BANK, CHAIN, FOUND, INVOICE, PAY, SWITCH, House

PAID = Reply("paid", {"text": "ok"}, Outcome.APPROVED, "1")
LOST = Unusable("the connection to Asterisk was lost")
DISK_FULL = Unusable("the disk is full")
BUG = RuntimeError("a bug")


async def at_the_bank(house: House) -> tuple[FakeVoice, int]:
    """A caller whom the bank has answered."""
    voice = await house.at_the_amount()
    voice.keys("1")
    token, _ = await voice.dialled()
    voice.emit(LegAnswered(token))
    return voice, token


async def test_a_call_is_paid(house: House) -> None:
    """The caller hears that it is paid, the book says approved, and the figures have moved."""
    voice, token = await at_the_bank(house)
    _, leg = voice.legs[0]
    assert (leg.trunk, leg.number, leg.headers) == ("bank", "2191071390", {"Amount": "160000"})
    assert leg.caller_id == "2191071390*10000005*70012345"
    assert house.books.states() == [State.SENT]
    house.paystar.answers["result"].append(PAID)
    voice.emit(LegEnded(token, LegResult.ENDED))
    await voice.hears("pay/paid")
    await house.over()
    assert voice.cause is HangupCause.NORMAL
    assert house.books.states() == [State.APPROVED]
    assert house.nudged == [] and house.store.kept == {}
    assert house.figure("ivr_calls_total", flow="pay_invoice", ended="hung_up") == 1
    assert house.figure("ivr_legs_total", trunk="bank", result="ended") == 1
    assert house.figure("ivr_post_key_seconds_count") == 1  # the question to the provider has its own figure
    assert house.figure("ivr_calls_in_progress") == 0


@pytest.mark.parametrize("result", [LegResult.BUSY, LegResult.NO_ANSWER, LegResult.REJECTED, LegResult.UNREACHABLE])
async def test_a_bank_that_never_answered_took_nothing(house: House, result: LegResult) -> None:
    """The caller is told why, and may try again: the book says that nothing was sent."""
    voice = await house.at_the_amount()
    voice.keys("1")
    token, _ = await voice.dialled()
    voice.emit(LegEnded(token, result))
    await voice.hears(f"pay/bank_{result.value}")
    await house.over()
    assert house.books.states() == [State.CREATED] and house.nudged == []
    assert house.figure("ivr_legs_total", trunk="bank", result=result.value) == 1


async def test_a_bank_that_spoke_before_it_refused_may_have_taken_money(house: House) -> None:
    """With early media a caller may have paid: the payment stays sent, and somebody finds out."""
    voice = await house.at_the_amount()
    voice.keys("1")
    token, _ = await voice.dialled()
    voice.emit(LegEnded(token, LegResult.REJECTED, early_media=True))
    await voice.hears("pay/bank_rejected")
    await house.over()
    assert house.books.states() == [State.SENT]
    assert house.nudged == [(next(iter(house.books.payments)), "call ended: hung_up")]


async def test_a_caller_who_hangs_up_at_the_bank_is_inquired_about(house: House) -> None:
    """The merchant learns what became of it, though the caller heard nothing."""
    voice, token = await at_the_bank(house)
    voice.emit(LegEnded(token, LegResult.ENDED))
    house.paystar.door.clear()
    voice.go()
    await house.paystar.changes.until(lambda: house.paystar.asked[-1][0] == "result")
    house.paystar.answers["result"].append(Reply("not_confirmed", outcome=Outcome.UNKNOWN))
    house.paystar.door.set()
    await house.over()
    assert house.books.states() == [State.UNKNOWN]
    assert [why for _, why in house.nudged] == ["call ended: caller_hung_up"]


async def test_an_answer_that_comes_after_the_hangup_still_counts(house: House) -> None:
    """A question about money runs to its end: the book gets the answer without the caller."""
    voice, token = await at_the_bank(house)
    house.paystar.door.clear()
    voice.emit(LegEnded(token, LegResult.ENDED))
    await house.paystar.changes.until(lambda: house.paystar.asked[-1][0] == "result")
    voice.go()
    house.paystar.answers["result"].append(PAID)
    house.paystar.door.set()
    await house.over()
    assert house.books.states() == [State.APPROVED] and house.nudged == []


async def test_a_trunk_that_cannot_be_dialled(house: House) -> None:
    """Asterisk refuses the leg: the caller hears that the bank cannot be reached; nothing was sent."""
    voice = await house.at_the_amount()
    voice.breaks.on("dial", BadInput("the leg's caller id is longer than 80 characters"))
    voice.keys("1")
    await voice.hears("pay/bank_unreachable")
    await house.over()
    assert house.books.states() == [State.CREATED]


async def test_a_bug_while_dialling_is_not_silence(house: House) -> None:
    """The caller hears that something is wrong, and the payment is looked after."""
    voice = await house.at_the_amount()
    voice.breaks.on("dial", BUG)
    voice.keys("1")
    await voice.hears("common/technical_problem")
    await house.over()
    assert house.books.states() == [State.SENT] and len(house.nudged) == 1


@pytest.mark.parametrize("method", ["create", "append"])
async def test_a_payment_that_cannot_be_written_down_is_not_sent(house: House, method: str) -> None:
    """With a full disk the caller hears of a technical problem, and no bank is dialled."""
    voice = await house.at_the_amount()
    house.books.breaks.on(method, DISK_FULL)
    voice.keys("1")
    await voice.hears("common/technical_problem")
    await house.over()
    assert voice.legs == []


async def test_a_session_that_cannot_be_kept_sends_no_payment(house: House) -> None:
    """Before money moves the snapshot must be safe."""
    voice = await house.at_the_amount()
    await house.store.changes.until(lambda: '"step":"read_amount"' in house.store.kept.get(voice.info.call_id, ""))
    house.store.breaks.on("keep", DISK_FULL)
    voice.keys("1")
    await voice.hears("common/technical_problem")
    await house.over()
    assert voice.legs == [] and house.books.payments == {}


@pytest.mark.parametrize(("failures", "stands", "nudges"), [(1, State.CREATED, 0), (9, State.SENT, 1)])
async def test_a_refused_leg_is_told_though_the_book_cannot_be_written(
    house: House, failures: int, stands: State, nudges: int
) -> None:
    """The caller hears that the bank is busy; it is written as soon as the book is back, else it is looked after."""
    voice = await house.at_the_amount()
    voice.keys("1")
    token, _ = await voice.dialled()
    house.books.breaks.on("append", *[DISK_FULL] * failures)
    voice.emit(LegEnded(token, LegResult.BUSY))
    await voice.hears("pay/bank_busy")
    await house.over()
    assert house.books.states() == [stands] and len(house.nudged) == nudges


async def test_an_answer_that_cannot_be_written_down_is_not_told(house: House) -> None:
    """Nobody says "paid" that the book does not say."""
    voice, token = await at_the_bank(house)
    house.paystar.answers["result"].append(PAID)
    house.books.breaks.on("append", *[DISK_FULL] * 3)
    voice.emit(LegEnded(token, LegResult.ENDED))
    await voice.hears("pay/not_confirmed")
    await house.over()
    assert house.books.states() == [State.SENT] and len(house.nudged) == 1


async def test_an_answer_waits_for_the_books(house: House) -> None:
    """The book is away for a moment while the answer comes: it is written then, and only then told."""
    voice, token = await at_the_bank(house)
    house.paystar.answers["result"].append(PAID)
    house.books.breaks.on("append", DISK_FULL)
    voice.emit(LegEnded(token, LegResult.ENDED))
    await voice.hears("pay/paid")
    assert house.books.states() == [State.APPROVED]


async def test_books_that_cannot_be_read_at_the_end_leave_the_payment_to_the_reconciler(house: House) -> None:
    """What cannot be settled is not forgotten."""
    voice, _ = await at_the_bank(house)
    house.books.breaks.on("get", DISK_FULL)
    voice.go()
    await house.over()
    assert len(house.nudged) == 1


async def test_another_caller_is_paying_the_same_invoice(house: House) -> None:
    """Two callers agree at the same moment: one goes to the bank, the other hears that it is being paid."""
    first = await house.at_the_amount()
    second = await house.at_the_amount()
    first.keys("1")
    await first.dialled()
    second.keys("1")
    await second.hears("invoice/being_paid")
    assert second.legs == []
    assert house.books.states() == [State.SENT, State.CREATED]


@pytest.mark.parametrize(
    ("answer", "goes_on"),
    [
        (Reply("not_confirmed", outcome=Outcome.UNKNOWN, code=NO_INQUIRY), False),
        (Reply("not_confirmed", outcome=Outcome.UNKNOWN), False),
        (Reply("paid", outcome=Outcome.APPROVED, of_invoice=True), False),
        (ProviderUnreachable("ConnectError"), False),
        (OutcomeUnknown("ReadTimeout"), False),
        (Reply("not_confirmed", outcome=Outcome.UNKNOWN, not_paid=True), True),
        (Reply("cancelled", outcome=Outcome.DECLINED), True),
    ],
)
async def test_another_caller_was_at_the_bank_meanwhile(house: House, answer: Reply | Exception, goes_on: bool) -> None:
    """Nobody knows whether they have paid: who agreed before that goes to the bank only if the provider says no."""
    voice = await house.at_the_amount()
    other = Payment("other.1", "other", "paystar", INVOICE, "70012344", 160_000, State.CREATED)
    house.books.put(other, State.UNKNOWN)
    house.paystar.answers["inquire"].append(answer)
    voice.keys("1")
    if goes_on:
        await voice.dialled()
    else:
        await voice.hears("invoice/being_paid")
        assert voice.legs == []
    assert house.books.states() == [State.UNKNOWN, State.SENT if goes_on else State.CREATED]


async def test_a_payment_of_the_dead_process_is_not_sent_again(house: House) -> None:
    """After a crash between sending and dialling the caller is told what the provider knows; no second INVITE."""
    voice = await house.at_the_amount()
    call_id = voice.info.call_id
    await house.store.changes.until(lambda: '"step":"read_amount"' in house.store.kept.get(call_id, ""))
    visit = json.loads(house.store.kept[call_id])["visit"]
    dead = Payment(f"{call_id}.{visit + 1}", call_id, "paystar", INVOICE, "70012345", 160_000, State.CREATED)
    house.books.put(dead, State.SENT)
    house.paystar.answers["result"].append(PAID)
    voice.keys("1")
    await voice.hears("pay/paid")
    await house.over()
    assert voice.legs == [] and house.books.states() == [State.APPROVED]


# -- commands that fail ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [LOST, BUG], ids=["lost", "bug"])
async def test_a_prompt_that_cannot_be_asked_for(house: House, error: Exception) -> None:
    """One failed command leads to the flow's own words for it, not to silence."""
    voice = house.caller()
    voice.breaks.on("play", error)
    house.rings(voice)
    await voice.hears("common/technical_problem")
    await house.over()
    assert voice.cause is HangupCause.NORMAL
    assert house.figure("ivr_flow_faults_total", flow="pay_invoice") == 1


async def test_words_that_cannot_be_said_either_end_the_call(house: House) -> None:
    """If even the apology fails, the network tells the caller: the call is hung up."""
    voice = house.caller()
    voice.breaks.on("play", LOST, LOST)
    house.rings(voice)
    await house.over()
    assert voice.did[-1] == "hang_up"
    assert house.figure("ivr_calls_total", flow="pay_invoice", ended="failed") == 1


async def test_a_bug_in_the_failure_step_ends_the_call(house: House) -> None:
    """Nothing that breaks keeps a call alive that nobody drives: the line is freed."""
    voice = house.caller()
    voice.breaks.on("play", BUG, BUG, BUG)
    house.rings(voice)
    await house.over()
    assert voice.did[-1] == "hang_up" and len(house.switchboard) == 0


@pytest.mark.parametrize("method", ["answer", "hang_up"])
async def test_a_line_that_is_dead_is_let_go(house: House, method: str) -> None:
    """Neither an answer nor a hangup that fails keeps a call in our books for ever."""
    voice = house.caller()
    voice.breaks.on("answer", LOST)
    voice.breaks.on(method, LOST)
    house.rings(voice)
    await house.over()
    assert len(house.switchboard) == 0 and house.figure("ivr_calls_in_progress") == 0


async def test_a_playback_that_failed_goes_on_and_is_counted(house: House) -> None:
    """A file that Asterisk cannot play costs the caller a prompt, not the call; operators see it."""
    voice = house.caller()
    voice.fails_to_play = True
    house.rings(voice)
    await voice.hears("invoice/enter_number")
    assert house.figure("ivr_prompts_failed_total") >= 1


async def test_a_key_stops_the_prompt(house: House) -> None:
    """Barge-in: who knows the way need not listen."""
    voice = house.rings(house.caller(listens=False))
    await voice.hears("invoice/welcome")
    voice.keys("6")
    await voice.changes.until(lambda: "stop" in voice.did)


async def test_silence_is_noticed(house: House, tmp_path: Path) -> None:
    """Who keys nothing is asked again, and then sent away with a word: the timers really run."""
    asking = (
        "  a:\n    ask: {prompt: invoice/enter_number, save: n, first_digit_timeout: 500ms, attempts: 2}\n    next: end"
    )
    flow = small_flow(tmp_path, asking + "\n    exits: {silence: sorry, invalid: sorry}")
    house.add("1004", flow)
    voice = house.rings(house.caller("1004"))
    await voice.hears("invoice/enter_number", times=2)
    await voice.hears("common/technical_problem")
    await house.over()


# -- headers -----------------------------------------------------------------------------------------------------------


async def test_a_trusted_trunk_speaks_through_headers(house: House) -> None:
    """The merchant's IVR has asked already: the caller hears the amount at once."""
    house.paystar.answers["create_transaction"].append(FOUND)
    voice = house.rings(house.caller(SWITCH, "merchant", headers={"X-Invoice-Id": INVOICE}))
    await voice.hears("pay/press_keys")
    assert house.paystar.asked[0][1]["invoice_id"] == INVOICE


async def test_other_trunks_headers_are_ignored(house: House) -> None:
    """Whoever writes headers of their own is asked like everybody else; a log line says so."""
    with capture_logs() as lines:
        voice = house.rings(house.caller(PAY, "merchant"))
        stranger = house.caller(BANK, "public", headers={"Amount": "1", "From": "<sip:1*2*3@x>"})
        house.rings(stranger)
        await stranger.hears("bank/header_missing")
        voice.go()
    assert "headers" not in stranger.did
    assert {"event": "headers_ignored", "log_level": "warning", "trunk": "public"}.items() <= lines_of(
        lines, "headers_ignored"
    ).items()


async def test_headers_that_cannot_be_read(house: House) -> None:
    """Asterisk stays away for longer than our patience: words, not silence."""
    voice = house.caller(SWITCH, "merchant")
    voice.breaks.on("headers", LOST)
    house.rings(voice)
    await voice.hears("common/technical_problem")


# -- providers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "prompt"),
    [
        (ProviderUnreachable("ConnectError"), "pay/provider_unreachable"),
        (OutcomeUnknown("ReadTimeout"), "pay/provider_unknown"),
        (BadInput("create_transaction: caller: must be digits only"), "pay/provider_unknown"),
        (BUG, "pay/provider_unknown"),
    ],
    ids=["unreachable", "unknown", "bad input", "bug"],
)
async def test_a_provider_that_does_not_answer(house: House, answer: Exception, prompt: str) -> None:
    """Each way of failing has its words, and none of them ends the call without a word."""
    house.paystar.answers["create_transaction"].append(answer)
    voice = house.rings(house.caller())
    await voice.hears("invoice/enter_number")
    voice.keys(f"{INVOICE}#")
    await voice.hears(prompt)


@pytest.mark.parametrize(
    ("answer", "prompt", "state"),
    [
        (Reply("approved", {"reference": "1234"}, Outcome.APPROVED), "bank/paid", State.APPROVED),
        (Reply("declined", outcome=Outcome.DECLINED, code="51"), "bank/declined", State.DECLINED),
        (Reply("wrong_card"), "bank/wrong_card", State.SENT),
        (ProviderUnreachable("ConnectError"), "common/technical_problem", State.CREATED),
        (OutcomeUnknown("ReadTimeout"), "pay/not_confirmed", State.UNKNOWN),
        (BadInput("settle: pin: must be digits only"), "pay/not_confirmed", State.CREATED),
        (BUG, "pay/not_confirmed", State.SENT),
    ],
    ids=["approved", "declined", "undecided", "unreachable", "unknown", "bad input", "bug"],
)
async def test_a_charge_and_its_answers(house: House, answer: Reply | Exception, prompt: str, state: State) -> None:
    """A question that moves money is written down before it leaves, and its answer before the caller hears it."""
    house.bank.answers["settle"].append(answer)
    voice = await _charging(house)
    await voice.hears(prompt)
    voice.go()
    await house.over()
    assert house.books.states() == [state]
    assert [kind for _, kind, _ in house.books.entries][:2] == [EntryKind.CREATED, EntryKind.SENT]
    undecided = state in (State.SENT, State.UNKNOWN)
    assert len(house.nudged) == undecided


async def test_a_charge_of_an_invoice_in_payment_is_not_sent(house: House) -> None:
    """Two settlements of one transaction: the second never leaves."""
    other = Payment("other.1", "other", "bank", "70012345", "70012345", 160_000, State.CREATED)
    house.books.put(other, State.SENT)
    voice = await _charging(house)
    await voice.hears("common/technical_problem")
    assert house.bank.asked == []


async def _charging(house: House) -> FakeVoice:
    """A caller at the bank's own IVR who has keyed card and PIN."""
    headers = {"From": '"x" <sip:2191071390*10000005*70012345@bank>', "Amount": "160000"}
    voice = house.rings(house.caller(BANK, "merchant", headers=headers))
    await voice.hears("bank/enter_card")
    voice.keys("6037990000000006")
    await voice.hears("bank/enter_pin")
    voice.keys("12345#")
    return voice


async def test_the_books_know_the_amount_of_a_chain(house: House) -> None:
    """The merchant's side of the chain: the amount comes from our own record of the invoice."""
    await house.books.remember_invoice(Invoice("paystar", INVOICE, 160_000, "1"))
    voice = house.rings(house.caller(CHAIN))
    await voice.hears("invoice/enter_number")
    voice.keys(f"{INVOICE}#")
    _, leg = await voice.dialled()
    assert leg.headers == {"X-Invoice-Id": INVOICE}
    assert [payment.amount_rial for payment in house.books.payments.values()] == [160_000]


async def test_log_lines_say_which_call(house: House) -> None:
    """Every line of a call, those of its questions included, carries its id; none carries what was keyed."""
    with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
        house.paystar.answers["create_transaction"].append(BUG)
        voice = house.rings(house.caller())
        await voice.hears("invoice/enter_number")
        voice.keys(f"{INVOICE}#")
        await voice.hears("pay/provider_unknown")
        voice.go()
        await house.over()
    assert {line["call_id"] for line in lines} == {voice.info.call_id}
    assert {"call_started", "provider_broke", "call_ended"} <= {line["event"] for line in lines}
    assert lines_of(lines, "call_ended")["steps"].startswith("welcome ask_invoice create_transaction ")  # type: ignore[attr-defined]
    assert INVOICE not in repr(lines)


async def test_a_message_is_recorded_and_somebody_is_told(house: House, tmp_path: Path) -> None:
    """The recording begins when the words are over; the notice goes out with the call's id and without waiting."""
    flow = small_flow(
        tmp_path,
        "  a: {record: {prompt: pay/is, save: m}, next: b, exits: {silence: sorry, failed: sorry}}\n"
        "  b: {notify: {to: shop, event: left, with: {file: m}}, next: c}\n  c: {say: pay/paid, next: end}",
    )
    house.add("1004", flow)
    voice = house.rings(house.caller("1004"))
    await voice.changes.until(lambda: bool(voice.recordings))
    [(token, order)] = voice.recordings
    assert order == RecordOrder(60, 4, "#", True)
    voice.emit(RecordingFinished(token, "x.record1", talked=True))
    await house.over()
    call_id = voice.info.call_id
    assert house.notices == [Notice("shop", f"{call_id}.2", "left", call_id, "small", {"file": "x.record1"})]


async def test_a_recording_is_ended_by_the_next_process(house: House, tmp_path: Path) -> None:
    """Half a message of a caller whose process died is thrown away."""
    flow = small_flow(tmp_path, "  a: {record: {prompt: pay/is}, next: end, exits: {silence: end, failed: end}}")
    house.add("1004", flow)
    session = Session("1.1", "small", flow.version, "fa", "a", visit=1, token=7, recording=7)
    voice = house.resumed(house.caller("1004"), session)
    await voice.changes.until(lambda: bool(voice.recordings))
    assert "stop_recording" in voice.did and voice.did.index("stop_recording") < voice.did.index("record")
    voice.go()


def lines_of(lines: list[structlog.typing.EventDict], event: str) -> dict[str, object]:
    """The first line of this event."""
    return dict(next(line for line in lines if line["event"] == event))
