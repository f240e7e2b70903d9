"""A USSD provider calls back: what is asked, what is written, and what whoever called is told."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import OutcomeUnknown, ProviderUnreachable, Unusable
from ivr.domain.operations import Operation, Outcome
from ivr.payments.port import Reply
from ivr.payments.state import EntryKind, Payment, State
from ivr.providers import inoti
from ivr.runtime.callbacks import LEAST_PAUSE
from ivr.runtime.reconciler import EXPIRED, Reconciler
from ivr.runtime.ussd_callback import AT_ONCE, IN_A_ROW, Heard, Settled, UssdCallbacks
from ivr.runtime.verdict import Late
from tests.fakes import FakeBooks, FakeProvider

MINE = "09121234567"
HEARD = Heard("ussd", "123", MINE, "65843148", "7654321", "123456789012")
PAID = Reply("verified", {}, Outcome.APPROVED, "1", "123456789012", receipt="ref-1")
NOT_THERE = Reply("not_verified", {}, Outcome.UNKNOWN, "none", not_paid=True)
SENT = Payment("p", "ussd-123", "ussd", "65843148", f"123|{MINE}", 160_000, State.CREATED, payer=MINE)


class Gateway(FakeProvider):
    """One that calls back."""

    def __init__(self, operations: Mapping[str, Operation]) -> None:
        super().__init__(operations)
        self.said: list[Mapping[str, str]] = []

    async def verify(self, payment: Payment, said: Mapping[str, str]) -> Reply:
        self.said.append(said)
        return await self.ask("verify", {})


@dataclass
class Outside:
    """Callbacks around a book and a gateway, with a real reconciler in between."""

    books: FakeBooks = field(default_factory=FakeBooks)
    gateway: Gateway = field(default_factory=lambda: Gateway(inoti.OPERATIONS))
    now: float = 0.0

    def __post_init__(self) -> None:
        self.late = Late(self.books)
        self.reconciler = Reconciler(
            self.books, {"ussd": self.gateway}, lambda _: False, clock=time.time, dice=lambda: 0.5, late=self.late
        )
        self.callbacks = UssdCallbacks(self.books, self.reconciler, lambda: self.now)

    def answers(self, *replies: Reply | Exception) -> None:
        self.gateway.answers["verify"] += replies

    async def hears(self, **other: str) -> Settled:
        return await self.callbacks.settle(replace(HEARD, **other))


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN])
async def test_paid(outside: Outside, state: State) -> None:
    """The provider is asked for exactly what was said, and its answer is written with the reference and the receipt."""
    outside.books.put(SENT, state)
    outside.answers(PAID)
    assert await outside.hears() is Settled.PAID
    assert outside.gateway.said == [{"their_factor": "7654321", "rrn": "123456789012"}]
    assert outside.books.entries == [
        (
            "p",
            EntryKind.APPROVED,
            {"reason": "verified", "code": "1", "reference": PAID.reference, "receipt": "ref-1", "by": "callback"},
        )
    ]
    assert outside.reconciler.tally.approved == 1


async def test_again_and_again(outside: Outside) -> None:
    """It is settled once; who comes again hears the same, and nobody is asked again."""
    outside.books.put(SENT, State.SENT)
    outside.answers(PAID)
    assert [await outside.hears() for _ in range(5)] == [Settled.PAID] * 5
    assert await outside.hears(rrn="0123456789012") is Settled.PAID
    assert len(outside.books.entries) == len(outside.gateway.said) == 1


async def test_one_link_is_paid_twice(outside: Outside) -> None:
    """The provider confirms another RRN of a payment that is approved: people are told that a refund is due, once."""
    outside.books.put(SENT, State.SENT)
    outside.answers(PAID, replace(PAID, reference="222222222222", receipt="ref-2"))
    assert await outside.hears() is Settled.PAID
    outside.answers(replace(PAID, reference="222222222222"))
    assert [await outside.hears(rrn="222222222222") for _ in range(2)] == [Settled.NOT_CONFIRMED] * 2
    assert [kind for _, kind, _ in outside.books.entries] == [EntryKind.APPROVED, EntryKind.CONTRADICTED]
    assert outside.books.entries[1][2]["reference"] == "222222222222"
    assert outside.reconciler.tally.paid_twice == 1 and outside.late.contradictions == 1


async def test_two_at_the_same_moment(outside: Outside) -> None:
    """One line."""
    outside.books.put(SENT, State.SENT)
    outside.answers(PAID, PAID)
    assert [*await asyncio.gather(outside.hears(), outside.hears())] == [Settled.PAID] * 2
    assert len(outside.books.entries) == 1 and outside.late.contradictions == 0


@pytest.mark.parametrize(
    "other",
    [{"session": "124"}, {"mobile": "09121234568"}, {"our_factor": "65843149"}, {"provider": "pod"}, {"session": ""}]
    + [{"our_factor": odd} for odd in ("", "x", "6584314\0", "\udc80", "۶۵۸۴۳۱۴۸", "1" * 99)],
    ids=repr,
)
async def test_a_payment_that_we_never_asked_for(outside: Outside, other: dict[str, str]) -> None:
    """It costs no request, however often it comes."""
    outside.books.put(SENT, State.SENT)
    assert {await outside.hears(**other) for _ in range(99)} == {Settled.UNKNOWN_PAYMENT}
    assert outside.gateway.said == [] and outside.books.entries == []
    outside.answers(PAID)
    assert await outside.hears() is Settled.PAID


async def test_a_payment_that_never_left(outside: Outside) -> None:
    """No session was told to pay."""
    outside.books.put(SENT, State.CREATED)
    assert await outside.hears() is Settled.UNKNOWN_PAYMENT


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN, State.DECLINED])
async def test_a_forged_callback(outside: Outside, state: State) -> None:
    """Everything agrees but what only the provider knows: nothing changes. The true one that comes after it counts."""
    outside.books.put(SENT, state)
    outside.answers(replace(NOT_THERE, code="near", not_paid=False))
    assert await outside.hears(rrn="1") is Settled.NOT_CONFIRMED
    assert outside.books.states() == [state] and outside.books.entries == [] and not outside.reconciler.followed
    if state is not State.DECLINED:
        outside.answers(PAID)
        assert await outside.hears() is Settled.PAID


async def test_a_forged_callback_of_what_is_paid(outside: Outside) -> None:
    """Whoever does not know the bank's number hears and changes nothing: the provider knows no such payment."""
    outside.books.put(replace(SENT, reference="123456789012"), State.APPROVED)
    outside.answers(NOT_THERE)
    assert await outside.hears(rrn="1") is Settled.NOT_CONFIRMED and await outside.hears() is Settled.PAID
    assert outside.gateway.said == [{"their_factor": "7654321", "rrn": "1"}] and outside.books.entries == []


async def test_the_provider_is_not_asked_too_often(outside: Outside) -> None:
    """A few times in a row, then once in a while."""
    outside.books.put(SENT, State.UNKNOWN)
    outside.answers(*[NOT_THERE] * (IN_A_ROW + 1))
    for _ in range(3 * IN_A_ROW):
        assert await outside.hears() is Settled.NOT_CONFIRMED
    assert len(outside.gateway.said) == IN_A_ROW
    outside.now += LEAST_PAUSE
    await outside.hears()
    assert len(outside.gateway.said) == IN_A_ROW + 1


async def test_all_callbacks_together(outside: Outside) -> None:
    """So many at once; the next one may come again."""
    for number in range(AT_ONCE + 1):
        outside.books.put(replace(SENT, id=f"p{number}", invoice_id=str(number)), State.SENT)
    outside.answers(*[PAID] * (AT_ONCE + 1))
    said = [await outside.hears(our_factor=str(number)) for number in range(AT_ONCE + 1)]
    assert said == [*[Settled.PAID] * AT_ONCE, Settled.NOT_CONFIRMED]
    outside.now += 1
    assert await outside.hears(our_factor=str(AT_ONCE)) is Settled.PAID


@pytest.mark.parametrize("fault", [OutcomeUnknown("read timeout"), ProviderUnreachable("refused")], ids=repr)
async def test_the_provider_is_silent(outside: Outside, fault: Exception) -> None:
    """The reconciler goes on, without the callback; what was said is not believed."""
    outside.books.put(SENT, State.UNKNOWN)
    outside.answers(fault)
    with capture_logs() as lines:
        assert await outside.hears() is Settled.NOT_CONFIRMED
    assert "callback_not_verified" in [line["event"] for line in lines] and "123456789012" not in repr(lines)
    assert outside.reconciler.followed == {"p"} and outside.books.states() == [State.UNKNOWN]
    outside.gateway.answers["inquire"].append(PAID)
    await outside.reconciler.once()
    assert outside.books.states() == [State.APPROVED]
    for task in outside.reconciler._followed.values():
        task.cancel()


async def test_paid_too_late(outside: Outside) -> None:
    """Our books had closed the invoice: the decision stays, and what says otherwise is written beside it, once."""
    outside.books.put(replace(SENT, reason=EXPIRED), State.DECLINED)
    outside.answers(PAID, PAID)
    for _ in range(2):
        assert await outside.hears() is Settled.NOT_CONFIRMED
    assert [kind for _, kind, _ in outside.books.entries] == [EntryKind.CONTRADICTED]
    assert outside.late.contradictions == 1


async def test_another_session_has_paid_the_invoice_meanwhile(outside: Outside) -> None:
    """Two payers, two records at the provider: money has come twice, and people are told."""
    outside.books.put(SENT, State.DECLINED)
    outside.books.put(replace(SENT, id="q", transaction_id=f"124|{MINE}", reference="5"), State.APPROVED)
    outside.answers(PAID)
    assert await outside.hears() is Settled.NOT_CONFIRMED
    assert outside.late.contradictions == 1


async def test_the_open_one_of_a_session_that_tried_twice(outside: Outside) -> None:
    """A declined try of the same name is not in the way."""
    outside.books.put(SENT, State.DECLINED)
    outside.books.put(replace(SENT, id="q"), State.SENT)
    outside.answers(PAID)
    assert await outside.hears() is Settled.PAID and outside.books.states() == [State.DECLINED, State.APPROVED]


async def test_our_own_books_fail(outside: Outside) -> None:
    """Whoever calls back is to come again."""
    outside.books.put(SENT, State.SENT)
    outside.answers(PAID)
    outside.books.breaks.on("append", Unusable("disk full"))
    with pytest.raises(Unusable):
        await outside.hears()
    assert outside.books.states() == [State.SENT]


async def test_a_process_that_ends_asks_nobody(outside: Outside) -> None:
    """The next one finds the payment as it stands."""
    outside.books.put(SENT, State.SENT)
    outside.reconciler.stop()
    assert await outside.hears() is Settled.NOT_CONFIRMED and outside.gateway.said == []
