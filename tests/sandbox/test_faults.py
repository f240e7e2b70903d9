"""Every fault on demand: the client tells the truth about it, and the fault clears itself."""

import asyncio

import pytest

from ivr.domain.errors import BadInput, OutcomeUnknown, ProviderUnreachable, Unusable
from ivr.providers.paystar_saman import PaystarSaman
from ivr.sandbox.bank import SandboxBank
from ivr.sandbox.faults import MOST_WAITING, Fault, FaultKind
from ivr.sandbox.server import SandboxServer

ASK = {"invoice_id": "65843148", "caller": "0912"}


@pytest.mark.parametrize("commit", [False, True])
@pytest.mark.parametrize("kind", [FaultKind.DROP, FaultKind.HTTP_ERROR, FaultKind.GARBAGE, FaultKind.HALF_BODY])
async def test_a_fault_happens_as_often_as_asked_and_no_more(
    sandbox: SandboxServer, paystar: PaystarSaman, kind: FaultKind, commit: bool
) -> None:
    """Unknown each time, whether or not the work was done; then all is well by itself."""
    await sandbox.set_fault(Fault("create_transaction", kind, times=2, commit=commit))
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            await paystar.ask("create_transaction", ASK)
    done = 2 if commit or kind is FaultKind.HALF_BODY else 0
    assert len(sandbox.books.transactions) == done
    assert sandbox.faults.all() == []
    assert (await paystar.ask("create_transaction", ASK)).exit == "ok"
    assert [line.fault for line in sandbox.diary.lines] == [kind.value, kind.value, None]


@pytest.mark.parametrize("commit", [False, True])
async def test_a_late_answer_is_unknown_and_the_work_may_be_done_all_the_same(
    sandbox: SandboxServer, paystar: PaystarSaman, commit: bool
) -> None:
    """The client gave up at its read timeout; `commit` did the work before the wait."""
    await sandbox.set_fault(Fault("create_transaction", FaultKind.DELAY, seconds=60, commit=commit))
    with pytest.raises(OutcomeUnknown, match="TimeoutError"):
        await paystar.ask("create_transaction", ASK)
    assert len(sandbox.books.transactions) == (1 if commit else 0)


async def test_a_short_delay_is_waited_for(sandbox: SandboxServer, paystar: PaystarSaman) -> None:
    """Slow is not broken."""
    await sandbox.set_fault(Fault("create_transaction", FaultKind.DELAY, seconds=0.05))
    assert (await paystar.ask("create_transaction", ASK)).exit == "ok"


async def test_persian_digits_are_read(sandbox: SandboxServer, paystar: PaystarSaman, bank: SandboxBank) -> None:
    """Every number as a text in Persian digits, `status` included."""
    for operation in ("create_factor", "create_transaction", "result"):
        await sandbox.set_fault(Fault(operation, FaultKind.PERSIAN_DIGITS))
    assert (await paystar.ask("create_invoice", {"amount": 1000, "order_id": "1"})).exit == "ok"
    assert (await paystar.ask("create_transaction", ASK)).values["amount"] == 160000
    assert (await paystar.ask("result", {"invoice_id": "65843151"})).exit == "paid"


async def test_a_refusing_provider_refuses_and_comes_back_on_the_same_port(
    sandbox: SandboxServer, paystar: PaystarSaman, bank: SandboxBank
) -> None:
    """The port is closed, kept connections are cut, the other provider goes on, and the first comes back by itself."""
    assert (await paystar.ask("create_transaction", ASK)).exit == "ok"  # leaves a kept connection
    url = sandbox.paystar_url
    await sandbox.set_fault(Fault("create_transaction", FaultKind.REFUSE, seconds=3600))
    with pytest.raises(ProviderUnreachable):
        await paystar.ask("create_transaction", ASK)
    with pytest.raises(Unusable):
        await paystar.check()
    await bank.check()
    await sandbox.set_fault(Fault("create_transaction", FaultKind.REFUSE, seconds=0.05))
    with pytest.raises(ProviderUnreachable):
        await paystar.ask("create_transaction", ASK)
    async with asyncio.timeout(5):
        while True:
            try:
                assert (await paystar.ask("create_transaction", ASK)).exit == "ok"
                break
            except ProviderUnreachable:
                await asyncio.sleep(0.02)
    assert sandbox.paystar_url == url


async def test_clearing_opens_the_port_and_forgets_what_waits(sandbox: SandboxServer, paystar: PaystarSaman) -> None:
    """One request puts everything right."""
    await sandbox.set_fault(Fault("create_transaction", FaultKind.GARBAGE, times=1000))
    await sandbox.set_fault(Fault("result", FaultKind.REFUSE, seconds=3600))
    await sandbox.clear_faults()
    assert (await paystar.ask("create_transaction", ASK)).exit == "ok"


async def test_faults_wait_in_line(sandbox: SandboxServer, paystar: PaystarSaman) -> None:
    """A story of failures can be told in advance, up to a limit."""
    await sandbox.set_fault(Fault("create_transaction", FaultKind.HTTP_ERROR, status=404))
    await sandbox.set_fault(Fault("create_transaction", FaultKind.PERSIAN_DIGITS))
    with pytest.raises(OutcomeUnknown):
        await paystar.ask("create_transaction", ASK)
    assert (await paystar.ask("create_transaction", ASK)).exit == "ok"
    for _ in range(MOST_WAITING):
        sandbox.faults.add(Fault("settle", FaultKind.DROP))
    with pytest.raises(BadInput):
        sandbox.faults.add(Fault("settle", FaultKind.DROP))


@pytest.mark.parametrize(
    "wrong",
    [{"operation": "x"}, {"times": 0}, {"times": 10**7}, {"seconds": -1.0}, {"seconds": 1e6}, {"status": 200}],
)
def test_a_fault_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    """Nothing silently does nothing."""
    with pytest.raises(BadInput):
        Fault(**{"operation": "settle", "kind": FaultKind.DROP, **wrong})  # type: ignore[arg-type]
