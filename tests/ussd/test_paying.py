"""A user agrees to pay: the network is told once what to ask for, whatever dies, and the books have it before."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from ivr.domain.operations import Outcome
from ivr.flow.model import Service
from ivr.payments.invoice import Invoice
from ivr.payments.port import Reply
from ivr.payments.state import Payment, State
from ivr.providers import inoti
from ivr.runtime.verdict import write_verdict
from ivr.store.opening import Store, open_store
from ivr.store.shared import Shared
from ivr.ussd.holding import HOLD
from tests.clock import Clock
from tests.fakes import FakeProvider
from tests.store.conftest import Books
from tests.ussd.world import MOBILE, Network, dies, shipped_dialplan, words_of

FACTOR, AMOUNT = "65843148", 160_000
PAY = Service("pay", (("6655", "124"),), "pay_invoice", "fa", {"merchant_phone": "2191071390"})
ASKED = f"9900|{FACTOR}|{AMOUNT}"


@pytest.fixture
async def till(books: Books, tmp_path: Path) -> AsyncIterator[Network]:
    """`pay_invoice`, and an invoice of ours."""
    clock, provider = Clock(), FakeProvider(inoti.OPERATIONS)
    async with open_store(tmp_path, clock, books.shared) as store:
        await store.invoices.remember_invoice(Invoice("ussd", FACTOR, AMOUNT, "A-1", clock()))
        network = Network(store, shipped_dialplan(PAY), clock, PAY, providers={"ussd": provider})
        provider.answers["inquire"] += [Reply("unknown")] * 10
        yield network


async def payments(store: Store) -> Sequence[Payment]:
    return await store.journal.for_invoice("ussd", FACTOR)


async def test_to_the_letter(till: Network) -> None:
    """`9900|factor|rial`, once the user has seen the amount and agreed; the same again for the same request."""
    desk = till.desk()
    assert words_of("invoice/enter_number") in await till.sends(desk)
    shown = await till.sends(desk, FACTOR)
    assert "160,000" in shown and words_of("screen/send_link") in shown
    for _ in range(3):
        assert await till.sends(till.desk(), FACTOR, "1") == ASKED
    [payment] = await payments(till.store)
    assert (payment.state, payment.transaction_id, payment.payer) == (State.UNKNOWN, f"s1|{MOBILE}", MOBILE)
    assert await till.sends(desk, FACTOR, "1", "1") == ASKED  # the network has not heard of it, or nobody could answer
    assert len(await payments(till.store)) == 1


async def test_a_link_of_what_is_paid(till: Network) -> None:
    """The network repeats a request when the payer has paid: no second link of the same payment leaves."""
    desk = till.desk()
    await till.sends(desk, FACTOR)
    assert await till.sends(desk, FACTOR, "1") == ASKED
    [payment] = await payments(till.store)
    await write_verdict(till.store.journal, payment.id, Reply("verified", {}, Outcome.APPROVED, "1", "123456789012"))
    assert await till.sends(desk, FACTOR, "1") == words_of("screen/over")
    assert await till.sends(desk, FACTOR, "1", "1") == words_of("screen/over")


async def test_who_comes_back_after_a_link_that_may_have_left(till: Network) -> None:
    """The books know it by the earlier session's name, and only by that is it found: no link leaves under another."""
    desk = till.desk()
    await till.sends(desk)
    await till.sends(desk, FACTOR)
    dying = DiesAt(till, 2, written=False)
    one = till.desk(dying)  # type: ignore[arg-type]
    lost = asyncio.create_task(till.sends(one, FACTOR, "1"))
    async with asyncio.timeout(20):
        await dying.reached.wait()
    await dies(one, lost)
    till.clock.now += HOLD + 1
    assert words_of("screen/goes_on") in await till.sends(till.desk(), session="s2")
    assert words_of("link/unresolved")[:20] in await till.sends(till.desk(), "1", session="s2")
    assert [payment.transaction_id for payment in await payments(till.store)] == [f"s1|{MOBILE}"]


async def test_nobody_pays_for_what_they_have_not_seen(till: Network) -> None:
    """Number and agreement in the dialled string: the amount is shown, and nothing is written."""
    assert "160,000" in await till.sends(till.desk(), FACTOR, "1", "1")
    assert await payments(till.store) == []


class DiesAt:
    """The store of a process that is gone in the middle of one of its writes."""

    def __init__(self, till: Network, number: int, *, written: bool) -> None:
        self._screens = till.store.screens
        self._left = number
        self._written = written
        self.reached = asyncio.Event()

    def __getattr__(self, name: str) -> object:
        real = getattr(self._screens, name)
        if name != "put":
            return real

        async def put(*arguments: object, **named: object) -> object:
            self._left -= 1
            if self._left == 0:
                if self._written:
                    await real(*arguments, **named)
                self.reached.set()
                await asyncio.Event().wait()
            return await real(*arguments, **named)

        return put


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("number", [1, 2])
async def test_a_process_that_dies_on_the_way(till: Network, number: int, written: bool) -> None:
    """Before the books have it, after it, after the answer was kept: the repeated request asks for the money once."""
    desk = till.desk()
    await till.sends(desk)
    await till.sends(desk, FACTOR)
    dying = DiesAt(till, number, written=written)
    one = till.desk(dying)  # type: ignore[arg-type]
    lost = asyncio.create_task(till.sends(one, FACTOR, "1"))
    async with asyncio.timeout(20):
        await dying.reached.wait()
    await dies(one, lost)
    till.clock.now += HOLD + 1
    shown = await till.sends(till.desk(), FACTOR, "1")
    assert shown == ASKED
    assert [payment.transaction_id for payment in await payments(till.store)] == [f"s1|{MOBILE}"]


@pytest.mark.parametrize("books", ["postgres"], indirect=True)
@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("number", [1, 2])
async def test_another_process_goes_on(till: Network, books: Books, tmp_path: Path, number: int, written: bool) -> None:
    """The same where several processes share the books: the other one asks for the money, once."""
    assert books.shared is not None
    (tmp_path / "b").mkdir()
    async with open_store(tmp_path / "b", till.clock, Shared(books.shared.conninfo, "b")) as other:
        await till.sends(till.desk(), FACTOR)
        dying = DiesAt(till, number, written=written)
        one = till.desk(dying)  # type: ignore[arg-type]
        lost = asyncio.create_task(till.sends(one, FACTOR, "1"))
        async with asyncio.timeout(20):
            await dying.reached.wait()
        await dies(one, lost)
        till.clock.now += HOLD + 1
        assert await till.sends(till.desk(store=other), FACTOR, "1") == ASKED
        assert [payment.transaction_id for payment in await payments(other)] == [f"s1|{MOBILE}"]


async def test_a_request_that_waits_while_the_process_begins_again(till: Network) -> None:
    """It does not show what was shown before, as if nothing had been agreed to: it goes on where the process died."""
    await till.sends(till.desk())
    await till.sends(till.desk(), FACTOR)
    dying = DiesAt(till, 1, written=True)
    one = till.desk(dying)  # type: ignore[arg-type]
    lost = asyncio.create_task(till.sends(one, FACTOR, "1"))
    async with asyncio.timeout(20):
        await dying.reached.wait()
    await dies(one, lost)
    waiting = asyncio.create_task(till.sends(till.desk(), FACTOR, "1"))
    await asyncio.sleep(0.2)
    await till.store.screens.let_go()
    assert await waiting == ASKED
    assert len(await payments(till.store)) == 1


@pytest.mark.parametrize("books", ["postgres"], indirect=True)
async def test_two_processes_hear_the_agreement_at_once(till: Network, books: Books, tmp_path: Path) -> None:
    """Of different names, before the same books: one payment, and the same words from both."""
    assert books.shared is not None
    (tmp_path / "b").mkdir()
    async with open_store(tmp_path / "b", till.clock, Shared(books.shared.conninfo, "b")) as other:
        desks = [till.desk(), till.desk(store=other)]
        await till.sends(desks[0])
        await till.sends(desks[1], FACTOR)
        shown = await asyncio.gather(*(till.sends(desk, FACTOR, "1") for desk in (*desks, *desks)))
        assert set(shown) == {ASKED}
        assert len(await payments(other)) == 1


async def test_two_users_and_one_invoice(till: Network) -> None:
    """The second one reads that it is being paid, and no second link leaves."""
    desk, other = till.desk(), "09131234567"
    await till.sends(desk, FACTOR)
    await till.sends(desk, FACTOR, mobile=other)
    shown = await asyncio.gather(till.sends(desk, FACTOR, "1"), till.sends(desk, FACTOR, "1", mobile=other))
    assert sorted(text.startswith("9900|") for text in shown) == [False, True]
    assert [payment.state for payment in await payments(till.store)].count(State.UNKNOWN) == 1


async def test_who_comes_back_does_not_pay_twice(till: Network) -> None:
    """Gone on elsewhere, the earlier session asks for no money any more."""
    desk = till.desk()
    await till.sends(desk)
    await till.sends(desk, FACTOR)
    await till.sends(desk, session="s2")
    assert "160,000" in await till.sends(desk, "1", session="s2")
    assert await till.sends(desk, FACTOR, "1") == words_of("screen/over")
    assert await till.sends(desk, "1", "1", session="s2") == ASKED
    [payment] = await payments(till.store)
    assert payment.transaction_id == f"s2|{MOBILE}"


async def test_the_books_fail(till: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked for that is not written down; the user reads of a technical problem."""
    desk = till.desk()
    await till.sends(desk, FACTOR)

    class Away:
        def __getattr__(self, name: str) -> object:
            real = getattr(till.store.screens, name)

            async def put(*arguments: object, until: float | None, **named: object) -> object:
                if until is not None:  # before money moves
                    from ivr.domain.errors import Unusable

                    raise Unusable("the disk is full")
                return await real(*arguments, until=until, **named)

            return put if name == "put" else real

    text = await till.sends(till.desk(Away()), FACTOR, "1")  # type: ignore[arg-type]
    assert not text.startswith("9900") and await payments(till.store) == []
