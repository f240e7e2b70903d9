"""What the network does wrong: a screen comes again and nothing is done twice; a payment is settled once."""

import httpx
import pytest

from ivr.lab.ussd import CODES, USSD_SECRET
from ivr.sandbox.faults import Fault, FaultKind
from tests.ussd_services.bills import new_bill
from tests.ussd_services.books import agree
from tests.ussd_services.house import House, eventually
from tests.ussd_services.telephone import Telephone
from tests.ussd_services.test_services import read_on, state, to_the_link
from tests.ussd_services.words import WORDS

REGISTER, PAY, BILL, STATUS = CODES["register_code"], CODES["pay_invoice"], CODES["pay_bill"], CODES["status"]
LATE = 2.0


def approvals(house: House, number: str) -> list[str]:
    """How often it was approved, and by whom."""
    [payment] = house.payments(number)
    return [entry["details"].get("by", "") for entry in payment["entries"] if entry["kind"] == "approved"]


def calls(house: House, number: str) -> list[str]:
    """How the network's calls about this invoice ended; "": it is being made."""
    lines = [line for line in list(house.sandbox.diary.lines) if line.operation == "ussd_callback"]
    return [line.result for line in lines if number in line.fields["call"].split("*")]


def is_paid(house: House, number: str) -> None:
    """Wait until the books have it."""
    eventually(lambda: state(house, number) == "approved", "approved")


# -- requests ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["resend", "lost", "reorder"])
def test_a_code_is_registered_once(house: House, phone: Telephone, fault: str) -> None:
    """Whichever request comes twice, late or for nothing."""
    phone.fault(fault)
    phone.dial(REGISTER)
    phone.fault(fault)
    phone.answer("4711")
    if phone.kind == "network_error":
        phone.answer("1")  # the user sees nothing, and tries something else
    eventually(lambda: house.told("registration.created", mobile=phone.mobile), "the webhook")
    every = house.api("GET", "/registrations?limit=500")["registrations"]
    assert [one["values"]["code"] for one in every if one["mobile"] == phone.mobile] == ["4711"]


@pytest.mark.parametrize("fault", ["resend", "reorder"])
def test_one_link_for_one_agreement(house: House, phone: Telephone, fault: str) -> None:
    """The network is told the same again, and pays the same."""
    _, number = house.invoice()
    phone.dial(PAY)
    phone.answer(number)
    phone.fault(fault)
    phone.answer("1")
    assert phone.kind == "payment" and len(phone.sms()) == 1
    phone.pay()
    is_paid(house, number)
    assert approvals(house, number) == ["callback"]


def test_a_link_that_was_lost(house: House, phone: Telephone) -> None:
    """The network did not hear 9900, so no link came. What is sent next brings it: the same invoice, one payment."""
    _, number = house.invoice()
    phone.dial(PAY)
    phone.answer(number)
    phone.fault("lost")
    phone.answer("1")
    assert phone.kind == "network_error"
    phone.answer("1")
    assert phone.kind == "payment" and len(phone.sms()) == 1
    phone.pay()
    is_paid(house, number)


def test_a_bill_is_paid_once(house: House, phone: Telephone) -> None:
    """The agreement comes twice."""
    wanted = new_bill()
    phone.dial(f"{BILL.removesuffix('#')}*{wanted.barcode}#")
    phone.fault("resend")
    assert WORDS["pay/paid"] in phone.answer("1")
    asked = [line for line in list(house.sandbox.diary.lines) if line.operation == "pod_pay_bill"]
    assert [line.fields["billId"] for line in asked].count(wanted.bill_id) == 1
    assert state(house, wanted.barcode) == "approved"


# -- callbacks ---------------------------------------------------------------------------------------------------------


def test_a_callback_that_comes_twice(house: House, phone: Telephone) -> None:
    """Settled once."""
    id_, number = house.invoice()
    to_the_link(phone, number)
    phone.fault("callback_twice")
    phone.pay()
    is_paid(house, number)
    eventually(lambda: calls(house, number) == ["http_200"] * 2, "both calls")
    assert approvals(house, number) == ["callback"]
    eventually(lambda: house.told("payment.approved", invoice=id_), "the webhook")
    assert len(house.told("payment.approved", invoice=id_)) == 1


def test_a_callback_that_never_comes(house: House, phone: Telephone) -> None:
    """Who asks what became of it is told, and so are the books and the shop."""
    id_, number = house.invoice()
    to_the_link(phone, number)
    phone.fault("callback_never")
    phone.pay()
    assert read_on(phone, phone.dial(STATUS)).startswith(WORDS["status/paid"])
    assert state(house, number) == "approved"
    eventually(lambda: house.told("payment.approved", invoice=id_), "the webhook")


def test_a_callback_that_comes_late(house: House, phone: Telephone) -> None:
    """Whoever was first has settled it; the other changes nothing."""
    _, number = house.invoice()
    to_the_link(phone, number)
    house.sandbox.faults.add(Fault("ussd_callback", FaultKind.DELAY, seconds=LATE, only=phone.mobile))
    phone.pay()
    assert WORDS["status/paid"] in read_on(phone, phone.dial(STATUS))
    first = approvals(house, number)
    eventually(lambda: calls(house, number) == ["http_200"], "the call")
    assert approvals(house, number) == first and len(first) == 1


def test_a_callback_with_a_wrong_rrn(house: House, phone: Telephone) -> None:
    """It is not believed; that the money came is found out all the same, with the RRN that is true."""
    _, number = house.invoice()
    to_the_link(phone, number)
    phone.fault("callback_wrong_rrn")
    phone.pay()
    phone.dial(STATUS)
    [payment] = house.listed(number)
    assert payment["state"] == "approved" and payment["reference"] in phone.sms(2)[-1]["text"]


def test_a_forged_callback(house: House, phone: Telephone) -> None:
    """Whoever knows the address and the number of an invoice gets nothing by saying that it is paid."""
    _, number = house.invoice()
    to_the_link(phone, number)
    query = {
        "mobile": phone.mobile,
        "sessionid": phone.session,
        "call": f"{PAY.removesuffix('#')}*{number}*1*{number}*1234567",
        "RRN": "123456789012",
    }
    url = f"{house.url}/ussd/{USSD_SECRET}/pay_invoice"
    said = httpx.get(url, params=query, trust_env=False).text
    assert said == WORDS["screen/not_confirmed"] and state(house, number) == "unknown"
    stranger = httpx.get(url, params={**query, "sessionid": "1"}, trust_env=False).text
    assert stranger == WORDS["screen/not_confirmed"]
    phone.pay()
    is_paid(house, number)


def test_the_service_cannot_be_asked(house: House, phone: Telephone) -> None:
    """The call that says so comes while the verification service is down: found out afterwards."""
    _, number = house.invoice()
    to_the_link(phone, number)
    house.sandbox.faults.add(Fault("inoti_payments", FaultKind.HTTP_ERROR, times=1))
    phone.pay()
    eventually(lambda: not house.sandbox.faults.all(), "the service was asked")
    assert WORDS["status/paid"] in read_on(phone, phone.dial(STATUS))
    assert state(house, number) == "approved"


def test_the_books_agree(house: House) -> None:
    """After all of this."""
    agree(house)
