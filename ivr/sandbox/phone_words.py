"""What the handset says in Persian, and the faults that can be chosen on it."""

from dataclasses import dataclass
from typing import Final

from ivr.sandbox.faults import FaultKind
from ivr.sandbox.ussd_network import Kind, Shown
from ivr.sandbox.ussd_screen import MISTAKES

SLOW_SECONDS: Final = 4.0
LATE_SECONDS: Final = 15.0


@dataclass(frozen=True, slots=True)
class Choice:
    """A fault as the handset offers it."""

    operation: str
    kind: FaultKind
    text: str
    seconds: float = 0.0


CHOICES: Final = {
    "resend": Choice("ussd_request", FaultKind.RESEND, "درخواست دو بار فرستاده شود"),
    "lost": Choice("ussd_request", FaultKind.LOST, "پاسخ در راه گم شود"),
    "reorder": Choice("ussd_request", FaultKind.REORDER, "درخواست پیشین پس از این یکی دوباره برسد"),
    "slow": Choice("ussd_request", FaultKind.DELAY, "شبکه کند باشد", SLOW_SECONDS),
    "callback_twice": Choice("ussd_callback", FaultKind.DUPLICATE_CALLBACK, "فروشنده دو بار خبر شود"),
    "callback_late": Choice("ussd_callback", FaultKind.DELAY, "فروشنده دیر خبر شود", LATE_SECONDS),
    "callback_never": Choice("ussd_callback", FaultKind.NO_CALLBACK, "فروشنده هرگز خبر نشود"),
    "callback_wrong_rrn": Choice("ussd_callback", FaultKind.WRONG_RRN, "فروشنده با RRN نادرست خبر شود"),
}
"""By the name that the page has for them. Those of `ussd_callback` wait for the next payment."""

_WHY: Final = {
    "lost": "",
    "not_sent": "",
    "timeout": "فروشنده در زمان مقرر پاسخ نداد",
    "too_big": "پاسخ فروشنده بسیار بزرگ بود",
    "unreachable": "به فروشنده نمی‌توان رسید",
}


def words(shown: Shown) -> dict[str, object]:
    """`text` for the screen, and `mistakes`: sentences on what the merchant did wrong."""
    mistakes = [] if shown.screen is None else [MISTAKES[code] for code in shown.screen.mistakes]
    if shown.kind is Kind.NETWORK_ERROR:
        why = _WHY.get(shown.why, f"پاسخ فروشنده HTTP {shown.why.removeprefix('http_')} بود")
        mistakes = [why] if why else []
    return {"text": _text(shown), "mistakes": mistakes}


def _text(shown: Shown) -> str:
    if shown.screen is not None:
        return shown.screen.text
    if shown.wish is not None:
        return f"پیوند پرداخت {shown.wish.price:,} ریال با پیامک برایتان فرستاده شد."
    match shown.kind:
        case Kind.WRONG_CODE:
            return "کد دستوری نامعتبر است."
        case Kind.BUSY:
            return "پاسخ پیشین هنوز نرسیده است."
        case Kind.ENDED:
            return "زمان نشست به پایان رسید." if shown.why == "timeout" else "نشست پایان یافت."
    if shown.why == "not_sent":
        return "این پاسخ را نمی‌توان فرستاد."
    return "خطای شبکه. دوباره پاسخ دهید یا تماس را پایان دهید."
