"""The application dies (kill -9) while somebody uses it, and the next one goes on: nothing twice, nothing lost."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from ivr.lab.ussd import CODES
from ivr.sandbox.faults import Fault, FaultKind
from tests.ussd_services.bills import new_bill
from tests.ussd_services.books import agree
from tests.ussd_services.house import House, eventually
from tests.ussd_services.telephone import Telephone
from tests.ussd_services.test_services import read_on, state, to_the_link
from tests.ussd_services.words import WORDS

REGISTER, PAY, BILL, STATUS = CODES["register_code"], CODES["pay_invoice"], CODES["pay_bill"], CODES["status"]
SLOW = 600.0
"""Seconds; nobody waits for them, for who would is dead before."""


@contextmanager
def dies(house: House) -> Iterator[None]:
    """Dead inside, alive again afterwards."""
    house.kill()
    try:
        yield
    finally:
        house.start()


def asked(house: House) -> list[str]:
    """What the sandbox was asked, in order."""
    return [line.operation for line in list(house.sandbox.diary.lines)]


@contextmanager
def while_asked(house: House, phone: Telephone, operation: str, *, done: bool) -> Iterator[None]:
    """The user sends 1, and the process dies while it asks a provider this; with `done` the provider does it."""
    house.sandbox.faults.add(Fault(operation, FaultKind.DELAY, seconds=SLOW, commit=done))
    before = asked(house).count(operation)
    with ThreadPoolExecutor(1) as beside:
        answer = beside.submit(phone.answer, "1")
        eventually(lambda: asked(house).count(operation) > before, operation)
        with dies(house):
            answer.result()
        yield


def test_between_two_screens(house: House, phone: Telephone) -> None:
    """What was sent before counts, what is sent now is heard."""
    _, number = house.invoice()
    phone.dial(PAY)
    phone.answer(number)
    with dies(house):
        pass
    phone.answer("1")
    assert phone.kind == "payment"
    with dies(house):
        phone.pay()  # the network calls while nobody is there
        eventually(lambda: len(phone.sms(2)) == 2, "the second SMS")
    assert WORDS["status/paid"] in read_on(phone, phone.dial(STATUS))
    assert state(house, number) == "approved"


def test_while_nobody_is_there(house: House, phone: Telephone) -> None:
    """The user sees the network's error, sends it again, and it counts once."""
    phone.dial(REGISTER)
    with dies(house):
        phone.answer("4711")
        assert phone.kind == "network_error"
    phone.answer("4711")
    eventually(lambda: house.told("registration.created", mobile=phone.mobile), "the webhook")
    every = house.api("GET", "/registrations?limit=500")["registrations"]
    assert [one["values"]["code"] for one in every if one["mobile"] == phone.mobile] == ["4711"]


@pytest.mark.parametrize("done", [True, False])
def test_while_a_bill_is_paid(house: House, phone: Telephone, done: bool) -> None:
    """POD is being asked to pay when the process dies: it is never asked again, and the user is told what is true."""
    wanted = new_bill()
    phone.dial(f"{BILL.removesuffix('#')}*{wanted.barcode}#")
    with while_asked(house, phone, "pod_pay_bill", done=done):
        assert phone.kind == "network_error"
    said = read_on(phone, phone.answer("1"))
    paying = [line for line in list(house.sandbox.diary.lines) if line.operation == "pod_pay_bill"]
    assert [line.fields["billId"] for line in paying].count(wanted.bill_id) == 1
    if done:
        assert WORDS["pay/paid"] in said or WORDS["bill/already_paid"] in said
        eventually(lambda: state(house, wanted.barcode) == "approved", "approved")
    else:
        assert WORDS["pay/paid"] not in said and state(house, wanted.barcode) == "unknown"


def test_while_a_callback_is_verified(house: House, phone: Telephone) -> None:
    """Nobody calls again, and it is settled all the same."""
    _, number = house.invoice()
    to_the_link(phone, number)
    house.sandbox.faults.add(Fault("inoti_payments", FaultKind.DELAY, seconds=SLOW))
    phone.pay()
    eventually(lambda: not house.sandbox.faults.all(), "the service is asked")
    with dies(house):
        pass
    eventually(lambda: state(house, number) == "approved", "approved by the reconciler")


def test_the_books_agree(house: House) -> None:
    """After all of this."""
    agree(house)
