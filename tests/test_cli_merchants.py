"""`ivr merchants …`, beside no process: what was told is read, and told again by whoever serves next."""

import asyncio
import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ivr.cli import cli
from ivr.domain.registration import Registration
from ivr.payments.invoice import Invoice
from ivr.payments.merchant_port import MerchantInvoice, Ticket
from ivr.payments.state import EntryKind
from ivr.store.opening import open_store
from ivr.store.registration_deliveries import StoredRegistrationDeliveries
from tests.deployment import Deployment
from tests.store.conftest import payment

MERCHANTS = {
    "shop": {
        "providers": ["paystar"],
        "keys": {"till": {"secret": {"env": "NOT_THERE"}, "scopes": ["events.read"]}},
        "registrations": ["registration"],
        "webhook": {"url": "https://shop.example/hook", "secret": {"env": "NOT_THERE_EITHER"}},
    }
}


async def _paid(directory: Path) -> None:
    async with open_store(directory, time.time) as store:
        ticket = Ticket("shop", "invoices", "k", "", "inv_1")
        await store.merchants.begin(ticket)
        made = MerchantInvoice("inv_1", "shop", Invoice("paystar", "65843148", 160_000, "A-1"))
        await store.merchants.keep_invoice(ticket, made)
        await store.journal.create(payment("p1", "65843148"))
        for kind in (EntryKind.SENT, EntryKind.UNANSWERED, EntryKind.APPROVED):
            await store.journal.append("p1", kind)
        await store.deliveries.enrol()
        for entry in (3, 4):
            await store.deliveries.delivered(entry)
        for number in (1, 2):
            asked = Registration(f"c.{number}", "1", "f", "registration", None, {"code": str(number)})
            await store.registrations.keep(asked)
        told = StoredRegistrationDeliveries(store.registrations.database, time.time, {"shop": ("registration",)})
        await told.enrol()
        await told.delivered(2)


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    made = Deployment(tmp_path, tmp_path, {"merchants": MERCHANTS}).write()
    made.storage.mkdir(parents=True)
    asyncio.run(_paid(made.storage))
    return made


def test_events_and_replay(deployment: Deployment) -> None:
    """An event a line, after a given one; replaying says how many come again."""
    lines = [json.loads(line) for line in deployment.run("merchants", "events", "shop").out.splitlines()]
    assert [(line["id"], line["type"]) for line in lines] == [(3, "payment.unknown"), (4, "payment.approved")]
    after = deployment.run("merchants", "events", "shop", "--after", "3").out.splitlines()
    assert [json.loads(line) for line in after] == lines[1:]
    assert deployment.run("merchants", "replay", "shop", "--after", "3").out == "1\n"
    assert deployment.run("merchants", "replay", "shop", "--after", "0").out == "1\n"  # the other one waits already


def test_replaying_registrations(deployment: Deployment) -> None:
    """By their own numbers; one that is not delivered yet comes anyway."""
    replay = ("merchants", "replay", "shop", "--config", str(deployment.config), "--registrations", "--after")
    ran = [CliRunner().invoke(cli, [*replay, after]) for after in ("2", "0", "0")]
    assert [one.stdout for one in ran] == ["0\n", "1\n", "0\n"]


def test_who_is_meant(deployment: Deployment) -> None:
    """A merchant that is not configured is named, with the nearest one."""
    ran = deployment.run("merchants", "events", "shoq")
    assert (ran.status, ran.complaint) == (1, "there is no merchant 'shoq' (did you mean 'shop'?)")


def test_nothing_of_it_is_imported_where_it_is_not_served() -> None:
    """`ivr check` and `ivr play` do not wait for FastAPI."""
    code = "import sys, ivr.cli; print([name for name in ('fastapi', 'pydantic') if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "[]\n"
