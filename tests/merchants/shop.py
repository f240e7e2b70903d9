"""A merchant's program: what it asks for, in the API's words."""

import itertools
from dataclasses import dataclass, replace
from typing import Any

import httpx

from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_CARDS, SandboxCard

PHONE = "09123456789"
_count = itertools.count(1)


def fresh() -> str:
    """An Idempotency-Key that was not used before."""
    return f"key-{next(_count)}"


@dataclass
class Program:
    """One program with its key."""

    web: httpx.AsyncClient
    sandbox: SandboxServer
    key: str

    def with_key(self, key: str) -> "Program":
        """The same with another key."""
        return replace(self, key=key)

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.web.get(path, params=query, headers=self._headers())

    async def post(self, path: str, body: object = None, key: str | None = None) -> httpx.Response:
        return await self.web.post(path, json=body, headers=self._headers(key))

    async def create(self, provider: str = "mellat", key: str | None = None, **other: Any) -> httpx.Response:
        """Ask for an invoice."""
        body = {"provider": provider, "amount_rial": 160_000, "order_id": "A-1", **other}
        return await self.post("/invoices", body, key or fresh())

    async def invoice(self, provider: str = "mellat", **other: Any) -> dict[str, Any]:
        """An invoice that was made."""
        answer = await self.create(provider, **other)
        assert answer.status_code == 201, answer.text
        made: dict[str, Any] = answer.json()
        return made

    async def otp(self, invoice: dict[str, Any], card: SandboxCard = DEMO_CARDS[0]) -> str:
        """The one-time password that the card's holder gets."""
        answer = await self.post(f"/invoices/{invoice['id']}/otp", {"card": card.pan.reveal()})
        assert answer.json()["state"] == "sent", answer.text
        sms = self.sandbox.sms.last(invoice["number"])
        assert sms is not None
        return sms.code

    async def pay(
        self, invoice: dict[str, Any], otp: str, key: str | None = None, card: SandboxCard = DEMO_CARDS[0]
    ) -> httpx.Response:
        """Charge the card."""
        body = {"card": card.pan.reveal(), "otp": otp, "phone": PHONE}
        return await self.post(f"/invoices/{invoice['id']}/pay", body, key or fresh())

    def _headers(self, key: str | None = None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}", **({"Idempotency-Key": key} if key else {})}
