"""A shop: its program asks the merchant's API, and its receiver is told what became of payments."""

import json
from typing import Any

import httpx

from ivr.lab.party import Party
from ivr.lab.town import SHOP_KEY
from tests.providers.raw_server import RawServer, Seen, says

RECEIVER = RawServer(says("", "204 No Content"))
"""Every town's webhook; it runs as long as they do."""


async def asks(party: Party, method: str, path: str, body: object = None, key: str = "") -> dict[str, Any]:
    """What the API answers."""
    headers = {"Authorization": f"Bearer {SHOP_KEY}", **({"Idempotency-Key": key} if key else {})}
    async with httpx.AsyncClient(trust_env=False) as client:
        answer = await client.request(method, f"{party.web_url}/api{path}", json=body, headers=headers)
    found: dict[str, Any] = answer.json()
    assert answer.is_success, found
    return found


def told(invoice: str) -> list[tuple[Seen, dict[str, Any]]]:
    """What the receiver got about an invoice, by its id, and what that says."""
    got = [(seen, json.loads(seen.body)) for seen in RECEIVER.seen]
    return [(seen, event) for seen, event in got if event["data"]["invoice"] == invoice]
