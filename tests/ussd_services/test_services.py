"""Every shipped service from the keypad to the merchant's webhook, over real HTTP."""

from collections.abc import Callable

import httpx
import pytest

from ivr.domain.bills import Bill
from ivr.lab.ussd import CODES, USSD_SECRET
from ivr.payments.state import State
from ivr.runtime.reconciler import EXPIRED, EXPIRY_GRACE
from ivr.sandbox.pod_books import ACCEPTED
from tests.ussd_services.bills import new_bill
from tests.ussd_services.house import House, eventually
from tests.ussd_services.telephone import Telephone
from tests.ussd_services.words import RIAL, WORDS, choices

REGISTER, PAY, BILL, STATUS = CODES["register_code"], CODES["pay_invoice"], CODES["pay_bill"], CODES["status"]
DAY = 24 * 3600.0


def amount(rial: int) -> str:
    return f"{rial:,} {RIAL}"


def to_the_link(phone: Telephone, number: str, rial: int = 160_000) -> None:
    """From the code to the SMS."""
    assert phone.dial(PAY) == f"{WORDS['invoice/enter_number']}\n{choices(_0='screen/cancel')}"
    agree = f"{WORDS['screen/pay_invoice']}\n{WORDS['pay/amount_payable']} {amount(rial)}"
    assert phone.answer(number) == f"{agree}\n{choices(_1='screen/send_link', _0='screen/cancel')}"
    phone.answer("1")
    assert phone.kind == "payment"


def read_on(phone: Telephone, screen: str) -> str:
    """All pages of what is shown, as one text."""
    forward, screens = f"9) {WORDS['screen/forward']}", [screen]
    while forward in screens[-1].splitlines():
        screens.append(phone.answer("9"))
    return " ".join(line for each in screens for line in each.splitlines() if not line.startswith(("9) ", "8) ")))


def state(house: House, number: str) -> str:
    [payment] = house.listed(number)
    return str(payment["state"])


# -- register_code -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["asked", "dialled", "in Persian digits"])
def test_a_code_is_registered(house: House, phone: Telephone, how: str) -> None:
    """The document's sample: the merchant has it by webhook and API, the operator on the command line."""
    code = f"88{phone.mobile[-4:]}"
    if how == "dialled":
        said = phone.dial(f"{REGISTER.removesuffix('#')}*{code}#")
    else:
        assert phone.dial(REGISTER) == WORDS["register/enter_code"]
        said = phone.answer(code if how == "asked" else code.translate(str.maketrans("0123456789", "۰۱۲۳۴۵۶۷۸۹")))
    assert said == WORDS["register/done"]
    [event] = eventually(lambda: house.told("registration.created", mobile=phone.mobile), "the webhook")
    assert event["data"]["values"]["code"] == code
    assert event["data"] in house.api("GET", "/registrations?limit=500")["registrations"]
    assert code in house.ivr("registrations", "list", "--json")


def test_the_same_code_again(house: House, phone: Telephone) -> None:
    """Says so, and the merchant hears nothing twice."""
    phone.dial(f"{REGISTER.removesuffix('#')}*4711#")
    assert phone.dial(f"{REGISTER.removesuffix('#')}*4711#") == WORDS["register/known_already"]
    phone.dial(f"{REGISTER.removesuffix('#')}*4712#")
    eventually(lambda: len(house.told("registration.created", mobile=phone.mobile)) == 2, "the webhook")
    codes = [one["data"]["values"]["code"] for one in house.told("registration.created", mobile=phone.mobile)]
    assert sorted(codes) == ["4711", "4712"]


# -- pay_invoice and status --------------------------------------------------------------------------------------------


def test_an_invoice_is_paid(house: House, phone: Telephone) -> None:
    """The payer has two SMS, the shop an event, the operator reference and receipt, and the next call says it all."""
    id_, number = house.invoice(order="the-first")
    to_the_link(phone, number)
    assert house.told("payment.approved", invoice=id_) == []
    phone.pay()
    paid = phone.sms(2)[-1]["text"]
    [payment] = eventually(lambda: [one for one in house.listed(number) if one["state"] == "approved"], "paid")
    assert payment["reference"] in paid and payment["receipt"] and payment["payer"] == phone.mobile
    [event] = eventually(lambda: house.told("payment.approved", invoice=id_), "the webhook")
    assert [event["data"][name] for name in ("order_id", "reference", "receipt")] == [
        "the-first",
        payment["reference"],
        payment["receipt"],
    ]
    assert house.api("GET", f"/invoices/{id_}")["state"] == "paid"
    told = read_on(phone, phone.dial(STATUS))
    for text in (WORDS["status/paid"], amount(160_000), payment["reference"], payment["receipt"]):
        assert text in told
    phone.dial(PAY)
    assert WORDS["invoice/already_paid"] in phone.answer(number)


def test_nothing_was_ever_paid(phone: Telephone) -> None:
    """Nobody else's payment is told either."""
    assert phone.dial(STATUS) == WORDS["status/none"]


def test_a_wrong_number_then_no_more(house: House, phone: Telephone) -> None:
    """Asked again, and cancelled by the line that stands there."""
    phone.dial(PAY)
    assert WORDS["invoice/wrong_number"] in phone.answer("99999999")
    assert WORDS["pay/cancelled"] in phone.answer("0")


def test_who_does_not_agree_is_sent_nothing(house: House, phone: Telephone) -> None:
    """And the invoice can be paid by the next one."""
    _, number = house.invoice()
    phone.dial(PAY)
    phone.answer(number)
    assert WORDS["pay/cancelled"] in phone.answer("0")
    assert house.listed(number) == []
    to_the_link(phone, number)


def test_a_cancelled_link(house: House, phone: Telephone) -> None:
    """Nobody calls back, the invoice stays out, and when its time is over it closes by itself: nothing was paid."""
    id_, number = house.invoice()
    to_the_link(phone, number)
    phone.pay("cancel")
    assert phone.dial(STATUS) == WORDS["status/not_paid"]
    phone.dial(PAY)
    assert WORDS["link/unresolved"] in read_on(phone, phone.answer(number))
    assert state(house, number) == State.UNKNOWN.value
    house.stop()
    try:
        house.start(ahead=DAY + EXPIRY_GRACE + 60)
        eventually(lambda: state(house, number) == State.DECLINED.value, "closed")
        assert house.listed(number)[0]["reason"] == EXPIRED
        [closed] = eventually(lambda: house.told("payment.declined", invoice=id_), "the webhook")
        assert closed["data"]["reason"] == EXPIRED
    finally:
        house.stop()
        house.start()


# -- pay_bill ----------------------------------------------------------------------------------------------------------


def agrees(phone: Telephone, screen: str, wanted: Bill) -> None:
    """Reads what it is and how much, and pays."""
    assert screen.startswith(WORDS["screen/pay_bill"]) and amount(wanted.amount) in screen
    assert screen.endswith(choices(_1="screen/pay", _0="screen/cancel"))
    assert WORDS["pay/paid"] in phone.answer("1")


def test_a_bill_in_the_dialled_string(house: House, phone: Telephone) -> None:
    """One string holds it all but the agreement; `*1` behind it agrees to nothing."""
    wanted = new_bill()
    ids = f"{BILL.removesuffix('#')}*{wanted.bill_id}*{wanted.payment_id}"
    screen = phone.dial(f"{ids}*1#")
    assert house.listed(wanted.barcode) == []
    agrees(phone, screen, wanted)
    [payment] = house.payments(wanted.barcode)
    assert (payment["state"], payment["payer"]) == ("approved", phone.mobile)
    [record] = [one for one in house.sandbox.pod_books.bills.values() if one.bill == wanted]
    assert record.status == ACCEPTED
    assert amount(wanted.amount) in phone.dial(STATUS)
    assert WORDS["bill/already_paid"] in phone.dial(f"{ids}#")


def test_a_bill_that_is_keyed(house: House, phone: Telephone) -> None:
    """Id by id, each wrong one told at once."""
    wanted = new_bill()
    assert phone.dial(BILL).startswith(WORDS["bill/enter_id"])
    assert phone.answer(str(int(wanted.bill_id) + 1)).startswith(WORDS["bill/wrong_id"])
    assert phone.answer(wanted.bill_id).startswith(WORDS["bill/enter_payment_id"])
    assert phone.answer(str(int(wanted.payment_id) + 1)).startswith(WORDS["bill/wrong_payment_id"])
    agrees(phone, phone.answer(wanted.payment_id), wanted)
    assert state(house, wanted.barcode) == "approved"


def test_a_bill_by_its_barcode(house: House, phone: Telephone) -> None:
    """26 digits say both."""
    wanted = new_bill()
    agrees(phone, phone.dial(f"{BILL.removesuffix('#')}*{wanted.barcode}#"), wanted)
    assert state(house, wanted.barcode) == "approved"


@pytest.mark.parametrize("ids", ["1", "123*456", "2050327604613*1", "1070189*2050327604613", "*"])
def test_wrong_ids_in_the_dialled_string(house: House, phone: Telephone, ids: str) -> None:
    """Nothing is looked up, let alone paid."""
    before = len(house.sandbox.diary.lines)
    phone.dial(f"{BILL.removesuffix('#')}*{ids}#")
    asked = [line.operation for line in list(house.sandbox.diary.lines)[before:]]
    assert set(asked) <= {"ussd_request"}


def test_too_many_wrong_ids(phone: Telephone) -> None:
    """It ends, and says so."""
    phone.dial(BILL)
    said = [phone.answer("5") for _ in range(3)]
    assert WORDS["common/too_many_attempts"] in said[-1]


# -- who may ask -------------------------------------------------------------------------------------------------------


def test_without_the_secret_nothing_is_there(house: House) -> None:
    """An empty 404, counted."""

    def refused() -> float:
        text = httpx.get(f"{house.url}/metrics", trust_env=False).text
        lines = [line for line in text.splitlines() if line.startswith('ivr_ussd_refused_total{why="secret"}')]
        return float(lines[0].rpartition(" ")[2]) if lines else 0.0

    before = refused()
    query = "?mobile=09121234567&sessionid=1&call=*6655*123"
    for path in ("/ussd/register_code", "/ussd/another-secret-than-ours/register_code"):
        answer = httpx.get(f"{house.url}{path}{query}", trust_env=False)
        assert (answer.status_code, answer.content) == (404, b"")
    assert refused() == before + 2


@pytest.mark.parametrize(
    ("forwarded", "status"), [("127.0.0.1", 200), ("203.0.113.9", 404), ("127.0.0.1, 203.0.113.9", 404), ("x", 404)]
)
def test_behind_a_proxy(house: House, phone: Telephone, forwarded: str, status: int) -> None:
    """Who may ask is whom a proxy on the same machine saw, and not what that one said of itself."""
    query = {"mobile": phone.mobile, "sessionid": "1", "call": "*6655*123"}
    url, headers = f"{house.url}/ussd/{USSD_SECRET}/register_code", {"X-Forwarded-For": forwarded}
    assert httpx.get(url, params=query, headers=headers, trust_env=False).status_code == status


@pytest.mark.parametrize("write", [str, str.lower, str.upper])
def test_parameters_in_any_case(house: House, write: Callable[[str], str], phone: Telephone) -> None:
    """As the document's program took them; the answer is plain text and nothing else."""
    query = {write("mobile"): phone.mobile, write("sessionid"): "77", write("call"): "6655*123#"}
    answer = httpx.get(f"{house.url}/ussd/{USSD_SECRET}/register_code", params=query, trust_env=False)
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.content == WORDS["register/enter_code"].encode()
