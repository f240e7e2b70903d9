"""A store in a directory of its own, and a clock that is turned by hand."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivr.payments.state import Payment, State
from ivr.store.opening import Store, open_store
from tests.clock import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    async with open_store(tmp_path, clock) as opened:
        yield opened


def payment(name: str = "p1", invoice_id: str | None = None, provider: str = "paystar") -> Payment:
    """A new payment of an invoice of its own."""
    return Payment(name, f"call-{name}", provider, invoice_id or f"invoice-{name}", "77", 160000, State.CREATED)
