"""An invoice that a shop's program makes, paid by telephone, and told to the shop."""

import hashlib
import hmac
from typing import Any

from ivr.lab.town import PAY_NUMBER, SHOP_WEBHOOK_SECRET
from tests.end_to_end import shop
from tests.end_to_end.evening import Evening, Spent, story
from tests.end_to_end.stage import MONEY, Stage, eventually

MADE: list[dict[str, Any]] = []
"""What the API answered."""


@story
async def pays_a_shops_invoice(stage: Stage) -> Spent:
    body = {"provider": "paystar", "amount_rial": MONEY, "order_id": "A-1042"}
    MADE.append(await shop.asks(stage.town.merchant, "POST", "/invoices", body, key="A-1042"))
    caller = await stage.call(PAY_NUMBER)
    await caller.agrees(MADE[0]["number"])
    await caller.pays()
    await caller.hears("pay/paid")
    return Spent(await caller.hangs_up(), MADE[0]["number"])


async def test_the_shop_is_told(evening: Evening, stage: Stage) -> None:
    """The caller hears that it is paid; the shop's receiver gets one signed event, and the API says the same."""
    one = evening.of("pays_a_shops_invoice")
    assert "pay/paid" in one.told.names
    [payment] = evening.payments("merchant", one.code)
    invoice = MADE[0]["id"]

    async def look() -> int:
        return len(shop.told(invoice))

    assert await eventually(look, bool) == 1
    [(seen, event)] = shop.told(invoice)
    assert (event["type"], event["data"]["payment"]) == ("payment.approved", payment["id"])
    assert (event["data"]["order_id"], event["data"]["amount_rial"]) == ("A-1042", MONEY)
    signed = f"{seen.headers['x-ivr-timestamp']}.".encode() + seen.body
    assert seen.headers["x-ivr-signature"] == hmac.new(SHOP_WEBHOOK_SECRET.encode(), signed, hashlib.sha256).hexdigest()
    merchant = stage.town.merchant
    found = await shop.asks(merchant, "GET", f"/invoices/{invoice}")
    assert (found["state"], [one["state"] for one in found["payments"]]) == ("paid", ["approved"])
    assert (await shop.asks(merchant, "GET", f"/events?after={event['id'] - 1}&limit=1"))["events"] == [event]
