"""Whatever two workers write into one book, in whatever order: an invoice is sent once at a time and approved once.

Answers come twice, late, and contradict each other; people decide meanwhile; the clock jumps. Only a bank that says of
two tries that each was paid can make two approvals, and then the audit says so.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from ivr.domain.errors import Illegal
from ivr.domain.operations import Outcome
from ivr.flow.commands import PaymentOrder
from ivr.payments.port import Reply
from ivr.payments.state import EntryKind, Payment, State
from ivr.runtime.cashier import Cashier, Go
from ivr.runtime.deciding import Decision, decide
from ivr.runtime.verdict import Late
from tests.clock import Clock
from tests.store.two_workers import Hand, Make, in_a_database, in_a_file

T = TypeVar("T")

DECIDED = (State.APPROVED, State.DECLINED)
WORKERS = st.sampled_from([0, 1])
INVOICES = st.sampled_from(["65843148", "65843149"])
OUTCOMES = st.sampled_from(list(Outcome))
WHICH = st.integers(0, 10)


class TwoWorkers(RuleBasedStateMachine):
    """`make` says which kind of store."""

    make: Make

    def __init__(self) -> None:
        super().__init__()
        self._loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.orders: list[PaymentOrder] = []
        self.sends: Counter[str] = Counter()
        """How often somebody was told to send this payment."""
        self.unsent: Counter[str] = Counter()
        self.decided: dict[str, State] = {}
        self.by_own_word: set[str] = set()
        """Payments of which the bank said itself, of this very try, that it was paid."""

    @initialize()
    def opens(self) -> None:
        self._opened = type(self).make(self.clock)
        self.shared = self._do(self._opened.__aenter__())
        self.cashiers = [
            Cashier(one.journal, one.invoices, self.clock, Late(one.journal)) for one in self.shared.workers
        ]

    def teardown(self) -> None:
        if hasattr(self, "shared"):
            self._do(self._opened.__aexit__(None, None, None))
        self._loop.close()

    # -- what happens -------------------------------------------------------------------------------------------------

    @rule(worker=WORKERS, invoice=INVOICES)
    def somebody_pays(self, worker: int, invoice: str) -> None:
        order = self._order(invoice)
        self._told(order, self._do(self.cashiers[worker].before_sending(order, "call")))

    @rule(invoice=INVOICES)
    def a_try_is_lost_and_made_again(self, invoice: str) -> None:
        self.somebody_pays(0, invoice)
        self.nobody_answers(0, invoice)
        self.somebody_pays(1, invoice)

    @rule(invoice=INVOICES)
    def two_pay_at_the_same_moment(self, invoice: str) -> None:
        orders = [self._order(invoice), self._order(invoice)]
        told = self._at_once(*(c.before_sending(o, "call") for c, o in zip(self.cashiers, orders, strict=True)))
        assert [*told].count(Go.SEND) <= 1
        for order, go in zip(orders, told, strict=True):
            self._told(order, go)

    @precondition(lambda self: self.orders)
    @rule(which=WHICH)
    def both_take_the_same_payment_over(self, which: int) -> None:
        order = self._one(which)
        for go in self._at_once(*(cashier.before_sending(order, "call") for cashier in self.cashiers)):
            self._told(order, go)

    @precondition(lambda self: self.orders)
    @rule(worker=WORKERS, which=WHICH, outcome=OUTCOMES, of_invoice=st.booleans(), times=st.integers(1, 2))
    def an_answer_comes(self, worker: int, which: int, outcome: Outcome, of_invoice: bool, times: int) -> None:
        order = self._one(which)
        for _ in range(times):
            self._do(self.cashiers[worker].answered(order.id, self._reply(order, outcome, of_invoice)))

    @precondition(lambda self: self.orders)
    @rule(which=WHICH, one=OUTCOMES, other=OUTCOMES, of_invoice=st.booleans())
    def two_answers_meet(self, which: int, one: Outcome, other: Outcome, of_invoice: bool) -> None:
        order = self._one(which)
        replies = [self._reply(order, outcome, of_invoice) for outcome in (one, other)]
        self._at_once(*(c.answered(order.id, reply) for c, reply in zip(self.cashiers, replies, strict=True)))

    @rule(invoice=INVOICES, outcome=OUTCOMES)
    def every_open_try_is_asked_about(self, invoice: str, outcome: Outcome) -> None:
        reply = Reply("paid", {}, outcome, "1", "77", of_invoice=True)
        for payment in self._do(self._tries(invoice)):
            if payment.state in (State.SENT, State.UNKNOWN):
                self._at_once(*(Late(one.journal).answered(payment.id, reply) for one in self.shared.workers))

    @rule(worker=WORKERS, invoice=INVOICES)
    def nobody_answers(self, worker: int, invoice: str) -> None:
        for payment in self._do(self._tries(invoice)):
            self._do(self.cashiers[worker].unanswered(payment.id, "read timeout"))

    @precondition(lambda self: self.orders)
    @rule(worker=WORKERS, which=WHICH)
    def nothing_had_left(self, worker: int, which: int) -> None:
        order = self._one(which)
        if self._state(order.id) is State.SENT:
            self.unsent[order.id] += 1
        self._do(self.cashiers[worker].unsent(order.id, "busy"))

    @rule(worker=WORKERS, invoice=INVOICES, outcome=OUTCOMES, named=st.booleans(), which=WHICH)
    def a_callback_comes(self, worker: int, invoice: str, outcome: Outcome, named: bool, which: int) -> None:
        transaction = self._one(which).transaction_id if named and self.orders else None
        reply = Reply("paid", outcome=outcome, of_invoice=True)
        late = Late(self.shared.workers[worker].journal)
        self._do(late.take("paystar", invoice, reply, transaction_id=transaction))

    @precondition(lambda self: self.orders)
    @rule(worker=WORKERS, which=WHICH)
    def it_is_left_to_people(self, worker: int, which: int) -> None:
        with suppress(Illegal):
            self._do(self._append(worker, self._one(which).id))

    @precondition(lambda self: self.orders)
    @rule(which=WHICH, approved=st.booleans())
    def two_people_decide(self, which: int, approved: bool) -> None:
        payment_id = self._one(which).id
        decisions = [Decision(payment_id, yes, "sara", "seen in the bank's list") for yes in (approved, not approved)]
        both = zip(self.shared.workers, decisions, strict=True)
        assert sum(self._at_once(*(_decides(worker, decision) for worker, decision in both))) <= 1

    @rule(seconds=st.sampled_from([-86_400.0, -1.0, 0.0, 0.001, 30.0, 86_400.0]))
    def the_clock_jumps(self, seconds: float) -> None:
        self.clock.now += seconds

    # -- what must be true --------------------------------------------------------------------------------------------

    @invariant()
    def the_books_are_true(self) -> None:
        if not hasattr(self, "shared"):
            return
        with self.shared.reading() as book:
            payments, audit = list(book.each()), book.audit()
        tries: dict[str, list[Payment]] = defaultdict(list)
        sums: Counter[str] = Counter()
        for payment in payments:
            tries[payment.invoice_id].append(payment)
            sums[payment.state.value] += payment.amount_rial or 0
            assert payment.state is self.decided.get(payment.id, payment.state), "a decision was changed"
            if payment.state in DECIDED:
                self.decided[payment.id] = payment.state
            assert not payment.for_people or payment.state is State.UNKNOWN
            # told to send, told that nothing had left: whoever is told once more knows of that
            assert self.sends[payment.id] <= 1 + self.unsent[payment.id], "sent twice"
        twice = set()
        for invoice, all_ in tries.items():
            assert sum(one.state is State.SENT for one in all_) <= 1, "two are sent at once"
            approved = [one.id for one in all_ if one.state is State.APPROVED]
            if len(approved) > 1:
                assert len(self.by_own_word.intersection(approved)) >= len(approved) - 1, "nobody said so of each"
                twice.add(invoice)
        assert {finding.about for finding in audit.findings if finding.kind == "two_approvals"} == twice
        # a bank that approved two tries of one invoice is told of; nothing else may be found
        assert {finding.kind for finding in audit.findings} <= {"two_approvals"}
        assert {state: rial for state, rial in audit.sums.items() if rial} == {
            s: rial for s, rial in sums.items() if rial
        }

    # -- helpers ------------------------------------------------------------------------------------------------------

    def _order(self, invoice: str) -> PaymentOrder:
        number = len(self.orders) + 1
        self.orders.append(PaymentOrder(f"call.{number}", "paystar", invoice, f"{70_000_000 + number}", 1000 * number))
        return self.orders[-1]

    def _one(self, which: int) -> PaymentOrder:
        return self.orders[which % len(self.orders)]

    def _reply(self, order: PaymentOrder, outcome: Outcome, of_invoice: bool) -> Reply:
        if outcome is Outcome.APPROVED and not of_invoice and self._state(order.id) in (State.SENT, State.UNKNOWN):
            self.by_own_word.add(order.id)
        return Reply("answered", {}, outcome, "1", "77", of_invoice=of_invoice)

    def _told(self, order: PaymentOrder, go: Go) -> None:
        self.sends[order.id] += go is Go.SEND

    def _state(self, payment_id: str) -> State | None:
        payment = self._do(self._get(payment_id))
        return None if payment is None else payment.state

    async def _get(self, payment_id: str) -> Payment | None:
        return await self.shared.workers[0].journal.get(payment_id)

    async def _tries(self, invoice: str) -> Sequence[Payment]:
        return await self.shared.workers[0].journal.for_invoice("paystar", invoice)

    async def _append(self, worker: int, payment_id: str) -> None:
        await self.shared.workers[worker].journal.append(payment_id, EntryKind.HANDED_OVER)

    def _do(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(work)

    def _at_once(self, *work: Coroutine[Any, Any, T]) -> list[T]:
        async def both() -> list[T]:
            return await asyncio.gather(*work)

        return self._do(both())


async def _decides(worker: Hand, decision: Decision) -> bool:
    try:
        await decide(worker.journal, decision)
    except Illegal:
        return False
    return True


@pytest.mark.parametrize(("kind", "examples"), [("sqlite", 40), ("postgres", 8)])
def test_two_workers_keep_one_book(kind: str, examples: int, request: pytest.FixtureRequest) -> None:
    """Nothing that two workers, providers, people and clocks do to the books makes them untrue."""
    make = in_a_file if kind == "sqlite" else in_a_database(request.getfixturevalue("postgres"))
    machine = type("Machine", (TwoWorkers,), {"make": staticmethod(make)})
    run_state_machine_as_test(machine, settings=settings(max_examples=examples, stateful_step_count=25, deadline=None))
