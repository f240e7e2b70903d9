"""ask: the caller keys a number.

Law: keys count from the first one on, whenever they come: ahead of the prompt, into it (barge-in) or after it. A wrong
number throws away all keys, says what was wrong and asks again, until the attempts are used up.
"""

from dataclasses import dataclass
from typing import Final

import yaml

from ivr.domain.card import CARD_DIGITS, is_card_number
from ivr.domain.digits import KEYS, is_digits
from ivr.domain.operations import Kind
from ivr.domain.phone import MOBILE_DIGITS, mobile
from ivr.domain.reading import Fields
from ivr.domain.secret import Secret
from ivr.domain.speech import Prompt
from ivr.flow.describing import Description
from ivr.flow.events import Digit, Event, PromptFinished, TimerFired
from ivr.flow.facts import Facts
from ivr.flow.saying import Saying
from ivr.flow.steps.base import NEXT, Made, Reading
from ivr.flow.visit import Visit

SILENCE: Final = "silence"
INVALID: Final = "invalid"
CANCELLED: Final = "cancelled"

MOST_OVERFLOW: Final = 40
"""Digits too many, after which nobody waits for the finish key any longer: a key is stuck, or it is a machine."""

MOST_DIGITS: Final = 40
"""The longest number that can be asked for; the collecting buffer never grows beyond one more."""


@dataclass(frozen=True, slots=True)
class AskStep:
    """How a number is asked for."""

    saying: Saying
    save: str
    form: str
    """digits, number (digits without leading zeros), card or mobile."""
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
    silence_prompt: Prompt
    short_prompt: Prompt
    long_prompt: Prompt
    invalid_prompt: Prompt

    def enter(self, visit: Visit) -> None:
        """Ask; keys that were there before the question count if type-ahead is allowed."""
        if not self.type_ahead:
            visit.forget_keys()
        visit.data["attempt"] = 1
        self._ask(visit)

    def on(self, visit: Visit, event: Event) -> None:
        """Keys, the end of the question, or silence."""
        match event:
            case Digit():
                self._take_keys(visit)
            case PromptFinished():
                self._wait(visit)
                self._take_keys(visit)
            case TimerFired():
                self._complete(visit, timed_out=True)
            case _:
                pass

    def resume(self, visit: Visit, leg: int | None) -> None:
        """Ask again, with the attempts that are left; a secret together with those that were lost before it."""
        if self.secret:
            visit.need_secrets()
        visit.data.setdefault("attempt", 1)
        self._ask(visit)

    def describe(self) -> Description:
        """The question, and how a number is keyed."""
        length = str(self.most) if self.least == self.most else f"{self.least} to {self.most}"
        digits = f"{length} digit{'s' if self.most > 1 else ''}"
        parts = [f"{digits}, kept as {self.save}"]
        parts += [f"{self.finish_key} finishes"] if self.finish_key else []
        parts += [f"{self.cancel_key} cancels"] if self.cancel_key else []
        return Description("ask", self.saying, awaits="; ".join(parts), secret=self.secret)

    def _ask(self, visit: Visit, *before: Prompt) -> None:
        visit.stop_timer()
        visit.play((*before, *self.saying.resolve(visit)))
        self._take_keys(visit)

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
            self._wrong(visit, SILENCE, self.silence_prompt)
        elif visit.data.get("overflow"):
            self._wrong(visit, INVALID, self.long_prompt)
        elif len(keyed) < self.least:
            self._wrong(visit, INVALID, self.short_prompt)
        elif (value := _validated(self.form, keyed)) is None:
            self._wrong(visit, INVALID, self.invalid_prompt)
        else:
            visit.session.collected = Secret("")
            visit.save(self.save, Secret(value) if self.secret else value)
            visit.leave(NEXT)

    def _wrong(self, visit: Visit, why: str, prompt: Prompt) -> None:
        visit.forget_keys()
        attempt = int(visit.data.get("attempt", 1))
        visit.data.pop("overflow", None)
        if attempt >= self.attempts:
            visit.leave(why)
            return
        visit.data["attempt"] = attempt + 1
        self._ask(visit, prompt)


def _validated(form: str, keyed: str) -> str | None:
    """The number as it is kept, or None when it cannot be one of its form."""
    if not is_digits(keyed):
        return None
    if form == "card":
        return keyed if is_card_number(keyed) else None
    if form == "mobile":
        return mobile(keyed)
    if form == "number":
        return keyed.lstrip("0") or None
    return keyed


_FORMS: Final = {
    "digits": (1, MOST_DIGITS),
    "number": (1, MOST_DIGITS),
    "card": (CARD_DIGITS, CARD_DIGITS),
    "mobile": (10, 14),
}


def read(body: yaml.Node, reading: Reading) -> Made:
    """The fields of `ask`; see the admins' reference."""
    fields = Fields(reading.source, body, "ask")
    form = fields.one_of("form", tuple(_FORMS), "digits")
    least, most = _FORMS[form]
    least = fields.whole("min", least, least=1, most=MOST_DIGITS)
    most = fields.whole("max", most, least=1, most=MOST_DIGITS)
    if least > most:
        fields.blame(f"'min' is {least} and 'max' is {most}: no number fits", "min")
    finish_key = _key(fields, "finish_key", "#")
    cancel_key = _key(fields, "cancel_key", "")
    if finish_key is not None and finish_key == cancel_key:
        fields.blame(f"'{cancel_key}' cannot both finish and cancel", "cancel_key")
    secret = fields.truth("secret", form == "card")
    if form == "card" and not secret:
        fields.blame("a card's number is always secret", "secret")
    save = fields.name("save")
    reading.make(save, Kind.SECRET if secret else Kind.DIGITS, fields.value("save", required=False))
    made = AskStep(
        saying=reading.say(fields, "prompt"),
        save=save,
        form=form,
        secret=secret,
        least=least,
        most=most,
        finish_key=finish_key,
        finish_at_most=fields.truth("finish_at_max", finish_key is None or least == most),
        cancel_key=cancel_key,
        first_digit_timeout=fields.seconds("first_digit_timeout", 7),
        inter_digit_timeout=fields.seconds("inter_digit_timeout", 4),
        attempts=fields.whole("attempts", 3, least=1, most=10),
        barge_in=fields.truth("barge_in", True),
        type_ahead=fields.truth("type_ahead", True),
        silence_prompt=reading.prompt(fields, "silence_prompt", "common/heard_nothing"),
        short_prompt=reading.prompt(fields, "short_prompt", "common/too_few_digits"),
        long_prompt=reading.prompt(fields, "long_prompt", "common/too_many_digits"),
        invalid_prompt=reading.prompt(fields, "invalid_prompt", "common/wrong_key"),
    )
    fields.done()
    size = MOBILE_DIGITS if form == "mobile" else most
    reading.uses.sizes.append((save, size, fields.value("max", required=False) or body))
    return Made(made, frozenset({NEXT, SILENCE, INVALID} | ({CANCELLED} if cancel_key else set())), facts=_facts(made))


def _facts(made: AskStep) -> Facts:
    """What is keyed is the caller's choice; after silence the question was the last word."""
    digits = str(made.least) if made.least == made.most else f"{made.least} to {made.most}"
    whole = made.finish_at_most and made.least == made.most
    key = f", then {made.finish_key}" if made.finish_key and not whole else ""
    how = {NEXT: f"key {made.save}: {digits} digits{key}", CANCELLED: f"press {made.cancel_key}"}
    return Facts(
        chosen=frozenset({NEXT, CANCELLED}),
        heard=frozenset({SILENCE}),
        says=made.saying,
        cut_short=made.barge_in,
        how=how | wrong_ways(made.attempts),
    )


def wrong_ways(attempts: int) -> dict[str, str]:
    """In words, what uses up the attempts."""
    times = "once" if attempts == 1 else f"{attempts} times"
    return {SILENCE: f"press nothing, {times}", INVALID: f"press something wrong, {times}"}


def _key(fields: Fields, name: str, default: str) -> str | None:
    """One key of the keypad, `none`, or the default."""
    text = fields.text(name, default or "none")
    if text == "none":
        return None
    if len(text) != 1 or text not in KEYS:
        fields.blame(f"'{name}' must be one key (0-9, * or #) or none", name)
        return None
    return text
