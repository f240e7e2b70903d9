"""The services on the sandbox's telephone in a real browser, as people try them: every screen, the SMS, the pay page.

`pytest tests/ussd_services/test_handset.py --pictures docs/pictures` makes the pictures in the documentation again.
"""

from collections.abc import Iterator

import pytest

from ivr.lab.ussd import CODES
from tests.browser import Browser
from tests.handset import Handset
from tests.ussd_services.bills import new_bill
from tests.ussd_services.house import House, eventually
from tests.ussd_services.telephone import new_mobile
from tests.ussd_services.test_services import state
from tests.ussd_services.words import WORDS, choices

WIDTH, HEIGHT = 390, 1400
GLASS = "#glass"
"""What a telephone would show, and where an answer is keyed."""
PAID = "پرداخت شد"


@pytest.fixture
def handset(house: House, browser: Browser) -> Iterator[Handset]:
    """A telephone of somebody who has never called, in a window as wide as one."""
    handset = Handset(browser, house.sandbox.phone_url)
    handset.open(WIDTH, HEIGHT)
    owner = browser.find("#owner")
    owner.clear()
    owner.send_keys(new_mobile(), "\t")
    yield handset
    assert handset.mistakes() == []
    browser.driver.get("about:blank")


def codes(house: House) -> list[str]:
    """What the shop was told that somebody registered."""
    return [event["data"]["values"]["code"] for event in house.told("registration.created")]


def test_register_a_code(house: House, handset: Handset) -> None:
    """Asked, answered, stored, told to the merchant."""
    assert handset.dial(CODES["register_code"]) == WORDS["register/enter_code"]
    handset.browser.picture("ussd-register", of=GLASS)
    assert handset.answer("8812") == WORDS["register/done"]
    handset.hang_up()
    eventually(lambda: codes(house).count("8812") == 1, "the webhook")


def test_pay_an_invoice(house: House, handset: Handset) -> None:
    """The amount, the SMS, the pay page; the next call says that it is paid."""
    _, number = house.invoice()
    handset.dial(CODES["pay_invoice"])
    assert handset.answer(number).endswith(choices(_1="screen/send_link", _0="screen/cancel"))
    handset.browser.picture("ussd-amount", of=GLASS)
    handset.answer("1")
    handset.sms(1)
    handset.browser.picture("ussd-sms", of=".messages")
    with handset.pay_page() as page:
        page.picture("ussd-pay-page", of="main")
    assert handset.pay() == PAID
    handset.sms(2)
    eventually(lambda: state(house, number) == "approved", "approved")
    assert handset.dial(CODES["status"]).startswith(WORDS["status/paid"])
    handset.browser.picture("ussd-paid", of=GLASS)


def test_a_payment_is_cancelled(house: House, handset: Handset) -> None:
    """The next call says that nothing has come yet."""
    _, number = house.invoice()
    handset.dial(CODES["pay_invoice"])
    handset.answer(number)
    handset.answer("1")
    handset.pay("cancel")
    assert handset.dial(CODES["status"]) == WORDS["status/not_paid"]


def test_pay_a_bill(house: House, handset: Handset) -> None:
    """Both ids in the string that is dialled; one key agrees."""
    bill = new_bill()
    code = CODES["pay_bill"].removesuffix("#")
    assert handset.dial(f"{code}*{bill.bill_id}*{bill.payment_id}#").startswith(WORDS["screen/pay_bill"])
    handset.browser.picture("ussd-bill", of=GLASS)
    assert WORDS["pay/paid"] in handset.answer("1")
    assert state(house, bill.barcode) == "approved"


def test_nothing_was_ever_paid(handset: Handset) -> None:
    """Says so."""
    assert handset.dial(CODES["status"]) == WORDS["status/none"]


def test_the_network_loses_an_answer(house: House, handset: Handset) -> None:
    """Chosen on the page; what is sent after it is for nobody."""
    handset.dial(CODES["register_code"])
    handset.choose_fault("lost")
    handset.answer("9913")
    assert "شبکه" in handset.screen()
    handset.answer("9914")
    eventually(lambda: "9913" in codes(house), "the webhook")
    assert "9914" not in codes(house)
