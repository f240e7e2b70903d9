"""One process under trial: what `ivr serve` has, with the telephone on a pipe, until it is cut or told to end.

Law: it is a fork of a process that has no threads and no event loop. Nothing is handed to it but what a new process
finds: the data directory, and who is still on the line.
"""

import asyncio
import os
import random
import socket
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from ivr.flow.model import Dialplan
from ivr.lab.chaos.broken import BREAKS, Parts
from ivr.lab.chaos.clock import FastClock
from ivr.lab.chaos.doors import Doors
from ivr.lab.chaos.line import Line, Wire, Words
from ivr.lab.chaos.scenarios import Scenario
from ivr.lab.chaos.seams import CutLoop
from ivr.lab.chaos.steps import Steps
from ivr.lab.chaos.world import clients
from ivr.payments.invoice import Invoice
from ivr.prompts.speaking import speak
from ivr.prompts.units import Currency
from ivr.runtime.cashier import Cashier
from ivr.runtime.logs import configure_logs
from ivr.runtime.observer import Observer
from ivr.runtime.ports import CallInfo, Notice
from ivr.runtime.reconciler import Reconciler
from ivr.runtime.services import Services
from ivr.runtime.snapshots import Snapshots
from ivr.runtime.switchboard import Switchboard
from ivr.runtime.verdict import Late
from ivr.sandbox.faults import Fault
from ivr.store.opening import Store, open_store

GATHER: Final = 0.01
"""Seconds in which snapshots are gathered: short, as everything here."""
LONGEST_CALL: Final = 60.0
LOOK_EVERY: Final = 30.0
"""Of the fast clock."""
CRASHED: Final = 70
"""Exit status of a process that met a fault of its own."""


@dataclass(frozen=True, slots=True)
class Living:
    """A caller who was on the line when the process before died; `leg`: the token of a dialled leg that is still up."""

    info: CallInfo
    headers: Mapping[str, str]
    leg: int | None


@dataclass(frozen=True, slots=True)
class Orders:
    """What a process is begun with."""

    scenario: Scenario
    directory: Path
    urls: Mapping[str, str]
    begin: float
    """Where its clock begins."""
    number: int
    """The first process of a run is 1."""
    cut: int | None
    broken: str | None
    seed: int
    refusals: Sequence[Fault]
    """Questions that find the door closed."""


def begin(orders: Orders, dialplan: Dialplan, living: Sequence[Living], end: socket.socket) -> NoReturn:
    """Be that process, in a fork. Never returns."""
    status = CRASHED
    log = None
    try:
        log = (orders.directory / "log").open("a", encoding="utf-8")
        os.dup2(log.fileno(), 2)
        configure_logs(log)
        steps = Steps(orders.directory / f"steps{orders.number}", orders.cut)
        names = {int(url.rpartition(":")[2]): name for name, url in orders.urls.items()}
        loop = CutLoop(steps, names)
        asyncio.set_event_loop(loop)
        loop.run_until_complete(_Process(orders, dialplan, steps, loop).run(living, end))
        status = 0
    except BaseException:  # noqa: BLE001 - nothing may go on in this fork
        sys.stderr.write(traceback.format_exc())
    finally:
        if log is not None:
            log.flush()
        os._exit(status)


class _Process:
    def __init__(self, orders: Orders, dialplan: Dialplan, steps: Steps, loop: CutLoop) -> None:
        self._orders = orders
        self._dialplan = dialplan
        self._steps = steps
        self._loop = loop
        self._clock = FastClock(orders.begin)
        self._lines: dict[str, Line] = {}
        self._finish = asyncio.Event()
        self._doors = Doors(orders.refusals, orders.directory, orders.urls)

    async def run(self, living: Sequence[Living], end: socket.socket) -> None:
        orders = self._orders
        async with open_store(orders.directory, self._clock) as store:
            if orders.scenario.provider != "pod":
                await store.invoices.remember_invoice(
                    Invoice(orders.scenario.provider, orders.scenario.invoice_id, orders.scenario.amount, "chaos", 1.0)
                )
            self._loop.watch_books()
            self._steps.arm()
            await self._serve(store, living, end)

    async def _serve(self, store: Store, living: Sequence[Living], end: socket.socket) -> None:
        dice = random.Random(self._orders.seed)  # noqa: S311
        snapshots = Snapshots(store.sessions, GATHER)
        snapshots.start()
        late = Late(store.journal)
        parts = Parts(
            self._doors.before(clients(self._orders.urls, self._clock)),
            Cashier(store.journal, store.invoices, self._clock, late),
        )
        if self._orders.broken is not None:
            parts = BREAKS[self._orders.broken](parts, store, self._clock)
        services = Services(
            providers=parts.providers,
            cashier=parts.cashier,
            snapshots=snapshots,
            observer=Observer(),
            speak=lambda say, language: speak(say, language, Currency.RIAL),
            trusted_trunks=frozenset({"merchant"}),
            longest_call=LONGEST_CALL,
            notify=self._notify,
        )
        switchboard = Switchboard(
            self._dialplan,
            services,
            most_calls=10,
            nudge=lambda payment, why: reconciler.nudge(payment, why),
            clock=self._clock,
        )
        reconciler = Reconciler(
            store.journal,
            parts.providers,
            switchboard.is_live,
            clock=self._clock,
            dice=dice.random,
            sleep=self._clock.sleep,
            look_every=LOOK_EVERY,
            late=late,
            invoices=store.invoices,
        )
        self._switchboard = switchboard
        await switchboard.expect(await store.sessions.load_all(), _no_other_version)
        self._wire = Wire(end, self._take)
        for one in living:
            line = self._line(one.info, one.headers)
            line.emit = switchboard.resume(line, switchboard.left.pop(one.info.session_id, None), one.leg)
        switchboard.forget_others()
        reconciling = asyncio.create_task(reconciler.run())
        await self._finish.wait()
        while len(switchboard) or self._doors.closed:  # noqa: ASYNC110 - neither tells
            await asyncio.sleep(GATHER)
        self._clock.hurries = True
        while reconciler.followed or await self._undecided(store):  # noqa: ASYNC110 - neither tells
            await asyncio.sleep(GATHER)
        self._wire.close()
        reconciler.stop()
        reconciling.cancel()
        await asyncio.gather(reconciling, return_exceptions=True)
        await snapshots.stop()
        self._wire.say("done", reconciler.tally.approved)
        await asyncio.gather(*(client.close() for client in parts.providers.values()))

    async def _undecided(self, store: Store) -> bool:
        return any(not payment.for_people for payment in await store.journal.open_payments())

    def _take(self, words: Words) -> None:
        match words:
            case ["finish"]:
                self._doors.over = True
                self._finish.set()
            case ["ring", call_id, number, trunk, headers]:
                line = self._line(CallInfo(call_id, trunk, number, "09121234567"), headers)
                line.emit = self._switchboard.accept(line)
            case ["event", call_id, *event]:
                self._lines[call_id].hears(event)

    def _line(self, info: CallInfo, headers: Mapping[str, str]) -> Line:
        self._lines[info.call_id] = Line(info, headers, self._wire, self._steps)
        return self._lines[info.call_id]

    def _notify(self, notice: Notice) -> None:
        """What sends SMS for us has it as soon as it is said."""
        if (link := notice.values.get("url")) is not None:
            self._steps.at("link", "before the link is given out")
            self._wire.say("link", notice.call_id, link)
            self._steps.at("link", "after the link was given out")


async def _no_other_version(version: str) -> Dialplan | None:
    return None
