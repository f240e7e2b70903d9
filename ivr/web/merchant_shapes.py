"""What the merchants' API takes and gives, in pydantic's words; OpenAPI is made of it.

Law: a card number and a one-time password are Secret from the moment they are read. What is taken is taken exactly:
no text for a number, no field that nobody knows. What is kept as it came holds no card number.
"""

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainValidator, WithJsonSchema

from ivr.domain.money import MOST_RIAL
from ivr.domain.secret import Secret
from ivr.payments.details import holds_card_number

MOST_EVENTS: Final = 500
"""In one answer."""
MOST_EVENT_ID: Final = 10**15


def _secret(pattern: str, what: str) -> PlainValidator:
    """A text becomes a Secret as soon as it is read."""
    wanted = re.compile(pattern)

    def read(value: object) -> Secret:
        if not isinstance(value, str) or not wanted.fullmatch(value):
            raise ValueError(f"must be {what}")
        return Secret(value)

    return PlainValidator(read)


def _shown(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$", "format": "password", "writeOnly": True})


def _digits(value: object) -> object:
    """Numbers in an address are digits: no sign, no blank, no fraction."""
    if isinstance(value, str) and not re.fullmatch(r"0|[1-9][0-9]{0,15}", value):
        raise ValueError("must be a whole number")
    return value


def _whole(value: object) -> object:
    """JSON has one kind of number: `160000.0` is a whole one. It never is a float in here."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _no_card(value: str) -> str:
    """What is kept in the books."""
    if holds_card_number(value):
        raise ValueError("must not hold a card number")
    return value


def _between(least: int, most: int) -> WithJsonSchema:
    return WithJsonSchema({"type": "integer", "minimum": least, "maximum": most})


Card = Annotated[Secret, _secret("[0-9]{16}", "16 digits"), _shown("[0-9]{16}")]
Otp = Annotated[Secret, _secret("[0-9]{5,12}", "5 to 12 digits"), _shown("[0-9]{5,12}")]
After = Annotated[int, Field(ge=0, le=MOST_EVENT_ID), BeforeValidator(_digits), _between(0, MOST_EVENT_ID)]
Limit = Annotated[int, Field(ge=1, le=MOST_EVENTS), BeforeValidator(_digits), _between(1, MOST_EVENTS)]
Amount = Annotated[int, Field(ge=1, le=MOST_RIAL), BeforeValidator(_whole), _between(1, MOST_RIAL)]
EventId = Annotated[int, Field(ge=0, le=MOST_EVENT_ID), BeforeValidator(_whole), _between(0, MOST_EVENT_ID)]
IdempotencyKey = Annotated[str, Field(pattern=r"^[0-9A-Za-z._:-]{1,64}$"), AfterValidator(_no_card)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class _Out(BaseModel):
    model_config = ConfigDict(extra="forbid", from_attributes=True)


class Customer(_In):
    """Whom the invoice is for; the provider is told what it takes of it. None of it is kept here."""

    name: Annotated[str, Field(min_length=1, max_length=64)] = ""
    email: Annotated[str, Field(pattern=r"^[0-9A-Za-z._+-]{1,64}@[0-9A-Za-z.-]{1,60}$")] = ""
    phone: Annotated[str, Field(pattern=r"^\+?[0-9]{8,15}$")] = ""


class CreateInvoice(_In):
    """An invoice to be made."""

    provider: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")] = Field(
        description="By which it is to be paid.", examples=["paystar"]
    )
    amount_rial: Amount = Field(examples=[160_000])
    order_id: Annotated[str, Field(pattern=r"^[0-9A-Za-z._-]{1,64}$"), AfterValidator(_no_card)] = Field(
        description="Your own number for it.", examples=["A-1042"]
    )
    customer: Customer = Customer()


class RequestOtp(_In):
    """The card that is to pay."""

    card: Card


class Pay(_In):
    """A card, the one-time password that its holder got, and the holder's mobile number."""

    card: Card
    otp: Otp
    phone: Annotated[str, Field(pattern=r"^09[0-9]{9}$")]


class Replay(_In):
    """Deliver every event after this one again."""

    after: EventId


class Text(_Out):
    """For people."""

    fa: str
    en: str


class OtpAnswer(_Out):
    """`unknown`: no answer came, and an SMS may be on its way."""

    state: Literal["sent", "declined", "unknown"]
    reason: str | None
    code: str | None
    text: Text | None


class Payment(_Out):
    """One try to pay. `created`: nothing has left; `sent`: under way; `unknown`: nobody can say yet."""

    id: str
    state: Literal["created", "sent", "approved", "declined", "unknown"]
    amount_rial: int | None
    reason: str | None
    code: str | None = Field(description="The provider's own code, as it came.")
    reference: str | None
    receipt: str | None = Field(description="The bank's digital receipt, where the provider says one.")
    text: Text | None = Field(description="Why it was declined.")
    created_at: str
    changed_at: str


class Invoice(_Out):
    """An invoice. `number` is what a caller keys."""

    id: str
    state: Literal["open", "being_paid", "paid", "unknown"]
    provider: str
    number: str
    amount_rial: int
    order_id: str
    created_at: str
    payments: list[Payment]


class PayLink(_Out):
    """Where the payer pays."""

    url: str


class EventData(_Out):
    """What the event is about. `invoice` is the id of our invoice, `payment` that of the try to pay it."""

    invoice: str
    order_id: str
    provider: str
    number: str
    payment: str
    amount_rial: int | None
    reason: str | None
    code: str | None
    reference: str | None
    receipt: str | None


class Event(_Out):
    """What became of a payment. A webhook's body is exactly this."""

    id: int
    type: Literal["payment.approved", "payment.declined", "payment.unknown", "payment.contradicted"]
    created_at: str
    data: EventData


class Events(_Out):
    """In the order of their ids. Ask on with `after` as it stands here."""

    events: list[Event]
    after: int


class Registration(_Out):
    """What a caller registered. A webhook gets exactly this as `data` of a `registration.created`, whose own `id` is
    `reg_` and this one's.
    """

    id: int
    word: str = Field(description="One of your words.")
    dialled: str = Field(description="The number or code that was dialled.")
    flow: str
    mobile: str | None = Field(description="The caller's, 09…; null when it is withheld or no Iranian mobile.")
    values: dict[str, str | int] = Field(description="What was registered; amounts are whole rial.")
    created_at: str


class RegistrationList(_Out):
    """In the order of their ids. Ask on with `after` as it stands here."""

    registrations: list[Registration]
    after: int


class Replayed(_Out):
    """How many events are delivered again."""

    events: int


def names(*models: type[BaseModel]) -> frozenset[str]:
    """Every field's name, which an error may repeat."""
    return frozenset(name for model in models for name in model.model_fields)


KNOWN: Final = names(CreateInvoice, Customer, RequestOtp, Pay, Replay) | {
    "Idempotency-Key",
    "idempotency-key",
    "after",
    "limit",
    "invoice_id",
}
