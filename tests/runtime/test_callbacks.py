"""Hints from outside: which payment they may be about, and how often that costs a request."""

from dataclasses import dataclass, field

import pytest

from ivr.payments.state import Payment, State
from ivr.runtime.callbacks import A_SECOND, LEAST_PAUSE, MOST_AT_ONCE, MOST_NAMES, Callbacks
from tests.fakes import FakeBooks

KEY, INVOICE = "Ab3kLm9xQ2", "65843148"


def link(name: str, transaction: str = KEY, provider: str = "web") -> Payment:
    """A payment by a link."""
    return Payment(name, "call", provider, INVOICE, transaction, 160_000, State.CREATED)


@dataclass
class Outside:
    """Callbacks around a book, and what was inquired about."""

    books: FakeBooks = field(default_factory=FakeBooks)
    asked: list[str] = field(default_factory=list)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.callbacks = Callbacks(self.books, self.ask_now, lambda: self.now)

    async def ask_now(self, payment_id: str) -> None:
        self.asked.append(payment_id)

    async def hint(self, *texts: str, provider: str = "web") -> bool:
        return await self.callbacks.heard(provider, texts)


@pytest.fixture
def outside() -> Outside:
    return Outside()


@pytest.mark.parametrize("state", [State.SENT, State.UNKNOWN])
@pytest.mark.parametrize("text", [KEY, INVOICE])
async def test_a_hint_that_names_an_open_payment(outside: Outside, state: State, text: str) -> None:
    """By the provider's key or by our own number, whatever else it says."""
    outside.books.put(link("p"), state)
    assert await outside.hint("paid", text, "160000")
    assert outside.asked == ["p"]


@pytest.mark.parametrize(
    "texts",
    [(), ("",), ("nobody-knows-this",), (KEY[:-1],), (f"{KEY} ",), ("../../etc",), ("x" * 65,), ("1",) * 99],
    ids=repr,
)
async def test_a_hint_that_names_none(outside: Outside, texts: tuple[str, ...]) -> None:
    """It costs no request."""
    outside.books.put(link("p"), State.SENT)
    assert not await outside.hint(*texts) and outside.asked == []


async def test_another_providers_key_is_nobodys(outside: Outside) -> None:
    """Keys of one provider say nothing to another."""
    outside.books.put(link("p", provider="pod"), State.SENT)
    assert not await outside.hint(KEY, INVOICE)


async def test_only_the_first_texts_are_looked_at(outside: Outside) -> None:
    """A query of many values is no list of guesses."""
    outside.books.put(link("p"), State.SENT)
    assert not await outside.hint(*(f"guess{n}" for n in range(MOST_NAMES)), KEY)


async def test_again_and_again(outside: Outside) -> None:
    """However often it comes, the provider is asked once in a while; what is paid is not asked about at all."""
    outside.books.put(link("p"), State.UNKNOWN)
    assert [await outside.hint(KEY) for _ in range(5)] == [True, *[False] * 4]
    outside.now += LEAST_PAUSE
    assert await outside.hint(KEY)
    outside.books.put(link("p"), State.APPROVED)
    outside.now += LEAST_PAUSE
    assert not await outside.hint(KEY, INVOICE) and outside.asked == ["p", "p"]


async def test_the_link_that_is_named_best(outside: Outside) -> None:
    """Of two open tries the one whose key it brings."""
    outside.books.put(link("first", "FirstKey"), State.UNKNOWN)
    outside.books.put(link("second", "SecondKey"), State.UNKNOWN)
    assert await outside.hint(INVOICE, "SecondKey")
    assert outside.asked == ["second"]


async def test_a_payment_that_was_given_up(outside: Outside) -> None:
    """Declined here, for its invoice's end say, and paid afterwards after all: somebody must hear of it."""
    outside.books.put(link("p"), State.DECLINED)
    assert await outside.hint(INVOICE) and outside.asked == ["p"]


async def test_the_memory_has_an_end(outside: Outside, monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest are forgotten, not the newest."""
    monkeypatch.setattr("ivr.runtime.callbacks.MOST_KNOWN", 3)
    for number in range(4):
        outside.books.put(link(f"p{number}", f"Key{number:05}"), State.UNKNOWN)
        assert await outside.hint(f"Key{number:05}")
    assert await outside.hint("Key00000") and not await outside.hint("Key00003")


async def test_all_hints_together(outside: Outside) -> None:
    """So many inquiries at once, then so many a second. Who names no payment of ours takes none away, nor does a hint
    that was not taken: it may come again.
    """
    for number in range(MOST_AT_ONCE + 2):
        outside.books.put(link(f"p{number}", f"Key{number:05}"), State.UNKNOWN)
    for _ in range(3 * MOST_AT_ONCE):
        assert not await outside.hint("nobody-knows-this")
    said = [await outside.hint(f"Key{number:05}") for number in range(MOST_AT_ONCE + 2)]
    assert said == [True] * MOST_AT_ONCE + [False] * 2
    outside.now += 1 / A_SECOND
    assert await outside.hint(f"Key{MOST_AT_ONCE:05}") and not await outside.hint(f"Key{MOST_AT_ONCE + 1:05}")
