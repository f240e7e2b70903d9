"""Wires everything together and runs it. The only place where adapters meet.

Law: what is wrong in files is found before anything is touched, and named whole; what is wrong outside (Asterisk, a
provider) is said in one line and tried again where trying helps.
"""

import asyncio
import gc
import os
import random
import signal
import socket
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import structlog
import uvicorn
from starlette.applications import Starlette

from ivr.asterisk.agi.switch import AgiSwitch
from ivr.asterisk.ari.switch import AriSwitch
from ivr.asterisk.people import UNKNOWN_STATE, People
from ivr.asterisk.settings import AGENTS_TRUNK, AsteriskSettings
from ivr.config import Settings
from ivr.domain.errors import BadInput, OutcomeUnknown, Unusable
from ivr.domain.reading import Faults
from ivr.domain.speech import Say
from ivr.flow.model import Dialplan
from ivr.flow.versions import Loaded
from ivr.loading import load_current_dialplan, load_kept_dialplan, recordings_note
from ivr.merchant_service import merchant_service
from ivr.payments.invoice import Invoice
from ivr.payments.port import Provider
from ivr.payments.state import Payment
from ivr.prompts.catalogue import Catalogue
from ivr.prompts.speaking import media
from ivr.runtime.brought import Attachments
from ivr.runtime.call import LONGEST_OVERTIME
from ivr.runtime.callbacks import Callbacks
from ivr.runtime.cashier import Cashier
from ivr.runtime.deciding import Decision, decide
from ivr.runtime.invoicing import NotMade, ask_for_invoice, is_made_there, own_invoice
from ivr.runtime.logs import lost_lines
from ivr.runtime.notices import Notices
from ivr.runtime.observer import Observer
from ivr.runtime.ports import QueueState
from ivr.runtime.reconciler import Reconciler
from ivr.runtime.reloader import Reloader, find_kept, log_refused
from ivr.runtime.services import Services
from ivr.runtime.snapshots import Snapshots
from ivr.runtime.switchboard import Switchboard
from ivr.runtime.verdict import Late
from ivr.runtime.watching import Watching
from ivr.store.dialplan_files import look
from ivr.store.opening import DIALPLAN_FILE, Store, open_invoices, open_store
from ivr.ussd.request import SaidPaid
from ivr.ussd_service import ussd_service
from ivr.web.callbacks import callback_routes
from ivr.web.control import control_app, control_listener
from ivr.web.deciding import decision_routes
from ivr.web.operations import Check, operations_app
from ivr.web.people import Desk, people_routes

DRAIN_SECONDS: Final = 5.0
"""A process that is told to stop lets calls end by themselves for so long; the next process takes over the rest."""

FORGET_AFTER: Final = 60.0
"""Seconds after the start when a caller whose snapshot is left will not come any more. The dialplan waits less long."""

LONGEST_TALK: Final = 8 * 3600.0
"""Seconds after the start when a caller who was talking to an agent then is not waited for any more."""

GC_THRESHOLD: Final = 20_000
"""Objects made and not freed before the collector looks at the youngest."""

NO_MANAGER: Final = "Asterisk's manager is not configured ('asterisk: {ami: …}'), and this needs it"

LAG_EVERY: Final = 0.5
"""Seconds between two looks at how late the event loop wakes up."""

_log = structlog.get_logger("ivr.app")


async def serve(settings: Settings) -> None:
    """Take calls until SIGTERM or SIGINT. Raises an IvrError with one sentence when it cannot begin or go on."""
    begun = _first_dialplan(settings)
    stop = _told_to_stop()
    async with AsyncExitStack() as stack:
        listener = stack.enter_context(_listener(settings))
        _make_directory(settings.storage)
        store = await stack.enter_async_context(
            open_store(settings.storage, time.time, settings.shared, settings.limits.longest_call + LONGEST_OVERTIME)
        )
        loaded = await _in_use(begun, settings, store)
        dialplan = loaded.dialplan
        for flow, lacks in dialplan.set_aside.items():
            _log.info("flow_set_aside", flow=flow, provider=", ".join(lacks))
        observer = Observer()
        providers = await stack.enter_async_context(_providers(settings, observer))
        snapshots = Snapshots(store.sessions)
        snapshots.start()
        stack.push_async_callback(snapshots.stop)
        late = Late(store.journal)
        notices = Notices(settings.notices, time.time)
        stack.push_async_callback(notices.close)
        attachments, watching = Attachments(time.time), Watching()
        services = Services(
            providers=providers,
            cashier=Cashier(store.journal, store.invoices, time.time, late),
            snapshots=snapshots,
            observer=observer,
            speak=_speaker(settings),
            trusted_trunks=frozenset(
                {t.name for t in settings.asterisk.trunks if t.trust_headers}
                | ({AGENTS_TRUNK} if settings.asterisk.has_people else set())
            ),
            longest_call=settings.limits.longest_call,
            notify=notices.send,
            watch=watching.show,
            can_guard=settings.asterisk.ami is not None,
            attachments=attachments,
        )
        switchboard = Switchboard(
            dialplan,
            services,
            most_calls=settings.limits.most_calls,
            nudge=lambda payment, why: reconciler.nudge(payment, why),
            clock=time.time,
        )
        merchants = await stack.enter_async_context(
            merchant_service(
                settings,
                store,
                services.cashier,
                providers,
                observer,
                lambda payment, why: reconciler.nudge(payment, why),
            )
        )

        async def earlier(version: str) -> Dialplan | None:
            kept = await find_kept(store.dialplans, lambda files: load_kept_dialplan(settings, files), version)
            return kept.dialplan if kept is not None else None

        async def settle(provider: str, said: SaidPaid) -> bool | None:
            return None

        ussd = await stack.enter_async_context(
            ussd_service(
                settings,
                store,
                services,
                lambda: switchboard.dialplan,
                earlier,
                settle,
                lambda payment, why: reconciler.nudge(payment, why),
            )
        )
        reconciler = Reconciler(
            store.journal,
            providers,
            lambda payment: switchboard.is_live(payment) or merchants.is_live(payment) or ussd.is_live(payment),
            clock=time.time,
            dice=random.random,
            late=late,
            invoices=store.invoices,
            lifetimes={
                name: provider.invoice_lifetime
                for name, provider in settings.providers.items()
                if provider.invoice_lifetime is not None
            },
        )
        _watch_money(observer, reconciler, late)
        observer.watch("ivr_notices_given_up", "Notices (SMS, say) that nobody took", lambda: notices.given_up)
        reloader = Reloader(
            lambda: load_current_dialplan(settings),
            store.dialplans,
            switchboard,
            observer,
            loaded.files,
            notes=_changes_elsewhere(settings),
        )
        if isinstance(begun, Faults):
            observer.dialplan_faults.set(len(begun.faults))
        control = stack.enter_context(control_listener(settings.storage))
        asterisk = settings.asterisk
        people = await stack.enter_async_context(_people(asterisk))
        ari = _ari_switch(asterisk, switchboard, people) if asterisk.has_ari else None
        desk = _desk(asterisk, people, attachments, watching, switchboard)
        agi = AgiSwitch(asterisk.agi, switchboard.accept, services.longest_call) if asterisk.agi is not None else None
        for switch in (ari, agi):
            if switch is not None:
                stack.push_async_callback(switch.close)
        stack.push_async_callback(switchboard.drain, DRAIN_SECONDS)
        stack.callback(reconciler.stop)
        stack.callback(merchants.refuse)  # before all else: what waits for the calls' end must not let payments begin
        ready = asyncio.Event()

        async def watch() -> None:
            if settings.watch_dialplan:
                await reloader.watch(lambda: look(settings.dialplan))
            await asyncio.Future()

        async def take_calls() -> None:
            await switchboard.expect(await store.sessions.load_all(), earlier)
            if ari is not None:
                await ari.start()
                if people is not None:
                    people.use(ari.client)
                    people.on_given_away = ari.given_away
                await ari.take_over(
                    lambda voice, leg: switchboard.resume(voice, switchboard.left.pop(voice.info.session_id, None), leg)
                )
            if agi is not None:
                await agi.start()
            # Callers whom the process before gave back wait in the dialplan and come again one by one; those whom
            # AGI() let talk to somebody come when they have talked.
            later = asyncio.get_running_loop().call_later
            if agi is None and not settings.asterisk.has_people:
                later(FORGET_AFTER, switchboard.forget_others)
            else:
                later(FORGET_AFTER, partial(switchboard.forget_others, but_talking=True))
                longest = services.longest_call + LONGEST_OVERTIME
                later(max(longest, LONGEST_TALK) if asterisk.has_people else longest, switchboard.forget_others)
            ready.set()
            _spare_the_collector()
            now = switchboard.dialplan
            _log.info("serving", version=now.version, flows=len(now.flows), numbers=len(now.numbers), pid=os.getpid())
            await (ari.wait_closed() if ari is not None else asyncio.get_running_loop().create_future())

        async def decide_payment(decision: Decision) -> Payment:
            payment = await decide(store.journal, decision)
            reconciler.nudge(payment.id)  # whoever still looks after it sees that it is done
            return payment

        async def told_to_stop() -> None:
            await stop.wait()
            merchants.refuse()

        async def reconcile() -> None:
            await ready.wait()  # until then nobody can say which payments still have their caller
            await reconciler.run()

        callbacks = Callbacks(store.journal, reconciler.ask_now, time.monotonic)
        web = operations_app(
            _vital(ari, agi, store),
            observer.registry,
            {
                **{f"provider {name}": provider.check for name, provider in providers.items()},
                **({"manager": _manager_check(people)} if people is not None else {}),
            },
            [
                *(people_routes(desk, settings.api_key) if settings.api_key is not None else ()),
                *callback_routes(callbacks.heard, providers),
                *merchants.routes,
                *ussd.routes,
            ],
        )
        await _until_first(
            take_calls(),
            reconcile(),
            watch(),
            _watch_lag(observer),
            merchants.run(),
            ussd.run(),
            serve_web(listener, web),
            serve_web(
                control, control_app(reloader.reload, [*people_routes(desk, None), *decision_routes(decide_payment)])
            ),
            told_to_stop(),
        )
        _log.info("stopping", calls=len(switchboard))


@asynccontextmanager
async def _people(asterisk: AsteriskSettings) -> AsyncIterator[People | None]:
    """Our agents at Asterisk, where its manager is configured."""
    if asterisk.ami is None:
        yield None
        return
    people = People(asterisk, asterisk.ami)
    await people.start()
    try:
        yield people
    finally:
        await people.close()


def _ari_switch(asterisk: AsteriskSettings, switchboard: Switchboard, people: People | None) -> AriSwitch:
    silencer = people.recordings if people is not None else None
    return AriSwitch(asterisk.ari, switchboard.accept, on_replace=switchboard.replace, silencer=silencer)


def _desk(
    asterisk: AsteriskSettings,
    people: People | None,
    attachments: Attachments,
    watching: Watching,
    switchboard: Switchboard,
) -> Desk:
    """What programs can do for agents."""

    async def no_manager(agent: str, number: str | None) -> str:
        raise Unusable(NO_MANAGER)

    async def no_queues() -> Sequence[QueueState]:
        raise Unusable(NO_MANAGER)

    def is_helping(agent: str) -> bool:
        last = watching.last(agent)
        return last is not None and not last.over and switchboard.drives(last.call_id)

    if people is not None:
        people.is_helping = is_helping
    names = [agent.name for agent in asterisk.agents]
    return Desk(
        states=people.states if people is not None else lambda: dict.fromkeys(names, UNKNOWN_STATE),
        queues=people.queues if people is not None else no_queues,
        attachments=attachments,
        watching=watching,
        assist=people.assist if people is not None else no_manager,
        has_number=lambda number: switchboard.dialplan.number(number, AGENTS_TRUNK) is not None,
    )


def _manager_check(people: People) -> Check:
    async def check() -> None:
        if not people.connected:
            raise Unusable("not connected")

    return check


def _first_dialplan(settings: Settings) -> Loaded | Faults:
    """What is on disk. Raises its faults, nothing being touched yet, when there is no version to go back to."""
    try:
        return load_current_dialplan(settings)
    except Faults as faults:
        if not (settings.storage / DIALPLAN_FILE).exists():
            raise
        return faults


async def _in_use(begun: Loaded | Faults, settings: Settings, store: Store) -> Loaded:
    """The dialplan to begin with, kept. A process that comes back must not stay away because somebody is in the middle
    of editing: callers then get the version that was in use last.
    """
    if isinstance(begun, Loaded):
        await store.dialplans.use(begun.dialplan.version, begun.files, "start", "")
        return begun
    version = await store.dialplans.in_use()
    if version is None:
        raise begun
    kept = await find_kept(store.dialplans, lambda files: load_kept_dialplan(settings, files), version)
    if kept is None:
        raise begun
    log_refused(begun, "start")
    return kept


def _changes_elsewhere(settings: Settings) -> Callable[[], Sequence[str]]:
    """What `ivr reload` does not put into use: the configuration (a flow may name a trunk that this process does not
    know yet, though `ivr check` finds nothing wrong), and prompts whose recording is another still.
    """
    began = settings.file.read_bytes()

    def notes() -> Sequence[str]:
        try:
            same = settings.file.read_bytes() == began
        except OSError:
            same = False
        changed = f"{settings.file} has changed since `ivr serve` was started: it counts after a restart"
        try:
            prompts = recordings_note(settings, Catalogue.load(settings.prompts), missing=False)
        except Faults:
            prompts = None  # the dialplan is refused for it
        return (*(() if same else (changed,)), *(() if prompts is None else (prompts,)))

    return notes


def _spare_the_collector() -> None:
    """What was loaded stays for ever: do not look through all of it again and again while callers wait.

    A full collection stops every call for some 50 ms; a call leaves hardly any cycles behind, so it can be seldom.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 20)


async def create_invoice(settings: Settings, provider: str, amount: int, order: str, phone: str) -> Invoice:
    """Have a provider make an invoice, and remember what it is for. One that makes none is paid by invoices of ours."""
    if provider not in settings.providers:
        raise BadInput(f"there is no provider '{provider}' in the configuration")
    _make_directory(settings.storage)
    async with open_invoices(settings.storage, time.time, settings.shared) as invoices:
        # opened first: an invoice nobody remembers is lost
        remember = invoices.remember_invoice
        if not is_made_there(settings.providers[provider].operations):
            return await own_invoice(provider, invoices, amount, order, remember)
        client = settings.providers[provider].make(lambda *_: None)
        try:
            return await ask_for_invoice(provider, client, amount, order, {"phone": phone}, remember)
        except NotMade:
            raise
        except (Unusable, OutcomeUnknown) as exc:
            raise Unusable(f"provider {provider} could not be asked for an invoice: {exc}") from None
        finally:
            await client.close()


def _make_directory(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as exc:
        raise Unusable(f"{path} cannot be made: {exc.strerror}; mend its rights or name another directory") from None


def _speaker(settings: Settings) -> Callable[[Sequence[Say], str], Sequence[str]]:
    sounds, currency = settings.asterisk.sounds, settings.currency
    return lambda say, language: [f"{sounds}/{name}" for name in media(say, language, currency)]


@asynccontextmanager
async def _providers(settings: Settings, observer: Observer) -> AsyncIterator[Mapping[str, Provider]]:
    clients = {name: provider.make(observer.provider_asked) for name, provider in settings.providers.items()}
    try:
        yield clients
    finally:
        await asyncio.gather(*(client.close() for client in clients.values()), return_exceptions=True)


def _vital(ari: AriSwitch | None, agi: AgiSwitch | None, store: Store) -> Mapping[str, Check]:
    """What no call works without."""

    async def asterisk() -> None:
        if ari is not None:
            await ari.client.request("GET", "/asterisk/ping")
        if agi is not None and not agi.server.serving:
            raise Unusable("nothing listens for AGI")

    return {"asterisk": asterisk, "journal": store.journal.check}


async def _watch_lag(observer: Observer) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + LAG_EVERY
        await asyncio.sleep(LAG_EVERY)
        observer.loop_lag_seconds.observe(max(0.0, loop.time() - due))


def _watch_money(observer: Observer, reconciler: Reconciler, late: Late) -> None:
    """What the reconciler knows, for those who are woken at night."""
    tally = reconciler.tally
    observer.watch("ivr_log_lines_lost", "Log lines that could not be written", lost_lines)
    observer.watch("ivr_payments_open", "Payments that are being inquired about", lambda: len(reconciler.followed))
    observer.watch(
        "ivr_payments_for_people", "Payments that only people can resolve", lambda: len(reconciler.for_people)
    )
    observer.watch("ivr_inquiries", "Inquiries since the start", lambda: tally.inquiries)
    observer.watch(
        "ivr_invoices_paid_twice", "Invoices with two approved payments: refund one", lambda: tally.paid_twice
    )
    observer.watch(
        "ivr_answers_contradicting",
        "Decided payments of which a provider said otherwise afterwards: look at their lines",
        lambda: late.contradictions,
    )


async def _until_first(*work: Coroutine[Any, Any, object]) -> None:
    """Run all of it until the first one ends, or raises: then the others are cancelled."""
    tasks = [asyncio.ensure_future(one) for one in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def _listener(settings: Settings) -> Iterator[socket.socket]:
    """Where HTTP is served. An address that is taken is told in one sentence."""
    host, port = settings.web_host, settings.web_port
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as exc:
            raise Unusable(f"cannot listen on {host}:{port} (web): {exc.strerror}") from None
        yield listener
    finally:
        listener.close()


async def serve_web(listener: socket.socket, app: Starlette) -> None:
    """HTTP, until cancelled: then nobody is let in any more, and whoever is being answered gets the answer."""
    config = uvicorn.Config(app, log_config=None, access_log=False, lifespan="off", date_header=False)
    server = _Server(config)
    try:
        await server.serve(sockets=[listener])
    finally:
        server.let_nobody_in()


class _Server(uvicorn.Server):
    """Leaves the signals to us, and sleeps until it is cancelled: uvicorn's own looks at the clock ten times a second,
    for its Date header and for limits that nobody set.
    """

    async def main_loop(self) -> None:
        await asyncio.get_running_loop().create_future()

    def let_nobody_in(self) -> None:
        """Close the doors; connections end with the answer that is under way, or now. uvicorn's own `shutdown` would
        wait for them, and only after its `main_loop`.
        """
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _told_to_stop() -> asyncio.Event:
    """Set by SIGTERM and SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop
