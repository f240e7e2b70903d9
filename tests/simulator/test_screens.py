"""A USSD session played from lines: what stands on the screen is what the network would get."""

import asyncio
from collections.abc import Sequence
from functools import cache
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from ivr.domain.screens import Limits
from ivr.flow.commands import AskProvider
from ivr.flow.model import Flow
from ivr.flow.session import Session
from ivr.payments.port import Reply
from ivr.runtime.screens import Kept
from ivr.simulator import notes
from ivr.simulator.call import NotNow
from ivr.simulator.fronts import TextFront
from ivr.simulator.game import Game
from ivr.simulator.orders import read_order
from ivr.simulator.vectors import finish, replay
from ivr.ussd.sitting import Sitting
from ivr.ussd.walk import Walk
from tests.flow.caller import Caller
from tests.flow.world import session_of, shipped, small_flow, world
from tests.simulator.table import MINE, on_screen, pages, played, shown

AGREEING = ("65843148", "approve amount=250000")


def test_a_link_is_sent() -> None:
    """Three screens, and at the end the line for the network; nobody hears or waits for anything."""
    made, book = on_screen("pay_invoice", *AGREEING, "1", "approve", language="en")
    assert made.over and not made.faults
    assert pages(book) == [
        "Your invoice number:\n0) Cancel",
        "Pay an invoice\nTo pay: 250,000 rials\n1) Pay by a link in an SMS\n0) Cancel",
        "9900|65843148|250000",
    ]
    assert [note.for_network for note in book.notes if isinstance(note, notes.Shows)] == [False, False, True]
    unseen = notes.PromptHeard | notes.PromptStopped | notes.TimerStarted | notes.TimerStopped
    assert not any(isinstance(note, unseen) for note in book.notes)
    assert book.notes[-1] == notes.CallEnds(at=0.0, how="hung_up")


def test_the_last_screen() -> None:
    """What the flow says last stands there together, without anything to choose."""
    _, book = on_screen("pay_invoice", *AGREEING, "0", language="en")
    assert pages(book)[-1] == "The payment was cancelled.\nThank you."


def test_what_is_awaited() -> None:
    """A line, by what may be sent; silence leads nowhere, and a provider's answer is awaited as in a call."""
    made, book = on_screen("pay_invoice", *AGREEING)
    asked, answering, agreeing = (note for note in book.notes if isinstance(note, notes.Awaits))
    assert (asked.awaits, asked.keys, asked.timer) == (("line",), "4 to 12 digits, kept as invoice_id", None)
    assert (answering.awaits, answering.step) == (("answer",), "find_invoice")
    assert agreeing.keys == "one of 1 0" and set(agreeing.ways) == {"key 1", "key *", "invalid"}
    made.do(read_order("look"))
    made.look()
    assert pages(book)[-1] == pages(book)[-2]


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        ("65843148", "65843148"),
        ("65843148#", "65843148"),
        ("۶۵۸۴۳۱۴۸", "65843148"),
        ("keys 6584 3148", "65843148"),
        ("send abc", "abc"),
        ("send   سلام ", "سلام"),
        ("send approve", "approve"),
        ("send", ""),
    ],
)
def test_what_is_sent(typed: str, line: str) -> None:
    """As the network passes it on: without hashes and blanks, digits in ASCII. Behind `send` nothing is a command."""
    _, book = on_screen("pay_invoice", typed)
    assert [note.line for note in book.notes if isinstance(note, notes.LineSent)] == [line]


@pytest.mark.parametrize(
    ("lines", "wrong", "said"),
    [
        ((), "1*2", "a star stands between two lines"),
        ((), "*", "a star stands between two lines"),
        ((), "wait", "no timer runs; now: what is sent"),
        ((), "", "now: what is sent from the screen"),
        ((), "hear", "nothing is being said"),
        ((), "approve", "nobody is asked"),
        (("65843148",), "1", "nothing can be sent before the answer; now: 'approve'"),
        ((*AGREEING, "0"), "1", "the call is over"),
    ],
)
def test_what_cannot_happen_now(lines: tuple[str, ...], wrong: str, said: str) -> None:
    """It is said what could happen instead, and nothing has changed."""
    made, book = on_screen("pay_invoice", *lines)
    before, told = made.session.copy(), len(book.notes)
    with pytest.raises(NotNow, match=said):
        made.do(read_order(wrong))
    assert made.session == before and len(book.notes) == told


def test_a_line_in_a_call() -> None:
    """A telephone sends keys."""
    made, _ = played("pay_invoice")
    with pytest.raises(NotNow, match="this is a call"):
        made.do(read_order("send 1"))


def test_who_leaves() -> None:
    """No last screen for somebody who is gone."""
    made, book = on_screen("pay_invoice", "hang up")
    assert made.session.ended == "caller_hung_up" and len(pages(book)) == 1


# -- pages -------------------------------------------------------------------------------------------------------------


SMALL = Limits(gsm=60, ucs2=40)


def test_pages_are_turned() -> None:
    """Whole choices on pages; what stands on another page cannot be chosen, and the flow hears nothing of it."""
    made, book = on_screen("pay_invoice", *AGREEING, "0", "9", "8", "9", language="en", limits=SMALL)
    first, hidden, second, again, last = pages(book)[1:]
    assert first == hidden == again == "Pay an invoice\nTo pay: 250,000 rials\n9) More"
    assert second == last == "1) Pay by a link in an SMS\n0) Cancel\n8) Back"
    assert made.session.visits["agree"] == 1 and made.session.data["attempt"] == 1
    told = [note for note in book.notes if isinstance(note, notes.Shows)][1:]
    assert [(note.page, note.pages) for note in told] == [(1, 2), (1, 2), (2, 2), (1, 2), (2, 2)]
    assert all(note.characters <= note.most == 60 for note in told)
    made.do(read_order("0"))
    assert made.session.visits["cancelled"] == 1


def test_every_page_of_the_last_screen() -> None:
    """Nobody need turn them."""
    _, book = on_screen("status", "answer unknown", language="en", limits=SMALL)
    assert len(pages(book)) > 1 and "9) More" in pages(book)[0] and "8) Back" in pages(book)[-1]


@cache
def registering() -> Flow:
    """A flow whose words are too long for one page, before a question and at the end."""
    with TemporaryDirectory() as directory:
        return small_flow(
            Path(directory),
            """  a:
    ask: {title: screen/pay_bill, prompt: [pay/not_confirmed, bill/enter_id], save: x, max: 2, cancel_key: "*"}
    next: b
    exits: {silence: sorry, invalid: long, cancelled: end}
  b:
    menu:
      prompt: pay/is
      keys: {"1": long, "9": a, "8": d}
      choices: {"1": screen/pay, "9": screen/yes, "8": screen/no}
    exits: {silence: sorry, invalid: end}
  d: {say: {prompt: [{voice: invoice/welcome}]}, next: end}
  long: {say: [pay/not_confirmed, link/unresolved, common/goodbye], next: end}""",
        )


def test_a_flow_that_says_nothing_at_all() -> None:
    """A screen is never empty."""
    _, book = on_screen(registering(), "12", "8", language="en")
    assert pages(book)[-1] == "We are sorry: because of a technical problem we cannot go on."


SENT = st.sampled_from(["1", "9", "8", "99", "88", "0", "00", "12", "x", "", "65843148"])


@given(lines=st.lists(SENT, max_size=12), ucs2=st.sampled_from([40, 60, 80]), language=st.sampled_from(["fa", "en"]))
@pytest.mark.parametrize("name", ["pay_invoice", "small"])
@settings(max_examples=60, deadline=None)
def test_the_network_would_get_the_same(name: str, lines: list[str], ucs2: int, language: str) -> None:
    """Whatever is sent: page by page what the service itself answers."""
    flow = registering() if name == "small" else shipped(name)
    limits = Limits(ucs2, ucs2)
    made, book = on_screen(flow, language=language, limits=limits)
    ours = [last_page(made, book.notes)]
    for line in lines:
        if made.over:
            break
        told = len(book.notes)
        made.do(read_order(f"send {line}"))
        while "answer" in made.awaits:
            made.do(read_order("approve"))
        ours.append(last_page(made, book.notes[told:]))
    assert ours == asyncio.run(served(flow, lines[: len(ours) - 1], limits, language))


def last_page(game: Game, told: Sequence[notes.Note]) -> str:
    """What the user looks at: of a last screen the first page, which nobody has turned yet."""
    last = [note.text for note in told if isinstance(note, notes.Shows)]
    return last[0] if game.over else last[-1]


async def served(flow: Flow, lines: Sequence[str], limits: Limits, language: str) -> list[str]:
    """The texts that the service answers; books and providers say yes."""

    async def yes(command: AskProvider, session: Session) -> Reply:
        return Reply("next", {"amount": 160000} if command.operation == "find_invoice" else {})

    def anew() -> Walk:
        session = session_of(flow, {**MINE})
        session.language = language
        return Walk(flow, session, yes, shown, lambda notice: None)

    async def again(session: Session) -> Walk | None:
        return Walk(flow, session, yes, shown, lambda notice: None)

    async def nobody() -> Session | None:
        return None

    sitting = Sitting(Kept("ussd-1"), world().screens, language, limits, anew, again)
    await sitting.begin(False)
    texts = [sitting.text]
    for line in lines:
        await sitting.take(line, ahead=False, come_back=nobody)
        texts.append(sitting.text)
    return texts


# -- for people, and as a file -----------------------------------------------------------------------------------------


def test_on_a_terminal() -> None:
    """The screen in a frame, how full it is, and what goes to the network in plain sight."""
    _, book = on_screen("pay_invoice", *AGREEING, "9", "1", "approve", language="en", limits=SMALL)
    out = StringIO()
    front = TextFront(Console(file=out, width=200))
    for note in book.notes:
        front.tell(note)
    text = out.getvalue()
    assert "   screen  │ Your invoice number:\n           │ 0) Cancel\n           └ 30 of 60 characters" in text
    assert (
        "page 1 of 2, 44 of 60 characters" in text
        and "9900|65843148|250000" in text
        and "a line from the screen: one of 1 0" in text
    )
    assert "what you type is sent from the screen" in text and "says  «" not in text


def test_as_a_file(tmp_path: Path) -> None:
    """What was played is a test; turned pages are no part of it, for the flow heard nothing of them."""
    made, _ = on_screen("pay_invoice", "send ab", *AGREEING, "9", "8", "9", "1", "approve", language="en", limits=SMALL)
    path = tmp_path / "call.yaml"
    path.write_text(made.tape.text("The user pays.", None), "utf-8")
    text = path.read_text("utf-8")
    assert 'sends: "9"' not in text and "sends: ab" in text and "requests:" in text
    finish(replay(path, shipped("pay_invoice"), lambda flow, knows: Caller(flow, session_of(flow, knows))), path)
