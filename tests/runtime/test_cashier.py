"""What a call writes into the journal, and what it may do because of what stands there."""

import pytest
from msgspec.structs import replace

from ivr.domain.errors import Unusable
from ivr.domain.legs import LegResult
from ivr.domain.operations import Outcome
from ivr.flow.commands import PaymentOrder
from ivr.payments.invoice import Invoice
from ivr.payments.port import Reply
from ivr.payments.state import EntryKind, Payment, State
from ivr.runtime.cashier import Cashier, Go
from tests.fakes import FakeBooks

ORDER = PaymentOrder("c.1", "paystar", "65843148", "70012345", 160_000)
OTHER = Payment("d.1", "d", "paystar", "65843148", "70012345", 160_000, State.CREATED)


@pytest.fixture
def books() -> FakeBooks:
    return FakeBooks()


@pytest.fixture
def cashier(books: FakeBooks) -> Cashier:
    return Cashier(books, books, lambda: 1_700_000_000.0)


async def test_written_before_it_is_sent(books: FakeBooks, cashier: Cashier) -> None:
    """Both lines stand in the book when the call may dial."""
    assert await cashier.before_sending(ORDER, "c") is Go.SEND
    assert [kind for _, kind, _ in books.entries] == [EntryKind.CREATED, EntryKind.SENT]
    assert (books.payments["c.1"].call_id, books.payments["c.1"].amount_rial) == ("c", 160_000)


async def test_sent_once(cashier: Cashier) -> None:
    """The same order again, by a process that took the call over: it is not sent a second time."""
    await cashier.before_sending(ORDER, "c")
    assert await cashier.before_sending(ORDER, "c") is Go.SENT_BEFORE


async def test_may_be_sent_again_when_nothing_had_left(cashier: Cashier) -> None:
    """The bank was busy, and the caller tries again."""
    await cashier.before_sending(ORDER, "c")
    await cashier.unsent("c.1", LegResult.BUSY.value)
    assert await cashier.before_sending(ORDER, "c") is Go.SEND


@pytest.mark.parametrize("state", [State.SENT, State.APPROVED])
async def test_one_payment_of_an_invoice_at_a_time(books: FakeBooks, cashier: Cashier, state: State) -> None:
    """Two callers never pay one invoice both."""
    books.put(OTHER, state)
    assert await cashier.before_sending(ORDER, "c") is Go.REFUSED


@pytest.mark.parametrize(
    ("state", "doubt"), [(State.UNKNOWN, True), (State.APPROVED, True), (State.DECLINED, False), (State.CREATED, False)]
)
async def test_a_rival_that_may_have_been_paid(books: FakeBooks, cashier: Cashier, state: State, doubt: bool) -> None:
    """Looked for once more when ours is written as sent: a person may have decided meanwhile about the other one."""
    await cashier.before_sending(ORDER, "c")
    books.put(OTHER, state)
    assert await cashier.in_doubt(ORDER) is doubt


@pytest.mark.parametrize("method", ["create", "append"])
async def test_a_book_that_cannot_be_written_sends_nothing(books: FakeBooks, cashier: Cashier, method: str) -> None:
    """A full disk is told to the call as it is."""
    books.breaks.on(method, Unusable("the disk is full"))
    with pytest.raises(Unusable, match="full"):
        await cashier.before_sending(ORDER, "c")


async def test_the_amount_of_our_own_record(books: FakeBooks, cashier: Cashier) -> None:
    """Where the flow knows no amount, the invoice does; where nobody does, none is made up."""
    unpriced = replace(ORDER, amount_rial=None)
    await cashier.before_sending(unpriced, "c")
    assert books.payments["c.1"].amount_rial is None
    await books.remember_invoice(Invoice("paystar", "1234", 5_000, "1"))
    await cashier.before_sending(replace(unpriced, id="c.2", invoice_id="1234"), "c")
    assert books.payments["c.2"].amount_rial == 5_000


@pytest.mark.parametrize(
    ("outcome", "state", "undecided"),
    [
        (Outcome.APPROVED, State.APPROVED, False),
        (Outcome.DECLINED, State.DECLINED, False),
        (Outcome.UNKNOWN, State.UNKNOWN, True),
        (None, State.SENT, True),
    ],
)
async def test_answers(
    books: FakeBooks, cashier: Cashier, outcome: Outcome | None, state: State, undecided: bool
) -> None:
    """What the provider says becomes a line with its code and reference."""
    await cashier.before_sending(ORDER, "c")
    await cashier.answered("c.1", Reply("said", outcome=outcome, code="51", reference="123"))
    assert books.payments["c.1"].state is state
    assert await cashier.undecided("c.1") is undecided
    if outcome in (Outcome.APPROVED, Outcome.DECLINED):
        assert books.entries[-1][2] == {"reason": "said", "code": "51", "reference": "123"}


async def test_an_answer_that_comes_twice_changes_nothing(books: FakeBooks, cashier: Cashier) -> None:
    """The reconciler was quicker: the book stands, and nothing breaks."""
    await cashier.before_sending(ORDER, "c")
    assert await cashier.answered("c.1", Reply("paid", outcome=Outcome.APPROVED))
    assert not await cashier.answered("c.1", Reply("paid", outcome=Outcome.APPROVED))
    await cashier.unanswered("c.1", "timeout")
    assert books.payments["c.1"].state is State.APPROVED
    assert len(books.entries) == 3


async def test_an_answer_that_says_otherwise_stands_beside_the_first(books: FakeBooks, cashier: Cashier) -> None:
    """The caller's own answer came after somebody had decided: people find both, and the decision stays."""
    await cashier.before_sending(ORDER, "c")
    await cashier.answered("c.1", Reply("paid", outcome=Outcome.APPROVED))
    assert not await cashier.answered("c.1", Reply("no", outcome=Outcome.DECLINED, code="51"))
    assert books.payments["c.1"].state is State.APPROVED
    assert books.entries[-1] == ("c.1", EntryKind.CONTRADICTED, {"says": "declined", "exit": "no", "code": "51"})


async def test_what_was_said_of_an_unknown_outcome_is_kept(books: FakeBooks, cashier: Cashier) -> None:
    """Whoever calls the bank about it has the bank's own code and reference at hand."""
    await cashier.before_sending(ORDER, "c")
    await cashier.answered("c.1", Reply("unknown", outcome=Outcome.UNKNOWN, code="91", reference="778899"))
    assert (books.payments["c.1"].code, books.payments["c.1"].reference) == ("91", "778899")


async def test_nobody_knows_a_payment_that_was_never_made(cashier: Cashier) -> None:
    """Asking about it is no error."""
    await cashier.unanswered("x.1", "timeout")
    assert not await cashier.undecided("x.1")


@pytest.mark.parametrize(
    ("state", "exit"),
    [
        (State.APPROVED, "already_paid"),
        (State.SENT, "being_paid"),
        (State.UNKNOWN, "unresolved"),
        (State.DECLINED, "next"),
        (State.CREATED, "next"),
    ],
)
async def test_may_this_invoice_be_paid(books: FakeBooks, cashier: Cashier, state: State, exit: str) -> None:
    """An earlier try decides what the caller hears."""
    books.put(OTHER, state)
    assert await cashier.check_invoice("paystar", "65843148", 160_000) == exit


async def test_another_amount_than_the_invoices(books: FakeBooks, cashier: Cashier) -> None:
    """A provider that names another amount than our own record is not believed."""
    await books.remember_invoice(Invoice("paystar", "65843148", 160_000, "1"))
    assert await cashier.check_invoice("paystar", "65843148", 1_600) == "amount_mismatch"
    assert await cashier.check_invoice("paystar", "65843148", 160_000) == "next"
    assert await cashier.check_invoice("paystar", "65843148", None) == "next"


@pytest.mark.parametrize(
    ("state", "exit", "amount"),
    [
        (None, "next", 160_000),
        (State.APPROVED, "already_paid", None),
        (State.SENT, "being_paid", None),
        (State.UNKNOWN, "unresolved", None),
        (State.DECLINED, "next", 160_000),
        (State.CREATED, "next", 160_000),
    ],
)
async def test_an_invoice_of_our_own(
    books: FakeBooks, cashier: Cashier, state: State | None, exit: str, amount: int | None
) -> None:
    """Our books say what it costs, unless an earlier try stands in the way."""
    await books.remember_invoice(Invoice("paystar", "65843148", 160_000, "1"))
    if state is not None:
        books.put(OTHER, state)
    assert await cashier.find_invoice("paystar", "65843148") == (exit, amount)


async def test_an_invoice_that_our_books_do_not_have(books: FakeBooks, cashier: Cashier) -> None:
    """Nobody can pay it, whatever another provider calls by this number."""
    await books.remember_invoice(Invoice("mellat", "65843148", 160_000, "1"))
    assert await cashier.find_invoice("paystar", "65843148") == ("not_found", None)


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN, State.APPROVED])
async def test_no_second_link_while_the_first_may_be_paid(books: FakeBooks, cashier: Cashier, state: State) -> None:
    """Two links of one invoice would be two payments that nobody sees; the second does not leave."""
    books.put(OTHER, state)
    assert await cashier.before_handing_out(ORDER, "c") is Go.REFUSED
    assert books.payments.get("c.1") is None or books.payments["c.1"].state is State.CREATED


async def test_a_link_after_one_that_was_declined(books: FakeBooks, cashier: Cashier) -> None:
    """That one takes no money any more."""
    books.put(OTHER, State.DECLINED)
    assert await cashier.before_handing_out(ORDER, "c") is Go.SEND
    assert await cashier.before_handing_out(ORDER, "c") is Go.SENT_BEFORE


async def test_another_link_becomes_unknown_in_between(books: FakeBooks, cashier: Cashier) -> None:
    """Between the look and the line another try lost its answer: the line is taken back, no link leaves."""
    create = books.create

    async def slow(payment: Payment) -> bool:
        done = await create(payment)
        books.put(OTHER, State.UNKNOWN)
        return done

    books.create = slow  # type: ignore[method-assign]
    assert await cashier.before_handing_out(ORDER, "c") is Go.REFUSED
    assert books.payments["c.1"].state is State.CREATED


async def test_a_verdict_waits_for_the_books(books: FakeBooks) -> None:
    """The bank has taken the money, the book is away for a moment: the answer is not thrown away."""
    cashier = Cashier(books, books, lambda: 1_700_000_000.0, pauses=(0.0, 0.0))
    await cashier.before_sending(ORDER, "c")
    approved = Reply("approved", {}, Outcome.APPROVED, reference="123")
    failures = [Unusable("away"), Unusable("away")]

    async def write() -> bool:
        if failures:
            raise failures.pop()
        return await cashier.answered("c.1", approved)

    assert await cashier.insist(write)
    assert (books.payments["c.1"].state, books.payments["c.1"].reference) == (State.APPROVED, "123")


async def test_a_book_that_stays_away_is_told(books: FakeBooks) -> None:
    """After the last pause whoever asked hears what is wrong."""
    cashier = Cashier(books, books, lambda: 1_700_000_000.0, pauses=(0.0,))
    tries = 0

    async def write() -> bool:
        nonlocal tries
        tries += 1
        raise Unusable("away")

    with pytest.raises(Unusable, match="away"):
        await cashier.insist(write)
    assert tries == 2
