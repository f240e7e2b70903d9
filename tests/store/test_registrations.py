"""What callers register, and whom it was told, in each kind of database."""

import asyncio
import sqlite3
from dataclasses import replace
from typing import Final

import pytest

from ivr.domain.errors import BadInput, Illegal, Unusable
from ivr.domain.registration import MOST_NAME, MOST_VALUE, MOST_VALUES, Registration
from ivr.payments.registrations import Kept
from ivr.store.opening import Store, open_merchants
from ivr.store.registration_deliveries import StoredRegistrationDeliveries
from tests.clock import Clock
from tests.store.conftest import KINDS, Books

MOBILE: Final = "09121234567"
ASKED: Final = Registration(
    "call.4", "42473010", "register_code", "registration", MOBILE, {"code": "0048213", "fee": 50_000}
)
SHOP: Final = {"shop": ("registration",), "other": ("visit", "order")}


def by(key: str, code: str = "1", word: str = "registration", mobile: str | None = MOBILE) -> Registration:
    """One that a visit of a step asks for."""
    return replace(ASKED, key=key, values={"code": code}, word=word, mobile=mobile)


def told(store: Store, clock: Clock, words: dict[str, tuple[str, ...]] = SHOP) -> StoredRegistrationDeliveries:
    """Whom it is told, with these words of theirs."""
    return StoredRegistrationDeliveries(store.registrations.database, clock, words)


async def test_it_is_kept_as_it_came(store: Store, clock: Clock, books: Books) -> None:
    """Digits with their zeros, amounts as numbers; an operator reads it beside the process."""
    assert await store.registrations.keep(ASKED) is Kept.NEW
    kept = replace(ASKED, id=1, at=clock.now)
    assert await store.registrations.under(["registration"], 0, 10) == [kept]
    with books.reading() as book:
        assert book.registrations() == [kept]
        assert book.audit().findings == []


async def test_one_visit_registers_once(store: Store) -> None:
    """Asked again by the next process, or many times at once: the same answer, one row."""
    answers = await asyncio.gather(*(store.registrations.keep(ASKED) for _ in range(20)))
    assert set(answers) == {Kept.NEW}
    assert len(await store.registrations.under(["registration"], 0, 10)) == 1
    with pytest.raises(Illegal):
        await store.registrations.keep(replace(ASKED, values={"code": "2"}))
    assert [one.values for one in await store.registrations.under(["registration"], 0, 10)] == [ASKED.values]


async def test_the_same_caller_with_the_same_values(store: Store) -> None:
    """Nothing new, however the values are ordered; another value, word or caller is something new."""
    await store.registrations.keep(ASKED)
    turned: dict[str, str | int] = {"fee": 50_000, "code": "0048213"}
    again = replace(ASKED, key="later.4", values=turned, flow="other_flow", dialled="1")
    assert await store.registrations.keep(again) is Kept.AGAIN
    assert await store.registrations.keep(again) is Kept.AGAIN
    for number, other in enumerate(
        (
            replace(again, values={**turned, "fee": "50000"}),
            replace(again, word="other"),
            replace(again, mobile="09131234567"),
        )
    ):
        assert await store.registrations.keep(replace(other, key=f"new.{number}")) is Kept.NEW


async def test_nobody_knows_who_it_was(store: Store) -> None:
    """Two callers without a mobile may be two people: each is registered."""
    for key in ("a.1", "b.1"):
        assert await store.registrations.keep(by(key, mobile=None)) is Kept.NEW
    found = await store.registrations.under(["registration"], 0, 10)
    assert [(one.id, one.mobile) for one in found] == [(1, None), (2, None)]


async def test_two_processes_at_once(books: Books, store: Store, clock: Clock) -> None:
    """The same caller in two calls of two processes: one of them hears that it is registered already."""
    async with open_merchants(books.directory, clock, books.shared) as (_, _, theirs):
        answers = await asyncio.gather(theirs.keep(by("a.1")), store.registrations.keep(by("b.1")))
    assert sorted(answer.value for answer in answers) == ["again", "new"]


@pytest.mark.parametrize(
    "wrong",
    [
        replace(ASKED, key="k" * 129),
        replace(ASKED, word="w" * (MOST_NAME + 1)),
        replace(ASKED, dialled="\0"),
        replace(ASKED, values={}),
        replace(ASKED, values={f"v{number}": "1" for number in range(MOST_VALUES + 1)}),
        replace(ASKED, values={"n" * (MOST_NAME + 1): "1"}),
        replace(ASKED, values={"code": "9" * (MOST_VALUE + 1)}),
        replace(ASKED, values={"code": "\ud800"}),
        replace(ASKED, values={"code": "6037701689095443"}),
        replace(ASKED, values={"code": 6037701689095443}),
        replace(ASKED, values={"code": 1.5}),  # type: ignore[dict-item]
    ],
    ids=range(11),
)
async def test_what_is_not_taken(store: Store, wrong: Registration) -> None:
    """Too much, half characters, card numbers: refused by name, and nothing is written or repeated."""
    with pytest.raises(BadInput) as caught:
        await store.registrations.keep(wrong)
    assert "6037701689095443" not in str(caught.value)
    assert await store.registrations.under([ASKED.word, wrong.word], 0, 10) == []


ATTEMPTS: Final = {
    "UPDATE registrations SET content = '{}'": KINDS,
    "DELETE FROM registrations": KINDS,
    "REPLACE INTO registrations SELECT * FROM registrations": ("sqlite",),
    "TRUNCATE registrations CASCADE": ("postgres",),
}


@pytest.mark.parametrize(
    ("statement", "books"),
    [(statement, kind) for statement, kinds in ATTEMPTS.items() for kind in kinds],
    indirect=["books"],
)
async def test_nobody_changes_it(books: Books, store: Store, statement: str) -> None:
    """Not even a person with sqlite3 or psql in hand."""
    await store.registrations.keep(ASKED)
    with pytest.raises((sqlite3.IntegrityError, Unusable), match="registrations are append-only"):
        books.sql(statement)
    assert [one.values for one in await store.registrations.under(["registration"], 0, 10)] == [ASKED.values]


async def test_a_guard_that_was_taken_away(books: Books, store: Store) -> None:
    """The audit finds it."""
    books.sql("DROP TRIGGER registrations_are_not_deleted" + (" ON registrations" if books.shared else ""))
    with books.reading() as book:
        assert [finding.kind for finding in book.audit().findings] == ["unprotected"]


async def test_pages(store: Store, books: Books) -> None:
    """By word, after an id, so many at a time; an operator gets the newest, oldest first."""
    for number in range(1, 8):
        await store.registrations.keep(by(f"k.{number}", str(number), "visit" if number % 2 else "order"))
    under = store.registrations.under
    assert [one.id for one in await under(["visit"], 1, 2)] == [3, 5]
    assert [one.id for one in await under(["visit", "order"], 5, 10)] == [6, 7]
    assert await under([], 0, 10) == [] == await under(["nobody's"], 0, 10)
    with books.reading() as book:
        assert [one.id for one in book.registrations("visit", 1, 2)] == [5, 7]
        assert [one.id for one in book.registrations(after=5)] == [6, 7]


async def test_whom_it_is_told(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each merchant its own words' registrations, once each, however many windows they take; again when asked to."""
    monkeypatch.setattr("ivr.store.registration_deliveries.WINDOW", 2)
    words = ("registration", "visit", "order", "nobody's", "registration")
    for number, word in enumerate(words):
        await store.registrations.keep(by(f"k.{number}", word=word, code=str(number)))
    stream = told(store, clock)
    await stream.enrol()
    assert await stream.waiting(["shop", "other"]) == await told(store, clock).waiting(["other", "shop"])
    claimed = await stream.claim({"shop": 9, "other": 1}, clock.now + 30)
    assert [(one.merchant, one.event.id, one.tries) for one in claimed] == [
        ("shop", 1, 1),
        ("shop", 5, 1),
        ("other", 2, 1),
    ]
    assert [one.event.id for one in await stream.claim({"shop": 9, "other": 9}, clock.now + 30)] == [3]
    for number in (1, 2, 5):
        await stream.delivered(number)
    await stream.again(3, clock.now + 5)
    assert await stream.claim({"other": 9}, clock.now + 30) == ()
    clock.now += 5
    assert [(one.event.id, one.tries) for one in await stream.claim({"other": 9}, clock.now + 30)] == [(3, 2)]
    assert (await stream.replay("shop", 1), await stream.replay("other", 0)) == (1, 1)
    assert (await stream.waiting(["shop"])).events == 1


async def test_a_word_that_becomes_somebodys(store: Store, clock: Clock) -> None:
    """Told from its beginning; one that changes hands is told to its new owner, and the old one's payments are not."""
    for number in (1, 2):
        await store.registrations.keep(by(f"k.{number}", str(number)))
    await told(store, clock, {"shop": ()}).enrol()
    assert await told(store, clock, {"shop": ()}).claim({"shop": 9}, clock.now + 30) == ()
    first = told(store, clock, {"shop": ("registration",)})
    await first.enrol()
    assert [one.event.id for one in await first.claim({"shop": 9}, clock.now + 30)] == [1, 2]
    await first.delivered(1)
    second = told(store, clock, {"other": ("registration",)})
    await second.enrol()
    assert (await second.waiting(["shop"])).events == 0
    assert [one.event.id for one in await second.claim({"other": 9}, clock.now + 30)] == [1, 2]


async def test_two_streams_with_numbers_of_their_own(store: Store, clock: Clock) -> None:
    """A registration's number says nothing of the journal's lines."""
    await store.registrations.keep(ASKED)
    stream = told(store, clock)
    await stream.enrol()
    await store.deliveries.enrol()
    await store.deliveries.delivered(1)
    assert (await stream.waiting(["shop"])).events == 1
    assert (await store.deliveries.waiting(["shop"])).events == 0
