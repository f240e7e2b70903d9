"""Bill ids, payment ids, dates and patterns: what a caller keys is taken only when its digits can be right."""

import pytest

from ivr.domain import bills
from ivr.domain.jalali import jalali
from ivr.domain.pattern import fits, is_pattern

BILLS = [
    ("7748317800142", "1770160", 17_000),
    ("1117753200140", "12070160", 120_000),
    ("1177809000142", "570108", 5_000),
    ("9174639504124", "12908190", 129_000),
    ("2050327604613", "1070189", 10_000),
    ("9100074409153", "12908199", 129_000),
    ("9403272004129", "95570163", 955_000),
    ("3300959004310", "385620969", 3_856_000),
    ("1064348103115", "97570237", 975_000),
    ("4972808930150", "19386733", 193_000),
]


@pytest.mark.parametrize(("bill", "payment", "rial"), BILLS)
def test_a_bill_is_taken(bill: str, payment: str, rial: int) -> None:
    """Real bills, padded to thirteen digits or not."""
    assert bills.bill_id(bill) == bill == bills.bill_id(bill.rjust(16, "0"))
    assert bills.payment_id(payment, bill) == payment == bills.payment_id(payment.rjust(13, "0"), bill)
    assert bills.amount_of(payment) == rial


@pytest.mark.parametrize(("bill", "payment", "rial"), BILLS)
def test_a_barcode_is_both_ids(bill: str, payment: str, rial: int) -> None:
    """Keyed one after the other or scanned whole: the same bill, and back to the same barcode."""
    found = bills.bill_of(bill, payment)
    assert found == bills.Bill(bill, payment) and found.amount == rial
    assert found.barcode == f"{int(bill):013}{int(payment):013}" and bills.barcode_bill(found.barcode) == found
    assert (found.service, found.company) == (bill[-2], bill[-5:-2])


@pytest.mark.parametrize(
    "keyed",
    [
        "",
        "7748317800142" + "1770160",
        "7748317800142" + "1770160".rjust(14, "0"),
        "7748317800141" + "1770160".rjust(13, "0"),
        "7748317800142" + "1770161".rjust(13, "0"),
        "1770160".rjust(13, "0") + "7748317800142",
        "0" * 26,
        "x" * 26,
        "۷" * 26,
    ],
)
def test_what_is_no_barcode(keyed: str) -> None:
    """Too short, too long, the wrong way round, or a digit misread."""
    assert bills.barcode_bill(keyed) is None


@pytest.mark.parametrize(
    ("bill", "payment"),
    [
        ("2234322344613", "1770160"),
        ("9100074409151", "12908199"),
        ("1117753200140", "1770165"),
        ("9174639504124", "12908197"),
    ],
)
def test_the_invalid_bills(bill: str, payment: str) -> None:
    """One of the two ids cannot be right."""
    assert bills.bill_of(bill, payment) is None


def test_kinds_are_a_table_that_a_deployment_may_change() -> None:
    """Sources differ about 7 to 9."""
    kinds = [bills.kind_of(f"12345600{service}0") for service in "0123456789"]
    assert kinds == [
        *("other", "water", "electricity", "gas", "landline", "mobile", "municipality"),
        *("other", "tax", "traffic"),
    ]
    assert bills.kind_of("1234560090", {**bills.SERVICES, "9": "tax"}) == "tax"
    assert set(bills.SERVICES.values()) == set(bills.KINDS)


def test_what_a_bill_says_to_people_and_programs() -> None:
    """All of it, or what is wrong with it."""
    whole = {
        "valid": True,
        "wrong": None,
        "bill_id": "9100074409153",
        "payment_id": "12908199",
        "kind": "mobile",
        "service": "5",
        "company": "091",
        "amount_rial": 129_000,
        "barcode": "91000744091530000012908199",
    }
    assert bills.describe_bill("09100074409153", "12908199") == whole
    assert bills.describe_bill("91000744091530000012908199") == whole
    half = bills.describe_bill("9100074409153", "12908198")
    assert (half["valid"], half["wrong"], half["kind"], half["amount_rial"]) == (False, "payment id", "mobile", None)
    nothing = bills.describe_bill("9100074409151", "12908199")
    assert (nothing["wrong"], nothing["bill_id"], nothing["kind"]) == ("bill id", None, None)
    assert bills.describe_bill("9100074409153")["wrong"] == "barcode"


@pytest.mark.parametrize("bill", ["2234322344613", "9100074409151", "", "0", "00000000", "12345", "7748317800142" * 2])
def test_a_wrong_bill_is_refused(bill: str) -> None:
    """One wrong digit, or too few."""
    assert bills.bill_id(bill) is None


@pytest.mark.parametrize(
    ("payment", "bill"),
    [
        ("1770165", "1117753200140"),
        ("12908197", "9174639504124"),
        ("1770160", "1117753200140"),
        ("12", "1117753200140"),
        ("", "1117753200140"),
    ],
)
def test_a_wrong_payment_id_is_refused(payment: str, bill: str) -> None:
    """A wrong digit, or the payment id of another bill."""
    assert bills.payment_id(payment, bill) is None


def test_a_payment_id_of_nothing_is_refused() -> None:
    """Ids whose digits are right and whose amount is none: nobody can pay 0 rial."""
    bill = "1117753200140"
    head = "0" + "412"
    first = head + str(bills.check_digit(head))
    assert bills.payment_id(first + str(bills.check_digit(bill + first)), bill) is None


def test_every_wrong_digit_of_a_bill_is_noticed() -> None:
    """Whichever single digit a caller gets wrong, nobody else's bill is paid."""
    bill, payment, _ = BILLS[0]
    for place in range(len(bill)):
        for digit in "123456789":
            other = bill[:place] + digit + bill[place + 1 :]
            if other != bill and bills.bill_id(other) is not None:
                assert bills.payment_id(payment, other) is None


@pytest.mark.parametrize(
    ("bill", "service"),
    [("7748317800142", "4"), ("1177809000142", "4"), ("2050327604613", "1"), ("9174639504124", "2")],
)
def test_which_kind_of_bill(bill: str, service: str) -> None:
    """The digit before the last."""
    assert bills.service_of(bill) == service


@pytest.mark.parametrize(
    ("keyed", "day"),
    [
        ("14031230", "14031230"),
        ("14021230", None),
        ("14040631", "14040631"),
        ("14040731", None),
        ("14041301", None),
        ("14040100", None),
        ("20250101", None),
        ("040101", "14040101"),
        ("620101", "13620101"),
        ("500101", "13500101"),
        ("490101", "14490101"),
        ("4040101", None),
        ("", None),
        ("۱۴۰۴۰۱۰۱", None),
    ],
)
def test_days(keyed: str, day: str | None) -> None:
    """30 Esfand exists in a leap year only; two digits are a year of the hundred from 1350 on."""
    assert jalali(keyed) == day


def test_the_hundred_years_can_be_others() -> None:
    """Dates of birth."""
    assert jalali("400101", first_year=1304) == "13400101"


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("09XXXXXXXXX", True), ("X", True), ("", False), ("09x", False), ("09.*", False), ("۰X", False)],
)
def test_what_is_a_pattern(text: str, is_one: bool) -> None:
    """Digits and X; no regular expression."""
    assert is_pattern(text) == is_one


@pytest.mark.parametrize(("digits", "good"), [("0912", True), ("0812", False), ("091", False), ("09123", False)])
def test_what_fits_a_pattern(digits: str, good: bool) -> None:
    """Its digits in their places, and as many."""
    assert fits(digits, "09XX") == good
