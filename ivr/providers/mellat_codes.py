"""The twenty codes of Behpardakht Mellat's telephone gateway: what each means, and what can be done about it.

Law: a code that does not prove that nothing happened is `unknown`, and so is every code that is not in the table. The
texts are the bank's words for people who look at a payment; callers hear the prompt of the code's reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from ivr.domain.operations import UNKNOWN

APPROVED: Final = "approved"
"""Paid, and the reference can be read digit by digit."""
APPROVED_UNREADABLE: Final = "approved_unreadable"
"""Paid; the reference holds letters, so it stands in the books and cannot be read to a caller."""
ANOTHER_CARD: Final = "another_card"
"""This card cannot pay this; another one may."""
NEW_OTP: Final = "new_otp"
"""The one-time password was not right, or no longer: ask for a new one, a bounded number of times."""
GIVE_UP: Final = "give_up"
"""Nothing that the caller could do would help."""

GATEWAY_REFUSED: Final = "gateway_refused"
"""The reason when the gateway refuses without a code of the table."""
PROMPTS: Final = "decline"
"""The prompt group: `decline/<reason>`."""


@dataclass(frozen=True, slots=True)
class Decline:
    """One code. `exit` is ANOTHER_CARD, NEW_OTP, GIVE_UP or UNKNOWN; `fa` and `en` are the bank's message."""

    code: str
    reason: str
    exit: str
    fa: str
    en: str

    @property
    def prompt(self) -> str:
        """What the caller hears."""
        return f"{PROMPTS}/{self.reason}"


DECLINES: Final[Mapping[str, Decline]] = MappingProxyType(
    {
        decline.code: decline
        for decline in (
            Decline("3", "merchant_invalid", GIVE_UP, "پذیرنده کارت نامعتبر است", "invalid merchant"),
            Decline("5", "transaction_refused", GIVE_UP, "تراکنش نامعتبر است", "invalid transaction"),
            Decline("13", "amount_invalid", GIVE_UP, "مبلغ نامعتبر است", "invalid amount"),
            Decline("14", "card_invalid", ANOTHER_CARD, "کارت نامعتبر است", "invalid card"),
            Decline("20", "answer_invalid", UNKNOWN, "پاسخ نامعتبر است", "invalid answer"),
            Decline("21", "transaction_invalid", GIVE_UP, "تراکنش نامعتبر است", "invalid transaction"),
            Decline("42", "account_invalid", ANOTHER_CARD, "حساب کارت نامعتبر است", "invalid account of the card"),
            Decline("51", "insufficient_funds", ANOTHER_CARD, "موجودی کافی نیست", "insufficient funds"),
            Decline("54", "card_expired", ANOTHER_CARD, "تاریخ انقضا کارت گذشته است", "expired card"),
            Decline("55", "wrong_otp", NEW_OTP, "رمز نادرست است", "wrong password"),
            Decline(
                "57",
                "card_not_permitted",
                ANOTHER_CARD,
                "دارنده کارت مجاز به انجام تراکنش نیست",
                "transaction not permitted to the cardholder",
            ),
            Decline("61", "limit_reached", ANOTHER_CARD, "سقف تراکنش تکمیل شده است", "transaction limit reached"),
            Decline("62", "card_restricted", ANOTHER_CARD, "کارت محدود شده است", "restricted card"),
            Decline("63", "terminal_invalid", GIVE_UP, "پایانه نامعتبر است", "invalid terminal"),
            Decline(
                "75",
                "too_many_otps",
                ANOTHER_CARD,
                "تعداد دفعات وارد کردن رمز بیش از حد مجاز است",
                "password entered too often",
            ),
            Decline("78", "card_inactive", ANOTHER_CARD, "کارت غیرفعال است", "inactive card"),
            Decline("80", "system_error", UNKNOWN, "خطای سیستمی رخ داده است", "system error"),
            Decline("90", "end_of_day", UNKNOWN, "عملیات پایان روز کاری در حال انجام است", "end of day processing"),
            Decline("91", "issuer_down", UNKNOWN, "صادر کننده در وضعیت عملیاتی نمی باشد", "issuer not operating"),
            Decline("94", "duplicate", UNKNOWN, "تراکنش تکراری است", "duplicate transaction"),
        )
    }
)
