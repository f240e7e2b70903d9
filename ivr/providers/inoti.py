"""iNoti's payment verification: was this USSD payment really made?

Law: iNoti's callback proves nothing. A payment is approved only when the verification service has exactly one record
that agrees in session, mobile, price, both factor ids and RRN; none, several, or one that only nearly agrees is
UNKNOWN, for the payer may still pay. Nothing here is ever declined: an unpaid invoice expires by itself.

That a payment settles once is the books' part. To `verify_payment` the answer is about the invoice (`of_invoice`), of
which they approve one try. `inquire` and `verify` look for one session's own record: of two sessions that paid the same
invoice each has one, and both have brought money.

`inquire` takes what the session knew, or what the callback brought as well, from the payment's `transaction_id`: see
`Claim.transaction_id`. Without a callback, their factor id and RRN must be there and are believed. `verify` is handed
what a callback brought.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal

from ivr.domain.errors import BadInput
from ivr.domain.operations import NO_INQUIRY, Argument, Kind, Operation, Outcome, Role
from ivr.domain.phone import MOST_DIGITS, mobile
from ivr.domain.reading import Fields
from ivr.domain.secret import Secret
from ivr.domain.ussd import BETWEEN
from ivr.payments.port import RRN, THEIR_FACTOR, Reply, Value
from ivr.payments.state import Payment
from ivr.providers import inoti_wire
from ivr.providers.inoti_wire import PaymentRecord
from ivr.providers.probe import check_reachable
from ivr.providers.soap import SoapOperation
from ivr.runtime.asking import Asked, Observe, checked
from ivr.runtime.configured import Base, ProviderSettings, read_http, read_secret
from ivr.runtime.http_client import HttpClient, HttpSettings

DESCRIPTION: Final = Path(__file__).with_name("inoti.wsdl")
SERVICE_PATH: Final = "/_services/ExternalUssdPay.asmx"
USUAL_LIFETIME: Final = 3 * 3600.0
"""Seconds after which an unpaid invoice is closed where nobody has written another time: iNoti never says so."""
MOST_ID: Final = 20
MOST_CREDENTIAL: Final = 128

Calendar = Literal["none", "gregorian", "jalali"]

_ID: Final = Argument(Kind.DIGITS, most=MOST_ID)

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        "verify_payment": Operation(
            "verify_payment",
            {
                "session": Argument(Kind.TEXT),
                "mobile": Argument(Kind.DIGITS, most=MOST_DIGITS),
                "amount": Argument(Kind.AMOUNT),
                "our_factor": Argument(Kind.TEXT),
                "their_factor": _ID,
                "rrn": _ID,
            },
            {"rrn": Kind.DIGITS, "paid_at": Kind.TEXT, "receipt": Kind.TEXT},
            frozenset({"verified", "not_verified"}),
            Role.INQUIRY,
            frozenset({"verified"}),
            unknown_when="no whole answer, a SOAP fault, a text that is no JSON, or not exactly one record that "
            "agrees in everything",
        )
    }
)


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of a payment. The last two are None before iNoti has called back."""

    session: str
    mobile: str
    amount_rial: int
    our_factor: str
    their_factor: str | None = None
    rrn: str | None = None

    @property
    def transaction_id(self) -> str:
        """How a payment in our books remembers it: `session|mobile`, or `session|mobile|their factor id|RRN`."""
        parts = (self.session, self.mobile, self.their_factor, self.rrn)
        return BETWEEN.join(part for part in parts if part is not None)

    def is_of(self, record: PaymentRecord) -> bool:
        """Whether the record is exactly this payment's."""
        own = mobile(self.mobile)
        return (
            own is not None
            and (record.session, record.mobile, record.amount_rial, record.our_factor)
            == (self.session, own, self.amount_rial, self.our_factor)
            and record.their_factor != ""
            and record.rrn != ""
            and self.their_factor in (None, record.their_factor)
            and self.rrn in (None, record.rrn)
        )


@dataclass(frozen=True, slots=True)
class InotiSettings:
    """One USSD code at iNoti. Raises BadInput for what cannot work; credentials lose surrounding spaces."""

    http: HttpSettings
    username: Secret
    password: Secret
    code_name: str
    """The USSD code that was bought, as iNoti writes it."""
    name: str = "inoti"
    path: str = SERVICE_PATH
    null_result: str = "[]"
    """What iNoti is to answer when there is no such payment."""
    paid_results: tuple[str, ...] = ()
    """Texts of a record's Result that mean paid; empty: any, for only successful payments are asked for."""
    calendar: Calendar = "none"
    """In which calendar DateFrom and DateTo are sent; `none` leaves them empty."""
    date_form: str = "YYYY/MM/DD"
    days: int = 3
    """How many days back is asked for, where dates are sent."""

    def __post_init__(self) -> None:
        for name in ("username", "password"):
            text = getattr(self, name).reveal().strip()
            if not text or len(text) > MOST_CREDENTIAL or not text.isprintable():
                raise BadInput(f"{name} must be 1 to {MOST_CREDENTIAL} printable characters")
            object.__setattr__(self, name, Secret(text))
        if not self.code_name.strip() or not self.code_name.isprintable():
            raise BadInput("code_name must be printable text")
        if not self.path.startswith("/"):
            raise BadInput("a path must begin with /")
        if self.calendar not in ("none", "gregorian", "jalali"):
            raise BadInput("calendar must be none, gregorian or jalali")
        if not 1 <= self.days <= 366:
            raise BadInput("days must be 1 to 366")


class Inoti:
    """One USSD code at iNoti; fulfils `ivr.payments.port.Provider`. Made outside, used inside one event loop."""

    operations: Mapping[str, Operation] = OPERATIONS

    def __init__(
        self, settings: InotiSettings, observe: Observe | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self._settings = settings
        self._observe = observe
        self._clock = clock
        self._soap = SoapOperation(DESCRIPTION, "GetPayments")
        self._http = HttpClient(settings.http, self._soap.headers)

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        """Ask it. Raises ProviderUnreachable, OutcomeUnknown; BadInput for arguments that nothing was sent for."""
        if operation not in OPERATIONS:
            raise BadInput(f"{self._settings.name} has no operation {operation}")
        good = checked(OPERATIONS[operation], arguments)
        return await self._verify(
            Claim(
                session=str(good["session"]),
                mobile=str(good["mobile"]),
                amount_rial=int(str(good["amount"])),
                our_factor=str(good["our_factor"]),
                their_factor=str(good["their_factor"]),
                rrn=str(good["rrn"]),
            )
        )

    async def inquire(self, payment: Payment) -> Reply:
        """What became of a payment: APPROVED or UNKNOWN. `invoice_id` is our factor id; see `Claim.transaction_id`."""
        claim = _claimed(payment)
        if claim is None:
            return Reply("not_verified", {}, Outcome.UNKNOWN, code=NO_INQUIRY)
        return replace(await self._verify(claim), of_invoice=False)

    async def verify(self, payment: Payment, said: Mapping[str, str]) -> Reply:
        """The same with what a callback brought: `their_factor` and `rrn` (see `ivr.payments.port`)."""
        theirs, rrn = (inoti_wire.number(said.get(name, "")) for name in (THEIR_FACTOR, RRN))
        claim = _claimed(payment)
        if claim is None or not theirs or not rrn:
            return Reply("not_verified", {}, Outcome.UNKNOWN, code=NO_INQUIRY)
        return replace(await self._verify(replace(claim, their_factor=theirs, rrn=rrn)), of_invoice=False)

    async def check(self) -> None:
        """Any answer to a HEAD of the base address will do; no credential is in it. Raises Unusable."""
        await check_reachable(self._settings.name, self._http)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def _verify(self, claim: Claim) -> Reply:
        claim = _plain(claim)
        with Asked(self._settings.name, "verify_payment", self._observe) as note:
            answer = await self._http.request("POST", self._settings.path, data=self._request(claim))
            note.http_status = answer.status
            records = inoti_wire.payment_records(self._soap.answer(answer), self._settings.null_result)
            paid = self._settings.paid_results
            exact = [each for each in records if claim.is_of(each) and (not paid or each.result in paid)]
            if len(exact) == 1:
                note.result = "verified"
                paid_by = exact[0]
                values = {"rrn": paid_by.rrn, "paid_at": paid_by.paid_at, "receipt": paid_by.receipt}
                receipt = paid_by.receipt or None
                return Reply("verified", values, Outcome.APPROVED, "1", paid_by.rrn, of_invoice=True, receipt=receipt)
            note.result = "not_verified"
            why = "several" if exact else "near" if records else "none"
            return Reply("not_verified", {}, Outcome.UNKNOWN, code=why, of_invoice=True, not_paid=why == "none")

    def _request(self, claim: Claim) -> bytes:
        settings = self._settings
        date_from = date_to = ""
        if settings.calendar != "none":
            today = datetime.fromtimestamp(self._clock(), inoti_wire.TEHRAN).date()
            days = (today - timedelta(days=settings.days), today + timedelta(days=1))
            date_from, date_to = (inoti_wire.day_text(day, settings.calendar, settings.date_form) for day in days)
        return self._soap.request(
            {
                "Username": settings.username.reveal(),
                "Password": settings.password.reveal(),
                "CodeName": settings.code_name,
                "IsAll": False,
                "DateFrom": date_from,
                "DateTo": date_to,
                "SessionID": claim.session,
                "PriceFrom": str(claim.amount_rial),
                "PriceTo": str(claim.amount_rial),
                "Mobile": claim.mobile,
                "RefKey": "",
                "iNotiFactorID": claim.their_factor or "",
                "YourFactorID": claim.our_factor,
                "RRN": claim.rrn or "",
                "NullResult": settings.null_result,
            }
        )


def read_settings(fields: Fields, name: str, base: Base) -> ProviderSettings:
    """`kind: inoti` of the configuration."""
    calendar = fields.one_of("calendar", ("none", "gregorian", "jalali"), "none")
    settings = InotiSettings(
        http=read_http(fields, base),
        username=read_secret(fields, "username", base),
        password=read_secret(fields, "password", base),
        code_name=fields.text("code_name"),
        name=name,
        path=fields.text("path", SERVICE_PATH),
        null_result=fields.text("null_result", "[]"),
        paid_results=tuple(text for text, _ in fields.texts("paid_results", required=False)),
        calendar="jalali" if calendar == "jalali" else "gregorian" if calendar == "gregorian" else "none",
        date_form=fields.text("date_form", "YYYY/MM/DD"),
        days=fields.whole("days", 3, least=1, most=366),
    )
    return ProviderSettings(OPERATIONS, lambda observe: Inoti(settings, observe), invoice_lifetime=USUAL_LIFETIME)


def _claimed(payment: Payment) -> Claim | None:
    """What the books know of it, or None when that could find somebody else's."""
    parts = (payment.transaction_id or "").split(BETWEEN)
    if payment.amount_rial is None or len(parts) not in (2, 4) or not all(map(_is_clean, parts)):
        return None
    session, number, *theirs = parts
    return Claim(session, number, payment.amount_rial, payment.invoice_id, *theirs)


def _is_clean(text: str) -> bool:
    """Whether it can stand in XML."""
    return bool(text) and text.isprintable()


def _plain(claim: Claim) -> Claim:
    """The same with its numbers as the records have them: mobile `09…`, ids without leading zeros."""
    return Claim(
        claim.session,
        mobile(claim.mobile) or claim.mobile,
        claim.amount_rial,
        claim.our_factor,
        None if claim.their_factor is None else inoti_wire.number(claim.their_factor),
        None if claim.rrn is None else inoti_wire.number(claim.rrn),
    )
