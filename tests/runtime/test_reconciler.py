"""The reconciler: what becomes of a payment whose caller hung up, whose answer got lost, whose process died."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from ivr.domain.errors import BadInput, IvrError, OutcomeUnknown, ProviderUnreachable, Unusable
from ivr.domain.operations import NO_INQUIRY, Operation, Outcome
from ivr.payments.invoice import Invoice
from ivr.payments.port import Journal, Reply, Value
from ivr.payments.state import EntryKind, Payment, State
from ivr.providers import paystar_mellat
from ivr.runtime.deciding import Decision, decide
from ivr.runtime.reconciler import (
    AT_ONCE,
    DELAYS,
    EXPIRED,
    EXPIRY_GRACE,
    HOUR,
    JITTER,
    PROCESS_DIED,
    Reconciler,
)
from ivr.runtime.verdict import Late
from ivr.store.opening import Store, open_reading, open_store
from ivr.store.reading import Reading

SENT, UNANSWERED = EntryKind.SENT, EntryKind.UNANSWERED
PAID = Reply("ok", outcome=Outcome.APPROVED, code="1", reference="123456789012")
REFUSED = Reply("no_funds", outcome=Outcome.DECLINED, code="51")
NOT_YET = Reply("unknown", outcome=Outcome.UNKNOWN)
LOOK = 10_000_000.0
"""Seconds between looks: never in these tests, unless a test lets them pass."""


class Time:
    """A clock that stands still until a test lets time pass."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.sleepers: list[tuple[float, asyncio.Future[None]]] = []
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        sleeper = self.now + seconds, asyncio.get_running_loop().create_future()
        self.sleepers.append(sleeper)
        self.slept.append(seconds)
        try:
            await sleeper[1]
        finally:
            if sleeper in self.sleepers:
                self.sleepers.remove(sleeper)

    def pass_(self, seconds: float) -> None:
        self.now += seconds
        woken = [sleeper for sleeper in self.sleepers if sleeper[0] <= self.now and not sleeper[1].done()]
        self.sleepers = [sleeper for sleeper in self.sleepers if sleeper not in woken]
        for _, sleeper in woken:
            sleeper.set_result(None)


@dataclass
class Bank:
    """A provider that answers inquiries with what a test puts in; NOT_YET when nothing is left."""

    answers: dict[str, list[Reply | Exception]] = field(default_factory=lambda: defaultdict(list))
    asked: list[str] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    door: asyncio.Event | None = None
    operations: Mapping[str, Operation] = field(default_factory=dict)

    async def inquire(self, payment: Payment) -> Reply:
        assert payment.state is State.UNKNOWN
        self.asked.append(payment.id)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await (self.door.wait() if self.door else asyncio.sleep(0))
        finally:
            self.at_once -= 1
        answer = self.answers[payment.id].pop(0) if self.answers[payment.id] else NOT_YET
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        raise AssertionError("the reconciler never sends a payment")

    async def check(self) -> None: ...

    async def close(self) -> None: ...


@dataclass
class World:
    """Everything that a test needs."""

    time: Time
    bank: Bank
    store: Store
    book: Reading
    live: set[str]
    made: list[Reconciler] = field(default_factory=list)

    def reconciler(
        self,
        look_every: float = LOOK,
        inquiry_timeout: float = 60.0,
        lifetimes: Mapping[str, float] | None = None,
    ) -> Reconciler:
        reconciler = Reconciler(
            self.store.journal,
            {"bank": self.bank},
            self.live.__contains__,
            clock=self.time,
            dice=lambda: 0.5,
            sleep=self.time.sleep,
            look_every=look_every,
            inquiry_timeout=inquiry_timeout,
            invoices=self.store.invoices,
            lifetimes=lifetimes,
        )
        self.made.append(reconciler)
        return reconciler

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - several parties must come to rest, none of them says so
                await asyncio.sleep(0.001)

    async def quiet(self, followed: int) -> None:
        """Returns when so many payments wait for their next inquiry, and nothing else goes on."""
        await self.until(
            lambda: (len(self.made[-1].followed), len(self.time.sleepers)) == (followed, followed + 1),
        )

    async def paid_until(self, name: str, *kinds: EntryKind, provider: str = "bank", invoice: str = "") -> None:
        new = Payment(name, "call", provider, invoice or f"i-{name}", None, 1000, State.CREATED, created_at=self.time())
        assert await self.store.journal.create(new)
        for kind in kinds:
            await self.store.journal.append(name, kind, {"reason": "read timeout"} if kind is UNANSWERED else None)

    async def payment(self, name: str) -> Payment:
        found = await self.store.journal.get(name)
        assert found is not None
        return found


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    time = Time()
    async with open_store(tmp_path, time) as store:
        with open_reading(tmp_path) as book:
            yield World(time, Bank(), store, book, set())


@asynccontextmanager
async def running(reconciler: Reconciler) -> AsyncIterator[Reconciler]:
    task = asyncio.create_task(reconciler.run())
    try:
        yield reconciler
    finally:
        reconciler.stop()
        await asyncio.wait_for(task, 5)


@pytest.mark.parametrize(
    ("reply", "state", "reason"), [(PAID, State.APPROVED, "ok"), (REFUSED, State.DECLINED, "no_funds")]
)
async def test_a_payment_whose_process_died(world: World, reply: Reply, state: State, reason: str) -> None:
    """After kill -9 in mid-payment the merchant's books soon say what the bank says."""
    await world.paid_until("p1", SENT)
    world.bank.answers["p1"] = [reply]
    async with running(world.reconciler()) as reconciler:
        await world.quiet(1)
        world.time.pass_(DELAYS[0])
        await world.quiet(0)
        found = await world.payment("p1")
        assert (found.state, found.reason, found.code, found.reference) == (state, reason, reply.code, reply.reference)
        assert (reconciler.tally.approved, reconciler.tally.declined) == (reply is PAID, reply is REFUSED)
    assert world.bank.asked == ["p1"]


async def test_unanswered_is_written_before_the_inquiry(world: World) -> None:
    """Whoever looks at the books meanwhile reads `unknown` and why."""
    await world.paid_until("p1", SENT)
    world.bank.door = asyncio.Event()
    async with running(world.reconciler()):
        await world.quiet(1)
        world.time.pass_(DELAYS[0])
        await world.until(lambda: world.bank.asked == ["p1"])
        found = await world.payment("p1")
    assert (found.state, found.reason) == (State.UNKNOWN, PROCESS_DIED)


async def test_a_living_calls_payment_is_left_alone(world: World) -> None:
    """While the caller still talks to the bank nobody interferes; once the call is lost it is looked after."""
    await world.paid_until("p1", SENT)
    world.live.add("p1")
    world.bank.answers["p1"] = [PAID]
    async with running(world.reconciler(look_every=30)):
        await world.quiet(0)
        world.time.pass_(30)
        await world.quiet(0)
        assert (await world.payment("p1")).state is State.SENT
        world.live.clear()
        world.time.pass_(30)
        await world.quiet(1)
        world.time.pass_(DELAYS[0])
        await world.quiet(0)
        assert (await world.payment("p1")).state is State.APPROVED


async def test_a_nudge_does_not_wait(world: World) -> None:
    """The caller hung up in the middle: the inquiry goes out at once, and the given reason is written."""
    async with running(world.reconciler()) as reconciler:
        await world.quiet(0)
        await world.paid_until("p1", SENT)
        reconciler.nudge("p1", "caller hung up")
        await world.quiet(1)
        assert world.bank.asked == ["p1"]
        found = await world.payment("p1")
        assert (found.state, found.reason) == (State.UNKNOWN, "caller hung up")
        world.bank.answers["p1"] = [PAID]
        reconciler.nudge("p1")
        await world.quiet(0)
        assert (await world.payment("p1")).state is State.APPROVED


async def test_a_nudge_for_a_call_that_still_lives_waits_for_its_end(world: World) -> None:
    """A nudge that comes a moment too early costs no inquiry and is not forgotten."""
    await world.paid_until("p1", SENT)
    world.live.add("p1")
    world.bank.answers["p1"] = [PAID]
    async with running(world.reconciler()) as reconciler:
        await world.quiet(0)
        reconciler.nudge("p1", "caller hung up")
        await world.quiet(1)
        assert world.bank.asked == []
        world.live.clear()
        world.time.pass_(DELAYS[0])
        await world.quiet(0)
        assert (await world.payment("p1")).state is State.APPROVED


@pytest.mark.parametrize(
    "answers",
    [
        [NOT_YET, PAID],
        [Reply("ok"), PAID],
        [OutcomeUnknown("ReadTimeout"), PAID],
        [ProviderUnreachable("ConnectError"), Unusable("no"), PAID],
        [KeyError("a bug in a client"), PAID],
    ],
)
async def test_no_answer_is_asked_for_again(world: World, answers: Sequence[Reply | IvrError]) -> None:
    """A provider that is down, slow, silent or broken: each time a longer wait, until it says something for certain."""
    await world.paid_until("p1", SENT, UNANSWERED)
    world.bank.answers["p1"] = list(answers)
    async with running(world.reconciler()):
        for delay in DELAYS[: len(answers)]:
            await world.quiet(1)
            assert (await world.payment("p1")).state is State.UNKNOWN
            world.time.pass_(delay)
        await world.quiet(0)
        assert (await world.payment("p1")).state is State.APPROVED
    assert [seconds for seconds in world.time.slept if seconds != LOOK] == list(DELAYS[: len(answers)])


async def test_a_hanging_inquiry_is_given_up(world: World) -> None:
    """A client that never returns does not hold its place for ever."""
    await world.paid_until("p1", SENT, UNANSWERED)
    world.bank.door = asyncio.Event()
    async with running(world.reconciler(inquiry_timeout=0.01)):
        await world.quiet(1)
        world.time.pass_(DELAYS[0])
        await world.quiet(1)
        assert (world.bank.asked, world.bank.at_once) == (["p1"], 0)


async def test_after_the_last_try_people_are_called(world: World) -> None:
    """It stays unknown, is counted and logged once, and is not asked about again until a person says so."""
    await world.paid_until("p1", SENT, UNANSWERED)
    with capture_logs() as logs:
        async with running(world.reconciler(look_every=LOOK)) as reconciler:
            for delay in DELAYS:
                await world.quiet(1)
                world.time.pass_(delay)
            await world.quiet(0)
            world.time.pass_(LOOK)
            await world.quiet(0)
            assert (await world.payment("p1")).state is State.UNKNOWN
            assert reconciler.for_people == {"p1"}
            assert (reconciler.tally.left_to_people, reconciler.tally.inquiries) == (1, len(DELAYS))
            world.bank.answers["p1"] = [PAID]
            reconciler.nudge("p1")
            await world.quiet(0)
            assert (await world.payment("p1")).state is State.APPROVED
            assert reconciler.for_people == frozenset()
    left = [line for line in logs if line["event"] == "payment_left_to_people"]
    assert [(line["payment_id"], line["tries"]) for line in left] == [("p1", len(DELAYS))]


async def test_a_restart_does_not_begin_the_plan_anew(world: World) -> None:
    """An old unknown payment reaches people even when the server is restarted every day."""
    await world.paid_until("p1", SENT, UNANSWERED)
    world.time.pass_(sum(DELAYS) + 1)
    async with running(world.reconciler()) as reconciler:
        await world.quiet(1)
        world.time.pass_(DELAYS[0])
        await world.quiet(0)
        assert (world.bank.asked, set(reconciler.for_people)) == (["p1"], {"p1"})


async def test_what_people_were_given_is_theirs_after_a_restart_too(world: World) -> None:
    """The next process asks nobody again: it stands in the book, with how often was asked and what was last said."""
    await world.paid_until("p1", SENT, UNANSWERED)
    world.bank.answers["p1"] = [Reply("pending", outcome=Outcome.UNKNOWN, code="201", reference="77")] * len(DELAYS)
    async with running(world.reconciler()):
        for delay in DELAYS:
            await world.quiet(1)
            world.time.pass_(delay)
        await world.quiet(0)
    assert world.book.entries("p1")[-1]["details"] == {
        "tries": str(len(DELAYS)),
        "exit": "pending",
        "code": "201",
        "reference": "77",
    }
    async with running(world.reconciler()) as reconciler:
        await world.quiet(0)
        assert reconciler.for_people == {"p1"}
    assert len(world.bank.asked) == len(DELAYS)


@pytest.mark.parametrize("declared", [True, False])
async def test_where_there_is_no_inquiry_people_are_called_at_once(world: World, declared: bool) -> None:
    """Nobody waits sixteen hours for answers that cannot come: the provider declares it, or says so when asked."""
    await world.paid_until("p1", SENT)
    if declared:
        world.bank.operations = paystar_mellat.OPERATIONS
    world.bank.answers["p1"] = [Reply("unknown", outcome=Outcome.UNKNOWN, code=NO_INQUIRY)]
    async with running(world.reconciler()) as reconciler:
        await world.quiet(1)
        world.time.pass_(DELAYS[0])
        await world.quiet(0)
        assert (set(reconciler.for_people), reconciler.tally.left_to_people) == ({"p1"}, 1)
        assert (await world.payment("p1")).for_people
    assert len(world.bank.asked) == (0 if declared else 1)


async def test_an_invoice_that_expired_unpaid_closes_its_payment(world: World) -> None:
    """Nobody has to look after it: once it cannot be paid any more, "not paid" is the end of it."""
    await world.store.invoices.remember_invoice(Invoice("bank", "i-p1", 1000, "o", world.time()))
    await world.paid_until("p1", SENT, UNANSWERED)
    not_paid = Reply("not_paid", outcome=Outcome.UNKNOWN, code="201", not_paid=True)
    world.bank.answers["p1"] = [not_paid] * (len(DELAYS) + 1)
    began = world.time()
    async with running(world.reconciler(lifetimes={"bank": 48 * HOUR})) as reconciler:
        for delay in DELAYS:
            await world.quiet(1)
            world.time.pass_(delay)
        await world.quiet(1)
        world.time.pass_(began + 48 * HOUR + EXPIRY_GRACE - world.time())
        await world.quiet(0)
        found = await world.payment("p1")
        assert (found.state, found.reason, found.code) == (State.DECLINED, EXPIRED, "201")
        assert reconciler.for_people == frozenset()


@pytest.mark.parametrize(
    "reply", [NOT_YET, ProviderUnreachable("down"), Reply("wrong_amount", outcome=Outcome.UNKNOWN)]
)
async def test_an_expired_invoice_of_which_the_provider_says_nothing_clear(
    world: World, reply: Reply | IvrError
) -> None:
    """Its end alone proves nothing: it may have been paid a moment before. People look."""
    await world.paid_until("p1", SENT, UNANSWERED)
    world.bank.answers["p1"] = [reply] * (len(DELAYS) + 1)
    world.time.pass_(100 * HOUR)
    async with running(world.reconciler(lifetimes={"bank": HOUR})) as reconciler:
        await world.quiet(1)
        world.time.pass_(DELAYS[0])
        await world.quiet(0)
        assert ((await world.payment("p1")).state, set(reconciler.for_people)) == (State.UNKNOWN, {"p1"})


async def test_a_person_was_quicker_and_wrong(world: World) -> None:
    """The inquiry was under way when a person decided otherwise: that stands, and the book says what the bank said."""
    await world.paid_until("p1", SENT, UNANSWERED)
    world.bank.answers["p1"] = [PAID]
    world.bank.door = asyncio.Event()
    async with running(world.reconciler()) as reconciler:
        await world.quiet(1)
        reconciler.nudge("p1")
        await world.until(lambda: world.bank.asked == ["p1"])
        await decide(world.store.journal, Decision("p1", False, "maryam", "not in the list"))
        world.bank.door.set()
        await world.quiet(0)
        assert reconciler._late.contradictions == 1
    assert (await world.payment("p1")).state is State.DECLINED
    last = world.book.entries("p1")[-1]
    assert (last["kind"], last["details"]["says"]) == ("contradicted", "approved")


async def test_what_a_person_resolved_leaves_the_queue(world: World) -> None:
    """Nobody is sent after a payment that is already decided."""
    await world.paid_until("p1", SENT, UNANSWERED)
    world.time.pass_(sum(DELAYS) + 1)
    async with running(world.reconciler()) as reconciler:
        await world.quiet(1)
        world.time.pass_(DELAYS[0])
        await world.quiet(0)
        await world.store.journal.append("p1", EntryKind.DECLINED, {"reason": "settlement file"})
        world.time.pass_(LOOK)
        await world.quiet(0)
        assert reconciler.for_people == frozenset()


async def test_the_calls_own_answer_wins(world: World) -> None:
    """The answer came while we inquired: it stays, and nothing breaks."""
    await world.paid_until("p1", SENT, UNANSWERED)
    world.bank.answers["p1"] = [REFUSED]
    world.bank.door = asyncio.Event()
    async with running(world.reconciler()) as reconciler:
        await world.quiet(1)
        reconciler.nudge("p1")
        await world.until(lambda: world.bank.asked == ["p1"])
        await world.store.journal.append("p1", EntryKind.APPROVED, {"reference": "first"})
        world.bank.door.set()
        await world.quiet(0)
        found = await world.payment("p1")
    assert (found.state, found.reference) == (State.APPROVED, "first")


async def test_a_payment_that_was_decided_meanwhile_is_not_asked_about(world: World) -> None:
    """The callback came first: the provider is not troubled."""
    await world.paid_until("p1", SENT)
    async with running(world.reconciler()) as reconciler:
        await world.quiet(1)
        await world.store.journal.append("p1", EntryKind.DECLINED)
        world.time.pass_(DELAYS[0])
        await world.quiet(0)
        reconciler.nudge("nobody")
        await world.quiet(0)
    assert world.bank.asked == []


async def test_an_entry_that_the_journal_refuses_reaches_people(world: World) -> None:
    """Even a fault of our own ends with a person who looks, and not in silence."""

    class Refusing:
        def __getattr__(self, name: str) -> object:
            return getattr(world.store.journal, name)

        async def append(
            self, payment_id: str, kind: EntryKind, details: object = None, *, sole: bool = False
        ) -> Payment:
            raise BadInput("a fault of ours")

    await world.paid_until("p1", SENT, UNANSWERED)
    world.bank.answers["p1"] = [PAID, PAID]
    reconciler = world.reconciler()
    reconciler._journal = cast(Journal, Refusing())
    reconciler._late = Late(reconciler._journal)
    world.time.pass_(sum(DELAYS) + 1)
    with capture_logs() as logs:
        async with running(reconciler):
            await world.quiet(1)
            world.time.pass_(DELAYS[0])
            await world.quiet(0)
    assert [line["event"] for line in logs] == ["entry_refused", "journal_unusable", "payment_left_to_people"]


async def test_an_outage_does_not_become_a_storm(world: World) -> None:
    """A hundred open payments after an outage: the provider sees a few inquiries at a time."""
    for number in range(100):
        await world.paid_until(f"p{number}", SENT)
        world.bank.answers[f"p{number}"] = [PAID]
    async with running(world.reconciler()) as reconciler:
        await world.quiet(100)
        world.time.pass_(DELAYS[0])
        await world.quiet(0)
        assert reconciler.tally.approved == 100
    assert world.bank.most_at_once == AT_ONCE
    assert len(world.bank.asked) == 100


@pytest.mark.parametrize(("thrown", "factor"), [(0.0, 1 - JITTER), (0.5, 1.0), (1.0, 1 + JITTER)])
async def test_delays_are_shaken(world: World, thrown: float, factor: float) -> None:
    """Payments of one outage do not come back to the provider in one wave."""
    await world.paid_until("p1", SENT)
    reconciler = world.reconciler()
    reconciler._dice = lambda: thrown
    async with running(reconciler):
        await world.quiet(1)
    assert DELAYS[0] * factor in [pytest.approx(seconds) for seconds in world.time.slept]


async def test_a_provider_that_is_no_longer_configured(world: World) -> None:
    """It becomes unknown and is named in the log; the others go on."""
    await world.paid_until("p1", SENT, provider="gone")
    await world.paid_until("p2", SENT)
    world.bank.answers["p2"] = [PAID]
    with capture_logs() as logs:
        await world.reconciler().once()
    assert (await world.payment("p1")).state is State.UNKNOWN
    assert (await world.payment("p2")).state is State.APPROVED
    assert {"event": "provider_not_configured", "payment_id": "p1", "provider": "gone"}.items() <= logs[0].items()


async def test_an_invoice_that_was_paid_twice_is_called_out(world: World) -> None:
    """The first try was unknown, the caller paid again, and both went through: somebody must refund one."""
    await world.paid_until("p1", SENT, UNANSWERED, invoice="same")
    await world.paid_until("p2", SENT, EntryKind.APPROVED, invoice="same")
    world.bank.answers["p1"] = [PAID]
    reconciler = world.reconciler()
    with capture_logs() as logs:
        await reconciler.once()
    assert reconciler.tally.paid_twice == 1
    assert [line["payment_ids"] for line in logs if line["event"] == "invoice_paid_twice"] == [["p1", "p2"]]


async def test_a_strange_answer_does_not_keep_the_money_out_of_the_books(world: World) -> None:
    """A reference like a card number or a page of text is cut and masked; approved is approved."""
    await world.paid_until("p1", SENT)
    world.bank.answers["p1"] = [Reply("ok", outcome=Outcome.APPROVED, code="x" * 5000, reference="6037701689095443")]
    await world.reconciler().once()
    found = await world.payment("p1")
    assert (found.state, found.reference) == (State.APPROVED, "603770••••••5443")


async def test_once_leaves_living_calls_alone(world: World) -> None:
    """A person asks to reconcile in the middle of the day: callers who are paying notice nothing."""
    await world.paid_until("p1", SENT)
    world.live.add("p1")
    await world.reconciler().once()
    assert ((await world.payment("p1")).state, world.bank.asked) == (State.SENT, [])


async def test_a_journal_that_fails_for_a_while(world: World, tmp_path: Path) -> None:
    """A full disk: no try is used up by it, and the search goes on afterwards."""
    await world.paid_until("p1", SENT)
    world.bank.answers["p1"] = [PAID]
    async with running(world.reconciler(look_every=30)):
        await world.quiet(1)
        (tmp_path / "ivr.sqlite").rename(tmp_path / "away")
        with capture_logs() as logs:
            world.time.pass_(DELAYS[0])
            await world.quiet(1)
            world.time.pass_(30)
            await world.quiet(1)
        assert {line["event"] for line in logs} == {"journal_unusable"}
        (tmp_path / "away").rename(tmp_path / "ivr.sqlite")
        world.time.pass_(DELAYS[0])
        await world.quiet(0)
        assert (await world.payment("p1")).state is State.APPROVED


async def test_stopping_leaves_what_is_open(world: World) -> None:
    """A stop comes at once, and the next process finds the payment where it was."""
    await world.paid_until("p1", SENT, UNANSWERED)
    async with running(world.reconciler()) as reconciler:
        await world.quiet(1)
    assert world.time.sleepers == []
    reconciler.nudge("p1")
    assert (await world.payment("p1")).state is State.UNKNOWN
    assert world.bank.asked == []
