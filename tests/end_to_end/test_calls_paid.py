"""A caller pays, in both shapes, and listens to every word."""

import asyncio

import pytest

from ivr.lab.town import CHAIN_NUMBER, MERCHANT_PHONE, PAY_NUMBER
from ivr.sandbox.settings import DEMO_CARDS
from tests.end_to_end.evening import Evening, Spent, stories, story
from tests.end_to_end.stage import MONEY, MONEY_WORDS, MOST_SILENCE, Stage, digits

BANK = ["bank/welcome", "bank/amount_is", *MONEY_WORDS, "bank/enter_card", "bank/enter_pin", "bank/paid"]
AMOUNT = ["pay/amount_payable", *MONEY_WORDS, "pay/is", "pay/press_keys"]


async def _pays_and_listens(stage: Stage, number: str) -> Spent:
    code = await stage.own_invoice()
    caller = await stage.call(number)
    await caller.answers("invoice/enter_number", f"{code}#")
    await caller.answers("pay/press_keys", "1")
    card = DEMO_CARDS[0]
    await caller.answers("bank/enter_card", card.pan.reveal(), secret=True)
    await caller.answers("bank/enter_pin", f"{card.pin.reveal()}#", secret=True)
    return Spent(await caller.told(), code)


SHAPES = stories(
    {
        "pays_directly": lambda stage: _pays_and_listens(stage, PAY_NUMBER),
        "pays_by_the_chain": lambda stage: _pays_and_listens(stage, CHAIN_NUMBER),
    }
)


def test_direct_call_says_everything_in_order(evening: Evening) -> None:
    """From the greeting to the goodbye: every prompt, whole, in order, the amount in words, the tracking number."""
    one = evening.of("pays_directly")
    assert one.told.names == [
        *("invoice/welcome", "invoice/enter_number"),
        *(*AMOUNT, "pay/connecting_to_bank", *BANK),
        *("pay/paid", "pay/tracking_number_is", *digits(evening.transactions[one.code][0]), "common/goodbye"),
    ]
    assert one.told.whole == one.told.names


def test_chained_call_says_everything_in_order(evening: Evening) -> None:
    """The merchant greets, the payment service names the amount, the bank takes it, and both say how it went."""
    one = evening.of("pays_by_the_chain")
    assert one.told.names == [
        *("invoice/welcome", "invoice/enter_number", "merchant/connecting"),
        *(*AMOUNT, "pay/connecting_to_bank", *BANK),
        *("pay/paid", "pay/tracking_number_is", *digits(evening.transactions[one.code][0]), "common/goodbye"),
        *("merchant/registered", "common/goodbye"),
    ]
    assert one.told.whole == one.told.names


@pytest.mark.parametrize("shape", SHAPES)
def test_nobody_is_left_in_silence(evening: Evening, shape: str) -> None:
    """A caller who keys as soon as they may never waits long without a sound."""
    assert evening.told(shape).silence() < MOST_SILENCE


@pytest.mark.parametrize("shape", SHAPES)
def test_bank_receives_who_and_how_much(evening: Evening, shape: str) -> None:
    """Name and number of the caller id say merchant phone, merchant and transaction; a header says the amount."""
    code = evening.of(shape).code
    [transaction] = evening.transactions[code]
    [invite] = evening.invites_for(code)
    said = f"{MERCHANT_PHONE}*10000005*{transaction}"
    assert invite.caller == (said, said)
    assert invite.all("Amount") == [str(MONEY)]
    assert invite.first_line.startswith(f"INVITE sip:{MERCHANT_PHONE}@")


def test_journals_of_a_direct_call(evening: Evening) -> None:
    """One payment at the merchant, one at the bank, both approved; none at the payment service."""
    code = evening.of("pays_directly").code
    [transaction] = evening.transactions[code]
    assert _lines(evening, "merchant", code) == [("approved", MONEY, transaction)]
    assert _lines(evening, "switch", code) == []
    assert _lines(evening, "bank", transaction) == [("approved", MONEY, transaction)]


def test_journals_of_a_chained_call(evening: Evening) -> None:
    """One approved payment in each party's own journal; the merchant's has the invoice's amount."""
    code = evening.of("pays_by_the_chain").code
    [transaction] = evening.transactions[code]
    assert _lines(evening, "merchant", code) == [("approved", MONEY, None)]
    assert _lines(evening, "switch", code) == [("approved", MONEY, transaction)]
    assert _lines(evening, "bank", transaction) == [("approved", MONEY, transaction)]


@pytest.mark.parametrize("shape", SHAPES)
async def test_journal_has_every_step_of_the_payment(evening: Evening, stage: Stage, shape: str) -> None:
    """Created, sent, approved, in this order, in every journal that the payment touched."""
    code = evening.of(shape).code
    [transaction] = evening.transactions[code]
    ids = (("merchant", code), ("switch", code), ("bank", transaction))
    shown = [
        await stage.lines(party, str(row["id"])) for party, invoice in ids for row in evening.payments(party, invoice)
    ]
    assert len(shown) == (2 if shape == "pays_directly" else 3)
    assert all(lines == ["created", "sent", "approved"] for lines in shown)


def _lines(evening: Evening, party: str, invoice: str) -> list[tuple[object, ...]]:
    rows = evening.payments(party, invoice)
    return [(row["state"], row["amount_rial"], row["transaction_id"]) for row in rows]


# -- a caller whose number is withheld ---------------------------------------------------------------------------------


@story
async def withheld(stage: Stage) -> Spent:
    code = stage.invoice().tracking_code
    caller = await stage.call(PAY_NUMBER, caller_number=None)
    await caller.answers("caller/enter_mobile", "02112345678#")
    await caller.hears("caller/wrong_mobile")
    await caller.answers("caller/enter_mobile", "09022002580#")
    await caller.barges("invoice/enter_number", f"{code}#")
    await caller.barges("pay/amount_payable", "*")
    return Spent(await caller.told(), code)


def test_withheld_number_is_asked_for(evening: Evening, stage: Stage) -> None:
    """The caller is asked for a mobile number, a wrong one is asked again, and PayStar is told the right one."""
    one = evening.of("withheld")
    assert one.told.names == [
        *("invoice/welcome", "caller/enter_mobile", "caller/wrong_mobile", "caller/enter_mobile"),
        *("invoice/enter_number", "pay/amount_payable", "pay/cancelled", "common/goodbye"),
    ]
    [asked] = stage.asked("create_transaction", one.code)
    assert asked.fields["merchant_cid"] == "09022002580"


# -- the same invoice twice --------------------------------------------------------------------------------------------


@story
async def pays_again(stage: Stage) -> Spent:
    code = await stage.own_invoice()
    first = await stage.call(PAY_NUMBER)
    await first.agrees(code)
    await first.pays()
    await first.hears("pay/paid")
    await first.hangs_up()
    second = await stage.call(PAY_NUMBER)
    await second.barges("invoice/welcome", f"{code}#")
    return Spent(await second.told(), code)


def test_paid_invoice_is_not_paid_again(evening: Evening) -> None:
    """Who calls again with a paid invoice hears so at once; nothing is sent."""
    one = evening.of("pays_again")
    assert one.told.names == ["invoice/welcome", "invoice/already_paid", "common/goodbye"]
    assert evening.states("merchant", one.code) == [("approved", "paid")]
    assert len(evening.invites_for(one.code)) == 1


BOTH: dict[str, list[str]] = {}


@story
async def two_pay_at_once(stage: Stage) -> Spent:
    code = await stage.own_invoice()
    callers = [await stage.call(PAY_NUMBER) for _ in range(2)]
    await asyncio.gather(*(caller.keys_invoice(code) for caller in callers))
    await asyncio.gather(*(caller.hears("pay/press_keys", share=0.3) for caller in callers))
    await asyncio.gather(*(caller.keys("1") for caller in callers))

    async def goes_on(number: int) -> None:
        caller = callers[number]
        if await caller.hears_one_of("bank/enter_card", "invoice/being_paid") == "bank/enter_card":
            await caller.pays_with_card()
        BOTH[str(number)] = (await caller.told()).names

    await asyncio.gather(*(goes_on(number) for number in range(2)))
    third = await stage.call(PAY_NUMBER)
    await third.barges("invoice/welcome", f"{code}#")
    return Spent(await third.told(), code)


def test_two_callers_pay_one_invoice(evening: Evening) -> None:
    """Both agree at the same moment: one pays, the other is turned away before anything is sent."""
    one = evening.of("two_pay_at_once")
    loser, winner = sorted(BOTH.values(), key=lambda names: "pay/paid" in names)
    assert "pay/paid" in winner
    assert "bank/enter_card" not in loser
    assert "pay/paid" not in loser
    assert loser[-2:] == ["invoice/being_paid", "common/goodbye"]
    assert len(evening.invites_for(one.code)) == 1
    states = [row["state"] for row in evening.payments("merchant", one.code)]
    assert states.count("approved") == 1
    assert set(states) <= {"approved", "created"}
    assert one.told.names == ["invoice/welcome", "invoice/already_paid", "common/goodbye"]


@story
async def comes_while_it_is_being_paid(stage: Stage) -> Spent:
    code = await stage.own_invoice()
    first = await stage.call(PAY_NUMBER)
    await first.agrees(code)
    await first.hears("bank/welcome")
    second = await stage.call(PAY_NUMBER)
    await second.barges("invoice/welcome", f"{code}#")
    told = await second.told()
    await first.pays()
    await first.told()
    return Spent(told, code)


def test_invoice_that_is_being_paid(evening: Evening) -> None:
    """Who calls while another pays the invoice at the bank is told so."""
    one = evening.of("comes_while_it_is_being_paid")
    assert one.told.names == ["invoice/welcome", "invoice/being_paid", "common/goodbye"]
    assert [row["state"] for row in evening.payments("merchant", one.code)] == ["approved"]


@story
async def another_amount(stage: Stage) -> Spent:
    code = await stage.own_invoice()
    stage.invoice(MONEY + 1000, code=code)
    caller = await stage.call(PAY_NUMBER)
    await caller.barges("invoice/welcome", f"{code}#")
    return Spent(await caller.told(), code)


def test_amount_must_be_the_one_of_the_invoice(evening: Evening) -> None:
    """PayStar names another amount than the invoice was made with: nobody pays it."""
    one = evening.of("another_amount")
    assert one.told.names == ["invoice/welcome", "invoice/amount_mismatch", "common/goodbye"]
    assert evening.payments("merchant", one.code) == []
    assert evening.invites_for(one.code) == []
