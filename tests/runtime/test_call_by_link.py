"""A link is sent and paid on the web: what the books say before and after, and what leaves us when."""

from ivr.domain.errors import OutcomeUnknown, Unusable
from ivr.domain.operations import Outcome
from ivr.flow.session import Session
from ivr.payments.invoice import Invoice
from ivr.payments.port import Reply
from ivr.payments.state import State
from ivr.runtime.ports import Notice
from tests.fakes import FakeVoice
from tests.runtime.conftest import INVOICE, LINK, House

KEY, OTHER_KEY = "Ab3kLm9xQ2", "Zz8kLm9xQ2"
PAGE = "https://pay.test/invoice/pay/"
NOT_PAID = Reply("not_paid", {}, Outcome.UNKNOWN, "201", not_paid=True)
CANCELLED = Reply("cancelled", {}, Outcome.DECLINED, "202")
PAID = Reply("paid", {"reference": "200100300"}, Outcome.APPROVED, "1", "200100300")


def made(key: str = KEY) -> Reply:
    """The gateway makes a link."""
    return Reply("ok", {"tracking_code": key, "pay_url": PAGE + key})


async def at_the_mobile(house: House, key: str = KEY) -> FakeVoice:
    """A caller who has agreed, and is asked whether the link may go to the mobile that calls."""
    await house.books.remember_invoice(Invoice("web", INVOICE, 160_000, "1"))
    house.web.answers["create_invoice"].append(made(key))
    voice = house.rings(house.caller(LINK))
    await voice.hears("invoice/enter_number")
    voice.keys(f"{INVOICE}#")
    await voice.hears("link/agree_keys")
    voice.keys("1")
    await voice.hears("link/number_keys")
    return voice


async def calls_again(house: House) -> FakeVoice:
    """Every call is over; the caller calls later and keys the same invoice."""
    await house.over()
    house.switchboard = house.new_switchboard()
    voice = house.rings(house.caller(LINK))
    await voice.hears("invoice/enter_number")
    voice.keys(f"{INVOICE}#")
    return voice


async def test_written_before_it_leaves(house: House) -> None:
    """When the notice leaves, the book has the payment as sent, with the gateway's key; who waits hears the outcome."""
    stood: list[list[State]] = []

    def note(notice: Notice) -> None:
        stood.append(house.books.states())
        house.notices.append(notice)

    house.notify = note
    house.switchboard = house.new_switchboard()
    voice = await at_the_mobile(house)
    house.web.answers["inquire"].append(PAID)
    voice.keys("1")
    await voice.hears("card/hear_again")
    voice.go()
    await house.over()
    assert stood == [[State.SENT]] and house.books.states() == [State.APPROVED]
    [notice] = house.notices
    assert (notice.target, notice.event) == ("sms", "payment_link")
    assert notice.values == {"url": PAGE + KEY, "mobile": "09121234567", "invoice": INVOICE, "amount": 160_000}
    [payment] = house.books.payments.values()
    assert (payment.invoice_id, payment.transaction_id, payment.amount_rial) == (INVOICE, KEY, 160_000)
    assert house.nudged == []  # it is decided: nobody need ask


async def test_a_book_that_cannot_be_written_sends_no_link(house: House) -> None:
    """The caller hears of a technical problem; nobody has a link that our books do not know."""
    voice = await at_the_mobile(house)
    house.books.breaks.on("create", Unusable("the disk is full"))
    voice.keys("1")
    await voice.hears("common/technical_problem")
    await house.over()
    assert house.notices == []


async def test_the_process_dies_between_the_books_and_the_notice(house: House) -> None:
    """The next one writes nothing twice and sends the very same notice."""
    voice = await at_the_mobile(house)
    house.web.answers["inquire"] += [NOT_PAID, NOT_PAID]
    voice.keys("1")
    await voice.hears("link/stay")
    kept = next(
        snapshot
        for written in house.store.written
        for snapshot in written.values()
        if snapshot is not None and Session.restore(snapshot).step == "send_link"
    )
    taken_over = house.resumed(house.caller(LINK), kept)
    await taken_over.hears("link/stay")
    first, again = house.notices
    assert first == again and len(house.books.payments) == 1
    for each in (voice, taken_over):
        each.go()
    await house.over()


async def test_a_later_call_is_sent_the_same_link(house: House) -> None:
    """It is not paid yet: the same link goes out once more, no second one is made; the third call hears that it is."""
    voice = await at_the_mobile(house)
    house.web.answers["inquire"] += [NOT_PAID, NOT_PAID, NOT_PAID, PAID]
    voice.keys("1")
    await voice.hears("link/stay")
    voice.go()
    await house.over()
    [payment] = house.books.payments
    assert [nudged for nudged, _ in house.nudged] == [payment]
    house.web.answers["pay_url"].append(Reply("ok", {"pay_url": PAGE + KEY}))
    again = await calls_again(house)
    await again.hears("link/again_keys")
    again.keys("1")
    await again.hears("link/number_keys")
    again.keys("1")
    await again.hears("link/stay")
    again.go()
    await house.over()
    assert [notice.values["url"] for notice in house.notices] == [PAGE + KEY] * 2
    assert house.notices[0].id != house.notices[1].id  # the caller asked for it: another SMS
    assert [nudged for nudged, _ in house.nudged] == [payment] * 2 and house.books.states() == [State.SENT]
    third = await calls_again(house)
    await third.hears("pay/paid")
    await house.over()
    assert house.books.states() == [State.APPROVED]
    assert [name for name, _ in house.web.asked].count("create_invoice") == 1


async def test_paid_before(house: House) -> None:
    """Who calls once more hears that it is paid, with the reference, and the gateway is not asked."""
    voice = await at_the_mobile(house)
    house.web.answers["inquire"].append(PAID)
    voice.keys("1")
    await voice.hears("card/hear_again")
    voice.go()
    again = await calls_again(house)
    await again.hears("invoice/already_paid")
    await house.over()
    assert "card/reference_is" in again.heard and [name for name, _ in house.web.asked].count("inquire") == 1


async def test_a_second_link_only_after_the_first_was_declined(house: House) -> None:
    """Cancelled on the page: a new link is a payment of its own."""
    voice = await at_the_mobile(house)
    house.web.answers["inquire"].append(CANCELLED)
    voice.keys("1")
    await voice.hears("link/declined_new_keys")
    assert house.books.states() == [State.DECLINED]
    house.web.answers["create_invoice"].append(made(OTHER_KEY))
    house.web.answers["inquire"].append(PAID)
    for keys, prompt in (("1", "link/agree_keys"), ("1", "link/number_keys"), ("1", "card/hear_again")):
        voice.keys(keys)
        await voice.hears(prompt, times=1 if prompt == "card/hear_again" else 2)
    voice.go()
    await house.over()
    assert house.books.states() == [State.DECLINED, State.APPROVED]
    assert [payment.transaction_id for payment in house.books.payments.values()] == [KEY, OTHER_KEY]


async def test_two_callers_at_once(house: House) -> None:
    """Both had a link made; only one leaves us, and the other caller hears of that one."""
    first, second = await at_the_mobile(house), await at_the_mobile(house, OTHER_KEY)
    house.web.answers["inquire"] += [NOT_PAID, NOT_PAID]
    first.keys("1")
    await first.hears("link/stay")
    second.keys("1")
    await second.hears("link/again_keys")
    for each in (first, second):
        each.go()
    await house.over()
    assert [notice.values["url"] for notice in house.notices] == [PAGE + KEY]
    assert [payment.state for payment in house.books.payments.values()].count(State.SENT) == 1


async def test_nobody_can_say(house: House) -> None:
    """No answer about an earlier link: the caller must not pay again, and the book stays as it is."""
    voice = await at_the_mobile(house)
    house.web.answers["inquire"] += [NOT_PAID, OutcomeUnknown("read timeout")]
    voice.keys("1")
    await voice.hears("link/stay")
    voice.go()
    again = await calls_again(house)
    await again.hears("link/unresolved")
    await house.over()
    assert house.books.states() == [State.SENT] and len(house.notices) == 1
