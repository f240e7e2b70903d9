"""The forms of what a caller keys: which digits are taken, and as what they are kept.

Law: a form decides by the digits alone (and by what the call knows already); nothing is asked of anybody.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from ivr.domain import bills, jalali
from ivr.domain.card import CARD_DIGITS, is_card_number
from ivr.domain.digits import MOST_DIGITS
from ivr.domain.issuers import issuer_of
from ivr.domain.money import MOST_RIAL
from ivr.domain.operations import Kind
from ivr.domain.pattern import fits, is_pattern
from ivr.domain.phone import MOBILE_DIGITS, mobile
from ivr.domain.reading import Fields
from ivr.flow.steps.base import Reading
from ivr.flow.visit import Visit

MOST_PATTERNS: Final = 20
"""Patterns that one question may have."""

RIAL_PER: Final = {"rial": 1, "toman": 10}

Value = str | int


class Form(Protocol):
    """What may be keyed, and what becomes of it."""

    @property
    def words(self) -> str:
        """What is keyed, to people; empty for any digits."""
        ...

    def values(self, visit: Visit, keyed: str) -> Mapping[str, Value] | None:
        """What is kept, by suffix ("" for the value itself), or None when it is not of this form. `keyed`: digits."""
        ...


@dataclass(frozen=True, slots=True)
class Plain:
    """Digits that a function accepts (and puts in order) or refuses."""

    accept: Callable[[str], str | None]
    words: str = ""

    def values(self, visit: Visit, keyed: str) -> Mapping[str, Value] | None:
        """The digits."""
        value = self.accept(keyed)
        return None if value is None else {"": value}


@dataclass(frozen=True, slots=True)
class Card:
    """A card number; its last four digits and the bank that its first six stand for are no secret."""

    words: str = "a card number"

    def values(self, visit: Visit, keyed: str) -> Mapping[str, Value] | None:
        """The number, `.last_four` and `.bank` (`ivr.domain.issuers`)."""
        if not is_card_number(keyed):
            return None
        return {"": keyed, ".last_four": keyed[-4:], ".bank": issuer_of(keyed)}


@dataclass(frozen=True, slots=True)
class BillId:
    """A bill id, and which kind of bill it is."""

    words: str = "a bill id"

    def values(self, visit: Visit, keyed: str) -> Mapping[str, Value] | None:
        """The id and `.service`."""
        bill = bills.bill_id(keyed)
        return None if bill is None else {"": bill, ".service": bills.service_of(bill)}


@dataclass(frozen=True, slots=True)
class BillOrBarcode:
    """A bill id, or the bill's whole barcode, which says the payment id as well."""

    words: str = "a bill id or a barcode"

    def values(self, visit: Visit, keyed: str) -> Mapping[str, Value] | None:
        """The id and `.service`; of a barcode also `.barcode`, as it was keyed."""
        if len(keyed) != bills.BARCODE_DIGITS:
            return BillId().values(visit, keyed)
        bill = bills.barcode_bill(keyed)
        return None if bill is None else {"": bill.bill_id, ".service": bill.service, ".barcode": keyed}


@dataclass(frozen=True, slots=True)
class PaymentId:
    """The payment id of a bill that is known already."""

    bill: str
    words: str = "a payment id"

    def values(self, visit: Visit, keyed: str) -> Mapping[str, Value] | None:
        """The id and `.amount` in rial."""
        payment = bills.payment_id(keyed, str(visit.needed(self.bill)))
        return None if payment is None else {"": payment, ".amount": bills.amount_of(payment)}


@dataclass(frozen=True, slots=True)
class AmountForm:
    """An amount in rial or toman, kept in rial."""

    rial_per_unit: int
    least: int
    most: int

    @property
    def words(self) -> str:
        """The bounds in the unit that is keyed."""
        unit = next(unit for unit, per in RIAL_PER.items() if per == self.rial_per_unit)
        return f"an amount of {self.least} to {self.most} {unit}"

    def values(self, visit: Visit, keyed: str) -> Mapping[str, Value] | None:
        """Whole rial. The bounds are in the unit that is keyed."""
        return {"": int(keyed) * self.rial_per_unit} if self.least <= int(keyed) <= self.most else None


@dataclass(frozen=True, slots=True)
class Patterned:
    """Digits that fit one of a few patterns."""

    patterns: Sequence[str]

    @property
    def words(self) -> str:
        """The patterns."""
        return f"like {' or '.join(self.patterns)}"

    def values(self, visit: Visit, keyed: str) -> Mapping[str, Value] | None:
        """The digits."""
        return {"": keyed} if any(fits(keyed, pattern) for pattern in self.patterns) else None


@dataclass(frozen=True, slots=True)
class Entry:
    """A form with how many digits it takes, and what it makes known."""

    form: Form
    least: int
    most: int
    makes: Mapping[str, Kind]
    """By suffix; "" is the value itself."""
    may_be_secret: bool = False
    always_secret: bool = False
    """Unless the admin says otherwise."""
    kept: int | None = None
    """How many digits are kept at most, where these are fewer than may be keyed."""
    perhaps: frozenset[str] = frozenset()
    """Suffixes of `makes` that not every number makes known."""


def _digits(keyed: str) -> str:
    return keyed


def _number(keyed: str) -> str | None:
    return keyed.lstrip("0") or None


_DIGITS: Final = {"": Kind.DIGITS}
_OF_CARD: Final = {**_DIGITS, ".last_four": Kind.DIGITS, ".bank": Kind.TEXT}
_OF_BILL: Final = {**_DIGITS, ".service": Kind.DIGITS}

FORMS: Final[Mapping[str, Entry]] = {
    "digits": Entry(Plain(_digits), 1, MOST_DIGITS, _DIGITS, may_be_secret=True),
    "number": Entry(Plain(_number), 1, MOST_DIGITS, _DIGITS, may_be_secret=True),
    "card": Entry(Card(), CARD_DIGITS, CARD_DIGITS, _OF_CARD, True, always_secret=True),
    "mobile": Entry(Plain(mobile, "a mobile number"), 10, 14, _DIGITS, may_be_secret=True, kept=MOBILE_DIGITS),
    "bill_id": Entry(BillId(), bills.LEAST_DIGITS, bills.MOST_DIGITS, _OF_BILL),
    "bill": Entry(
        BillOrBarcode(),
        bills.LEAST_DIGITS,
        bills.BARCODE_DIGITS,
        {**_OF_BILL, ".barcode": Kind.DIGITS},
        kept=bills.MOST_DIGITS,
        perhaps=frozenset({".barcode"}),
    ),
    "payment_id": Entry(PaymentId(""), bills.LEAST_DIGITS, bills.MOST_DIGITS, {**_DIGITS, ".amount": Kind.AMOUNT}),
    "amount": Entry(AmountForm(1, 1, MOST_RIAL), 1, len(str(MOST_RIAL)), {"": Kind.AMOUNT}),
    "date": Entry(Plain(jalali.jalali, "a Jalali date"), jalali.DIGITS, jalali.DIGITS, {"": Kind.DATE}),
}
"""What admins write after `form`, and its bounds where they say nothing else."""


def read_form(fields: Fields, reading: Reading) -> Entry:
    """`form` with the fields that belong to it, or `pattern`."""
    name = fields.one_of("form", tuple(FORMS), "digits")
    if fields.has("pattern"):
        return _pattern(fields, name)
    entry = FORMS[name]
    if name == "amount":
        return _amount(fields)
    if name == "date":
        return _date(fields)
    form = entry.form
    if name == "payment_id":
        form = PaymentId(reading.reference(fields, "bill", frozenset({Kind.DIGITS})) or "")
    least = fields.whole("min", entry.least, least=1, most=MOST_DIGITS)
    most = fields.whole("max", entry.most, least=1, most=MOST_DIGITS)
    if least > most:
        fields.blame(f"'min' is {least} and 'max' is {most}: no number fits", "min")
    return replace(entry, form=form, least=least, most=most)


def _amount(fields: Fields) -> Entry:
    """`form: amount, unit: toman, min: 1000, max: 5000000`: the bounds are amounts in that unit."""
    per = RIAL_PER[fields.one_of("unit", tuple(RIAL_PER))]
    highest = MOST_RIAL // per
    least = fields.whole("min", 1, least=1, most=highest)
    most = fields.whole("max", highest, least=1, most=highest)
    if least > most:
        fields.blame(f"'min' is {least} and 'max' is {most}: no amount fits", "min")
    return Entry(AmountForm(per, least, most), len(str(least)), len(str(most)), {"": Kind.AMOUNT})


def _date(fields: Fields) -> Entry:
    """`form: date`, of eight digits, or of six with `year_digits: 2` and the first of the hundred years meant."""
    if fields.whole("year_digits", 4, least=2, most=4) == 4:
        return FORMS["date"]
    if fields.whole("year_digits") == 3:
        fields.blame("'year_digits' must be 2 or 4, not 3", "year_digits")
    first = fields.whole("first_year", 1350, least=jalali.YEARS[0], most=jalali.YEARS[-1] - 99)

    def accept(keyed: str) -> str | None:
        return jalali.jalali(keyed, first)

    return Entry(Plain(accept, "a Jalali date"), jalali.SHORT_DIGITS, jalali.SHORT_DIGITS, {"": Kind.DATE})


def _pattern(fields: Fields, form: str) -> Entry:
    """`pattern: "09XXXXXXXXX"`, or a list of them."""
    if form != "digits":
        fields.blame(f"'pattern' says all about the digits: leave 'form: {form}' out", "pattern")
    for name in ("min", "max"):
        if fields.has(name):
            fields.blame(f"'pattern' says how many digits there are: leave '{name}' out", name)
    patterns = []
    for text, node in fields.texts("pattern"):
        if is_pattern(text) and len(text) <= MOST_DIGITS:
            patterns.append(text)
        else:
            fields.source.blame(node, f"'{text}' is not a pattern: digits and X for any digit, at most {MOST_DIGITS}")
    if len(patterns) > MOST_PATTERNS:
        fields.blame(f"at most {MOST_PATTERNS} patterns, not {len(patterns)}", "pattern")
    lengths = [len(pattern) for pattern in patterns] or [1]
    return Entry(Patterned(tuple(patterns)), min(lengths), max(lengths), _DIGITS, may_be_secret=True)
