"""The merchants' API with everything that it needs, for `ivr serve`.

Law: where no merchant is configured, nothing is imported, nothing runs and nothing is served.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

from starlette.routing import BaseRoute, Mount

from ivr.config import Settings
from ivr.payments.port import Provider
from ivr.providers.mellat_codes import ANOTHER_CARD, DECLINES, GIVE_UP, NEW_OTP
from ivr.runtime.cashier import Cashier
from ivr.runtime.merchant_desk import MerchantDesk
from ivr.runtime.merchant_views import Words
from ivr.runtime.observer import Observer
from ivr.runtime.webhooks import Webhooks
from ivr.store.opening import Store
from ivr.store.registration_deliveries import StoredRegistrationDeliveries

ANSWERED_WITHIN: Final = 2.0
"""Seconds for the answers to what was waited for when the process ends."""

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
    refuse: Callable[[], None] = lambda: None
    """Begin nothing any more: to be called as soon as the process is to end."""
    webhooks: Webhooks | None = None

    async def run(self) -> None:
        """Tell merchants what became of payments and what callers registered, until cancelled."""
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
    from ivr.web.merchant_api import PREFIX, Registered, merchant_guard  # half a second, for those who serve it

    desk = MerchantDesk(store.merchants, store.journal, store.invoices, cashier, providers, explain, nudge)
    targets = {name: merchant.webhook for name, merchant in settings.merchants.items() if merchant.webhook is not None}
    words = {name: merchant.registrations for name, merchant in settings.merchants.items()}
    registered = StoredRegistrationDeliveries(store.registrations.database, time.time, words)
    webhooks = Webhooks((store.deliveries, registered), targets, time.time) if targets else None
    if webhooks is not None:
        observer.watch("ivr_webhooks_waiting", "Events that merchants do not have yet", lambda: webhooks.waiting)
        observer.watch(
            "ivr_webhooks_oldest_seconds",
            "Age of the oldest event that a merchant does not have",
            lambda: webhooks.oldest,
        )
    guard = merchant_guard(
        desk,
        settings.merchants,
        store.deliveries.replay,
        time.monotonic,
        Registered(store.registrations, registered.replay),
    )
    try:
        yield MerchantService([Mount(PREFIX, app=guard)], desk.is_live, desk.refuse, webhooks)
    finally:
        await desk.close()
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWERED_WITHIN):
                await guard.answered()


def explain(reason: str, code: str | None) -> Words:
    """Why a payment was declined: by the bank's code where it is known, else by our own reason."""
    if code is not None and (decline := DECLINES.get(code)) is not None:
        return Words(decline.reason, decline.fa, decline.en)
    return _WORDS.get(reason) or Words(reason, *_OTHER)
