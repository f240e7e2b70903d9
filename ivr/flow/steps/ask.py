"""ask: the caller keys a number.

Law: keys count from the first one on, whenever they come: ahead of the prompt, into it (barge-in) or after it. A wrong
number throws away all keys, says what was wrong and asks again, until the attempts are used up. A number that is asked
for twice is kept only when both are the same; the first one lives in memory alone, but for a session on screens, which
lives in no memory and is asked for no secrets.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.card import is_card_number
from ivr.domain.digits import KEYS, is_digits
from ivr.domain.operations import Kind
from ivr.domain.privacy import Privacy
from ivr.domain.reading import Fields
from ivr.domain.secret import Secret
from ivr.domain.speech import Prompt
from ivr.flow.commands import Choice
from ivr.flow.describing import Description
from ivr.flow.events import Digit, Event, Line, PromptFinished, TimerFired
from ivr.flow.facts import Facts
from ivr.flow.saying import NO_TITLE, Saying
from ivr.flow.screen_keys import screen_key
from ivr.flow.session import Session
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.steps.forms import Entry, Form, Value, read_form
from ivr.flow.visit import Visit

SILENCE: Final = "silence"
INVALID: Final = "invalid"
CANCELLED: Final = "cancelled"
MISMATCH: Final = "mismatch"

CANCEL_WORDS: Final = Prompt("screen/cancel")

_FIRST: Final = "first"
"""What was sent first where a number is asked for twice."""

MOST_OVERFLOW: Final = 40
"""Digits too many, after which nobody waits for the finish key any longer: a key is stuck, or it is a machine."""


@dataclass(frozen=True, slots=True)
class Twice:
    """How the same number is asked for a second time."""

    saying: Saying
    mismatch_prompts: Sequence[Prompt]
    tries: int
    """Pairs that may differ before the step is left by `mismatch`."""


@dataclass(frozen=True, slots=True)
class AskStep:
    """How a number is asked for."""

    saying: Saying
    save: str
    form: Form
    secret: bool
    least: int
    most: int
    finish_key: str | None
    finish_at_most: bool
    """Done with the last possible digit, without waiting for the finish key."""
    cancel_key: str | None
    first_digit_timeout: float
    inter_digit_timeout: float
    attempts: int
    barge_in: bool
    type_ahead: bool
    silence_prompts: Sequence[Prompt]
    """One for each attempt; the last one also for those that follow."""
    short_prompts: Sequence[Prompt]
    long_prompts: Sequence[Prompt]
    invalid_prompts: Sequence[Prompt]
    twice: Twice | None = None
    title: Saying = NO_TITLE
    cancel_words: Prompt = CANCEL_WORDS
    perhaps: frozenset[str] = frozenset()
    """Suffixes of what only some numbers say."""

    @property
    def privacy(self) -> Privacy:
        """What is secret is for nobody's ears."""
        return Privacy.ALL if self.secret else Privacy.OPEN

    def progress(self, session: Session) -> tuple[str, int, int | None]:
        """What is being keyed, how many digits of it are, and how many there will be (None: that depends)."""
        return self.save, len(session.collected), self.most if self.least == self.most else None

    def enter(self, visit: Visit) -> None:
        """Ask; keys that were there before the question count if type-ahead is allowed.

        A secret that is keyed ahead would have been heard by whoever else is on the line.
        """
        if not self.type_ahead or (self.secret and visit.session.guarded):
            visit.forget_keys()
        visit.data["attempt"] = 1
        self._ask(visit)

    def on(self, visit: Visit, event: Event) -> None:
        """Keys, the end of the question, or silence."""
        match event:
            case Digit():
                self._take_keys(visit)
            case Line(text):
                self._take_line(visit, text)
            case PromptFinished():
                self._wait(visit)
                self._take_keys(visit)
            case TimerFired():
                self._complete(visit, timed_out=True)
            case _:
                pass

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Ask again, with the attempts that are left; a secret together with those that were lost before it.

        What has been learnt meanwhile is not asked for.
        """
        if visit.has_learnt(self.save):
            visit.leave(NEXT)
            return
        if self.secret:
            visit.need_secrets()
        visit.data.setdefault("attempt", 1)
        self._ask(visit)

    def describe(self) -> Description:
        """The question, and how a number is keyed."""
        length = str(self.most) if self.least == self.most else f"{self.least} to {self.most}"
        digits = f"{length} digit{'s' if self.most > 1 else ''}"
        what = f"{self.form.words}, {digits}" if self.form.words else digits
        parts = [f"{what}, kept as {self.save}"]
        parts += ["keyed twice"] if self.twice is not None else []
        parts += [f"{self.finish_key} finishes"] if self.finish_key else []
        parts += [f"{self.cancel_key} cancels"] if self.cancel_key else []
        return Description("ask", self.saying, awaits="; ".join(parts), secret=self.secret)

    def _ask(self, visit: Visit, *before: Prompt) -> None:
        visit.stop_timer()
        again = self.twice is not None and (bool(visit.session.entered) or _FIRST in visit.data)
        saying = self.twice.saying if self.twice is not None and again else self.saying
        choices = (
            [Choice(self.cancel_line, self.cancel_words)] if self.cancel_key is not None and visit.on_screen else ()
        )
        visit.play((*before, *saying.resolve(visit)), choices, self.title.resolve(visit) if visit.on_screen else ())
        self._take_keys(visit)

    @property
    def cancel_line(self) -> str:
        """What means the cancel key on a screen, where the star stands between lines: never a number asked for."""
        return screen_key("*", self.accepts)

    def accepts(self, line: str) -> bool:
        """Whether this could be what is asked for, by its length."""
        return self.least <= len(line) <= self.most

    def _take_line(self, visit: Visit, text: str) -> None:
        """All of it at once: nobody waits for a finish key."""
        visit.stop_playing()
        visit.stop_timer()
        if self.cancel_key is not None and text == self.cancel_line:
            visit.forget_keys()
            visit.leave(CANCELLED)
            return
        if is_card_number(text):
            self._wrong(visit, INVALID, self.invalid_prompts)  # never kept: no screen asks for one
            return
        visit.session.collected = Secret(text[: self.most])
        if len(text) > self.most:
            visit.data["overflow"] = len(text) - self.most
        self._complete(visit, timed_out=False)

    def _wait(self, visit: Visit) -> None:
        collected = bool(visit.session.collected) or visit.data.get("overflow")
        visit.start_timer(self.inter_digit_timeout if collected else self.first_digit_timeout)

    def _take_keys(self, visit: Visit) -> None:
        if visit.session.playing is not None and not self.barge_in:
            return  # they wait in the type-ahead until the question has been heard
        while not visit.left and (key := visit.next_key()) is not None:
            visit.stop_playing()
            self._take_key(visit, key)

    def _take_key(self, visit: Visit, key: str) -> None:
        if key == self.cancel_key:
            visit.forget_keys()
            visit.leave(CANCELLED)
        elif key == self.finish_key:
            self._complete(visit, timed_out=False)
        else:
            collected = visit.session.collected
            if len(collected) < self.most:
                visit.session.collected = Secret(collected.reveal() + key)
            else:
                overflow = visit.data["overflow"] = int(visit.data.get("overflow", 0)) + 1
                if overflow > MOST_OVERFLOW:
                    visit.forget_keys()
                    visit.leave(INVALID)
                    return
            if self.finish_at_most and len(visit.session.collected) == self.most:
                visit.overlook(self.finish_key)
                self._complete(visit, timed_out=False)
            else:
                self._wait(visit)

    def _complete(self, visit: Visit, *, timed_out: bool) -> None:
        """The number is whole, or nothing more is coming."""
        keyed = visit.session.collected.reveal()
        if timed_out and not keyed and not visit.data.get("overflow"):
            self._wrong(visit, SILENCE, self.silence_prompts)
        elif visit.data.get("overflow"):
            self._wrong(visit, INVALID, self.long_prompts)
        elif len(keyed) < self.least:
            self._wrong(visit, INVALID, self.short_prompts)
        elif not is_digits(keyed) or (values := self.form.values(visit, keyed)) is None:
            self._wrong(visit, INVALID, self.invalid_prompts)
        elif self.twice is not None and not self._same(visit, self.twice, values[""]):
            return
        else:
            visit.session.collected = visit.session.entered = Secret("")
            self._save(visit, values)
            visit.leave(NEXT)

    def _save(self, visit: Visit, values: Mapping[str, Value]) -> None:
        for suffix in self.perhaps - values.keys():
            visit.forget(self.save + suffix)  # what an earlier number said
        for suffix, value in values.items():
            secret = self.secret and not suffix
            visit.save(self.save + suffix, Secret(str(value)) if secret else value)

    def _same(self, visit: Visit, twice: Twice, value: Value) -> bool:
        """Whether this is the number that was keyed before it; if not, the caller has been asked once more."""
        session = visit.session
        session.collected = Secret("")
        first, session.entered = session.entered, Secret("")
        if visit.on_screen:
            first = Secret(str(visit.data.pop(_FIRST, "")))
        if not first:
            if visit.on_screen:
                visit.data[_FIRST] = str(value)
            else:
                session.entered = Secret(str(value))
            self._ask(visit)
            return False
        if first.reveal() == str(value):
            return True
        visit.forget_keys()
        differed = visit.data["differed"] = int(visit.data.get("differed", 0)) + 1
        if differed >= twice.tries:
            visit.leave(MISMATCH)
        else:
            self._ask(visit, nth(twice.mismatch_prompts, differed))
        return False

    def _wrong(self, visit: Visit, why: str, prompts: Sequence[Prompt]) -> None:
        visit.forget_keys()
        attempt = int(visit.data.get("attempt", 1))
        visit.data.pop("overflow", None)
        if attempt >= self.attempts:
            visit.leave(why)
            return
        visit.data["attempt"] = attempt + 1
        self._ask(visit, nth(prompts, attempt))


def nth(prompts: Sequence[Prompt], attempt: int) -> Prompt:
    """What is said after this attempt, counted from 1: its own prompt, or the last one."""
    return prompts[min(attempt, len(prompts)) - 1]


def read(body: yaml.Node, reading: Reading) -> Made:
    """The fields of `ask`; see the admins' reference."""
    fields = Fields(reading.source, body, "ask")
    entry = read_form(fields, reading)
    finish_key = read_key(fields, "finish_key", "#")
    cancel_key = read_key(fields, "cancel_key", "")
    if finish_key is not None and finish_key == cancel_key:
        fields.blame(f"'{cancel_key}' cannot both finish and cancel", "cancel_key")
    secret = _secret(fields, entry)
    if entry.always_secret and not secret:
        fields.blame("a card's number is always secret", "secret")
    save = fields.name("save")
    place = fields.value("save", required=False)
    for suffix, kind in entry.makes.items():
        reading.make(save + suffix if save else "", Kind.SECRET if secret and not suffix else kind, place)
    attempts = fields.whole("attempts", 3, least=1, most=10)
    twice = _twice(fields, reading)
    made = AskStep(
        saying=reading.say(fields, "prompt"),
        save=save,
        form=entry.form,
        secret=secret,
        least=entry.least,
        most=entry.most,
        finish_key=finish_key,
        finish_at_most=fields.truth("finish_at_max", finish_key is None or entry.least == entry.most),
        cancel_key=cancel_key,
        first_digit_timeout=fields.seconds("first_digit_timeout", 7),
        inter_digit_timeout=fields.seconds("inter_digit_timeout", 4),
        attempts=attempts,
        barge_in=fields.truth("barge_in", True),
        type_ahead=fields.truth("type_ahead", True),
        silence_prompts=reading.prompts(fields, "silence_prompt", "common/heard_nothing", attempts),
        short_prompts=reading.prompts(fields, "short_prompt", "common/too_few_digits", attempts),
        long_prompts=reading.prompts(fields, "long_prompt", "common/too_many_digits", attempts),
        invalid_prompts=reading.prompts(fields, "invalid_prompt", "common/wrong_key", attempts),
        twice=twice,
        title=reading.show(fields, "title"),
        cancel_words=reading.screen_words(fields, "cancel_words", CANCEL_WORDS.name),
        perhaps=entry.perhaps,
    )
    fields.done()
    exits = {NEXT, SILENCE, INVALID}
    exits |= {CANCELLED} if cancel_key else set()
    exits |= {MISMATCH} if twice is not None else set()
    reading.uses.sizes.append((save, entry.kept or entry.most, fields.value("max", required=False) or body))
    sure = frozenset(save + suffix for suffix in entry.makes.keys() - entry.perhaps)
    perhaps = frozenset(save + suffix for suffix in entry.perhaps)
    return Made(made, frozenset(exits), facts=_facts(made, sure, perhaps))


def _facts(made: AskStep, sure: frozenset[str], perhaps: frozenset[str]) -> Facts:
    """What is keyed is the caller's choice; after silence the question was the last word. `sure`: known afterwards."""
    digits = str(made.least) if made.least == made.most else f"{made.least} to {made.most}"
    whole = made.finish_at_most and made.least == made.most
    key = f", then {made.finish_key}" if made.finish_key and not whole else ""
    how = {
        NEXT: f"key {made.save}: {digits} digits{key}",
        CANCELLED: f"press {made.cancel_key}",
        MISMATCH: "key two that differ",
    }
    return Facts(
        chosen=frozenset({NEXT, CANCELLED}),
        heard=frozenset({SILENCE}),
        makes={NEXT: sure},
        perhaps={NEXT: perhaps},
        says=made.saying,
        cut_short=made.barge_in,
        how=how | wrong_ways(made.attempts),
    )


def wrong_ways(attempts: int) -> dict[str, str]:
    """In words, what uses up the attempts."""
    times = "once" if attempts == 1 else f"{attempts} times"
    return {SILENCE: f"press nothing, {times}", INVALID: f"press something wrong, {times}"}


def _secret(fields: Fields, entry: Entry) -> bool:
    secret = fields.truth("secret", entry.always_secret)
    if secret and not entry.may_be_secret:
        fields.blame("only digits, numbers, cards and mobiles can be secret", "secret")
    return secret and entry.may_be_secret


def _twice(fields: Fields, reading: Reading) -> Twice | None:
    """`twice: true` with `again_prompt`, `mismatch_prompt` and `mismatches`."""
    if not fields.truth("twice", False):
        return None
    tries = fields.whole("mismatches", 2, least=1, most=10)
    node = fields.value("again_prompt", required=False)
    again = reading.say(fields, "again_prompt") if node is not None else None
    if again is None:
        again = Saying((reading.prompt(fields, "again_prompt", "common/enter_again"),))
    return Twice(again, reading.prompts(fields, "mismatch_prompt", "common/entries_differ", tries), tries)


def read_key(fields: Fields, name: str, default: str) -> str | None:
    """One key of the keypad, `none`, or the default."""
    text = fields.text(name, default or "none")
    if text == "none":
        return None
    if len(text) != 1 or text not in KEYS:
        fields.blame(f"'{name}' must be one key (0-9, * or #) or none", name)
        return None
    return text
