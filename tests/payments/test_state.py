"""A payment's states: what the merchant's books can say, and what they can never say."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ivr.domain.errors import Illegal
from ivr.payments.state import TRANSITIONS, Entry, EntryKind, Payment, State, apply

NEW = Payment("p1", "c1", "paystar", "65843148", "77", 160000, State.CREATED)
WAYS = {
    "sent approved": State.APPROVED,
    "sent declined": State.DECLINED,
    "sent unanswered": State.UNKNOWN,
    "sent unanswered approved": State.APPROVED,
    "sent unanswered declined": State.DECLINED,
    "sent unsent": State.CREATED,
    "sent unsent sent approved": State.APPROVED,
}


def entry(kind: EntryKind, at: float = 1.0, **details: str) -> Entry:
    return Entry("p1", kind, at, details)


@pytest.mark.parametrize(("way", "end"), WAYS.items())
def test_every_way_a_payment_can_go(way: str, end: State) -> None:
    """The merchant sees the state that the last line gives."""
    payment = NEW
    for kind in way.split():
        payment = apply(payment, entry(EntryKind(kind)))
    assert payment.state is end


@pytest.mark.parametrize("state", [State.APPROVED, State.DECLINED])
@pytest.mark.parametrize("kind", [kind for kind in EntryKind if kind is not EntryKind.CONTRADICTED])
def test_a_decided_payment_stays_decided(state: State, kind: EntryKind) -> None:
    """Approved money is never taken back by a late line, and a decline never becomes a payment."""
    with pytest.raises(Illegal, match=f"p1 is {state.value}"):
        apply(replace(NEW, state=state), entry(kind))


@pytest.mark.parametrize("state", [State.APPROVED, State.DECLINED])
def test_a_contradiction_changes_nothing(state: State) -> None:
    """It stands in the book for people; the payment is what it was, since when it was."""
    decided = replace(NEW, state=state, reason="ok", code="1", reference="r", changed_at=0.5)
    assert apply(decided, entry(EntryKind.CONTRADICTED, 9.0, reason="no", code="2", reference="s")) == decided


def test_handed_over_to_people_until_it_is_decided() -> None:
    """It stays unknown for the reason that it had; once it is decided nobody waits for people any more."""
    unknown = replace(NEW, state=State.UNKNOWN, reason="timeout", changed_at=0.5)
    handed_over = apply(unknown, entry(EntryKind.HANDED_OVER, 9.0, code="2"))
    assert handed_over == replace(unknown, for_people=True)
    assert apply(handed_over, entry(EntryKind.HANDED_OVER, 10.0)) == handed_over
    assert not apply(handed_over, entry(EntryKind.DECLINED, 11.0)).for_people


@pytest.mark.parametrize("kind", [EntryKind.SENT, EntryKind.UNSENT, EntryKind.CREATED, EntryKind.UNANSWERED])
def test_unknown_is_left_by_a_decision_only(kind: EntryKind) -> None:
    """A payment that may have arrived is never sent again."""
    with pytest.raises(Illegal):
        apply(replace(NEW, state=State.UNKNOWN), entry(kind))


def test_the_line_of_another_payment_is_refused() -> None:
    """One caller's approval never counts for another's invoice."""
    with pytest.raises(Illegal, match="belongs to payment p2"):
        apply(NEW, Entry("p2", EntryKind.SENT, 1.0, {}))


def test_details_and_time_are_taken_over() -> None:
    """The newest reason, code and reference stand; those that a line does not name stay."""
    sent = apply(NEW, entry(EntryKind.SENT, 5.0, code="51", reason="first"))
    done = apply(sent, entry(EntryKind.DECLINED, 6.0, reason="no_funds", reference="r"))
    assert (done.reason, done.code, done.reference, done.changed_at) == ("no_funds", "51", "r", 6.0)
    assert replace(done, state=NEW.state, reason=None, code=None, reference=None, changed_at=0.0) == NEW


@given(st.lists(st.sampled_from(EntryKind), max_size=12))
def test_any_sequence_of_lines_follows_the_table(kinds: Sequence[EntryKind]) -> None:
    """Whatever comes in whatever order: the table decides, and what it refuses changes nothing."""
    payment, expected = NEW, State.CREATED
    for at, kind in enumerate(kinds, start=1):
        before = payment
        after = TRANSITIONS[expected].get(kind)
        if after is None:
            with pytest.raises(Illegal):
                apply(payment, entry(kind, float(at)))
            assert payment is before
        else:
            payment, remark, expected = apply(payment, entry(kind, float(at))), after is expected, after
            assert payment.changed_at == (before.changed_at if remark else at)
        assert payment.state is expected


@given(st.lists(st.sampled_from(EntryKind), max_size=30))
def test_a_payment_is_sent_again_only_when_nothing_had_left(kinds: Sequence[EntryKind]) -> None:
    """Between two sendings of one payment always stands the line that says: nothing left."""
    payment, may_send = NEW, True
    for kind in kinds:
        try:
            payment = apply(payment, entry(kind))
        except Illegal:
            continue
        assert kind is not EntryKind.SENT or may_send
        may_send = kind is EntryKind.UNSENT
