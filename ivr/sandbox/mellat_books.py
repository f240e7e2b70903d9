"""What Behpardakht Mellat's role knows: one-time passwords, and payments. No I/O.

Law: an order of a gateway is paid at most once, whatever is asked how often, and with a password that was sent for this
card and this order; a payment keeps first six and last four of a card.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ivr.domain.secret import Secret
from ivr.sandbox.books import Books, masked
from ivr.sandbox.settings import Gateway, SandboxSettings
from ivr.sandbox.sms import Outbox

AMOUNT_INVALID: Final = "13"
CARD_INVALID: Final = "14"
INSUFFICIENT_FUNDS: Final = "51"
WRONG_OTP: Final = "55"
TERMINAL_INVALID: Final = "63"
TOO_MANY_OTPS: Final = "75"
DUPLICATE: Final = "94"


class Declined(Exception):
    """The bank says no, with a code of its table."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(slots=True)
class Password:
    """A one-time password under way."""

    code: Secret
    amount: int
    expires_at: float
    wrong: int = 0


@dataclass(frozen=True, slots=True)
class MellatPayment:
    """Money that was taken: a line of the bank's settlement list."""

    order_id: str
    amount: int
    reference: str
    masked_pan: str
    at: float


class MellatBooks:
    """The gateways and cards are those of `Books`; passwords leave by the outbox. `now` is seconds since 1970."""

    def __init__(self, settings: SandboxSettings, books: Books, outbox: Outbox, now: Callable[[], float]) -> None:
        self._settings = settings
        self._books = books
        self._outbox = outbox
        self._now = now
        self._passwords: dict[tuple[Secret, str], Password] = {}
        self._paid: dict[tuple[str, str], MellatPayment] = {}

    @property
    def payments(self) -> list[MellatPayment]:
        """Everything that was taken, oldest first."""
        return list(self._paid.values())

    def gateway(self, sequence: str) -> Gateway:
        """The gateway of a sequence. Raises Declined 63."""
        gateway = self._books.gateway(Secret(sequence))
        if gateway is None:
            raise Declined(TERMINAL_INVALID)
        return gateway

    def send_otp(self, pan: Secret, amount: int, order_id: str) -> None:
        """Send a password for this card and order; one that was sent before is good no longer. Raises Declined 14."""
        if pan not in self._books.accounts:
            raise Declined(CARD_INVALID)
        digits = self._settings.otp_digits
        code = str(self._books.dice.randrange(10**digits)).zfill(digits)
        now = self._now()
        self._passwords[pan, order_id] = Password(Secret(code), amount, now + self._settings.otp_lifetime)
        text = f"رمز پویا: {code}، مبلغ {amount:,} ریال"
        self._outbox.send(now, masked(pan), order_id, text, code)

    def pay(self, gateway: Gateway, pan: Secret, otp: Secret, order_id: str, amount: int | None) -> MellatPayment:
        """Take the money, once. `amount` None: that of the password (a panel names none). Raises Declined."""
        if (gateway.merchant_id, order_id) in self._paid:
            raise Declined(DUPLICATE)
        account = self._books.accounts.get(pan)
        if account is None:
            raise Declined(CARD_INVALID)
        password = self._right_password(pan, otp, order_id)
        if amount not in (None, password.amount):
            raise Declined(AMOUNT_INVALID)
        del self._passwords[pan, order_id]
        if account.balance < password.amount:
            raise Declined(INSUFFICIENT_FUNDS)
        account.balance -= password.amount
        reference = self._books.fresh_reference()
        paid = MellatPayment(order_id, password.amount, reference, masked(pan), self._now())
        self._paid[gateway.merchant_id, order_id] = paid
        return paid

    def _right_password(self, pan: Secret, otp: Secret, order_id: str) -> Password:
        password = self._passwords.get((pan, order_id))
        if password is None or self._now() >= password.expires_at:
            raise Declined(WRONG_OTP)
        if password.wrong >= self._settings.otp_tries:
            raise Declined(TOO_MANY_OTPS)
        if password.code != otp:
            password.wrong += 1
            raise Declined(WRONG_OTP)
        return password
