"""PayStar's telephone gateway on the bank Mellat (BPM): a one-time password by SMS, then the payment itself.

Law: card number and one-time password are Secret until they are the bytes of one request. There is no inquiry and no
reversal: a payment whose outcome is unknown is never sent again, and only a person or the bank's list can decide it.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ivr.domain.card import CARD_DIGITS
from ivr.domain.digits import is_digits, to_ascii
from ivr.domain.errors import BadInput
from ivr.domain.operations import NO_INQUIRY, UNKNOWN, Argument, Kind, Operation, Outcome, Role
from ivr.domain.phone import MOST_DIGITS, caller_number, mobile
from ivr.domain.reading import Fields
from ivr.domain.secret import Secret
from ivr.payments.port import Reply, Value
from ivr.payments.state import Payment
from ivr.providers import wire
from ivr.providers.mellat_answers import not_asked, of_otp, of_payment
from ivr.providers.mellat_codes import (
    ANOTHER_CARD,
    APPROVED,
    APPROVED_UNREADABLE,
    DECLINES,
    GIVE_UP,
    NEW_OTP,
)
from ivr.providers.probe import check_reachable
from ivr.runtime.asking import Asked, Observe, checked
from ivr.runtime.configured import Base, ProviderSettings, read_http, read_secret
from ivr.runtime.http_client import HttpAnswer, HttpClient, HttpSettings

OTP_PATH: Final = "/api/ivr/bpm/otp-v2"
PAY_PATH: Final = "/api/ivr/bpm/pay"
OTP_DIGITS: Final = (5, 12)
"""The document does not say how long a one-time password is."""
MOST_SEQUENCE: Final = 512
"""The longest gateway sequence, in characters."""

_CARD: Final = Argument(Kind.SECRET, most=19)
_OTP: Final = Argument(Kind.SECRET, most=OTP_DIGITS[1])
_CALLER: Final = Argument(Kind.DIGITS, most=MOST_DIGITS)
_REASON: Final = frozenset({"reason", "code"})
_PAID: Final = MappingProxyType({"reference": Kind.DIGITS, "reason": Kind.TEXT, "code": Kind.TEXT})
_PAY_EXITS: Final = frozenset({APPROVED, APPROVED_UNREADABLE, ANOTHER_CARD, NEW_OTP, GIVE_UP})
_PAY_RESULTS: Final = MappingProxyType(
    {APPROVED: frozenset({"reference"}), ANOTHER_CARD: _REASON, NEW_OTP: _REASON, GIVE_UP: _REASON}
)
_CODES: Final = MappingProxyType({code: decline.exit for code, decline in DECLINES.items()})
_PAY_UNKNOWN: Final = (
    "no whole answer after the first byte left, codes 20, 80, 90, 91, 94 and every code that is not in the table, "
    "or an answer that contradicts itself"
)

OPERATIONS: Final[Mapping[str, Operation]] = MappingProxyType(
    {
        operation.name: operation
        for operation in (
            Operation(
                "request_otp",
                {"amount": Argument(Kind.AMOUNT), "card": _CARD, "order_id": Argument(Kind.TEXT)},
                {"reason": Kind.TEXT, "code": Kind.TEXT},
                frozenset({"ok", ANOTHER_CARD, GIVE_UP}),
                results_by_exit={ANOTHER_CARD: _REASON, GIVE_UP: _REASON},
                may_repeat=False,  # it moves nothing, but each one is an SMS, and a new password ends the old one
                unknown_when="no whole answer: an SMS may be on its way all the same",
            ),
            Operation(
                "pay",
                {
                    "amount": Argument(Kind.AMOUNT),
                    "card": _CARD,
                    "otp": _OTP,
                    "order_id": Argument(Kind.TEXT),
                    "caller": _CALLER,
                },
                _PAID,
                _PAY_EXITS,
                Role.CHARGE,
                results_by_exit=_PAY_RESULTS,
                unknown_when=_PAY_UNKNOWN,
            ),
            Operation(
                "pay_by_panel",
                {"card": _CARD, "otp": _OTP, "invoice_id": Argument(Kind.TEXT), "caller": _CALLER},
                _PAID,
                _PAY_EXITS,
                Role.CHARGE,
                results_by_exit=_PAY_RESULTS,
                unknown_when=_PAY_UNKNOWN,
            ),
        )
    }
)


@dataclass(frozen=True, slots=True)
class PaystarMellatSettings:
    """One gateway. Raises BadInput for what cannot work; `sequence` loses surrounding spaces."""

    http: HttpSettings
    sequence: Secret
    """The telephone gateway's id, sent in each body."""
    name: str = "paystar_mellat"
    """What this account is called in logs and metrics."""
    otp_path: str = OTP_PATH
    pay_path: str = PAY_PATH
    otp_least: int = OTP_DIGITS[0]
    otp_most: int = OTP_DIGITS[1]
    """How many digits a one-time password has; another one is answered `new_otp` without asking."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "sequence", Secret(self.sequence.reveal().strip()))
        if not 1 <= len(self.sequence) <= MOST_SEQUENCE or not self.sequence.reveal().isprintable():
            raise BadInput(f"sequence must be 1 to {MOST_SEQUENCE} printable characters")
        if not (self.otp_path.startswith("/") and self.pay_path.startswith("/")):
            raise BadInput("a path must begin with /")
        if not 1 <= self.otp_least <= self.otp_most <= OTP_DIGITS[1]:
            raise BadInput(f"otp_least and otp_most must be 1 to {OTP_DIGITS[1]}, the first not above the second")


class PaystarMellat:
    """One gateway at PayStar; fulfils `ivr.payments.port.Provider`. Made outside, used inside one event loop."""

    operations: Mapping[str, Operation] = OPERATIONS

    def __init__(self, settings: PaystarMellatSettings, observe: Observe | None = None) -> None:
        self._settings = settings
        self._observe = observe
        self._http = HttpClient(settings.http)
        self._asks: Mapping[str, Callable[[Mapping[str, Value], Asked], Awaitable[Reply]]] = {
            "request_otp": self._request_otp,
            "pay": self._pay,
            "pay_by_panel": self._pay_by_panel,
        }

    async def ask(self, operation: str, arguments: Mapping[str, Value]) -> Reply:
        """Ask it. Raises ProviderUnreachable, OutcomeUnknown; BadInput for arguments that nothing was sent for.

        A card that has not 16 digits is answered `another_card`, a password that cannot be one `new_otp`, without
        asking. A decline brings its `reason` (a prompt's name in the group `decline`) and the bank's `code`.
        """
        if operation not in OPERATIONS:
            raise BadInput(f"{self._settings.name} has no operation {operation}")
        given = dict(arguments)
        if "caller" in given:
            given["caller"] = (caller_number(str(given["caller"])) or "").removeprefix("+")
        with Asked(self._settings.name, operation, self._observe) as note:
            reply = await self._asks[operation](checked(OPERATIONS[operation], given), note)
            note.result = reply.exit
            return reply

    async def inquire(self, payment: Payment) -> Reply:
        """UNKNOWN, always and without asking: the gateway has no inquiry."""
        return Reply(UNKNOWN, {}, Outcome.UNKNOWN, code=NO_INQUIRY)

    async def check(self) -> None:
        """Any answer to a HEAD of the base address will do. Raises Unusable."""
        await check_reachable(self._settings.name, self._http)

    async def close(self) -> None:
        """Let go of connections."""
        await self._http.close()

    async def _request_otp(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        card = _keyed(arguments["card"], CARD_DIGITS, CARD_DIGITS)
        if card is None:
            return not_asked("14")
        body = {"amount": arguments["amount"], "pan": card, "order_id": arguments["order_id"]}
        return of_otp(await self._post(self._settings.otp_path, body, note), card)

    async def _pay(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        body = {"ivr": 1, "amount": arguments["amount"], "order_id": arguments["order_id"]}
        return await self._charge(body, arguments, note)

    async def _pay_by_panel(self, arguments: Mapping[str, Value], note: Asked) -> Reply:
        return await self._charge({"ivr": 0, "invoice_id": arguments["invoice_id"]}, arguments, note)

    async def _charge(self, body: Mapping[str, Value], arguments: Mapping[str, Value], note: Asked) -> Reply:
        card = _keyed(arguments["card"], CARD_DIGITS, CARD_DIGITS)
        if card is None:
            return not_asked("14")
        otp = _keyed(arguments["otp"], self._settings.otp_least, self._settings.otp_most)
        if otp is None:
            return not_asked("55")
        caller = str(arguments["caller"])
        mobile_number = mobile(caller)
        whose = f"+98{mobile_number[1:]}" if mobile_number else caller  # as the document's sample writes it
        full = {**body, "pan": card, "pin": otp, "merchant_cid": whose}
        return of_payment(await self._post(self._settings.pay_path, full, note), card, otp)

    async def _post(self, path: str, body: Mapping[str, Value], note: Asked) -> HttpAnswer:
        sent = wire.sealed_json({**body, "sequence": self._settings.sequence})
        answer = await self._http.request("POST", path, data=sent)
        note.http_status = answer.status
        return answer


def _keyed(value: Value, least: int, most: int) -> Secret | None:
    """What was keyed as 0-9, still secret; None when it cannot be one of so many digits."""
    text = to_ascii(value.reveal()).strip() if isinstance(value, Secret) else ""
    return Secret(text) if is_digits(text) and least <= len(text) <= most else None


def read_settings(fields: Fields, name: str, base: Base) -> ProviderSettings:
    """`kind: paystar_mellat` of the configuration."""
    settings = PaystarMellatSettings(
        http=read_http(fields, base),
        sequence=read_secret(fields, "sequence", base),
        name=name,
        otp_path=fields.text("otp_path", OTP_PATH),
        pay_path=fields.text("pay_path", PAY_PATH),
        otp_least=fields.whole("otp_least", OTP_DIGITS[0], least=1, most=OTP_DIGITS[1]),
        otp_most=fields.whole("otp_most", OTP_DIGITS[1], least=1, most=OTP_DIGITS[1]),
    )
    return ProviderSettings(OPERATIONS, lambda observe: PaystarMellat(settings, observe), _CODES)
