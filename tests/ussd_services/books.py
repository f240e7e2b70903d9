"""Our books and the sandbox's, one beside the other."""

import json

from ivr.lab.ussd import USSD_PROVIDER
from ivr.sandbox.pod_books import PAID
from tests.ussd_services.house import House


def agree(house: House) -> None:
    """What we have as paid is what was paid, by invoice and amount, each once; the audit finds nothing."""
    assert "nothing wrong" in house.ivr("payments", "audit")
    listed = json.loads(house.ivr("payments", "list", "--json", "--limit", "10000"))
    approved = [one for one in listed if one["state"] == "approved"]
    ours = sorted((one["provider"], one["invoice_id"], one["amount_rial"]) for one in approved)
    inoti = [one for one in house.sandbox.inoti_books.payments if one.paid_at is not None]
    pod = [one.bill for one in house.sandbox.pod_books.bills.values() if one.status in PAID]
    theirs = [(USSD_PROVIDER, one.our_factor, one.price) for one in inoti]
    assert ours == sorted([*theirs, *(("pod", one.barcode, one.amount) for one in pod)])
    assert {one["reference"] for one in approved if one["provider"] == USSD_PROVIDER} == {str(one.rrn) for one in inoti}
