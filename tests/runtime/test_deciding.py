"""What a person decides: signed, once, and never a second approval of an invoice."""

from typing import Any

import pytest

from ivr.domain.errors import BadInput, Illegal
from ivr.payments.state import EntryKind, Payment, State
from ivr.runtime.deciding import MOST_WHO, Decision, decide
from tests.fakes import FakeBooks

FIRST = Payment("p1", "c", "bank", "i", None, 1000, State.CREATED)
SECOND = Payment("p2", "c", "bank", "i", None, 1000, State.CREATED)


def decision(
    payment_id: str = "p1",
    *,
    approved: bool = True,
    who: str = "maryam",
    reason: str = "in the bank's list",
    reference: str | None = None,
) -> Decision:
    return Decision(payment_id, approved, who, reason, reference)


@pytest.fixture
def books() -> FakeBooks:
    books = FakeBooks()
    books.put(FIRST, State.UNKNOWN)
    return books


@pytest.mark.parametrize(("approved", "kind"), [(True, EntryKind.APPROVED), (False, EntryKind.DECLINED)])
async def test_a_decision_is_signed(books: FakeBooks, approved: bool, kind: EntryKind) -> None:
    """The book says who, why, and what the person has seen at the bank."""
    decided = await decide(books, decision(approved=approved, reference=" 77 "))
    assert decided.state.value == kind.value
    said = {"by": "person", "reason": "in the bank's list", "who": "maryam", "reference": "77"}
    assert books.entries == [("p1", kind, said)]


async def test_long_names_and_lines(books: FakeBooks) -> None:
    """A name is cut, a reason is one line; without a reference none is made up."""
    await decide(books, decision(who="m" * 200, reason=" seen\n in\tthe list "))
    (line,) = books.entries
    assert line[2] == {"by": "person", "reason": "seen in the list", "who": "m" * MOST_WHO}


@pytest.mark.parametrize(
    ("state", "said"),
    [
        (State.CREATED, "p1 is created: nothing of it has left"),
        (State.SENT, "p1 is sent: it is still being paid"),
        (State.APPROVED, "p1 is approved: it was decided already"),
        (State.DECLINED, r"p1 is declined: it was decided already \(no_funds\)"),
    ],
)
@pytest.mark.parametrize("approved", [True, False])
async def test_only_an_unknown_payment_is_decided(books: FakeBooks, state: State, said: str, approved: bool) -> None:
    """One sentence says how it stands; nothing is written."""
    reason = "no_funds" if state is State.DECLINED else None
    books.put(Payment("p1", "c", "bank", "i", None, 1000, State.CREATED, reason), state)
    with pytest.raises(Illegal, match=said):
        await decide(books, decision(approved=approved))
    assert books.entries == []


async def test_a_payment_that_is_not_there(books: FakeBooks) -> None:
    """A mistyped id."""
    with pytest.raises(Illegal, match="there is no payment p9"):
        await decide(books, decision("p9"))


async def test_an_invoice_is_approved_once(books: FakeBooks) -> None:
    """The refusal says what to do; declining stays possible."""
    books.put(SECOND, State.APPROVED)
    with pytest.raises(Illegal, match="another payment of invoice i is; if the money was taken twice, give it back"):
        await decide(books, decision())
    assert books.states() == [State.UNKNOWN, State.APPROVED]
    declined = await decide(books, decision(approved=False, reason="taken twice, given back today"))
    assert declined.state is State.DECLINED


async def test_somebody_was_quicker(books: FakeBooks) -> None:
    """Between our look and our line the inquiry found out: the person reads how it stands now."""

    class Slow(FakeBooks):
        async def get(self, payment_id: str) -> Payment | None:
            found = self.payments[payment_id]
            if found.state is State.UNKNOWN:
                self.put(found, State.APPROVED)
            return found

    slow = Slow()
    slow.put(FIRST, State.UNKNOWN)
    with pytest.raises(Illegal, match="p1 is approved: it was decided already"):
        await decide(slow, decision(approved=False))
    assert slow.entries == []


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"reason": " "}, "a decision needs a reason"),
        ({"who": ""}, "a decision needs a name"),
        ({"reason": "card 6037701689095443"}, "the detail reason looks like a card number"),
        ({"reference": "6037-7016-8909-5443"}, "the detail reference looks like a card number"),
        ({"reason": "x" * 201}, "200 characters at most"),
        ({"reason": "a\x00b"}, "printable"),
    ],
)
async def test_what_cannot_be_written(books: FakeBooks, wrong: dict[str, Any], said: str) -> None:
    """Told before anything is written, and a card number is not repeated."""
    with pytest.raises(BadInput, match=said) as refused:
        await decide(books, decision(**wrong))
    assert "7016" not in str(refused.value) and books.entries == []
