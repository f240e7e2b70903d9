"""One user in front of one screen after the other: lines come in, pages go out.

Law: a line counts once. One that was sent before its question was shown answers it only where the flow allows that;
what is offered on a page that nobody has turned to cannot be chosen.
"""

from collections.abc import Awaitable, Callable

import structlog

from ivr.domain.screens import Limits, Page, Screen, paged
from ivr.domain.ussd import is_payment_line, payment_line
from ivr.flow.session import Session
from ivr.prompts.showing import Texts
from ivr.runtime.screens import Kept, ShownPage
from ivr.ussd import words
from ivr.ussd.walk import Walk

_log = structlog.get_logger("ivr.ussd")

Anew = Callable[[], Walk]
"""A walk that has not begun."""
Again = Callable[[Session], Awaitable[Walk | None]]
"""A walk that goes on; None when its flow is gone."""
ComeBack = Callable[[], Awaitable[Session | None]]
"""The earlier session that is offered, if it can still go on; it then goes on here and nowhere else."""


class Sitting:
    """One session as it is kept, and the walk behind it while a request is being answered."""

    def __init__(self, kept: Kept, texts: Texts, language: str, limits: Limits, anew: Anew, again: Again) -> None:
        self.kept = kept
        self.walk: Walk | None = None
        self._texts = texts
        self._language = language
        self._limits = limits
        self._anew = anew
        self._again = again

    @property
    def text(self) -> str:
        """What is to be shown now."""
        return self.kept.pages[self.kept.page].text if self.kept.pages else ""

    async def begin(self, offer: bool) -> None:
        """The first screen: the flow's, or whether an earlier session goes on."""
        if offer:
            self._turn_to(words.offer(self._texts, self._language), lambda line: False)
        else:
            await self._begin_anew()

    async def repeat(self) -> None:
        """A process died in the middle of the step: what the step does, it does again."""
        session = self._restored()
        await (self._begin_anew() if session is None else self._go_on(session))

    async def take(self, line: str, *, ahead: bool, come_back: ComeBack) -> bool:
        """The next line. `ahead`: it was sent together with the one before it, which had another screen. Returns
        whether a further one that was sent together with this one may count.
        """
        kept = self.kept
        number, kept.taken = kept.taken, kept.taken + 1
        if number <= kept.waits:
            return False  # it says only that the user goes on waiting
        if not kept.offer and self._turns(line):
            return False
        if kept.over and is_payment_line(kept.pages[-1].text):
            return False  # who still answers was sent no link: the network did not hear of it, and is told once more
        if kept.over:
            self._turn_to(Screen(body=words.text(self._texts, words.OVER, self._language)), lambda line: False)
            return False
        if kept.offer:
            await self._choose(line, come_back)
            return False
        walk = await self._walk()
        if walk is None:
            return False
        if ahead and not walk.takes_ahead:
            return False
        if line in kept.pages[-1].offered and line not in kept.pages[kept.page].offered:
            return False  # it stands on a page that was not turned to
        visit = walk.session.visit
        await walk.send(line)
        self._show(walk)
        return walk.session.visit != visit and not walk.over

    # -- what the user sees --------------------------------------------------------------------------------------------

    def _turns(self, line: str) -> bool:
        page = self.kept.pages[self.kept.page] if self.kept.pages else ShownPage("")
        step = {page.forward: 1, page.back: -1}.get(line)
        if step is None:
            return False
        self.kept.page += step
        return True

    def _show(self, walk: Walk) -> None:
        """What the walk has come to, on pages."""
        self._language = walk.session.language
        self.kept.snapshot, self.kept.asking = walk.session.snapshot(), False
        if walk.over and walk.payment is not None:
            self._keep([Page(payment_line(walk.payment.invoice_id, walk.payment.amount_rial))])
        else:
            self._turn_to(walk.screen, walk.accepts)
        self.kept.over = walk.over

    def _turn_to(self, screen: Screen, taken: Callable[[str], bool]) -> None:
        forward = words.text(self._texts, words.FORWARD, self._language)
        back = words.text(self._texts, words.BACK, self._language)
        self._keep(paged(screen, self._limits, forward, back, taken))

    def _keep(self, pages: list[Page]) -> None:
        self.kept.pages = [ShownPage(page.text, page.forward, page.back, sorted(page.offered)) for page in pages]
        self.kept.page = 0

    # -- the walk ------------------------------------------------------------------------------------------------------

    async def _begin_anew(self) -> None:
        self.kept.offer = ""
        self.walk = walk = self._anew()
        await walk.begin()
        self._show(walk)

    async def _choose(self, line: str, come_back: ComeBack) -> None:
        """What somebody who came back answers; anything else is asked again."""
        if line not in (words.FIRST, words.SECOND):
            return
        session = await come_back() if line == words.FIRST else None
        self.kept.offer = ""
        await (self._begin_anew() if session is None else self._go_on(session))

    async def _go_on(self, session: Session) -> None:
        self.walk = walk = await self._again(session)
        if walk is None:
            await self._begin_anew()
            return
        await walk.resume()
        self._show(walk)

    async def _walk(self) -> Walk | None:
        if self.walk is None:
            session = self._restored()
            self.walk = None if session is None else await self._again(session)
            if self.walk is None:
                await self._begin_anew()
                return None
        return self.walk

    def _restored(self) -> Session | None:
        """None for what an older program has written."""
        try:
            return Session.restore(self.kept.snapshot)
        except (ValueError, TypeError) as exc:
            _log.error("snapshot_unreadable", error=type(exc).__name__)
            return None
