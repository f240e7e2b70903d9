"""A payment that nobody could say anything about, its real journal, the reconciler, and a real provider's inquiry."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from ivr.domain import bills
from ivr.domain.errors import OutcomeUnknown
from ivr.flow.commands import PaymentOrder
from ivr.payments.port import Provider
from ivr.payments.state import Payment, State
from ivr.providers.inoti import Claim, Inoti
from ivr.providers.pod import Pod
from ivr.runtime.cashier import Cashier, Go
from ivr.runtime.reconciler import Reconciler
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.server import SandboxServer
from ivr.store.opening import Store, open_store
from tests.clock import Clock

BILL = bills.Bill("7748317800142", "1770160")
IDS = {"bill_id": BILL.bill_id, "payment_id": BILL.payment_id}


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    async with open_store(tmp_path, clock) as opened:
        yield opened


def order(payment_id: str, provider: str, invoice: str, transaction: str | None, amount: int) -> PaymentOrder:
    return PaymentOrder(payment_id, provider, invoice, transaction, amount)


async def reconciled(store: Store, provider: str, client: Provider, clock: Clock, payment_id: str) -> Payment:
    """One round of inquiries, and the payment after it."""
    everything = Reconciler(store.journal, {provider: client}, lambda _: False, clock=clock, dice=lambda: 0.5)
    await everything.once()
    payment = await store.journal.get(payment_id)
    assert payment is not None
    return payment


@pytest.mark.parametrize("commit", [True, False])
async def test_a_wallet_payment_resolves_itself(
    sandbox: SandboxServer, store: Store, pod: Pod, clock: Clock, commit: bool
) -> None:
    """The answer was lost: paid once if POD had it; otherwise closed after a while, and the bill can be paid anew."""
    cashier = Cashier(store.journal, store.invoices, clock)
    assert await cashier.before_sending(order("p1", "pod", BILL.barcode, None, BILL.amount), "c1") is Go.SEND
    await sandbox.set_fault(Fault("pod_pay_bill", FaultKind.DROP, commit=commit))
    with pytest.raises(OutcomeUnknown):
        await pod.ask("pay_bill", IDS)
    await cashier.unanswered("p1", "unknown")
    soon = await reconciled(store, "pod", pod, clock, "p1")
    assert soon.state is (State.APPROVED if commit else State.UNKNOWN)
    clock.now += 901
    later = await reconciled(store, "pod", pod, clock, "p1")
    assert later.state is (State.APPROVED if commit else State.DECLINED)
    assert await cashier.before_sending(order("p2", "pod", BILL.barcode, None, BILL.amount), "c2") is (
        Go.REFUSED if commit else Go.SEND
    )
    assert len(sandbox.pod_books.bills) == (1 if commit else 0)


async def test_the_code_of_an_unknown_payment_stays(
    sandbox: SandboxServer, store: Store, pod: Pod, clock: Clock
) -> None:
    """An operator sees what POD said."""
    sandbox.pod_books.balance = 0
    cashier = Cashier(store.journal, store.invoices, clock)
    await cashier.before_sending(order("p1", "pod", BILL.barcode, None, BILL.amount), "c1")
    assert not await cashier.answered("p1", await pod.ask("pay_bill", IDS))
    payment = await store.journal.get("p1")
    assert payment is not None and (payment.state, payment.reason, payment.code) == (State.UNKNOWN, "unknown", "150")


async def test_a_ussd_payment_is_settled_once(sandbox: SandboxServer, store: Store, inoti: Inoti, clock: Clock) -> None:
    """Two tries of one invoice in sessions of their own, and one is paid: the other stays open as long as its link."""
    made = sandbox.inoti_books.ask_for("123", "09121234567", 160000, "42")
    sandbox.inoti_books.ask_for("124", "09121234567", 160000, "42")
    paid, unpaid = (Claim(session, "09121234567", 160000, "42").transaction_id for session in ("123", "124"))
    cashier = Cashier(store.journal, store.invoices, clock)
    assert await cashier.before_sending(order("p1", "ussd", "42", paid, 160000), "c1") is Go.SEND
    await cashier.unanswered("p1", "waiting")
    assert (await reconciled(store, "ussd", inoti, clock, "p1")).state is State.UNKNOWN
    assert await cashier.before_sending(order("p2", "ussd", "42", unpaid, 160000), "c2") is Go.SEND
    await cashier.unanswered("p2", "waiting")
    sandbox.inoti_books.pay(made)
    await reconciled(store, "ussd", inoti, clock, "p1")
    both = [await store.journal.get(each) for each in ("p1", "p2")]
    assert [each.state for each in both if each] == [State.APPROVED, State.UNKNOWN]
    assert [each.reference for each in both if each and each.state is State.APPROVED] == [str(made.rrn)]
