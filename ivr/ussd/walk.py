"""One USSD user's walk through a flow, from one screen to the next.

Laws:
- The engine is the same as for calls: what a flow says becomes text, and what is sent back is a `Line`.
- Nobody waits here for a telephone: a screen is read when it is there, and a timer means nothing.
- Whatever breaks ends in the flow's failure step, or at least in words that say so.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from ivr.domain.errors import Illegal, IvrError
from ivr.domain.operations import UNKNOWN
from ivr.domain.screens import Screen
from ivr.domain.speech import Prompt, Say
from ivr.flow.commands import (
    AskProvider,
    Choice,
    Command,
    Dial,
    HangUp,
    Notify,
    Play,
    ReadHeaders,
    Record,
    RequestPayment,
    Transfer,
)
from ivr.flow.engine import Turn, advance, fail
from ivr.flow.events import Answered, Event, Line, PromptFinished, ProviderReplied, Resumed
from ivr.flow.model import Flow
from ivr.flow.questions import Question, question
from ivr.flow.session import Session
from ivr.payments.port import Reply
from ivr.runtime.ports import Notice

Ask = Callable[[AskProvider, Session], Awaitable[Reply]]
"""Asks a provider or our books. Raises an IvrError when the answer cannot be written down."""
Show = Callable[[Sequence[Say], str], str]
"""What is said, and the language -> text. Raises BadInput for a prompt without a text."""

FAILED: Final = Prompt("common/technical_problem")
"""The last words of a walk that nothing else can be said in."""

_IMPOSSIBLE: Final = (Dial, Transfer, Record, ReadHeaders)

_log = structlog.get_logger("ivr.ussd")


class Walk:
    """Drives one session. `screen` is what is to be shown after each of `begin`, `send` and `resume`."""

    def __init__(self, flow: Flow, session: Session, ask: Ask, show: Show, notify: Callable[[Notice], None]) -> None:
        self.flow = flow
        self.session = session
        self.payment: RequestPayment | None = None
        """What the network is to be told when the session is over."""
        self.faults = 0
        self._ask = ask
        self._show = show
        self._notify = notify
        self._events: deque[Event] = deque()
        self._said: list[str] = []
        self._choices: Sequence[Choice] = ()
        self._title: Sequence[Say] = ()

    async def begin(self) -> None:
        """The first screen."""
        await self._take(Answered())

    async def send(self, line: str) -> None:
        """What the user has sent; what was said before is read."""
        self._forget()
        await self._take(Line(line))

    async def resume(self) -> None:
        """Where a process died, or a user comes back: the step begins again."""
        self._forget()
        await self._take(Resumed())

    @property
    def over(self) -> bool:
        """Whether the flow has ended."""
        return self.session.ended is not None

    @property
    def screen(self) -> Screen:
        """What the flow has said since the last line, and what can be chosen."""
        language = self.session.language
        choices = [] if self.over else [(one.line, self._in_words((one.words,))) for one in self._choices]
        title = "" if self.over else self._in_words(self._title)
        body = "\n".join(self._said)
        if not body and (self.over or not (title or choices)):
            body = self._show((FAILED,), language)
        return Screen(title, body, choices)

    @property
    def offer(self) -> Question | None:
        """The question that the session waits in."""
        step = self.flow.steps.get(self.session.step)
        return question(step.kind) if step is not None else None

    def accepts(self, line: str) -> bool:
        """Whether this could be an answer to the question."""
        offer = self.offer
        return offer is not None and (offer.accepts(line) or any(line == one.line for one in self._choices))

    @property
    def takes_ahead(self) -> bool:
        """Whether the question may be answered by who has not read it."""
        offer = self.offer
        return offer is not None and offer.type_ahead

    def _forget(self) -> None:
        self._said, self._choices, self._title = [], (), ()

    async def _take(self, first: Event) -> None:
        self._events.append(first)
        while self._events and not self.over:
            event = self._events.popleft()
            try:
                await self._carry_out(advance(self.flow, self.session, event))
            except Exception as exc:  # noqa: BLE001 - whatever broke, the user must be told something
                await self._broke(exc)
            if not self._events and not self.over and self.offer is None:
                await self._broke(Illegal(f"step '{self.session.step}' waits for what never comes on a screen"))

    async def _carry_out(self, turn: Turn) -> None:
        self.session = turn.session
        if turn.fault is not None:
            self.faults += 1
            _log.error("flow_fault", error=turn.fault, step=turn.session.step)
        for command in turn.commands:
            await self._do(command)

    async def _broke(self, exc: Exception) -> None:
        self.faults += 1
        if isinstance(exc, IvrError):
            _log.error("command_failed", step=self.session.step, error=str(exc))
        else:
            _log.error("command_broke", step=self.session.step, exc_info=exc)
        self._events.clear()
        self.payment = None
        try:
            await self._carry_out(fail(self.flow, self.session))
        except Exception:  # noqa: BLE001 - the failure step broke too
            _log.error("session_broke", step=self.session.step, exc_info=True)
            self.session = self.session.copy()
            self.session.ended = "failed"

    async def _do(self, command: Command) -> None:
        match command:
            case Play(token, say, choices, title):
                if words := self._in_words(say):
                    self._said.append(words)
                self._choices, self._title = choices, title or self._title
                self._events.append(PromptFinished(token))
            case AskProvider(token):
                reply = await self._answer(command)
                self._events.append(ProviderReplied(token, reply.exit, reply.values))
            case Notify(target, id_, event, values):
                session = self.session
                self._notify(Notice(target, id_, event, session.call_id, session.flow, values))
            case RequestPayment():
                self.payment = command
            case HangUp():
                pass  # the session says so
            case _ if isinstance(command, _IMPOSSIBLE):
                raise Illegal(f"step '{self.session.step}' is for calls")
            case _:
                pass

    async def _answer(self, command: AskProvider) -> Reply:
        try:
            return await self._ask(command, self.session)
        except IvrError as exc:
            # The books did not take it: the user must not read what nobody has written down.
            _log.error("answer_not_kept", operation=command.operation, error=str(exc))
        except Exception:  # noqa: BLE001 - a provider client's bug is an answer that nobody knows
            _log.exception("provider_broke", provider=command.provider, operation=command.operation)
        return Reply(UNKNOWN)

    def _in_words(self, say: Sequence[Say]) -> str:
        return self._show(say, self.session.language)
