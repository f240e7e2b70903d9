"""Invoices that are paid by USSD: made by a merchant's program or at the command line, and what is told of them."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from ivr.domain.ussd import claim
from ivr.payments.invoice import Invoice
from ivr.payments.state import EntryKind
from ivr.sandbox.server import SandboxServer
from tests.merchants.shop import Program
from tests.merchants.world import Api, write_config
from tests.providers.raw_server import free_port
from tests.store.conftest import payment

MOST_DIGITS = 12
MINE = "09121234567"


async def test_an_invoice_gets_a_number_of_ours(till: Program, api: Api) -> None:
    """Which iNoti takes as a factor id; it is asked nothing, and there is no pay page before somebody dials."""
    made = [await till.invoice("ussd") for _ in range(3)]
    numbers = {one["number"] for one in made}
    assert len(numbers) == 3 and all(number.isdigit() and len(number) <= MOST_DIGITS for number in numbers)
    assert await api.store.invoices.invoice("ussd", made[0]["number"]) is not None
    refused = await till.post(f"/invoices/{made[0]['id']}/link")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:ivr:problem:not_possible")
    assert not till.sandbox.diary.lines and api.settings.providers["ussd"].invoice_lifetime == 24 * 3600


async def test_reference_and_receipt_are_told(till: Program, api: Api) -> None:
    """Of a payment that was approved; who paid is not the merchant's program's to know."""
    made = await till.invoice("ussd")
    one = replace(payment("p-1", made["number"], "ussd"), transaction_id=claim("123", MINE), payer=MINE)
    await api.store.journal.create(one)
    await api.store.journal.append("p-1", EntryKind.SENT)
    found = (await till.get(f"/invoices/{made['id']}")).json()
    assert (found["state"], found["payments"][0]["receipt"]) == ("being_paid", None)
    said = {"reason": "verified", "code": "1", "reference": "123456789012", "receipt": "ref-1"}
    await api.store.journal.append("p-1", EntryKind.APPROVED, said)
    found = await till.get(f"/invoices/{made['id']}")
    [paid] = found.json()["payments"]
    assert (found.json()["state"], paid["reference"], paid["receipt"]) == ("paid", "123456789012", "ref-1")
    events = await till.get("/events", after=0)
    [event] = events.json()["events"]
    assert (event["type"], event["data"]["receipt"]) == ("payment.approved", "ref-1")
    assert MINE not in found.text + events.text


async def test_at_the_command_line(tmp_path: Path, sandbox: SandboxServer) -> None:
    """The same, beside a server or without one."""
    config = write_config(tmp_path, sandbox, free_port())
    command = [sys.executable, "-m", "ivr", "invoices", "create", "160000", "--order", "x", "--provider", "ussd"]
    numbers = []
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(
            *command, "--config", str(config), stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        numbers.append(out.decode().strip())
    assert len(set(numbers)) == 2 and all(one.isdigit() and len(one) <= MOST_DIGITS for one in numbers)


async def test_two_orders_never_share_a_number(api: Api) -> None:
    """Thrown until one is free."""
    made: list[Invoice] = [await api.elsewhere("ussd", 1000) for _ in range(5)]
    assert len({one.tracking_code for one in made}) == 5
