"""Our own record of invoices, and the snapshots that let a call outlive its process."""

from pathlib import Path

import pytest

from ivr.domain.errors import BadInput, Illegal
from ivr.payments.invoice import Invoice
from ivr.payments.port import Invoices
from ivr.runtime.ports import SessionStore
from ivr.store.opening import Store
from ivr.store.sessions import MOST_SNAPSHOT
from tests.clock import Clock

INVOICE = Invoice("paystar", "00123", 160000, "order-1", 5.0)


async def test_an_invoice_is_found_by_its_tracking_code(store: Store, clock: Clock) -> None:
    """The code is text: its leading zeros count."""
    invoices: Invoices = store.invoices
    await invoices.remember_invoice(INVOICE)
    assert await invoices.invoice("paystar", "00123") == INVOICE
    assert await invoices.invoice("paystar", "123") is None
    assert await invoices.invoice("mellat", "00123") is None
    await invoices.remember_invoice(Invoice("paystar", "7", 1, "order-2"))
    assert await invoices.invoice("paystar", "7") == Invoice("paystar", "7", 1, "order-2", clock.now)


async def test_a_tracking_code_stands_for_one_invoice(store: Store) -> None:
    """The same again is fine; another amount under the same code is refused and the first one stays."""
    await store.invoices.remember_invoice(INVOICE)
    await store.invoices.remember_invoice(INVOICE)
    for other in (Invoice("paystar", "00123", 1, "order-1"), Invoice("paystar", "00123", 160000, "order-2")):
        with pytest.raises(Illegal, match="00123"):
            await store.invoices.remember_invoice(other)
    assert await store.invoices.invoice("paystar", "00123") == INVOICE


async def test_the_newest_snapshot_is_kept(store: Store, tmp_path: Path) -> None:
    """After a crash the call goes on at its last step; a call that is over does not come back."""
    sessions: SessionStore = store.sessions
    await sessions.keep({"c1": '{"step": 1}'})
    await sessions.keep({"c2": "{}"})
    await sessions.keep({"c1": '{"step": 2}'})
    await sessions.keep({"c2": None})
    await sessions.keep({"never seen": None})
    assert await sessions.load_all() == {"c1": '{"step": 2}'}


async def test_a_snapshot_has_a_bound(store: Store) -> None:
    """One endless call cannot fill the disk."""
    await store.sessions.keep({"c1": "x" * MOST_SNAPSHOT})
    with pytest.raises(BadInput, match=str(MOST_SNAPSHOT)):
        await store.sessions.keep({"c1": "x" * (MOST_SNAPSHOT + 1)})
