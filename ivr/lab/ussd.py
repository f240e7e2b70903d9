"""The merchant's USSD services in the lab: what is configured of them, and what the sandbox's network is told.

Law: the services are those that are shipped; the secret is worth nothing anywhere else.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import httpx

from ivr.flow.model import Service
from ivr.sandbox.inoti_books import InotiAccount
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.ussd_settings import service

USSD_PROVIDER: Final = "ussd"
"""As the flows call it."""
USSD_SECRET: Final = "the-labs-own-ussd-secret"  # noqa: S105 - opens nothing anywhere else
CODES: Final = {
    "register_code": "*6655*123#",
    "pay_invoice": "*6655*124#",
    "pay_bill": "*6655*125#",
    "status": "*6655*126#",
}
"""Service, which is also its flow -> what is dialled."""
DEMO_BILL: Final = ("7748317800142", "1770160")
"""A bill's id and its payment id, for whoever has no bill at hand: 17,000 rial."""


def services(merchant_phone: str) -> dict[str, Mapping[str, object]]:
    """`services` of ussd.yaml."""
    given: dict[str, Any] = {"pay_invoice": {"settings": {"merchant_phone": merchant_phone}}}
    return {name: {"code": code, "flow": name, **given.get(name, {})} for name, code in CODES.items()}


def inoti(base_url: str) -> dict[str, object]:
    """The provider; who uses it has INOTI_USERNAME and INOTI_PASSWORD in the environment."""
    return {
        "kind": "inoti",
        "base_url": base_url,
        "username": {"env": "INOTI_USERNAME"},
        "password": {"env": "INOTI_PASSWORD"},
        "code_name": InotiAccount().code_name,
        "invoice_lifetime": "24h",
    }


def know_services(sandbox: SandboxServer, at: str) -> None:
    """The network asks `<at>/<service>` from now on."""
    for name, code in CODES.items():
        sandbox.ussd.directory.add(service(code, f"{at}/{name}"))


async def tell_services(admin: str, at: str, services: Sequence[Service]) -> list[str]:
    """Tell a running sandbox, at the address of its admin, of these services; returns their codes."""
    codes = [f"*{'*'.join(parts)}" for one in services for parts in one.codes]
    urls = [f"{at}/{one.name}" for one in services for _ in one.codes]
    async with httpx.AsyncClient(trust_env=False) as client:
        for code, url in zip(codes, urls, strict=True):
            answer = await client.post(f"{admin}/_sandbox/inoti/services", json={"code": code, "url": url})
            answer.raise_for_status()
    return [f"{code}#" for code in codes]
