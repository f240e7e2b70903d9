"""Utility bills by telephone, judged by what the phone heard, what POD has, and what the journal says."""

from typing import Final

from ivr.domain.bills import Bill, bill_of
from ivr.sandbox.faults import FaultKind
from ivr.sandbox.pod_books import ACCEPTED, CANCELED, PodBill
from tests.end_to_end.evening import Evening, Spent, story
from tests.end_to_end.notifier import on_the_page
from tests.end_to_end.odd_numbers import BILLS
from tests.end_to_end.people import STATUS
from tests.end_to_end.stage import MOST_SILENCE, Caller, Stage, digits, eventually, money
from tests.end_to_end.test_calls_agents import talks_to


def bill(bill_id: str, payment_id: str) -> Bill:
    found = bill_of(bill_id, payment_id)
    assert found is not None
    return found


TELEPHONE: Final = bill("7748317800142", "1770160")
WATER: Final = bill("2050327604613", "1070189")
MOBILE: Final = bill("4972808930150", "19386733")
CANCELLED: Final = bill("1117753200140", "12070160")
BY_LINK: Final = bill("1177809000142", "570108")
FINE: Final = bill("1234567800193", "25030264")
"""Of the traffic police."""


def at_pod(stage: Stage, wanted: Bill) -> list[PodBill]:
    """What POD has of a bill."""
    return [record for record in stage.town.sandbox.pod_books.bills.values() if record.bill == wanted]


async def keys_ids(caller: Caller, wanted: Bill) -> None:
    """One after the other, each as soon as it is asked for."""
    await caller.barges("bill/enter_id", f"{wanted.bill_id}#")
    await caller.barges("bill/enter_payment_id", f"{wanted.payment_id}#")


async def wants_to_pay(stage: Stage) -> Caller:
    """A caller who has chosen the first key."""
    caller = await stage.call(BILLS)
    await caller.barges("bill/pay_or_status", "1")
    return caller


# -- paid --------------------------------------------------------------------------------------------------------------


@story
async def pays_a_bill_by_its_ids(stage: Stage) -> Spent:
    caller = await stage.call(BILLS)
    await caller.answers("bill/pay_or_status", "1")
    await keys_ids(caller, TELEPHONE)
    await caller.answers("pay/press_keys", "1")
    await caller.answers("card/hear_again", "1")
    await caller.hears("card/reference_is")
    return Spent(await caller.hangs_up(), TELEPHONE.barcode)


async def test_a_bill_is_paid_and_everything_is_said(evening: Evening, stage: Stage) -> None:
    """Kind and amount, then the reference, twice; one payment from the wallet, in both books."""
    one = evening.of("pays_a_bill_by_its_ids")
    [record] = at_pod(stage, TELEPHONE)
    said = [
        *("bill_kind/landline", "pay/amount_payable", *money(17_000), "pay/is", "bill/link_key", "pay/press_keys"),
        *("pay/paid", "card/reference_is", *digits(record.reference), "card/hear_again", "card/reference_is"),
    ]
    assert one.told.names[:3] == ["bill/welcome", "bill/pay_or_status", "bill/enter_id"]
    assert one.told.after("bill/enter_payment_id")[: len(said)] == said
    assert set(said) <= set(one.told.whole) and one.told.silence() < MOST_SILENCE
    [payment] = evening.payments("merchant", one.code)
    assert (payment["state"], payment["provider"], payment["amount_rial"]) == ("approved", "pod", 17_000)
    assert (payment["reference"], payment["code"], record.status) == (record.reference, ACCEPTED, ACCEPTED)
    assert await stage.lines("merchant", payment["id"]) == ["created", "sent", "approved"]


@story
async def pays_a_bill_by_its_barcode(stage: Stage) -> Spent:
    caller = await wants_to_pay(stage)
    await caller.barges("bill/enter_id", WATER.barcode)
    await caller.barges("pay/press_keys", "1")
    await caller.hears("card/reference_is")
    return Spent(await caller.hangs_up(), WATER.barcode)


async def test_a_barcode_says_both_ids(evening: Evening, stage: Stage) -> None:
    """26 digits and nothing after them: the payment id is not asked for."""
    one = evening.of("pays_a_bill_by_its_barcode")
    assert one.told.after("bill/enter_id")[:2] == ["bill_kind/water", "pay/amount_payable"]
    assert "bill/enter_payment_id" not in one.told.names and "pay/paid" in one.told.names
    assert [record.status for record in at_pod(stage, WATER)] == [ACCEPTED]
    assert [row["state"] for row in evening.payments("merchant", one.code)] == ["approved"]


# -- what is not taken -------------------------------------------------------------------------------------------------


@story
async def wrong_bill_and_a_fine(stage: Stage) -> Spent:
    caller = await wants_to_pay(stage)
    await caller.barges("bill/enter_id", "2234322344613#")
    await caller.hears("bill/wrong_id")
    await keys_ids(caller, FINE)
    await caller.hears("bill/traffic")
    await caller.barges("bill/enter_id", "*")
    return Spent(await caller.told(), FINE.barcode)


async def test_a_wrong_id_and_a_fine_of_the_traffic_police(evening: Evening, stage: Stage) -> None:
    """Each is refused in words of its own, and POD never hears of them."""
    one = evening.of("wrong_bill_and_a_fine")
    assert one.told.after("bill/wrong_id") == [
        *("bill/enter_id", "bill/enter_payment_id", "bill/traffic", "bill/enter_id", "pay/cancelled", "common/goodbye")
    ]
    assert evening.payments("merchant", one.code) == [] == at_pod(stage, FINE)
    asked = [line for line in stage.town.sandbox.diary.lines if line.operation.startswith("pod_")]
    assert not {FINE.bill_id, "2234322344613"} & {str(value) for line in asked for value in line.fields.values()}


# -- nobody knows ------------------------------------------------------------------------------------------------------


@story
async def no_answer_from_pod(stage: Stage) -> Spent:
    stage.fault("pod_pay_bill", FaultKind.DROP, MOBILE.bill_id, commit=True)
    stage.fault("pod_list", FaultKind.HTTP_ERROR, MOBILE.bill_id)
    caller = await wants_to_pay(stage)
    await keys_ids(caller, MOBILE)
    await caller.barges("pay/press_keys", "1")
    told = await caller.told()

    async def listed() -> bool:
        return any(line.result == "ok" for line in stage.asked("pod_list", MOBILE.bill_id))

    assert await eventually(listed, bool, patience=60.0)
    return Spent(told, MOBILE.barcode)


async def test_unknown_is_said_and_found_in_the_list(evening: Evening, stage: Stage) -> None:
    """POD took the money, and neither its answer nor its list came: the result follows, and it is charged once."""
    one = evening.of("no_answer_from_pod")
    assert one.told.names[-2:] == ["bill/result_will_follow", "common/goodbye"]
    [record] = at_pod(stage, MOBILE)
    [payment] = evening.payments("merchant", one.code)
    assert (payment["state"], payment["reference"]) == ("approved", record.reference)
    assert await stage.lines("merchant", payment["id"]) == ["created", "sent", "unanswered", "approved"]
    assert len(stage.asked("pod_pay_bill", MOBILE.bill_id)) == 1


# -- afterwards --------------------------------------------------------------------------------------------------------


@story
async def asks_and_cancels(stage: Stage) -> Spent:
    stage.town.sandbox.pod_books.pay(CANCELLED)
    alone = await stage.call(BILLS)
    await alone.barges("bill/pay_or_status", "2")
    await alone.barges("bill/enter_id", f"{CANCELLED.barcode}#")
    await alone.hears("card/hear_again")
    await alone.hangs_up()
    caller, agent = await talks_to(stage, "zari")
    await agent.sends_to(f"{STATUS}*{CANCELLED.barcode}")
    await caller.answers("bill/again_or_cancel", "2")
    await caller.barges("bill/cancel_question", "1")
    return Spent(await caller.told(), CANCELLED.barcode)


async def test_what_became_of_a_bill_and_its_cancellation(evening: Evening, stage: Stage) -> None:
    """Offered to whom an agent sent, not to anybody; cancelled when they say so twice, and the money is back."""
    one = evening.of("asks_and_cancels")
    [record] = at_pod(stage, CANCELLED)
    assert one.told.after("bill/status_welcome") == [
        *("bill/is_paid", "card/reference_is", *digits(record.reference), "bill/again_or_cancel"),
        *("bill/cancel_question", "bill/cancelled"),
    ]
    assert (record.status, len(stage.asked("pod_cancel", str(record.id)))) == (CANCELED, 1)
    assert evening.payments("merchant", one.code) == []


# -- by a link ---------------------------------------------------------------------------------------------------------


@story
async def pays_a_bill_by_a_link(stage: Stage) -> Spent:
    caller = await wants_to_pay(stage)
    await keys_ids(caller, BY_LINK)
    await caller.barges("pay/press_keys", "3")
    await caller.barges("link/agree_keys", "1")
    await caller.barges("link/number_keys", "1")
    await caller.hears("link/sent", share=0.2)
    await on_the_page(await stage.notifier.link(bill=BY_LINK.bill_id), "pay")
    await caller.hears("card/hear_again")
    return Spent(await caller.hangs_up(), BY_LINK.barcode)


async def test_a_bill_is_paid_on_the_web_while_the_caller_waits(evening: Evening, stage: Stage) -> None:
    """The wallet is not touched: the payer's card pays at POD's page, its list says so, and the caller hears it."""
    one = evening.of("pays_a_bill_by_a_link")
    [record] = at_pod(stage, BY_LINK)
    said = ["pay/paid", "card/reference_is", *digits(record.reference), "card/hear_again"]
    assert one.told.names[-len(said) :] == said
    [payment] = evening.payments("merchant", one.code)
    assert (payment["state"], payment["provider"], payment["amount_rial"]) == ("approved", "pod", 5_000)
    assert (payment["reference"], record.status) == (record.reference, ACCEPTED)
    assert await stage.lines("merchant", payment["id"]) == ["created", "sent", "approved"]
