"""Arguments are checked before anything is sent, and a mistake is named without its value."""

from collections.abc import Mapping

import pytest

from ivr.domain.errors import BadInput
from ivr.domain.operations import Argument, Kind, Operation
from ivr.domain.secret import Secret
from ivr.payments.port import Value
from ivr.runtime.asking import checked

OPERATION = Operation(
    "pay",
    {
        "amount": Argument(Kind.AMOUNT),
        "id": Argument(Kind.DIGITS, most=8),
        "note": Argument(Kind.TEXT, required=False, most=5),
        "pin": Argument(Kind.SECRET, required=False, most=12),
    },
)


def test_good_arguments_come_back_plain() -> None:
    """Persian digits, separators and spaces are gone; an empty optional one is left out."""
    given: Mapping[str, Value] = {"amount": "۱۶۰,۰۰۰", "id": " ۱۲۳ ", "note": "", "pin": Secret("1")}
    assert checked(OPERATION, given) == {"amount": 160000, "id": "123", "pin": Secret("1")}


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"amount": "918273.5"}, "amount"),
        ({"amount": ""}, "amount"),
        ({"id": "918273a"}, "id"),
        ({"id": "918273645"}, "id"),
        ({"id": Secret("918273")}, "id"),
        ({"note": "918273"}, "note"),
        ({"note": "a\r\nb"}, "note"),
        ({"pin": "918273"}, "pin"),
        ({"pin": Secret("9182739182739")}, "pin"),
        ({"extra": "918273"}, "extra"),
    ],
)
def test_a_bad_argument_is_named_and_its_value_is_not(change: Mapping[str, Value], named: str) -> None:
    """The message can go into a log."""
    with pytest.raises(BadInput, match=named) as caught:
        checked(OPERATION, {"amount": 1, "id": "1", **change})
    assert "918273" not in str(caught.value)
