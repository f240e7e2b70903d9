"""Everything of `ivr serve` but the telephone: `python -m tests.merchants.world CONFIG` serves until it is killed."""

import asyncio
import os
import random
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
import yaml

from ivr.app import create_invoice
from ivr.config import load_settings
from ivr.merchant_service import MerchantService, merchant_service
from ivr.payments.invoice import Invoice
from ivr.runtime.cashier import Cashier
from ivr.runtime.logs import configure_logs
from ivr.runtime.observer import Observer
from ivr.runtime.reconciler import Reconciler
from ivr.runtime.webhooks import Webhooks
from ivr.sandbox.inoti_books import InotiAccount
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_GATEWAY, DEMO_TERMINAL
from ivr.store.opening import Store, open_store
from ivr.web.operations import operations_app

TILL = "till-key-of-the-shop-0001"
READER = "reader-key-of-the-shop-02"
OTHER = "the-key-of-somebody-else-3"
WEBHOOK = "secret-of-the-shops-webhook"

ENVIRONMENT = {
    "TEST_ARI_PASSWORD": "ari-password-9431",
    "PAYSTAR_SEQUENCE": DEMO_GATEWAY.sequence.reveal(),
    "WEB_API_KEY": DEMO_TERMINAL.api_key.reveal(),
    "INOTI_USERNAME": InotiAccount().username.reveal(),
    "INOTI_PASSWORD": InotiAccount().password.reveal(),
    "SHOP_TILL_KEY": TILL,
    "SHOP_READER_KEY": READER,
    "OTHER_KEY": OTHER,
    "SHOP_WEBHOOK_SECRET": WEBHOOK,
}
ALL = ["invoices.create", "invoices.read", "payments.make", "events.read", "registrations.read"]
WORD, OTHER_WORD = "registration", "visit"
"""Under which callers register for the shop, and for the other one."""


def write_config(
    home: Path,
    sandbox: SandboxServer,
    port: int,
    hook: str | None = None,
    per_minute: int = 100_000,
    paystar_url: str = "",
    mellat_url: str = "",
) -> Path:
    """Two merchants: `shop` with a till, a reader and perhaps a webhook, and `other`."""
    here = {"connect_timeout": "5s", "read_timeout": "60s", "total_timeout": "60s"}
    paystar = {"base_url": paystar_url or sandbox.paystar_url, "sequence": {"env": "PAYSTAR_SEQUENCE"}, **here}
    web = {"base_url": sandbox.web_gateway_url, "api_key": {"env": "WEB_API_KEY"}, "return_url": "http://127.0.0.1:9/"}
    ussd = {
        "base_url": sandbox.inoti_url,
        "username": {"env": "INOTI_USERNAME"},
        "password": {"env": "INOTI_PASSWORD"},
        "code_name": InotiAccount().code_name,
        "invoice_lifetime": "24h",
    }
    shop: dict[str, Any] = {
        "providers": ["paystar", "mellat", "web", "ussd"],
        "registrations": [WORD],
        "requests_per_minute": per_minute,
        "keys": {
            "till": {"secret": {"env": "SHOP_TILL_KEY"}, "scopes": ALL},
            "reader": {"secret": {"env": "SHOP_READER_KEY"}, "scopes": ["invoices.read"]},
        },
    }
    if hook is not None:
        shop["webhook"] = {"url": hook, "secret": {"env": "SHOP_WEBHOOK_SECRET"}}
    content = {
        "asterisk": {"ari": {"password": {"env": "TEST_ARI_PASSWORD"}}},
        "trunks": {"public": {"host": "127.0.0.1", "match": ["127.0.0.1"]}},
        "providers": {
            "paystar": {"kind": "paystar_saman", **paystar},
            "mellat": {"kind": "paystar_mellat", **paystar, "base_url": mellat_url or sandbox.mellat_url},
            "web": {"kind": "web_gateway", **web, **here},
            "ussd": {"kind": "inoti", **ussd, **here},
        },
        "merchants": {
            "shop": shop,
            "other": {
                "providers": ["mellat"],
                "registrations": [OTHER_WORD],
                "keys": {"all": {"secret": {"env": "OTHER_KEY"}, "scopes": ALL}},
            },
        },
        "storage": str(home / "var"),
        "web": {"host": "127.0.0.1", "port": port},
    }
    (home / "var").mkdir(parents=True, exist_ok=True)
    file = home / "ivr.yaml"
    file.write_text(yaml.safe_dump(content), encoding="utf-8")
    return file


@dataclass
class Api:
    """What is served."""

    store: Store
    service: MerchantService
    url: str
    settings: Any

    async def elsewhere(self, provider: str, amount: int) -> Invoice:
        """An invoice that no merchant's program made."""
        return await create_invoice(self.settings, provider, amount, "ours", "")


@asynccontextmanager
async def serving(config: Path, hurry: Mapping[str, float] | None = None) -> AsyncIterator[Api]:
    """Served while inside. `hurry`: other pauses of the webhooks than usual."""
    settings = load_settings(config)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.storage, time.time))
        providers = {name: one.make(lambda *_: None) for name, one in settings.providers.items()}
        for client in providers.values():
            stack.push_async_callback(client.close)
        observer = Observer()
        service = await stack.enter_async_context(
            merchant_service(
                settings,
                store,
                Cashier(store.journal, store.invoices, time.time),
                providers,
                observer,
                lambda payment, why: reconciler.nudge(payment, why),
            )
        )
        reconciler = Reconciler(
            store.journal,
            providers,
            service.is_live,
            clock=time.time,
            dice=random.random,
            look_every=0.5,
            delays=[0.2] * 1000,
        )
        app = operations_app({"journal": store.journal.check}, observer.registry, more=service.routes)
        listener = stack.enter_context(socket.socket())
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.web_host, settings.web_port))
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
        hooks = service.webhooks
        if hooks is not None and hurry is not None:
            hooks = Webhooks(hooks.streams, hooks.targets, time.time, **hurry)  # type: ignore[arg-type]
        work = [server._serve([listener]), reconciler.run(), *([hooks.run()] if hooks is not None else [])]
        tasks = [asyncio.create_task(one) for one in work]
        try:
            while not server.started:  # noqa: ASYNC110 - uvicorn announces it nowhere
                await asyncio.sleep(0.01)
            yield Api(store, service, f"http://{settings.web_host}:{settings.web_port}", settings)
        finally:
            server.should_exit = True
            await tasks[0]
            for task in tasks[1:]:
                task.cancel()
            await asyncio.gather(*tasks[1:], return_exceptions=True)


async def _main(config: Path) -> None:
    async with serving(config):
        os.write(1, b"serving\n")
        await asyncio.Event().wait()


if __name__ == "__main__":
    configure_logs()
    asyncio.run(_main(Path(sys.argv[1])))
