"""The journal: what the merchant's books say after a day of calls."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ivr.domain.errors import AlreadyInPayment, BadInput, Illegal
from ivr.domain.money import MOST_RIAL
from ivr.payments.port import Journal
from ivr.payments.state import Entry, EntryKind, Payment, State, apply
from ivr.store.journal import MOST_TEXT
from ivr.store.opening import Store, open_store
from tests.clock import Clock
from tests.store.conftest import KINDS, Books, new_books, payment

SENT, UNSENT, APPROVED = EntryKind.SENT, EntryKind.UNSENT, EntryKind.APPROVED
DECLINED, UNANSWERED = EntryKind.DECLINED, EntryKind.UNANSWERED


async def test_a_payment_from_beginning_to_end(store: Store, clock: Clock) -> None:
    """The merchant finds amount, reference and times as they were."""
    journal: Journal = store.journal
    assert await journal.create(payment())
    clock.now += 5
    await journal.append("p1", SENT)
    clock.now += 7
    done = await journal.append("p1", APPROVED, {"reason": "ok", "code": "0", "reference": "123456789012"})
    assert done == await journal.get("p1")
    assert done == replace(
        payment(),
        state=State.APPROVED,
        reason="ok",
        code="0",
        reference="123456789012",
        created_at=clock.now - 12,
        changed_at=clock.now,
    )


async def test_the_same_id_again_is_not_written(store: Store, books: Books) -> None:
    """A step that is repeated after a crash does not make a second payment."""
    assert await store.journal.create(payment())
    await store.journal.append("p1", SENT)
    assert not await store.journal.create(payment())
    with pytest.raises(Illegal, match="another invoice"):
        await store.journal.create(payment("p1", "another"))
    found = await store.journal.get("p1")
    assert found is not None
    assert (found.state, found.invoice_id) == (State.SENT, "invoice-p1")
    with books.reading() as reading:
        assert [entry["kind"] for entry in reading.entries("p1")] == ["created", "sent"]


async def test_an_unknown_id_is_nothing(store: Store) -> None:
    """Nothing is approved that was never begun."""
    assert await store.journal.get("nobody") is None
    with pytest.raises(Illegal, match="no payment nobody"):
        await store.journal.append("nobody", SENT)


async def test_only_a_created_payment_can_be_new(store: Store) -> None:
    """Nobody writes an approved payment into the books at one stroke."""
    with pytest.raises(Illegal):
        await store.journal.create(replace(payment(), state=State.APPROVED))
    assert await store.journal.get("p1") is None


@pytest.mark.parametrize("amount", [0, -1, MOST_RIAL + 1])
async def test_amounts_out_of_bounds_are_refused(store: Store, amount: int) -> None:
    """No call pays nothing, less than nothing or more than any card can."""
    with pytest.raises(BadInput):
        await store.journal.create(replace(payment(), amount_rial=amount))


async def test_texts_have_a_bound(store: Store) -> None:
    """A forged header cannot fill the disk."""
    assert await store.journal.create(replace(payment(), invoice_id="1" * MOST_TEXT, amount_rial=None))
    for text in ("1" * (MOST_TEXT + 1), "\ud800", "a\0b"):
        with pytest.raises(BadInput, match="invoice_id"):
            await store.journal.create(payment("p2", text))


async def test_a_card_number_in_the_details_is_refused(store: Store) -> None:
    """The last guard: the line is not written, the payment stays where it stands."""
    await store.journal.create(payment())
    with pytest.raises(BadInput):
        await store.journal.append("p1", SENT, {"reason": "6037701689095443"})
    found = await store.journal.get("p1")
    assert found is not None
    assert found.state is State.CREATED


@pytest.mark.parametrize("first", [(SENT,), (SENT, APPROVED), (SENT, UNANSWERED, APPROVED)])
async def test_an_invoice_is_not_sent_twice(store: Store, first: Sequence[EntryKind]) -> None:
    """Two callers key the same invoice: the second one is not charged."""
    for name in ("p1", "p2"):
        await store.journal.create(payment(name, "65843148"))
    for kind in first:
        await store.journal.append("p1", kind)
    with pytest.raises(AlreadyInPayment, match="p1 of the same invoice"):
        await store.journal.append("p2", SENT)
    second = await store.journal.get("p2")
    assert second is not None
    assert second.state is State.CREATED


@pytest.mark.parametrize("first", [(), (SENT, UNSENT), (SENT, DECLINED), (SENT, UNANSWERED)])
async def test_an_invoice_can_be_tried_again(store: Store, first: Sequence[EntryKind]) -> None:
    """After a decline, or when nothing had left, or after an inquiry that knew nothing, the caller may pay."""
    for name in ("p1", "p2"):
        await store.journal.create(payment(name, "65843148"))
    for kind in first:
        await store.journal.append("p1", kind)
    assert (await store.journal.append("p2", SENT)).state is State.SENT


async def test_the_same_number_at_another_provider_is_another_invoice(store: Store) -> None:
    """Two providers may give the same invoice id."""
    await store.journal.create(payment("p1", "65843148", "paystar"))
    await store.journal.create(payment("p2", "65843148", "mellat"))
    await asyncio.gather(store.journal.append("p1", SENT), store.journal.append("p2", SENT))


async def test_two_sent_at_the_same_moment_one_goes(store: Store) -> None:
    """Both lines are in one commit, and still only one of two callers is charged."""
    for name in ("p1", "p2"):
        await store.journal.create(payment(name, "65843148"))
    results = await asyncio.gather(
        store.journal.append("p1", SENT), store.journal.append("p2", SENT), return_exceptions=True
    )
    assert [type(result) for result in results] == [Payment, AlreadyInPayment]


async def test_a_late_truth_is_always_written(store: Store) -> None:
    """A payment that was unknown turns out approved although the invoice was paid again: the books must say it."""
    for name in ("p1", "p2"):
        await store.journal.create(payment(name, "65843148"))
    for name, kind in (("p1", SENT), ("p1", UNANSWERED), ("p2", SENT), ("p2", APPROVED), ("p1", APPROVED)):
        await store.journal.append(name, kind)
    assert [p.state for p in await store.journal.for_invoice("paystar", "65843148")] == [State.APPROVED] * 2


async def test_payments_by_either_name(store: Store) -> None:
    """By their invoice's number or the provider's key of it, in whatever state, oldest first; of one provider."""
    for name, invoice, key in (("p1", "77", None), ("p2", "78", "Key77"), ("p3", "77", "78")):
        await store.journal.create(replace(payment(name, invoice), transaction_id=key))
    await store.journal.append("p1", EntryKind.SENT)
    found = {name: [p.id for p in await store.journal.find("paystar", name)] for name in ("77", "78", "Key77", "79")}
    assert found == {"77": ["p1", "p3"], "78": ["p2", "p3"], "Key77": ["p2"], "79": []}
    assert not await store.journal.find("pod", "77")


async def test_open_payments_are_the_sent_and_the_unknown(store: Store) -> None:
    """What has to be looked after, oldest first."""
    for name in ("p1", "p2", "p3", "p4"):
        await store.journal.create(payment(name))
    for name, kind in (("p4", SENT), ("p2", SENT), ("p2", UNANSWERED), ("p3", SENT), ("p3", DECLINED)):
        await store.journal.append(name, kind)
    assert [p.id for p in await store.journal.open_payments()] == ["p2", "p4"]


async def test_200_writers_at_once(store: Store, books: Books) -> None:
    """A busy minute: everyone's lines are there, in everyone's own order, and nobody's mistake hurts another."""

    async def call(number: int) -> Payment:
        name = f"p{number}"
        await store.journal.create(payment(name))
        await store.journal.append(name, SENT)
        if number % 10 == 0:
            with pytest.raises(Illegal):
                await store.journal.append(name, SENT)
        return await store.journal.append(name, APPROVED, {"reference": str(number)})

    done = await asyncio.gather(*(call(number) for number in range(200)))
    assert [p.reference for p in done] == [str(number) for number in range(200)]
    with books.reading() as reading:
        listed = reading.list_payments(State.APPROVED, limit=1000)
        assert len(listed) == 200
        assert all([e["kind"] for e in p["entries"]] == ["created", "sent", "approved"] for p in listed)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["p1", "p2"]), st.sampled_from(EntryKind)), max_size=15))
def test_a_payment_is_what_its_lines_make_of_it(
    kind: str, request: pytest.FixtureRequest, lines: Sequence[tuple[str, EntryKind]]
) -> None:
    """Whatever was written or refused: reading the lines again gives the payment that the journal shows."""

    async def write(books: Books) -> list[Payment]:
        times = count(1000)
        async with open_store(books.directory, lambda: float(next(times)), books.shared) as store:
            names = ("p1", "p2")
            for name in names:
                await store.journal.create(payment(name, "one invoice"))
            for name, line in lines:
                with suppress(Illegal):
                    await store.journal.append(name, line, {"reason": line.value})
            return [p for name in names if (p := await store.journal.get(name))]

    with TemporaryDirectory() as directory:
        books = new_books(kind, Path(directory), request)
        shown = asyncio.run(write(books))
        with books.reading() as reading:
            for found in shown:
                folded = replace(payment(found.id, "one invoice"), created_at=found.created_at)
                for line in reading.entries(found.id)[1:]:
                    folded = apply(folded, Entry(found.id, EntryKind(line["kind"]), 0.0, line["details"]))
                assert replace(found, changed_at=0.0) == replace(folded, changed_at=0.0)
