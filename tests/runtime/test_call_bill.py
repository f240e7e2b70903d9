"""A bill is paid by telephone: what is asked of POD, and in which order the books are written."""

from collections.abc import Mapping

from ivr.domain.errors import OutcomeUnknown, ProviderUnreachable
from ivr.domain.operations import Outcome
from ivr.payments.port import Reply
from ivr.payments.state import EntryKind, Payment, State
from tests.fakes import FakeVoice
from tests.runtime.conftest import BILLS, House

BARCODE = "77483178001420000001770160"
BILL: Mapping[str, str | int] = {
    "bill_id": "7748317800142",
    "payment_id": "1770160",
    "barcode": BARCODE,
    "service": "4",
    "kind": "landline",
    "amount": 17_000,
}
FOUND: Mapping[str, str | int] = {
    "id": "5501",
    "tracking_number": "140300112233",
    "amount": 17_000,
    "company": "",
    "reference": "140300112233",
    "status": "SERVICE_BILL_ACCEPTED",
    "can_cancel": "yes",
}
PAID = Reply("paid", FOUND, Outcome.APPROVED, "SERVICE_BILL_ACCEPTED", "140300112233")
LISTED = Reply("paid", FOUND, Outcome.APPROVED, "SERVICE_BILL_ACCEPTED", "140300112233", of_invoice=True)
LOST = OutcomeUnknown("read timeout")


def calls(house: House) -> FakeVoice:
    """A caller who keys the bill's barcode."""
    house.pod.answers["read_bill"].append(Reply("ok", BILL))
    voice = house.rings(house.caller(BILLS))
    voice.keys(f"1{BARCODE}")
    return voice


async def at_the_amount(house: House) -> FakeVoice:
    """A caller who is asked whether to pay."""
    voice = calls(house)
    await voice.hears("pay/press_keys")
    return voice


def asked(house: House, operation: str) -> int:
    """How often POD was asked so."""
    return [name for name, _ in house.pod.asked].count(operation)


async def test_a_lost_answer_is_found_at_once(house: House) -> None:
    """POD's list has the bill: it is written down, the caller hears that it is paid, and nobody need look further."""
    voice = await at_the_amount(house)
    house.pod.answers["pay_bill"].append(LOST)
    house.pod.answers["bill_status"].append(LISTED)
    voice.keys("1")
    await voice.hears("pay/paid")
    [payment] = house.books.payments.values()
    assert (payment.state, payment.invoice_id, payment.amount_rial) == (State.APPROVED, BARCODE, 17_000)
    assert payment.reference == "140300112233"
    kinds = [EntryKind.CREATED, EntryKind.SENT, EntryKind.UNANSWERED, EntryKind.APPROVED]
    assert [kind for _, kind, _ in house.books.entries] == kinds
    voice.go()
    await house.over()
    assert house.nudged == []


async def test_nobody_knows(house: House) -> None:
    """The result follows; who calls again hears that it is not known, and POD is not asked to pay a second time."""
    voice = await at_the_amount(house)
    house.pod.answers["pay_bill"].append(LOST)
    house.pod.answers["bill_status"] += [Reply("not_found", {}, Outcome.UNKNOWN)] * 2
    voice.keys("1")
    await voice.hears("bill/result_will_follow")
    again = calls(house)
    await again.hears("bill/unresolved")
    await house.over()
    assert house.books.states() == [State.UNKNOWN] and asked(house, "pay_bill") == 1
    assert [payment for payment, _ in house.nudged] == [*house.books.payments]


async def test_the_process_dies_while_the_bill_is_paid(house: House) -> None:
    """The next one does not pay it again: it asks POD's list, and that decides."""
    voice = await at_the_amount(house)
    house.pod.door.clear()
    voice.keys("1")
    await house.pod.changes.until(lambda: asked(house, "pay_bill"))
    [kept] = house.store.kept.values()
    house.pod.answers["bill_status"].append(LISTED)
    house.pod.answers["pay_bill"].append(PAID)
    taken_over = house.resumed(house.caller(BILLS), kept)
    house.pod.door.set()
    await taken_over.hears("pay/paid")
    taken_over.go()
    await house.over()
    assert asked(house, "pay_bill") == 1 and house.books.states() == [State.APPROVED]


async def test_nothing_left(house: House) -> None:
    """POD cannot be reached: nothing was charged, the caller tries again and pays."""
    voice = await at_the_amount(house)
    house.pod.answers["pay_bill"] += [ProviderUnreachable("refused"), PAID]
    voice.keys("1")
    await voice.hears("bill/unreachable_try_again")
    assert house.books.states() == [State.CREATED]
    voice.keys("1")
    await voice.hears("pay/paid")
    voice.go()
    await house.over()
    assert house.books.states() == [State.CREATED, State.APPROVED]


async def test_another_caller_was_quicker(house: House) -> None:
    """Two callers have the same bill: the slower one hears that it is paid, and POD is asked once."""
    slow, quick = await at_the_amount(house), await at_the_amount(house)
    house.pod.answers["pay_bill"].append(PAID)
    quick.keys("1")
    await quick.hears("pay/paid")
    slow.keys("1")
    await slow.hears("bill/already_paid")
    quick.go()
    await house.over()
    assert asked(house, "pay_bill") == 1 and house.books.states() == [State.APPROVED]


async def test_a_bill_that_was_cancelled_afterwards(house: House) -> None:
    """Our books have it as paid, POD as cancelled: the caller is not told that it is paid, and no money moves."""
    house.books.put(Payment("old", "old", "pod", BARCODE, None, 17_000, State.APPROVED), State.APPROVED)
    house.pod.answers["bill_status"].append(Reply("cancelled", FOUND, Outcome.UNKNOWN))
    voice = calls(house)
    await voice.hears("bill/was_cancelled")
    await house.over()
    assert house.books.states() == [State.APPROVED] and asked(house, "pay_bill") == 0
