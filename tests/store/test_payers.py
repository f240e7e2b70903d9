"""Who paid, and the bank's receipt: kept with the payment, found again, and never changed."""

import asyncio
from dataclasses import replace

import pytest

from ivr.domain.errors import BadInput
from ivr.payments.port import Journal
from ivr.payments.state import EntryKind, Payment, State
from ivr.store.opening import Store
from tests.clock import Clock
from tests.store.conftest import Books, payment

MINE, OTHERS = "09121234567", "09351112233"


def of(name: str, payer: str | None = MINE, **other: object) -> Payment:
    """A new payment by this mobile."""
    return replace(payment(name), payer=payer, **other)  # type: ignore[arg-type]


async def test_a_payment_knows_who_pays(store: Store, books: Books) -> None:
    """The caller's mobile stands there from its beginning, for whoever looks at the payment; an audit knows it, too."""
    await store.journal.create(of("p1"))
    await store.journal.append("p1", EntryKind.SENT)
    done = await store.journal.append("p1", EntryKind.APPROVED, {"reference": "1", "receipt": "ref-۱"})
    assert (done.payer, done.receipt) == (MINE, "ref-۱") and done == await store.journal.get("p1")
    with books.reading() as reading:
        shown = reading.payment("p1")
        assert shown is not None and (shown["payer"], shown["receipt"]) == (MINE, "ref-۱")
        assert shown["entries"][0]["details"]["payer"] == MINE
        assert reading.audit().findings == []


async def test_the_last_payment_of_a_payer(store: Store) -> None:
    """The newest that has left us, at whichever provider, however it ended; nobody else's."""
    journal: Journal = store.journal
    assert await journal.last_of_payer(MINE) is None
    for one in (of("p1"), of("p2", provider="inoti"), of("p3", OTHERS), of("p4", None), of("p5")):
        await journal.create(one)
    assert await journal.last_of_payer(MINE) is None  # none of them has left
    for name in ("p1", "p2", "p3", "p4"):
        await journal.append(name, EntryKind.SENT)
    await journal.append("p2", EntryKind.DECLINED)
    found = [await journal.last_of_payer(payer) for payer in (MINE, OTHERS, "")]
    assert [one and (one.id, one.state) for one in found] == [("p2", State.DECLINED), ("p3", State.SENT), None]


@pytest.mark.parametrize("payer", ["", "9121234567", "+989121234567", "02112345678", "0912123456x", "۰۹۱۲۱۲۳۴۵۶۷"])
async def test_only_a_mobile_is_a_payer(store: Store, payer: str) -> None:
    """One number is written in one way, or it could not be found again."""
    with pytest.raises(BadInput, match="payer"):
        await store.journal.create(of("p1", payer))


async def test_a_payer_stays(store: Store, books: Books) -> None:
    """The database refuses to change it, and where somebody has taken that guard away the audit says so."""
    await store.journal.create(of("p1"))
    change = f"UPDATE payments SET payer = '{OTHERS}' WHERE id = 'p1'"  # noqa: S608 - as a person types it
    with pytest.raises(Exception, match="stays what it was created as"):
        books.sql(change)
    with books.unguarded():
        books.sql(change)
    with books.reading() as reading:
        [finding] = reading.audit().findings
    assert finding.text == f"payment p1 was created with payer {MINE}, it stands with {OTHERS}"


async def test_a_receipt_is_what_the_lines_say(store: Store, books: Books) -> None:
    """Whoever writes another one into the table is found."""
    await store.journal.create(of("p1"))
    books.sql("UPDATE payments SET receipt = 'mine' WHERE id = 'p1'")
    with books.reading() as reading:
        [finding] = reading.audit().findings
    assert finding.text == "payment p1: its entries make its receipt nothing, it stands as mine"


async def test_the_same_contradiction_is_one_line(store: Store, clock: Clock, books: Books) -> None:
    """However many workers hear it, and after each restart; another one is news."""
    await store.journal.create(of("p1"))
    for kind in (EntryKind.SENT, EntryKind.DECLINED):
        await store.journal.append("p1", kind)
    said = {"says": "approved", "reference": "7"}
    for _ in range(2):
        clock.now += 1
        await asyncio.gather(*(store.journal.append("p1", EntryKind.CONTRADICTED, said) for _ in range(3)))
    await store.journal.append("p1", EntryKind.CONTRADICTED, {**said, "reference": "8"})
    with books.reading() as reading:
        kinds = [line["kind"] for line in reading.entries("p1")]
    assert kinds == ["created", "sent", "declined", "contradicted", "contradicted"]
