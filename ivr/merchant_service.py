"""The merchants' API with everything that it needs, for `ivr serve`.

Law: where no merchant is configured, nothing is imported, nothing runs and nothing is served.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from starlette.routing import BaseRoute

from ivr.config import Settings
from ivr.payments.port import Provider
from ivr.providers.mellat_codes import ANOTHER_CARD, DECLINES, GIVE_UP, NEW_OTP
from ivr.runtime.cashier import Cashier
from ivr.runtime.merchant_desk import MerchantDesk
from ivr.runtime.merchant_views import Words
from ivr.runtime.observer import Observer
from ivr.runtime.webhooks import Webhooks
from ivr.store.opening import Store

_WORDS: Final = {
    ANOTHER_CARD: Words(ANOTHER_CARD, "با این کارت نمی‌توان پرداخت کرد", "this card cannot pay this"),
    NEW_OTP: Words(NEW_OTP, "رمز یک‌بارمصرف نادرست است", "the one-time password is not right"),
    GIVE_UP: Words(GIVE_UP, "درگاه پرداخت را نپذیرفت", "the gateway refuses this payment"),
    "cancelled": Words("cancelled", "پرداخت لغو شد", "the payment was cancelled"),
}
_OTHER: Final = ("پرداخت انجام نشد", "the payment was not made")


@dataclass(frozen=True, slots=True)
class MerchantService:
    """What `ivr serve` needs of it."""

    routes: Sequence[BaseRoute]
    is_live: Callable[[str], bool]
    """Whether an answer about a payment is being waited for."""
    webhooks: Webhooks | None = None

    async def run(self) -> None:
        """Tell merchants what became of payments, until cancelled."""
        await (self.webhooks.run() if self.webhooks is not None else asyncio.get_running_loop().create_future())


@asynccontextmanager
async def merchant_service(
    settings: Settings,
    store: Store,
    cashier: Cashier,
    providers: Mapping[str, Provider],
    observer: Observer,
    nudge: Callable[[str, str], None],
) -> AsyncIterator[MerchantService]:
    """Open while inside; on leaving, payments under way are waited for. `nudge` has a payment asked about soon."""
    if not settings.merchants:
        yield MerchantService((), lambda _: False)
        return
    from ivr.web.merchant_api import merchant_routes  # half a second, for those who serve it

    desk = MerchantDesk(store.merchants, store.journal, store.invoices, cashier, providers, explain, nudge)
    targets = {name: merchant.webhook for name, merchant in settings.merchants.items() if merchant.webhook is not None}
    webhooks = Webhooks(store.deliveries, targets, time.time) if targets else None
    if webhooks is not None:
        observer.watch("ivr_webhooks_waiting", "Events that merchants do not have yet", lambda: webhooks.waiting)
        observer.watch(
            "ivr_webhooks_oldest_seconds",
            "Age of the oldest event that a merchant does not have",
            lambda: webhooks.oldest,
        )
    routes = merchant_routes(desk, settings.merchants, store.deliveries.replay, time.monotonic)
    try:
        yield MerchantService(routes, desk.is_live, webhooks)
    finally:
        await desk.close()


def explain(reason: str, code: str | None) -> Words:
    """Why a payment was declined: by the bank's code where it is known, else by our own reason."""
    if code is not None and (decline := DECLINES.get(code)) is not None:
        return Words(decline.reason, decline.fa, decline.en)
    return _WORDS.get(reason) or Words(reason, *_OTHER)
