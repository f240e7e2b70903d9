"""One call played from lines: what a person or a program is told, and what may be done when."""

from io import StringIO
from pathlib import Path

import msgspec
import pytest
from rich.console import Console

from ivr.simulator import notes
from ivr.simulator.call import NotNow
from ivr.simulator.fronts import TextFront
from ivr.simulator.orders import read_order
from ivr.simulator.playing import WrongInput
from tests.flow.world import small_flow
from tests.simulator.table import BANK_HEADERS, CARD, PIN, play_text, played

KEYED = ("hear", "65843148#")
AT_THE_MENU = (*KEYED, "approve", "approve")
AT_THE_BANK = (*AT_THE_MENU, "1", "hear")


def test_a_paid_call() -> None:
    """Prompts in words, every key, every answer, and the flow's own end."""
    made, book = played("pay_invoice", *AT_THE_BANK, "answered", "ended", "approve", "hear", "hear")
    assert made.over and not made.faults
    said = [note.words for note in book.notes if isinstance(note, notes.Says)]
    assert "صد و شصت هزار ریال" in said[2] and "70012345" in said[4]
    assert book.notes[-1] == notes.CallEnds(at=0.0, how="hung_up")
    ways = [note.exit for note in book.notes if isinstance(note, notes.StepLeft)]
    assert ways == [
        *("missing", "next", "present", "missing", "next", "voice", "ok", "next", "key 1", "ended", "paid"),
        *("next", "missing", "next"),
    ]


def test_time_is_simulated() -> None:
    """The clock goes on by what timers say, and by nothing else."""
    made, book = played("pay_invoice", "hear", "hear", "wait", "hear", "wait")
    assert made.clock == 14.0
    assert [note.seconds for note in book.notes if isinstance(note, notes.TimerFired)] == [7.0, 7.0]


def test_an_empty_line_goes_on() -> None:
    """The prompt ends, then the timer fires; a question waits for an answer that nobody else gives."""
    made, _ = played("pay_invoice", "", "", "")
    assert made.clock == 7.0
    made, _ = played("pay_invoice", *KEYED)
    with pytest.raises(NotNow, match="approve"):
        made.do(read_order(""))


def test_where_the_call_stands() -> None:
    """What is awaited, and the keys that lead on."""
    _, book = played("pay_invoice", "hear")
    last = book.notes[-1]
    assert isinstance(last, notes.Awaits)
    assert last.step == "ask_invoice" and last.awaits == ("prompt",) and "4 to 12 digits" in last.keys
    assert last.ways["cancelled"] == "cancelled"


@pytest.mark.parametrize(
    ("lines", "wrong", "said"),
    [
        ((), "wait", "hear"),
        (("hear", "hear"), "hear", "wait"),
        ((), "approve", "nobody is asked"),
        ((), "headers A=1", "nobody reads headers"),
        ((), "answered", "nobody is dialled"),
        (KEYED, "answer paid", "already_paid"),
        (KEYED, "decline 99", "answers ok"),
        (KEYED, "approve amount=0", "amount"),
        (KEYED, "approve amuont=5", "did you mean 'amount'"),
        (KEYED, "approve merchant_id=x", "digits"),
        ((*KEYED, "approve"), "approve amount=5", "answers no 'amount'"),
        (("hang up",), "1", "the call is over"),
    ],
)
def test_what_cannot_happen_now(lines: tuple[str, ...], wrong: str, said: str) -> None:
    """It is said what could happen instead, and nothing has changed."""
    made, book = played("pay_invoice", *lines)
    before, told = made.session.copy(), len(book.notes)
    with pytest.raises(NotNow, match=said):
        made.do(read_order(wrong))
    assert made.session == before and len(book.notes) == told


@pytest.mark.parametrize(
    ("order", "exit_name"),
    [
        ("approve", "ok"),
        ("decline", "refused"),
        ("decline expired", "expired"),
        ("decline 3", "already_paid"),
        ("time out", "unknown"),
        ("unreachable", "unreachable"),
        ("answer blocked", "blocked"),
    ],
)
def test_answers_of_a_provider(order: str, exit_name: str) -> None:
    """Yes, no by its own code or its name, silence, or any exit."""
    made, book = played("pay_invoice", *KEYED, order)
    answered = next(note for note in book.notes if isinstance(note, notes.Answered))
    assert answered.exit == exit_name and not made.faults
    assert answered.values == (
        {"transaction_id": "70012345", "merchant_id": "70012345", "amount": 160000} if exit_name == "ok" else {}
    )


def test_values_of_an_answer() -> None:
    """They are taken as they are given, the others are made up."""
    _, book = played("pay_invoice", *KEYED, "approve amount=25,000 merchant_id=7")
    answered = next(note for note in book.notes if isinstance(note, notes.Answered))
    assert answered.values["amount"] == 25000 and answered.values["merchant_id"] == "7"


@pytest.mark.parametrize("answer", ["next", "already_paid", "amount_mismatch", "being_paid", "unresolved"])
def test_answers_of_our_books(answer: str) -> None:
    """Every exit of the step may be chosen."""
    made, _ = played("pay_invoice", *KEYED, "approve", f"answer {answer}")
    assert not made.faults


def test_our_books_are_broken() -> None:
    """The flow has no way on for it: the failure step is taken, and it is said why."""
    made, book = played("pay_invoice", *KEYED, "approve", "time out")
    assert made.session.step == "technical_problem"
    assert [note for note in book.notes if isinstance(note, notes.FlowBroke)] != []


@pytest.mark.parametrize("result", ["busy", "no_answer", "rejected", "unreachable", "being_paid"])
def test_legs_that_are_not_answered(result: str) -> None:
    """Each leads where the flow says."""
    made, book = played("pay_invoice", *AT_THE_BANK, result)
    assert not made.faults and made.session.step != "bank"
    assert notes.LegChanged(at=0.0, result=result) in book.notes


def test_headers() -> None:
    """A trusted trunk speaks through headers, whatever the case of their names; another is not believed."""
    made, _ = played("switch_invoice", "headers x-invoice-id=65843148")
    assert made.session.answers["invoice_id"] == "65843148"
    made, _ = played("switch_invoice", "headers untrusted")
    assert made.session.step == "welcome"
    made, _ = played("switch_invoice", "headers")
    assert made.session.step == "welcome"
    made, _ = played("switch_invoice")
    with pytest.raises(NotNow, match="X-Invoice-Id"):
        made.do(read_order("headers X-Other=1"))


def test_a_key_that_ends_the_call(tmp_path: Path) -> None:
    """Keys after the end are for nobody."""
    steps = '  a: {menu: {prompt: pay/press_keys, keys: {"1": end}}, exits: {silence: end, invalid: end}}'
    made, _ = played(small_flow(tmp_path, steps), "1234")
    assert made.over


def test_a_message(tmp_path: Path) -> None:
    """What is recorded, what ends it, and what another program is told of it."""
    steps = """  a: {record: {save: message, max: 20s}, next: b, exits: {silence: sorry, failed: sorry}}
  b: {notify: {to: shop, event: left_word, with: {file: message}}, next: c}
  c: {say: common/goodbye, next: end}"""
    made, book = played(small_flow(tmp_path, steps), "talk")
    assert notes.Records(at=0.0, longest=20.0, silence=4.0, finish_key="#", beep=True) in book.notes
    assert notes.Recorded(at=0.0, result="talked") in book.notes
    name = str(made.session.answers["message"])
    assert notes.Notifies(at=0.0, to="shop", event="left_word", values={"file": name}) in book.notes
    waits = [note for note in book.notes if isinstance(note, notes.Awaits)]
    assert waits[0].awaits == ("timer", "recording") and "# finishes" in waits[0].keys
    made, book = played(small_flow(tmp_path, steps), "wait")
    assert made.session.step == "sorry" and notes.RecordingStopped(at=30.0) in book.notes
    with pytest.raises(NotNow, match="nothing is recorded"):
        made.do(read_order("talk"))


def test_every_note_has_words_on_a_terminal(tmp_path: Path) -> None:
    """A recording and a notice are shown to people."""
    steps = """  a: {record: {max: 20s, finish_key: none}, next: b, exits: {silence: b, failed: sorry}}
  b: {notify: {to: shop, event: left_word, with: {who: caller_number}}, next: c}
  c: {say: common/goodbye, next: end}"""
    _, book = played(small_flow(tmp_path, steps), "silent recording")
    shown = StringIO()
    front = TextFront(Console(file=shown, width=200))
    for note in book.notes:
        front.tell(note)
    text = shown.getvalue()
    assert "records  a tone, then up to 20 s; 4 s of silence ends it" in text and "talk / silent recording" in text
    assert "message  silent" in text and "tells  shop: left_word (who 09121234567)" in text


# -- secrets -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "lines",
    [
        ("hear", CARD, f"{PIN}#"),
        ("hear", f"keys {CARD[:7]}", CARD[7:], "hear", f"{PIN}#"),
        (f"{CARD}#{PIN}#", "hear"),  # keyed ahead, into the greeting
        ("hear", "9876", "wait", "hear", CARD, "hear", "99#", "hear", f"{PIN}#"),
    ],
)
def test_no_note_holds_a_secret(lines: tuple[str, ...]) -> None:
    """A dot for every key of the card and of the PIN, whenever it was keyed; their values never."""
    made, book = played("bank_ivr", BANK_HEADERS, *lines, knows={})
    assert made.session.step == "settle"
    shown = "".join(msgspec.json.encode(note).decode() for note in book.notes)
    assert CARD not in shown and PIN not in shown and CARD[7:] not in shown and "9876" not in shown
    keyed = [note.keys for note in book.notes if isinstance(note, notes.KeysPressed)]
    assert set("".join(keyed)) <= set("•#")
    assert len("".join(keyed).replace("#", "")) >= len(CARD + PIN)
    [asked] = [note for note in book.notes if isinstance(note, notes.Asks)]
    assert asked.arguments["card"] == asked.arguments["pin"] == "•••"


def test_keys_that_are_no_secret_are_shown() -> None:
    """An invoice number is nobody's secret."""
    _, book = played("pay_invoice", *KEYED)
    assert notes.KeysPressed(at=0.0, keys="65843148#") in book.notes


# -- whole inputs ------------------------------------------------------------------------------------------------------


def test_an_input_with_comments() -> None:
    """Empty lines and comments are for people."""
    assert play_text("pay_invoice", "# nobody keys\n\nhear\nhang up\n\n# gone\n").session.ended == "caller_hung_up"


def test_leaving_a_call_open() -> None:
    """`quit` ends the playing, not the call."""
    assert not play_text("pay_invoice", "hear\nlook\nhelp\nquit\n").over


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hear\nhaer\n", "input:2: no such command 'haer' (did you mean 'hear'?)"),
        ("hear\nhear\nhear\n", "input:3: nothing is being said"),
        ("hear\n", "input:1: the input ends here, and the call goes on in step 'ask_invoice'"),
        ("", "input:0: the input ends here"),
        ("hang up\nhear\n", "input:2: the call is over"),
    ],
)
def test_inputs_that_are_wrong(text: str, said: str) -> None:
    """The line is named."""
    with pytest.raises(WrongInput) as wrong:
        play_text("pay_invoice", text)
    assert str(wrong.value).startswith(said)
