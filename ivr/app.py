"""Wires everything together and runs it. The only place where adapters meet.

Law: what is wrong in files is found before anything is touched, and named whole; what is wrong outside (Asterisk, a
provider) is said in one line and tried again where trying helps.
"""

import asyncio
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import structlog
import uvicorn
from starlette.applications import Starlette

from ivr.asterisk.ari.switch import AriSwitch
from ivr.config import Settings
from ivr.domain.errors import BadInput, Unusable
from ivr.domain.secret import Secret
from ivr.domain.speech import Say
from ivr.flow.loader import load_dialplan
from ivr.flow.model import Dialplan, World
from ivr.payments.invoice import Invoice
from ivr.payments.port import Provider
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.speaking import speak
from ivr.recordings.files import built
from ivr.runtime.call import Services
from ivr.runtime.cashier import Cashier
from ivr.runtime.observer import Observer
from ivr.runtime.reconciler import Reconciler
from ivr.runtime.snapshots import Snapshots
from ivr.runtime.switchboard import Switchboard
from ivr.store.opening import Store, open_invoices, open_store
from ivr.web.operations import Check, operations_app

DRAIN_SECONDS: Final = 5.0
"""A process that is told to stop lets calls end by themselves for so long; the next process takes over the rest."""

LAG_EVERY: Final = 0.5
"""Seconds between two looks at how late the event loop wakes up."""

_log = structlog.get_logger("ivr.app")


def load_world(settings: Settings, dialplan: Path | None = None) -> tuple[Dialplan, Catalogue]:
    """The dialplan and the prompts, checked against each other. Raises BadInput (Faults) with everything wrong."""
    catalogue = Catalogue.load(settings.prompts)
    world = World(
        prompts={language: catalogue.names(language) for language in catalogue.languages},
        trunks=frozenset(trunk.name for trunk in settings.asterisk.trunks),
        providers={name: provider.operations for name, provider in settings.providers.items()},
    )
    return load_dialplan(dialplan or settings.dialplan, world), catalogue


async def serve(settings: Settings) -> None:
    """Take calls until SIGTERM or SIGINT. Raises an IvrError with one sentence when it cannot begin or go on."""
    dialplan, catalogue = load_world(settings)
    _check_recordings(settings, catalogue)
    settings.storage.mkdir(parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(open_store(settings.storage, time.time))
        observer = Observer()
        providers = await stack.enter_async_context(_providers(settings, observer))
        snapshots = Snapshots(store.sessions)
        snapshots.start()
        stack.push_async_callback(snapshots.stop)
        services = Services(
            providers=providers,
            cashier=Cashier(store.journal, store.invoices, time.time),
            snapshots=snapshots,
            observer=observer,
            speak=_speaker(settings),
            trusted_trunks=frozenset(t.name for t in settings.asterisk.trunks if t.trust_headers),
            longest_call=settings.limits.longest_call,
        )
        switchboard = Switchboard(
            dialplan,
            services,
            most_calls=settings.limits.most_calls,
            nudge=lambda payment, why: reconciler.nudge(payment, why),
        )
        reconciler = Reconciler(store.journal, providers, switchboard.is_live, clock=time.time, dice=random.random)
        switch = AriSwitch(settings.asterisk.ari, switchboard.accept)
        stack.push_async_callback(switch.close)
        stack.push_async_callback(switchboard.drain, DRAIN_SECONDS)
        left = await store.sessions.load_all()
        await switch.start()
        await switch.take_over(lambda voice, leg: switchboard.resume(voice, left.get(voice.info.call_id), leg))
        switchboard.forget_others(left)
        checks = _health(switch, store, providers)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(reconciler.run(), name="reconciler"),
                group.create_task(_watch_lag(observer), name="loop lag"),
                group.create_task(switch.wait_closed(), name="ari"),
                group.create_task(_serve_web(settings, operations_app(checks, observer.registry)), name="web"),
            ]
            _log.info("serving", flows=len(dialplan.flows), numbers=len(dialplan.numbers), pid=os.getpid())
            await _told_to_stop()
            _log.info("stopping", calls=len(switchboard))
            for task in tasks:
                task.cancel()


async def create_invoice(settings: Settings, provider: str, amount: int, order: str, phone: str) -> Invoice:
    """Have a provider make an invoice, and remember what it is for."""
    if provider not in settings.providers:
        raise BadInput(f"there is no provider '{provider}' in the configuration")
    client = settings.providers[provider].make(lambda *_: None)
    try:
        arguments: dict[str, str | int | Secret] = {
            "amount": amount,
            "order_id": order,
            **({"phone": phone} if phone else {}),
        }
        reply = await client.ask("create_invoice", arguments)
    finally:
        await client.close()
    if reply.exit != "ok":
        raise Unusable(f"{provider} refused to make the invoice (its code: {reply.code})")
    invoice = Invoice(provider, str(reply.values["tracking_code"]), amount, order)
    settings.storage.mkdir(parents=True, exist_ok=True)
    async with open_invoices(settings.storage, time.time) as invoices:
        await invoices.remember_invoice(invoice)
    return invoice


def _check_recordings(settings: Settings, catalogue: Catalogue) -> None:
    """Every prompt must have its recording before the first caller comes: Asterisk would skip it in silence."""
    missing = [
        f"{language}/{name}"
        for language in catalogue.languages
        for name in sorted(catalogue.names(language))
        if not all(file.exists() for file in built(settings.recordings, language, name).values())
    ]
    if missing:
        raise Unusable(
            f"{len(missing)} recordings are missing in {settings.recordings} (the first: {missing[0]}); "
            "make them with: ivr prompts build"
        )


def _speaker(settings: Settings) -> Callable[[Sequence[Say], str], Sequence[str]]:
    sounds, currency = settings.asterisk.sounds, settings.currency
    return lambda say, language: [f"{sounds}/{language}/{name}" for name in speak(say, language, currency)]


@asynccontextmanager
async def _providers(settings: Settings, observer: Observer) -> AsyncIterator[Mapping[str, Provider]]:
    clients = {name: provider.make(observer.provider_asked) for name, provider in settings.providers.items()}
    try:
        yield clients
    finally:
        await asyncio.gather(*(client.close() for client in clients.values()), return_exceptions=True)


def _health(switch: AriSwitch, store: Store, providers: Mapping[str, Provider]) -> Mapping[str, Check]:
    async def asterisk() -> None:
        await switch.client.request("GET", "/asterisk/ping")

    async def journal() -> None:
        await store.journal.open_payments()

    return {
        "asterisk": asterisk,
        "journal": journal,
        **{f"provider {name}": provider.check for name, provider in providers.items()},
    }


async def _watch_lag(observer: Observer) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_EVERY
        await asyncio.sleep(LAG_EVERY)
        observer.loop_lag_seconds.observe(max(0.0, loop.time() - due))


async def _serve_web(settings: Settings, app: Starlette) -> None:
    """HTTP for operators. An address that is taken is told in one sentence."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.web_host, settings.web_port))
    except OSError as exc:
        listener.close()
        raise Unusable(f"cannot listen on {settings.web_host}:{settings.web_port}: {exc.strerror}") from None
    server = _Server(uvicorn.Config(app, log_config=None, access_log=False, lifespan="off"))
    try:
        await server.serve(sockets=[listener])
    finally:
        listener.close()


class _Server(uvicorn.Server):
    """Leaves the signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _told_to_stop() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()
