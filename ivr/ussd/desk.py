"""Answers the USSD network: the next screen of a session, or the same one again.

Laws:
- A session is in the store and not in a process: whoever is asked holds it for as long as it takes, and nobody else
  changes it meanwhile. A process that dies loses its hold, and the next one repeats the step, never a payment.
- A request that says nothing new gets what was shown before. What it said first has been done, once.
- The network waits for seconds. Who has to wait longer is told so and looks again; what was asked for them goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Final

import structlog

from ivr.domain.errors import BadInput, IvrError
from ivr.domain.screens import paged
from ivr.domain.ussd import claim, is_payment_line
from ivr.flow.commands import AskProvider
from ivr.flow.model import Dialplan, Service
from ivr.flow.session import Session
from ivr.flow.steps.ussd_payment import USSD_SESSION
from ivr.flow.visit import CHANNEL, USSD
from ivr.payments.port import Reply
from ivr.prompts.showing import show
from ivr.prompts.units import Currency
from ivr.runtime.questions import ask
from ivr.runtime.screens import MOST_SHOWN, Earlier, Kept, Key, ScreenStore, ShownPage, Taken
from ivr.runtime.services import Services
from ivr.ussd import words
from ivr.ussd.holding import HOLD, Holding, is_done
from ivr.ussd.request import Asked
from ivr.ussd.settings import UssdSettings
from ivr.ussd.sitting import Sitting
from ivr.ussd.walk import FAILED, Walk

DIALLED_AGAIN_AFTER: Final = 5.0
"""Seconds after the end of a session from which its first request is no repetition any more, but somebody who has
dialled again."""
LOOK_EVERY: Final = 0.05
"""Seconds between two looks at a session that somebody else holds."""
MOST_VERSIONS: Final = 8
"""Earlier dialplans that are remembered."""
SWEEP_EVERY: Final = 60.0
LINK_SENT: Final = "link sent"
"""The reason of a payment whose payer has been sent a link: nobody knows yet."""
SESSION_OVER: Final = "USSD session ended"

FindDialplan = Callable[[str], Awaitable[Dialplan | None]]
Nudge = Callable[[str, str], None]

_log = structlog.get_logger("ivr.ussd")


class UssdDesk:
    """All USSD sessions that this process is asked about. `clock`: seconds since 1970; `new_name`: unique for ever."""

    def __init__(
        self,
        store: ScreenStore,
        services: Services,
        dialplan: Callable[[], Dialplan],
        earlier: FindDialplan,
        settings: UssdSettings,
        currency: Currency,
        *,
        nudge: Nudge,
        clock: Callable[[], float],
        new_name: Callable[[], str],
    ) -> None:
        self._store = store
        self._services = services
        self._dialplan = dialplan
        self._earlier = earlier
        self._settings = settings
        self._currency = currency
        self._nudge = nudge
        self._clock = clock
        self._new_name = new_name
        self._versions: dict[str, Dialplan | None] = {}
        self._working: dict[asyncio.Task[str], Kept] = {}

    def is_live(self, payment_id: str) -> bool:
        """Whether somebody is being asked about this payment now."""
        name = payment_id.rpartition(".")[0]
        return any(kept.name == name for kept in self._working.values())

    async def answer(self, service: Service, asked: Asked) -> str:
        """The text for the network. Raises Unusable when sessions cannot be kept."""
        key = Key(service.name, claim(asked.session_id, asked.mobile))
        deadline = self._clock() + self._settings.answer_within
        while True:
            now = self._clock()
            taken = await self._store.take(
                key,
                asked.mobile,
                Kept(self._new_name()),
                now=now,
                until=now + HOLD,
                since=now - self._settings.session_timeout,
            )
            if taken.mine:
                return await self._work(service, key, asked, taken, deadline)
            if (text := await self._look_on(key, asked, deadline)) is not None:
                return text
            if self._clock() >= deadline:
                return await self._have_patience(service, key, asked)

    async def sweep(self) -> None:
        """Drop what nobody comes back to, again and again, until cancelled."""
        oldest = max(self._settings.session_timeout, self._settings.return_within)
        while True:
            try:
                now = self._clock()
                await self._store.forget(now - oldest, now)
            except IvrError as exc:
                _log.error("sessions_not_swept", error=str(exc))
            await asyncio.sleep(SWEEP_EVERY)

    async def close(self) -> None:
        """What is asked for users goes on to its end: it may be about money."""
        await asyncio.gather(*self._working, return_exceptions=True)

    # -- one request ---------------------------------------------------------------------------------------------------

    async def _work(self, service: Service, key: Key, asked: Asked, taken: Taken, deadline: float) -> str:
        """Go on with a session that is ours; who has to wait for too long gets other words, and it goes on."""
        kept = taken.kept
        if kept.over and kept.ended_at and not asked.lines and self._clock() - kept.ended_at > DIALLED_AGAIN_AFTER:
            kept = Kept(self._new_name())  # a network that calls two sessions by one name
            await self._store.wait(key, -1)
        task = asyncio.create_task(self._go_on(service, key, asked, kept, taken.others), name=f"ussd {kept.name}")
        self._working[task] = kept
        task.add_done_callback(self._working.pop)
        if await is_done(task, deadline - self._clock()):
            return task.result()
        task.add_done_callback(_hear)
        return await self._have_patience(service, key, asked)

    async def _go_on(self, service: Service, key: Key, asked: Asked, kept: Kept, others: bool) -> str:
        lines = asked.lines
        sitting = Sitting(
            kept,
            self._dialplan().screens,
            service.language,
            self._settings.limits,
            lambda: self._new_walk(service, key, asked, kept),
            lambda session: self._old_walk(key, asked, kept, session),
        )
        with structlog.contextvars.bound_contextvars(call_id=kept.name, flow=service.flow):
            holding = Holding(self._store, key, self._clock)
            try:
                await self._sit(sitting, service, key, asked, others)
                _remember(kept, sitting.text)
                if kept.over and not kept.ended_at:
                    kept.ended_at = self._clock()
                is_ours = await self._put(key, kept, service)
            except Exception:
                with suppress(IvrError):
                    await self._store.hold(key, 0.0)  # whoever asks again need not wait
                raise
            finally:
                holding.end()
            if not is_ours:
                _log.warning("session_lost")  # somebody else went on with it: theirs counts
                deadline = self._clock() + self._settings.answer_within
                theirs = await self._look_on(key, asked, deadline)
                return theirs if theirs is not None else await self._have_patience(service, key, asked)
            if sitting.walk is not None:
                await self._settle(sitting.walk)
            elif is_payment_line(_again(kept, lines)) and not await self._may_be_paid(kept):
                return words.text(self._dialplan().screens, words.OVER, service.language)
        return _again(kept, lines)

    async def _may_be_paid(self, kept: Kept) -> bool:
        """Whether a link that the network is asked for once more is still for a payment that nobody has made."""
        try:
            payment = Session.restore(kept.snapshot).payment
        except (ValueError, TypeError):
            return False
        return payment is not None and await self._services.cashier.undecided(payment)

    async def _put(self, key: Key, kept: Kept, service: Service) -> bool:
        """Let go of the session as it is now. One that is too long to be kept ends here, in words that say so."""
        try:
            return await self._store.put(key, kept, now=self._clock(), until=None)
        except BadInput as exc:
            _log.error("session_too_long", error=str(exc))
            text = words.text(self._dialplan().screens, FAILED, service.language)
            kept.snapshot, kept.pages, kept.page, kept.over = "", [ShownPage(text)], 0, True
            kept.shown, kept.ended_at = {str(kept.taken): text}, self._clock()
            return await self._store.put(key, kept, now=self._clock(), until=None)

    async def _sit(self, sitting: Sitting, service: Service, key: Key, asked: Asked, others: bool) -> None:
        kept, lines = sitting.kept, asked.lines
        ahead = kept.asking or not kept.pages  # whoever sent it has not read what is shown now
        if kept.asking:
            await sitting.repeat()
            if len(lines) > kept.taken:
                kept.waits = max(
                    kept.waits, kept.taken
                )  # sent by somebody who has seen nothing of it: it answers no question
        elif ahead:
            earlier = await self._left(service, key, asked) if others and not lines else None
            kept.offer = earlier.key.session_id if earlier is not None else ""
            await sitting.begin(bool(kept.offer))
            kept.shown["0"] = sitting.text

        async def come_back() -> Session | None:
            return await self._come_back(service, kept)

        for line in lines[kept.taken :]:
            may_follow = await sitting.take(line, ahead=ahead, come_back=come_back)
            ahead = True
            if not may_follow:
                break
        kept.taken = max(kept.taken, len(lines))  # what was sent ahead of a question is for nobody

    async def _look_on(self, key: Key, asked: Asked, deadline: float) -> str | None:
        """What whoever holds the session comes to; None when it is to be tried again, or the time is over."""
        while self._clock() < deadline:
            await asyncio.sleep(LOOK_EVERY)
            found = await self._store.look(key)
            if found is None:
                return None
            kept, held_until = found
            if held_until < self._clock():
                is_done = not held_until and not kept.asking  # else whoever held it is gone in the middle
                is_done = is_done and len(asked.lines) <= kept.taken
                return _again(kept, asked.lines) or None if is_done else None
        return None

    async def _have_patience(self, service: Service, key: Key, asked: Asked) -> str:
        await self._store.wait(key, len(asked.lines))
        texts, language = self._dialplan().screens, service.language
        screen = words.patience(texts, language)
        more = (words.text(texts, words.FORWARD, language), words.text(texts, words.BACK, language))
        return paged(screen, self._settings.limits, *more, lambda line: False)[0].text

    # -- who comes back ------------------------------------------------------------------------------------------------

    async def _left(self, service: Service, key: Key, asked: Asked) -> Earlier | None:
        """An earlier session of this user that can go on."""
        if not self._settings.return_within:
            return None
        now = self._clock()
        since = now - self._settings.return_within
        earlier = await self._store.left(service.name, asked.mobile, key.session_id, since, now)
        if earlier is not None and earlier.kept.offer:
            earlier = await self._offered(Key(service.name, earlier.kept.offer))
        can_go_on = earlier is not None and earlier.kept.snapshot and earlier.kept.taken
        return earlier if can_go_on else None

    async def _offered(self, key: Key) -> Earlier | None:
        """What was offered to a session whose user left without an answer."""
        found = await self._store.look(key)
        is_free = found is not None and not found[0].over and found[1] < self._clock()
        return Earlier(key, found[0]) if found is not None and is_free else None

    async def _come_back(self, service: Service, kept: Kept) -> Session | None:
        """The earlier session, which is over from now on where it was."""
        found = await self._store.close(Key(service.name, kept.offer), self._clock())
        if found is None or not found.snapshot:
            return None
        kept.name, kept.snapshot, kept.asking = found.name, found.snapshot, found.asking
        try:
            return Session.restore(found.snapshot)
        except (ValueError, TypeError):
            return None

    # -- walks ---------------------------------------------------------------------------------------------------------

    def _new_walk(self, service: Service, key: Key, asked: Asked, kept: Kept) -> Walk:
        dialplan = self._dialplan()
        flow = dialplan.flows[service.flow]
        answers: dict[str, str | int] = {
            **service.settings,
            "dialled_number": f"*{'*'.join(service.codes[0])}#",
            "call_id": kept.name,
            CHANNEL: USSD,
        }
        session = Session(kept.name, flow.name, dialplan.version, service.language, flow.first, answers=answers)
        return self._walk(dialplan, key, asked, kept, session)

    async def _old_walk(self, key: Key, asked: Asked, kept: Kept, session: Session) -> Walk | None:
        """On the version that it began with, or today's where that cannot be had; None when its flow is gone."""
        dialplan = await self._version(session.version) or self._dialplan()
        session.version = dialplan.version
        if session.flow not in dialplan.flows:
            return None
        return self._walk(dialplan, key, asked, kept, session)

    def _walk(self, dialplan: Dialplan, key: Key, asked: Asked, kept: Kept, session: Session) -> Walk:
        session.answers = {**session.answers, "caller_number": asked.mobile, USSD_SESSION: asked.session_id}
        session.payer = asked.mobile

        async def answer(command: AskProvider, now: Session) -> Reply:
            reply, _ = await ask(command, now, self._services, partial(self._keep, key, kept))
            return reply

        return Walk(
            dialplan.flows[session.flow],
            session,
            answer,
            lambda say, language: show(dialplan.screens, say, language, self._currency),
            self._services.notify,
        )

    async def _keep(self, key: Key, kept: Kept, session: Session) -> None:
        """Before money moves. Raises Unusable when somebody else has the session."""
        kept.snapshot, kept.asking = session.snapshot(), True
        now = self._clock()
        if not await self._store.put(key, kept, now=now, until=now + HOLD):
            raise SessionTaken("another process has gone on with this session")

    async def _version(self, version: str) -> Dialplan | None:
        dialplan = self._dialplan()
        if version == dialplan.version:
            return dialplan
        if version not in self._versions:
            while len(self._versions) >= MOST_VERSIONS:
                del self._versions[next(iter(self._versions))]
            self._versions[version] = await self._earlier(version)
        return self._versions[version]

    async def _settle(self, walk: Walk) -> None:
        """A session that is over leaves no payment without somebody who looks after it."""
        payment = walk.session.payment
        if not walk.over or payment is None:
            return
        try:
            if walk.payment is not None:
                await self._services.cashier.unanswered(payment, LINK_SENT)
            elif await self._services.cashier.undecided(payment):
                self._nudge(payment, SESSION_OVER)
        except IvrError as exc:
            _log.error("not_settled", payment_id=payment, error=str(exc))


def _hear(task: asyncio.Task[str]) -> None:
    """It ended after its user was asked for patience: what broke is said in the log."""
    if not task.cancelled() and (exc := task.exception()) is not None:
        _log.error("session_broke", error=type(exc).__name__)


class SessionTaken(IvrError):
    """Another process holds the session: nothing may leave from here."""


def _again(kept: Kept, lines: tuple[str, ...]) -> str:
    """What was shown after so many lines, or else what was shown last."""
    if (text := kept.shown.get(str(len(lines)))) is not None:
        return text
    return kept.shown[max(kept.shown, key=int)] if kept.shown else ""


def _remember(kept: Kept, text: str) -> None:
    """What is shown now, for when it is asked for again."""
    kept.shown[str(kept.taken)] = text
    while len(kept.shown) > MOST_SHOWN:
        del kept.shown[min(kept.shown, key=int)]
