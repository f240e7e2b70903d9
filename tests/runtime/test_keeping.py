"""A caller registers a code: what they hear, what stands in the books, and what a crash in between does."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from ivr.domain.errors import Unusable
from ivr.domain.registration import Registration
from ivr.domain.secret import Secret
from ivr.flow.commands import AskProvider
from ivr.flow.session import Session
from ivr.flow.steps.invoice import BOOKS, KEEP
from ivr.payments.port import Reply
from ivr.payments.registrations import Kept
from ivr.runtime.keeping import register
from ivr.runtime.services import NoRegistrations
from ivr.store.opening import open_store
from ivr.store.registrations import StoredRegistrations
from tests.fakes import FakeVoice
from tests.flow.test_keep import STEPS
from tests.flow.world import small_flow
from tests.runtime.conftest import NOW, House

NUMBER = "1099"
WORD = ["registration"]


class Pen:
    """The real books; on a day when they cannot be written they say so."""

    def __init__(self, books: StoredRegistrations) -> None:
        self._books = books
        self.broken = False
        self.asked: list[Registration] = []

    async def keep(self, asked: Registration) -> Kept:
        self.asked.append(asked)
        if self.broken:
            raise Unusable("the disk is full")
        return await self._books.keep(asked)

    async def under(self, words: Sequence[str], after: int, limit: int) -> Sequence[Registration]:
        return await self._books.under(words, after, limit)


@pytest.fixture
async def pen(tmp_path: Path, house: House) -> AsyncIterator[Pen]:
    """A house whose number 1099 registers codes, in real books."""
    async with open_store(tmp_path, lambda: NOW) as store:
        pen = Pen(store.registrations)
        house.registrations = pen
        house.add(NUMBER, small_flow(tmp_path, STEPS))
        yield pen


async def keys(house: House, code: str, hears: str, number: str | None = "+989121234567") -> FakeVoice:
    """Somebody calls, keys a code, hears this and hangs up."""
    voice = house.rings(house.caller(NUMBER, caller_number=number))
    await voice.hears("pay/is")
    voice.keys(f"{code}#")
    await voice.hears(hears)
    await house.over()
    house.switchboard = house.new_switchboard()
    return voice


async def test_a_code_is_registered(house: House, pen: Pen) -> None:
    """On disk before the caller hears so: who it was, where it was keyed, and what."""
    await keys(house, "0048213", "pay/paid")
    [kept] = await pen.under(WORD, 0, 10)
    assert kept == Registration(
        key=pen.asked[0].key,
        dialled=NUMBER,
        flow="small",
        word="registration",
        mobile="09121234567",
        values={"code": "0048213", "mobile": "09121234567"},
        id=1,
        at=NOW,
    )


async def test_the_same_once_more(house: House, pen: Pen) -> None:
    """The caller hears that it is known; another code, or a caller without a number, is new."""
    await keys(house, "48213", "pay/paid")
    await keys(house, "48213", "common/goodbye")
    await keys(house, "48214", "pay/paid")
    for _ in range(2):
        await keys(house, "48213", "pay/paid", number=None)
    found = await pen.under(WORD, 0, 10)
    assert [(one.values["code"], one.mobile) for one in found] == [
        ("48213", "09121234567"),
        ("48214", "09121234567"),
        ("48213", None),
        ("48213", None),
    ]


async def test_books_that_cannot_be_written(house: House, pen: Pen) -> None:
    """Nobody is told that it is registered; when the books are back the same caller registers."""
    pen.broken = True
    await keys(house, "48213", "common/technical_problem")
    assert await pen.under(WORD, 0, 10) == []
    pen.broken = False
    await keys(house, "48213", "pay/paid")


async def test_snapshots_that_cannot_be_written(house: House, pen: Pen) -> None:
    """The next process would not know which visit it was: nothing is registered."""
    voice = house.rings(house.caller(NUMBER))
    await voice.hears("pay/is")
    house.store.breaks.on("keep", Unusable("the disk is full"))
    voice.keys("48213#")
    await voice.hears("common/technical_problem")
    await house.over()
    assert pen.asked == []


async def test_the_process_dies_after_it_was_written(house: House, pen: Pen) -> None:
    """The next one asks again by the same key, the caller hears that it is registered, and there is one."""
    await keys(house, "48213", "pay/paid", number=None)
    kept = next(
        snapshot
        for written in house.store.written
        for snapshot in written.values()
        if snapshot is not None and Session.restore(snapshot).step == "b"
    )
    taken_over = house.resumed(house.caller(NUMBER, caller_number=None), kept)
    await taken_over.hears("pay/paid")
    await house.over()
    first, again = pen.asked
    assert first == again and len(await pen.under(WORD, 0, 10)) == 1


async def test_a_code_that_is_a_card_number(house: House, pen: Pen, tmp_path: Path) -> None:
    """It is not written, not even into a log line; the caller hears that it cannot be registered."""
    house.add("1098", small_flow(tmp_path, STEPS.replace("max: 12", "max: 16")))
    voice = house.rings(house.caller("1098"))
    await voice.hears("pay/is")
    voice.keys("6037701689095443#")
    await voice.hears("common/technical_problem")
    await house.over()
    assert await pen.under(WORD, 0, 10) == []


async def test_a_secret_is_never_registered(house: House, pen: Pen) -> None:
    """Whatever a flow hands over: the checker refuses it, and so does this."""
    asked = AskProvider(1, BOOKS, KEEP, {"as": "registration", "pin": Secret("1234")}, once="c.1")
    session = Session("c", "small", "v", "fa", "b")
    assert await register(asked, session, pen, house.snapshots.flush) == Reply("unknown")
    assert pen.asked == []


async def test_where_nothing_is_registered() -> None:
    """A process without such books says so instead of forgetting."""
    asked = Registration("k", "", "f", "w", None, {"a": "1"})
    with pytest.raises(Unusable):
        await NoRegistrations().keep(asked)
    assert await NoRegistrations().under(["w"], 0, 1) == ()
