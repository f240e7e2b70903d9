"""One call being played: orders go in, notes come out, and a tape remembers all of it.

Law: an order either happens whole or raises and changes nothing. Nothing here reads, prints or waits.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from ivr.domain.legs import LegResult
from ivr.domain.screens import Limits, is_gsm, length
from ivr.domain.secret import Secret
from ivr.domain.speech import Prompt, Say
from ivr.domain.ussd import payment_line
from ivr.flow import commands, events
from ivr.flow.describing import describe
from ivr.flow.engine import TOO_OFTEN, Turn
from ivr.flow.model import Flow, Step
from ivr.flow.questions import question
from ivr.flow.services import code_parts
from ivr.flow.session import Session
from ivr.flow.steps.ask import SILENCE
from ivr.flow.steps.menu import MenuStep
from ivr.flow.visit import CHANNEL, USSD
from ivr.simulator import notes, orders
from ivr.simulator.answers import Providers, answer_values, chosen_exit, possible_exits
from ivr.simulator.call import Call, NotNow
from ivr.simulator.display import Display
from ivr.simulator.keys import KeyWatch, shown
from ivr.simulator.tape import Tape
from ivr.simulator.vectors import written_payment, written_record, written_say

_PROMPT: Final = "prompt"
_TIMER: Final = "timer"
_ANSWER: Final = "answer"
_HEADERS: Final = "headers"
_LEG: Final = "leg"
_RECORDING: Final = "recording"
_LINE: Final = "line"

_FORWARD: Final = Prompt("screen/forward")
_BACK: Final = Prompt("screen/back")
_WORDLESS: Final = Prompt("common/technical_problem")
"""What a screen says when the flow has said nothing."""

_UNSEEN: Final = (commands.StartTimer, commands.StopTimer, commands.StopPlaying)
"""What means nothing to who reads a screen."""


class Game(Call):
    """A call that tells what happens. `tell` gets every note; `words` turns what is said into text in a language."""

    def __init__(
        self,
        flow: Flow,
        session: Session,
        *,
        words: Callable[[Sequence[Say], str], str],
        providers: Providers,
        tell: Callable[[notes.Note], None],
        limits: Limits | None = None,
    ) -> None:
        """`limits`: of a screen, where this is a USSD session."""
        self._watch = KeyWatch(flow)
        self._ways: list[tuple[str, str, str]] = []
        watched = self._watch.flow
        steps = {name: replace(step, exits=_Exits(step, self._ways)) for name, step in watched.steps.items()}
        super().__init__(replace(watched, steps=steps), session)
        self.tape = Tape(flow.name, session.answers)
        self._words = words
        self._providers = providers
        self._tell = tell
        self._step_told = ""
        self._display = Display(limits or Limits(), self._page_ways)
        self._requested: commands.RequestPayment | None = None

    # -- what can happen ---------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """The call is answered."""
        session = self.session
        self._tell(
            notes.CallBegins(
                at=self.clock,
                flow=session.flow,
                version=session.version,
                language=session.language,
                knows=dict(session.answers),
            )
        )
        self.send(events.Answered())
        self._read()
        self.look()

    def do(self, order: orders.Order) -> None:
        """Carry an order out. Raises NotNow, and nothing has changed then."""
        match order:
            case orders.Keys(keys) if self.on_screen:
                self._send_line(keys.reveal())
            case orders.Send(text):
                self._send_line(text)
            case orders.Keys(keys):
                self._press(keys)
            case orders.Hear():
                self._listen()
            case orders.Wait():
                self._let_pass()
            case orders.GoOn():
                self._go_on()
            case orders.Leave():
                self._living()
                self._tell(notes.CallerLeft(at=self.clock))
                self.tape.leaves()
                self.send(events.CallerHungUp())
            case orders.Headers(values):
                self._give_headers(values)
            case orders.Answer("unreachable") if _LEG in self.awaits and _ANSWER not in self.awaits:
                self._change_leg(LegResult.UNREACHABLE.value)
            case orders.Answer() | orders.Approve() | orders.Decline():
                self._answer(order)
            case orders.Leg(what):
                self._change_leg(what)
            case orders.Message(what):
                self._record(what)
            case _:
                return  # for whoever shows the call
        self._read()
        self.look()

    @property
    def over(self) -> bool:
        """The call is over."""
        return self.session.ended is not None

    @property
    def step(self) -> Step:
        """The step that the call is in."""
        return self.flow.steps[self.session.step]

    @property
    def awaits(self) -> tuple[str, ...]:
        """What may happen without the caller: of prompt, timer, answer, headers, leg, recording; on a screen a line."""
        session = self.session
        if self.over:
            return ()
        if self.on_screen:
            return (_LINE,) if session.asking is None else (_ANSWER,)
        found = [_PROMPT] if self.playing is not None else []
        found += [_TIMER] if self.timer is not None else []
        if session.asking is not None:
            found.append(_HEADERS if isinstance(self.asked, commands.ReadHeaders) else _ANSWER)
        found += [_LEG] if session.leg is not None else []
        found += [_RECORDING] if session.recording is not None else []
        return (*found,)

    @property
    def question(self) -> commands.AskProvider:
        """What a provider, or our books, are asked and have not answered. Raises NotNow."""
        if _ANSWER not in self.awaits or not isinstance(self.asked, commands.AskProvider):
            raise NotNow(f"nobody is asked anything now; {self._instead()}")
        return self.asked

    def exit_of(self, order: orders.Answer | orders.Approve | orders.Decline) -> str:
        """The exit that this order means now. Raises NotNow."""
        return chosen_exit(order, self.question, self.step, self._providers)

    def look(self) -> None:
        """Tell where the call stands; on a screen, with what is shown."""
        if self.over:
            return
        if _LINE in self.awaits:
            self._tell_page(self._display.page)
        described = describe(self.step.kind)
        never = {TOO_OFTEN, SILENCE} if _LINE in self.awaits else {TOO_OFTEN}
        self._tell(
            notes.Awaits(
                at=self.clock,
                step=self.session.step,
                kind=described.kind,
                about=described.about,
                awaits=self.awaits,
                timer=self.timer.seconds if self.timer is not None and not self.on_screen else None,
                keys=self._lines() if self.on_screen else described.awaits,
                secret=described.secret,
                ways={name: target for name, target in self.step.exits.items() if name not in never},
            )
        )

    def _press(self, keys: Secret) -> None:
        self._living()
        pressed = []
        told: list[notes.Note] = []
        tell, self._tell = self._tell, told.append  # whether keys were a secret is known only after them
        try:
            for key in keys.reveal():
                if self.over:
                    break  # nobody is there to hear it
                pressed.append(self._watch.pressed(self.session, key))
                self.tape.keys(pressed[-1])
                self.send(events.Digit(key))
        finally:
            self._tell = tell
        tell(notes.KeysPressed(at=self.clock, keys=shown(pressed)))
        for note in told:
            tell(note)

    @property
    def on_screen(self) -> bool:
        """Whether this is a USSD session: what is keyed is sent as one line."""
        return self.session.answers.get(CHANNEL) == USSD

    def _send_line(self, text: str) -> None:
        self._living()
        if not self.on_screen:
            raise NotNow("lines are sent from screens, and this is a call")
        if _LINE not in self.awaits:
            raise NotNow(f"nothing can be sent before the answer; {self._instead()}")
        line, *more = code_parts(f"*{text}") or ("",)  # as the network reads what is dialled
        if more:
            raise NotNow("a star stands between two lines and is in none of them: send one line, such as a choice")
        self._tell(notes.LineSent(at=self.clock, line=line))
        display = self._display
        if display.turns(line) or display.hides(line):
            return  # the flow hears nothing of it
        self.tape.sends(line)
        display.clear()
        self.line(line)

    def _read(self) -> None:
        """Nobody waits for a screen to be spoken: what it says goes on at once, up to the next question."""
        while self.on_screen and self.playing is not None:
            self.tape.hears()
            self.hear()
        if _LINE in self.awaits and self._display.is_stale:
            self._display.show(self._accepts)

    def _page_ways(self) -> tuple[str, str]:
        language = self.session.language
        return self._words((_FORWARD,), language), self._words((_BACK,), language)

    def _accepts(self, line: str) -> bool:
        asked = question(self.step.kind)
        return self._display.offers(line) or (asked is not None and asked.accepts(line))

    def _lines(self) -> str:
        """What can be sent here, in words."""
        asked = question(self.step.kind)
        if isinstance(asked, MenuStep):
            return f"one of {' '.join(asked.lines)}"
        return describe(self.step.kind).awaits.partition("; ")[0]

    def _tell_page(self, number: int) -> None:
        text, limits = self._display.pages[number].text, self._display.limits
        self._tell(
            notes.Shows(
                at=self.clock,
                text=text,
                page=number + 1,
                pages=len(self._display.pages),
                characters=length(text),
                most=limits.gsm if is_gsm(text) else limits.ucs2,
                for_network=self.over and self._requested is not None,
            )
        )

    def _tell_last_pages(self) -> None:
        """What stands on the screen when the session is over; or what the network gets instead."""
        if self._requested is not None:
            self._display.show_line(payment_line(self._requested.invoice_id, self._requested.amount_rial))
        else:
            self._display.show_last(self._words((_WORDLESS,), self.session.language))
        for number in range(len(self._display.pages)):
            self._tell_page(number)

    def _listen(self) -> None:
        if self.playing is None:
            raise NotNow(f"nothing is being said; {self._instead()}")
        self._tell(notes.PromptHeard(at=self.clock))
        self.tape.hears()
        self.hear()

    def _let_pass(self) -> None:
        if self.playing is not None:
            raise NotNow("something is being said; 'hear' it to its end first")
        if self.timer is None or self.on_screen:
            raise NotNow(f"no timer runs; {self._instead()}")
        seconds = self.timer.seconds
        self._tell(notes.TimerFired(at=self.clock + seconds, seconds=seconds))
        self.tape.silent(seconds)
        self.wait()

    def _go_on(self) -> None:
        if self.playing is not None:
            self._listen()
        elif _RECORDING in self.awaits:
            self._record(orders.SILENT)
        elif _TIMER in self.awaits and _ANSWER not in self.awaits:
            self._let_pass()
        else:
            raise NotNow(self._instead())

    def _give_headers(self, values: Mapping[str, str] | None) -> None:
        token = self.session.asking
        if _HEADERS not in self.awaits or token is None or not isinstance(self.asked, commands.ReadHeaders):
            raise NotNow(f"nobody reads headers now; {self._instead()}")
        came: dict[str, str | None] = {}
        if values is not None:
            given = {name.lower(): value for name, value in values.items()}
            came = {name: given.pop(name.lower(), None) for name in self.asked.names}
            if given:
                raise NotNow(f"these headers are read: {', '.join(self.asked.names)}; not {', '.join(given)}")
        self._tell(notes.HeadersCame(at=self.clock, trusted=values is not None, values=came))
        self.tape.headers(came if values is not None else None)
        self.send(events.HeadersRead(token, values is not None, came))

    def _answer(self, order: orders.Answer | orders.Approve | orders.Decline) -> None:
        asked = self.question
        exit_name = self.exit_of(order)
        given = {} if isinstance(order, orders.Decline) else order.values
        values = answer_values(given, exit_name, asked, self._providers)
        self._tell(notes.Answered(at=self.clock, exit=exit_name, values=values))
        self.tape.answers(exit_name, values)
        self.send(events.ProviderReplied(asked.token, exit_name, values))

    def _change_leg(self, what: str) -> None:
        token = self.session.leg
        if token is None or self.over:
            raise NotNow(f"nobody is dialled now; {self._instead()}")
        if what == LegResult.BEING_PAID.value and what not in self.step.exits:
            raise NotNow("this leg is no try to pay")
        if what != "answered" and what not in self.step.exits:
            raise NotNow(f"who is called here is never '{what}'")
        self._tell(notes.LegChanged(at=self.clock, result=what))
        self.tape.leg(what)
        self.send(events.LegAnswered(token) if what == "answered" else events.LegEnded(token, LegResult(what)))

    def _record(self, what: str) -> None:
        if self.recording is None or self.over:
            raise NotNow(f"nothing is recorded now; {self._instead()}")
        self._tell(notes.Recorded(at=self.clock, result=what))
        self.tape.recorded(what)
        self.record(talked=what == orders.TALKED, failed=what == orders.FAILED)

    def _living(self) -> None:
        if self.over:
            raise NotNow("the call is over")

    def _instead(self) -> str:
        """What could be said instead."""
        if self.over:
            return "the call is over"
        words = {
            _PROMPT: "'hear' the prompt",
            _TIMER: "'wait' for the timer",
            _HEADERS: "'headers NAME=VALUE ...' or 'headers untrusted'",
            _LEG: "'leg answered', 'ended', 'busy', 'no_answer' ...",
            _RECORDING: "'talk' into the recording, or 'silent recording'",
            _LINE: "what is sent from the screen, such as 1, or 'send …'",
        }
        if _ANSWER in self.awaits and isinstance(self.asked, commands.AskProvider):
            exits = ", ".join(possible_exits(self.asked, self.step, self._providers))
            words[_ANSWER] = f"'approve', 'decline' or 'answer' with one of {exits}"
        return "now: " + "; ".join(words[what] for what in self.awaits) if self.awaits else "there is nothing to await"

    # -- what the flow does ------------------------------------------------------------------------------------------

    def _after(self, turn: Turn) -> Turn:
        self._watch.turned(turn.session, fault=turn.fault is not None)
        if turn.fault is not None:
            self._tell(notes.FlowBroke(at=self.clock, fault=turn.fault))
        for step, by, to in self._ways:
            self._tell(notes.StepLeft(at=self.clock, step=step, exit=by, to=to))
        moved = bool(self._ways) or turn.fault is not None or turn.session.step != self._step_told
        self._ways.clear()
        if moved and turn.session.visit:
            self._step_told = turn.session.step
            kind = describe(self.flow.steps[self._step_told].kind).kind
            self._tell(notes.StepEntered(at=self.clock, step=self._step_told, kind=kind))
        super()._after(turn)
        while (noticed := self.take()) is not None:
            self.tape.noticed(noticed)
        if turn.session.ended is not None:
            if self.on_screen and turn.session.ended != "caller_hung_up":
                self._tell_last_pages()
            self._tell(notes.CallEnds(at=self.clock, how=turn.session.ended))
        return turn

    def _do(self, command: commands.Command) -> None:
        super()._do(command)
        note = self._note(command)
        if isinstance(note, notes.Says):
            self._display.say(note.words, note.choices, note.title)
        if isinstance(command, commands.RequestPayment):
            self._requested = command
        if not self.on_screen or not isinstance(command, _UNSEEN):
            self._tell(note)

    def _note(self, command: commands.Command) -> notes.Note:
        at = self.clock
        match command:
            case commands.Play(_, say, choices, title):
                language = self.session.language
                return notes.Says(
                    at=at,
                    words=self._words(say, language),
                    say=[written_say(part) for part in say],
                    choices={choice.line: self._words((choice.words,), language) for choice in choices},
                    title=self._words(title, language),
                )
            case commands.StopPlaying():
                return notes.PromptStopped(at=at)
            case commands.StartTimer(_, seconds):
                return notes.TimerStarted(at=at, seconds=seconds)
            case commands.StopTimer():
                return notes.TimerStopped(at=at)
            case commands.AskProvider():
                return notes.Asks(
                    at=at,
                    operation=f"{command.provider}.{command.operation}",
                    arguments={n: str(v) if isinstance(v, Secret) else v for n, v in command.arguments.items()},
                    payment=written_payment(command.payment),
                    answers=possible_exits(command, self.step, self._providers),
                )
            case commands.ReadHeaders(_, names):
                return notes.Reads(at=at, headers=list(names))
            case commands.Dial():
                return notes.Dials(
                    at=at,
                    trunk=command.trunk,
                    number=command.number,
                    caller_id=command.caller_id,
                    headers=dict(command.headers),
                    answer_timeout=command.answer_timeout,
                    payment=written_payment(command.payment),
                )
            case commands.Transfer(_, agent, queue, tell, language, wait):
                return notes.Transfers(at=at, agent=agent, queue=queue, tells=self._words(tell, language), wait=wait)
            case commands.Record():
                return notes.Records(at=at, **written_record(command))
            case commands.StopRecording():
                return notes.RecordingStopped(at=at)
            case commands.Notify(target, _, event, values):
                return notes.Notifies(at=at, to=target, event=event, values=dict(values))
            case commands.RequestPayment(invoice, amount):
                return notes.RequestsPayment(at=at, invoice=invoice, amount=amount)
            case commands.Guard(privacy):
                return notes.Guarded(at=at, privacy=privacy.value)
            case commands.HangUp(cause):
                return notes.HangsUp(at=at, cause=cause.name.lower())


class _Exits(Mapping[str, str]):
    """A step's exits that note which of them were taken."""

    def __init__(self, step: Step, taken: list[tuple[str, str, str]]) -> None:
        self._step = step
        self._taken = taken

    def __getitem__(self, name: str) -> str:
        return self._step.exits[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._step.exits)

    def __len__(self) -> int:
        return len(self._step.exits)

    def get(self, name: str, default: object = None) -> str | None:  # type: ignore[override]
        target = self._step.exits.get(name)
        if target is not None:
            self._taken.append((self._step.name, name, target))
        return target
