"""A provider falls silent, refuses or drips while many callers pay: nobody waits for ever, and all of it heals."""

import asyncio
import gc
from pathlib import Path

import pytest

from ivr.domain.legs import LegResult
from ivr.flow.events import LegAnswered, LegEnded
from ivr.payments.state import State
from ivr.providers.paystar_saman import PaystarSaman, PaystarSamanSettings
from ivr.runtime.http_client import HttpSettings
from ivr.runtime.reconciler import Reconciler
from ivr.sandbox.faults import Fault, FaultKind
from ivr.sandbox.server import SandboxServer
from ivr.sandbox.settings import DEMO_GATEWAY, SandboxSettings
from tests.fakes import FakeVoice
from tests.runtime.conftest import House

CALLERS = 100
TRIES = 3
"""So often the flow asks whether it is paid."""
PATIENCE = 0.4
"""Seconds that a request may take at most, as configured."""
SLACK = 10
"""A busy machine is so many times slower than a quiet one, at most."""
STORM = 60.0
"""Seconds that nobody waits out."""


def http(url: str) -> HttpSettings:
    return HttpSettings(url, PATIENCE, PATIENCE, PATIENCE, PATIENCE, most_connections=CALLERS)


async def at_the_bank(house: House, invoice: str) -> tuple[FakeVoice, int]:
    """A caller who talks to the bank about this invoice."""
    voice = house.rings(house.caller())
    await voice.hears("invoice/enter_number")
    voice.keys(f"{invoice}#")
    await voice.hears("pay/press_keys")
    voice.keys("1")
    token, _ = await voice.dialled()
    voice.emit(LegAnswered(token))
    return voice, token


@pytest.mark.parametrize("kind", [FaultKind.DELAY, FaultKind.REFUSE, FaultKind.SLOW_DRIP])
async def test_a_storm_passes(kind: FaultKind) -> None:
    """Every caller hears words within the patience; afterwards every payment is found, and nothing is left open."""
    house = House(most_calls=2 * CALLERS)
    async with SandboxServer(SandboxSettings(seed=1)) as sandbox:
        settings = PaystarSamanSettings(http(sandbox.paystar_url), DEMO_GATEWAY.sequence)
        client = PaystarSaman(settings)
        house.paystar = client  # type: ignore[assignment]  # the real one
        house.switchboard = house.new_switchboard()
        house.snapshots.start()
        invoices = [sandbox.books.add_invoice(160_000) for _ in range(CALLERS)]
        callers = [await at_the_bank(house, invoice.tracking_code) for invoice in invoices]
        for invoice in invoices:
            invoice.reference = sandbox.books.fresh_reference()
        await sandbox.set_fault(Fault("result", kind, times=1_000_000, seconds=STORM))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for voice, token in callers:
            voice.emit(LegEnded(token, LegResult.ENDED))
        async with asyncio.timeout(TRIES * PATIENCE * SLACK):
            while len(house.switchboard):  # noqa: ASYNC110 - it does not tell
                await asyncio.sleep(PATIENCE / 10)
        assert loop.time() - began < TRIES * PATIENCE * SLACK
        assert all("pay/not_confirmed" in voice.heard for voice, _ in callers)
        assert house.books.states() == [State.SENT] * CALLERS
        assert len(house.nudged) == CALLERS  # each has been given to whoever finds out

        await sandbox.clear_faults()
        reconciler = Reconciler(
            house.books, {"paystar": client}, house.switchboard.is_live, clock=lambda: house.now, dice=lambda: 0.5
        )
        for _ in range(SLACK):  # an answer may be late once more on a busy machine
            await reconciler.once()
            if house.books.states() == [State.APPROVED] * CALLERS:
                break
        assert house.books.states() == [State.APPROVED] * CALLERS
        await client.close()
        assert not client._http._open and client._http._places == CALLERS  # every connection came back
    await house.snapshots.stop()
    assert not house.store.kept


async def test_storms_leave_nothing_behind() -> None:
    """After many of them the process has as many open files and connections as before."""
    house = House(most_calls=2 * CALLERS)
    async with SandboxServer(SandboxSettings(seed=1)) as sandbox:
        client = PaystarSaman(PaystarSamanSettings(http(sandbox.paystar_url), DEMO_GATEWAY.sequence))
        seen = []
        for _ in range(4):
            await sandbox.set_fault(Fault("result", FaultKind.DROP, times=1_000_000))
            asked = (client.ask("result", {"invoice_id": "65843148"}) for _ in range(CALLERS))
            answers = await asyncio.gather(*asked, return_exceptions=True)
            assert all(isinstance(one, Exception) for one in answers)
            await sandbox.clear_faults()
            gc.collect()
            async with asyncio.timeout(PATIENCE * SLACK):
                while client._http._open:  # noqa: ASYNC110 - it does not tell
                    await asyncio.sleep(0.01)
            seen.append((len(list(Path("/proc/self/fd").iterdir())), len(gc.get_objects())))
        await client.close()
    files, objects = zip(*seen, strict=True)
    assert files[-1] <= files[0] + 5  # the sandbox's own side may close a moment later
    assert objects[-1] < objects[0] * 1.05
    assert not len(house.switchboard)
